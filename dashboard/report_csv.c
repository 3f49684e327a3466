#include "dashboard/report.h"

#include "base/log.h"

#include <inttypes.h>

static void put_quoted(FILE *out, struct fls_span text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.sz; i++) {
        if (text.at[i] == '"')
            fputc('"', out);
        fputc(text.at[i], out);
    }
    fputc('"', out);
}

/* Quotes where RFC 4180 asks for it, and around a blank at an end, which some readers strip. */
static void put_field(FILE *out, struct fls_span text)
{
    bool quoted = text.sz && (text.at[0] == ' ' || text.at[text.sz - 1] == ' ');

    for (size_t i = 0; i < text.sz && !quoted; i++)
        quoted = memchr(",\"\r\n", text.at[i], 4) != NULL;
    if (quoted)
        put_quoted(out, text);
    else
        fwrite(text.at, 1, text.sz, out);
}

static void put_row(FILE *out, const char *table, struct fls_span key,
                    const struct fls_counters *counters)
{
    fprintf(out, "%s,", table);
    put_field(out, key);
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        fprintf(out, ",%" PRIu64, counters->value[i]);
    fputc('\n', out);
}

/* CSV has no place for it. */
static void warn_of_error(const struct fls_report *report)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (report->tables[i].gave_way)
            fls_log_warn("the smallest rows of %s gave way for want of room: other formats say "
                         "by how much its figures may be too low",
                         fls_tables[i].name);
}

void fls_report_write_csv(const struct fls_report *report, FILE *out)
{
    int asked = report->query->table;

    warn_of_error(report);
    fputs("table,key", out);
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        fprintf(out, ",%s", fls_counter_name[i]);
    fputc('\n', out);
    if (asked < 0 || asked == FLS_TABLE_TOTALS)
        put_row(out, fls_tables[FLS_TABLE_TOTALS].name, FLS_SPAN(""), &report->totals);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        for (uint32_t j = 0; j < report->tables[i].row_cnt; j++)
            put_row(out, fls_tables[i].name, report->tables[i].rows[j].key,
                    &report->tables[i].rows[j].counters);
}

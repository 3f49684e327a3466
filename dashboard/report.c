#include "dashboard/report.h"

#include "base/assert.h"
#include "dashboard/sum.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool fls_report_shows(const struct fls_report *report, int table)
{
    if (table == FLS_TABLE_TOTALS)
        return false; /* no table of rows: always there as the report's totals */
    return report->query->table < 0 || report->query->table == table;
}

bool fls_counters_saturated(const struct fls_counters *counters)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        if (counters->value[i] == FLS_COUNTER_MAX)
            return true;
    return false;
}

static void name_day(struct fls_report *report)
{
    const struct fls_report_query *query = report->query;
    const struct fls_published *published = report->published;
    char first[FLS_DAY_TEXT_MAX], last[FLS_DAY_TEXT_MAX];

    if (query->day_given && query->day_first != query->day_last) {
        fls_day_format(query->day_first, first);
        fls_day_format(query->day_last, last);
        snprintf(report->day, sizeof(report->day), "%s..%s", first, last);
    } else if (published->day_cnt) {
        fls_day_format(published->days[0].day, report->day);
    }
}

void fls_report_make(struct fls_report *report, const struct fls_report_query *query,
                     const struct fls_published *published)
{
    fls_assert(query->order < FLS_COUNTER_CNT && query->order != FLS_ACCEPTED);
    fls_assert(query->table < FLS_TABLE_CNT);
    *report = (struct fls_report){.query = query, .published = published};
    name_day(report);
    for (uint32_t i = 0; i < published->day_cnt; i++) {
        const struct fls_published_table *totals = &published->days[i].tables[FLS_TABLE_TOTALS];

        for (uint32_t j = 0; j < totals->row_cnt; j++)
            fls_counters_add(&report->totals, &totals->rows[j].counters);
    }
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_report_shows(report, i))
            fls_sum_days(&report->tables[i], published, i, query->order, query->top_n);
}

void fls_report_fini(struct fls_report *report)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        free(report->tables[i].rows);
}

static void write_report(const struct fls_report *report, FILE *out)
{
    switch (report->query->format) {
    case FLS_REPORT_TEXT:
        fls_report_write_text(report, out);
        break;
    case FLS_REPORT_JSON:
        fls_report_write_json(report, out);
        break;
    case FLS_REPORT_CSV:
        fls_report_write_csv(report, out);
        break;
    }
}

int fls_report_print(struct fls_wire *wire, const char *name, const struct fls_report_query *query,
                     FILE *out, char *error, size_t error_max)
{
    struct fls_published_choice choice = {.account = query->account,
                                          .day_given = query->day_given,
                                          .day_first = query->day_first,
                                          .day_last = query->day_last};
    struct fls_published published;
    struct fls_report report;
    int status = fls_published_read(&published, wire, name, &choice, error, error_max);

    if (status)
        return status;
    fls_report_make(&report, query, &published);
    write_report(&report, out);
    if (fflush(out) || ferror(out)) {
        status = errno == EPIPE ? -EPIPE : -ENOSPC;
        snprintf(error, error_max, "the report could not be written: %s", strerror(errno));
    }
    fls_report_fini(&report);
    fls_published_fini(&published);
    return status;
}

#include "dashboard/report.h"

#include "base/assert.h"
#include "base/visible.h"

#include <jansson.h>
#include <stdlib.h>

#define FLS_REPORT_SCHEMA 1

_Static_assert(sizeof(json_int_t) == 8, "JSON integers hold every counter exactly");

static void set(json_t *object, const char *name, json_t *value)
{
    fls_assert(value && json_object_set_new(object, name, value) == 0);
}

static void append(json_t *array, json_t *value)
{
    fls_assert(value && json_array_append_new(array, value) == 0);
}

static json_t *object_new(void)
{
    json_t *object = json_object();

    fls_assert(object);
    return object;
}

static json_t *array_new(void)
{
    json_t *array = json_array();

    fls_assert(array);
    return array;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)(value > FLS_COUNTER_MAX ? FLS_COUNTER_MAX : value));
}

/* JSON is UTF-8. What is published is; what somebody else wrote there is made so. */
static json_t *text(struct fls_span span)
{
    json_t *value = json_stringn((const char *)span.at, span.sz);

    if (!value) {
        char *visible = fls_visible_string(span);

        value = json_string(visible);
        free(visible);
    }
    return value;
}

static json_t *day_text(uint32_t day)
{
    char buffer[FLS_DAY_TEXT_MAX];

    fls_day_format(day, buffer);
    return json_string(buffer);
}

static void set_counters(json_t *object, const struct fls_counters *counters)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        set(object, fls_counter_name[i], number(counters->value[i]));
    if (fls_counters_saturated(counters))
        set(object, "saturated", json_true());
}

static json_t *counters_new(const struct fls_counters *counters)
{
    json_t *object = object_new();

    set_counters(object, counters);
    return object;
}

static json_t *days_new(const struct fls_published *published)
{
    json_t *array = array_new();

    for (uint32_t i = 0; i < published->held_cnt; i++)
        append(array, day_text(published->held[i]));
    return array;
}

static json_t *accounts_new(const struct fls_published *published)
{
    json_t *array = array_new();

    for (uint32_t i = 0; i < published->account_cnt; i++)
        append(array, text(published->accounts[i]));
    return array;
}

static json_t *reasons_new(const struct fls_published *published)
{
    json_t *object = object_new();

    for (int i = 0; i < FLS_REASON_CNT; i++)
        set(object, fls_reason_name[i], number(published->counts.malformed[i]));
    return object;
}

static json_t *failed_new(const struct fls_published *published)
{
    json_t *array = array_new();

    for (uint32_t i = 0; i < published->failed_cnt; i++) {
        json_t *object = object_new();

        set(object, "object", text(published->failed[i].object));
        set(object, "reason", text(published->failed[i].reason));
        append(array, object);
    }
    return array;
}

static json_t *samples_new(const struct fls_published *published)
{
    json_t *array = array_new();

    for (uint32_t i = 0; i < published->sample_cnt; i++) {
        json_t *object = object_new();

        set(object, "reason", json_string(fls_reason_name[published->samples[i].reason]));
        set(object, "sample", text(published->samples[i].text));
        append(array, object);
    }
    return array;
}

static json_t *input_new(const struct fls_published *published)
{
    const struct fls_line_counts *counts = &published->counts;
    json_t *object = object_new();

    set(object, "objects", number(published->objects));
    set(object, "objects_failed", number(published->failed_cnt));
    set(object, "bytes_read", number(counts->bytes_read));
    set(object, "bytes", number(counts->bytes));
    set(object, "lines", number(counts->lines));
    set(object, "headers", number(counts->headers));
    set(object, "records", number(counts->records));
    set(object, "nodata", number(counts->nodata));
    set(object, "skipdata", number(counts->skipdata));
    set(object, "malformed", number(fls_malformed_sum(counts)));
    set(object, "malformed_by_reason", reasons_new(published));
    set(object, "failed", failed_new(published));
    set(object, "malformed_samples", samples_new(published));
    return object;
}

static json_t *lines_new(const struct fls_account_lines *lines)
{
    json_t *object = object_new();

    set(object, "records", number(lines->records));
    set(object, "nodata", number(lines->nodata));
    set(object, "skipdata", number(lines->skipdata));
    return object;
}

static json_t *uniques_new(const struct fls_published *published)
{
    json_t *object = object_new();

    set(object, "external_sources", number(published->external_sources));
    set(object, "own_addresses", number(published->own_addresses));
    return object;
}

static json_t *table_new(const struct fls_report_table *table)
{
    json_t *object = object_new();
    json_t *rows = array_new();

    for (uint32_t i = 0; i < table->row_cnt; i++) {
        json_t *row = object_new();

        set(row, "key", text(table->rows[i].key));
        set_counters(row, &table->rows[i].counters);
        append(rows, row);
    }
    set(object, "distinct", table->distinct_is_known ? number(table->distinct) : json_null());
    set(object, "max_error", counters_new(&table->max_error));
    set(object, "rows", rows);
    return object;
}

static json_t *tables_new(const struct fls_report *report)
{
    json_t *object = object_new();

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_report_shows(report, i))
            set(object, fls_tables[i].name, table_new(&report->tables[i]));
    return object;
}

void fls_report_write_json(const struct fls_report *report, FILE *out)
{
    const struct fls_published *published = report->published;
    const char *account = report->query->account;
    json_t *root = object_new();

    set(root, "schema", json_integer(FLS_REPORT_SCHEMA));
    set(root, "epoch", number(published->epoch));
    set(root, "account", account ? text(fls_span_of(account)) : json_null());
    set(root, "day", report->day[0] ? json_string(report->day) : json_null());
    set(root, "days", days_new(published));
    set(root, "accounts", accounts_new(published));
    set(root, "input", input_new(published));
    set(root, "lines", lines_new(&published->lines));
    set(root, "totals", counters_new(&report->totals));
    set(root, "unique", uniques_new(published));
    set(root, "tables", tables_new(report));
    /* A failure to write stays in `out` and is told by who owns it. */
    json_dumpf(root, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(root);
}

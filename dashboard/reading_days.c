#include "dashboard/reading.h"

#include "dashboard/view_values.h"

#include <errno.h>
#include <stdlib.h>

/* What one day's part of a transaction asks for, in this order. */
enum day_reply { DAY_FACTS, DAY_FEW, DAY_TOP, DAY_REPLY_CNT = DAY_TOP + FLS_TABLE_CNT };

static void queue_day(struct fls_reading *reading, uint32_t day)
{
    reading->parts.day = day;
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_FACTS);
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_FEW);
    /* Of every table: one with few keys has its rows there once they are many. */
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        reading->parts.table = fls_tables[i].name;
        fls_reading_queue(reading, "HGETALL", FLS_REDIS_TOP);
    }
}

static int table_of(struct fls_span name)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_span_equal(name, fls_span_of(fls_tables[i].name)))
            return i;
    return -1; /* of a newer program: nothing that this one shows */
}

static void take_rows(struct fls_published_day *day, redisReply **replies)
{
    uint32_t cnt[FLS_TABLE_CNT] = {0};
    const redisReply *few = replies[DAY_FEW];

    for (size_t i = 0; i < few->elements / 2; i++) {
        struct fls_span field = fls_value_field(few, i);
        int table = table_of(fls_value_cut(&field, '|'));

        if (table >= 0)
            cnt[table]++;
    }
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        cnt[i] += (uint32_t)(replies[DAY_TOP + i]->elements / 2);
        day->tables[i].rows = fls_reading_take(cnt[i], sizeof(struct fls_published_row));
    }
}

static bool add_row(struct fls_published_table *table, struct fls_span key, struct fls_span figures)
{
    struct fls_published_row *row = &table->rows[table->row_cnt++];

    row->key = key;
    return fls_value_numbers(figures, row->counters.value, FLS_COUNTER_CNT);
}

static int parse_few(struct fls_reading *reading, struct fls_published_day *day,
                     const redisReply *reply)
{
    for (size_t i = 0; i < reply->elements / 2; i++) {
        struct fls_span key = fls_value_field(reply, i);
        int table = table_of(fls_value_cut(&key, '|'));

        if (table >= 0 && !add_row(&day->tables[table], key, fls_value_at(reply, i)))
            return fls_reading_damaged(reading, FLS_REDIS_FEW);
    }
    return 0;
}

static int parse_top(struct fls_reading *reading, struct fls_published_day *day, int table,
                     const redisReply *reply)
{
    reading->parts.table = fls_tables[table].name;
    for (size_t i = 0; i < reply->elements / 2; i++)
        if (!add_row(&day->tables[table], fls_value_field(reply, i), fls_value_at(reply, i)))
            return fls_reading_damaged(reading, FLS_REDIS_TOP);
    return 0;
}

static int parse_facts(struct fls_reading *reading, struct fls_published_day *day,
                       const redisReply *reply)
{
    /* A scope's totals are one row: it needs no facts. */
    day->tables[FLS_TABLE_TOTALS].distinct = day->tables[FLS_TABLE_TOTALS].row_cnt;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        day->tables[i].distinct_is_known = true;
    for (size_t i = 0; i < reply->elements / 2; i++) {
        int id = table_of(fls_value_field(reply, i));
        struct fls_span text = fls_value_at(reply, i);
        struct fls_span distinct = fls_value_cut(&text, ' ');
        struct fls_published_table *table;

        if (id < 0)
            continue;
        table = &day->tables[id];
        table->distinct_is_known = !fls_span_equal(distinct, FLS_SPAN("-"));
        if ((table->distinct_is_known && !fls_value_number(distinct, &table->distinct)) ||
            !fls_value_numbers(text, table->max_error.value, FLS_COUNTER_CNT))
            return fls_reading_damaged(reading, FLS_REDIS_FACTS);
    }
    return 0;
}

static int order_keys(const void *a, const void *b)
{
    return fls_span_order(((const struct fls_published_row *)a)->key,
                          ((const struct fls_published_row *)b)->key);
}

/* Sorts the rows and holds facts and rows against each other: a key that the server evicted or
 * that another program wrote must not look like a figure. */
static int check_table(struct fls_reading *reading, struct fls_published_table *table)
{
    bool may_be_empty =
        table->distinct_is_known ? table->distinct == 0 : fls_published_gave_way(table);

    if ((table->row_cnt == 0 && !may_be_empty) ||
        (table->distinct_is_known && table->distinct < table->row_cnt) ||
        (table->distinct_is_known && table->distinct == 0 && table->row_cnt > 0))
        return fls_reading_damaged(reading, FLS_REDIS_FACTS);
    qsort(table->rows, table->row_cnt, sizeof(*table->rows), order_keys);
    for (uint32_t i = 1; i < table->row_cnt; i++)
        if (fls_span_equal(table->rows[i - 1].key, table->rows[i].key))
            return fls_reading_damaged(reading, FLS_REDIS_TOP);
    return 0;
}

static int parse_day(struct fls_reading *reading, struct fls_published_day *day,
                     redisReply **replies)
{
    int status;

    reading->parts.day = day->day;
    for (int i = 0; i < DAY_REPLY_CNT; i++)
        if (!fls_value_is_strings(replies[i], 2))
            return fls_reading_damaged(reading, FLS_REDIS_FACTS);
    take_rows(day, replies);
    if ((status = parse_few(reading, day, replies[DAY_FEW])))
        return status;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if ((status = parse_top(reading, day, i, replies[DAY_TOP + i])))
            return status;
    if ((status = parse_facts(reading, day, replies[DAY_FACTS])))
        return status;
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        reading->parts.table = fls_tables[i].name;
        if ((status = check_table(reading, &day->tables[i])))
            return status;
    }
    return 0;
}

/* How many different addresses all the chosen days have together. */
static void queue_uniques(struct fls_reading *reading, enum fls_redis_key key)
{
    uint32_t cnt = reading->to->day_cnt;
    char **keys = fls_reading_take(cnt, sizeof(*keys));

    fls_wire_command(reading->wire, "PFCOUNT");
    for (uint32_t i = 0; i < cnt; i++) {
        reading->parts.day = reading->to->days[i].day;
        keys[i] = fls_key_make(key, &reading->parts);
        fls_wire_text(reading->wire, keys[i]);
    }
    fls_reading_queue_made(reading);
    for (uint32_t i = 0; i < cnt; i++)
        free(keys[i]);
    free(keys);
}

static int parse_uniques(struct fls_reading *reading, redisReply **replies)
{
    if (replies[0]->type != REDIS_REPLY_INTEGER || replies[0]->integer < 0)
        return fls_reading_damaged(reading, FLS_REDIS_EXTERNAL_SOURCES);
    if (replies[1]->type != REDIS_REPLY_INTEGER || replies[1]->integer < 0)
        return fls_reading_damaged(reading, FLS_REDIS_OWN_ADDRESSES);
    reading->to->external_sources = (uint64_t)replies[0]->integer;
    reading->to->own_addresses = (uint64_t)replies[1]->integer;
    return 0;
}

int fls_reading_days(struct fls_reading *reading, uint32_t first, uint32_t cnt)
{
    struct fls_published *to = reading->to;
    const redisReply *exec;
    redisReply **at;
    uint64_t epoch;
    int status;

    fls_reading_begin(reading);
    if (first == 0) {
        queue_uniques(reading, FLS_REDIS_EXTERNAL_SOURCES);
        queue_uniques(reading, FLS_REDIS_OWN_ADDRESSES);
    }
    for (uint32_t i = first; i < first + cnt; i++)
        queue_day(reading, to->days[i].day);
    if ((status = fls_reading_commit(reading, &exec)) ||
        (status = fls_reading_epoch(reading, exec->element[0], &epoch)))
        return status;
    if (epoch != to->epoch)
        return -EAGAIN;
    at = exec->element + 1;
    if (first == 0) {
        if ((status = parse_uniques(reading, at)))
            return status;
        at += 2;
    }
    for (uint32_t i = first; i < first + cnt; i++, at += DAY_REPLY_CNT)
        if ((status = parse_day(reading, &to->days[i], at)))
            return status;
    return 0;
}

#include "dashboard/sum.h"

#include "base/assert.h"
#include "dashboard/view_values.h"

#include <stdlib.h>

/* Sums of one value for each day never wrap in this, so that they can be taken apart again. */
__extension__ typedef unsigned __int128 fls_wide;

struct wide_counters {
    fls_wide value[FLS_COUNTER_CNT];
};

/* A row of one day, or the sum of several. */
struct part {
    struct fls_published_row row;
    struct wide_counters present; /* bounds of the days that published it */
};

static void wide_add(struct wide_counters *to, const struct fls_counters *from)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        to->value[i] += from->value[i];
}

static uint64_t narrow(fls_wide value)
{
    return value > FLS_COUNTER_MAX ? FLS_COUNTER_MAX : (uint64_t)value;
}

/* ---- bounds ---- */

static int order_down(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x < y) - (x > y);
}

static bool is_whole(const struct fls_published_table *table)
{
    return table->distinct_is_known && table->distinct == table->row_cnt;
}

struct fls_counters fls_sum_bound(const struct fls_published_table *table, uint32_t top_k)
{
    struct fls_counters bound = {0};
    /* Fewer rows than K were published with a smaller K than today's; as the union of four
     * rankings they hold at least a quarter of their number from each. */
    uint32_t rank = table->row_cnt >= top_k ? top_k : (table->row_cnt + 3) / 4;
    uint64_t *values;

    if (is_whole(table) || table->row_cnt == 0)
        return bound;
    fls_assert(rank > 0);
    values = calloc(table->row_cnt, sizeof(*values));
    fls_assert(values);
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        for (uint32_t j = 0; j < table->row_cnt; j++)
            values[j] = table->rows[j].counters.value[i];
        qsort(values, table->row_cnt, sizeof(*values), order_down);
        bound.value[i] = values[rank - 1];
    }
    free(values);
    bound.value[FLS_ACCEPTED] = bound.value[FLS_FLOWS];
    return bound;
}

/* ---- sums ---- */

static int order_key(const void *a, const void *b)
{
    return fls_span_order(((const struct part *)a)->row.key, ((const struct part *)b)->row.key);
}

/* Puts the parts of all days one behind the other. `bounds` becomes the sum of the days' bounds. */
static uint32_t collect(struct part *parts, const struct fls_published *published, int id,
                        struct wide_counters *bounds)
{
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < published->day_cnt; i++) {
        const struct fls_published_table *from = &published->days[i].tables[id];
        struct fls_counters bound = fls_sum_bound(from, published->top_k);

        wide_add(bounds, &bound);
        for (uint32_t j = 0; j < from->row_cnt; j++) {
            parts[cnt].row = from->rows[j];
            wide_add(&parts[cnt++].present, &bound);
        }
    }
    return cnt;
}

/* Sums the parts of equal keys into the first of them; returns how many keys there are. */
static uint32_t fold(struct part *parts, uint32_t cnt)
{
    uint32_t kept = 0;

    qsort(parts, cnt, sizeof(*parts), order_key);
    for (uint32_t i = 0; i < cnt; i++) {
        if (kept && fls_span_equal(parts[kept - 1].row.key, parts[i].row.key)) {
            fls_counters_add(&parts[kept - 1].row.counters, &parts[i].row.counters);
            for (int j = 0; j < FLS_COUNTER_CNT; j++)
                parts[kept - 1].present.value[j] += parts[i].present.value[j];
        } else {
            parts[kept++] = parts[i];
        }
    }
    return kept;
}

static int order_counter(const void *a, const void *b, void *counter)
{
    enum fls_counter by = *(const enum fls_counter *)counter;
    const struct part *x = a, *y = b;

    if (x->row.counters.value[by] != y->row.counters.value[by])
        return x->row.counters.value[by] < y->row.counters.value[by] ? 1 : -1;
    return order_key(a, b);
}

/* The keys of all days together are known if every day publishes all of its own, or if one day
 * alone has any. */
static void count_distinct(struct fls_report_table *table, const struct fls_published *published,
                           int id)
{
    const struct fls_published_table *only = NULL;
    uint32_t day_cnt = 0;

    table->distinct = table->published_cnt;
    table->distinct_is_known = true;
    for (uint32_t i = 0; i < published->day_cnt; i++) {
        const struct fls_published_table *from = &published->days[i].tables[id];

        if (from->row_cnt == 0 && !fls_published_gave_way(from))
            continue;
        only = from;
        day_cnt++;
        if (!is_whole(from))
            table->distinct_is_known = false;
    }
    if (day_cnt == 1) {
        table->distinct = only->distinct;
        table->distinct_is_known = only->distinct_is_known;
    }
}

/* Each day's own error, and the bounds of the days that lack the shown row that lacks most. */
static void find_error(struct fls_report_table *table, const struct fls_published *published,
                       int id, const struct part *parts, const struct wide_counters *bounds)
{
    for (uint32_t i = 0; i < published->day_cnt; i++) {
        fls_counters_add(&table->max_error, &published->days[i].tables[id].max_error);
        table->gave_way |= fls_published_gave_way(&published->days[i].tables[id]);
    }
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        fls_wide largest = 0;

        for (uint32_t j = 0; j < table->row_cnt; j++) {
            fls_wide missing = bounds->value[i] - parts[j].present.value[i];

            if (missing > largest)
                largest = missing;
        }
        table->max_error.value[i] = fls_counter_add(table->max_error.value[i], narrow(largest));
    }
}

void fls_sum_days(struct fls_report_table *table, const struct fls_published *published, int id,
                  enum fls_counter order, uint32_t top_n)
{
    struct wide_counters bounds = {0};
    struct part *parts;
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < published->day_cnt; i++)
        cnt += published->days[i].tables[id].row_cnt;
    parts = calloc(cnt ? cnt : 1, sizeof(*parts));
    fls_assert(parts);
    cnt = fold(parts, collect(parts, published, id, &bounds));
    if (id != FLS_TABLE_MINUTE)
        qsort_r(parts, cnt, sizeof(*parts), order_counter, &order);

    *table = (struct fls_report_table){.published_cnt = cnt, .row_cnt = cnt};
    if (top_n && top_n < cnt && id != FLS_TABLE_MINUTE)
        table->row_cnt = top_n;
    count_distinct(table, published, id);
    find_error(table, published, id, parts, &bounds);
    table->rows = calloc(cnt ? cnt : 1, sizeof(*table->rows));
    fls_assert(table->rows);
    for (uint32_t i = 0; i < table->row_cnt; i++)
        table->rows[i] = parts[i].row;
    free(parts);
}

#include "publish/merge.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/pages.h"
#include "shm/metrics.h"

#include <stdlib.h>
#include <string.h>

/* Of what was read of a table of all parts, so much stays mapped at most, each part's share being
 * at least the smaller one. */
#define WINDOWS_SZ ((size_t)4 << 20)
#define WINDOW_SZ_MIN ((size_t)64 << 10)

/* ---- a day ---- */

void fls_merge_day_init(struct fls_merge_day *merged, uint32_t day, bool are_maps)
{
    *merged = (struct fls_merge_day){.day = day, .are_maps = are_maps};
}

bool fls_merge_day_add(struct fls_merge_day *merged, struct fls_span part)
{
    struct fls_part_reader reader;

    if (!fls_part_open(&reader, part))
        return false;
    if (reader.trailer.day != merged->day) {
        fls_part_close(&reader);
        return false;
    }
    fls_array_reserve(merged->parts, merged->part_max, merged->part_cnt + 1);
    merged->parts[merged->part_cnt++] = (struct fls_merge_part){.reader = reader};
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_counters_add(&merged->max_errors[i], &reader.max_errors[i]);
    return true;
}

/* Of two ascending lists the one of all their texts; returns how many. */
static uint32_t unite(const struct fls_span *a, uint32_t a_cnt, const struct fls_span *b,
                      uint32_t b_cnt, struct fls_span *out)
{
    uint32_t cnt = 0, i = 0, k = 0;

    while (i < a_cnt || k < b_cnt) {
        int order = i == a_cnt ? 1 : k == b_cnt ? -1 : fls_span_order(a[i], b[k]);

        out[cnt++] = order <= 0 ? a[i] : b[k];
        i += order <= 0;
        k += order >= 0;
    }
    return cnt;
}

static void unite_symbols(struct fls_merge_day *merged, const struct fls_part_reader *part)
{
    uint64_t cnt = (uint64_t)merged->symbol_cnt + part->trailer.symbol_cnt;
    struct fls_span *all = fls_array_new(cnt, sizeof(*all));

    fls_assert(cnt <= UINT32_MAX);
    merged->symbol_cnt =
        unite(merged->symbols, merged->symbol_cnt, part->symbols, part->trailer.symbol_cnt, all);
    free(merged->symbols);
    merged->symbols = all;
}

/* Both lists ascend, and the day's has all of the part's. */
static void number_symbols(const struct fls_merge_day *merged, struct fls_merge_part *part)
{
    uint32_t cnt = part->reader.trailer.symbol_cnt;

    part->numbers = fls_array_new(cnt, sizeof(*part->numbers));
    for (uint32_t i = 0, number = 0; i < cnt; number++) {
        fls_assert(number < merged->symbol_cnt);
        if (fls_span_equal(part->reader.symbols[i], merged->symbols[number]))
            part->numbers[i++] = number;
    }
}

void fls_merge_day_unite(struct fls_merge_day *merged)
{
    for (uint32_t i = 0; i < merged->part_cnt; i++)
        unite_symbols(merged, &merged->parts[i].reader);
    for (uint32_t i = 0; i < merged->part_cnt; i++)
        number_symbols(merged, &merged->parts[i]);
}

void fls_merge_day_fini(struct fls_merge_day *merged)
{
    for (uint32_t i = 0; i < merged->part_cnt; i++) {
        fls_part_close(&merged->parts[i].reader);
        free(merged->parts[i].numbers);
    }
    free(merged->parts);
    free(merged->symbols);
    fls_merge_day_init(merged, merged->day, merged->are_maps);
}

bool fls_merge_gone(const struct fls_merge_day *merged,
                    void (*add)(void *context, uint32_t account, const struct fls_uniques *gone),
                    void *context)
{
    struct fls_uniques *gone = fls_array_new(1, sizeof(*gone));
    bool is_whole = true;

    for (uint32_t i = 0; i < merged->part_cnt && is_whole; i++) {
        const struct fls_merge_part *part = &merged->parts[i];
        struct fls_span left = part->reader.gone;
        uint32_t account;

        while (memset(gone, 0, sizeof(*gone)),
               fls_part_next_gone(&part->reader, &left, &account, gone))
            add(context, part->numbers[account], gone);
        is_whole = part->reader.gone.sz == 0 || left.at != NULL;
    }
    free(gone);
    return is_whole;
}

/* ---- the rows of a table ---- */

struct fls_merge_input {
    struct fls_part_cursor cursor; /* its rows are in numbers of the day */
    const uint8_t *mapped;         /* what was read before is mapped from here on */
};

/* Pages of a mapped file count as this process's memory from their first touch on. */
static void forget_read(struct fls_merge *merge, struct fls_merge_input *input)
{
    if (merge->day->are_maps)
        fls_pages_forget(input->mapped, input->cursor.at);
    input->mapped = input->cursor.at;
}

/* False if the part has no more rows. */
static bool advance(struct fls_merge *merge, struct fls_merge_input *input)
{
    if (!fls_part_next(&input->cursor)) {
        merge->is_torn |= input->cursor.is_torn;
        return false;
    }
    if ((size_t)(input->cursor.at - input->mapped) >= merge->window_sz) {
        forget_read(merge, input);
        fls_metrics_turn();
    }
    return true;
}

static bool is_before(const struct fls_merge *merge, uint32_t a, uint32_t b)
{
    return fls_part_row_compare(&merge->inputs[a].cursor.row, &merge->inputs[b].cursor.row) < 0;
}

static void sift_down(struct fls_merge *merge, uint32_t at)
{
    uint32_t item = merge->order[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < merge->cnt &&
            is_before(merge, merge->order[child + 1], merge->order[child]))
            child++;
        if (child >= merge->cnt || !is_before(merge, merge->order[child], item))
            break;
        merge->order[at] = merge->order[child];
        at = child;
    }
    merge->order[at] = item;
}

void fls_merge_begin(struct fls_merge *merge, const struct fls_merge_day *day,
                     enum fls_table_id table)
{
    size_t cnt = day->part_cnt ? day->part_cnt : 1;

    *merge = (struct fls_merge){.day = day, .table = table, .window_sz = WINDOWS_SZ / cnt};
    if (merge->window_sz < WINDOW_SZ_MIN)
        merge->window_sz = WINDOW_SZ_MIN;
    merge->inputs = fls_array_new(cnt, sizeof(*merge->inputs));
    merge->order = fls_array_new(cnt, sizeof(*merge->order));
    for (uint32_t i = 0; i < day->part_cnt; i++) {
        struct fls_merge_input *input = &merge->inputs[i];

        fls_part_rows(&input->cursor, &day->parts[i].reader, table);
        input->cursor.numbers = day->parts[i].numbers;
        input->mapped = input->cursor.at;
        if (advance(merge, input))
            merge->order[merge->cnt++] = i;
    }
    for (uint32_t at = merge->cnt / 2; at-- > 0;)
        sift_down(merge, at);
}

/* Takes the first row in order away. */
static void take_first(struct fls_merge *merge)
{
    if (!advance(merge, &merge->inputs[merge->order[0]]))
        merge->order[0] = merge->order[--merge->cnt];
    if (merge->cnt > 1)
        sift_down(merge, 0);
}

bool fls_merge_next(struct fls_merge *merge, struct fls_part_row *row)
{
    if (merge->cnt == 0 || merge->is_torn)
        return false;
    *row = merge->inputs[merge->order[0]].cursor.row;
    take_first(merge);
    while (merge->cnt > 0) {
        const struct fls_part_row *next = &merge->inputs[merge->order[0]].cursor.row;

        if (fls_part_row_compare(next, row) != 0)
            break;
        fls_counters_add(&row->counters, &next->counters);
        row->marks |= next->marks;
        take_first(merge);
    }
    return true;
}

void fls_merge_end(struct fls_merge *merge)
{
    for (uint32_t i = 0; i < merge->day->part_cnt; i++)
        forget_read(merge, &merge->inputs[i]);
    free(merge->inputs);
    free(merge->order);
}

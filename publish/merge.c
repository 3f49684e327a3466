#include "publish/merge.h"

#include "base/array.h"
#include "base/assert.h"
#include "shm/metrics.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Of a table of all parts in files, so much is in memory at most: of each part an equal share, but
 * no more than stays in the cache between reading it and using it, and no less than some rows. */
#define ROOMS_SZ ((size_t)4 << 20)
#define ROOM_SZ_MAX ((size_t)64 << 10)
#define ROOM_SZ_MIN ((size_t)1 << 10)
static_assert(ROOM_SZ_MIN >= FLS_PART_ROW_ROOM_MIN, "a row has room");

#define TURN_ROWS (1U << 15) /* 2 ms or so */

/* ---- a day ---- */

void fls_merge_day_init(struct fls_merge_day *merged, uint32_t day)
{
    *merged = (struct fls_merge_day){.day = day};
}

bool fls_merge_day_add(struct fls_merge_day *merged, struct fls_part_place part)
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
    fls_merge_day_init(merged, merged->day);
}

/* Of one part. */
static bool add_gone(const struct fls_merge_part *part, uint8_t *room, struct fls_uniques *gone,
                     void (*add)(void *context, uint32_t account, const struct fls_uniques *gone),
                     void *context)
{
    struct fls_part_gone from;
    uint32_t account;

    fls_part_gone(&from, &part->reader, room, FLS_PART_GONE_ROOM_MIN);
    while (memset(gone, 0, sizeof(*gone)), fls_part_next_gone(&from, &account, gone))
        add(context, part->numbers[account], gone);
    return !from.is_torn;
}

bool fls_merge_gone(const struct fls_merge_day *merged,
                    void (*add)(void *context, uint32_t account, const struct fls_uniques *gone),
                    void *context)
{
    struct fls_uniques *gone = fls_array_new(1, sizeof(*gone));
    uint8_t *room = fls_array_new(FLS_PART_GONE_ROOM_MIN, 1);
    bool is_whole = true;

    for (uint32_t i = 0; i < merged->part_cnt && is_whole; i++)
        if (merged->parts[i].reader.gone.sz > 0)
            is_whole = add_gone(&merged->parts[i], room, gone, add, context);
    free(room);
    free(gone);
    return is_whole;
}

/* ---- the rows of a table ---- */

struct fls_merge_input {
    struct fls_part_cursor cursor; /* its rows are in numbers of the day */
    uint8_t *room;                 /* of the cursor */
};

/* False if the part has no more rows. */
static bool advance(struct fls_merge *merge, struct fls_merge_input *input)
{
    if (!fls_part_next(&input->cursor)) {
        merge->is_torn |= input->cursor.is_torn;
        return false;
    }
    if (--merge->turn_rows == 0) {
        merge->turn_rows = TURN_ROWS;
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

/* A table that needs less room has less. */
static size_t room_sz(const struct fls_merge *merge, const struct fls_part_trailer *trailer)
{
    uint64_t sz = trailer->end[merge->table] - fls_part_table_begin(trailer, merge->table);

    sz += FLS_PART_ROW_ROOM_MIN;
    return sz < merge->room_sz ? sz : merge->room_sz;
}

static void begin_rows(const struct fls_merge *merge, struct fls_merge_input *input,
                       const struct fls_merge_part *part)
{
    size_t sz = part->reader.part.at ? 0 : room_sz(merge, &part->reader.trailer);

    if (sz > 0) {
        input->room = malloc(sz);
        fls_assert(input->room != NULL);
    }
    fls_part_rows(&input->cursor, &part->reader, merge->table, input->room, sz);
    input->cursor.numbers = part->numbers;
}

void fls_merge_begin(struct fls_merge *merge, const struct fls_merge_day *day,
                     enum fls_table_id table)
{
    size_t cnt = day->part_cnt ? day->part_cnt : 1, share = ROOMS_SZ / cnt;

    *merge = (struct fls_merge){.day = day, .table = table, .turn_rows = TURN_ROWS};
    merge->room_sz = share > ROOM_SZ_MAX ? ROOM_SZ_MAX : share < ROOM_SZ_MIN ? ROOM_SZ_MIN : share;
    merge->inputs = fls_array_new(cnt, sizeof(*merge->inputs));
    merge->order = fls_array_new(cnt, sizeof(*merge->order));
    for (uint32_t i = 0; i < day->part_cnt; i++) {
        begin_rows(merge, &merge->inputs[i], &day->parts[i]);
        if (advance(merge, &merge->inputs[i]))
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
        free(merge->inputs[i].room);
    free(merge->inputs);
    free(merge->order);
}

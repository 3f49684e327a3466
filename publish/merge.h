/* A day as the sum of its parts, read side by side in the order of their rows (shm/part_row.h), so
 * that it takes no memory to speak of, however large it is.
 *
 *     part  ─ row, row, row ... ┐
 *     part  ─ row, row, row ... ┼─> row of the smallest key and account, summed ─> ...
 *     part  ─ row, row, row ... ┘
 *
 * Rows of one key come one after the other, by account: their sum is the organisation's row. */
#pragma once

#include "base/hll.h"
#include "base/span.h"
#include "shm/part_reader.h"

#include <stdbool.h>
#include <stdint.h>

struct fls_merge_part {
    struct fls_part_reader reader;
    uint32_t *numbers; /* number of a symbol in the part -> in the day */
};

struct fls_merge_day {
    uint32_t day;
    struct fls_merge_part *parts;
    uint32_t part_cnt, part_max;
    struct fls_span *symbols; /* of all parts, in ascending order; they stand in the readers */
    uint32_t symbol_cnt;
    struct fls_counters max_errors[FLS_TABLE_CNT]; /* the sums of the parts' */
};

/* The rows of one table. */
struct fls_merge {
    const struct fls_merge_day *day;
    enum fls_table_id table;
    struct fls_merge_input *inputs; /* one for each part */
    uint32_t *order; /* those with a row left: a heap with the first in order on top */
    uint32_t cnt;
    size_t room_sz;     /* of a part in a file */
    uint32_t turn_rows; /* until it is told that work goes on */
    bool is_torn;       /* a part was found to be damaged: what was read is not all */
};

/* A day without parts. */
void fls_merge_day_init(struct fls_merge_day *merged, uint32_t day);
/* Adds a part, whose bytes stay where they are until the day is no longer used. False if it is torn
 * or of another day. */
bool fls_merge_day_add(struct fls_merge_day *merged, struct fls_part_place part);
/* After the last part: numbers the symbols. */
void fls_merge_day_unite(struct fls_merge_day *merged);
void fls_merge_day_fini(struct fls_merge_day *merged);

/* True if rows of the table gave way: each time, the error of its flows rises. */
static inline bool fls_merge_gave_way(const struct fls_merge_day *merged, enum fls_table_id table)
{
    return merged->max_errors[table].value[FLS_FLOWS] > 0;
}

/* Addresses that gave way: `add` is called for accounts that have some, for one more than once. The
 * account is a number of the day. False if a part is damaged. */
bool fls_merge_gone(const struct fls_merge_day *merged,
                    void (*add)(void *context, uint32_t account, const struct fls_uniques *gone),
                    void *context);

/* Begins with the first row of the table. */
void fls_merge_begin(struct fls_merge *merge, const struct fls_merge_day *day,
                     enum fls_table_id table);
/* The next row; account and symbols are numbers of the day. False at the end, or where a part is
 * damaged: see is_torn. */
bool fls_merge_next(struct fls_merge *merge, struct fls_part_row *row);
void fls_merge_end(struct fls_merge *merge);

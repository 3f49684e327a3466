/* Keys that give way where a day is larger than it may be on the disk, chosen when the day is
 * rewritten (publish/compact.h).
 *
 * Of the tables with many keys the smallest keys go (publish/smallest.h), judged by the
 * organisation's counters, with the rows of all accounts. The table's max_error grows, counter by
 * counter, by the largest value that went. Of any key and scope, what is shown (0 if there is no
 * row) is then at most the true value, and that at most what is shown and max_error together:
 * adding raises both alike, whether the key is there or comes again from 0; and what a key that
 * goes had in any scope is at most what it had in the organisation. docs/EVICTION.md has the bounds
 * of the error itself.
 *
 * Tables with few keys, the totals among them, stay exact. */
#pragma once

#include "publish/merge.h"
#include "publish/smallest.h"

/* Tables of no more keys than this stay as they are. */
#define FLS_EVICT_KEYS_MIN 256U

struct fls_evict {
    uint64_t size;  /* of the day written as one part, if nothing goes */
    bool gives_way; /* something goes */
    struct fls_smallest *tables[FLS_TABLE_CNT]; /* NULL: all its keys stay */
};

/* Chooses the keys that are to go so that the day has about half of bytes_max; none if it has no
 * more than bytes_max when written as one part. Reads the day once, or twice. False if a part is
 * damaged. To be ended in any case. */
bool fls_evict_begin(struct fls_evict *evict, const struct fls_merge_day *day, uint64_t bytes_max);
void fls_evict_end(struct fls_evict *evict);

/* Whether the key of this table goes that has these counters in the organisation. */
static inline bool fls_evict_has(const struct fls_evict *evict, enum fls_table_id table,
                                 const struct fls_counters *counters)
{
    return evict->tables[table] && fls_smallest_has(evict->tables[table], counters);
}

/* Adds what goes to the errors, by table. */
void fls_evict_raise(const struct fls_evict *evict,
                     struct fls_counters max_errors[static FLS_TABLE_CNT]);

/* Days as sums of their parts. A day is put together from the segments that the ledger names, and
 * grows by what later epochs add. Days in use stay in memory up to FLS_FOLD_BYTES_MAX; others are
 * put together again when an epoch touches them. */
#pragma once

#include "base/day.h"
#include "state/ledger.h"
#include "state/segments.h"

#include <stdbool.h>

#define FLS_FOLD_BYTES_MAX (1536ULL << 20) /* of rows, their indexes and names */

struct fls_fold_day {
    struct fls_day figures; /* of all its accounts and of the organisation */
    struct fls_names names;
    uint64_t last_segment; /* the parts of segments up to this one are in */
    uint32_t part_cnt;
    uint64_t new_segment;   /* the newest segments begin with this one */
    uint64_t *flows_before; /* by row of the totals: flows before the newest segments */
    uint32_t flows_before_cnt;
    uint64_t rows, bytes; /* as they are in the sums of the fold */
    bool in_use;          /* since the last fls_fold_trim */
};

struct fls_fold {
    struct fls_ledger *ledger;     /* not owned */
    struct fls_segments *segments; /* not owned */
    struct fls_fold_day **days;
    uint32_t day_cnt, day_max;
    uint64_t rows, bytes;           /* of all days */
    struct fls_dictionary verified; /* numbers of segment files whose checksum was looked at */
    char failure[256];
};

void fls_fold_init(struct fls_fold *fold, struct fls_ledger *ledger, struct fls_segments *segments);
void fls_fold_fini(struct fls_fold *fold);
/* The day with all parts that the ledger names. Segments from new_segment on are what is new in it,
 * however often it is asked for: see fls_fold_has_changed. Valid until a trim. NULL, and
 * fold->failure, if a segment is missing or damaged. */
struct fls_fold_day *fls_fold_get(struct fls_fold *fold, uint32_t day, uint64_t new_segment);
/* True if the new segments added to the scope whose row in the totals this is. */
bool fls_fold_has_changed(const struct fls_fold_day *day, uint32_t totals_row);
/* The day was rewritten as one part of this segment. */
void fls_fold_was_compacted(struct fls_fold_day *day, uint64_t segment);
void fls_fold_forget(struct fls_fold *fold, uint32_t day);
/* Frees days while they take more than FLS_FOLD_BYTES_MAX. */
void fls_fold_trim_bytes(struct fls_fold *fold);
/* An epoch is published: frees the days that it did not use. */
void fls_fold_trim(struct fls_fold *fold);

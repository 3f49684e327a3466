/* Days as sums of their parts. A day is put together from the segments that the ledger names, and
 * grows by what later epochs add. Days stay in memory up to a limit in all; others are put together
 * again when an epoch touches them. Where one day alone, while a part is added to it, would pass
 * the limit, its smallest rows give way (publish/evict.h). */
#pragma once

#include "base/day.h"
#include "state/ledger.h"
#include "state/segments.h"

#include <stdbool.h>

#define FLS_FOLD_BYTES_MAX (1536ULL << 20) /* of rows, their indexes and names, unless said */

struct fls_fold_day {
    struct fls_day figures; /* of all its accounts and of the organisation */
    struct fls_names names;
    uint64_t last_segment;  /* the parts of segments up to this one are in */
    uint32_t segment_cnt;   /* segment files that its parts are in */
    uint64_t new_segment;   /* the newest segments begin with this one */
    uint64_t *flows_before; /* by row of the totals: flows before the newest segments */
    uint32_t flows_before_cnt;
    struct fls_counters errors_before[FLS_TABLE_CNT]; /* likewise */
    bool was_put_together; /* again, when it was first asked for with this new_segment */
    uint64_t rows, bytes;  /* as they are in the sums of the fold */
    bool in_use;           /* since the last fls_fold_trim */
};

struct fls_fold {
    struct fls_ledger *ledger;     /* not owned */
    struct fls_segments *segments; /* not owned */
    struct fls_fold_day **days;
    uint32_t day_cnt, day_max;
    uint64_t rows, bytes; /* of all days */
    uint64_t bytes_max;
    bool has_told; /* that rows give way */
    char failure[512];
};

/* bytes_max: memory that days take at most, but for what no round of eviction can free (the tables
 * with few keys, texts, 32 KiB for each account with addresses that gave way). */
void fls_fold_init(struct fls_fold *fold, struct fls_ledger *ledger, struct fls_segments *segments,
                   uint64_t bytes_max);
void fls_fold_fini(struct fls_fold *fold);
/* The day with all parts that the ledger names. Segments from new_segment on are what is new in it,
 * however often it is asked for: see fls_fold_has_changed. Valid until a trim, or until another day
 * is asked for. NULL, and fold->failure, if a segment is missing or damaged. */
struct fls_fold_day *fls_fold_get(struct fls_fold *fold, uint32_t day, uint64_t new_segment);
/* True if the scope whose row in the totals this is may show something else than before the new
 * segments: they added to it; or rows of the day gave way, in which case all scopes show another
 * error and may have lost rows. */
bool fls_fold_has_changed(const struct fls_fold_day *day, uint32_t totals_row);
/* The day was rewritten as one part of this segment. */
void fls_fold_was_compacted(struct fls_fold_day *day, uint64_t segment);
void fls_fold_forget(struct fls_fold *fold, uint32_t day);
/* Frees days while they take more than the limit. */
void fls_fold_trim_bytes(struct fls_fold *fold);
/* An epoch is published: frees the days that it did not use. */
void fls_fold_trim(struct fls_fold *fold);

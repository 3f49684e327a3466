/* Makes an epoch durable: its segments in one file, synced; then its objects, lines and parts in
 * one transaction of the ledger. And forgets days that are older than what is kept. */
#pragma once

#include "publish/epoch.h"
#include "publish/fold.h"
#include "state/ledger.h"
#include "state/segments.h"

/* More parts than this, and a day is rewritten as one. */
#define FLS_PARTS_MAX 64U

struct fls_commit {
    struct fls_ledger *ledger;     /* not owned */
    struct fls_segments *segments; /* not owned */
    uint64_t epoch;                /* the last one committed */
    uint64_t made_cnt;             /* commits made since fls_commit_init */
    uint64_t next_segment;
    uint32_t keep_days;
    uint32_t *days; /* that hold records, ascending (unknown last) */
    uint32_t day_cnt, day_max;
    uint32_t *touched; /* days of the last commit that are held */
    uint32_t touched_cnt;
    uint32_t *dropped; /* days that the last commit forgot */
    uint32_t dropped_cnt, array_max; /* of touched and dropped */
    uint64_t new_segment; /* of the last commit */
    char failure[512];
};

/* Reads where the ledger stands. 0, or -errno and commit->failure. */
int fls_commit_init(struct fls_commit *commit, struct fls_ledger *ledger,
                    struct fls_segments *segments, uint32_t keep_days);
void fls_commit_fini(struct fls_commit *commit);
/* Removes segment files that the ledger does not name: leftovers of an interrupted commit. */
int fls_commit_clean(struct fls_commit *commit);
/* Commits the epoch's failed objects, and, unless it is damaged, all the rest of it. 0, or -errno
 * and commit->failure; then nothing of it is committed. */
int fls_commit_epoch(struct fls_commit *commit, const struct fls_epoch *epoch);
/* Rewrites the day as one part; what it replaces is removed. 0 or -errno, after which the day is as
 * it was. */
int fls_commit_compact(struct fls_commit *commit, struct fls_fold_day *day);

/* Makes an epoch durable: its segments in one file, written as they come and synced at the end;
 * then its objects, lines and parts in one transaction of the ledger. And forgets days that are
 * older than what is kept. */
#pragma once

#include "publish/epoch.h"
#include "state/ledger.h"
#include "state/segments.h"

/* Days in ascending order (so that unknown is last), each once. */
struct fls_day_list {
    uint32_t *at;
    uint32_t cnt, max;
};

struct fls_commit {
    struct fls_ledger *ledger;     /* not owned */
    struct fls_segments *segments; /* not owned */
    char identity[FLS_LEDGER_IDENTITY_MAX];
    uint64_t epoch; /* the last one committed */
    uint64_t next_segment;
    uint32_t keep_days;
    struct fls_day_list days; /* that hold records */
    /* Of the last commit, if it was this process's: */
    bool is_own;
    struct fls_day_list touched; /* days that it added to and that are held */
    struct fls_day_list dropped; /* days that were held and are no longer */
    uint64_t new_segment;
    bool is_read_only;        /* nothing of the state is changed: no compaction, no cleaning */
    bool has_unused_segments; /* there may be files for fls_commit_clean */
    bool is_uncertain;        /* a commit failed, and none was made since */
    bool has_told;            /* that keys give way */
    char failure[512];
};

/* Reads where the ledger stands. keep_days is at least 1. 0, or -errno and commit->failure. */
int fls_commit_init(struct fls_commit *commit, struct fls_ledger *ledger,
                    struct fls_segments *segments, uint32_t keep_days);
void fls_commit_fini(struct fls_commit *commit);
/* Notes K in the ledger, and so makes sure that what the ledger says is on the disk; then removes
 * what is left over: see fls_commit_clean. To be called before the first commit. 0, or -errno and
 * commit->failure. */
int fls_commit_settle(struct fls_commit *commit, uint32_t top_k);
/* Removes segment files that the ledger does not name: leftovers of an interrupted commit, and what
 * commits and compactions made useless; nothing while it is not certain what the ledger will name.
 * 0 or -errno; the next call tries again. */
int fls_commit_clean(struct fls_commit *commit);
/* Writes a segment of `size` bytes (0: none), which is parts one after the other, to the epoch's
 * file, but for days that are too old to be held, and closes its descriptor (-1: none). An epoch
 * has any number of segments. Only between two commits, with no compaction or cleaning from an
 * epoch's first segment to its commit. 0, or -errno and commit->failure; then the epoch cannot be
 * committed. */
int fls_commit_add_segment(struct fls_commit *commit, struct fls_epoch *epoch, int fd,
                           uint64_t size);
/* Commits the epoch's failed objects, and, unless it is damaged, all the rest of it; nothing, if
 * the ledger would be as before. 0, or -errno and commit->failure; then nothing of it is
 * committed. The epoch is to be cleared in any case. */
int fls_commit_epoch(struct fls_commit *commit, struct fls_epoch *epoch);
/* Names this part in the place of all that the day has: one of the finished file of number
 * commit->next_segment. 0, or -errno and commit->failure, after which the day is as it was. */
int fls_commit_replace_day(struct fls_commit *commit, const struct fls_part *part);
/* Notes in commit->failure that segment files could not be written, for what reason, and what to
 * do; returns the error. */
int fls_commit_segments_failed(struct fls_commit *commit, int error);

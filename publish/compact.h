/* Rewrites a day as one part, so that reading it does not take longer and longer; and lets the
 * smallest of its keys give way where it is larger than it may be (publish/evict.h). */
#pragma once

#include "publish/commit.h"
#include "publish/parts.h"

/* A day of more parts than this is to be rewritten. */
#define FLS_DAY_PARTS_MAX 64U

/* Rewrites the day; where its parts have more than bytes_max, keys give way until it has no more
 * than that. Then `parts` are no longer those that the ledger names: they are to be closed, and
 * opened again if they are needed. 0 or -errno and commit->failure, after which the day is as it
 * was. */
int fls_compact_day(struct fls_commit *commit, struct fls_parts *parts, uint64_t bytes_max);

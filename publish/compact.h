/* Rewrites a day as one part, so that reading it does not take longer and longer; and lets the
 * smallest of its keys give way where it is larger than it may be (publish/evict.h). */
#pragma once

#include "publish/commit.h"
#include "publish/parts.h"

/* A day of more parts than this is to be rewritten. */
#define FLS_DAY_PARTS_MAX 64U

/* Rewrites the day; where its parts have more than bytes_max, also once they are one, keys give way
 * until it has no more than that, or no more may go. A day that is too large and could only be
 * copied is left as it is up to FLS_DAY_PARTS_MAX parts. Then `parts` may be no longer those that
 * the ledger names: they are to be closed, and opened again if they are needed. Takes memory for
 * the texts of the day, and 32 KiB for each account with addresses that gave way; none for rows.
 * Precondition: there is a part. 0, or -errno and commit->failure; then the day is as it was, or,
 * where more than one rewriting was needed, as one of them left it. */
int fls_compact_day(struct fls_commit *commit, struct fls_parts *parts, uint64_t bytes_max);

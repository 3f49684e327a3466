/* Which keys of a table are the smallest, found in two passes over their counters. A key is as
 * small as it is by the counter by which it is largest: one that is among the large ones by any of
 * the five is not small.
 *
 * Every value has a rank: how many of the table's keys have, by that counter, a value about as
 * large (of the same bucket: within an eighth) or larger. A key's rank is the best of its five, and
 * the keys of a rank behind a line, the cut, are the smallest. Then
 *
 * (1) a key that is by no counter larger than one of the smallest is one of them,
 * (2) each counter of each of the smallest has FLS_SMALLEST_RANK_MIN of the table's keys beside it
 *     that are about as large or larger.
 *
 * Of the cuts that leave no more than is to stay, it is the one where the largest value that is
 * lost is the smallest multiple of the mean value that is lost: see fls_smallest_cut. There may be
 * none, since (2) comes first; then it is the one that leaves least: at most 5/32 of the keys. */
#pragma once

#include "base/counters.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_SMALLEST_BUCKETS 512U /* of values: 0..15, then 8 for each power of two */
#define FLS_SMALLEST_RANKS 256U   /* steps in which ranks are told apart */
#define FLS_SMALLEST_RANK_MIN 8U  /* so many steps, 1/32 of the keys, are never cut off */

/* Some keys: of one rank, or behind a cut. */
struct fls_smallest_keys {
    uint64_t cnt, row_cnt;
    struct fls_counters largest;
    double sum[FLS_COUNTER_CNT];
};

/* Zeroed, it is one that knows of no key yet. */
struct fls_smallest {
    uint64_t key_cnt, row_cnt; /* of all */
    uint64_t cnts[FLS_COUNTER_CNT][FLS_SMALLEST_BUCKETS];
    uint8_t ranks[FLS_COUNTER_CNT][FLS_SMALLEST_BUCKETS]; /* 0: the largest values */
    struct fls_smallest_keys by_rank[FLS_SMALLEST_RANKS];
    struct fls_smallest_keys behind; /* the smallest: keys of rank `cut` or behind it */
    uint32_t cut;
};

/* The first pass: each key. */
void fls_smallest_count(struct fls_smallest *smallest, const struct fls_counters *counters,
                        uint64_t row_cnt);
/* The second one: each key again, as it was. */
void fls_smallest_measure(struct fls_smallest *smallest, const struct fls_counters *counters,
                          uint64_t row_cnt);
/* After the passes: chooses the cut that leaves at most so many rows, if there is one. False if no
 * key may go. */
bool fls_smallest_cut(struct fls_smallest *smallest, uint64_t row_max);
/* Whether this key, one of those, is one of the smallest. */
bool fls_smallest_has(const struct fls_smallest *smallest, const struct fls_counters *counters);

/* Which rows of a table are the smallest. A row is as small as it is by the counter by which it is
 * largest: one that is among the large rows by any of the five is not small.
 *
 * Every value has a rank: how many of the table's rows have, by that counter, a value about as
 * large (of the same bucket: within an eighth) or larger. A row's rank is the best of its five, and
 * the rows of a rank behind a line, the cut, are the smallest. Then
 *
 * (1) at least half of the rows are the smallest,
 * (2) a row that is by no counter larger than one of the smallest is one of them,
 * (3) each counter of each of the smallest has FLS_SMALLEST_RANK_MIN of the table's rows beside it
 *     that are about as large or larger.
 *
 * There is such a cut, since of a tenth of the ranks there are at most five tenths of the rows. Of
 * those that keep (1) and (3) it is the one where the largest value that is lost is the smallest
 * multiple of the mean value that is lost: see fls_smallest_find. */
#pragma once

#include "base/table.h"

#include <stdbool.h>

#define FLS_SMALLEST_BUCKETS 512U /* of values: 0..15, then 8 for each power of two */
#define FLS_SMALLEST_RANKS 256U   /* steps in which ranks are told apart */
#define FLS_SMALLEST_RANK_MIN 8U  /* so many steps, 1/32 of the rows, are never cut off */

struct fls_smallest {
    uint8_t ranks[FLS_COUNTER_CNT][FLS_SMALLEST_BUCKETS]; /* 0: the largest values */
    uint32_t cut;                                         /* the smallest have this rank or more */
    uint32_t cnt;
    struct fls_counters largest; /* of the smallest, by each counter */
};

/* Finds them in two passes over a table that has rows. */
void fls_smallest_find(struct fls_smallest *smallest, const struct fls_table *table);
/* Whether the row, as it was when they were found, is one of them. */
bool fls_smallest_has(const struct fls_smallest *smallest, const struct fls_row *row);

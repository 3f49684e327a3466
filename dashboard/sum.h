/* Sums a table over days of which some publish their top rows only, and says how far off a sum can
 * be. */
#pragma once

#include "dashboard/report.h"

/* Fills the table with the rows of the chosen days, summed by key and ordered: `minute` by time,
 * all others by the counter downwards, ties by the bytes of the key upwards. All rows are shown if
 * top_n is 0, and always of `minute`.
 *
 * A row that is not among a day's published rows can have had, on that day, at most the day's
 * bound: since the top K rows of flows, packets, bytes and rejected are published, the K-th largest
 * value of that counter among them; of accepted, which has no ranking, the bound of flows. */
void fls_sum_days(struct fls_report_table *table, const struct fls_published *published, int id,
                  enum fls_counter order, uint32_t top_n);

/* The bound of one day's table, all 0 if all of its rows are published. What a row
 * lacks because rows gave way is the day's max_error, and comes on top. */
struct fls_counters fls_sum_bound(const struct fls_published_table *table, uint32_t top_k);

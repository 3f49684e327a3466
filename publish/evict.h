/* Rows that give way where a day is larger than the memory it may take.
 *
 * A round takes the largest of the tables with many keys and lets the smallest of its rows go
 * (publish/smallest.h): at least half of them. The table's max_error grows, counter by counter, by
 * the largest value that went. Of any key and scope, what is shown (0 if there is no row) is then
 * at most the true value, and that at most what is shown and max_error together: adding raises both
 * alike, whether the row is there or comes again from 0; and in each round a row goes once, with at
 * most what that round adds to the error. docs/EVICTION.md has the bounds of the error itself.
 *
 * Tables with few keys, the totals among them, stay exact. */
#pragma once

#include "base/day.h"

/* Tables are never made smaller than this by a round. */
#define FLS_EVICT_ROWS_MIN 256U

struct fls_evicted {
    enum fls_table_id table;
    uint32_t row_cnt;
    bool are_ipv6_renumbered; /* addresses of the rows that stayed, that is */
};

/* One round. Before rows of addresses go, they are counted among the day's unique addresses. False
 * if there is no table that may give way. */
bool fls_evict_round(struct fls_day *day, struct fls_names *names, struct fls_evicted *evicted);
/* Bytes of memory that the day and its names take. */
uint64_t fls_evict_used(const struct fls_day *day, const struct fls_names *names);

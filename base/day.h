/* The figures of one day: one table of each kind, for all its accounts. Shards hold what an epoch
 * added; publish holds the sums. Symbols and IPv6 addresses in the keys are numbers in the
 * dictionaries of whoever holds the day. */
#pragma once

#include "base/dictionary.h"
#include "base/hll.h"
#include "base/table.h"
#include "base/tables.h"

/* Symbol 0 is the empty text: the field is absent. A holder of days interns it first. */
#define FLS_SYMBOL_ABSENT 0U

/* Unique addresses of one scope. */
struct fls_uniques {
    struct fls_hll external_sources, own_addresses;
};

struct fls_day {
    uint32_t day; /* FLS_DAY_UNKNOWN or days since 1970 */
    struct fls_table tables[FLS_TABLE_CNT];
    /* In a sum, rows may have given way for want of room (publish/evict.h). Then a counter of any
     * key and scope is too low by at most the table's max_error, and is 0 of a key without a row.
     */
    struct fls_counters max_errors[FLS_TABLE_CNT];
    struct fls_uniques **gone; /* by symbol of an account: addresses that gave way, or NULL */
    uint32_t gone_cnt;         /* accounts that have some */
    uint32_t gone_max;         /* length of gone */
};

/* The texts behind the numbers in keys. */
struct fls_names {
    struct fls_dictionary symbols;
    struct fls_dictionary ipv6; /* 16 bytes each */
};

void fls_day_fini(struct fls_day *day);
/* Empties every table but keeps their pages; nothing has given way any more. */
void fls_day_clear(struct fls_day *day);
uint64_t fls_day_bytes(const struct fls_day *day);
uint64_t fls_day_rows(const struct fls_day *day);
/* Bytes of memory its rows and what gave way take: see fls_table_used. */
uint64_t fls_day_used(const struct fls_day *day);

/* True if rows of the table gave way: each time, the error of its flows rises. */
static inline bool fls_day_gave_way(const struct fls_day *day, enum fls_table_id table)
{
    return day->max_errors[table].value[FLS_FLOWS] > 0;
}

/* The addresses of the account that gave way, none at first. */
struct fls_uniques *fls_day_gone(struct fls_day *day, uint32_t account);

/* Makes the dictionaries empty but for FLS_SYMBOL_ABSENT. */
void fls_names_clear(struct fls_names *names);
void fls_names_fini(struct fls_names *names);

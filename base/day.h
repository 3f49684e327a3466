/* The figures of one day: one table of each kind, for all its accounts. Shards hold what an epoch
 * added; publish holds the sums. Symbols and IPv6 addresses in the keys are numbers in the
 * dictionaries of whoever holds the day. */
#pragma once

#include "base/dictionary.h"
#include "base/table.h"
#include "base/tables.h"

/* Symbol 0 is the empty text: the field is absent. A holder of days interns it first. */
#define FLS_SYMBOL_ABSENT 0U

struct fls_day {
    uint32_t day; /* FLS_DAY_UNKNOWN or days since 1970 */
    struct fls_table tables[FLS_TABLE_CNT];
};

/* The texts behind the numbers in keys. */
struct fls_names {
    struct fls_dictionary symbols;
    struct fls_dictionary ipv6; /* 16 bytes each */
};

void fls_day_fini(struct fls_day *day);
/* Empties every table but keeps their pages. */
void fls_day_clear(struct fls_day *day);
uint64_t fls_day_bytes(const struct fls_day *day);
uint64_t fls_day_rows(const struct fls_day *day);

/* Makes the dictionaries empty but for FLS_SYMBOL_ABSENT. */
void fls_names_clear(struct fls_names *names);
void fls_names_fini(struct fls_names *names);

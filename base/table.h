/* Rows of figures, found by key. The one table of the program: shards count in it, publish sums in
 * it.
 *
 * Rows are dense, in order of their first appearance, one cache line each:
 *
 *   0       4   8   12     14         15      16            56     60      64
 *   ├ scope ┼ a ┼ b ┼ port ┼ protocol ┼ flags ┼ 5 counters ─┼ hash ┼ marks ┤
 *
 * found through base/slots.h. Keys are hashed with a secret of the process, so that nobody can aim
 * keys at one slot. */
#pragma once

#include "base/counters.h"
#include "base/prefetch.h"
#include "base/slots.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the members mean depends on the table: see the key column of tables.def. A member that a
 * table does not use is 0. */
struct fls_key {
    uint32_t scope; /* account: a symbol; or FLS_SCOPE_ORGANISATION */
    uint32_t a, b;  /* IPv4 address (host order), number of an IPv6 address, symbol, or minute */
    uint16_t port;
    uint8_t protocol;
    uint8_t flags; /* FLS_A_IS_IPV6, FLS_B_IS_IPV6 */
};

#define FLS_SCOPE_ORGANISATION UINT32_MAX

enum { FLS_A_IS_IPV6 = 1, FLS_B_IS_IPV6 = 2 };

/* On which side of an interface an IPv6 address was seen. Sums of rows unite them. */
enum { FLS_MARK_OWN_SIDE = 1, FLS_MARK_FAR_SIDE = 2, FLS_MARKS_ALL = 3 };

/* Most addresses and conversations are known to one account only. In a sum of days the row of the
 * organisation then stands for the row of that account as well, until a second account has the
 * key: half the rows, and half the lookups. */
#define FLS_SOLE_SHIFT 4U
#define FLS_SOLE_ACCOUNT_MAX (UINT32_MAX >> FLS_SOLE_SHIFT) /* accounts that can be marked so */

struct fls_row {
    struct fls_key key;
    struct fls_counters counters;
    uint32_t hash;
    uint32_t marks; /* FLS_MARK_*, and above FLS_SOLE_SHIFT 1 + the sole account: fls_row_scopes */
};

static_assert(sizeof(struct fls_key) == 16, "hashed as two words");
static_assert(sizeof(struct fls_row) == 64, "one cache line");
static_assert(offsetof(struct fls_row, counters) == 16, "layout");
static_assert(offsetof(struct fls_row, hash) == 56, "layout");

/* The scopes that the row is of: 1 or 2; the account, if there is one, is the last. */
static inline uint32_t fls_row_scopes(const struct fls_row *row, uint32_t scopes[static 2])
{
    uint32_t sole = row->marks >> FLS_SOLE_SHIFT;

    scopes[0] = row->key.scope;
    if (sole == 0)
        return 1;
    scopes[1] = sole - 1;
    return 2;
}

/* The account that the row is of, FLS_SCOPE_ORGANISATION if of none. */
static inline uint32_t fls_row_account(const struct fls_row *row)
{
    uint32_t scopes[2];

    return scopes[fls_row_scopes(row, scopes) - 1];
}

#define FLS_TABLE_ROWS_MAX (1U << 31)

struct fls_table {
    struct fls_row *rows; /* rows[0..row_cnt) */
    struct fls_slots slots;
    uint32_t row_cnt, row_max;
};

/* A zeroed struct fls_table is an empty table. Frees what it holds and makes it so again. */
void fls_table_fini(struct fls_table *table);
/* Empties it but keeps its pages, which are dear at first touch. */
void fls_table_clear(struct fls_table *table);
/* Makes an empty table as large as row_cnt rows need, so that it does not grow step by step. */
void fls_table_reserve(struct fls_table *table, uint64_t row_cnt);
/* Bytes of address space it holds. */
uint64_t fls_table_bytes(const struct fls_table *table);
/* Bytes of memory it takes with row_cnt rows more than it has, and was not cleared: room for rows
 * that was never written to is not memory yet. */
uint64_t fls_table_used(const struct fls_table *table, uint32_t row_cnt);
/* Lets rows go: those stay for which `stays` is true, in their order. It may change the row's key,
 * as long as no two rows have the same. In place, and the memory that is not needed any more is
 * given back. */
void fls_table_retain(struct fls_table *table, bool (*stays)(void *context, struct fls_row *row),
                      void *context);

uint32_t fls_key_hash(const struct fls_key *key);
/* The row of the key, NULL if there is none. Valid until the next upsert. */
struct fls_row *fls_table_find(const struct fls_table *table, const struct fls_key *key,
                               uint32_t hash);
/* The row of the key, with counters of 0 if it is new. Valid until the next upsert. */
struct fls_row *fls_table_upsert(struct fls_table *table, const struct fls_key *key, uint32_t hash);

/* Looking up a batch: first prefetch_slot for all keys, then prefetch_row, then upsert. */
static inline void fls_table_prefetch_slot(const struct fls_table *table, uint32_t hash)
{
    fls_slots_prefetch(&table->slots, hash);
}

static inline void fls_table_prefetch_row(const struct fls_table *table, uint32_t hash)
{
    uint64_t slot = table->slots.at ? table->slots.at[hash & table->slots.mask] : 0;

    if (slot != 0 && fls_slot_hash(slot) == hash)
        fls_prefetch(&table->rows[fls_slot_number(slot)]);
}

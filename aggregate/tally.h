/* What a shard counts in: rows of figures by key, for one table of one day and account. Tables are
 * many and most of them small, one of them may hold nearly all; so rows and index begin tiny and
 * grow in steps that copy little.
 *
 * Rows are dense, in order of their first appearance, 40 bytes each. They stand in chunks that all
 * tables of a shard take from one pool; only the first chunk is smaller as long as it suffices.
 * The index is open addressing with linear probing; a slot of 4 bytes holds the number of a row
 * and, in the bits which that leaves, bits of the key's hash: most misses touch no row. Keys are
 * hashed with a secret of the process, so that nobody can aim keys at one slot. */
#pragma once

#include "base/counters.h"
#include "base/prefetch.h"
#include "base/tables.h"
#include "shm/part_row.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of struct fls_tally_row's `rest`, from the lowest on: port 16, protocol 8, flags of the key
 * 2 (FLS_A_IS_IPV6, FLS_B_IS_IPV6), marks of a 2 and of b 2 (FLS_MARK_*). */
#define FLS_TALLY_FLAGS_SHIFT 24U
#define FLS_TALLY_A_MARKS_SHIFT 26U
#define FLS_TALLY_B_MARKS_SHIFT 28U
#define FLS_TALLY_PLACE 0xffffffU /* protocol and port, as fls_part_place has them */
#define FLS_TALLY_KEY 0x3ffffffU  /* what of `rest` is of the key */

struct fls_tally_row {
    uint64_t packets, bytes;            /* as struct fls_counters has them */
    uint32_t flows, accepted, rejected; /* a shard hands over before they are full */
    uint32_t a, b; /* IPv4 address, the shard's number of an IPv6 address, minute */
    uint32_t rest;
};
static_assert(sizeof(struct fls_tally_row) == 40, "no holes");

#define FLS_TALLY_CHUNK_ROWS 1024U
#define FLS_TALLY_CHUNK_SZ (FLS_TALLY_CHUNK_ROWS * sizeof(struct fls_tally_row))
#define FLS_TALLY_FLOWS_MAX UINT32_MAX
#define FLS_TALLY_ROWS_MAX (1U << 31)

/* The memory of a shard's tables. A zeroed one is empty. */
struct fls_tally_pool {
    uint8_t **slabs; /* whole pages, of fls_tally_slab_sz each */
    uint32_t slab_cnt, slab_max;
    uint64_t slab_used;           /* bytes of the last one that were taken */
    struct fls_tally_row **spare; /* chunks that were given back */
    uint32_t spare_cnt, spare_max;
    uint64_t other_sz;               /* bytes that tables hold beside chunks */
    uint64_t row_cnt[FLS_TABLE_CNT]; /* of all tables of a kind */
};

struct fls_tally {
    struct fls_tally_row **chunks; /* &first as long as that is the only one */
    struct fls_tally_row *first;
    uint32_t *slots; /* 0: free; else number + 1 in the bits of mask, hash in those above */
    uint32_t mask;   /* number of slots - 1, a power of two - 1 */
    uint32_t row_cnt, row_max;
    uint16_t flags_seen; /* of keys: bit n for flags n */
    uint16_t table;      /* enum fls_table_id */
};

/* Gives all chunks' memory back. No table holds one any more. */
void fls_tally_pool_fini(struct fls_tally_pool *pool);
/* A chunk, of which nothing is initialised, and back. */
struct fls_tally_row *fls_tally_pool_take(struct fls_tally_pool *pool);
void fls_tally_pool_give(struct fls_tally_pool *pool, struct fls_tally_row *chunk);
/* Bytes of memory that it takes, with all that tables hold. */
uint64_t fls_tally_pool_bytes(const struct fls_tally_pool *pool);

/* Bytes of memory that `rows` more rows in all may take, of any of table_cnt tables. */
uint64_t fls_tally_more_sz(uint64_t rows, uint64_t table_cnt);
/* An empty table. It must not move in memory. */
void fls_tally_init(struct fls_tally *tally, enum fls_table_id table);
/* Gives back what it holds, and makes it empty again. */
void fls_tally_fini(struct fls_tally *tally, struct fls_tally_pool *pool);
/* The same, a chunk at a time: `take` gets its rows before. It may use the pool, not the table. */
void fls_tally_drain(struct fls_tally *tally, struct fls_tally_pool *pool,
                     void (*take)(void *context, const struct fls_tally_row *rows, uint32_t cnt),
                     void *context);
/* Gives its index back; nothing may be looked up in it any more. */
void fls_tally_drop_index(struct fls_tally *tally, struct fls_tally_pool *pool);

uint32_t fls_tally_hash(uint32_t a, uint32_t b, uint32_t rest);
/* The row of the key, with figures of 0 and no marks if it is new. Valid until the next upsert. */
struct fls_tally_row *fls_tally_upsert(struct fls_tally *tally, struct fls_tally_pool *pool,
                                       uint32_t a, uint32_t b, uint32_t rest, uint32_t hash);

/* A new row at the end, whether there is one of the key or not. Valid until the next one.
 * Precondition: the table has no index. */
struct fls_tally_row *fls_tally_append(struct fls_tally *tally, struct fls_tally_pool *pool,
                                       uint32_t a, uint32_t b, uint32_t rest);

static inline struct fls_tally_row *fls_tally_row(const struct fls_tally *tally, uint32_t number)
{
    return &tally->chunks[number / FLS_TALLY_CHUNK_ROWS][number % FLS_TALLY_CHUNK_ROWS];
}

static inline uint32_t fls_tally_flags(const struct fls_tally_row *row)
{
    return (row->rest & FLS_TALLY_KEY) >> FLS_TALLY_FLAGS_SHIFT;
}

/* Adds the figures and the marks. */
static inline void fls_tally_add(struct fls_tally_row *to, const struct fls_tally_row *from,
                                 uint32_t marks)
{
    to->packets = fls_counter_add(to->packets, from->packets);
    to->bytes = fls_counter_add(to->bytes, from->bytes);
    to->flows += from->flows;
    to->accepted += from->accepted;
    to->rejected += from->rejected;
    to->rest |= marks;
}

/* Looking up a batch: first prefetch_slot for all keys, then prefetch_row, then upsert. */
static inline void fls_tally_prefetch_slot(const struct fls_tally *tally, uint32_t hash)
{
    if (tally->slots)
        fls_prefetch(&tally->slots[hash & tally->mask]);
}

/* Asks for the first row that the hash may mean; a row may lie in two lines. */
static inline void fls_tally_prefetch_row(const struct fls_tally *tally, uint32_t hash)
{
    uint32_t at = hash & tally->mask, slot;

    if (tally->slots == NULL)
        return;
    for (; (slot = tally->slots[at]) != 0; at = (at + 1) & tally->mask) {
        if (((slot ^ hash) & ~tally->mask) == 0) {
            const struct fls_tally_row *row = fls_tally_row(tally, (slot & tally->mask) - 1);

            fls_prefetch(row);
            fls_prefetch(&row->rest);
            return;
        }
    }
}

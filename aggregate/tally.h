/* What a shard counts in: rows of figures by key, for one table of one day and account. Tables are
 * many and most of them small, one of them may hold nearly all; so rows and index begin tiny and
 * grow in steps that copy little.
 *
 * Rows are dense, in order of their first appearance, 32 bytes each: half a cache line. They stand
 * in chunks that all tables of a shard take from one pool; only the first chunk is smaller as long
 * as it suffices. What a key's records were accepted, rejected and neither are rows of their own,
 * as most keys have one of them only: so a row has one number of flows instead of three. Who reads
 * a table sums them.
 * The index is open addressing with linear probing; a slot of 4 bytes holds the number of a row
 * and, in the bits which that leaves, bits of the key's hash: most misses touch no row. Keys are
 * hashed with a secret of the process, so that nobody can aim keys at one slot. */
#pragma once

#include "base/counters.h"
#include "base/prefetch.h"
#include "base/secret.h"
#include "base/tables.h"
#include "shm/part_row.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bits of struct fls_tally_row's `rest`, from the lowest on: port 16 and protocol 8
 * (FLS_PART_PLACE, as fls_part_place has them), flags of the key 2 (FLS_A_IS_IPV6, FLS_B_IS_IPV6),
 * and these. The last three are no part of the key: they tell on which side of the interface a (and
 * b) were, in the records that were counted. */
#define FLS_TALLY_FLAGS_SHIFT 24U
#define FLS_TALLY_TO_SERVICE (1U << 26) /* of a conversation: its port is the destination's */
#define FLS_TALLY_ACCEPTED (1U << 27)
#define FLS_TALLY_REJECTED (1U << 28)
#define FLS_TALLY_A_IS_OWN (1U << 29)
#define FLS_TALLY_B_IS_OWN (1U << 30)
#define FLS_TALLY_NONE_IS_OWN (1U << 31)
#define FLS_TALLY_ACTION (FLS_TALLY_ACCEPTED | FLS_TALLY_REJECTED)
#define FLS_TALLY_SIDES (FLS_TALLY_A_IS_OWN | FLS_TALLY_B_IS_OWN | FLS_TALLY_NONE_IS_OWN)
#define FLS_TALLY_KEY (~FLS_TALLY_SIDES) /* what of `rest` is of the key */

struct fls_tally_row {
    union {
        struct {
            uint64_t packets, bytes; /* as struct fls_counters has them */
        };
        fls_counter_pair volume; /* both */
    };
    uint32_t flows; /* a shard hands over before it is full */
    uint32_t rest;
    uint32_t a, b; /* IPv4 address, the shard's number of an IPv6 address, minute */
};
static_assert(sizeof(struct fls_tally_row) == 32, "two in a cache line");

/* FLS_A_IS_IPV6, FLS_B_IS_IPV6 */
static inline uint32_t fls_tally_flags(const struct fls_tally_row *row)
{
    return row->rest >> FLS_TALLY_FLAGS_SHIFT & (FLS_A_IS_IPV6 | FLS_B_IS_IPV6);
}

/* The sides of a and b, exchanged. */
static inline uint32_t fls_tally_turn(uint32_t sides)
{
    return (sides & FLS_TALLY_A_IS_OWN ? FLS_TALLY_B_IS_OWN : 0) |
           (sides & FLS_TALLY_B_IS_OWN ? FLS_TALLY_A_IS_OWN : 0) | (sides & FLS_TALLY_NONE_IS_OWN);
}

/* FLS_MARK_* of a. Of IPv4 addresses the networks tell. */
static inline uint32_t fls_tally_marks(const struct fls_tally_row *row)
{
    if (!(fls_tally_flags(row) & FLS_A_IS_IPV6))
        return 0;
    return (row->rest & FLS_TALLY_A_IS_OWN ? FLS_MARK_OWN_SIDE : 0U) |
           (row->rest & (FLS_TALLY_B_IS_OWN | FLS_TALLY_NONE_IS_OWN) ? FLS_MARK_FAR_SIDE : 0U);
}

static inline struct fls_counters fls_tally_counters(const struct fls_tally_row *row)
{
    return (struct fls_counters){
        .value = {[FLS_FLOWS] = row->flows,
                  [FLS_PACKETS] = row->packets,
                  [FLS_BYTES] = row->bytes,
                  [FLS_ACCEPTED] = row->rest & FLS_TALLY_ACCEPTED ? row->flows : 0,
                  [FLS_REJECTED] = row->rest & FLS_TALLY_REJECTED ? row->flows : 0}};
}

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
    uint16_t table; /* enum fls_table_id */
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

static inline uint32_t fls_tally_hash(uint32_t a, uint32_t b, uint32_t rest)
{
    return fls_secret_hash((uint64_t)a << 32 | b, rest & FLS_TALLY_KEY);
}

/* The number of the key's row, which has figures of 0 and no sides if it is new. */
uint32_t fls_tally_upsert(struct fls_tally *tally, struct fls_tally_pool *pool, uint32_t a,
                          uint32_t b, uint32_t rest, uint32_t hash);

/* A new row at the end, whether there is one of the key or not. Valid until the next one.
 * Precondition: the table has no index. */
struct fls_tally_row *fls_tally_append(struct fls_tally *tally, struct fls_tally_pool *pool,
                                       uint32_t a, uint32_t b, uint32_t rest);

/* Valid until the next upsert. */
static inline struct fls_tally_row *fls_tally_row(const struct fls_tally *tally, uint32_t number)
{
    return &tally->chunks[number / FLS_TALLY_CHUNK_ROWS][number % FLS_TALLY_CHUNK_ROWS];
}

static inline bool fls_tally_has_key(const struct fls_tally_row *row, uint32_t a, uint32_t b,
                                     uint32_t rest)
{
    return row->a == a && row->b == b && ((row->rest ^ rest) & FLS_TALLY_KEY) == 0;
}

/* Adds the figures and the sides. */
static inline void fls_tally_add(struct fls_tally_row *to, const struct fls_tally_row *from,
                                 uint32_t sides)
{
    to->volume = fls_counter_pair_add(to->volume, from->volume);
    to->flows += from->flows;
    to->rest |= sides;
}

/* ---- looking up many keys: first their slots are asked for, then their rows ---- */

static inline void fls_tally_prefetch_slot(const struct fls_tally *tally, uint32_t hash)
{
    if (tally->slots)
        fls_prefetch(&tally->slots[hash & tally->mask]);
}

/* From *at on, the first slot of a row whose hash is alike: 1 + the row's number. Or 0, and *at is
 * a free slot. Precondition: there is an index. */
static inline uint32_t fls_tally_seek(const struct fls_tally *tally, uint32_t hash, uint32_t *at)
{
    const uint32_t mask = tally->mask, *slots = tally->slots;
    uint32_t slot;

    while ((slot = slots[*at]) != 0 && ((slot ^ hash) & ~mask) != 0)
        *at = (*at + 1) & mask;
    return slot & mask;
}

/* Asks for the first row that the hash may mean: 1 + its number, 0: none. */
static inline uint32_t fls_tally_prefetch_row(const struct fls_tally *tally, uint32_t hash)
{
    uint32_t at = hash & tally->mask, next_number;

    if (tally->slots == NULL)
        return 0;
    next_number = fls_tally_seek(tally, hash, &at);
    if (next_number)
        fls_prefetch(fls_tally_row(tally, next_number - 1));
    return next_number;
}

/* The key's row, as fls_tally_upsert has it. `maybe` is what prefetch_row said of its hash: mostly
 * the row, as rows never get another number. */
static inline struct fls_tally_row *fls_tally_upsert_maybe(struct fls_tally *tally,
                                                           struct fls_tally_pool *pool, uint32_t a,
                                                           uint32_t b, uint32_t rest, uint32_t hash,
                                                           uint32_t maybe)
{
    if (maybe) {
        struct fls_tally_row *row = fls_tally_row(tally, maybe - 1);

        if (fls_tally_has_key(row, a, b, rest))
            return row;
    }
    return fls_tally_row(tally, fls_tally_upsert(tally, pool, a, b, rest, hash));
}

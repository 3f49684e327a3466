/* Sorts what a shard has into the order of a part.
 *
 * Rows are first moved into buckets, between keys that a sample of them gives, and then sorted a
 * bucket at a time: that happens within the caches, and no row is looked for all over the memory.
 * For the buckets there are the chunks of the tables whose rows they take. */
#pragma once

#include "aggregate/tally.h"

#include <stdint.h>

/* What is sorted by `key`, then by the bits of `tail` above the number; and that number. */
struct fls_order_entry {
    uint64_t key, tail;
};

#define FLS_ORDER_NUMBER_BITS 40U

static inline uint64_t fls_order_number(const struct fls_order_entry *entry)
{
    return entry->tail & ((1ULL << FLS_ORDER_NUMBER_BITS) - 1);
}

/* What the tail is sorted by, 24 bits. */
static inline uint32_t fls_order_place(const struct fls_order_entry *entry)
{
    return (uint32_t)(entry->tail >> FLS_ORDER_NUMBER_BITS);
}

/* ---- one sequence ---- */

/* Room to sort up to cnt entries; its bytes; gives it back. */
struct fls_order_entry *fls_order_room(uint64_t cnt);
uint64_t fls_order_room_sz(uint64_t cnt);
void fls_order_room_free(struct fls_order_entry *room, uint64_t cnt);
/* Sorts the first cnt entries of a room, whose second half is made use of: the result is returned,
 * in one half or the other. Entries that are equal but for their numbers stay in their order. */
struct fls_order_entry *fls_order_sort(struct fls_order_entry *room, uint64_t cnt);

/* ---- buckets ---- */

/* A row on its way into a part, sorted by a, b and the place. */
struct fls_order_row {
    struct fls_tally_row row;
    uint32_t account; /* as the caller likes */
};
static_assert(sizeof(struct fls_order_row) == 40, "a row and 8 bytes");

/* What rows are spread by: their flags, a and b; and where that leads. */
struct fls_order_way {
    uint32_t flags, a, b;
    uint32_t bucket; /* set by fls_order_find */
};

#define FLS_ORDER_CHUNK_ROWS (FLS_TALLY_CHUNK_SZ / sizeof(struct fls_order_row))
#define FLS_ORDER_BUCKETS_MAX 1024U

struct fls_order_bucket {
    struct fls_order_row *next, *end; /* of the last chunk: where there is room */
    struct fls_order_row **chunks;    /* all but the last one are full */
    uint32_t chunk_cnt, chunk_max;
};

#define FLS_ORDER_FIND_MAX 32U

/* A zeroed one has no memory, but needs its pool. */
struct fls_order {
    struct fls_tally_pool *pool;  /* not owned */
    struct fls_order_entry *room; /* to sort room_cnt entries */
    uint64_t room_cnt;
    uint64_t stride;     /* of how many rows one is to be in the sample */
    uint64_t sample_cnt; /* in the room */
    uint32_t bucket_cnt;
    uint64_t
        splitters[FLS_ORDER_BUCKETS_MAX]; /* the first bucket_cnt - 1: from there on, the next */
    struct fls_order_bucket buckets[FLS_ORDER_BUCKETS_MAX];
};

/* Bytes that sorting so many rows takes at most, beside the tables that they are taken of. All of
 * it is needed only if most of them have one key. */
uint64_t fls_order_sz(uint64_t cnt);
/* Makes the room large enough for cnt entries; what it held is lost. */
void fls_order_reserve(struct fls_order *order, uint64_t cnt);
/* Sorts about cnt rows: of some, spread evenly, a sample; then split; then put all, gathered; then
 * take the buckets, of which each is behind the one before, and in each all rows have the same
 * flags. sample_max is the most that the sample has. */
void fls_order_begin(struct fls_order *order, uint64_t cnt, uint64_t sample_max);
void fls_order_sample(struct fls_order *order, const struct fls_order_way *way);
void fls_order_split(struct fls_order *order);
/* Sets the buckets of rows that are to be put, at most FLS_ORDER_FIND_MAX: together, since each
 * step of a search waits for the one before. */
void fls_order_find(const struct fls_order *order, struct fls_order_way *ways, uint32_t cnt);
/* Room for a row of the bucket, not initialised. */
struct fls_order_row *fls_order_put(struct fls_order *order, uint32_t bucket);
/* All rows were put. */
void fls_order_gathered(struct fls_order *order);
/* The entries of a bucket's rows, *cnt of them, in order of a, b and place; those that are equal in
 * the order in which they were put. Valid until the next one. Below bucket_cnt. */
const struct fls_order_entry *fls_order_take(struct fls_order *order, uint32_t bucket,
                                             uint64_t *cnt);
/* Gives the bucket's memory back. */
void fls_order_give(struct fls_order *order, uint32_t bucket);
void fls_order_fini(struct fls_order *order);

/* The row of an entry of the bucket. */
static inline const struct fls_order_row *fls_order_row(const struct fls_order_bucket *bucket,
                                                        const struct fls_order_entry *entry)
{
    uint64_t number = fls_order_number(entry);

    return &bucket->chunks[number / FLS_TALLY_CHUNK_ROWS][number % FLS_TALLY_CHUNK_ROWS];
}
static_assert(FLS_ORDER_CHUNK_ROWS <= FLS_TALLY_CHUNK_ROWS, "their numbers have holes");

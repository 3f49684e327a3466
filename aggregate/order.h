/* Sorts what a shard has into the order of a part.
 *
 * Many entries are first spread over buckets, between keys that a sample of them gives, and then
 * sorted a bucket at a time: that happens within the caches, and only the buckets take much memory,
 * for which there are the chunks of the shard's pool that are not in use any more. */
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

#define FLS_ORDER_BUCKETS_MAX 256U

struct fls_order_bucket {
    struct fls_order_entry **chunks; /* all but the last one are full */
    uint32_t chunk_cnt, chunk_max;
    uint32_t room; /* for entries in the last one */
};

/* A zeroed one has no memory, but needs its pool. */
struct fls_order {
    struct fls_tally_pool *pool;  /* not owned */
    struct fls_order_entry *room; /* to sort room_cnt entries */
    uint64_t room_cnt;
    uint64_t stride;     /* of how many entries one is to be in the sample */
    uint64_t sample_cnt; /* in the room */
    uint32_t bucket_cnt;
    uint64_t
        splitters[FLS_ORDER_BUCKETS_MAX]; /* the first bucket_cnt - 1: from there on, the next */
    struct fls_order_bucket buckets[FLS_ORDER_BUCKETS_MAX];
};

/* Bytes that sorting so many entries takes at most; it is far less, unless most have one key. */
uint64_t fls_order_sz(uint64_t cnt);
/* Makes the room large enough for cnt entries; what it held is lost. */
void fls_order_reserve(struct fls_order *order, uint64_t cnt);
/* Sorts about cnt entries: of some, spread evenly, a sample; then split; then put all, gathered;
 * then take the buckets, of which each is behind the one before. sample_max is the most that the
 * sample has.
 */
void fls_order_begin(struct fls_order *order, uint64_t cnt, uint64_t sample_max);
void fls_order_sample(struct fls_order *order, struct fls_order_entry entry);
void fls_order_split(struct fls_order *order);
void fls_order_put(struct fls_order *order, struct fls_order_entry entry);
/* All entries were put. */
void fls_order_gathered(struct fls_order *order);
/* The next bucket's entries in order, *cnt of them; valid until the next one. Below bucket_cnt. */
const struct fls_order_entry *fls_order_take(struct fls_order *order, uint32_t bucket,
                                             uint64_t *cnt);
void fls_order_fini(struct fls_order *order);

#include "aggregate/order.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/pages.h"
#include "base/prefetch.h"

#include <endian.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Digits of a byte, from the last one on. Of what shards sort most digits are alike: their turns
 * are left out. */
#define DIGIT_VALUES 256U
#define DIGITS 16U /* 8 of tail, then 8 of key */
#define DIGIT_FIRST (FLS_ORDER_NUMBER_BITS / 8)

uint64_t fls_order_room_sz(uint64_t cnt)
{
    return fls_pages_sz(2 * cnt * sizeof(struct fls_order_entry));
}

struct fls_order_entry *fls_order_room(uint64_t cnt)
{
    return fls_pages_resize(NULL, 0, fls_order_room_sz(cnt));
}

void fls_order_room_free(struct fls_order_entry *room, uint64_t cnt)
{
    fls_pages_resize(room, fls_order_room_sz(cnt), 0);
}

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "a digit is a byte of an entry");

/* Where the digit is in an entry. */
static size_t digit_at(unsigned digit)
{
    return digit < 8 ? offsetof(struct fls_order_entry, tail) + digit
                     : offsetof(struct fls_order_entry, key) + digit - 8;
}

/* The digits in which the entries differ, a bit for each. */
static unsigned digits_that_differ(const struct fls_order_entry *entries, uint64_t cnt)
{
    uint64_t key = 0, tail = 0;
    unsigned digits = 0;

    for (uint64_t i = 1; i < cnt; i++) {
        key |= entries[i].key ^ entries[0].key;
        tail |= entries[i].tail ^ entries[0].tail;
    }
    for (unsigned digit = DIGIT_FIRST; digit < DIGITS; digit++)
        if ((digit < 8 ? tail : key) >> (digit % 8 * 8) & 0xff)
            digits |= 1U << digit;
    return digits;
}

static void sort_by_digit(const struct fls_order_entry *from, struct fls_order_entry *to,
                          uint64_t cnt, unsigned digit)
{
    const uint8_t *digits = (const uint8_t *)from + digit_at(digit);
    struct fls_order_entry *next[DIGIT_VALUES];
    uint64_t cnts[DIGIT_VALUES] = {0};

    for (uint64_t i = 0; i < cnt; i++)
        cnts[digits[i * sizeof(*from)]]++;
    for (unsigned value = 0; value < DIGIT_VALUES; value++) {
        next[value] = to;
        to += cnts[value];
    }
    for (uint64_t i = 0; i < cnt; i++)
        *next[digits[i * sizeof(*from)]]++ = from[i];
}

struct fls_order_entry *fls_order_sort(struct fls_order_entry *room, uint64_t cnt)
{
    struct fls_order_entry *from = room, *to;
    unsigned digits;

    if (cnt < 2)
        return room; /* which is NULL if there never was an entry */
    to = room + cnt;
    digits = digits_that_differ(room, cnt);
    for (unsigned digit = DIGIT_FIRST; digit < DIGITS; digit++) {
        struct fls_order_entry *sorted = to;

        if (!(digits >> digit & 1))
            continue;
        sort_by_digit(from, to, cnt, digit);
        to = from;
        from = sorted;
    }
    return from;
}

/* ---- buckets ---- */

#define BUCKET_ROWS 32768U /* a bucket and what sorts it is 2.25 MiB */
#define SAMPLES_PER_BUCKET 16U
#define FLAGS_MAX (FLS_A_IS_IPV6 | FLS_B_IS_IPV6)
#define BUCKETS_SPLIT (FLS_ORDER_BUCKETS_MAX - FLAGS_MAX) /* the others keep flags apart */

static uint32_t bucket_cnt_of(uint64_t cnt)
{
    uint64_t bucket_cnt = cnt / BUCKET_ROWS + 1;

    return bucket_cnt < BUCKETS_SPLIT ? (uint32_t)bucket_cnt : BUCKETS_SPLIT;
}

uint64_t fls_order_sz(uint64_t cnt)
{
    uint64_t chunk_cnt = cnt / FLS_ORDER_CHUNK_ROWS + bucket_cnt_of(cnt) + FLAGS_MAX;

    return chunk_cnt * FLS_TALLY_CHUNK_SZ + fls_order_room_sz(cnt);
}

void fls_order_reserve(struct fls_order *order, uint64_t cnt)
{
    if (cnt <= order->room_cnt)
        return;
    fls_order_room_free(order->room, order->room_cnt);
    order->room = fls_order_room(cnt);
    order->room_cnt = cnt;
}

void fls_order_begin(struct fls_order *order, uint64_t cnt, uint64_t sample_max)
{
    order->bucket_cnt = bucket_cnt_of(cnt);
    order->stride = cnt / (order->bucket_cnt * SAMPLES_PER_BUCKET) + 1;
    order->sample_cnt = 0;
    fls_order_reserve(order, sample_max + cnt / order->stride);
}

static uint64_t key_of(uint32_t a, uint32_t b)
{
    return (uint64_t)a << 32 | b;
}

/* By what buckets are split: the flags, and all of the key but its last bits. The first bit is
 * free, so that the difference of two says which is less. */
#define RANK_FLAGS_SHIFT 61U

static uint64_t rank_of(const struct fls_order_way *way)
{
    return (uint64_t)way->flags << RANK_FLAGS_SHIFT |
           key_of(way->a, way->b) >> (64U - RANK_FLAGS_SHIFT);
}

void fls_order_sample(struct fls_order *order, const struct fls_order_way *way)
{
    fls_assert(order->sample_cnt < order->room_cnt);
    order->room[order->sample_cnt++] = (struct fls_order_entry){.key = rank_of(way)};
}

static void add_splitter(struct fls_order *order, uint64_t splitter)
{
    uint32_t at = order->bucket_cnt++ - 1;

    for (; at > 0 && order->splitters[at - 1] > splitter; at--)
        order->splitters[at] = order->splitters[at - 1];
    order->splitters[at] = splitter;
}

void fls_order_split(struct fls_order *order)
{
    const struct fls_order_entry *sorted = fls_order_sort(order->room, order->sample_cnt);
    uint32_t cnt = order->sample_cnt > 0 ? order->bucket_cnt : 1;

    order->bucket_cnt = 1;
    for (uint32_t i = 1; i < cnt; i++)
        add_splitter(order, sorted[i * order->sample_cnt / cnt].key);
    for (uint64_t flags = 1; flags <= FLAGS_MAX; flags++)
        add_splitter(order, flags << RANK_FLAGS_SHIFT);
}

/* A bucket's number is how many splitters are not above the rank. */
void fls_order_find(const struct fls_order *order, struct fls_order_way *ways, uint32_t cnt)
{
    uint64_t ranks[FLS_ORDER_FIND_MAX];

    fls_assert(cnt <= FLS_ORDER_FIND_MAX);
    for (uint32_t i = 0; i < cnt; i++) {
        ranks[i] = rank_of(&ways[i]);
        ways[i].bucket = 0;
    }
    for (uint32_t left = order->bucket_cnt - 1, half; left > 0; left -= half) {
        half = (left + 1) / 2;
        for (uint32_t i = 0; i < cnt; i++) { /* no branch: it would be taken as often as not */
            uint64_t splitter = order->splitters[ways[i].bucket + half - 1];

            ways[i].bucket += half & ((uint32_t)((ranks[i] - splitter) >> 63) - 1);
        }
    }
}

static void grow(struct fls_order_bucket *bucket, struct fls_tally_pool *pool)
{
    struct fls_order_row *chunk = (void *)fls_tally_pool_take(pool);

    fls_array_reserve(bucket->chunks, bucket->chunk_max, (size_t)bucket->chunk_cnt + 1);
    bucket->chunks[bucket->chunk_cnt++] = chunk;
    bucket->next = chunk;
    bucket->end = chunk + FLS_ORDER_CHUNK_ROWS;
}

struct fls_order_row *fls_order_put(struct fls_order *order, uint32_t number)
{
    struct fls_order_bucket *bucket = &order->buckets[number];

    if (bucket->next == bucket->end)
        grow(bucket, order->pool);
    fls_prefetch_to_write(bucket->next + 2); /* the next one of this bucket is far from here */
    return bucket->next++;
}

/* How many rows a chunk of a bucket has. */
static uint64_t rows_of(const struct fls_order_bucket *bucket, uint32_t chunk)
{
    if (chunk + 1 < bucket->chunk_cnt)
        return FLS_ORDER_CHUNK_ROWS;
    return (uint64_t)(bucket->next - bucket->chunks[chunk]);
}

void fls_order_gathered(struct fls_order *order)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < order->bucket_cnt; i++)
        if (order->buckets[i].chunk_cnt > largest)
            largest = order->buckets[i].chunk_cnt;
    fls_order_reserve(order, largest * FLS_ORDER_CHUNK_ROWS);
}

const struct fls_order_entry *fls_order_take(struct fls_order *order, uint32_t number,
                                             uint64_t *cnt)
{
    const struct fls_order_bucket *bucket = &order->buckets[number];
    struct fls_order_entry *to = order->room;

    for (uint32_t i = 0; i < bucket->chunk_cnt; i++) {
        uint64_t row_cnt = rows_of(bucket, i), first = (uint64_t)i * FLS_TALLY_CHUNK_ROWS;

        for (uint64_t k = 0; k < row_cnt; k++) {
            const struct fls_order_row *row = &bucket->chunks[i][k];
            uint64_t place = row->row.rest & FLS_PART_PLACE;

            *to++ = (struct fls_order_entry){.key = key_of(row->row.a, row->row.b),
                                             .tail = place << FLS_ORDER_NUMBER_BITS | (first + k)};
        }
    }
    *cnt = (uint64_t)(to - order->room);
    return fls_order_sort(order->room, *cnt);
}

void fls_order_give(struct fls_order *order, uint32_t number)
{
    struct fls_order_bucket *bucket = &order->buckets[number];

    for (uint32_t i = 0; i < bucket->chunk_cnt; i++)
        fls_tally_pool_give(order->pool, (void *)bucket->chunks[i]);
    bucket->next = bucket->end = NULL;
    bucket->chunk_cnt = 0;
}

void fls_order_fini(struct fls_order *order)
{
    for (uint32_t i = 0; i < FLS_ORDER_BUCKETS_MAX; i++)
        free(order->buckets[i].chunks);
    fls_order_room_free(order->room, order->room_cnt);
    *order = (struct fls_order){0};
}

#include "aggregate/order.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/pages.h"

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

static unsigned digit_of(const struct fls_order_entry *entry, unsigned digit)
{
    uint64_t word = digit < 8 ? entry->tail : entry->key;

    return (uint8_t)(word >> (digit % 8 * 8));
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
    uint64_t next[DIGIT_VALUES] = {0}, sum = 0;

    for (uint64_t i = 0; i < cnt; i++)
        next[digit_of(&from[i], digit)]++;
    for (unsigned value = 0; value < DIGIT_VALUES; value++) {
        uint64_t here = next[value];

        next[value] = sum;
        sum += here;
    }
    for (uint64_t i = 0; i < cnt; i++)
        to[next[digit_of(&from[i], digit)]++] = from[i];
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

#define CHUNK_ENTRIES (FLS_TALLY_CHUNK_SZ / sizeof(struct fls_order_entry))
#define BUCKET_ENTRIES 16384U /* a bucket and its spare half are in the second cache */
#define SAMPLES_PER_BUCKET 16U

static uint32_t bucket_cnt_of(uint64_t cnt)
{
    uint64_t bucket_cnt = cnt / BUCKET_ENTRIES + 1;

    return bucket_cnt < FLS_ORDER_BUCKETS_MAX ? (uint32_t)bucket_cnt : FLS_ORDER_BUCKETS_MAX;
}

uint64_t fls_order_sz(uint64_t cnt)
{
    uint64_t chunk_cnt = cnt / CHUNK_ENTRIES + bucket_cnt_of(cnt);

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

void fls_order_sample(struct fls_order *order, struct fls_order_entry entry)
{
    fls_assert(order->sample_cnt < order->room_cnt);
    order->room[order->sample_cnt++] = entry;
}

void fls_order_split(struct fls_order *order)
{
    const struct fls_order_entry *sorted = fls_order_sort(order->room, order->sample_cnt);

    if (order->sample_cnt == 0)
        order->bucket_cnt = 1;
    for (uint32_t i = 0; i + 1 < order->bucket_cnt; i++)
        order->splitters[i] = sorted[(i + 1) * order->sample_cnt / order->bucket_cnt].key;
}

/* How many splitters are not above the key. */
static uint32_t bucket_of(const struct fls_order *order, uint64_t key)
{
    uint32_t first = 0, left = order->bucket_cnt - 1;

    while (left > 0) {
        uint32_t half = (left + 1) / 2;

        first += half & -(uint32_t)(order->splitters[first + half - 1] <= key); /* no branch */
        left -= half;
    }
    return first;
}

void fls_order_put(struct fls_order *order, struct fls_order_entry entry)
{
    struct fls_order_bucket *bucket = &order->buckets[bucket_of(order, entry.key)];

    if (bucket->room == 0) {
        fls_array_reserve(bucket->chunks, bucket->chunk_max, (size_t)bucket->chunk_cnt + 1);
        bucket->chunks[bucket->chunk_cnt++] = (void *)fls_tally_pool_take(order->pool);
        bucket->room = CHUNK_ENTRIES;
    }
    bucket->chunks[bucket->chunk_cnt - 1][CHUNK_ENTRIES - bucket->room--] = entry;
}

static uint64_t entries_of(const struct fls_order_bucket *bucket)
{
    return bucket->chunk_cnt * CHUNK_ENTRIES - bucket->room;
}

void fls_order_gathered(struct fls_order *order)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < order->bucket_cnt; i++)
        if (entries_of(&order->buckets[i]) > largest)
            largest = entries_of(&order->buckets[i]);
    fls_order_reserve(order, largest);
}

const struct fls_order_entry *fls_order_take(struct fls_order *order, uint32_t number,
                                             uint64_t *cnt)
{
    struct fls_order_bucket *bucket = &order->buckets[number];

    *cnt = entries_of(bucket);
    for (uint32_t i = 0; i < bucket->chunk_cnt; i++) {
        uint64_t first = i * CHUNK_ENTRIES, left = *cnt - first;

        memcpy(order->room + first, bucket->chunks[i],
               (left < CHUNK_ENTRIES ? left : CHUNK_ENTRIES) * sizeof(*order->room));
        fls_tally_pool_give(order->pool, (void *)bucket->chunks[i]);
    }
    bucket->chunk_cnt = bucket->room = 0;
    return fls_order_sort(order->room, *cnt);
}

void fls_order_fini(struct fls_order *order)
{
    for (uint32_t i = 0; i < FLS_ORDER_BUCKETS_MAX; i++)
        free(order->buckets[i].chunks);
    fls_order_room_free(order->room, order->room_cnt);
    *order = (struct fls_order){0};
}

/* Sorts what a shard has into the order of a part. */
#pragma once

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

/* Room to sort up to cnt entries; how many bytes of memory it may become; gives it back. */
struct fls_order_entry *fls_order_room(uint64_t cnt);
uint64_t fls_order_room_sz(uint64_t cnt);
void fls_order_room_free(struct fls_order_entry *room, uint64_t cnt);

/* Sorts the first cnt entries of a room, whose second half is made use of: the result is returned,
 * in one half or the other. Entries that are equal but for their numbers stay in their order. */
struct fls_order_entry *fls_order_sort(struct fls_order_entry *room, uint64_t cnt);

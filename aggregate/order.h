/* Sorts what a shard has into the order of a part. */
#pragma once

#include <stdint.h>

/* Something with a number, and what it is sorted by: high, then low. */
struct fls_order_entry {
    uint64_t high, low;
    uint32_t number;
};

/* Room to sort up to cnt entries; how many bytes of memory it may become; gives it back. */
struct fls_order_entry *fls_order_room(uint64_t cnt);
uint64_t fls_order_room_sz(uint64_t cnt);
void fls_order_room_free(struct fls_order_entry *room, uint64_t cnt);

/* Sorts the first cnt entries of a room, whose second half is made use of: the result is returned,
 * in one half or the other. Entries that are equal stay in their order. */
struct fls_order_entry *fls_order_sort(struct fls_order_entry *room, uint32_t cnt);

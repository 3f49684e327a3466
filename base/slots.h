/* The index of a dictionary: open addressing with linear probing. A slot holds 32 bits
 * of hash and the number of an entry in dense storage beside it, so that most misses and all of a
 * growth touch no entry. At least half of the slots are free. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct fls_slots {
    uint64_t *at;  /* 0: free; else hash << 32 | number + 1. NULL: none yet */
    uint32_t mask; /* number of slots - 1, which is a power of two - 1 */
};

/* A zeroed struct fls_slots is an empty index. Makes it large enough for entry_max entries, a power
 * of two that is not smaller than before; entries stay where they are found. */
void fls_slots_grow(struct fls_slots *slots, uint32_t entry_max);
/* Empties it but keeps its pages. */
void fls_slots_clear(struct fls_slots *slots);
void fls_slots_fini(struct fls_slots *slots);
uint64_t fls_slots_bytes(const struct fls_slots *slots);

static inline uint64_t fls_slot_make(uint32_t hash, uint32_t number)
{
    return (uint64_t)hash << 32 | (number + 1);
}

static inline uint32_t fls_slot_hash(uint64_t slot)
{
    return (uint32_t)(slot >> 32);
}

/* The entry of a slot that is not free. */
static inline uint32_t fls_slot_number(uint64_t slot)
{
    return (uint32_t)slot - 1;
}

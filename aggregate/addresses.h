/* The IPv6 addresses of a shard, each with a number, dense from 0 in order of first appearance: so
 * that keys have 32 bits for an address of any kind. Finding a number touches a slot and then the
 * address; for many of them, both are asked for before. */
#pragma once

#include "base/prefetch.h"
#include "base/secret.h"
#include "base/slots.h"

#include <stdint.h>
#include <string.h>

/* Its bytes as they stand in a record. */
struct fls_address {
    uint64_t word[2];
};

/* A zeroed one is empty. */
struct fls_addresses {
    struct fls_address *at; /* cnt of them */
    struct fls_slots slots;
    uint32_t cnt, max;
};

/* Gives its memory back, and makes it empty; the other one keeps the memory. */
void fls_addresses_fini(struct fls_addresses *addresses);
void fls_addresses_clear(struct fls_addresses *addresses);
uint64_t fls_addresses_bytes(const struct fls_addresses *addresses);
/* The number of the address, which is added if it is new. */
uint32_t fls_addresses_number(struct fls_addresses *addresses, struct fls_address address);

/* The 16 bytes of a number below cnt; valid until the next address is added. */
static inline const uint8_t *fls_addresses_bytes_of(const struct fls_addresses *addresses,
                                                    uint32_t number)
{
    return (const uint8_t *)addresses->at[number].word;
}

static inline struct fls_address fls_address_of(const uint8_t bytes[16])
{
    struct fls_address address;

    memcpy(&address, bytes, sizeof(address));
    return address;
}

static inline uint32_t fls_address_hash(struct fls_address address)
{
    return fls_secret_hash(address.word[0], address.word[1]);
}

/* ---- before many are looked up: first the slots are asked for, then the addresses ---- */

static inline void fls_addresses_prefetch_slot(const struct fls_addresses *addresses, uint32_t hash)
{
    if (addresses->cnt)
        fls_prefetch(&addresses->slots.at[hash & addresses->slots.mask]);
}

/* Mostly the address that is meant; one that is not costs a miss more. */
static inline void fls_addresses_prefetch(const struct fls_addresses *addresses, uint32_t hash)
{
    uint64_t slot = addresses->cnt ? addresses->slots.at[hash & addresses->slots.mask] : 0;

    if (slot)
        fls_prefetch(&addresses->at[fls_slot_number(slot)]);
}

#include "aggregate/addresses.h"

#include "base/assert.h"
#include "base/pages.h"

#include <stdbool.h>

#define ADDRESSES_FIRST (FLS_PAGE_SZ / sizeof(struct fls_address))

static uint64_t addresses_sz(uint32_t max)
{
    return (uint64_t)max * sizeof(struct fls_address);
}

void fls_addresses_fini(struct fls_addresses *addresses)
{
    fls_pages_resize(addresses->at, addresses_sz(addresses->max), 0);
    fls_slots_fini(&addresses->slots);
    *addresses = (struct fls_addresses){.at = NULL};
}

void fls_addresses_clear(struct fls_addresses *addresses)
{
    if (addresses->cnt)
        fls_slots_clear(&addresses->slots);
    addresses->cnt = 0;
}

uint64_t fls_addresses_bytes(const struct fls_addresses *addresses)
{
    return addresses_sz(addresses->max) + fls_slots_bytes(&addresses->slots);
}

static void grow(struct fls_addresses *addresses)
{
    uint32_t max = addresses->max ? addresses->max * 2 : ADDRESSES_FIRST;

    fls_assert(max > addresses->max);
    addresses->at =
        fls_pages_resize(addresses->at, addresses_sz(addresses->max), addresses_sz(max));
    fls_slots_grow(&addresses->slots, max);
    addresses->max = max;
}

static bool is_it(const struct fls_address *found, struct fls_address address)
{
    return found->word[0] == address.word[0] && found->word[1] == address.word[1];
}

uint32_t fls_addresses_number(struct fls_addresses *addresses, struct fls_address address)
{
    uint32_t hash = fls_address_hash(address), at;
    uint64_t slot;

    if (addresses->cnt == addresses->max)
        grow(addresses);
    for (at = hash & addresses->slots.mask; (slot = addresses->slots.at[at]) != 0;
         at = (at + 1) & addresses->slots.mask)
        if (fls_slot_hash(slot) == hash && is_it(&addresses->at[fls_slot_number(slot)], address))
            return fls_slot_number(slot);
    addresses->slots.at[at] = fls_slot_make(hash, addresses->cnt);
    addresses->at[addresses->cnt] = address;
    return addresses->cnt++;
}

#include "base/slots.h"

#include "base/assert.h"
#include "base/pages.h"

#include <string.h>

#define SLOTS_PER_ENTRY 2U

static uint64_t slot_cnt(const struct fls_slots *slots)
{
    return slots->at ? (uint64_t)slots->mask + 1 : 0;
}

static size_t bytes_of(uint64_t cnt)
{
    return fls_pages_sz(cnt * sizeof(uint64_t));
}

uint64_t fls_slots_bytes(const struct fls_slots *slots)
{
    return bytes_of(slot_cnt(slots));
}

void fls_slots_clear(struct fls_slots *slots)
{
    if (slots->at)
        memset(slots->at, 0, bytes_of(slot_cnt(slots)));
}

void fls_slots_fini(struct fls_slots *slots)
{
    fls_pages_resize(slots->at, bytes_of(slot_cnt(slots)), 0);
    *slots = (struct fls_slots){0};
}

static void move(struct fls_slots *slots, uint64_t from)
{
    uint64_t slot = slots->at[from], to;

    if (slot == 0)
        return;
    slots->at[from] = 0;
    for (to = fls_slot_hash(slot) & slots->mask; slots->at[to] != 0;)
        to = (to + 1) & slots->mask;
    slots->at[to] = slot;
}

/* After the number of slots was doubled from old_cnt: each entry goes to its new place in the lower
 * or the upper half, without other memory, and both halves are written in ascending order. Entries
 * are taken in the order in which they were probed, beginning behind a free slot. Then of those
 * that an entry had to pass, some went to the other half and the rest stands already; so it never
 * ends further behind its place than it was, never passes one that is moved later, and no slot
 * that it passes becomes free. */
static void spread(struct fls_slots *slots, uint64_t old_cnt)
{
    uint64_t first = 0;

    while (slots->at[first] != 0)
        first++; /* half of them were free */
    fls_assert(first < old_cnt);
    for (uint64_t i = 1; i < old_cnt; i++)
        move(slots, (first + i) & (old_cnt - 1));
}

void fls_slots_grow(struct fls_slots *slots, uint32_t entry_max)
{
    uint64_t cnt = (uint64_t)entry_max * SLOTS_PER_ENTRY, old_cnt = slot_cnt(slots);

    fls_assert((entry_max & (entry_max - 1)) == 0 && cnt >= old_cnt && cnt - 1 <= UINT32_MAX);
    if (old_cnt == 0) {
        slots->at = fls_pages_resize(NULL, 0, bytes_of(cnt));
        slots->mask = (uint32_t)(cnt - 1);
        return;
    }
    slots->at = fls_pages_resize(slots->at, bytes_of(old_cnt), bytes_of(cnt));
    for (; old_cnt < cnt; old_cnt *= 2) {
        slots->mask = (uint32_t)(2 * old_cnt - 1);
        spread(slots, old_cnt);
    }
}

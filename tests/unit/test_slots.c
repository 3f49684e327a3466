/* The index: whatever the hashes are, entries stay where they are found while it grows. */
#include "scratch.h"

#include "base/slots.h"

#include <stdbool.h>

#define ENTRIES_MAX 4096U

static void add(struct fls_slots *slots, uint32_t hash, uint32_t number)
{
    uint32_t at = hash & slots->mask;

    while (slots->at[at] != 0)
        at = (at + 1) & slots->mask;
    slots->at[at] = fls_slot_make(hash, number);
}

/* Entries may share a hash: the one of this number is meant. */
static bool is_found(const struct fls_slots *slots, uint32_t hash, uint32_t number)
{
    for (uint32_t at = hash & slots->mask; slots->at[at] != 0; at = (at + 1) & slots->mask)
        if (slots->at[at] == fls_slot_make(hash, number))
            return true;
    return false;
}

static uint32_t used_cnt(const struct fls_slots *slots)
{
    uint32_t cnt = 0;

    for (uint64_t i = 0; i <= slots->mask; i++)
        cnt += slots->at[i] != 0;
    return cnt;
}

/* Hashes of many kinds: any, around both ends of the index so that clusters run over its end, few
 * different ones, and all the same. */
static uint32_t draw_hash(uint64_t *seed, uint32_t kind)
{
    uint32_t any = (uint32_t)scratch_random(seed), bits;

    switch (kind) {
    case 0:
        return any;
    case 1:
        return any % 64 - 32; /* 0..31 and 2^32-32..2^32-1 */
    case 2:
        return (any & 0xffff0000U) + any % 40 - 20;
    case 3:
        return any % 5 * 0x01000193U;
    case 4: /* near the end of an index of some size, anywhere in a larger one */
        bits = 3 + any % 9;
        return any << bits | ((1U << bits) - 1 - (any >> 8) % 8);
    default:
        return UINT32_MAX;
    }
}

static void finds_all_while_it_grows(void **state)
{
    static uint32_t hashes[ENTRIES_MAX];
    uint64_t seed = 11;

    (void)state;
    for (uint32_t round = 0; round < 60; round++) {
        struct fls_slots slots = {0};
        uint32_t max = 2U << round % 5;

        fls_slots_grow(&slots, max);
        for (uint32_t cnt = 0; cnt < ENTRIES_MAX >> round % 3; cnt++) {
            if (cnt == max) {
                max *= 2U << round % 2; /* sometimes two steps at once */
                fls_slots_grow(&slots, max);
                for (uint32_t i = 0; i < cnt; i++)
                    assert_true(is_found(&slots, hashes[i], i));
                assert_int_equal(used_cnt(&slots), cnt);
            }
            hashes[cnt] = draw_hash(&seed, round % 6);
            add(&slots, hashes[cnt], cnt);
        }
        fls_slots_clear(&slots);
        assert_int_equal(used_cnt(&slots), 0);
        fls_slots_fini(&slots);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(finds_all_while_it_grows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

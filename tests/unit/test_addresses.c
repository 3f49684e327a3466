/* Numbers of IPv6 addresses against a plain list of those that came, also of addresses whose hashes
 * are alike, and while the index grows. */
#include "scratch.h"

#include "aggregate/addresses.h"

#include <stdbool.h>

#define DISTINCT_MAX 3072U /* that draw() has */

static uint32_t number_in(struct fls_address *list, uint32_t *cnt, struct fls_address address)
{
    uint32_t i = 0;

    while (i < *cnt && memcmp(&list[i], &address, sizeof(address)) != 0)
        i++;
    if (i == *cnt)
        list[(*cnt)++] = address;
    return i;
}

/* Few bits vary, in one word or in both, so that many come again. */
static struct fls_address draw(uint64_t *seed)
{
    uint64_t any = scratch_random(seed);

    switch (any % 3) {
    case 0:
        return (struct fls_address){{0, any >> 8 & 0x3ff}};
    case 1:
        return (struct fls_address){{any >> 8 & 0x3ff, 0}};
    default:
        return (struct fls_address){{any >> 8 & 0x1f, any >> 16 & 0x1f}};
    }
}

static void numbers_are_those_of_a_list(void **state)
{
    static struct fls_address list[DISTINCT_MAX];
    struct fls_addresses addresses = {.at = NULL};
    uint64_t seed = 5;

    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t cnt = 0;

        for (uint32_t i = 0; i < 20000; i++) {
            struct fls_address address = draw(&seed);
            uint32_t hash = fls_address_hash(address);

            fls_addresses_prefetch_slot(&addresses, hash);
            fls_addresses_prefetch(&addresses, hash);
            assert_int_equal(fls_addresses_number(&addresses, address),
                             number_in(list, &cnt, address));
        }
        assert_int_equal(addresses.cnt, cnt);
        for (uint32_t i = 0; i < cnt; i++)
            assert_memory_equal(fls_addresses_bytes_of(&addresses, i), &list[i], sizeof(*list));
        assert_true(fls_addresses_bytes(&addresses) >= cnt * sizeof(*list));
        fls_addresses_clear(&addresses);
    }
    fls_addresses_fini(&addresses);
    assert_int_equal(fls_addresses_bytes(&addresses), 0);
}

/* An address that stands in another one's slot is not it, though their hashes are equal. */
static void equal_hashes_are_told_apart(void **state)
{
    struct fls_addresses addresses = {.at = NULL};
    struct fls_address one = {{1, 2}}, other = {{3, 4}};
    uint32_t hash = fls_address_hash(other);

    (void)state;
    assert_int_equal(fls_addresses_number(&addresses, one), 0);
    fls_slots_clear(&addresses.slots); /* as if `one` had the hash of `other` */
    addresses.slots.at[hash & addresses.slots.mask] = fls_slot_make(hash, 0);
    assert_int_equal(fls_addresses_number(&addresses, other), 1);
    assert_int_equal(fls_addresses_number(&addresses, other), 1);
    fls_addresses_fini(&addresses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_a_list),
        cmocka_unit_test(equal_hashes_are_told_apart),
    };

    return cmocka_run_group_tests_name("addresses", tests, NULL, NULL);
}

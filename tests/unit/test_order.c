/* Sorting of what a shard has: in order of key and place, entries that are equal in the order in
 * which they were put, whether the keys are spread or all alike. */
#include "scratch.h"

#include "aggregate/order.h"

#include <stdlib.h>

#define PLACE_BITS 24

static uint64_t seed = 7;

enum shape { SPREAD, FEW_KEYS, ONE_KEY, MOSTLY_ONE, RISING, SHAPES };

static struct fls_order_entry make_entry(enum shape shape, uint64_t number)
{
    uint64_t random = scratch_random(&seed), key = random;

    if (shape == FEW_KEYS)
        key = random % 5 << 40;
    if (shape == ONE_KEY || (shape == MOSTLY_ONE && random % 16))
        key = 0x0a000001ULL << 32;
    if (shape == RISING)
        key = number;
    return (struct fls_order_entry){
        .key = key,
        .tail = (scratch_random(&seed) % 3 << (PLACE_BITS - 2)) << FLS_ORDER_NUMBER_BITS | number};
}

static int compare(const void *a, const void *b)
{
    const struct fls_order_entry *x = a, *y = b;

    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return (x->tail > y->tail) - (x->tail < y->tail); /* numbers rise, as they are put */
}

static void sort_in_buckets(struct fls_order *order, struct fls_order_entry *entries, uint64_t cnt)
{
    uint64_t at = 0, sample_cnt = 0;

    fls_order_begin(order, cnt, 1);
    for (uint64_t i = 0; i < cnt; i += order->stride, sample_cnt++)
        fls_order_sample(order, entries[i]);
    fls_order_split(order);
    for (uint64_t i = 0; i < cnt; i++)
        fls_order_put(order, entries[i]);
    fls_order_gathered(order);
    qsort(entries, cnt, sizeof(*entries), compare);
    for (uint32_t i = 0; i < order->bucket_cnt; i++) {
        uint64_t bucket_cnt;
        const struct fls_order_entry *sorted = fls_order_take(order, i, &bucket_cnt);

        assert_true(bucket_cnt <= cnt - at);
        if (bucket_cnt)
            assert_memory_equal(sorted, entries + at, bucket_cnt * sizeof(*sorted));
        at += bucket_cnt;
    }
    assert_int_equal(at, cnt);
}

static void sorts_whatever_is_put(void **state)
{
    static const uint64_t cnts[] = {0, 1, 2, 100, 2559, 2560, 2561, 40000, 200000};
    struct fls_tally_pool pool = {0};
    struct fls_order order = {.pool = &pool};

    (void)state;
    for (size_t k = 0; k < sizeof(cnts) / sizeof(cnts[0]); k++)
        for (enum shape shape = 0; shape < SHAPES; shape++) {
            struct fls_order_entry *entries = malloc((cnts[k] + 1) * sizeof(*entries));

            assert_non_null(entries);
            for (uint64_t i = 0; i < cnts[k]; i++)
                entries[i] = make_entry(shape, i);
            sort_in_buckets(&order, entries, cnts[k]);
            free(entries);
        }
    fls_order_fini(&order);
    fls_tally_pool_fini(&pool);
}

/* Keys that are spread come in buckets of about one size. */
static void buckets_are_even(void **state)
{
    enum { CNT = 300000 };
    struct fls_tally_pool pool = {0};
    struct fls_order order = {.pool = &pool};

    (void)state;
    fls_order_begin(&order, CNT, 1);
    for (uint64_t i = 0; i < CNT; i += order.stride)
        fls_order_sample(&order, make_entry(SPREAD, i));
    fls_order_split(&order);
    assert_true(order.bucket_cnt > 8);
    for (uint64_t i = 0; i < CNT; i++)
        fls_order_put(&order, make_entry(SPREAD, i));
    fls_order_gathered(&order);
    for (uint32_t i = 0; i < order.bucket_cnt; i++) {
        uint64_t cnt;

        fls_order_take(&order, i, &cnt);
        assert_true(cnt < 4 * CNT / order.bucket_cnt);
    }
    fls_order_fini(&order);
    fls_tally_pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_whatever_is_put),
        cmocka_unit_test(buckets_are_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

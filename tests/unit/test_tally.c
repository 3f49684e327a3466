/* A shard's table against a simple list of keys, from the first row to many chunks of them. */
#include "scratch.h"

#include "aggregate/tally.h"

#include <stdlib.h>

#define KEYS 300000U

static uint64_t seed = 3;

/* Key number i: neighbours differ in one part of the key only. */
static void spell(uint32_t i, uint32_t *a, uint32_t *b, uint32_t *rest)
{
    *a = i % 4 == 0 ? i : 1;
    *b = i % 4 == 1 ? i : 1;
    *rest = (i % 4 == 2 ? i : 1) & FLS_PART_PLACE;
    if (i % 4 == 3) {
        *a = i;
        *rest = FLS_A_IS_IPV6 << FLS_TALLY_FLAGS_SHIFT;
    }
}

static void count(struct fls_tally *tally, struct fls_tally_pool *pool, uint32_t i, uint32_t sides)
{
    const struct fls_tally_row one = {.packets = i, .bytes = FLS_COUNTER_MAX / 2, .flows = 1};
    uint32_t a, b, rest, number;

    spell(i, &a, &b, &rest);
    number = fls_tally_upsert(tally, pool, a, b, rest | sides, fls_tally_hash(a, b, rest | sides));
    fls_tally_add(fls_tally_row(tally, number), &one, sides);
}

static void expect(const struct fls_tally *tally, uint32_t number, uint32_t i, uint32_t times,
                   uint32_t sides)
{
    const struct fls_tally_row *row = fls_tally_row(tally, number);
    uint32_t a, b, rest;

    spell(i, &a, &b, &rest);
    assert_int_equal(row->a, a);
    assert_int_equal(row->b, b);
    assert_int_equal(row->rest, rest | sides);
    assert_int_equal(row->flows, times);
    assert_int_equal(row->packets, (uint64_t)i * times);
    assert_int_equal(row->bytes, times < 2   ? FLS_COUNTER_MAX / 2
                                 : times < 3 ? FLS_COUNTER_MAX - 1
                                             : FLS_COUNTER_MAX);
}

/* Rows stand in the order of their first appearance, through every step of growth. */
static void counts_each_key_apart(void **state)
{
    struct fls_tally_pool pool = {0};
    struct fls_tally tally;
    uint32_t side = FLS_TALLY_NONE_IS_OWN;

    (void)state;
    fls_tally_init(&tally, FLS_TABLE_CONVERSATION);
    for (uint32_t cnt = 1; cnt <= KEYS; cnt = cnt * 3 + 1) {
        for (uint32_t i = 0; i < cnt; i++)
            count(&tally, &pool, i, 0);
        for (uint32_t i = 0; i < cnt; i += 2)
            count(&tally, &pool, i, side);
        for (uint32_t i = 0; i < cnt; i += 2)
            count(&tally, &pool, i, 0);
        assert_int_equal(tally.row_cnt, cnt);
        assert_int_equal(pool.row_cnt[FLS_TABLE_CONVERSATION], cnt);
        assert_true(fls_tally_pool_bytes(&pool) >= cnt * sizeof(struct fls_tally_row));
        assert_true(fls_tally_pool_bytes(&pool) <=
                    fls_tally_more_sz(cnt, 1) + FLS_TALLY_CHUNK_SZ + (64 << 20));
        for (uint32_t i = 0; i < cnt; i++)
            expect(&tally, i, i, i % 2 ? 1 : 3, i % 2 ? 0 : side);
        fls_tally_fini(&tally, &pool);
        assert_int_equal(pool.other_sz, 0);
        assert_int_equal(tally.row_cnt + pool.row_cnt[FLS_TABLE_CONVERSATION], 0);
    }
    fls_tally_pool_fini(&pool);
}

/* Tables that share a pool, growing in turns and going at random. */
static void tables_share_a_pool(void **state)
{
    enum { TABLES = 50 };
    struct fls_tally_pool pool = {0};
    struct fls_tally tables[TABLES];
    uint32_t cnts[TABLES] = {0}, slabs = 0;

    (void)state;
    for (int i = 0; i < TABLES; i++)
        fls_tally_init(&tables[i], FLS_TABLE_SERVICE);
    for (int round = 0; round < 3000; round++) {
        uint32_t t = (uint32_t)(scratch_random(&seed) % TABLES), more = 100;

        if (scratch_random(&seed) % 20 == 0) {
            for (uint32_t i = 0; i < cnts[t]; i++)
                expect(&tables[t], i, i, 1, 0);
            fls_tally_fini(&tables[t], &pool);
            cnts[t] = 0;
        }
        for (; more > 0; more--)
            count(&tables[t], &pool, cnts[t]++, 0);
        slabs = pool.slab_cnt;
    }
    assert_true(slabs >= 1 && slabs <= 4); /* what goes is taken again */
    for (int i = 0; i < TABLES; i++)
        fls_tally_fini(&tables[i], &pool);
    assert_int_equal(pool.other_sz, 0);
    fls_tally_pool_fini(&pool);
}

/* Two counters at once are as one and one, up to the limit and beyond. */
static void adds_pairs_as_counters(void **state)
{
    static const uint64_t values[] = {0,
                                      1,
                                      INT32_MAX,
                                      1ULL << 31,
                                      UINT32_MAX,
                                      1ULL << 32,
                                      FLS_COUNTER_MAX / 2,
                                      FLS_COUNTER_MAX / 2 + 1,
                                      FLS_COUNTER_MAX - 1,
                                      FLS_COUNTER_MAX};
    enum { CNT = sizeof(values) / sizeof(*values) };

    (void)state;
    for (int i = 0; i < CNT * CNT; i++) {
        for (int k = 0; k < CNT * CNT; k++) {
            const fls_counter_pair a = {values[i / CNT], values[i % CNT]};
            const fls_counter_pair b = {values[k / CNT], values[k % CNT]};
            const fls_counter_pair sum = fls_counter_pair_add(a, b);

            assert_int_equal(sum[0], fls_counter_add(a[0], b[0]));
            assert_int_equal(sum[1], fls_counter_add(a[1], b[1]));
        }
    }
}

/* A row that is full stays so, and what stands beside it goes on. */
static void full_rows_stay_full(void **state)
{
    struct fls_tally_row row = {.packets = FLS_COUNTER_MAX - 1, .rest = FLS_TALLY_A_IS_OWN};
    const struct fls_tally_row one = {.packets = 1, .bytes = 1, .flows = 1};

    (void)state;
    for (uint32_t i = 1; i <= 1000; i++) {
        fls_tally_add(&row, &one, FLS_TALLY_B_IS_OWN);
        assert_int_equal(row.packets, FLS_COUNTER_MAX);
        assert_int_equal(row.bytes, i);
        assert_int_equal(row.flows, i);
        assert_int_equal(row.rest, FLS_TALLY_A_IS_OWN | FLS_TALLY_B_IS_OWN);
    }
}

/* What was asked for before the table grew is true after it. */
static void finds_rows_asked_for_before(void **state)
{
    struct fls_tally_pool pool = {0};
    struct fls_tally tally;
    uint32_t a, b, rest, hash, maybe, i;

    (void)state;
    fls_tally_init(&tally, FLS_TABLE_CONVERSATION);
    for (i = 0; i < 3000; i++) {
        spell(i / 2, &a, &b, &rest); /* new, then known */
        hash = fls_tally_hash(a, b, rest);
        maybe = fls_tally_prefetch_row(&tally, hash);
        for (uint32_t k = 0; k < i % 7; k++) /* meanwhile */
            count(&tally, &pool, 1000000 + 7 * i + k, 0);
        fls_tally_upsert_maybe(&tally, &pool, a, b, rest, hash, maybe)->flows++;
        spell(i, &a, &b, &rest); /* of another key's hash */
        assert_true(fls_tally_has_key(
            fls_tally_upsert_maybe(&tally, &pool, a, b, rest, fls_tally_hash(a, b, rest), maybe), a,
            b, rest));
    }
    for (i = 0; i < 1500; i++) {
        spell(i, &a, &b, &rest);
        hash = fls_tally_hash(a, b, rest);
        assert_int_equal(
            fls_tally_row(&tally, fls_tally_upsert(&tally, &pool, a, b, rest, hash))->flows, 2);
    }
    fls_tally_fini(&tally, &pool);
    fls_tally_pool_fini(&pool);
}

/* Of an address that is IPv6: on whose side it was, as a and as b. */
static void sides_are_marks(void **state)
{
    const uint32_t ipv6 = FLS_A_IS_IPV6 << FLS_TALLY_FLAGS_SHIFT;
    const struct {
        uint32_t sides, of_a, of_b;
    } cases[] = {
        {0, 0, 0},
        {FLS_TALLY_A_IS_OWN, FLS_MARK_OWN_SIDE, FLS_MARK_FAR_SIDE},
        {FLS_TALLY_B_IS_OWN, FLS_MARK_FAR_SIDE, FLS_MARK_OWN_SIDE},
        {FLS_TALLY_NONE_IS_OWN, FLS_MARK_FAR_SIDE, FLS_MARK_FAR_SIDE},
        {FLS_TALLY_A_IS_OWN | FLS_TALLY_B_IS_OWN, FLS_MARKS_ALL, FLS_MARKS_ALL},
        {FLS_TALLY_A_IS_OWN | FLS_TALLY_NONE_IS_OWN, FLS_MARKS_ALL, FLS_MARK_FAR_SIDE},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fls_tally_row a = {.rest = ipv6 | cases[i].sides};
        struct fls_tally_row b = {.rest = ipv6 | fls_tally_turn(cases[i].sides)};
        struct fls_tally_row ipv4 = {.rest = cases[i].sides};

        assert_int_equal(fls_tally_marks(&a), cases[i].of_a);
        assert_int_equal(fls_tally_marks(&b), cases[i].of_b);
        assert_int_equal(fls_tally_marks(&ipv4), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_each_key_apart),       cmocka_unit_test(tables_share_a_pool),
        cmocka_unit_test(adds_pairs_as_counters),      cmocka_unit_test(full_rows_stay_full),
        cmocka_unit_test(finds_rows_asked_for_before), cmocka_unit_test(sides_are_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

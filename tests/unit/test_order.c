/* Sorting of what a shard has: rows come in order of flags, a, b and place, and where these are
 * equal in the order in which they were put, whether keys are spread or all alike. */
#include "scratch.h"

#include "aggregate/order.h"
#include "base/pages.h"

#include <stdlib.h>

#define CHUNK FLS_ORDER_CHUNK_ROWS
#define BUCKET 32768U /* rows of which more are spread over several buckets */

static uint64_t seed = 7;

enum shape { SPREAD, FEW_KEYS, ONE_KEY, MOSTLY_ONE, RISING, RARE_FLAGS, SHAPES };

/* Its number is in `account`. */
static struct fls_order_row make_row(enum shape shape, uint32_t number)
{
    uint64_t random = scratch_random(&seed), key = random;
    uint32_t place = (uint32_t)(scratch_random(&seed) % 3) << 22, flags = random >> 20 & 3;

    if (shape == FEW_KEYS)
        key = random % 5 << 40;
    if (shape == ONE_KEY || (shape == MOSTLY_ONE && random % 16))
        key = 0x0a000001ULL << 32, flags = 0;
    if (shape == RISING)
        key = number, flags = 0;
    if (shape == RARE_FLAGS)
        flags = number % 1000 == 999 ? 1 + number / 1000 % 3 : 0;
    return (struct fls_order_row){.row = {.a = (uint32_t)(key >> 32),
                                          .b = (uint32_t)key,
                                          .rest = flags << FLS_TALLY_FLAGS_SHIFT | place |
                                                  (number % 2 ? FLS_TALLY_ACCEPTED : 0)},
                                  .account = number};
}

static int compare_u32(uint32_t x, uint32_t y)
{
    return (x > y) - (x < y);
}

static int compare(const void *a, const void *b)
{
    const struct fls_order_row *x = a, *y = b;
    int order = compare_u32(fls_tally_flags(&x->row), fls_tally_flags(&y->row));

    order = order ? order : compare_u32(x->row.a, y->row.a);
    order = order ? order : compare_u32(x->row.b, y->row.b);
    order = order ? order : compare_u32(x->row.rest & FLS_PART_PLACE, y->row.rest & FLS_PART_PLACE);
    return order ? order : compare_u32(x->account, y->account);
}

static struct fls_order_way way_of(const struct fls_order_row *row)
{
    return (struct fls_order_way){
        .flags = fls_tally_flags(&row->row), .a = row->row.a, .b = row->row.b};
}

static void put_all(struct fls_order *order, const struct fls_order_row *rows, uint32_t cnt)
{
    struct fls_order_way ways[FLS_ORDER_FIND_MAX];
    uint32_t turn;

    fls_order_begin(order, cnt, 1);
    for (uint64_t i = 0; i < cnt; i += order->stride) {
        ways[0] = way_of(&rows[i]);
        fls_order_sample(order, &ways[0]);
    }
    fls_order_split(order);
    for (uint32_t first = 0; first < cnt; first += turn) {
        turn = 1 + (uint32_t)(scratch_random(&seed) % FLS_ORDER_FIND_MAX);
        turn = turn < cnt - first ? turn : cnt - first;
        for (uint32_t i = 0; i < turn; i++)
            ways[i] = way_of(&rows[first + i]);
        fls_order_find(order, ways, turn);
        for (uint32_t i = 0; i < turn; i++)
            *fls_order_put(order, ways[i].bucket) = rows[first + i];
    }
    fls_order_gathered(order);
}

static void sort_in_buckets(struct fls_order *order, struct fls_order_row *rows, uint32_t cnt)
{
    uint64_t at = 0;

    put_all(order, rows, cnt);
    qsort(rows, cnt, sizeof(*rows), compare);
    for (uint32_t i = 0; i < order->bucket_cnt; i++) {
        uint64_t bucket_cnt, first = at;
        const struct fls_order_entry *sorted = fls_order_take(order, i, &bucket_cnt);

        assert_true(bucket_cnt <= cnt - at);
        for (uint64_t k = 0; k < bucket_cnt; k++, at++) {
            const struct fls_order_row *row = fls_order_row(&order->buckets[i], &sorted[k]);

            assert_memory_equal(&row->row, &rows[at].row, sizeof(row->row));
            assert_int_equal(row->account, rows[at].account);
            assert_int_equal(fls_tally_flags(&row->row), fls_tally_flags(&rows[first].row));
        }
        fls_order_give(order, i);
    }
    assert_int_equal(at, cnt);
}

static struct fls_order_row *make_rows(enum shape shape, uint32_t cnt)
{
    struct fls_order_row *rows = malloc((cnt + 1) * sizeof(*rows));

    assert_non_null(rows);
    for (uint32_t i = 0; i < cnt; i++)
        rows[i] = make_row(shape, i);
    return rows;
}

static void sorts_whatever_is_put(void **state)
{
    static const uint32_t cnts[] = {0,         1,          2,      100,        CHUNK,
                                    CHUNK + 1, BUCKET - 1, BUCKET, 2 * BUCKET, 10 * BUCKET};
    struct fls_tally_pool pool = {0};
    struct fls_order order = {.pool = &pool};

    (void)state;
    for (size_t k = 0; k < sizeof(cnts) / sizeof(cnts[0]); k++)
        for (enum shape shape = 0; shape < SHAPES; shape++) {
            struct fls_order_row *rows = make_rows(shape, cnts[k]);

            sort_in_buckets(&order, rows, cnts[k]);
            assert_true(fls_tally_pool_bytes(&pool) <=
                        fls_order_sz(10 * (uint64_t)BUCKET) + 2 * FLS_HUGE_PAGE_SZ);
            free(rows);
        }
    fls_order_fini(&order);
    fls_tally_pool_fini(&pool);
}

/* Keys that are spread come in buckets of about one size. */
static void buckets_are_even(void **state)
{
    enum { CNT = 20 * BUCKET };
    struct fls_order_row *rows = make_rows(SPREAD, CNT);
    struct fls_tally_pool pool = {0};
    struct fls_order order = {.pool = &pool};

    (void)state;
    put_all(&order, rows, CNT);
    assert_true(order.bucket_cnt > 20);
    for (uint32_t i = 0; i < order.bucket_cnt; i++) {
        uint64_t cnt;

        fls_order_take(&order, i, &cnt);
        assert_true(cnt < 4 * (uint64_t)CNT / order.bucket_cnt);
        fls_order_give(&order, i);
    }
    fls_order_fini(&order);
    fls_tally_pool_fini(&pool);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts_whatever_is_put),
        cmocka_unit_test(buckets_are_even),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

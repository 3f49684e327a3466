/* Tables of rows against a plain array of the same figures. */
#include "scratch.h"

#include "dies.h"

#include "base/assert.h"
#include "base/pages.h"
#include "base/table.h"

#define KEYS_MAX 30000U
#define NONE UINT32_MAX

/* The model: what each of the keys has, and in which row. */
static struct {
    struct fls_counters counters[KEYS_MAX];
    uint32_t row[KEYS_MAX];
    uint32_t key_of_row[KEYS_MAX];
    uint32_t row_cnt;
} model;

/* Different keys that differ in one member or in many. */
static struct fls_key key_of(uint32_t i)
{
    switch (i % 6) {
    case 0:
        return (struct fls_key){.scope = i};
    case 1:
        return (struct fls_key){.scope = FLS_SCOPE_ORGANISATION, .a = i};
    case 2:
        return (struct fls_key){.b = i};
    case 3:
        return (struct fls_key){.port = (uint16_t)i, .protocol = 1};
    case 4:
        return (struct fls_key){.a = 7, .b = 9, .port = (uint16_t)i, .flags = FLS_A_IS_IPV6};
    default:
        return (struct fls_key){.scope = i, .a = ~i, .b = i * 0x10001U, .protocol = 255};
    }
}

static uint32_t usual_hash(uint32_t i)
{
    const struct fls_key key = key_of(i);

    return fls_key_hash(&key);
}

static uint32_t few_hashes(uint32_t i)
{
    return UINT32_MAX - i % 3;
}

static uint32_t one_hash(uint32_t i)
{
    (void)i;
    return 0;
}

static void model_clear(void)
{
    memset(&model, 0, sizeof(model));
    memset(model.row, 0xff, sizeof(model.row));
}

static void check_row(const struct fls_row *row, const struct fls_table *table, uint32_t i)
{
    const struct fls_key key = key_of(i);

    assert_memory_equal(&row->key, &key, sizeof(key));
    assert_memory_equal(&row->counters, &model.counters[i], sizeof(row->counters));
    assert_int_equal(row - table->rows, model.row[i]);
}

static void check_all(const struct fls_table *table, uint32_t key_cnt, uint32_t (*hash)(uint32_t))
{
    assert_int_equal(table->row_cnt, model.row_cnt);
    for (uint32_t i = 0; i < key_cnt; i++) {
        const struct fls_key key = key_of(i);
        const struct fls_row *row = fls_table_find(table, &key, hash(i));

        if (model.row[i] == NONE)
            assert_null(row);
        else
            check_row(row, table, i);
    }
    for (uint32_t row = 0; row < table->row_cnt; row++)
        check_row(&table->rows[row], table, model.key_of_row[row]);
}

static void add(struct fls_table *table, uint32_t i, uint32_t hash, uint64_t *seed)
{
    const struct fls_key key = key_of(i);
    struct fls_counters more;
    struct fls_row *row;

    for (int c = 0; c < FLS_COUNTER_CNT; c++)
        more.value[c] = scratch_random(seed) >> (1 + scratch_random(seed) % 63);
    if (model.row[i] == NONE) {
        model.row[i] = model.row_cnt;
        model.key_of_row[model.row_cnt++] = i;
    }
    for (int c = 0; c < FLS_COUNTER_CNT; c++) {
        uint64_t room = FLS_COUNTER_MAX - model.counters[i].value[c];

        model.counters[i].value[c] += more.value[c] < room ? more.value[c] : room;
    }
    fls_table_prefetch_slot(table, hash);
    fls_table_prefetch_row(table, hash);
    row = fls_table_upsert(table, &key, hash);
    assert_int_equal(row->hash, hash);
    fls_counters_add(&row->counters, &more);
    check_row(row, table, i);
}

static void run(uint32_t key_cnt, uint32_t step_cnt, uint32_t (*hash)(uint32_t), uint64_t seed)
{
    struct fls_table table = {0};
    uint64_t bytes = 0;

    model_clear();
    check_all(&table, key_cnt, hash);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t step = 0; step < step_cnt; step++) {
            uint32_t i = (uint32_t)(scratch_random(&seed) % key_cnt);

            add(&table, i, hash(i), &seed);
        }
        check_all(&table, key_cnt, hash);
        assert_true(fls_table_bytes(&table) >= table.row_cnt * (64 + 16));
        assert_true(round == 0 || fls_table_bytes(&table) == bytes);
        bytes = fls_table_bytes(&table);
        fls_table_clear(&table);
        model_clear();
        check_all(&table, key_cnt, hash);
        assert_int_equal(fls_table_bytes(&table), bytes);
    }
    fls_table_fini(&table);
    assert_int_equal(fls_table_bytes(&table), 0);
    assert_null(fls_table_find(&table, &(struct fls_key){0}, 0));
}

static void follows_a_model(void **state)
{
    (void)state;
    run(1, 100, usual_hash, 1);
    run(64, 2000, usual_hash, 2);
    run(65, 2000, usual_hash, 3);
    run(KEYS_MAX, 400000, usual_hash, 4);
}

static void lives_with_colliding_hashes(void **state)
{
    (void)state;
    run(600, 8000, few_hashes, 5);
    run(300, 4000, one_hash, 6);
}

/* Room made beforehand: the same rows, and no growing. */
static void keeps_room(void **state)
{
    (void)state;
    for (uint32_t room = 0; room < 3000; room = room * 2 + 37) {
        struct fls_table table = {0};
        uint64_t seed = 7, bytes;

        model_clear();
        for (int turn = 0; turn < 2; turn++) { /* new, and with pages already */
            fls_table_clear(&table);
            model_clear();
            fls_table_reserve(&table, room << turn);
            bytes = fls_table_bytes(&table);
            check_all(&table, room << turn, usual_hash);
            for (uint32_t i = 0; i < room << turn; i++)
                add(&table, i, usual_hash(i), &seed);
            assert_int_equal(fls_table_bytes(&table), bytes);
            check_all(&table, room << turn, usual_hash);
        }
        fls_table_fini(&table);
    }
}

struct going {
    uint32_t round;
    bool moves_keys;
};

/* A row stays by its key; one that stays may get another key. */
static bool stays(void *context, struct fls_row *row)
{
    const struct going *going = context;

    if ((row->key.a * 2654435761U >> 7) % 8 >= going->round * 5 % 8)
        return false;
    if (going->moves_keys)
        row->key.b += 1;
    return true;
}

static void check_retained(const struct fls_table *table, const struct fls_counters *figures,
                           uint32_t b)
{
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        const struct fls_key key = {.a = i, .b = b};
        const struct fls_row *row = fls_table_find(table, &key, fls_key_hash(&key));

        assert_int_equal(row != NULL, figures[i].value[FLS_FLOWS] > 0);
        if (row == NULL)
            continue;
        assert_memory_equal(&row->counters, &figures[i], sizeof(figures[i]));
        cnt++;
    }
    assert_int_equal(table->row_cnt, cnt);
}

/* Rows that go, and come again; the memory they had is given back. */
static void lets_rows_go(void **state)
{
    static struct fls_counters figures[KEYS_MAX];
    struct fls_table table = {0};
    uint32_t b = 0;

    (void)state;
    fls_table_retain(&table, stays, &(struct going){0}); /* of no rows none stays */
    assert_int_equal(fls_table_used(&table, 0), 0);
    for (uint32_t round = 0; round <= 24; round++) {
        struct going going = {round, round % 2 == 1};

        fls_table_retain(&table, stays, &(struct going){5, false}); /* 5 * 5 % 8 = 1: few */
        for (uint32_t i = 0; i < KEYS_MAX; i++)
            if ((i * 2654435761U >> 7) % 8 >= 1)
                figures[i] = (struct fls_counters){0};
        for (uint32_t i = 0; i < KEYS_MAX; i += 1 + round % 3) {
            const struct fls_key key = {.a = i, .b = b};
            struct fls_row *row = fls_table_upsert(&table, &key, fls_key_hash(&key));

            fls_counters_add(&figures[i], &(struct fls_counters){{1, i, i, 0, i}});
            fls_counters_add(&row->counters, &(struct fls_counters){{1, i, i, 0, i}});
        }
        fls_table_retain(&table, stays, &going);
        b += going.moves_keys;
        for (uint32_t i = 0; i < KEYS_MAX; i++)
            if ((i * 2654435761U >> 7) % 8 >= round * 5 % 8)
                figures[i] = (struct fls_counters){0};
        check_retained(&table, figures, b);
        assert_true(fls_table_used(&table, 0) <= fls_table_bytes(&table));
    }
    assert_int_equal(table.row_cnt, 0);
    assert_true(fls_table_bytes(&table) <= 2UL * FLS_PAGE_SZ);
    for (uint32_t i = 0; i < 3000; i++) /* it grows again */
        fls_table_upsert(&table, &(struct fls_key){.a = i}, usual_hash(6 * i + 1));
    assert_int_equal(table.row_cnt, 3000);
    fls_table_fini(&table);
}

/* What a table says it will take is what it then takes. */
static void tells_what_it_uses(void **state)
{
    struct fls_table table = {0};

    (void)state;
    for (uint32_t i = 0; i < KEYS_MAX; i++) {
        uint32_t more = i % 100;
        uint64_t used = fls_table_used(&table, more), before = fls_table_used(&table, 0);

        for (uint32_t k = 0; k < more; k++)
            fls_table_upsert(&table, &(struct fls_key){.a = i, .b = k},
                             fls_key_hash(&(struct fls_key){.a = i, .b = k}));
        assert_int_equal(fls_table_used(&table, 0), more ? used : before);
        assert_true(used <= fls_table_bytes(&table));
    }
    fls_table_fini(&table);
}

static void saturates(void **state)
{
    struct fls_table table = {0};
    const struct fls_key key = {.a = 1};
    const struct fls_counters most = {
        {FLS_COUNTER_MAX, FLS_COUNTER_MAX - 1, 1, 0, FLS_COUNTER_MAX}};
    const struct fls_counters one = {{1, 1, 1, 1, FLS_COUNTER_MAX}};
    struct fls_row *row = fls_table_upsert(&table, &key, 1);

    (void)state;
    fls_counters_add(&row->counters, &most);
    fls_counters_add(&row->counters, &one);
    assert_int_equal(row->counters.value[FLS_FLOWS], FLS_COUNTER_MAX);
    assert_int_equal(row->counters.value[FLS_PACKETS], FLS_COUNTER_MAX);
    assert_int_equal(row->counters.value[FLS_BYTES], 2);
    assert_int_equal(row->counters.value[FLS_ACCEPTED], 1);
    assert_int_equal(row->counters.value[FLS_REJECTED], FLS_COUNTER_MAX);
    fls_counters_add(&row->counters, &one);
    assert_int_equal(row->counters.value[FLS_FLOWS], FLS_COUNTER_MAX);
    fls_table_fini(&table);
}

/* Keys as logs bring them, one after the other, spread over the slots. */
static void spreads_hashes(void **state)
{
    static uint32_t used[4096];
    uint32_t most = 0;

    (void)state;
    for (uint32_t i = 0; i < 4096 * 16; i++) {
        const struct fls_key key = {.scope = 3, .a = 0x0a000000 + i};
        uint32_t place = fls_key_hash(&key) & 4095;

        used[place]++;
        most = used[place] > most ? used[place] : most;
    }
    assert_true(most < 64); /* 16 on average; 64 of them by chance: less than 1 in 10^16 */
}

/* A full table, as far as its struct tells: its rows are never touched. */
static void grow_too_far(void *argument)
{
    struct fls_table table = {.row_cnt = FLS_TABLE_ROWS_MAX, .row_max = FLS_TABLE_ROWS_MAX};

    (void)argument;
    fls_table_upsert(&table, &(struct fls_key){0}, 0);
}

static void has_a_limit(void **state)
{
    (void)state;
    assert_dies(grow_too_far, NULL, SIGABRT);
}

static void pages_keep_bytes(void **state)
{
    size_t sz = FLS_PAGE_SZ, larger = 5UL * FLS_HUGE_PAGE_SZ;
    uint8_t *pages = fls_pages_resize(NULL, 0, sz);

    (void)state;
    for (size_t i = 0; i < sz; i++) {
        assert_int_equal(pages[i], 0);
        pages[i] = (uint8_t)i;
    }
    pages = fls_pages_resize(pages, sz, larger);
    for (size_t i = 0; i < larger; i += i < sz ? 1 : 511)
        assert_int_equal(pages[i], i < sz ? (uint8_t)i : 0);
    pages = fls_pages_resize(pages, larger, sz);
    for (size_t i = 0; i < sz; i++)
        assert_int_equal(pages[i], (uint8_t)i);
    assert_null(fls_pages_resize(pages, sz, 0));
    assert_null(fls_pages_resize(NULL, 0, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_model),    cmocka_unit_test(lives_with_colliding_hashes),
        cmocka_unit_test(keeps_room),         cmocka_unit_test(saturates),
        cmocka_unit_test(spreads_hashes),     cmocka_unit_test(has_a_limit),
        cmocka_unit_test(pages_keep_bytes),   cmocka_unit_test(lets_rows_go),
        cmocka_unit_test(tells_what_it_uses),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}

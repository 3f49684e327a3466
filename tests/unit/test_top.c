/* The choice of rows against a model that sorts texts. */
#include "publish/key_text.h"
#include "publish/top.h"

#include "rows.h"

#define DAY 20454U
#define ACCOUNTS 4U
#define SCOPES (ACCOUNTS + 1U) /* the organisation is the last one */

struct world {
    enum fls_table_id id;
    struct rows rows;
    struct rows_part part;
    struct fls_merge_day day;
    uint32_t *of_account; /* by symbol of the day */
    struct fls_top_scopes scopes;
    uint64_t seed;
};

/* ---- the model ---- */

struct entry {
    struct fls_part_key key;
    struct fls_counters counters;
    char *text;
    size_t sz;
    bool is_chosen;
};

struct entries {
    struct entry *at;
    uint32_t cnt, max;
};

static enum fls_counter sorted_by;

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    uint64_t left = x->counters.value[sorted_by], right = y->counters.value[sorted_by];
    int order;

    if (left != right)
        return left > right ? -1 : 1;
    order = memcmp(x->text, y->text, x->sz < y->sz ? x->sz : y->sz);
    return order ? order : (x->sz > y->sz) - (x->sz < y->sz);
}

/* The rows of the scope, those of the organisation as sums; they come in order. */
static struct entries rows_of(const struct world *w, uint32_t scope)
{
    struct entries all = {.cnt = 0};
    struct fls_merge merge;
    struct fls_part_row row;

    fls_merge_begin(&merge, &w->day, w->id);
    while (fls_merge_next(&merge, &row)) {
        struct entry *last = all.cnt ? &all.at[all.cnt - 1] : NULL;

        if (scope < ACCOUNTS && w->of_account[row.account] != scope)
            continue;
        if (last && fls_part_key_compare(&last->key, &row.key) == 0) {
            fls_counters_add(&last->counters, &row.counters);
            continue;
        }
        fls_array_reserve(all.at, all.max, all.cnt + 1);
        last = &all.at[all.cnt++];
        *last = (struct entry){.key = row.key, .counters = row.counters};
        last->text = malloc(fls_key_text_max(&row.key, fls_tables[w->id].key, w->day.symbols) + 1);
        last->sz = fls_key_text(&row.key, fls_tables[w->id].key, w->day.symbols, last->text);
    }
    fls_merge_end(&merge);
    return all;
}

static void choose_entries(const struct world *w, struct entries *all, uint32_t top_k)
{
    static const enum fls_counter ranked[] = {FLS_BYTES, FLS_PACKETS, FLS_FLOWS, FLS_REJECTED};
    bool is_whole = fls_tables[w->id].size == FLS_SIZE_FEW && all->cnt <= 4096;

    for (int i = 0; i < 4 && all->cnt > 0; i++) {
        sorted_by = ranked[i];
        qsort(all->at, all->cnt, sizeof(*all->at), compare_entries);
        for (uint32_t k = 0; k < all->cnt; k++)
            all->at[k].is_chosen |= k < top_k || is_whole;
    }
}

static struct entry *find(struct entries *all, const struct fls_part_key *key)
{
    for (uint32_t i = 0; i < all->cnt; i++)
        if (fls_part_key_compare(&all->at[i].key, key) == 0)
            return &all->at[i];
    return NULL;
}

static void check_scope(const struct world *w, const struct fls_top_scope *chosen, uint32_t scope,
                        uint32_t top_k)
{
    struct entries all = rows_of(w, scope);
    uint32_t expected = 0;

    choose_entries(w, &all, top_k);
    assert_int_equal(chosen->distinct, all.cnt);
    for (uint32_t i = 0; i < all.cnt; i++)
        expected += all.at[i].is_chosen;
    assert_int_equal(chosen->row_cnt, expected);
    for (uint32_t i = 0; i < chosen->row_cnt; i++) {
        struct entry *entry = find(&all, &chosen->rows[i].key);

        assert_true(entry && entry->is_chosen);
        assert_memory_equal(&entry->counters, &chosen->rows[i].counters, sizeof(entry->counters));
        entry->is_chosen = false; /* each once */
    }
    for (uint32_t i = 0; i < all.cnt; i++)
        free(all.at[i].text);
    free(all.at);
}

static void choose(const struct world *w, uint32_t top_k, struct fls_top *top)
{
    struct fls_merge merge;
    struct fls_part_row row;

    fls_top_init(top, w->id, &w->day, &w->scopes, top_k);
    fls_merge_begin(&merge, &w->day, w->id);
    while (fls_merge_next(&merge, &row))
        fls_top_add(top, &row);
    fls_merge_end(&merge);
    fls_top_finish(top);
}

static void check_choice(const struct world *w, uint32_t top_k)
{
    uint64_t bytes = 0, keys = 0;
    struct fls_top top;

    choose(w, top_k, &top);
    for (uint32_t i = 0; i < SCOPES; i++) {
        check_scope(w, &top.by_scope[i], i, top_k);
        assert_true(fls_top_bytes(w->id, top.by_scope[i].distinct, top_k) >=
                    sizeof(*top.by_scope) + top.by_scope[i].row_cnt * sizeof(struct fls_chosen));
        bytes += fls_top_bytes(w->id, top.by_scope[i].distinct, top_k);
        keys += top.by_scope[i].distinct;
    }
    assert_true(fls_top_bytes_most(w->id, SCOPES, keys, top_k) >= bytes);
    fls_top_fini(&top);
}

/* ---- rows ---- */

/* Keys of a small space, so that texts share prefixes, or of a large one. */
static struct fls_part_key draw_key(struct world *w)
{
    enum fls_table_key kind = fls_tables[w->id].key;
    uint64_t draw = scratch_random(&w->seed);
    struct fls_part_key key = {0};
    char text[64];

    if (kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION) {
        if (draw >> 60 < 6)
            sprintf(text, "2001::%x", (unsigned)(draw & 0xffff));
        else
            sprintf(text, "10.0.%u.%u", (unsigned)(draw >> 8 & 0xff), (unsigned)(draw & 0xff));
        key_set_address(&key, false, text);
    }
    if (kind == FLS_KEY_CONVERSATION)
        key.b_low = draw >> 32 & 3;
    if (kind == FLS_KEY_CONVERSATION || kind == FLS_KEY_PORT)
        key.place = fls_part_place(draw >> 40 & 1 ? 6 : 17, (uint16_t)(draw >> 16));
    if (kind == FLS_KEY_ATTRIBUTE) {
        sprintf(text, "interface-%s%u", draw >> 62 ? "" : "with-a-long-name-that-all-share-",
                (unsigned)(draw & 0x3fff));
        key.a_low = rows_symbol(&w->rows, fls_span_of(text));
    }
    return key;
}

static uint32_t account(struct world *w, uint32_t number)
{
    char text[16];

    sprintf(text, "%u", number);
    return rows_symbol(&w->rows, fls_span_of(text));
}

static void draw_row(struct world *w)
{
    uint64_t draw = scratch_random(&w->seed);
    struct fls_part_row row = {.key = draw_key(w)};

    for (int k = 0; k < FLS_COUNTER_CNT; k++) /* mostly ties */
        row.counters.value[k] = scratch_random(&w->seed) % 8 ? draw >> 8 & 3
                                : draw >> 63                 ? FLS_COUNTER_MAX - (draw >> 16 & 1)
                                                             : draw >> (8 + k) & 0xff;
    row.account = account(w, draw % 97 > 0 ? draw % 3 : 3); /* the last account has few rows */
    rows_add(&w->rows, w->id, &row);
    if (draw >> 58 & 1) { /* another account has the key, too */
        row.account = account(w, (draw >> 40) % 3);
        rows_add(&w->rows, w->id, &row);
    }
}

/* Makes the rows a day. */
static void write_world(struct world *w)
{
    char text[16];

    account(w, 9); /* one that is of no scope */
    w->part = rows_part(&w->rows, DAY);
    fls_merge_day_init(&w->day, DAY);
    assert_true(
        fls_merge_day_add(&w->day, fls_part_in_memory((struct fls_span){w->part.at, w->part.sz})));
    fls_merge_day_unite(&w->day);
    w->of_account = malloc(w->day.symbol_cnt * sizeof(uint32_t));
    assert_non_null(w->of_account);
    for (uint32_t i = 0; i < w->day.symbol_cnt; i++) {
        w->of_account[i] = FLS_TOP_NONE;
        for (uint32_t k = 0; k < ACCOUNTS; k++) {
            sprintf(text, "%u", k);
            if (fls_span_equal(w->day.symbols[i], fls_span_of(text)))
                w->of_account[i] = k;
        }
    }
    w->scopes = (struct fls_top_scopes){
        .of_account = w->of_account, .organisation = ACCOUNTS, .cnt = SCOPES};
}

static void draw_world(struct world *w, enum fls_table_id id, uint32_t row_cnt, uint64_t seed)
{
    *w = (struct world){.id = id, .seed = seed};
    for (uint32_t i = 0; i < row_cnt; i++)
        draw_row(w);
    write_world(w);
}

static void world_fini(struct world *w)
{
    fls_merge_day_fini(&w->day);
    rows_fini(&w->rows);
    free(w->part.at);
    free(w->of_account);
}

/* ---- tests ---- */

static void chooses_as_sorting_does(void **state)
{
    static const enum fls_table_id ids[] = {FLS_TABLE_SOURCE_ADDRESS, FLS_TABLE_CONVERSATION,
                                            FLS_TABLE_SERVICE, FLS_TABLE_INTERFACE};
    static const uint32_t row_cnts[] = {0, 1, 40, 700, 6000}, ks[] = {1, 2, 10, 100, 7000};
    struct world w;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned rows = 0; rows < 5; rows++) {
            draw_world(&w, ids[i], row_cnts[rows], 1 + i * 100 + rows);
            for (unsigned k = 0; k < 5; k++)
                check_choice(&w, ks[k]);
            world_fini(&w);
        }
}

/* Hardly any key was rejected, and all have as many flows: the texts decide. */
static void ties_go_to_the_smaller_text(void **state)
{
    struct world w = {.id = FLS_TABLE_CONVERSATION, .seed = 3};

    (void)state;
    for (uint32_t i = 0; i < 3000; i++) {
        struct fls_part_row row = {.account = account(&w, i % ACCOUNTS),
                                   .counters = {{1, 1, i % 900 == 5, 1, i % 1000 == 7}}};

        row.key.a_low = 10U << 24 | scratch_random(&w.seed) % 300;
        row.key.b_low = 10U << 24 | scratch_random(&w.seed) % 300;
        row.key.place = fls_part_place(6, (uint16_t)(scratch_random(&w.seed) % 9999));
        rows_add(&w.rows, w.id, &row);
    }
    write_world(&w);
    for (uint32_t k = 1; k < 200; k += 33)
        check_choice(&w, k);
    world_fini(&w);
}

/* A table with few keys is whole up to its limit, and cut above it. */
static void few_keys_are_whole_up_to_the_limit(void **state)
{
    (void)state;
    for (uint32_t cnt = FLS_FEW_ROWS_MAX - 1; cnt <= FLS_FEW_ROWS_MAX + 2; cnt++) {
        struct world w = {.id = FLS_TABLE_INTERFACE};
        struct fls_top top;
        char text[32];

        for (uint32_t i = 0; i < cnt; i++) {
            struct fls_part_row row = {.account = account(&w, 1), .counters = {{1, 1, 1}}};

            sprintf(text, "eni-%u", i);
            row.counters.value[FLS_BYTES] += i == 100; /* the fourth by its text */
            row.key.a_low = rows_symbol(&w.rows, fls_span_of(text));
            rows_add(&w.rows, w.id, &row);
        }
        write_world(&w);
        check_choice(&w, 3);
        choose(&w, 3, &top);
        for (uint32_t i = 1; i < SCOPES; i += ACCOUNTS - 1) /* the account; the organisation */
            assert_int_equal(top.by_scope[i].row_cnt, cnt <= FLS_FEW_ROWS_MAX ? cnt : 4);
        fls_top_fini(&top);
        world_fini(&w);
    }
}

/* One row of each account, and their sum. */
static void one_row_without_key(void **state)
{
    struct world w;

    (void)state;
    draw_world(&w, FLS_TABLE_TOTALS, 200, 9);
    check_choice(&w, 1);
    world_fini(&w);
}

/* Nothing is chosen for the organisation, or for an account. */
static void some_scopes_only(void **state)
{
    struct world w;
    struct fls_top top;

    (void)state;
    draw_world(&w, FLS_TABLE_CONVERSATION, 700, 11);
    w.scopes.organisation = FLS_TOP_NONE;
    choose(&w, 10, &top);
    assert_int_equal(top.by_scope[ACCOUNTS].distinct, 0);
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        check_scope(&w, &top.by_scope[i], i, 10);
    fls_top_fini(&top);
    w.scopes = (struct fls_top_scopes){.of_account = w.of_account, .organisation = 0, .cnt = 1};
    memset(w.of_account, 0xff, w.day.symbol_cnt * sizeof(uint32_t));
    choose(&w, 10, &top);
    check_scope(&w, &top.by_scope[0], ACCOUNTS, 10);
    fls_top_fini(&top);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_as_sorting_does),
        cmocka_unit_test(ties_go_to_the_smaller_text),
        cmocka_unit_test(few_keys_are_whole_up_to_the_limit),
        cmocka_unit_test(one_row_without_key),
        cmocka_unit_test(some_scopes_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

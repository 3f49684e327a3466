/* The choice of rows against a model that sorts texts. */
#include "epochs.h"

#include "publish/top.h"

#define SCOPES 5U

struct entry {
    uint32_t row;
    char *text;
    size_t sz;
};

struct world {
    struct fls_names names;
    struct fls_table table;
    enum fls_table_id id;
    uint32_t *scopes; /* by symbol */
    uint32_t symbols[SCOPES - 1];
    uint64_t seed;
};

static const struct fls_table *sorted_table;
static enum fls_counter sorted_by;

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    uint64_t left = sorted_table->rows[x->row].counters.value[sorted_by];
    uint64_t right = sorted_table->rows[y->row].counters.value[sorted_by];
    int order;

    if (left != right)
        return left > right ? -1 : 1;
    order = memcmp(x->text, y->text, x->sz < y->sz ? x->sz : y->sz);
    return order ? order : (x->sz > y->sz) - (x->sz < y->sz);
}

/* Keys of a small space, so that texts share prefixes, or of a large one. */
static struct fls_key draw_key(struct world *w)
{
    enum fls_table_key kind = fls_tables[w->id].key;
    uint64_t draw = scratch_random(&w->seed);
    struct fls_key key = {0};
    char text[64];

    if (kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION) {
        key.a = (uint32_t)(10U << 24 | (draw & 0xffff));
        if (draw >> 60 < 6) {
            uint8_t bytes[16] = {0x20, 0x01, [14] = (uint8_t)draw, [15] = (uint8_t)(draw >> 8)};

            key.flags = FLS_A_IS_IPV6;
            key.a = fls_dictionary_intern(&w->names.ipv6, (struct fls_span){bytes, 16});
        }
    }
    if (kind == FLS_KEY_CONVERSATION)
        key.b = (uint32_t)(draw >> 32 & 3);
    if (kind == FLS_KEY_CONVERSATION || kind == FLS_KEY_PORT) {
        key.protocol = draw >> 40 & 1 ? 6 : 17;
        key.port = (uint16_t)(draw >> 16);
    }
    if (kind == FLS_KEY_ATTRIBUTE) {
        sprintf(text, "interface-%s%u", draw >> 62 ? "" : "with-a-long-name-that-all-share-",
                (unsigned)(draw & 0x3fff));
        key.a = fls_dictionary_intern(&w->names.symbols, fls_span_of(text));
    }
    return key;
}

static void world_init(struct world *w, enum fls_table_id id, uint32_t row_cnt, uint64_t seed)
{
    char account[16];

    *w = (struct world){.id = id, .seed = seed};
    fls_names_clear(&w->names);
    for (uint32_t i = 0; i + 1 < SCOPES; i++) {
        sprintf(account, "%u", i);
        w->symbols[i] = fls_dictionary_intern(&w->names.symbols, fls_span_of(account));
    }
    for (uint32_t i = 0; i < row_cnt; i++) {
        struct fls_key key = draw_key(w);
        struct fls_row *row;
        uint64_t draw = scratch_random(&w->seed);

        /* the last account has few rows */
        key.scope = draw % 4 == 0   ? FLS_SCOPE_ORGANISATION
                    : draw % 97 > 0 ? w->symbols[draw % 2]
                                    : w->symbols[SCOPES - 2];
        row = fls_table_upsert(&w->table, &key, fls_key_hash(&key));
        /* one account has only rows that stand for the organisation's as well */
        if (key.scope == FLS_SCOPE_ORGANISATION && draw >> 61 & 1)
            row->marks = (w->symbols[SCOPES - 3] + 1) << FLS_SOLE_SHIFT;
        for (int k = 0; k < FLS_COUNTER_CNT; k++) /* mostly ties */
            row->counters.value[k] = scratch_random(&w->seed) % 8 ? draw >> 8 & 3
                                     : draw >> 63 ? FLS_COUNTER_MAX - (draw >> 16 & 1)
                                                  : draw >> (8 + k) & 0xff;
    }
    w->scopes = malloc(w->names.symbols.cnt * sizeof(uint32_t));
    assert_non_null(w->scopes);
    memset(w->scopes, 0xff, w->names.symbols.cnt * sizeof(uint32_t));
    for (uint32_t i = 0; i + 1 < SCOPES; i++)
        w->scopes[w->symbols[i]] = i;
}

static void world_fini(struct world *w)
{
    fls_table_fini(&w->table);
    fls_names_fini(&w->names);
    free(w->scopes);
}

/* Sets is_chosen by row, returns the number of rows of the scope. */
static uint32_t model_choose(const struct world *w, uint32_t scope, uint32_t top_k, bool *is_chosen)
{
    static const enum fls_counter ranked[] = {FLS_BYTES, FLS_PACKETS, FLS_FLOWS, FLS_REJECTED};
    uint32_t symbol = scope + 1 == SCOPES ? FLS_SCOPE_ORGANISATION : w->symbols[scope], cnt = 0;
    struct entry *entries = calloc(w->table.row_cnt + 1, sizeof(*entries));

    assert_non_null(entries);
    for (uint32_t row = 0; row < w->table.row_cnt; row++) {
        const struct fls_key *key = &w->table.rows[row].key;

        uint32_t scopes[2], scope_cnt = fls_row_scopes(&w->table.rows[row], scopes);

        if (scopes[0] != symbol && scopes[scope_cnt - 1] != symbol)
            continue;
        entries[cnt].row = row;
        entries[cnt].text = malloc(fls_key_text_max(key, fls_tables[w->id].key, &w->names) + 1);
        entries[cnt].sz = fls_key_text(key, fls_tables[w->id].key, &w->names, entries[cnt].text);
        cnt++;
    }
    sorted_table = &w->table;
    for (int i = 0; i < 4; i++) {
        sorted_by = ranked[i];
        qsort(entries, cnt, sizeof(*entries), compare_entries);
        for (uint32_t k = 0; k < cnt; k++)
            if (k < top_k || (fls_tables[w->id].size == FLS_SIZE_FEW && cnt <= 4096))
                is_chosen[entries[k].row] = true;
    }
    for (uint32_t i = 0; i < cnt; i++)
        free(entries[i].text);
    free(entries);
    return cnt;
}

static struct fls_top_scopes scopes_of(const struct world *w)
{
    return (struct fls_top_scopes){
        .of_account = w->scopes, .organisation = SCOPES - 1, .cnt = SCOPES};
}

static void check_choice(const struct world *w, uint32_t top_k)
{
    const struct fls_top_scopes scopes = scopes_of(w);
    struct fls_choice choice;
    bool *is_chosen = calloc(w->table.row_cnt + 1, sizeof(*is_chosen));

    assert_non_null(is_chosen);
    fls_top_choose(&choice, &w->table, w->id, &w->names, &scopes, top_k);
    assert_int_equal(choice.first[0], 0);
    for (uint32_t scope = 0; scope < SCOPES; scope++) {
        uint32_t expected = 0;

        memset(is_chosen, 0, w->table.row_cnt);
        assert_int_equal(choice.distinct[scope], model_choose(w, scope, top_k, is_chosen));
        for (uint32_t row = 0; row < w->table.row_cnt; row++)
            expected += is_chosen[row];
        assert_int_equal(choice.first[scope + 1] - choice.first[scope], expected);
        for (uint32_t i = choice.first[scope]; i < choice.first[scope + 1]; i++) {
            assert_true(is_chosen[choice.rows[i]]);
            is_chosen[choice.rows[i]] = false; /* each once */
        }
    }
    fls_choice_fini(&choice);
    free(is_chosen);
}

static void chooses_as_sorting_does(void **state)
{
    static const enum fls_table_id ids[] = {FLS_TABLE_SOURCE_ADDRESS, FLS_TABLE_CONVERSATION,
                                            FLS_TABLE_SERVICE, FLS_TABLE_INTERFACE};
    static const uint32_t row_cnts[] = {0, 1, 40, 700, 6000}, ks[] = {1, 2, 10, 100, 7000};
    struct world w;

    (void)state;
    for (unsigned i = 0; i < 4; i++)
        for (unsigned rows = 0; rows < 5; rows++) {
            world_init(&w, ids[i], row_cnts[rows], 1 + i * 100 + rows);
            for (unsigned k = 0; k < 5; k++)
                check_choice(&w, ks[k]);
            world_fini(&w);
        }
}

/* A table with few keys is whole up to its limit, and cut above it. */
static void few_keys_are_whole_up_to_the_limit(void **state)
{
    struct world w;
    char text[32];

    (void)state;
    world_init(&w, FLS_TABLE_INTERFACE, 0, 5);
    w.scopes = realloc(w.scopes, 5000 * sizeof(uint32_t));
    assert_non_null(w.scopes);
    for (uint32_t i = 0; i <= FLS_FEW_ROWS_MAX; i++) {
        const struct fls_top_scopes scopes = scopes_of(&w);
        struct fls_key key = {.scope = FLS_SCOPE_ORGANISATION};
        struct fls_choice choice;

        sprintf(text, "eni-%u", i);
        key.a = fls_dictionary_intern(&w.names.symbols, fls_span_of(text));
        fls_table_upsert(&w.table, &key, fls_key_hash(&key))->counters.value[FLS_BYTES] = 1;
        if (i + 2 < FLS_FEW_ROWS_MAX)
            continue;
        check_choice(&w, 3);
        fls_top_choose(&choice, &w.table, w.id, &w.names, &scopes, 3);
        assert_int_equal(choice.first[SCOPES], i < FLS_FEW_ROWS_MAX ? i + 1 : 3);
        fls_choice_fini(&choice);
    }
    world_fini(&w);
}

/* One row, and the scope of an account alone. */
static void one_row_without_key(void **state)
{
    struct world w;

    (void)state;
    world_init(&w, FLS_TABLE_TOTALS, 200, 9);
    assert_int_equal(w.table.row_cnt, SCOPES - 1); /* one account shares the row of all */
    check_choice(&w, 1);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_as_sorting_does),
        cmocka_unit_test(few_keys_are_whole_up_to_the_limit),
        cmocka_unit_test(one_row_without_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

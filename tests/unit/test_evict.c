/* Days that are larger than the memory they may take, against an exact model: what is shown, the
 * error and the true value. */
#include "epochs.h"
#include "figures.h"

#include "publish/evict.h"
#include "publish/smallest.h"
#include "publish/uniques.h"

#include <sys/wait.h>

#define DAY 20454U /* 2026-01-01 */
#define ACCOUNTS_MAX 8U
#define UNLIMITED UINT64_MAX

/* ---- logs of different kinds ---- */

enum {
    TINY_VALUES = 1,
    ASCENDING = 2,
    HEAVY_LATE = 4,
    CYCLIC = 8,
    SKEWED = 16,
    ONE_ACCOUNT_EACH = 32
};

struct kind {
    unsigned flags;
    uint32_t account_cnt, address_cnt;
    uint32_t ipv6_percent;
};

struct shard_of_test {
    struct fls_names names;
    struct fls_day day;
    struct figures *model;
    uint64_t seed, record_cnt, record_max;
    struct kind kind;
};

static uint32_t draw_address(struct shard_of_test *s)
{
    uint64_t draw = scratch_random(&s->seed);

    if (s->kind.flags & CYCLIC)
        return (uint32_t)(s->record_cnt % s->kind.address_cnt);
    if (s->kind.flags & SKEWED) /* few are much more frequent */
        return (uint32_t)((draw >> 32) % s->kind.address_cnt >> draw % 12);
    return (uint32_t)((draw >> 32) % s->kind.address_cnt);
}

/* Every fifth address is one of the own networks. */
static uint32_t key_address(struct shard_of_test *s, uint32_t number, uint8_t *flags, uint8_t flag)
{
    uint8_t ipv6[16] = {0x20, 1, 0xd, 0xb8};

    if (number * 2654435761U % 100 >= s->kind.ipv6_percent)
        return (number % 5 ? 0x50000000U : 0x0a000000U) + number;
    *flags |= flag;
    ipv6[0] = number % 5 ? 0x20 : 0xfd;
    memcpy(ipv6 + 12, &number, sizeof(number));
    return fls_dictionary_intern(&s->names.ipv6, (struct fls_span){ipv6, 16});
}

static struct fls_counters draw_counters(struct shard_of_test *s)
{
    uint64_t draw = scratch_random(&s->seed), packets = 1 + draw % 20;
    struct fls_counters counters = {{1, packets, packets * (40 + (draw >> 8) % 1400)}};

    if (s->kind.flags & TINY_VALUES)
        counters = (struct fls_counters){{1, 1, 40}};
    if (s->kind.flags & ASCENDING)
        counters.value[FLS_BYTES] = 40 + s->record_cnt * 3;
    if (s->kind.flags & HEAVY_LATE && s->record_cnt * 10 > s->record_max * 9 && draw >> 20 & 1)
        counters.value[FLS_BYTES] <<= 20;
    if (draw >> 40 & 3)
        counters.value[draw >> 42 & 1 ? FLS_ACCEPTED : FLS_REJECTED] = 1;
    return counters;
}

static void add_to(struct shard_of_test *s, int table, struct fls_key key, uint32_t marks,
                   const struct fls_counters *counters)
{
    struct fls_row *row = fls_table_upsert(&s->day.tables[table], &key, fls_key_hash(&key));
    struct fls_row in_model = {.key = key};
    static struct figures_key spelt;

    fls_counters_add(&row->counters, counters);
    row->marks |= marks;
    figures_spell(&spelt, table, &in_model, &s->names, FLS_SPAN("unknown"));
    figures_add(s->model, &spelt, counters, marks);
    in_model.key.scope = FLS_SCOPE_ORGANISATION;
    figures_spell(&spelt, table, &in_model, &s->names, FLS_SPAN("unknown"));
    figures_add(s->model, &spelt, counters, marks);
}

static void add_record(struct shard_of_test *s)
{
    uint32_t source = draw_address(s), destination = draw_address(s) / 7, a, b;
    uint64_t draw = scratch_random(&s->seed);
    struct fls_counters counters = draw_counters(s);
    struct fls_key key = {0};
    char account[16];
    uint8_t a_flags = 0, b_flags = 0;

    snprintf(account, sizeof(account), "%u",
             (uint32_t)((s->kind.flags & ONE_ACCOUNT_EACH ? source : draw) % s->kind.account_cnt));
    if (strcmp(account, "3") == 0)
        account[0] = '\0'; /* absent, and so unknown */
    key.scope = fls_dictionary_intern(&s->names.symbols, fls_span_of(account));
    a = key_address(s, source, &a_flags, FLS_A_IS_IPV6);
    b = key_address(s, destination, &b_flags, FLS_B_IS_IPV6);
    add_to(s, FLS_TABLE_TOTALS, key, 0, &counters);
    key.a = DAY * 1440 + (uint32_t)(draw % 60);
    add_to(s, FLS_TABLE_MINUTE, key, 0, &counters);
    key.a = fls_dictionary_intern(&s->names.symbols, FLS_SPAN("eni-1"));
    add_to(s, FLS_TABLE_INTERFACE, key, 0, &counters);
    key.a = a;
    key.flags = a_flags;
    add_to(s, FLS_TABLE_SOURCE_ADDRESS, key, a_flags ? (uint32_t)draw & FLS_MARKS_ALL : 0,
           &counters);
    key.a = b;
    key.flags = b_flags ? FLS_A_IS_IPV6 : 0;
    add_to(s, FLS_TABLE_DESTINATION_ADDRESS, key, b_flags ? (uint32_t)draw >> 2 & FLS_MARKS_ALL : 0,
           &counters);
    key = (struct fls_key){.scope = key.scope, .protocol = 6, .port = (uint16_t)(draw >> 32)};
    add_to(s, FLS_TABLE_DESTINATION_PORT, key, 0, &counters);
    key = (struct fls_key){.scope = key.scope,
                           .a = a,
                           .b = b,
                           .flags = a_flags | b_flags,
                           .protocol = 6,
                           .port = (uint16_t)(draw >> 20 & 3)};
    add_to(s, FLS_TABLE_CONVERSATION, key, 0, &counters);
    s->record_cnt++;
}

/* ---- a state, its exact sum, and the model ---- */

struct world {
    struct state s;
    struct figures model;
    struct fls_day exact;
    struct fls_names exact_names;
    struct shard_of_test shard;
    uint64_t bytes_max;
    uint64_t bytes; /* all parts so far */
};

static void open_limited(struct state *s, uint64_t bytes_max)
{
    open_state(s, 1000);
    s->fold.bytes_max = bytes_max;
}

static void new_folder(void)
{
    assert_int_equal(scratch_teardown(NULL), 0);
    assert_int_equal(scratch_setup(NULL), 0);
}

static void world_init(struct world *w, struct kind kind, uint64_t seed, uint64_t record_max,
                       uint64_t bytes_max)
{
    *w = (struct world){.bytes_max = bytes_max, .exact = {.day = DAY}};
    w->shard = (struct shard_of_test){.model = &w->model,
                                      .seed = seed,
                                      .kind = kind,
                                      .record_max = record_max,
                                      .day = {.day = DAY}};
    fls_names_clear(&w->exact_names);
    fls_names_clear(&w->shard.names);
    open_limited(&w->s, bytes_max);
}

static void world_fini(struct world *w)
{
    close_state(&w->s);
    figures_fini(&w->model);
    fls_day_fini(&w->exact);
    fls_names_fini(&w->exact_names);
    fls_day_fini(&w->shard.day);
    fls_names_fini(&w->shard.names);
}

/* An epoch of so many records. */
static void commit_records(struct world *w, uint32_t record_cnt)
{
    struct random_shard shard = {.day_cnt = 1};
    struct fls_span part;
    uint64_t size;
    int fd;

    for (uint32_t i = 0; i < record_cnt; i++)
        add_record(&w->shard);
    shard.names = w->shard.names;
    shard.days[0] = w->shard.day;
    fd = shard_segment(&shard, &size);
    part = (struct fls_span){mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0), size};
    assert_true(part.at != MAP_FAILED);
    assert_true(fls_segment_add(part, &w->exact, &w->exact_names, NULL));
    assert_int_equal(munmap((void *)part.at, size), 0);
    w->bytes += size;
    assert_int_equal(fls_commit_add_segment(&w->s.commit, &w->s.epoch, fd, size), 0);
    commit_state(&w->s);
    fls_day_clear(&w->shard.day);
    fls_names_clear(&w->shard.names);
}

static struct fls_fold_day *get(struct world *w)
{
    struct fls_fold_day *day = fls_fold_get(&w->s.fold, DAY, w->s.commit.new_segment);

    if (day == NULL)
        fail_msg("%s", w->s.fold.failure);
    return day;
}

static void open_again(struct world *w, uint64_t bytes_max)
{
    close_state(&w->s);
    open_limited(&w->s, bytes_max);
    w->bytes_max = bytes_max;
}

/* ---- what has to hold ---- */

static void check_bounds(const struct fls_counters *is, const struct fls_counters *true_value,
                         const struct fls_counters *max_error)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        assert_true(is->value[i] <= true_value->value[i]);
        assert_true(true_value->value[i] - is->value[i] <= max_error->value[i]);
    }
}

static void check_row_of(const struct world *w, const struct fls_fold_day *day, int table,
                         const struct fls_row *row, uint32_t scope, bool *is_shown)
{
    struct fls_row in_scope = *row;
    static struct figures_key key;
    uint32_t number;

    in_scope.key.scope = scope;
    figures_spell(&key, table, &in_scope, &day->names, FLS_SPAN("unknown"));
    assert_true(fls_dictionary_find(&w->model.keys, (struct fls_span){key.bytes, key.sz}, &number));
    check_bounds(&row->counters, &w->model.figures[number].counters,
                 &day->figures.max_errors[table]);
    assert_int_equal(row->marks & FLS_MARKS_ALL & ~w->model.figures[number].marks, 0);
    assert_false(is_shown[number]); /* by one row only */
    is_shown[number] = true;
}

/* Every row of an account has one of the organisation with it that is not smaller. */
static void check_organisation(const struct fls_table *table, const struct fls_row *row)
{
    struct fls_key key = row->key;
    const struct fls_row *of_all;

    key.scope = FLS_SCOPE_ORGANISATION;
    of_all = fls_table_find(table, &key, fls_key_hash(&key));
    assert_non_null(of_all);
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        assert_true(row->counters.value[i] <= of_all->counters.value[i]);
    assert_true(row == of_all || fls_row_account(of_all) != row->key.scope);
}

static void check_tables(const struct world *w, const struct fls_fold_day *day)
{
    static const struct fls_counters none;
    bool *is_shown = calloc(w->model.keys.cnt, sizeof(*is_shown));

    assert_non_null(is_shown);
    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        const struct fls_table *table = &day->figures.tables[id];

        if (fls_tables[id].size == FLS_SIZE_FEW)
            assert_memory_equal(&day->figures.max_errors[id], &none, sizeof(none));
        for (uint32_t i = 0; i < table->row_cnt; i++) {
            uint32_t scopes[2], cnt = fls_row_scopes(&table->rows[i], scopes);

            for (uint32_t k = 0; k < cnt; k++)
                check_row_of(w, day, id, &table->rows[i], scopes[k], is_shown);
            check_organisation(table, &table->rows[i]);
        }
    }
    for (uint32_t i = 0; i < w->model.keys.cnt; i++) {
        int id;

        memcpy(&id, fls_dictionary_text(&w->model.keys, i).at + sizeof(uint32_t), sizeof(id));
        if (!is_shown[i])
            check_bounds(&none, &w->model.figures[i].counters, &day->figures.max_errors[id]);
    }
    free(is_shown);
}

static struct fls_uniques *uniques_of(const struct fls_day *day, const struct fls_names *names,
                                      const char *account)
{
    static const int tables[] = {FLS_TABLE_SOURCE_ADDRESS, FLS_TABLE_DESTINATION_ADDRESS};
    struct fls_uniques *uniques = calloc(1, sizeof(*uniques));
    uint32_t symbol;

    assert_non_null(uniques);
    if (!fls_dictionary_find(&names->symbols, fls_span_of(account), &symbol))
        return uniques;
    if (symbol < day->gone_max && day->gone[symbol])
        *uniques = *day->gone[symbol];
    for (int t = 0; t < 2; t++)
        for (uint32_t i = 0; i < day->tables[tables[t]].row_cnt; i++)
            if (fls_row_account(&day->tables[tables[t]].rows[i]) == symbol)
                fls_uniques_add(uniques, &day->tables[tables[t]].rows[i], t == 0, names);
    return uniques;
}

static void check_uniques(const struct world *w, const struct fls_fold_day *day)
{
    for (uint32_t account = 0; account < w->shard.kind.account_cnt; account++) {
        struct fls_uniques *is, *should;
        char text[16];

        snprintf(text, sizeof(text), "%u", account);
        if (account == 3)
            strcpy(text, "unknown");
        is = uniques_of(&day->figures, &day->names, text);
        should = uniques_of(&w->exact, &w->exact_names, text);
        assert_memory_equal(is, should, sizeof(*is));
        free(is);
        free(should);
    }
}

static bool gave_way(const struct fls_fold_day *day)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_day_gave_way(&day->figures, i))
            return true;
    return false;
}

static void check(struct world *w)
{
    const struct fls_fold_day *day = get(w);

    assert_true(fls_evict_used(&day->figures, &day->names) <= w->bytes_max);
    check_tables(w, day);
    check_uniques(w, day);
}

/* ---- tests ---- */

static const struct kind kinds[] = {
    {0, 1, 4000, 0},
    {0, 5, 20000, 0},
    {ONE_ACCOUNT_EACH, 5, 20000, 0},
    {TINY_VALUES, 4, 60000, 0},
    {TINY_VALUES | CYCLIC, 2, 9000, 0},
    {ASCENDING, 3, 1U << 30, 0},
    {ASCENDING | CYCLIC, 5, 7000, 50},
    {HEAVY_LATE, 4, 1U << 30, 20},
    {SKEWED, 5, 1U << 20, 0},
    {SKEWED | ONE_ACCOUNT_EACH, 5, 1U << 20, 30},
    {SKEWED | HEAVY_LATE, 1, 1U << 20, 100},
    {ONE_ACCOUNT_EACH, 2, 1U << 30, 100},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Epoch by epoch, with restarts, compactions and other limits in between. */
static void true_values_are_within_bounds(void **unused)
{
    const uint32_t epochs = 10, records = 1500;
    struct world w;

    (void)unused;
    for (uint64_t seed = 1; seed <= KINDS; seed++) {
        uint64_t draw = seed, bytes_max = (500 + scratch_random(&draw) % 500) << 10;

        new_folder();
        world_init(&w, kinds[seed % KINDS], seed, (uint64_t)epochs * records, bytes_max);
        for (uint32_t epoch = 0; epoch < epochs; epoch++) {
            commit_records(&w, records);
            draw = scratch_random(&draw);
            if (draw % 3 == 0)
                continue; /* two epochs' parts at once, next time */
            check(&w);
            if (draw % 4 == 1)
                assert_int_equal(fls_commit_compact(&w.s.commit, get(&w)), 0);
            if (draw % 5 == 1)
                fls_fold_forget(&w.s.fold, DAY);
            if (draw % 5 == 2)
                open_again(&w, bytes_max * (3 + (draw >> 20) % 3) / 4);
            if (draw % 5 >= 1)
                check(&w);
        }
        check(&w);
        assert_true(gave_way(get(&w)));
        open_again(&w, UNLIMITED);
        check(&w);
        world_fini(&w);
    }
}

/* With memory enough, nothing gives way; and once less is enough, it is still all there. */
static void all_is_exact_within_the_limit(void **unused)
{
    struct world w;

    (void)unused;
    world_init(&w, kinds[9], 5, 20000, UNLIMITED);
    for (int epoch = 0; epoch < 5; epoch++) {
        commit_records(&w, 4000);
        check(&w);
        assert_false(gave_way(get(&w)));
    }
    open_again(&w, fls_evict_used(&get(&w)->figures, &get(&w)->names) * 3);
    check(&w);
    assert_false(gave_way(get(&w)));
    world_fini(&w);
}

/* A day that gave way is written and read again as it was: rows, errors, unique addresses. */
static void a_compacted_day_is_the_same(void **unused)
{
    struct fls_fold_day *day;
    struct world w;
    uint64_t rows, bytes_max = 1200 << 10;
    struct fls_counters errors[FLS_TABLE_CNT];
    uint32_t scope_cnts[2] = {0};

    (void)unused;
    world_init(&w, kinds[9], 6, 40000, bytes_max);
    for (int epoch = 0; epoch < 10; epoch++) {
        commit_records(&w, 4000);
        get(&w);
    }
    day = get(&w);
    assert_true(gave_way(day));
    for (int turn = 0; turn < 2; turn++) {
        for (int id = 0; id < FLS_TABLE_CNT; id++)
            for (uint32_t i = 0; i < day->figures.tables[id].row_cnt; i++)
                scope_cnts[turn] +=
                    fls_row_scopes(&day->figures.tables[id].rows[i], (uint32_t[2]){0});
        if (turn == 1)
            break;
        rows = fls_day_rows(&day->figures);
        memcpy(errors, day->figures.max_errors, sizeof(errors));
        assert_int_equal(fls_commit_compact(&w.s.commit, day), 0);
        open_again(&w, UNLIMITED);
        day = get(&w);
    }
    assert_int_equal(fls_day_rows(&day->figures), rows);
    assert_int_equal(scope_cnts[0], scope_cnts[1]);
    assert_memory_equal(errors, day->figures.max_errors, sizeof(errors));
    check(&w);
    world_fini(&w);
}

/* A restart with less memory: rows give way while the one part is read, some of them the
 * organisation's whose accounts' rows are still to come. */
static void a_compacted_day_may_not_fit(void **unused)
{
    struct world w;

    (void)unused;
    for (uint32_t ipv6 = 0; ipv6 <= 50; ipv6 += 50) {
        struct kind kind = {SKEWED, 5, 1U << 14, ipv6};
        uint64_t bytes_max = 3 << 20;

        new_folder();
        world_init(&w, kind, 12 + ipv6, 60000, bytes_max);
        for (int epoch = 0; epoch < 6; epoch++)
            commit_records(&w, 5000);
        assert_true(gave_way(get(&w)));
        for (int turn = 0; turn < 3; turn++) {
            assert_int_equal(fls_commit_compact(&w.s.commit, get(&w)), 0);
            bytes_max = bytes_max * 2 / 3;
            open_again(&w, bytes_max);
            check(&w);
            commit_records(&w, 2000);
            check(&w);
        }
        world_fini(&w);
    }
}

/* Only the account 0 and the organisation have. */
static void check_changed(const struct fls_fold_day *day)
{
    for (uint32_t i = 0; i < day->figures.tables[FLS_TABLE_TOTALS].row_cnt; i++) {
        const char *scope =
            scope_text(&day->names, day->figures.tables[FLS_TABLE_TOTALS].rows[i].key.scope);

        assert_int_equal(fls_fold_has_changed(day, i),
                         strcmp(scope, "*") == 0 || strcmp(scope, "0") == 0);
    }
}

/* Rows that go may be any scope's, and every scope shows the error. */
static void all_scopes_change_where_rows_gave_way(void **unused)
{
    const struct fls_fold_day *day;
    struct world w;
    struct kind one = {0, 1, 100, 0};

    (void)unused;
    world_init(&w, kinds[1], 7, 40000, 900 << 10);
    commit_records(&w, 500);
    day = get(&w);
    assert_false(gave_way(day));
    w.shard.kind = one; /* adds to the account 0 */
    commit_records(&w, 10);
    day = get(&w);
    assert_false(gave_way(day));
    check_changed(day);
    one.address_cnt = 1U << 30;
    w.shard.kind = one;
    for (int turn = 0; turn < 2; turn++) {
        commit_records(&w, 20000);
        for (int again = 0; again < 2; again++) {
            day = get(&w);
            assert_true(gave_way(day));
            for (uint32_t i = 0; i < day->figures.tables[FLS_TABLE_TOTALS].row_cnt; i++)
                assert_true(fls_fold_has_changed(day, i));
        }
    }
    /* nothing gives way of this epoch; but put together again, other rows may have gone */
    w.shard.kind = (struct kind){0, 1, 1, 0};
    fls_fold_forget(&w.s.fold, DAY);
    w.s.fold.bytes_max = w.bytes_max = 2 * w.bytes_max;
    get(&w);
    commit_records(&w, 1);
    day = get(&w);
    check_changed(day);
    fls_fold_forget(&w.s.fold, DAY);
    day = get(&w);
    for (uint32_t i = 0; i < day->figures.tables[FLS_TABLE_TOTALS].row_cnt; i++)
        assert_true(fls_fold_has_changed(day, i));
    world_fini(&w);
}

/* Other days are freed before rows give way. */
static void days_go_before_rows(void **unused)
{
    const uint32_t days[] = {DAY, DAY + 1, DAY + 2};
    struct model model = {.day_cnt = 0};
    uint64_t seed = 8, one;
    struct state s;

    (void)unused;
    open_limited(&s, UNLIMITED);
    random_epoch(&seed, &s, days, 3, 3000, &model);
    commit_state(&s);
    expect_day(fls_fold_get(&s.fold, DAY, 0), model_day(&model, DAY, false));
    one = s.fold.bytes;
    fls_fold_get(&s.fold, DAY + 1, 0);
    fls_fold_get(&s.fold, DAY + 2, 0);
    assert_int_equal(s.fold.day_cnt, 3);
    close_state(&s);
    open_limited(&s, one + one / 2);
    for (uint32_t i = 0; i < 9; i++) {
        const struct fls_fold_day *day = fls_fold_get(&s.fold, DAY + i % 3, 0);

        assert_non_null(day);
        expect_day(day, model_day(&model, DAY + i % 3, false));
        assert_true(s.fold.bytes <= s.fold.bytes_max);
    }
    close_state(&s);
    model_fini(&model);
}

static void fold_in_child(const struct world *w, uint64_t bytes_max)
{
    struct rusage before, after;
    struct state s;
    uint64_t beside = w->bytes / 10 + (2 << 20); /* a part, and what else a fold needs */

    open_limited(&s, bytes_max);
    getrusage(RUSAGE_SELF, &before);
    if (fls_fold_get(&s.fold, DAY, 0) == NULL)
        _exit(2);
    getrusage(RUSAGE_SELF, &after);
    if ((uint64_t)(after.ru_maxrss - before.ru_maxrss) << 10 > bytes_max + beside) {
        fprintf(stderr, "%ld KiB more\n", after.ru_maxrss - before.ru_maxrss);
        _exit(3);
    }
    _exit(0);
}

/* What the process takes, not only what it says: of two floods, one of IPv6. */
static void memory_stays_within_the_limit(void **unused)
{
    (void)unused;
    for (uint32_t ipv6 = 0; ipv6 <= 100; ipv6 += 100) {
        const struct kind flood = {TINY_VALUES, 2, 1U << 30, ipv6};
        uint64_t bytes_max = 6 << 20;
        struct world w;
        int status;
        pid_t child;

        new_folder();
        world_init(&w, flood, 9, 100000, UNLIMITED);
        for (int epoch = 0; epoch < 10; epoch++)
            commit_records(&w, 6000);
        child = fork();
        assert_true(child >= 0);
        if (child == 0)
            fold_in_child(&w, bytes_max);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
        world_fini(&w);
    }
}

/* A flood of addresses that are seen once, above sources that come all the time: those stay, with
 * an error that is a small multiple of all flows divided by the rows that fit. */
static void floods_do_not_drown_the_large(void **unused)
{
    const struct kind flood = {TINY_VALUES, 1, 1U << 30, 0}, regular = {0, 1, 20, 0};
    const struct fls_fold_day *day;
    const struct fls_counters *error;
    uint64_t flows = 0, rows;
    struct world w;

    (void)unused;
    world_init(&w, flood, 10, 100000, 2 << 20);
    for (int epoch = 0; epoch < 12; epoch++) {
        commit_records(&w, 5000);
        w.shard.kind = regular;
        commit_records(&w, 1000);
        w.shard.kind = flood;
        flows += 6000;
        get(&w);
    }
    check(&w);
    day = get(&w);
    rows = day->figures.tables[FLS_TABLE_SOURCE_ADDRESS].row_cnt;
    error = &day->figures.max_errors[FLS_TABLE_SOURCE_ADDRESS];
    assert_true(rows > 1000);
    assert_true(error->value[FLS_FLOWS] > 0);
    assert_true(error->value[FLS_FLOWS] <= 4 * flows / rows);
    assert_true(error->value[FLS_BYTES] <= 4 * 40 * flows / rows);
    for (uint32_t i = 0; i < 20; i++) { /* the regular ones are all there, nearly whole */
        struct fls_key key = {.scope = FLS_SCOPE_ORGANISATION,
                              .a = (i % 5 ? 0x50000000U : 0x0a000000U) + i};
        const struct fls_row *row = fls_table_find(&day->figures.tables[FLS_TABLE_SOURCE_ADDRESS],
                                                   &key, fls_key_hash(&key));

        assert_non_null(row);
        assert_true(row->counters.value[FLS_FLOWS] > 300);
    }
    world_fini(&w);
}

/* ---- which rows are the smallest ---- */

static void draw_table(struct fls_table *table, uint64_t *seed, uint32_t kind, uint32_t row_cnt)
{
    for (uint32_t i = 0; i < row_cnt; i++) {
        struct fls_key key = {.a = i};
        uint64_t *value = fls_table_upsert(table, &key, fls_key_hash(&key))->counters.value;

        for (int k = 0; k < FLS_COUNTER_CNT; k++) {
            uint64_t draw = scratch_random(seed);

            value[k] = kind == 0   ? 1
                       : kind == 1 ? draw % 3
                       : kind == 2 ? draw >> (1 + scratch_random(seed) % 63)
                       : kind == 3 ? (draw % 100 ? 1 : draw >> 1)
                       : kind == 4 ? i * (uint64_t)(k + 1)
                       : kind == 5 ? (i % FLS_COUNTER_CNT == (uint32_t)k ? draw % 1000 : 0)
                                   : (draw % 2 ? FLS_COUNTER_MAX : 7);
        }
    }
}

static uint32_t as_large(const struct fls_table *table, int counter, uint64_t value)
{
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < table->row_cnt; i++)
        cnt += table->rows[i].counters.value[counter] >= value - value / 8;
    return cnt;
}

static bool is_not_larger(const struct fls_row *a, const struct fls_row *b)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        if (a->counters.value[i] > b->counters.value[i])
            return false;
    return true;
}

static void the_smallest_are_as_promised(void **unused)
{
    static struct fls_smallest smallest;
    uint64_t seed = 11;

    (void)unused;
    for (uint32_t kind = 0; kind < 7; kind++)
        for (uint32_t row_cnt = 1; row_cnt < 3000; row_cnt = row_cnt * 3 + 1) {
            struct fls_table table = {0};
            struct fls_counters largest = {0};
            uint32_t cnt = 0;

            draw_table(&table, &seed, kind, row_cnt);
            fls_smallest_find(&smallest, &table);
            for (uint32_t i = 0; i < row_cnt; i++) {
                const struct fls_row *row = &table.rows[i];

                if (!fls_smallest_has(&smallest, row))
                    continue;
                cnt++;
                for (int k = 0; k < FLS_COUNTER_CNT; k++)
                    if (row->counters.value[k] > largest.value[k])
                        largest.value[k] = row->counters.value[k];
                for (uint32_t j = 0; j < row_cnt && i % 16 == 0; j++)
                    assert_true(!is_not_larger(&table.rows[j], row) ||
                                fls_smallest_has(&smallest, &table.rows[j]));
            }
            assert_int_equal(cnt, smallest.cnt);
            assert_true(cnt * 2 >= row_cnt);
            assert_memory_equal(&largest, &smallest.largest, sizeof(largest));
            for (int k = 0; k < FLS_COUNTER_CNT; k++)
                assert_true(as_large(&table, k, largest.value[k]) >=
                            row_cnt * FLS_SMALLEST_RANK_MIN / FLS_SMALLEST_RANKS);
            fls_table_fini(&table);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_are_as_promised),
        TEST(true_values_are_within_bounds),
        TEST(all_is_exact_within_the_limit),
        TEST(a_compacted_day_is_the_same),
        TEST(a_compacted_day_may_not_fit),
        TEST(all_scopes_change_where_rows_gave_way),
        TEST(days_go_before_rows),
        TEST(memory_stays_within_the_limit),
        TEST(floods_do_not_drown_the_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

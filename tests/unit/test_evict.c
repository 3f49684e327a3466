/* Days that are larger than they may be, against an exact model: what is shown, the error and the
 * true value. */
#include "epochs.h"
#include "figures.h"

#include "publish/merge_keys.h"
#include "publish/smallest.h"
#include "publish/uniques.h"

#include <sys/resource.h>
#include <sys/wait.h>

#define DAY 20454U /* 2026-01-01 */
#define ACCOUNTS_MAX 8U
#define ORGANISATION ACCOUNTS_MAX
#define UNLIMITED UINT64_MAX

/* ---- the model ---- */

/* What a key of a table brought to an account, or to the organisation. Of attributes there is one
 * key only, whose number is left out. */
struct spelt {
    uint32_t table, scope;
    struct fls_part_key key;
};

static struct fls_span spell(struct spelt *spelt, int table, uint32_t scope,
                             const struct fls_part_key *key)
{
    memset(spelt, 0, sizeof(*spelt));
    spelt->table = (uint32_t)table;
    spelt->scope = scope;
    spelt->key = *key;
    if (fls_tables[table].key == FLS_KEY_ATTRIBUTE)
        spelt->key.a_low = 0;
    return (struct fls_span){(const uint8_t *)spelt, sizeof(*spelt)};
}

static void exact_add(struct figures *exact, int table, uint32_t scope,
                      const struct fls_part_row *row)
{
    struct spelt spelt;

    figures_add(exact, spell(&spelt, table, scope, &row->key), &row->counters, row->marks);
}

static const struct spelt *exact_key(const struct figures *exact, uint32_t number)
{
    return (const struct spelt *)fls_dictionary_text(&exact->keys, number).at;
}

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

/* A state, and what is in it. */
struct world {
    struct state s;
    struct figures exact;
    struct rows rows; /* of the epoch in the making */
    uint64_t seed, record_cnt, record_max;
    struct kind kind;
    uint64_t bytes_max;
};

static uint32_t draw_address(struct world *w)
{
    uint64_t draw = scratch_random(&w->seed);

    if (w->kind.flags & CYCLIC)
        return (uint32_t)(w->record_cnt % w->kind.address_cnt);
    if (w->kind.flags & SKEWED) /* few are much more frequent */
        return (uint32_t)((draw >> 32) % w->kind.address_cnt >> draw % 12);
    return (uint32_t)((draw >> 32) % w->kind.address_cnt);
}

/* Every fifth address is one of the own networks. */
static bool set_address(const struct world *w, uint32_t number, uint64_t *high, uint64_t *low)
{
    if (number * 2654435761U % 100 >= w->kind.ipv6_percent) {
        *low = (number % 5 ? 0x50000000U : 0x0a000000U) + number;
        return false;
    }
    *high = number % 5 ? 0x20010db800000000U : 0xfd010db800000000U;
    *low = number;
    return true;
}

static struct fls_counters draw_counters(struct world *w)
{
    uint64_t draw = scratch_random(&w->seed), packets = 1 + draw % 20;
    struct fls_counters counters = {{1, packets, packets * (40 + (draw >> 8) % 1400)}};

    if (w->kind.flags & TINY_VALUES)
        counters = (struct fls_counters){{1, 1, 40}};
    if (w->kind.flags & ASCENDING)
        counters.value[FLS_BYTES] = 40 + w->record_cnt * 3;
    if (w->kind.flags & HEAVY_LATE && w->record_cnt * 10 > w->record_max * 9 && draw >> 20 & 1)
        counters.value[FLS_BYTES] <<= 20;
    if (draw >> 40 & 3)
        counters.value[draw >> 42 & 1 ? FLS_ACCEPTED : FLS_REJECTED] = 1;
    return counters;
}

static void add_figures(struct world *w, int table, struct fls_part_row row, uint32_t account)
{
    char text[16];

    snprintf(text, sizeof(text), "%u", account);
    row.account = rows_symbol(&w->rows, fls_span_of(text));
    rows_add(&w->rows, (enum fls_table_id)table, &row);
    exact_add(&w->exact, table, account, &row);
    exact_add(&w->exact, table, ORGANISATION, &row);
}

static void add_record(struct world *w)
{
    uint32_t source = draw_address(w), destination = draw_address(w) / 7, account;
    uint64_t draw = scratch_random(&w->seed);
    const struct fls_part_row none = {.counters = draw_counters(w)};
    struct fls_part_row row = none, pair = none;

    account = (uint32_t)((w->kind.flags & ONE_ACCOUNT_EACH ? source : draw) % w->kind.account_cnt);
    add_figures(w, FLS_TABLE_TOTALS, row, account);
    row.key.a_low = DAY * 1440 + draw % 60;
    add_figures(w, FLS_TABLE_MINUTE, row, account);
    row.key.a_low = rows_symbol(&w->rows, FLS_SPAN("eni-1"));
    add_figures(w, FLS_TABLE_INTERFACE, row, account);
    if (set_address(w, source, &pair.key.a_high, &pair.key.a_low))
        pair.key.flags |= FLS_A_IS_IPV6;
    if (set_address(w, destination, &pair.key.b_high, &pair.key.b_low))
        pair.key.flags |= FLS_B_IS_IPV6;
    row.key = (struct fls_part_key){.flags = pair.key.flags & FLS_A_IS_IPV6,
                                    .a_high = pair.key.a_high,
                                    .a_low = pair.key.a_low};
    row.marks = row.key.flags ? (uint32_t)draw & FLS_MARKS_ALL : 0;
    add_figures(w, FLS_TABLE_SOURCE_ADDRESS, row, account);
    row.key = (struct fls_part_key){.flags = pair.key.flags & FLS_B_IS_IPV6 ? FLS_A_IS_IPV6 : 0,
                                    .a_high = pair.key.b_high,
                                    .a_low = pair.key.b_low};
    row.marks = row.key.flags ? (uint32_t)draw >> 2 & FLS_MARKS_ALL : 0;
    add_figures(w, FLS_TABLE_DESTINATION_ADDRESS, row, account);
    row = none;
    row.key.place = fls_part_place(6, (uint16_t)(draw >> 32));
    add_figures(w, FLS_TABLE_DESTINATION_PORT, row, account);
    pair.key.place = fls_part_place(6, (uint16_t)(draw >> 20 & 3));
    add_figures(w, FLS_TABLE_CONVERSATION, pair, account);
    w->record_cnt++;
}

/* ---- a state ---- */

static void new_folder(void)
{
    assert_int_equal(scratch_teardown(NULL), 0);
    assert_int_equal(scratch_setup(NULL), 0);
}

static void world_init(struct world *w, struct kind kind, uint64_t seed, uint64_t record_max,
                       uint64_t bytes_max)
{
    *w = (struct world){
        .kind = kind, .seed = seed, .record_max = record_max, .bytes_max = bytes_max};
    open_state(&w->s, 1000);
}

static void world_fini(struct world *w)
{
    close_state(&w->s);
    figures_fini(&w->exact);
    rows_fini(&w->rows);
}

/* Commits the rows as an epoch. */
static void commit_rows(struct world *w)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    uint64_t size;

    assert_true(fd >= 0);
    size = rows_write(&w->rows, DAY, (struct fls_part_sink){shard_write, &fd});
    assert_int_equal(fls_commit_add_segment(&w->s.commit, &w->s.epoch, fd, size), 0);
    commit_state(&w->s);
    rows_fini(&w->rows);
    w->rows = (struct rows){.gone_max = 0};
}

static void commit_records(struct world *w, uint32_t record_cnt)
{
    for (uint32_t i = 0; i < record_cnt; i++)
        add_record(w);
    commit_rows(w);
}

static void open_again(struct world *w)
{
    close_state(&w->s);
    open_state(&w->s, 1000);
}

static uint64_t day_bytes(struct world *w)
{
    struct fls_parts parts;
    uint64_t bytes;

    open_parts(&w->s, DAY, &parts);
    bytes = parts.bytes;
    fls_parts_close(&parts);
    return bytes;
}

/* As publish does: rewrites the day where it is too large. */
static void keep_within_limit(struct world *w)
{
    if (day_bytes(w) <= w->bytes_max)
        return;
    compact_day(&w->s, DAY, w->bytes_max);
    assert_in_range(day_bytes(w), 1, w->bytes_max);
}

static bool gave_way(struct world *w)
{
    struct fls_parts parts;
    bool has = false;

    open_parts(&w->s, DAY, &parts);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        has |= fls_merge_gave_way(&parts.merged, (enum fls_table_id)i);
    fls_parts_close(&parts);
    return has;
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

static void check_shown(const struct world *w, const struct fls_merge_day *day, int table,
                        uint32_t scope, const struct fls_part_row *row, bool *is_shown)
{
    struct spelt spelt;
    uint32_t number;

    assert_true(
        fls_dictionary_find(&w->exact.keys, spell(&spelt, table, scope, &row->key), &number));
    check_bounds(&row->counters, &w->exact.figures[number].counters, &day->max_errors[table]);
    assert_int_equal(row->marks & ~w->exact.figures[number].marks, 0);
    assert_false(is_shown[number]);
    is_shown[number] = true;
}

static uint32_t account_of(const struct fls_merge_day *day, uint32_t symbol)
{
    return (uint32_t)(day->symbols[symbol].at[0] - '0');
}

static void check_bounds_of(const struct world *w, const struct fls_merge_day *day, int table,
                            bool *is_shown)
{
    struct fls_merge_keys keys;

    fls_merge_keys_begin(&keys, day, (enum fls_table_id)table);
    while (fls_merge_keys_next(&keys)) {
        struct fls_part_row of_all = {.key = keys.rows[0].key, .counters = keys.sum};

        check_shown(w, day, table, ORGANISATION, &of_all, is_shown);
        for (uint32_t i = 0; i < keys.row_cnt; i++)
            check_shown(w, day, table, account_of(day, keys.rows[i].account), &keys.rows[i],
                        is_shown);
    }
    assert_false(keys.merge.is_torn);
    fls_merge_keys_end(&keys);
}

static void check_tables(const struct world *w, const struct fls_merge_day *day)
{
    static const struct fls_counters none;
    bool *is_shown = fls_array_new(w->exact.keys.cnt, sizeof(*is_shown));

    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        if (fls_tables[id].size == FLS_SIZE_FEW)
            assert_memory_equal(&day->max_errors[id], &none, sizeof(none));
        check_bounds_of(w, day, id, is_shown);
    }
    for (uint32_t i = 0; i < w->exact.keys.cnt; i++)
        if (!is_shown[i])
            check_bounds(&none, &w->exact.figures[i].counters,
                         &day->max_errors[exact_key(&w->exact, i)->table]);
    free(is_shown);
}

struct all_uniques {
    const struct fls_merge_day *day;
    struct fls_uniques of[ACCOUNTS_MAX];
};

static void add_gone(void *context, uint32_t account, const struct fls_uniques *gone)
{
    struct all_uniques *all = context;

    fls_uniques_merge(&all->of[account_of(all->day, account)], gone);
}

static void check_uniques(const struct world *w, const struct fls_merge_day *day)
{
    static const enum fls_table_id tables[] = {FLS_TABLE_SOURCE_ADDRESS,
                                               FLS_TABLE_DESTINATION_ADDRESS};
    static struct all_uniques is, should;

    memset(&is, 0, sizeof(is));
    memset(&should, 0, sizeof(should));
    is.day = should.day = day;
    assert_true(fls_merge_gone(day, add_gone, &is));
    for (int t = 0; t < 2; t++) {
        struct fls_merge merge;
        struct fls_part_row row;

        fls_merge_begin(&merge, day, tables[t]);
        while (fls_merge_next(&merge, &row))
            fls_uniques_add(&is.of[account_of(day, row.account)], &row, t == 0,
                            &(struct fls_uniques_address){.is_there = false});
        fls_merge_end(&merge);
    }
    for (uint32_t i = 0; i < w->exact.keys.cnt; i++) {
        const struct spelt *spelt = exact_key(&w->exact, i);
        struct fls_part_row row = {.key = spelt->key, .marks = w->exact.figures[i].marks};

        if (spelt->scope != ORGANISATION &&
            (spelt->table == tables[0] || spelt->table == tables[1]))
            fls_uniques_add(&should.of[spelt->scope], &row, spelt->table == tables[0],
                            &(struct fls_uniques_address){.is_there = false});
    }
    assert_memory_equal(is.of, should.of, sizeof(is.of));
}

static void check(struct world *w)
{
    struct fls_parts parts;

    open_parts(&w->s, DAY, &parts);
    check_tables(w, &parts.merged);
    check_uniques(w, &parts.merged);
    fls_parts_close(&parts);
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

/* Epoch by epoch, with restarts, days of several parts that gave way, and other limits in between.
 * Addresses that gave way take up to 64 KiB of each account; the limit is above that. */
static void true_values_are_within_bounds(void **unused)
{
    const uint32_t epochs = 10, records = 1500;
    struct world w;

    (void)unused;
    for (uint64_t seed = 1; seed <= KINDS; seed++) {
        const struct kind kind = kinds[seed % KINDS];
        uint64_t draw = seed;

        new_folder();
        world_init(&w, kind, seed, (uint64_t)epochs * records,
                   (120 + scratch_random(&draw) % 120) << 10);
        for (uint32_t epoch = 0; epoch < epochs; epoch++) {
            commit_records(&w, records);
            draw = scratch_random(&draw);
            if (draw % 4 == 0)
                continue; /* two epochs' parts at once, next time */
            keep_within_limit(&w);
            if (draw % 4 == 1)
                compact_day(&w.s, DAY, UNLIMITED);
            if (draw % 5 == 1)
                open_again(&w);
            if (draw % 5 == 2)
                w.bytes_max = w.bytes_max * (7 + (draw >> 20) % 3) / 8;
            check(&w);
        }
        keep_within_limit(&w);
        check(&w);
        assert_true(gave_way(&w));
        world_fini(&w);
    }
}

/* Parts that are too large together, and not once they are one, lose nothing. */
static void all_is_exact_within_the_limit(void **unused)
{
    const struct kind again_and_again = {SKEWED, 5, 1000, 20};
    uint64_t bytes_max = UNLIMITED;

    (void)unused;
    for (int turn = 0; turn < 2; turn++) {
        struct world w;

        new_folder();
        world_init(&w, again_and_again, 5, 20000, bytes_max);
        for (int epoch = 0; epoch < 10; epoch++) {
            commit_records(&w, 2000);
            keep_within_limit(&w);
        }
        check(&w);
        assert_false(gave_way(&w));
        assert_int_equal(part_cnt(&w.s, DAY) < 10, turn == 1);
        compact_day(&w.s, DAY, UNLIMITED);
        bytes_max = day_bytes(&w);
        world_fini(&w);
    }
}

/* The bytes of the day's one part, to be freed. */
static uint8_t *copy_of(const struct fls_parts *parts)
{
    uint8_t *copy = fls_array_new(parts->bytes, 1);

    assert_int_equal(parts->merged.part_cnt, 1);
    assert_int_equal(fls_part_place_copy(&parts->merged.parts[0].reader.part, copy), 0);
    return copy;
}

/* One part that is rewritten is the same part, byte by byte, what gave way included. */
static void a_part_rewritten_is_the_same(void **unused)
{
    struct fls_parts before, after;
    uint8_t *bytes_before, *bytes_after;
    struct world w;

    (void)unused;
    world_init(&w, kinds[9], 6, 40000, 400 << 10);
    for (int epoch = 0; epoch < 10; epoch++) {
        commit_records(&w, 2000);
        keep_within_limit(&w);
    }
    assert_true(gave_way(&w));
    compact_day(&w.s, DAY, UNLIMITED);
    open_parts(&w.s, DAY, &before);
    compact_day(&w.s, DAY, UNLIMITED);
    open_parts(&w.s, DAY, &after);
    assert_int_equal(after.bytes, before.bytes);
    assert_int_not_equal(after.last_segment, before.last_segment);
    bytes_before = copy_of(&before); /* its file stays readable until it is closed */
    bytes_after = copy_of(&after);
    assert_memory_equal(bytes_after, bytes_before, before.bytes);
    free(bytes_before);
    free(bytes_after);
    fls_parts_close(&before);
    fls_parts_close(&after);
    check(&w);
    world_fini(&w);
}

/* Less and less, far below what one rewriting takes away. */
static void a_day_may_have_to_become_much_smaller(void **unused)
{
    struct world w;

    (void)unused;
    for (uint32_t ipv6 = 0; ipv6 <= 50; ipv6 += 50) {
        new_folder();
        world_init(&w, (struct kind){0, 2, 1U << 20, ipv6}, 12 + ipv6, 20000, UNLIMITED);
        commit_records(&w, 10000);
        for (w.bytes_max = day_bytes(&w) - 1; w.bytes_max > 200 << 10; w.bytes_max /= 4) {
            keep_within_limit(&w);
            check(&w);
        }
        commit_records(&w, 2000);
        check(&w);
        world_fini(&w);
    }
}

/* The figures of one table fill the day: the others, which are small, lose nothing. */
static void tables_that_are_small_stay_exact(void **unused)
{
    struct fls_parts parts;
    struct world w;

    (void)unused;
    world_init(&w, kinds[0], 13, 40000, 600 << 10);
    commit_records(&w, 1000);
    for (uint64_t i = 0; i < 40000; i++) {
        struct fls_part_row row = {.key = {.a_low = i, .b_low = i * 2654435761U & UINT32_MAX},
                                   .counters = {{1, 1, 40 + i % 1000}}};

        add_figures(&w, FLS_TABLE_CONVERSATION, row, (uint32_t)i % 3);
    }
    commit_rows(&w);
    keep_within_limit(&w);
    check(&w);
    open_parts(&w.s, DAY, &parts);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        assert_int_equal(fls_merge_gave_way(&parts.merged, (enum fls_table_id)i),
                         i == FLS_TABLE_CONVERSATION);
    assert_in_range(parts.bytes, w.bytes_max / 4, w.bytes_max * 3 / 4);
    fls_parts_close(&parts);
    world_fini(&w);
}

/* Tables with few keys may be larger than the limit: the day is passed on as it is, and does not
 * cost a rewriting for each part; tables that may give way keep their share of the limit. */
static void what_cannot_give_way_stays(void **unused)
{
    struct fls_parts parts;
    struct world w;

    (void)unused;
    world_init(&w, (struct kind){CYCLIC, 2, 100, 0}, 14, 1000, 1 << 10);
    for (uint32_t epoch = 1; epoch <= FLS_DAY_PARTS_MAX + 1; epoch++) {
        struct fls_part_row row = {.counters = {{1}}};

        for (uint32_t i = 0; i < 200; i++) {
            row.key.place = fls_part_place((uint8_t)i, 0);
            add_figures(&w, FLS_TABLE_PROTOCOL, row, epoch % ACCOUNTS_MAX);
        }
        commit_rows(&w);
        compact_day(&w.s, DAY, w.bytes_max);
        assert_int_equal(part_cnt(&w.s, DAY), epoch > FLS_DAY_PARTS_MAX ? 1 : epoch);
    }
    check(&w);
    assert_false(gave_way(&w));
    commit_records(&w, 5000);
    compact_day(&w.s, DAY, w.bytes_max);
    check(&w);
    open_parts(&w.s, DAY, &parts);
    assert_true(parts.bytes > w.bytes_max);
    fls_parts_close(&parts);
    world_fini(&w);
}

/* A flood of addresses that are seen once, above sources that come all the time: those stay, with
 * an error that is a small multiple of all flows divided by the keys that fit. */
static void floods_do_not_drown_the_large(void **unused)
{
    const struct kind flood = {TINY_VALUES, 1, 1U << 30, 0}, regular = {0, 1, 20, 0};
    const struct fls_counters *error;
    struct fls_merge_keys keys;
    struct fls_parts parts;
    uint64_t flows = 0, key_cnt = 0, regular_cnt = 0;
    struct world w;

    (void)unused;
    world_init(&w, flood, 10, 100000, 400 << 10);
    for (int epoch = 0; epoch < 12; epoch++) {
        commit_records(&w, 5000);
        w.kind = regular;
        commit_records(&w, 1000);
        w.kind = flood;
        flows += 6000;
        keep_within_limit(&w);
    }
    check(&w);
    open_parts(&w.s, DAY, &parts);
    error = &parts.merged.max_errors[FLS_TABLE_SOURCE_ADDRESS];
    fls_merge_keys_begin(&keys, &parts.merged, FLS_TABLE_SOURCE_ADDRESS);
    for (; fls_merge_keys_next(&keys); key_cnt++) /* the regular ones are all there, nearly whole */
        regular_cnt += keys.sum.value[FLS_FLOWS] > 300;
    fls_merge_keys_end(&keys);
    assert_int_equal(regular_cnt, 20);
    assert_true(key_cnt > 1000);
    assert_true(error->value[FLS_FLOWS] > 0);
    assert_true(error->value[FLS_FLOWS] <= 4 * flows / key_cnt);
    assert_true(error->value[FLS_BYTES] <= 4 * 40 * flows / key_cnt);
    fls_parts_close(&parts);
    world_fini(&w);
}

static void rewrite_in_child(uint64_t bytes_max, uint64_t more_max)
{
    struct rusage before, after;
    struct fls_parts parts;
    struct state s;

    open_state(&s, 1000);
    getrusage(RUSAGE_SELF, &before);
    if (fls_parts_open(&parts, s.ledger, &s.segments, DAY, 0) ||
        fls_compact_day(&s.commit, &parts, bytes_max))
        _exit(2);
    getrusage(RUSAGE_SELF, &after);
    if ((uint64_t)(after.ru_maxrss - before.ru_maxrss) << 10 > more_max) {
        fprintf(stderr, "%ld KiB more\n", after.ru_maxrss - before.ru_maxrss);
        _exit(3);
    }
    _exit(0);
}

/* What the process takes does not grow with the day: 36 MB in parts; what was read of them stays
 * mapped up to 16 MiB (publish/merge.c). */
static void memory_does_not_grow_with_rows(void **unused)
{
    struct world w;

    (void)unused;
    world_init(&w, kinds[0], 9, 1, UNLIMITED);
    for (uint64_t part = 0; part < 4; part++) {
        for (uint64_t i = 0; i < 600000; i++) {
            struct fls_part_row row = {
                .key = {.a_low = i * 4 + part, .b_low = i}, .account = 1, .counters = {{1, 1, 40}}};

            if (i == 0)
                rows_symbol(&w.rows, FLS_SPAN("")), rows_symbol(&w.rows, FLS_SPAN("1"));
            rows_add(&w.rows, FLS_TABLE_CONVERSATION, &row);
        }
        commit_rows(&w);
    }
    assert_true(day_bytes(&w) > 32U << 20);
    for (int turn = 0; turn < 2; turn++) { /* all of it, and half */
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            rewrite_in_child(turn == 0 ? UNLIMITED : 20 << 20, (16 + 10) << 20);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    world_fini(&w);
}

/* ---- which keys are the smallest ---- */

static void draw_keys(struct fls_counters *keys, uint64_t *seed, uint32_t kind, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++)
        for (int k = 0; k < FLS_COUNTER_CNT; k++) {
            uint64_t draw = scratch_random(seed);

            keys[i].value[k] = kind == 0   ? 1
                               : kind == 1 ? draw % 3
                               : kind == 2 ? draw >> (1 + scratch_random(seed) % 63)
                               : kind == 3 ? (draw % 100 ? 1 : draw >> 1)
                               : kind == 4 ? i * (uint64_t)(k + 1)
                               : kind == 5 ? (i % FLS_COUNTER_CNT == (uint32_t)k ? draw % 1000 : 0)
                                           : (draw % 2 ? FLS_COUNTER_MAX : 7);
        }
}

static uint32_t as_large(const struct fls_counters *keys, uint32_t cnt, int counter, uint64_t value)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < cnt; i++)
        found += keys[i].value[counter] >= value - value / 8;
    return found;
}

static bool is_not_larger(const struct fls_counters *a, const struct fls_counters *b)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        if (a->value[i] > b->value[i])
            return false;
    return true;
}

/* Keys of 1 to 3 rows. */
static void check_smallest(const struct fls_counters *keys, uint32_t cnt, uint64_t row_max)
{
    struct fls_smallest *smallest = fls_array_new(1, sizeof(*smallest));
    struct fls_counters largest = {{0}};
    uint64_t found = 0, left = 0;

    for (uint32_t i = 0; i < cnt; i++)
        fls_smallest_count(smallest, &keys[i], 1 + i % 3);
    for (uint32_t i = 0; i < cnt; i++)
        fls_smallest_measure(smallest, &keys[i], 1 + i % 3);
    assert_true(fls_smallest_cut(smallest, row_max));
    for (uint32_t i = 0; i < cnt; i++) {
        if (!fls_smallest_has(smallest, &keys[i])) {
            left += 1 + i % 3;
            continue;
        }
        found++;
        for (int k = 0; k < FLS_COUNTER_CNT; k++)
            if (keys[i].value[k] > largest.value[k])
                largest.value[k] = keys[i].value[k];
        for (uint32_t j = 0; j < cnt && i % 16 == 0; j++)
            assert_true(!is_not_larger(&keys[j], &keys[i]) || fls_smallest_has(smallest, &keys[j]));
    }
    assert_int_equal(found, smallest->behind.cnt);
    assert_true(left <= row_max || smallest->cut == FLS_SMALLEST_RANK_MIN ||
                found * 32 >= cnt * 27ULL);
    assert_memory_equal(&largest, &smallest->behind.largest, sizeof(largest));
    for (int k = 0; k < FLS_COUNTER_CNT; k++)
        assert_true(as_large(keys, cnt, k, largest.value[k]) >=
                    cnt * FLS_SMALLEST_RANK_MIN / FLS_SMALLEST_RANKS);
    free(smallest);
}

static void the_smallest_are_as_promised(void **unused)
{
    uint64_t seed = 11;

    (void)unused;
    for (uint32_t kind = 0; kind < 7; kind++)
        for (uint32_t cnt = 1; cnt < 3000; cnt = cnt * 3 + 1) {
            struct fls_counters *keys = fls_array_new(cnt, sizeof(*keys));

            draw_keys(keys, &seed, kind, cnt);
            for (uint32_t share = 0; share <= 8; share++)
                check_smallest(keys, cnt, 2ULL * cnt * share / 8);
            free(keys);
        }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_smallest_are_as_promised),
        TEST(true_values_are_within_bounds),
        TEST(all_is_exact_within_the_limit),
        TEST(a_part_rewritten_is_the_same),
        TEST(a_day_may_have_to_become_much_smaller),
        TEST(tables_that_are_small_stay_exact),
        TEST(what_cannot_give_way_stays),
        TEST(floods_do_not_drown_the_large),
        TEST(memory_does_not_grow_with_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is published: the model's figures; and the same in Redis whichever way it came there, epoch
 * by epoch or all at once, and whatever happened to Redis meanwhile. */
#include "published.h"

#include "base/keys.h"
#include "enrich/own.h"
#include "publish/catch_up.h"

#include <errno.h>

#define DAY 20454U /* 2026-01-01 */

#define ACCOUNTS 4U /* of the model's records */

static const uint32_t days[] = {DAY, DAY + 1, DAY + 2, FLS_DAY_UNKNOWN};

static struct fls_show new_show(uint32_t top_k)
{
    return (struct fls_show){
        .address = &redis_address, .name = "n", .top_k = top_k, .day_bytes_max = UINT64_MAX};
}

/* A state of 35 days, to be shown with 5 rows of each counter. */
static void open_shown(struct state *s, struct fls_show *show)
{
    open_state(s, 35);
    *show = new_show(5);
}

static void close_shown(struct state *s, struct fls_show *show)
{
    fls_show_fini(show);
    close_state(s);
}

static void show_commit(struct fls_show *show, struct state *s)
{
    if (fls_show_commit(show, &s->commit, true))
        fail_msg("%s", show->failure);
    assert_true(show->is_current);
}

static void commit_random(struct state *s, uint64_t *seed, uint32_t day_cnt, uint32_t record_cnt,
                          struct model *model)
{
    static unsigned object;

    random_epoch(seed, s, days, day_cnt, record_cnt, model);
    add_result(&s->epoch, object++, FLS_RESULT_COUNTED, false);
    if (scratch_random(seed) % 3 == 0)
        add_result(&s->epoch, object++, FLS_RESULT_FAILED, false);
    commit_state(s);
}

/* ---- the figures ---- */

static void expect_row(const char *scope, uint32_t day, const char *rest, size_t rest_sz,
                       const struct fls_counters *counters)
{
    const char *account = strcmp(scope, "*") == 0 ? NULL : scope;
    const char *slash = memchr(rest, '/', rest_sz);
    size_t name_sz = (size_t)(slash - rest), key_sz = rest_sz - name_sz - 1;
    char table[64], field[512], expected[160];
    struct fls_key_parts parts = {.name = "n", .day = day, .account = account, .table = table};
    bool is_few;
    char *key;
    redisReply *reply;

    sprintf(table, "%.*s", (int)name_sz, rest);
    is_few = fls_tables[fls_table_by_name(table)].size == FLS_SIZE_FEW;
    snprintf(field, sizeof(field), "%s%s%.*s", is_few ? table : "", is_few ? "|" : "", (int)key_sz,
             slash + 1);
    snprintf(expected, sizeof(expected), "%llu %llu %llu %llu %llu",
             (unsigned long long)counters->value[0], (unsigned long long)counters->value[1],
             (unsigned long long)counters->value[2], (unsigned long long)counters->value[3],
             (unsigned long long)counters->value[4]);
    key = fls_key_make(is_few ? FLS_REDIS_FEW : FLS_REDIS_TOP, &parts);
    reply = redis_ask("HGET %s %s", key, field);
    if (reply->type != REDIS_REPLY_STRING)
        fail_msg("%s lacks %s", key, field);
    assert_string_equal(reply->str, expected);
    freeReplyObject(reply);
    free(key);
}

static void expect_rows(const struct model_day *day)
{
    char scope[256];

    for (uint32_t i = 0; i < day->keys.cnt; i++) {
        struct fls_span text = fls_dictionary_text(&day->keys, i);
        const uint8_t *slash = memchr(text.at, '/', text.sz);

        sprintf(scope, "%.*s", (int)(slash - text.at), (const char *)text.at);
        expect_row(scope, day->day, (const char *)slash + 1,
                   text.sz - (size_t)(slash - text.at) - 1, &day->rows[i].counters);
    }
}

static bool is_counted(const struct model_row *row, const char *text, bool is_source, bool own)
{
    struct fls_ip ip;
    bool is_own;

    assert_true(fls_ip_parse(fls_span_of(text), &ip));
    is_own = strncmp(text, "10.", 3) == 0 || strncmp(text, "fe80:", 5) == 0 ||
             strncmp(text, "fd00:", 5) == 0;
    assert_int_equal(fls_own_contains(&ip), is_own);
    if (own)
        return is_own || (row->marks & FLS_MARK_OWN_SIDE);
    return is_source && !is_own && (!ip.is_ipv6 || (row->marks & FLS_MARK_FAR_SIDE));
}

/* How many of the few addresses count for the account, or for any (NULL). */
static uint32_t count_uniques(struct model_day *day, const char *account, bool own)
{
    uint32_t cnt = 0;

    for (size_t i = 0; i < sizeof(model_addresses) / sizeof(model_addresses[0]); i++) {
        bool is_in = false;

        for (size_t k = 1; k < sizeof(model_accounts) / sizeof(model_accounts[0]); k++)
            for (int side = 0; side < 2; side++) {
                const struct model_row *row =
                    model_row(day, model_accounts[k],
                              side ? FLS_TABLE_SOURCE_ADDRESS : FLS_TABLE_DESTINATION_ADDRESS,
                              fls_span_of(model_addresses[i]), false);

                if (row && (account == NULL || strcmp(account, model_accounts[k]) == 0))
                    is_in |= is_counted(row, model_addresses[i], side, own);
            }
        cnt += is_in;
    }
    return cnt;
}

static void expect_uniques(struct model_day *day, const char *account)
{
    struct fls_key_parts parts = {.name = "n", .day = day->day, .account = account};

    for (int own = 0; own < 2; own++) {
        char *key =
            fls_key_make(own ? FLS_REDIS_OWN_ADDRESSES : FLS_REDIS_EXTERNAL_SOURCES, &parts);
        redisReply *reply = redis_ask("PFCOUNT %s", key);

        assert_int_equal(reply->integer, count_uniques(day, account, own));
        freeReplyObject(reply);
        free(key);
    }
}

static void figures_are_the_models(void **unused)
{
    struct fls_show show = new_show(10000);
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 1;

    (void)unused;
    open_state(&s, 35);
    for (int round = 0; round < 5; round++) {
        commit_random(&s, &seed, 4, 40, &model);
        show_commit(&show, &s);
        for (uint32_t i = 0; i < model.day_cnt; i++) {
            expect_rows(&model.days[i]);
            expect_uniques(&model.days[i], NULL);
            for (size_t k = 1; k < sizeof(model_accounts) / sizeof(model_accounts[0]); k++)
                if (model_row(&model.days[i], model_accounts[k], FLS_TABLE_TOTALS, FLS_SPAN(""),
                              false))
                    expect_uniques(&model.days[i], model_accounts[k]);
        }
    }
    close_shown(&s, &show);
    model_fini(&model);
}

/* ---- ways to the same view ---- */

static void epoch_by_epoch_is_as_afresh(void **unused)
{
    static const uint32_t ks[] = {1, 3, 1000};
    uint64_t seed = 2;
    struct state s;

    (void)unused;
    open_state(&s, 2); /* days are dropped, too */
    for (int i = 0; i < 3; i++) {
        struct fls_show show = new_show(ks[i]);

        for (uint32_t round = 0; round < 6; round++) {
            commit_random(&s, &seed, round % 5 == 0 ? 4 : 1 + round % 3, 1 + round % 3 * 20, NULL);
            show_commit(&show, &s);
            expect_as_afresh(&s, ks[i]);
        }
        fls_show_fini(&show);
    }
    close_state(&s);
}

/* Sets a mark in what is published of each scope of the day, and returns how many have it. */
static uint64_t mark_scopes(uint32_t day, bool sets)
{
    struct fls_key_parts parts = {.name = "n", .day = day};
    char *scopes = fls_key_make(FLS_REDIS_SCOPES, &parts);
    redisReply *reply = redis_ask("SMEMBERS %s", scopes), *found;
    uint64_t cnt = 0;

    for (size_t i = 0; i < reply->elements; i++) {
        const char *account = strchr(reply->element[i]->str, ':');
        char *key;

        parts.account = account ? account + 1 : NULL;
        key = fls_key_make(FLS_REDIS_FEW, &parts);
        found = redis_ask(sets ? "HSET %s mark 1" : "HEXISTS %s mark", key);
        cnt += (uint64_t)found->integer;
        freeReplyObject(found);
        free(key);
    }
    freeReplyObject(reply);
    free(scopes);
    return cnt;
}

/* What an epoch did not add to stays as it is in Redis: other accounts, and other days. */
static void only_what_changed_is_put(void **unused)
{
    struct fls_show show;
    uint64_t seed = 12;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    commit_random(&s, &seed, 2, 60, NULL);
    show_commit(&show, &s);
    for (int round = 0; round < 10; round++) {
        mark_scopes(DAY, true);
        mark_scopes(DAY + 1, true);
        commit_random(&s, &seed, 1, 1, NULL);
        show_commit(&show, &s);
        assert_int_equal(mark_scopes(DAY, false), ACCOUNTS - 1); /* not one, and not the sum */
        assert_int_equal(mark_scopes(DAY + 1, false), ACCOUNTS + 1);
    }
    close_shown(&s, &show);
}

/* ---- days that are not as they should be ---- */

static void days_of_many_parts_are_rewritten(void **unused)
{
    struct fls_show show;
    uint64_t seed = 3;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    for (int round = 0; round < (int)FLS_DAY_PARTS_MAX / 2; round++) {
        commit_random(&s, &seed, 1, 12, NULL);
        show_commit(&show, &s);
        assert_true(part_cnt(&s, DAY) <= FLS_DAY_PARTS_MAX);
    }
    assert_false(scratch_has("segments/1.seg"));
    expect_as_afresh(&s, 5);
    close_shown(&s, &show);
}

/* A day above the limit is one part before it is shown, all of it new. */
static void large_days_are_rewritten(void **unused)
{
    struct fls_show show;
    uint64_t seed = 14;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    for (int round = 0; round < 8; round++) {
        bool is_large = round % 4 == 3;
        struct fls_parts parts;

        commit_random(&s, &seed, 1, 60, NULL);
        open_parts(&s, DAY, &parts);
        show.day_bytes_max = is_large ? parts.bytes - 1 : parts.bytes;
        fls_parts_close(&parts);
        show_commit(&show, &s);
        if (is_large)
            assert_int_equal(part_cnt(&s, DAY), 1);
        else
            assert_true(part_cnt(&s, DAY) > 1);
        expect_as_afresh(&s, 5);
    }
    close_shown(&s, &show);
}

/* A part of two rows, of a source and of the totals, with that byte set to 0. */
static struct rows_part part_without_sense(size_t at)
{
    struct rows rows = {.symbols = {.cnt = 0}};
    struct fls_part_row row = {.account = rows_symbol(&rows, FLS_SPAN("1")), .counters = {{1}}};
    struct rows_part part;

    rows_add(&rows, FLS_TABLE_TOTALS, &row);
    rows_add(&rows, FLS_TABLE_SOURCE_ADDRESS, &row);
    part = rows_part(&rows, DAY);
    rows_fini(&rows);
    assert_int_equal(part.at[at], 1);
    part.at[at] = 0;
    return part;
}

/* The day gets a part that no epoch brought. */
static void add_to_ledger(struct state *s, struct fls_span bytes)
{
    const struct fls_part part = {.segment = ++s->commit.next_segment,
                                  .day = DAY,
                                  .size = bytes.sz,
                                  .sum = fls_segments_sum(bytes)};

    assert_int_equal(fls_segments_write(&s->segments, part.segment, &bytes, 1), 0);
    assert_int_equal(fls_ledger_begin(s->ledger), 0);
    assert_int_equal(fls_ledger_add_part(s->ledger, &part), 0);
    assert_int_equal(fls_ledger_commit(s->ledger, s->commit.epoch), 0);
    s->commit.next_segment++;
}

/* A part's sum is right, and so is what stands at its end, but a row is of no account. */
static void rows_that_make_no_sense_are_told(void **unused)
{
    static const size_t accounts_at[] = {
        5, 11 + 1}; /* behind flags and address, 11 bytes; and flags */
    uint64_t seed = 13;

    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct fls_show show;
        struct rows_part part = part_without_sense(accounts_at[i]);
        struct state s;

        open_shown(&s, &show);
        commit_random(&s, &seed, 1, 20, NULL);
        assert_int_equal(fls_ledger_begin(s.ledger), 0);
        assert_int_equal(fls_ledger_drop_day(s.ledger, DAY), 0);
        assert_int_equal(fls_ledger_commit(s.ledger, s.commit.epoch), 0);
        add_to_ledger(&s, (struct fls_span){part.at, part.sz});
        assert_int_equal(fls_show_commit(&show, &s.commit, true), -EUCLEAN);
        assert_non_null(strstr(show.failure, "rows that make no sense"));
        assert_false(show.is_current);
        close_shown(&s, &show);
        free(part.at);
    }
}

/* ---- days of many rows, which threads read side by side ---- */

#define MANY_ROWS 20000U /* of each of some tables: more in all than one thread reads alone */

static void add_many(struct rows *rows, enum fls_table_id table, uint64_t *seed, uint32_t cnt)
{
    static const char *const accounts[] = {"1", "2", "3"};

    for (uint32_t i = 0; i < cnt; i++) {
        uint64_t number = scratch_random(seed);
        struct fls_part_row row = {
            .account = rows_symbol(rows, fls_span_of(accounts[number % 3])),
            .counters = {{number % 7 + 1, number % 11 + 1, number % 100000, 0, 0}}};

        if (fls_tables[table].key == FLS_KEY_ADDRESS)
            row.marks = (uint32_t)(number >> 8) & FLS_MARKS_ALL;
        if (table != FLS_TABLE_TOTALS)
            row.key.a_low = (uint32_t)(i % 2 ? 10U << 24 | i : number >> 16);
        if (fls_tables[table].key == FLS_KEY_CONVERSATION)
            row.key.b_low = (uint32_t)scratch_random(seed);
        rows_add(rows, table, &row);
    }
}

static struct rows_part part_of_many(uint64_t *seed)
{
    static const enum fls_table_id large[] = {FLS_TABLE_SOURCE_ADDRESS,
                                              FLS_TABLE_DESTINATION_ADDRESS};
    struct rows rows = {.symbols = {.cnt = 0}};
    struct rows_part part;

    add_many(&rows, FLS_TABLE_TOTALS, seed, 10);
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
        add_many(&rows, large[i], seed, MANY_ROWS);
    add_many(&rows, FLS_TABLE_CONVERSATION, seed, 2 * MANY_ROWS);
    part = rows_part(&rows, DAY);
    rows_fini(&rows);
    return part;
}

/* The same as one thread makes of it: for more, `afresh` has too little memory. */
static void many_rows_are_read_side_by_side(void **unused)
{
    struct fls_show show;
    uint64_t seed = 16;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    for (int round = 0; round < 3; round++) {
        struct rows_part part = part_of_many(&seed);

        commit_random(&s, &seed, 1, 20, NULL);
        add_to_ledger(&s, (struct fls_span){part.at, part.sz});
        show_commit(&show, &s);
        expect_as_afresh(&s, 5);
        free(part.at);
    }
    close_shown(&s, &show);
}

/* In whichever thread it is found. */
static void of_many_rows_one_makes_no_sense(void **unused)
{
    struct fls_show show;
    struct rows_part part;
    struct fls_part_reader reader;
    uint64_t seed = 17, end;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    commit_random(&s, &seed, 1, 20, NULL);
    part = part_of_many(&seed);
    assert_true(fls_part_open(&reader, fls_part_in_memory((struct fls_span){part.at, part.sz})));
    end = reader.trailer.end[FLS_TABLE_DESTINATION_ADDRESS];
    fls_part_close(&reader);
    part.at[end - 1] |= 0x80; /* the last number goes on into the next table */
    add_to_ledger(&s, (struct fls_span){part.at, part.sz});
    assert_int_equal(fls_show_commit(&show, &s.commit, true), -EUCLEAN);
    assert_non_null(strstr(show.failure, "rows that make no sense"));
    assert_false(show.is_current);
    close_shown(&s, &show);
    free(part.at);
}

/* ---- what gave way ---- */

static long long unique(const char *account)
{
    const struct fls_key_parts parts = {.name = "n", .day = DAY, .account = account};
    char *key = fls_key_make(FLS_REDIS_OWN_ADDRESSES, &parts);
    redisReply *reply = redis_ask("PFCOUNT %s", key);
    long long cnt = reply->integer;

    freeReplyObject(reply);
    free(key);
    return cnt;
}

static void expect_error_of_conversations(const char *expected)
{
    const struct fls_key_parts parts = {.name = "n", .day = DAY};
    char *key = fls_key_make(FLS_REDIS_FACTS, &parts);
    redisReply *reply = redis_ask("HGET %s conversation", key);

    assert_string_equal(reply->str, expected);
    freeReplyObject(reply);
    free(key);
}

/* Rows gave way in a new part: every scope says so, whether it has records in that part or not, and
 * the addresses count. */
static void what_gave_way_is_shown_in_all_scopes(void **unused)
{
    struct fls_show show;
    struct rows rows = {.max_errors = {[FLS_TABLE_CONVERSATION] = {{3, 4, 5, 2, 1}}}};
    struct rows_part part;
    struct state s;
    uint64_t seed = 15;
    long long of_all, of_one;

    (void)unused;
    open_shown(&s, &show);
    commit_random(&s, &seed, 1, 60, NULL);
    show_commit(&show, &s);
    of_all = unique(NULL);
    of_one = unique("999999999999");
    fls_hll_add(&rows_gone(&rows, rows_symbol(&rows, FLS_SPAN("999999999999")))->own_addresses,
                FLS_SPAN("10.9.9.9"));
    part = rows_part(&rows, DAY);
    mark_scopes(DAY, true);
    commit_random(&s, &seed, 1, 1, NULL);
    add_to_ledger(&s, (struct fls_span){part.at, part.sz});
    show_commit(&show, &s);
    assert_int_equal(mark_scopes(DAY, false), 0);
    expect_as_afresh(&s, 5); /* counting, as below, leaves its result in Redis */
    assert_in_range(unique(NULL), of_all + 1, of_all + 3); /* the record has two addresses */
    assert_in_range(unique("999999999999"), of_one + 1, of_one + 3);
    expect_error_of_conversations("- 3 4 5 2 1");
    rows_fini(&rows);
    free(part.at);
    close_shown(&s, &show);
}

static void one_epoch_behind_at_the_start(void **unused)
{
    struct fls_show show;
    uint64_t seed = 4;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    for (int round = 0; round < 3; round++) {
        commit_random(&s, &seed, 3, 30, NULL);
        show_commit(&show, &s);
        commit_random(&s, &seed, 3, 30, NULL); /* killed before this one is published */
        close_shown(&s, &show);
        open_shown(&s, &show);
        show_commit(&show, &s);
        expect_as_afresh(&s, 5);
    }
    close_shown(&s, &show);
}

static void failed_attempt_is_made_good(void **unused)
{
    struct fls_show show;
    uint64_t seed = 5;
    struct state s;
    char file[64];

    (void)unused;
    open_shown(&s, &show);
    commit_random(&s, &seed, 3, 60, NULL);
    show_commit(&show, &s);
    for (int round = 0; round < 4; round++) {
        commit_random(&s, &seed, 3, 60, NULL);
        sprintf(file, "segments/%llu.seg",
                (unsigned long long)s.commit.new_segment - (round % 2 ? 1 : 0));
        assert_int_equal(rename(scratch_path(file), scratch_path("aside")), 0);
        assert_int_equal(fls_show_commit(&show, &s.commit, true), -EUCLEAN);
        assert_false(show.is_current);
        assert_non_null(strstr(show.failure, "is missing"));
        assert_int_equal(rename(scratch_path("aside"), scratch_path(file)), 0);
        show_commit(&show, &s);
        expect_as_afresh(&s, 5);
    }
    close_shown(&s, &show);
}

static void redis_lost_everything(void **unused)
{
    struct fls_show show;
    uint64_t seed = 6;
    struct state s;

    (void)unused;
    open_shown(&s, &show);
    for (int round = 0; round < 6; round++) {
        commit_random(&s, &seed, round ? 2 : 4, 30, NULL);
        show_commit(&show, &s);
        expect_as_afresh(&s, 5);
        redis_tell(round % 2 ? "FLUSHALL" : "CLIENT KILL TYPE normal SKIPME yes");
        if (round == 3)
            show = (fls_show_fini(&show), new_show(5));
    }
    show_commit(&show, &s);
    close_shown(&s, &show);
}

static void another_k_is_published_at_once(void **unused)
{
    static const uint32_t ks[] = {2, 7, 7, 1};
    uint64_t seed = 7;
    struct state s;

    (void)unused;
    open_state(&s, 35);
    commit_random(&s, &seed, 4, 200, NULL);
    for (int i = 0; i < 4; i++) {
        struct fls_show show = new_show(ks[i]);

        show_commit(&show, &s);
        expect_as_afresh(&s, ks[i]);
        fls_show_fini(&show);
        show = new_show(ks[i] + 1);
        commit_random(&s, &seed, 1, 20, NULL);
        show_commit(&show, &s);
        expect_as_afresh(&s, ks[i] + 1);
        fls_show_fini(&show);
    }
    close_state(&s);
}

/* State folders take turns; their epochs are as far apart as they may be. */
static void another_state_is_published_afresh(void **unused)
{
    static const uint32_t epochs[] = {3, 3, 2, 3, 1, 2, 5, 4, 4};
    uint64_t seed = 8;

    (void)unused;
    for (size_t i = 0; i < sizeof(epochs) / sizeof(epochs[0]); i++) {
        struct fls_show show = new_show(5);
        struct state s;
        char folder[16];

        sprintf(folder, "state%zu", i);
        assert_int_equal(mkdir(scratch_path(folder), 0700), 0);
        open_state_in(&s, scratch_path(folder), 35);
        for (uint32_t k = 1; k < epochs[i]; k++)
            commit_random(&s, &seed, 4, 20, NULL);
        if (i % 2)
            show_commit(&show, &s);
        commit_random(&s, &seed, 1, 20, NULL);
        show_commit(&show, &s);
        expect_as_afresh(&s, 5);
        close_shown(&s, &show);
    }
}

static void nothing_is_published_of_nothing(void **unused)
{
    struct fls_show show;
    struct state s;
    redisReply *reply;
    uint64_t seed = 9;

    (void)unused;
    open_shown(&s, &show);
    show_commit(&show, &s);
    reply = redis_ask("EXISTS flowlog:{n}:epoch flowlog:{n}:meta");
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);
    commit_random(&s, &seed, 4, 20, NULL);
    show_commit(&show, &s);
    close_state(&s);
    assert_int_equal(unlink(scratch_path("state.db")), 0);
    assert_int_equal(rename(scratch_path("segments"), scratch_path("aside")), 0);
    open_state(&s, 35); /* an empty state takes the place of a full one */
    fls_show_fini(&show);
    show_commit(&show, &s);
    reply = redis_ask("EXISTS flowlog:{n}:days");
    assert_int_equal(reply->integer, 0);
    freeReplyObject(reply);
    commit_random(&s, &seed, 4, 20, NULL);
    show_commit(&show, &s);
    expect_as_afresh(&s, 5);
    close_shown(&s, &show);
}

/* A reader's own Redis is brought up to the state, of which nothing changes. */
static void readers_catch_up(void **unused)
{
    struct fls_show show;
    uint64_t seed = 11;
    struct state s;
    char error[512];

    (void)unused;
    assert_int_equal(fls_catch_up(scratch, &redis_address, "n", error, sizeof(error)),
                     0); /* no state */
    open_shown(&s, &show);
    assert_int_equal(fls_catch_up(scratch, &redis_address, "n", error, sizeof(error)),
                     0); /* empty */
    assert_int_equal(fls_ledger_set_top_k(s.ledger, 5), 0);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 2 * round; i++)
            commit_random(&s, &seed, 3, 20, NULL);
        if (round == 2)
            show_commit(&show, &s);
        if (fls_catch_up(scratch, &redis_address, "n", error, sizeof(error)))
            fail_msg("%s", error);
        if (round > 0)
            expect_as_afresh(&s, 5);
        assert_int_equal(s.commit.epoch, round * (round + 1));
    }
    assert_int_equal(rename(scratch_path("segments/3.seg"), scratch_path("aside")), 0);
    redis_tell("FLUSHALL");
    assert_int_equal(fls_catch_up(scratch, &redis_address, "n", error, sizeof(error)), -EUCLEAN);
    assert_non_null(strstr(error, "segments/3.seg: is missing"));
    close_shown(&s, &show);
}

/* Who is replaced leaves the deployment to the other one. */
static void replaced_publishers_stay_away(void **unused)
{
    struct fls_show show;
    struct fls_view *other;
    struct state s;
    struct piece before, after;
    uint64_t seed = 10;
    char error[512];

    (void)unused;
    open_shown(&s, &show);
    commit_random(&s, &seed, 4, 20, NULL);
    show_commit(&show, &s);
    before = dump("n");
    assert_int_equal(fls_view_open(&other, &redis_address, "n", error, sizeof(error)), 0);
    for (int i = 0; i < 3; i++) {
        commit_random(&s, &seed, 4, 20, NULL);
        assert_int_equal(fls_show_commit(&show, &s.commit, true), -ESTALE);
        assert_non_null(strstr(show.failure, "another publisher"));
    }
    after = dump("n");
    assert_int_equal(before.sz, after.sz);
    assert_memory_equal(before.at, after.at, after.sz);
    assert_int_equal(fls_view_begin(other, false), 0); /* its incarnation stands */
    fls_view_close(other);
    free(before.at);
    free(after.at);
    close_shown(&s, &show);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(figures_are_the_models),
        TEST(epoch_by_epoch_is_as_afresh),
        TEST(only_what_changed_is_put),
        TEST(days_of_many_parts_are_rewritten),
        TEST(large_days_are_rewritten),
        TEST(rows_that_make_no_sense_are_told),
        TEST(many_rows_are_read_side_by_side),
        TEST(of_many_rows_one_makes_no_sense),
        TEST(what_gave_way_is_shown_in_all_scopes),
        TEST(one_epoch_behind_at_the_start),
        TEST(failed_attempt_is_made_good),
        TEST(redis_lost_everything),
        TEST(another_k_is_published_at_once),
        TEST(another_state_is_published_afresh),
        TEST(nothing_is_published_of_nothing),
        TEST(replaced_publishers_stay_away),
        TEST(readers_catch_up),
    };

    return cmocka_run_group_tests(tests, redis_setup, redis_teardown);
}

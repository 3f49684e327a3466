/* The view against a real redis-server: what is written is what was put, whole epochs only. */
#include "redis_server.h"

#include "base/calendar.h"
#include "base/clock.h"
#include "base/keys.h"
#include "publish/view.h"
#include "publish/view_hll.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/wait.h>

#define DAY 20454U /* 2026-01-01 */

/* ---- Asking Redis ---- */

static long long ask_integer(const char *format, const char *key)
{
    redisReply *reply = redis_ask(format, key);
    long long number;

    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    number = reply->integer;
    freeReplyObject(reply);
    return number;
}

static void expect_reply(const char *expected, const char *format, const char *key,
                         const char *field)
{
    redisReply *reply = redis_ask(format, key, field);

    if (!expected) {
        assert_int_equal(reply->type, REDIS_REPLY_NIL);
    } else {
        if (reply->type != REDIS_REPLY_STRING)
            fail_msg("%s of %s %s is no string", format, key, field);
        assert_string_equal(reply->str, expected);
    }
    freeReplyObject(reply);
}

/* How many keys the pattern finds, without the incarnation. */
static size_t count_keys(const char *pattern)
{
    redisReply *reply = redis_ask("KEYS %s", pattern);
    size_t cnt = 0;

    for (size_t i = 0; i < reply->elements; i++)
        cnt += strstr(reply->element[i]->str, ":incarnation") == NULL;
    freeReplyObject(reply);
    return cnt;
}

static struct fls_view *open_view(const char *name)
{
    struct fls_view *view;
    char error[512];
    int status = fls_view_open(&view, &redis_address, name, error, sizeof(error));

    if (status)
        fail_msg("%s", error);
    return view;
}

/* ---- Figures to put ---- */

static uint64_t seed;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct fls_counters draw_counters(void)
{
    struct fls_counters counters;

    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        counters.value[i] = draw() % 3 == 0   ? FLS_COUNTER_MAX - draw() % 3
                            : draw() % 3 == 0 ? draw() % 2
                                              : draw() >> (1 + draw() % 62);
    return counters;
}

/* A scope that owns all its parts; figures follow from the seed. */
struct figures {
    struct fls_view_scope scope;
    struct fls_view_table tables[FLS_TABLE_CNT];
    char account[32];
    uint8_t hll[FLS_HLL_SZ];
};

static struct fls_view_row *draw_rows(uint32_t cnt, bool is_totals)
{
    struct fls_view_row *rows = calloc(cnt ? cnt : 1, sizeof(*rows));
    char text[128];

    for (uint32_t i = 0; i < cnt; i++) {
        snprintf(text, sizeof(text), "10.%u.%u.7|%u\\xff", i / 256, i % 256, i);
        rows[i].key = fls_span_of(strdup(is_totals ? "" : text));
        rows[i].counters = draw_counters();
    }
    return rows;
}

static void set_register(uint8_t *hll, unsigned index, unsigned value)
{
    for (unsigned bit = 0; bit < 6; bit++) {
        unsigned at = index * 6 + bit;

        hll[16 + at / 8] &= (uint8_t) ~(1U << at % 8);
        hll[16 + at / 8] |= (uint8_t)((value >> bit & 1) << at % 8);
    }
}

static struct figures *make_figures(uint32_t day, const char *account, uint64_t with_seed,
                                    uint32_t row_max)
{
    struct figures *figures = calloc(1, sizeof(*figures));

    seed = with_seed * 0x9E3779B97F4A7C15 + 1;
    if (account)
        snprintf(figures->account, sizeof(figures->account), "%s", account);
    memcpy(figures->hll, "HYLL", 4);
    for (uint32_t i = 0; i < 200; i++)
        set_register(figures->hll, (unsigned)(draw() % FLS_HLL_REGISTERS), 1 + i % 30);
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        struct fls_view_table *table = &figures->tables[figures->scope.table_cnt];
        uint32_t cnt = i == FLS_TABLE_TOTALS ? 1 : (uint32_t)(draw() % (row_max + 1));

        if (cnt == 0)
            continue;
        figures->scope.table_cnt++;
        *table = (struct fls_view_table){.id = (enum fls_table_id)i,
                                         .distinct = cnt + draw() % 1000,
                                         .distinct_is_known = draw() % 2,
                                         .max_error = draw_counters(),
                                         .row_cnt = cnt,
                                         .rows = draw_rows(cnt, i == FLS_TABLE_TOTALS)};
    }
    figures->scope.day = day;
    figures->scope.account = account ? figures->account : NULL;
    figures->scope.tables = figures->tables;
    figures->scope.external_sources = figures->hll;
    figures->scope.own_addresses = figures->hll;
    return figures;
}

static void free_figures(struct figures *figures)
{
    for (uint32_t i = 0; i < figures->scope.table_cnt; i++) {
        for (uint32_t j = 0; j < figures->tables[i].row_cnt; j++)
            free((char *)(uintptr_t)figures->tables[i].rows[j].key.at);
        free((struct fls_view_row *)(uintptr_t)figures->tables[i].rows);
    }
    free(figures);
}

static const char *figures_text(const struct fls_counters *counters)
{
    static char text[160];

    snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
             counters->value[0], counters->value[1], counters->value[2], counters->value[3],
             counters->value[4]);
    return text;
}

/* ---- Expectations ---- */

static char *key_of(const char *name, const struct fls_view_scope *scope, enum fls_redis_key key,
                    const char *table)
{
    return fls_key_make(key, &(struct fls_key_parts){name, scope->day, scope->account, table});
}

static void expect_top(const char *name, const struct fls_view_scope *scope,
                       const struct fls_view_table *table)
{
    char *top = key_of(name, scope, FLS_REDIS_TOP, fls_tables[table->id].name);
    char *order = key_of(name, scope, FLS_REDIS_TOP_BY_BYTES, fls_tables[table->id].name);

    assert_int_equal(ask_integer("HLEN %s", top), table->row_cnt);
    assert_int_equal(ask_integer("ZCARD %s", order), table->row_cnt);
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        const struct fls_view_row *row = &table->rows[i];
        redisReply *score;

        expect_reply(figures_text(&row->counters), "HGET %s %s", top, (const char *)row->key.at);
        score = redis_ask("ZSCORE %s %s", order, (const char *)row->key.at);
        assert_true(strtod(score->str, NULL) == (double)row->counters.value[FLS_BYTES]);
        freeReplyObject(score);
    }
    free(top);
    free(order);
}

static uint32_t expect_few(const char *few, const struct fls_view_table *table)
{
    char field[256];

    for (uint32_t i = 0; i < table->row_cnt; i++) {
        snprintf(field, sizeof(field), "%s|%s", fls_tables[table->id].name,
                 (const char *)table->rows[i].key.at);
        expect_reply(figures_text(&table->rows[i].counters), "HGET %s %s", few, field);
    }
    return table->row_cnt;
}

static void expect_fact(const char *facts, const struct fls_view_table *table)
{
    char text[256], distinct[24];

    snprintf(distinct, sizeof(distinct), "%" PRIu64, table->distinct);
    snprintf(text, sizeof(text), "%s %s", table->distinct_is_known ? distinct : "-",
             figures_text(&table->max_error));
    expect_reply(text, "HGET %s %s", facts, fls_tables[table->id].name);
}

/* Redis holds exactly these keys of the scope, exactly so filled. */
static void expect_scope(const char *name, const struct figures *figures)
{
    const struct fls_view_scope *scope = &figures->scope;
    char *few = key_of(name, scope, FLS_REDIS_FEW, NULL);
    char *facts = key_of(name, scope, FLS_REDIS_FACTS, NULL);
    char *sources = key_of(name, scope, FLS_REDIS_EXTERNAL_SOURCES, NULL);
    char *own = key_of(name, scope, FLS_REDIS_OWN_ADDRESSES, NULL);
    size_t few_cnt = 0, key_cnt = 4;
    char pattern[256];

    for (uint32_t i = 0; i < scope->table_cnt; i++) {
        const struct fls_view_table *table = &scope->tables[i];

        expect_fact(facts, table);
        if (fls_tables[table->id].size == FLS_SIZE_FEW) {
            few_cnt += expect_few(few, table);
        } else {
            expect_top(name, scope, table);
            key_cnt += 2;
        }
    }
    assert_int_equal(ask_integer("HLEN %s", few), few_cnt);
    assert_int_equal(ask_integer("HLEN %s", facts), scope->table_cnt);
    assert_true(ask_integer("PFCOUNT %s", sources) > 100);
    assert_int_equal(ask_integer("PFCOUNT %s", sources), ask_integer("PFCOUNT %s", own));
    snprintf(pattern, sizeof(pattern), "%.*s:*", (int)(strlen(few) - strlen(":few")), few);
    assert_int_equal(count_keys(pattern), key_cnt);
    free(few);
    free(facts);
    free(sources);
    free(own);
}

static void expect_no_scope(const char *name, const struct fls_view_scope *scope)
{
    char *few = key_of(name, scope, FLS_REDIS_FEW, NULL);
    char pattern[256];

    snprintf(pattern, sizeof(pattern), "%.*s:*", (int)(strlen(few) - strlen(":few")), few);
    assert_int_equal(count_keys(pattern), 0);
    free(few);
}

static void expect_epoch(struct fls_view *view, uint64_t expected)
{
    struct fls_view_held held;

    assert_int_equal(fls_view_hold(view, &held), 0);
    assert_int_equal(held.epoch, expected);
}

/* All of a cycle of one scope but its commit. */
static void stage(struct fls_view *view, const struct figures *figures, bool afresh)
{
    assert_int_equal(fls_view_begin(view, afresh), 0);
    assert_int_equal(fls_view_put_scope(view, &figures->scope), 0);
}

/* One epoch of one scope. */
static void publish(struct fls_view *view, const struct figures *figures, uint64_t epoch)
{
    stage(view, figures, false);
    assert_int_equal(fls_view_commit(view, epoch), 0);
}

/* What a publisher shows that starts with a Redis of no epoch. */
static struct fls_view *publish_afresh(const struct figures *figures, uint64_t epoch)
{
    struct fls_view *view = open_view("n");

    expect_epoch(view, 0);
    stage(view, figures, true);
    assert_int_equal(fls_view_commit(view, epoch), 0);
    expect_scope("n", figures);
    return view;
}

/* The first epoch of the figures, and the second one staged. */
static struct fls_view *publish_and_stage(const struct figures *figures)
{
    struct fls_view *view = open_view("n");

    publish(view, figures, 1);
    stage(view, figures, false);
    return view;
}

/* ---- Tests ---- */

static void writes_what_was_put(void **state)
{
    struct fls_view *view = open_view("n");
    struct figures *all[12];

    (void)state;
    expect_epoch(view, 0);
    for (uint64_t round = 1; round <= 3; round++) {
        assert_int_equal(fls_view_begin(view, false), 0);
        for (uint32_t i = 0; i < 12; i++) {
            char account[32];

            snprintf(account, sizeof(account), "%012u", i % 3);
            all[i] = make_figures(i < 9 ? DAY + i / 3 : FLS_DAY_UNKNOWN, i % 3 ? account : NULL,
                                  round * 100 + i, i % 2 ? 5 : 300);
            assert_int_equal(fls_view_put_scope(view, &all[i]->scope), 0);
        }
        expect_epoch(view, round - 1);
        assert_int_equal(fls_view_commit(view, round), 0);
        expect_epoch(view, round);
        for (uint32_t i = 0; i < 12; i++) {
            expect_scope("n", all[i]);
            free_figures(all[i]);
        }
        assert_int_equal(count_keys("flowlog:{n}:stage:*"), 0);
        assert_int_equal(ask_integer("SCARD %s", "flowlog:{n}:day:unknown:scopes"), 3);
    }
    fls_view_close(view);
}

static void put_all_input(struct fls_view *view, bool is_second)
{
    static const struct fls_view_failed failed[] = {{"/a b.gz", "truncated"}, {"c", "it \"is\""}};
    static const struct fls_view_lines lines[] = {{"1", {1, 2, 3}},
                                                  {"unknown", {FLS_COUNTER_MAX, 0, 0}}};
    static const struct fls_view_sample samples[] = {{FLS_REASON_TOO_LONG, 0, "o:1: \\x00"},
                                                     {FLS_REASON_TOO_LONG, 1, "o:2: b"}};
    static const uint32_t days[] = {DAY, FLS_DAY_UNKNOWN, 0};
    static const char *const accounts[] = {"1", "x y", "unknown"};
    struct fls_view_input input = {.objects = 7,
                                   .counts = {.bytes_read = 1,
                                              .bytes = UINT64_C(9007199254740993),
                                              .lines = 3,
                                              .headers = 4,
                                              .records = 5,
                                              .nodata = 6,
                                              .skipdata = 7,
                                              .malformed = {8, 9}},
                                   .failed_cnt = 2,
                                   .lines_cnt = 2,
                                   .sample_cnt = 2,
                                   .day_cnt = 3,
                                   .account_cnt = 3,
                                   .failed = failed,
                                   .lines = lines,
                                   .samples = samples,
                                   .days = days,
                                   .accounts = accounts,
                                   .top_k = 100,
                                   .ledger = is_second ? "aa" : "bb"};

    if (is_second) {
        input.objects = 8;
        input.failed_cnt = input.sample_cnt = 0;
        input.day_cnt = input.account_cnt = 1;
        input.top_k = 5;
    }
    assert_int_equal(fls_view_put_input(view, &input), 0);
}

static void writes_the_input(void **state)
{
    struct fls_view *view = open_view("n");
    struct fls_view_held held;

    (void)state;
    assert_int_equal(fls_view_hold(view, &held), 0);
    assert_int_equal(held.top_k, 0);
    assert_string_equal(held.ledger, "");
    assert_int_equal(fls_view_begin(view, true), 0);
    put_all_input(view, true); /* a second put replaces it */
    put_all_input(view, false);
    assert_int_equal(fls_view_commit(view, 1), 0);
    expect_reply("7", "HGET %s %s", "flowlog:{n}:input", "objects");
    expect_reply("9007199254740993", "HGET %s %s", "flowlog:{n}:input", "bytes");
    expect_reply("8", "HGET %s %s", "flowlog:{n}:input", "malformed:too_long");
    expect_reply("9", "HGET %s %s", "flowlog:{n}:input", "malformed:too_few_fields");
    expect_reply("0", "HGET %s %s", "flowlog:{n}:input", "malformed:out_of_range");
    assert_int_equal(ask_integer("HLEN %s", "flowlog:{n}:input"), 8 + FLS_REASON_CNT);
    expect_reply("truncated", "HGET %s %s", "flowlog:{n}:failed", "/a b.gz");
    expect_reply("1 2 3", "HGET %s %s", "flowlog:{n}:lines", "1");
    expect_reply("9223372036854775807 0 0", "HGET %s %s", "flowlog:{n}:lines", "unknown");
    expect_reply("o:2: b", "HGET %s %s", "flowlog:{n}:samples", "too_long|1");
    expect_reply("20454", "ZSCORE %s %s", "flowlog:{n}:days", "2026-01-01");
    expect_reply("0", "ZSCORE %s %s", "flowlog:{n}:days", "1970-01-01");
    expect_reply("inf", "ZSCORE %s %s", "flowlog:{n}:days", "unknown");
    assert_int_equal(ask_integer("SCARD %s", "flowlog:{n}:accounts"), 3);
    expect_reply("1", "HGET %s %s", "flowlog:{n}:meta", "schema");
    expect_reply("100", "HGET %s %s", "flowlog:{n}:meta", "top_k");
    assert_int_equal(fls_view_begin(view, false), 0);
    put_all_input(view, true);
    assert_int_equal(fls_view_commit(view, 2), 0);
    expect_reply("8", "HGET %s %s", "flowlog:{n}:input", "objects");
    assert_int_equal(ask_integer("EXISTS %s", "flowlog:{n}:failed"), 0);
    assert_int_equal(ask_integer("EXISTS %s", "flowlog:{n}:samples"), 0);
    assert_int_equal(ask_integer("ZCARD %s", "flowlog:{n}:days"), 1);
    expect_reply("5", "HGET %s %s", "flowlog:{n}:meta", "top_k");
    assert_int_equal(fls_view_begin(view, false), 0); /* without input: it stays */
    assert_int_equal(fls_view_commit(view, 3), 0);
    assert_int_equal(fls_view_hold(view, &held), 0);
    assert_int_equal(held.epoch, 3);
    assert_int_equal(held.top_k, 5);
    assert_string_equal(held.ledger, "aa");
    expect_reply("8", "HGET %s %s", "flowlog:{n}:input", "objects");
    expect_reply("5", "HGET %s %s", "flowlog:{n}:meta", "top_k");
    assert_int_equal(count_keys("*stage*"), 0);
    fls_view_close(view);
}

static void shows_whole_epochs_only(void **state)
{
    struct fls_view *view = open_view("n");
    struct figures *old[4], *new[4];

    (void)state;
    assert_int_equal(fls_view_begin(view, false), 0);
    for (uint32_t i = 0; i < 4; i++) {
        old[i] = make_figures(DAY + i, "1", i, 40);
        new[i] = make_figures(DAY + i, "1", i + 50, 40);
        assert_int_equal(fls_view_put_scope(view, &old[i]->scope), 0);
    }
    assert_int_equal(fls_view_commit(view, 1), 0);
    assert_int_equal(fls_view_begin(view, false), 0);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(fls_view_put_scope(view, &new[i]->scope), 0);
        for (uint32_t j = 0; j < 4; j++)
            expect_scope("n", old[j]);
    }
    assert_int_equal(fls_view_drop_day(view, DAY + 3), 0);
    expect_scope("n", old[3]);
    assert_int_equal(fls_view_commit(view, 2), 0);
    for (uint32_t i = 0; i < 3; i++)
        expect_scope("n", new[i]);
    expect_no_scope("n", &new[3]->scope);
    assert_int_equal(count_keys("*stage*"), 0);
    for (uint32_t i = 0; i < 4; i++) {
        free_figures(old[i]);
        free_figures(new[i]);
    }
    fls_view_close(view);
}

/* A process that reads two scopes and the epoch in one MULTI, over and over, until the last epoch:
 * each reading must be of one epoch. */
static _Noreturn void read_until(uint64_t last)
{
    char error[256];
    redisContext *reader = fls_redis_connect(&redis_address, error, sizeof(error));
    uint64_t epoch = 0, readings = 0;

    while (reader && epoch < last) {
        void *got = NULL;
        redisReply *reply;

        redisAppendCommand(reader, "MULTI");
        redisAppendCommand(reader, "GET flowlog:{n}:epoch");
        redisAppendCommand(reader, "HGET flowlog:{n}:day:2026-01-01:organisation:few totals|");
        redisAppendCommand(reader, "HGET flowlog:{n}:day:2026-01-02:account:1:few totals|");
        redisAppendCommand(reader, "EXEC");
        for (int i = 0; i < 5; i++) {
            freeReplyObject(got);
            if (redisGetReply(reader, &got) != REDIS_OK)
                _exit(3);
        }
        reply = got;
        if (reply->elements != 3)
            _exit(4);
        if (reply->element[0]->type == REDIS_REPLY_STRING) {
            size_t sz = reply->element[0]->len;

            epoch = strtoull(reply->element[0]->str, NULL, 10);
            for (int i = 1; i <= 2; i++)
                if (reply->element[i]->type != REDIS_REPLY_STRING ||
                    strncmp(reply->element[i]->str, reply->element[0]->str, sz) != 0 ||
                    reply->element[i]->str[sz] != ' ')
                    _exit(5);
            readings++;
        }
        freeReplyObject(reply);
    }
    _exit(readings ? 0 : 6);
}

static void readers_see_one_epoch(void **state)
{
    const uint64_t last = 200;
    struct fls_view *view = open_view("n");
    int status;
    pid_t reader = fork();

    (void)state;
    if (reader == 0)
        read_until(last);
    for (uint64_t epoch = 1; epoch <= last; epoch++) {
        struct fls_view_row row = {.key = FLS_SPAN(""), .counters = {{epoch, 0, 0, 0, 0}}};
        struct fls_view_table table = {.id = FLS_TABLE_TOTALS, .row_cnt = 1, .rows = &row};
        struct fls_view_scope scope = {.day = DAY, .table_cnt = 1, .tables = &table};

        assert_int_equal(fls_view_begin(view, epoch % 7 == 0), 0);
        assert_int_equal(fls_view_put_scope(view, &scope), 0);
        scope.day++;
        scope.account = "1";
        assert_int_equal(fls_view_put_scope(view, &scope), 0);
        assert_int_equal(fls_view_commit(view, epoch), 0);
    }
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    fls_view_close(view);
}

static void replaces_within_a_cycle(void **state)
{
    struct fls_view *view = open_view("n");
    struct figures *first = make_figures(DAY, NULL, 1, 50), *second = make_figures(DAY, NULL, 2, 3);
    struct fls_view_scope nothing = {.day = DAY};

    (void)state;
    stage(view, first, false);
    assert_int_equal(fls_view_put_scope(view, &second->scope), 0);
    assert_int_equal(fls_view_commit(view, 1), 0);
    expect_scope("n", second);
    assert_int_equal(fls_view_begin(view, false), 0); /* drop, then put: the put counts */
    assert_int_equal(fls_view_drop_day(view, DAY), 0);
    assert_int_equal(fls_view_put_scope(view, &first->scope), 0);
    assert_int_equal(fls_view_commit(view, 2), 0);
    expect_scope("n", first);
    assert_int_equal(ask_integer("SCARD %s", "flowlog:{n}:day:2026-01-01:scopes"), 1);
    stage(view, first, false); /* put, then nothing */
    assert_int_equal(fls_view_put_scope(view, &nothing), 0);
    assert_int_equal(fls_view_commit(view, 3), 0);
    expect_no_scope("n", &nothing);
    assert_int_equal(count_keys("*"), 2); /* epoch, meta */
    free_figures(first);
    free_figures(second);
    fls_view_close(view);
}

static void takes_long_texts(void **state)
{
    struct fls_view *view = open_view("n");
    const size_t sz = 4 * FLS_ACCOUNT_MAX;
    char *account = malloc(sz + 1), *few, *top;
    struct fls_view_row rows[3] = {{.key = {(uint8_t *)account, sz}},
                                   {.key = FLS_SPAN("short")},
                                   {.key = {(uint8_t *)account, sz - 1}}};
    struct fls_view_table tables[2] = {{.id = FLS_TABLE_VPC, .row_cnt = 3, .rows = rows},
                                       {.id = FLS_TABLE_SERVICE, .row_cnt = 3, .rows = rows}};
    struct fls_view_scope scope = {
        .day = DAY, .account = account, .table_cnt = 2, .tables = tables};

    (void)state;
    memset(account, 'a', sz);
    account[sz] = '\0';
    assert_int_equal(fls_view_begin(view, false), 0);
    assert_int_equal(fls_view_put_scope(view, &scope), 0);
    assert_int_equal(fls_view_commit(view, 1), 0);
    few = key_of("n", &scope, FLS_REDIS_FEW, NULL);
    top = key_of("n", &scope, FLS_REDIS_TOP, "service");
    assert_int_equal(ask_integer("HLEN %s", few), 3);
    assert_int_equal(ask_integer("HLEN %s", top), 3);
    expect_reply("0 0 0 0 0", "HGET %s %s", top, account);
    assert_int_equal(fls_view_begin(view, false), 0);
    assert_int_equal(fls_view_drop_day(view, DAY), 0);
    assert_int_equal(fls_view_commit(view, 2), 0);
    assert_int_equal(count_keys("*"), 2);
    free(few);
    free(top);
    free(account);
    fls_view_close(view);
}

static void refuses_the_replaced_publisher(void **state)
{
    struct figures *old = make_figures(DAY, NULL, 1, 30), *stale = make_figures(DAY, NULL, 2, 30);
    struct figures *new = make_figures(DAY, NULL, 3, 30);
    struct fls_view *first = open_view("n"), *second, *third;

    (void)state;
    publish(first, old, 1);
    stage(first, stale, false);
    second = open_view("n");
    stage(second, new, false);
    /* The one staging meanwhile does not reach the other's keys. */
    assert_int_equal(fls_view_put_scope(first, &stale->scope), 0);
    assert_int_equal(fls_view_commit(first, 2), -ESTALE);
    assert_non_null(strstr(fls_view_failure(first), "another publisher"));
    expect_scope("n", old);
    expect_epoch(second, 1);
    assert_int_equal(fls_view_commit(second, 3), 0);
    expect_scope("n", new);
    expect_epoch(second, 3);
    assert_int_equal(count_keys("*stage*"), 0);
    /* One that is replaced before it begins, and one that no longer has a connection. */
    third = open_view("n");
    assert_int_equal(fls_view_begin(second, true), -ESTALE);
    assert_int_equal(fls_view_put_scope(second, &stale->scope), -ENOTCONN);
    assert_int_equal(fls_view_commit(second, 4), -ENOTCONN);
    expect_epoch(third, 3);
    fls_view_close(first);
    fls_view_close(second);
    fls_view_close(third);
    free_figures(old);
    free_figures(stale);
    free_figures(new);
}

static void cleans_up_after_the_interrupted(void **state)
{
    struct figures *old = make_figures(DAY, NULL, 1, 30), *new = make_figures(DAY, NULL, 2, 300);
    struct fls_view *view = open_view("n"), *other = open_view("n.2");
    pid_t child;

    (void)state;
    publish(view, old, 1);
    publish(other, old, 1);
    stage(other, new, false);
    expect_epoch(other, 1); /* an answer: all before it is staged */
    fls_view_close(view);
    child = fork();
    if (child == 0) { /* dies in mid-cycle, without a word */
        view = open_view("n");
        if (fls_view_begin(view, false) == 0 && fls_view_put_scope(view, &new->scope) == 0)
            fls_view_hold(view, &(struct fls_view_held){0}); /* all sent */
        kill(getpid(), SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_true(count_keys("flowlog:{n}:stage:*") > 2);
    expect_scope("n", old);
    view = open_view("n");
    expect_epoch(view, 1);
    assert_int_equal(fls_view_begin(view, false), 0);
    assert_int_equal(count_keys("flowlog:{n}:stage:*"), 0);
    assert_true(count_keys("flowlog:{n.2}:stage:*") > 2);
    assert_int_equal(fls_view_put_scope(view, &new->scope), 0);
    assert_int_equal(fls_view_begin(view, false), 0); /* given up, and begun again */
    assert_int_equal(count_keys("flowlog:{n}:stage:*"), 0);
    assert_int_equal(fls_view_commit(view, 2), 0);
    expect_scope("n", old);
    assert_int_equal(fls_view_commit(other, 2), 0);
    expect_scope("n.2", new);
    stage(view, new, false);
    fls_view_close(view); /* given up in order: nothing is left */
    assert_int_equal(count_keys("*stage*"), 0);
    fls_view_close(other);
    free_figures(old);
    free_figures(new);
}

static void begins_afresh(void **state)
{
    static const char *const neighbours[] = {"ab", "a.b", "A", "b"};
    struct figures *old = make_figures(DAY, "1", 1, 30), *new = make_figures(DAY, NULL, 2, 30);
    struct fls_view *view = open_view("a"), *others[4];

    (void)state;
    for (int i = 0; i < 4; i++) {
        others[i] = open_view(neighbours[i]);
        publish(others[i], old, 5);
    }
    publish(view, old, 9);
    for (int i = 0; i < 3000; i++)
        redis_tell("SET flowlog:{a}:day:x:%d 1", i);
    redis_tell("SET flowlog:a:b 1");
    stage(view, new, true);
    assert_int_equal(ask_integer("EXISTS %s", "flowlog:{a}:day:x:1"), 1);
    assert_int_equal(fls_view_commit(view, 1), 0);
    expect_epoch(view, 1);
    expect_scope("a", new);
    expect_no_scope("a", &old->scope);
    assert_int_equal(count_keys("flowlog:{a}:day:x:*"), 0);
    assert_int_equal(ask_integer("EXISTS %s", "flowlog:a:b"), 1);
    assert_int_equal(ask_integer("SCARD %s", "flowlog:{a}:day:2026-01-01:scopes"), 1);
    for (int i = 0; i < 4; i++) {
        expect_scope(neighbours[i], old);
        expect_epoch(others[i], 5);
        fls_view_close(others[i]);
    }
    publish(view, old, 2); /* the incarnation was not removed */
    fls_view_close(view);
    free_figures(old);
    free_figures(new);
}

static void survives_the_servers_death(void **state)
{
    struct figures *figures = make_figures(DAY, NULL, 1, 300);
    struct fls_view *view = publish_and_stage(figures);
    int status = 0;

    (void)state;
    kill(redis_server.pid, SIGKILL);
    for (int i = 0; i < 3 && !status; i++)
        status = fls_view_put_scope(view, &figures->scope);
    assert_int_not_equal(status, 0);
    assert_non_null(strstr(fls_view_failure(view), "lost"));
    assert_int_equal(fls_view_commit(view, 2), -ENOTCONN);
    assert_non_null(strstr(fls_view_failure(view), "lost"));
    fls_view_close(view);
    redis_stop();
    redis_start();
    view = publish_afresh(figures, 2);
    free_figures(figures);
    fls_view_close(view);
}

static void notices_an_emptied_redis(void **state)
{
    struct figures *figures = make_figures(DAY, NULL, 1, 300);
    struct fls_view *view = publish_and_stage(figures);

    (void)state;
    redis_tell("FLUSHALL");
    assert_int_equal(fls_view_put_scope(view, &figures->scope), 0);
    assert_int_equal(fls_view_commit(view, 2), -ENODATA);
    assert_int_equal(count_keys("*"), 0);
    fls_view_close(view);
    view = open_view("n");
    expect_epoch(view, 0);
    publish(view, figures, 2);
    expect_scope("n", figures);
    fls_view_close(view);
    free_figures(figures);
}

/* ---- What Redis may answer ---- */

static void tells_what_is_wrong(void **state)
{
    struct figures *figures = make_figures(DAY, NULL, 1, 300);
    struct fls_view *view = open_view("n");

    (void)state;
    publish(view, figures, 1);
    redis_tell("CONFIG SET maxmemory 1");
    stage(view, figures, false);
    assert_int_equal(fls_view_commit(view, 2), -ENOMEM);
    assert_non_null(strstr(fls_view_failure(view), "maxmemory"));
    fls_view_close(view);
    redis_tell("CONFIG SET maxmemory 0");
    expect_scope("n", figures);
    view = open_view("n");
    expect_epoch(view, 1);
    assert_int_equal(fls_view_begin(view, false), 0);
    redis_tell("CONFIG SET min-replicas-to-write 1");
    assert_int_equal(fls_view_commit(view, 2), -EROFS);
    assert_non_null(strstr(fls_view_failure(view), "replicas"));
    fls_view_close(view);
    redis_tell("CONFIG SET min-replicas-to-write 0");
    expect_scope("n", figures);
    free_figures(figures);
}

/* A staged key that vanished makes EXEC succeed in part: no epoch is then better than a mix. */
static void takes_the_epoch_back(void **state)
{
    struct figures *figures = make_figures(DAY, NULL, 1, 30);
    struct fls_view *view = publish_and_stage(figures);
    redisReply *keys;

    (void)state;
    assert_int_equal(fls_view_hold(view, &(struct fls_view_held){0}), 0); /* all sent */
    keys = redis_ask("KEYS *stage*few");
    assert_int_equal(keys->elements, 1);
    redis_tell("DEL %s", keys->element[0]->str);
    freeReplyObject(keys);
    assert_int_equal(fls_view_commit(view, 2), -EIO);
    fls_view_close(view);
    view = publish_afresh(figures, 2);
    fls_view_close(view);
    free_figures(figures);
}

static void knows_another_schema(void **state)
{
    struct figures *figures = make_figures(DAY, NULL, 1, 3);
    struct fls_view *view = open_view("n");

    (void)state;
    publish(view, figures, 7);
    redis_tell("HSET flowlog:{n}:meta schema 999");
    expect_epoch(view, 0);
    fls_view_close(view);
    free_figures(figures);
}

/* How many lines of stderr speak of the policy while a view is opened. */
static int count_warnings(const char *policy)
{
    FILE *file = tmpfile();
    char line[512];
    int old = dup(STDERR_FILENO), cnt = 0;

    assert_non_null(file);
    redis_tell("CONFIG SET maxmemory-policy %s", policy);
    dup2(fileno(file), STDERR_FILENO);
    fls_view_close(open_view("n"));
    dup2(old, STDERR_FILENO);
    close(old);
    rewind(file);
    while (fgets(line, sizeof(line), file))
        cnt += strstr(line, "maxmemory-policy") != NULL;
    fclose(file);
    return cnt;
}

static void warns_of_eviction_once(void **state)
{
    (void)state;
    assert_int_equal(count_warnings("allkeys-lru"), 0); /* there is no limit */
    redis_tell("CONFIG SET maxmemory 1gb");
    assert_int_equal(count_warnings("volatile-lru"), 0);
    assert_int_equal(count_warnings("noeviction"), 0);
    assert_int_equal(count_warnings("allkeys-lru"), 1);
    assert_int_equal(count_warnings("allkeys-random"), 0);
    redis_tell("CONFIG SET maxmemory 0");
    redis_tell("CONFIG SET maxmemory-policy noeviction");
}

static void refuses_names(void **state)
{
    struct fls_view *view;
    char error[256];

    (void)state;
    assert_int_equal(fls_view_open(&view, &redis_address, "a*", error, sizeof(error)), -EINVAL);
    assert_null(view);
}

/* ---- HyperLogLogs ---- */

/* Both encodings of the same registers are taken by Redis, and hold the same registers. */
static void encodes_hlls(void **state)
{
    static const uint32_t cnts[] = {0, 1, 2, 100, 900, 1500, 5000, 100000};
    static uint8_t dense[FLS_HLL_SZ], encoded[FLS_HLL_SZ];

    (void)state;
    for (size_t i = 0; i < sizeof(cnts) / sizeof(cnts[0]); i++) {
        size_t sz;

        memset(dense, 0, sizeof(dense));
        memcpy(dense, "HYLL", 4);
        seed = i + 1;
        for (uint32_t j = 0; j < cnts[i]; j++)
            set_register(dense, (unsigned)(draw() % FLS_HLL_REGISTERS),
                         1 + (unsigned)__builtin_ctzll(draw() | UINT64_C(1) << 31));
        set_register(dense, FLS_HLL_REGISTERS - 1, (unsigned)i % 2);
        sz = fls_view_hll_encode(dense, encoded);
        assert_true(cnts[i] > 2000 ? sz == FLS_HLL_SZ
                                   : sz <= FLS_HLL_SPARSE_SZ_MAX || cnts[i] > 900);
        dense[15] |= 0x80;
        redis_tell("SET dense %b", dense, sizeof(dense));
        redis_tell("SET encoded %b", encoded, sz);
        assert_int_equal(ask_integer("PFCOUNT %s", "dense"), ask_integer("PFCOUNT %s", "encoded"));
        redis_tell("PFMERGE encoded2 encoded");
        redis_tell("PFDEBUG TODENSE encoded2");
        for (int j = 0; j < 2; j++) {
            redisReply *bytes = redis_ask("GETRANGE %s 16 -1", j ? "encoded2" : "dense");

            assert_int_equal(bytes->len, FLS_HLL_SZ - 16);
            assert_memory_equal(bytes->str, dense + 16, FLS_HLL_SZ - 16);
            freeReplyObject(bytes);
        }
        redis_tell("DEL encoded2");
        redis_tell("PFADD encoded 10.0.0.1 10.0.0.2");
    }
    memset(dense, 0, sizeof(dense));
    memcpy(dense, "HYLL", 4);
    set_register(dense, 5, 33); /* more than a sparse register holds */
    assert_int_equal(fls_view_hll_encode(dense, encoded), FLS_HLL_SZ);
}

/* ---- Speed: only when asked for ---- */

/* Of all EXECs since the statistics were reset: in that time nobody else is served. */
static double exec_ms(void)
{
    redisReply *info = redis_ask("INFO commandstats");
    const char *at = strstr(info->str, "cmdstat_exec:");
    double us = at ? strtod(strstr(at, "usec=") + strlen("usec="), NULL) : 0;

    freeReplyObject(info);
    return us / 1e3;
}

static void measure(uint32_t scope_cnt, uint32_t row_cnt)
{
    struct fls_view *view = open_view("n");
    struct figures *figures = make_figures(DAY, NULL, 1, row_cnt);
    struct fls_view_row *rows = draw_rows(row_cnt, false);
    uint64_t start, staged, swapped;

    figures->scope.table_cnt = 0;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_tables[i].size == FLS_SIZE_TOP || i == FLS_TABLE_MINUTE)
            figures->tables[figures->scope.table_cnt++] = (struct fls_view_table){
                .id = (enum fls_table_id)i, .row_cnt = row_cnt, .rows = rows};
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        start = fls_clock_ns();
        assert_int_equal(fls_view_begin(view, false), 0);
        for (uint32_t i = 0; i < scope_cnt; i++) {
            snprintf(figures->account, sizeof(figures->account), "%012u", i);
            figures->scope.account = figures->account;
            assert_int_equal(fls_view_put_scope(view, &figures->scope), 0);
        }
        expect_epoch(view, epoch - 1);
        staged = fls_clock_ns();
        redis_tell("CONFIG RESETSTAT");
        assert_int_equal(fls_view_commit(view, epoch), 0);
        swapped = fls_clock_ns();
        print_message("epoch %" PRIu64 ": %u scopes x %u tables x %u rows: staged in %.0f ms, "
                      "committed in %.1f ms, in which others waited %.1f ms\n",
                      epoch, scope_cnt, figures->scope.table_cnt, row_cnt,
                      (double)(staged - start) / 1e6, (double)(swapped - staged) / 1e6, exec_ms());
    }
    fls_view_close(view);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(writes_what_was_put, redis_empty),
        cmocka_unit_test_setup(writes_the_input, redis_empty),
        cmocka_unit_test_setup(shows_whole_epochs_only, redis_empty),
        cmocka_unit_test_setup(readers_see_one_epoch, redis_empty),
        cmocka_unit_test_setup(replaces_within_a_cycle, redis_empty),
        cmocka_unit_test_setup(takes_long_texts, redis_empty),
        cmocka_unit_test_setup(refuses_the_replaced_publisher, redis_empty),
        cmocka_unit_test_setup(cleans_up_after_the_interrupted, redis_empty),
        cmocka_unit_test_setup(begins_afresh, redis_empty),
        cmocka_unit_test_setup(survives_the_servers_death, redis_empty),
        cmocka_unit_test_setup(notices_an_emptied_redis, redis_empty),
        cmocka_unit_test_setup(tells_what_is_wrong, redis_empty),
        cmocka_unit_test_setup(takes_the_epoch_back, redis_empty),
        cmocka_unit_test_setup(knows_another_schema, redis_empty),
        cmocka_unit_test_setup(warns_of_eviction_once, redis_empty),
        cmocka_unit_test_setup(refuses_names, redis_empty),
        cmocka_unit_test_setup(encodes_hlls, redis_empty),
    };

    if (argc == 4 && strcmp(argv[1], "--measure") == 0) { /* --measure SCOPES ROWS */
        redis_setup(NULL);
        measure((uint32_t)atoi(argv[2]), (uint32_t)atoi(argv[3]));
        return redis_teardown(NULL);
    }
    return cmocka_run_group_tests(tests, redis_setup, redis_teardown);
}

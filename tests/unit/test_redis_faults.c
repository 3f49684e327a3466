/* Publishing while Redis hangs, breaks off, is emptied, killed and started again, at any command of
 * a cycle: no reader ever finds a part of an epoch, and in the end Redis holds what an undisturbed
 * publisher would have written. With FLS_FAULTS=all at every command, else at some. */
#include "published.h"
#include "redis_proxy.h"

#include "base/clock.h"
#include "base/visible.h"

#include <errno.h>

#define DAY 20454U /* 2026-01-01 */
#define TIMEOUT_MS 100
#define TRIES_MAX 500      /* attempts until a server that was started again answers */
#define POINTS_PER_FAULT 4 /* unless all are asked for */
#define NAME "n"

static struct proxy proxy;
static struct fls_redis_address by_proxy;

static const char *const fault_names[FAULT_CNT] = {
    "nothing", "hang", "close", "lost reply", "half a reply", "half a reply, then nothing",
    "flush",   "kill", "answer"};

static int setup(void **state)
{
    if (redis_setup(state))
        return -1;
    proxy_start(&proxy);
    by_proxy = (struct fls_redis_address){.unix_path = proxy.socket, .timeout_ms = TIMEOUT_MS};
    return 0;
}

static int teardown(void **state)
{
    proxy_stop(&proxy);
    return redis_teardown(state);
}

/* The test's own connection, after the server was started again. */
static void connect_again(void)
{
    char error[512];

    redisFree(redis_link);
    redis_link = NULL;
    for (int i = 0; i < TRIES_MAX && !redis_link; i++) {
        redis_link = fls_redis_connect(&redis_address, error, sizeof(error));
        if (!redis_link)
            poll(NULL, 0, 1);
    }
    if (!redis_link)
        fail_msg("%s", error);
}

/* ---- what a reader may see ---- */

/* The published keys, without what is staged. */
static struct piece seen_by_readers(void)
{
    struct piece all = dump(NAME), seen = {NULL, 0};
    FILE *out = open_memstream(&seen.at, &seen.sz);
    const char *at = all.at, *end = all.at + all.sz; /* which holds NULs */

    while (at < end) {
        const char *next = memmem(at, (size_t)(end - at), "\n\n== ", 5);

        next = next ? next + 2 : end;
        if (strncmp(at, "== stage:", 9) != 0)
            fwrite(at, 1, (size_t)(next - at), out);
        at = next;
    }
    fclose(out);
    free(all.at);
    return seen;
}

/* The epoch that Redis holds, 0 for none. */
static uint64_t epoch_held(void)
{
    redisReply *reply = redis_ask("GET flowlog:{" NAME "}:epoch");
    uint64_t epoch = reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;

    freeReplyObject(reply);
    return epoch;
}

/* Where they differ, if they do. */
static void expect_equal(const struct piece *is, const struct piece *should, const char *when)
{
    size_t sz = is->sz < should->sz ? is->sz : should->sz, at = 0, from;
    char texts[2][400];

    if (is->sz == should->sz && memcmp(is->at, should->at, sz) == 0)
        return;
    while (at < sz && is->at[at] == should->at[at])
        at++;
    from = at > 150 ? at - 150 : 0;
    fls_visible((struct fls_span){(uint8_t *)is->at + from, is->sz - from}, texts[0], 400);
    fls_visible((struct fls_span){(uint8_t *)should->at + from, should->sz - from}, texts[1], 400);
    fail_msg("%s: Redis holds ...%s... and should ...%s...", when, texts[0], texts[1]);
}

/* All that a reader finds is one epoch of these two, or nothing. `last` is what an undisturbed
 * publisher makes of the newer one, `before` what Redis held of the older. */
static void expect_whole(uint64_t epoch, const struct piece *before, const struct piece *last,
                         const char *when)
{
    uint64_t held = epoch_held();
    const struct piece *should = held == epoch ? last : before;
    struct piece seen;

    if (held == 0)
        return; /* nothing is published, a reader says */
    assert_true(held == epoch || held + 1 == epoch);
    seen = seen_by_readers();
    expect_equal(&seen, should, when);
    free(seen.at);
}

/* ---- cycles ---- */

struct cycles {
    struct state state;
    struct fls_show show;
    uint64_t seed;
    unsigned object;
};

static void cycles_begin(struct cycles *c)
{
    *c = (struct cycles){.seed = 7};
    c->show = (struct fls_show){
        .address = &by_proxy, .name = NAME, .top_k = 5, .day_bytes_max = UINT64_MAX};
    open_state(&c->state, 35);
}

static void cycles_end(struct cycles *c)
{
    fls_show_fini(&c->show);
    close_state(&c->state);
}

static void commit_one(struct cycles *c)
{
    const uint32_t day =
        DAY + c->object % 2; /* so that there is one that the epoch did not touch */

    random_epoch(&c->seed, &c->state, &day, 1, 12, NULL);
    add_result(&c->state.epoch, c->object++, FLS_RESULT_COUNTED, false);
    commit_state(&c->state);
}

static int try(struct cycles *c)
{
    return fls_show_commit(&c->show, &c->state.commit, true);
}

static struct piece of_undisturbed(struct cycles *c)
{
    struct fls_show fresh = {
        .address = &redis_address, .name = "undisturbed", .top_k = 5, .day_bytes_max = UINT64_MAX};

    c->state.commit.is_read_only = true; /* that is left to the one that is disturbed */
    if (fls_show_commit(&fresh, &c->state.commit, true))
        fail_msg("%s", fresh.failure);
    c->state.commit.is_read_only = false;
    fls_show_fini(&fresh);
    return dump("undisturbed");
}

/* One epoch, with the fault at that command of it; false if it has fewer commands. */
static bool disturb(struct cycles *c, enum fault fault, uint32_t at)
{
    struct piece before = seen_by_readers(), last, now;
    char when[64];
    int tries = 0, error;

    commit_one(c);
    last = of_undisturbed(c);
    snprintf(when, sizeof(when), "%s at command %u", fault_names[fault], at);
    proxy_arm(&proxy, fault, at);
    while ((error = try(c))) {
        assert_int_not_equal(error, -EIO); /* a transaction that was carried out in part */
        if (proxy.has_struck && fault == FAULT_KILL)
            connect_again();
        expect_whole(c->state.commit.epoch, &before, &last, when);
        if (++tries == TRIES_MAX)
            fail_msg("%s: %s", when, c->show.failure);
    }
    if (proxy.has_struck && fault == FAULT_KILL)
        connect_again();
    now = dump(NAME); /* nothing staged is left, either */
    expect_equal(&now, &last, when);
    free(before.at);
    free(last.at);
    free(now.at);
    return proxy.has_struck;
}

/* How many commands an undisturbed epoch takes. */
static uint32_t length_of_cycle(struct cycles *c)
{
    proxy_arm(&proxy, FAULT_NONE, 0);
    commit_one(c);
    assert_int_equal(try(c), 0);
    return proxy.seen;
}

static void faults_at_any_command(enum fault fault)
{
    bool all = getenv("FLS_FAULTS") && strcmp(getenv("FLS_FAULTS"), "all") == 0;
    struct cycles c;
    uint32_t cnt, step, at = 1, struck = 0;

    cycles_begin(&c);
    commit_one(&c);
    assert_int_equal(try(&c), 0);
    cnt = length_of_cycle(&c);
    step = all ? 1 : cnt / POINTS_PER_FAULT + 1;
    for (; disturb(&c, fault, at); at += step)
        struck++;
    print_message("%s: at %u of about %u commands\n", fault_names[fault], struck, cnt);
    assert_true(struck >= POINTS_PER_FAULT / 2);
    assert_true(disturb(&c, fault, PROXY_AT_EXEC));
    cycles_end(&c);
}

#define FAULT_TEST(name, fault)                                                                    \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        faults_at_any_command(fault);                                                              \
    }

FAULT_TEST(hanging_anywhere, FAULT_HANG)
FAULT_TEST(breaking_off_anywhere, FAULT_CLOSE)
FAULT_TEST(replies_lost_anywhere, FAULT_LOST_REPLY)
FAULT_TEST(replies_cut_anywhere, FAULT_HALF_REPLY)
FAULT_TEST(replies_stuck_anywhere, FAULT_HALF_HANGS)
FAULT_TEST(emptied_anywhere, FAULT_FLUSH)
FAULT_TEST(killed_anywhere, FAULT_KILL)

/* ---- away for long ---- */

static uint32_t count_segment_files(void)
{
    uint32_t cnt = 0;
    char name[64];

    for (uint64_t i = 1; i < 1000; i++) {
        snprintf(name, sizeof(name), "segments/%llu.seg", (unsigned long long)i);
        cnt += scratch_has(name) != 0;
    }
    return cnt;
}

/* As many epochs as it takes to see whether parts and files become more and more; then the first
 * attempt makes it good. */
static void away_for_long(void **state)
{
    struct fls_redis_address nowhere = {.unix_path = (char *)"/nonexistent/redis.sock"};
    struct cycles c;
    struct piece last, now;

    (void)state;
    cycles_begin(&c);
    commit_one(&c);
    assert_int_equal(try(&c), 0);
    fls_show_fini(&c.show);
    c.show.address = &nowhere;
    for (uint32_t i = 0; i < 2 * FLS_DAY_PARTS_MAX; i++) {
        commit_one(&c);
        assert_int_equal(try(&c), -ENOENT);
        for (uint32_t day = DAY; day <= DAY + 1; day++)
            assert_true(part_cnt(&c.state, day) <= FLS_DAY_PARTS_MAX);
    }
    assert_true(count_segment_files() <= FLS_DAY_PARTS_MAX);
    c.show.address = &by_proxy;
    assert_int_equal(try(&c), 0);
    last = of_undisturbed(&c);
    now = dump(NAME);
    expect_equal(&now, &last, "after it was away");
    free(last.at);
    free(now.at);
    cycles_end(&c);
}

/* One that hangs is left alone for some time; one that refuses at once is asked again soon. */
static void attempts_are_spaced(void **state)
{
    struct fls_redis_address nowhere = {.unix_path = (char *)"/nonexistent/redis.sock"};
    struct cycles c;
    uint64_t began_ns;

    (void)state;
    cycles_begin(&c);
    commit_one(&c);
    proxy_arm(&proxy, FAULT_HANG, 1);
    began_ns = fls_clock_ns();
    assert_int_equal(try(&c), -ETIMEDOUT);
    assert_non_null(strstr(c.show.failure, "does not answer"));
    assert_true(c.show.next_ns >= began_ns + TIMEOUT_MS * FLS_NS_PER_MS * FLS_SHOW_PAUSE_FACTOR);
    proxy_arm(&proxy, FAULT_NONE, 0);
    for (int i = 0; i < 3; i++) { /* in this pause nobody is asked */
        commit_one(&c);
        assert_int_equal(fls_show_commit(&c.show, &c.state.commit, false), -ETIMEDOUT);
        assert_int_equal(proxy.seen, 0);
    }
    assert_int_equal(try(&c), 0); /* unless the caller insists */
    assert_int_equal(c.show.next_ns, 0);
    fls_show_fini(&c.show);
    c.show.address = &nowhere;
    commit_one(&c);
    assert_int_equal(try(&c), -ENOENT);
    assert_true(c.show.next_ns < fls_clock_ns() + FLS_NS_PER_S);
    cycles_end(&c);
}

/* What an idle publisher finds out. */
static void looks_after_redis(void **state)
{
    struct cycles c;

    (void)state;
    cycles_begin(&c);
    commit_one(&c);
    assert_int_equal(try(&c), 0);
    fls_show_check(&c.show);
    assert_true(c.show.is_current);
    redis_tell("FLUSHALL");
    fls_show_check(&c.show);
    assert_false(c.show.is_current);
    assert_int_equal(fls_show_commit(&c.show, &c.state.commit, false), 0);
    assert_true(epoch_held() > 0);
    redis_tell("INCR flowlog:{" NAME "}:incarnation");
    fls_show_check(&c.show);
    assert_false(c.show.is_current);
    assert_int_equal(fls_show_commit(&c.show, &c.state.commit, true), -ESTALE);
    cycles_end(&c);
}

/* Every answer that has a meaning: it is told with what to do, nothing is published by halves, and
 * the next attempt makes it good. */
static void answers_are_told(void **state)
{
    static const struct {
        const char *begins;
        int error;
        const char *means;
    } answers[] = {
#define ANSWER(begins, error, means) {begins, error, means},
#include "base/redis_answers.def"
#undef ANSWER
    };
    struct cycles c;

    (void)state;
    cycles_begin(&c);
    commit_one(&c);
    assert_int_equal(try(&c), 0);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct piece before = seen_by_readers(), now;
        bool has_moved = answers[i].error == EREMOTE; /* another attempt is made at once */

        commit_one(&c);
        snprintf(proxy.answer, sizeof(proxy.answer), "-%s 1 x:1\r\n", answers[i].begins);
        proxy_arm(&proxy, FAULT_ANSWER, 1);
        assert_int_equal(try(&c), has_moved ? 0 : -answers[i].error);
        assert_non_null(strstr(c.show.failure, answers[i].means));
        now = seen_by_readers();
        if (!has_moved)
            expect_equal(&now, &before, answers[i].begins);
        assert_int_equal(try(&c), 0);
        assert_int_equal(epoch_held(), c.state.commit.epoch);
        free(before.at);
        free(now.at);
    }
    cycles_end(&c);
}

/* What publishers that died have staged goes with the next epoch, whoever they were. */
static void nothing_staged_stays(void **state)
{
    struct cycles c;
    redisReply *keys;

    (void)state;
    cycles_begin(&c);
    for (int i = 0; i < 3; i++) {
        redis_tell("SET flowlog:{" NAME "}:stage:%d:few x", i + 1);
        commit_one(&c);
        proxy_arm(&proxy, FAULT_CLOSE, 40); /* in the middle of staging */
        assert_true(try(&c) == 0 || proxy.has_struck);
        fls_show_fini(&c.show); /* another process takes over */
        c.show = (struct fls_show){.address = &by_proxy, .name = NAME, .top_k = 5};
        proxy_arm(&proxy, FAULT_NONE, 0);
        assert_int_equal(try(&c), 0);
    }
    commit_one(&c);
    assert_int_equal(try(&c), 0);
    keys = redis_ask("KEYS *:stage:*");
    assert_int_equal(keys->elements, 0);
    freeReplyObject(keys);
    cycles_end(&c);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hanging_anywhere),     TEST(breaking_off_anywhere),  TEST(replies_lost_anywhere),
        TEST(replies_cut_anywhere), TEST(replies_stuck_anywhere), TEST(emptied_anywhere),
        TEST(killed_anywhere),      TEST(away_for_long),          TEST(attempts_are_spaced),
        TEST(looks_after_redis),    TEST(answers_are_told),       TEST(nothing_staged_stays),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}

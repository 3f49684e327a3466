/* The router and the interner through real rings: one process routes, the other one reads as an
 * aggregator does, and both make the same lines from the same seed. */
#include "scratch.h"

#include "dies.h"
#include "rings.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/dictionary.h"
#include "ingest/route.h"
#include "shm/message.h"
#include "shm/region.h"

#include <xxhash.h>

#define RINGS_MAX 4U
#define EPOCHS 6U
#define OBJECTS 5U /* of an epoch */
#define BATCHES 6U /* of an object */
#define WINDOW_MAX 400000U
#define RECORDS_MAX (EPOCHS * OBJECTS * BATCHES * FLS_BATCH_MAX)

static struct fls_ring rings[RINGS_MAX];
static uint32_t ring_cnt;

/* ---- lines ---- */

static struct fls_batch batch;
static uint8_t window[WINDOW_MAX];
static struct fls_span line_texts[FLS_BATCH_MAX][FLS_ATTRIBUTE_CNT]; /* of the batch's lines */

/* The text of an attribute: few of them, so that they come again; now and then a long one. */
static size_t make_text(uint64_t random, uint8_t *text)
{
    uint32_t number = (uint32_t)(random >> 32) % 4;

    if (random % 5 == 0)
        return 0; /* `-` */
    if (random % 499 == 0) {
        memset(text, (int)('a' + number), 30000 + number);
        return 30000 + number;
    }
    text[0] = (uint8_t)number; /* any byte, NUL too */
    text[1] = (uint8_t)('a' + number);
    return 1 + number % 2;
}

static struct fls_flow make_flow(uint64_t id, uint64_t *seed)
{
    struct fls_flow flow = {.bytes = id, .packets = scratch_random(seed) >> 1};
    uint64_t random = scratch_random(seed);

    flow.kind = random % 10 ? FLS_KIND_RECORD : FLS_KIND_NODATA;
    if (random % 100 == 50)
        flow.kind = FLS_KIND_SKIPDATA;
    flow.src[0] = 10;
    flow.src[3] = (uint8_t)(random >> 32);
    flow.src[15] = (uint8_t)(random >> 62);
    flow.minute = (uint32_t)scratch_random(seed);
    flow.has = FLS_HAS_SRC;
    return flow;
}

/* Runs of one text or more, some of them of no attribute. */
static void make_runs(uint64_t *seed)
{
    struct fls_text_runs *runs = &batch.runs;
    bool is_gap = false;

    for (int k = 0; k < FLS_ATTRIBUTE_CNT; k++) {
        if (k < 3 ? scratch_random(seed) % 8 == 0 : scratch_random(seed) % 9 != 0)
            continue;
        if (runs->text_cnt == 0 || scratch_random(seed) % 2)
            runs->first[runs->cnt++] = runs->text_cnt;
        else if (is_gap)
            runs->attribute[runs->text_cnt++] = FLS_NO_ATTRIBUTE;
        runs->last[runs->cnt - 1] = runs->text_cnt;
        runs->attribute[runs->text_cnt++] = (uint8_t)k;
        is_gap = !is_gap && k < FLS_ATTRIBUTE_CNT / 2;
    }
}

/* The window's next text, with what parts it from the one after it; returns where that begins. */
static uint32_t put_text(uint32_t at, uint64_t seed, struct fls_span *text)
{
    text->at = window + at;
    text->sz = at + 40000 < WINDOW_MAX ? make_text(seed, window + at) : 0;
    if (text->sz == 0)
        window[at++] = '-';
    at += (uint32_t)text->sz;
    window[at++] = ' ';
    return at;
}

/* A line's texts, into the window from `at` on; returns where the next one's begin. */
static uint32_t put_line(uint32_t line, uint32_t at, uint64_t *seed)
{
    const struct fls_text_runs *runs = &batch.runs;
    struct fls_run *run = batch.run + (size_t)line * runs->cnt;
    struct fls_span unused;

    for (uint32_t i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        line_texts[line][i] = FLS_SPAN("");
    for (uint32_t i = 0, k = 0; i < runs->text_cnt; i++) {
        uint8_t attribute = runs->attribute[i];

        if (i == runs->first[k])
            run[k].at = at;
        at = put_text(at, scratch_random(seed),
                      attribute == FLS_NO_ATTRIBUTE ? &unused : &line_texts[line][attribute]);
        if (i == runs->last[k]) {
            run[k].sz = at - 1 - run[k].at;
            k++;
        }
    }
    return at;
}

/* Batch number i of all: its layout and its lines; *id counts the lines. */
static void make_batch(uint32_t i, uint64_t *id)
{
    uint64_t seed = i * 1000003ULL + 1;
    uint32_t at = 0;

    for (int warm = 0; warm < 3; warm++)
        scratch_random(&seed);
    memset(&batch, 0, sizeof(batch));
    batch.cnt = (uint32_t)(scratch_random(&seed) % (FLS_BATCH_MAX + 1));
    make_runs(&seed);
    for (uint32_t line = 0; line < batch.cnt; line++) {
        batch.flow[line] = make_flow((*id)++, &seed);
        at = put_line(line, at, &seed);
    }
}

static struct fls_span text_of(uint32_t line, int attribute)
{
    return line_texts[line][attribute];
}

/* A number for all texts of a line; different ones have different numbers but for a chance of
 * 2^-64. */
static uint64_t digest(struct fls_span (*text)(uint32_t, int), uint32_t of)
{
    uint64_t sum = 0;

    for (int attribute = 0; attribute < FLS_ATTRIBUTE_CNT; attribute++) {
        struct fls_span span = text(of, attribute);

        sum = XXH3_64bits_withSeed(span.at, span.sz, sum + span.sz);
    }
    return sum;
}

/* ---- the ingest's side ---- */

static struct fls_router router;

/* Lines of the accounts of an object, by number of the account's text. */
static struct fls_dictionary accounts;
static struct fls_account_lines account_lines[64];

static void model_tally(void)
{
    for (uint32_t line = 0; line < batch.cnt; line++) {
        struct fls_account_lines *lines =
            &account_lines[fls_dictionary_intern(&accounts, text_of(line, FLS_ATTRIBUTE_ACCOUNT))];

        lines->records += batch.flow[line].kind == FLS_KIND_RECORD;
        lines->nodata += batch.flow[line].kind == FLS_KIND_NODATA;
        lines->skipdata += batch.flow[line].kind == FLS_KIND_SKIPDATA;
    }
}

static void check_tally(void)
{
    const struct fls_account_tally *tally = &router.tally;

    fls_assert(tally->touched_cnt == accounts.cnt);
    for (uint32_t i = 0; i < tally->touched_cnt; i++) {
        uint32_t symbol = tally->touched[i], number;
        struct fls_span text = fls_dictionary_text(&router.interner.symbols, symbol);

        fls_assert(fls_dictionary_find(&accounts, text, &number));
        fls_assert(
            memcmp(&tally->lines[symbol], &account_lines[number], sizeof(account_lines[0])) == 0);
    }
    fls_dictionary_clear(&accounts);
    memset(account_lines, 0, sizeof(account_lines));
}

static uint32_t records_of_batch(void)
{
    uint32_t cnt = 0;

    for (uint32_t line = 0; line < batch.cnt; line++)
        cnt += batch.flow[line].kind == FLS_KIND_RECORD;
    return cnt;
}

static void route_all(void)
{
    int metrics_fd = fls_metrics_create();
    struct fls_metrics *metrics = fls_metrics_map(metrics_fd, true);
    uint64_t id = 0;
    uint32_t i = 0;

    fls_router_init(&router, rings, ring_cnt, metrics);
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        for (uint32_t object = 0; object < OBJECTS; object++) {
            fls_router_begin_object(&router);
            for (uint32_t k = 0; k < BATCHES; k++) {
                make_batch(i++, &id);
                model_tally();
                fls_assert(fls_router_push(&router, &batch, window) == records_of_batch());
            }
            check_tally();
        }
        fls_router_barrier(&router, epoch == EPOCHS - 1);
        fls_assert(router.tally.touched_cnt == 0);
    }
    fls_router_fini(&router);
    fls_dictionary_fini(&accounts);
    fls_region_unmap(metrics, FLS_METRICS_SZ);
    close(metrics_fd);
}

/* ---- the aggregators' side ---- */

/* What is to come of each line, and whether it has come. */
static struct {
    struct fls_flow flow;
    uint64_t texts;
    uint32_t epoch;
    bool has_come;
} expected[RECORDS_MAX];

static uint32_t expected_records[EPOCHS], expected_combinations[EPOCHS];

struct reader {
    struct fls_consumer consumer;
    struct fls_message message;
    struct fls_dictionary symbols; /* their texts */
    uint64_t *combinations;        /* digests, by id */
    uint32_t combination_cnt, epoch;
    uint64_t next_id; /* lines stay in order */
    bool at_barrier, has_ended;
};

static struct reader readers[RINGS_MAX];

static void forget_symbols(struct reader *reader)
{
    fls_dictionary_clear(&reader->symbols);
    assert_int_equal(fls_dictionary_intern(&reader->symbols, FLS_SPAN("")), FLS_SYMBOL_ABSENT);
}

static uint32_t records_come;

static void expect_all(void)
{
    uint64_t id = 0;

    memset(expected_records, 0, sizeof(expected_records));
    for (uint32_t epoch = 0; epoch < EPOCHS; epoch++) {
        struct fls_dictionary combinations = {0};

        for (uint32_t k = 0; k < OBJECTS * BATCHES; k++) {
            uint64_t first = id;

            make_batch(epoch * OBJECTS * BATCHES + k, &id);
            expected_records[epoch] += records_of_batch();
            for (uint32_t line = 0; line < batch.cnt; line++) {
                uint64_t texts = digest(text_of, line);

                expected[first + line].flow = batch.flow[line];
                expected[first + line].texts = texts;
                expected[first + line].epoch = epoch;
                expected[first + line].has_come = false;
                fls_dictionary_intern(&combinations,
                                      (struct fls_span){(uint8_t *)&texts, sizeof(texts)});
            }
        }
        expected_combinations[epoch] = combinations.cnt;
        fls_dictionary_fini(&combinations);
    }
}

static const struct reader *being_read;
static uint32_t told_symbols[FLS_ATTRIBUTE_CNT];

static struct fls_span told_text(uint32_t unused, int attribute)
{
    (void)unused;
    return fls_dictionary_text(&being_read->symbols, told_symbols[attribute]);
}

static void check_record(struct reader *reader, const struct fls_flow *flow)
{
    uint64_t id = flow->bytes;
    struct fls_flow alike = *flow;

    assert_true(id >= reader->next_id && id < RECORDS_MAX && !expected[id].has_come);
    reader->next_id = id + 1;
    expected[id].has_come = true;
    records_come++;
    assert_int_equal(expected[id].epoch, reader->epoch);
    assert_true(flow->attributes < reader->combination_cnt);
    assert_int_equal(reader->combinations[flow->attributes], expected[id].texts);
    alike.attributes = 0;
    assert_memory_equal(&alike, &expected[id].flow, sizeof(alike));
}

static void take_attributes(struct reader *reader)
{
    struct fls_span payload = reader->message.payload;

    assert_int_equal(reader->message.number, reader->combination_cnt);
    assert_int_equal(payload.sz, sizeof(told_symbols));
    memcpy(told_symbols, payload.at, sizeof(told_symbols));
    for (int i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        assert_true(told_symbols[i] < reader->symbols.cnt);
    being_read = reader;
    reader->combinations =
        realloc(reader->combinations, (reader->combination_cnt + 1) * sizeof(uint64_t));
    reader->combinations[reader->combination_cnt++] = digest(told_text, 0);
}

static void take_barrier(struct reader *reader)
{
    reader->at_barrier = true;
    reader->has_ended = reader->message.number == FLS_BARRIER_LAST;
    assert_int_equal(reader->combination_cnt, expected_combinations[reader->epoch]);
    assert_int_equal(reader->has_ended, reader->epoch == EPOCHS - 1);
    assert_int_equal(reader->message.payload.sz, 0);
}

static void take_slot(uint32_t ring, const struct fls_slot *slot)
{
    struct reader *reader = &readers[ring];

    if (!reader->message.is_partial && fls_slot_kind(slot) == FLS_KIND_RECORD) {
        check_record(reader, (const struct fls_flow *)(const void *)slot);
        return;
    }
    if (!fls_message_feed(&reader->message, slot))
        return;
    switch (reader->message.kind) {
    case FLS_KIND_SYMBOL: /* dense, in order, and each text once */
        assert_int_equal(reader->message.number, reader->symbols.cnt);
        assert_int_equal(fls_dictionary_intern(&reader->symbols, reader->message.payload),
                         reader->message.number);
        return;
    case FLS_KIND_ATTRIBUTES:
        take_attributes(reader);
        return;
    default:
        assert_int_equal(reader->message.kind, FLS_KIND_BARRIER);
        take_barrier(reader);
    }
}

static uint32_t drain(uint32_t ring)
{
    const struct fls_slot *slots;
    uint32_t taken = 0;

    while (!readers[ring].at_barrier && fls_consumer_peek(&readers[ring].consumer, &slots) > 0) {
        take_slot(ring, slots);
        fls_consumer_release(&readers[ring].consumer, 1);
        taken++;
    }
    return taken;
}

/* True if every ring has come to its barrier; then the next epoch begins. */
static bool next_epoch(void)
{
    for (uint32_t i = 0; i < ring_cnt; i++)
        if (!readers[i].at_barrier)
            return false;
    assert_int_equal(records_come, expected_records[readers[0].epoch]);
    records_come = 0;
    for (uint32_t i = 0; i < ring_cnt; i++) {
        readers[i].at_barrier = false;
        readers[i].epoch++;
        readers[i].combination_cnt = 0;
        forget_symbols(&readers[i]);
    }
    return true;
}

static void sleep_until_input(int bell)
{
    bool may_sleep = true;

    for (uint32_t i = 0; i < ring_cnt; i++)
        may_sleep &= readers[i].at_barrier || fls_consumer_will_wait(&readers[i].consumer);
    if (may_sleep)
        fls_bell_wait(bell, -1, FLS_SLEEP_MAX_MS);
    for (uint32_t i = 0; i < ring_cnt; i++)
        fls_consumer_has_woken(&readers[i].consumer);
}

static void read_all(void)
{
    records_come = 0;
    for (uint32_t i = 0; i < ring_cnt; i++) {
        readers[i] = (struct reader){0};
        forget_symbols(&readers[i]);
        fls_consumer_join(&readers[i].consumer, &rings[i]);
    }
    for (uint32_t epoch = 0; epoch < EPOCHS;) {
        uint32_t taken = 0;

        for (uint32_t i = 0; i < ring_cnt; i++)
            taken += drain(i);
        if (next_epoch())
            epoch++;
        else if (taken == 0)
            sleep_until_input(rings[0].consumer_bell);
    }
    for (uint32_t i = 0; i < ring_cnt; i++) {
        assert_true(readers[i].has_ended);
        fls_consumer_leave(&readers[i].consumer);
        fls_message_fini(&readers[i].message);
        fls_dictionary_fini(&readers[i].symbols);
        free(readers[i].combinations);
    }
    for (uint64_t id = 0; id < RECORDS_MAX; id++)
        assert_int_equal(expected[id].has_come, expected[id].flow.kind == FLS_KIND_RECORD);
}

static void run(uint32_t cnt, uint32_t slot_cnt)
{
    pid_t child;

    ring_cnt = cnt;
    rings_create(rings, ring_cnt, slot_cnt);
    expect_all();
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        route_all();
        _exit(0);
    }
    read_all();
    assert_ends_well(child);
    rings_close(rings, ring_cnt);
}

static void routes_to_one_ring(void **state)
{
    (void)state;
    run(1, FLS_RING_SLOTS_MIN);
    run(1, 8192);
}

static void routes_to_several_rings(void **state)
{
    (void)state;
    run(3, FLS_RING_SLOTS_MIN);
    run(RINGS_MAX, 1024);
}

/* ---- where records go ---- */

#define SHARDS 3U
#define SHARD_SLOTS 4096U

static struct fls_router one;
static struct fls_metrics *metrics;

static void begin_one(void)
{
    int metrics_fd = fls_metrics_create();

    metrics = fls_metrics_map(metrics_fd, true);
    close(metrics_fd);
    for (uint32_t i = 0; i < SHARDS; i++)
        assert_int_equal(fls_ring_create(&rings[i], SHARD_SLOTS, -1, -1), 0);
    fls_router_init(&one, rings, SHARDS, metrics);
}

static void end_one(void)
{
    fls_router_fini(&one);
    fls_region_unmap(metrics, FLS_METRICS_SZ);
    for (uint32_t i = 0; i < SHARDS; i++)
        fls_ring_close(&rings[i]);
}

static uint64_t pushed_to(uint32_t ring)
{
    struct fls_ring_look look;

    fls_ring_look(&rings[ring], &look);
    return look.head;
}

/* cnt records of an account. */
static void make_records(uint32_t account, uint32_t cnt)
{
    memset(&batch, 0, sizeof(batch));
    batch.cnt = cnt;
    batch.runs = (struct fls_text_runs){.cnt = 1, .text_cnt = 1};
    batch.run[0] =
        (struct fls_run){0, (uint32_t)snprintf((char *)window, sizeof(window), "%012u", account)};
    for (uint32_t i = 0; i < cnt; i++) {
        batch.run[i] = batch.run[0];
        batch.flow[i] = (struct fls_flow){.kind = FLS_KIND_RECORD};
    }
}

/* A record of an account; returns its ring, SHARDS if it was in none. */
static uint32_t push_one(uint32_t account)
{
    uint64_t before[SHARDS];

    make_records(account, 1);
    for (uint32_t i = 0; i < SHARDS; i++)
        before[i] = pushed_to(i);
    assert_int_equal(fls_router_push(&one, &batch, window), 1);
    fls_router_flush(&one);
    for (uint32_t i = 0; i < SHARDS; i++)
        if (pushed_to(i) == before[i] + 1)
            return i;
    return SHARDS;
}

/* Definitions go to all rings, so only the second record of an account shows its ring. */
static void an_account_has_one_shard(void **state)
{
    uint32_t accounts_of[SHARDS] = {0}, known[100];

    (void)state;
    begin_one();
    for (uint32_t account = 0; account < 100; account++)
        push_one(account);
    for (uint32_t account = 0; account < 100; account++)
        accounts_of[known[account] = push_one(account)]++;
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(push_one(i % 100), known[i % 100]);
    for (uint32_t i = 0; i < SHARDS; i++)
        assert_true(accounts_of[i] > 15 && accounts_of[i] < 60);
    end_one();
}

/* Fills the ring of the account, which has been waited for long enough then, and drains the others,
 * which stay so as long as nothing is sent there. Returns the account's. */
static uint32_t begin_full(uint32_t account, struct fls_consumer *consumers)
{
    uint32_t home;

    begin_one();
    push_one(account);
    home = push_one(account);
    for (uint32_t i = 0; i < SHARDS; i++) {
        const struct fls_slot *slots;

        fls_consumer_join(&consumers[i], &rings[i]);
        if (i != home)
            fls_consumer_release(&consumers[i], fls_consumer_peek(&consumers[i], &slots));
    }
    while (pushed_to(home) < SHARD_SLOTS)
        assert_int_equal(push_one(account), home);
    one.stall.ring = home;
    one.stall.ns = UINT64_MAX / 2;
    return home;
}

static void end_full(struct fls_consumer *consumers)
{
    for (uint32_t i = 0; i < SHARDS; i++)
        fls_consumer_leave(&consumers[i]);
    end_one();
}

static void a_full_shard_has_help_of_an_idle_one(void **state)
{
    struct fls_consumer consumers[SHARDS];
    uint32_t home, i;

    (void)state;
    home = begin_full(7, consumers);
    for (i = 0; i < 1000; i++)
        assert_int_not_equal(push_one(7), home);
    end_full(consumers);
}

/* Many records at once, of which the first finds its ring full: 2,048 more go where it goes; then
 * their own ring is tried again, and the third shard helps. */
static void a_detour_has_an_end(void **state)
{
    struct fls_consumer consumers[SHARDS];
    uint64_t before[SHARDS], sum = 0;
    uint32_t home, i;

    (void)state;
    home = begin_full(7, consumers);
    for (i = 0; i < SHARDS; i++)
        before[i] = pushed_to(i);
    for (i = 0; i < 9; i++) {
        make_records(7, FLS_BATCH_MAX);
        assert_int_equal(fls_router_push(&one, &batch, window), FLS_BATCH_MAX);
    }
    fls_router_flush(&one);
    assert_int_equal(pushed_to(home), SHARD_SLOTS);
    for (i = 0; i < SHARDS; i++) {
        uint64_t more = pushed_to(i) - before[i];

        assert_true(i == home || more == 2049 || more == 9 * FLS_BATCH_MAX - 2049);
        sum += more;
    }
    assert_int_equal(sum, 9 * FLS_BATCH_MAX);
    end_full(consumers);
}

/* ---- what an object may bring ---- */

/* A record of an account's interface. */
static void push_interface(uint32_t number)
{
    make_records(7, 1);
    batch.runs = (struct fls_text_runs){
        .cnt = 1, .last = {1}, .text_cnt = 2, .attribute = {0, FLS_ATTRIBUTE_INTERFACE}};
    batch.run[0].sz += (uint32_t)snprintf((char *)window + 12, 10, " eni-%04u", number);
    assert_int_equal(fls_router_push(&one, &batch, window), 1);
}

static void a_combination_counts_once_in_each_object(void **state)
{
    const uint64_t sz = sizeof(uint32_t) + 12 + sizeof(uint32_t) + 8 + FLS_QUOTA_COMBINATION_SZ;

    (void)state;
    begin_one();
    for (int object = 0; object < 3; object++) {
        fls_router_begin_object(&one);
        assert_int_equal(one.quota.texts_sz, 0);
        for (uint32_t i = 0; i < 100; i++) {
            push_interface(i % 10);
            assert_int_equal(one.quota.texts_sz, (i < 10 ? i + 1 : 10) * sz);
        }
    }
    end_one();
}

/* Two records of each day; it stops at the first one of a day too many, and for good. */
static void an_object_of_too_many_days_is_stopped(void **state)
{
    uint32_t pushed = 0, day = 0;

    (void)state;
    begin_one();
    fls_router_begin_object(&one);
    for (uint32_t from = 0; from <= 2 * FLS_QUOTA_DAYS_MAX; from += FLS_BATCH_MAX) {
        struct fls_consumer reader;
        const struct fls_slot *slots;

        assert_null(fls_quota_excess(&one.quota));
        make_records(7, FLS_BATCH_MAX);
        for (uint32_t i = 0; i < FLS_BATCH_MAX; i++, day++)
            batch.flow[i].minute = day / 2 * FLS_MINUTES_PER_DAY;
        pushed += fls_router_push(&one, &batch, window);
        for (uint32_t i = 0; i < SHARDS; i++) {
            fls_consumer_join(&reader, &rings[i]);
            fls_consumer_release(&reader, fls_consumer_peek(&reader, &slots));
            fls_consumer_leave(&reader);
        }
    }
    assert_int_equal(pushed, 2 * FLS_QUOTA_DAYS_MAX);
    assert_non_null(fls_quota_excess(&one.quota));
    make_records(7, 1);
    batch.flow[0].minute = FLS_QUOTA_DAYS_MAX * FLS_MINUTES_PER_DAY; /* the day too many */
    assert_int_equal(fls_router_push(&one, &batch, window), 0);
    assert_int_equal(one.account.lines->records, pushed);
    end_one();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_to_one_ring),
        cmocka_unit_test(routes_to_several_rings),
        cmocka_unit_test(an_account_has_one_shard),
        cmocka_unit_test(a_full_shard_has_help_of_an_idle_one),
        cmocka_unit_test(a_detour_has_an_end),
        cmocka_unit_test(a_combination_counts_once_in_each_object),
        cmocka_unit_test(an_object_of_too_many_days_is_stopped),
    };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}

/* What a commit and the sums after it read and write follows what its epoch changed: as much when
 * 10 days are held as when 300 are, however these came in. Bytes are counted, not time. */
#include "calls.h"
#include "epochs.h"

#define DAY 20454U
#define HELD_MAX 300U
#define RECORDS_OF_A_DAY 40U
/* Trees of the ledger are one page deeper, and a page is full a row sooner or later. */
#define MORE_MAX (8U * 4096U)

struct cost {
    uint64_t read, written, mapped;
};

/* The day's records are the same however many others there are. */
static void add_days(struct state *s, uint32_t begin, uint32_t end)
{
    struct fls_epoch *epoch = &s->epoch;
    struct random_shard *shards = calloc(EPOCH_SHARDS, sizeof(*shards));

    assert_non_null(shards);
    for (uint32_t day = begin; day < end; day++) {
        uint64_t seed = day + 1;

        for (uint32_t k = 0; k < RECORDS_OF_A_DAY; k++)
            random_record(&seed, shard_day(&shards[k % EPOCH_SHARDS], DAY + day), NULL, 0);
    }
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++) {
        uint64_t size;
        int fd = shard_segment(&shards[i], &size);

        assert_int_equal(fls_commit_add_segment(&s->commit, epoch, fd, size), 0);
        for (uint32_t k = 0; k < shards[i].day_cnt; k++)
            rows_fini(&shards[i].days[k].rows);
    }
    free(shards);
    add_result(epoch, begin + 1000 * (uint32_t)s->commit.epoch, FLS_RESULT_COUNTED, false);
    commit_state(s);
}

static void hold(uint32_t held, bool at_once)
{
    struct state s;

    open_state_in(&s, calls.folder, 1000);
    if (at_once)
        add_days(&s, 0, held);
    for (uint32_t day = 0; day < held && !at_once; day++)
        add_days(&s, day, day + 1);
    close_state(&s);
}

static struct cost take_cost(void)
{
    struct cost cost = {.read = calls.log->bytes[CALL_READ],
                        .written = calls.log->bytes[CALL_WRITE],
                        .mapped = calls.log->bytes[CALL_MAP]};

    calls_reset();
    return cost;
}

/* Of an epoch that adds to one day: the commit, the day's sum, its compaction, the cleaning. A new
 * process makes it, which has no day in memory. */
static struct cost measure(uint32_t held, bool at_once)
{
    struct cost cost;
    struct state s;

    assert_int_equal(scratch_teardown(NULL), 0);
    assert_int_equal(mkdir(scratch, 0700), 0);
    assert_int_equal(mkdir(calls.folder, 0700), 0);
    hold(held, at_once);
    open_state_in(&s, calls.folder, 1000);
    calls_reset();
    add_days(&s, held / 2, held / 2 + 1);
    assert_int_equal(s.commit.touched.cnt, 1);
    compact_day(&s, DAY + held / 2, UINT64_MAX);
    assert_int_equal(fls_commit_clean(&s.commit), 0);
    cost = take_cost();
    assert_int_equal(s.commit.days.cnt, held);
    close_state(&s);
    return cost;
}

static void expect_alike(const char *what, uint64_t few, uint64_t many)
{
    print_message("%s: %d and %d bytes\n", what, (int)few, (int)many);
    assert_in_range(many, 0, few + MORE_MAX);
}

static void compare(bool at_once)
{
    struct cost few = measure(10, at_once), many = measure(HELD_MAX, at_once);

    expect_alike("read", few.read, many.read);
    expect_alike("written", few.written, many.written);
    expect_alike("mapped", few.mapped, many.mapped);
}

static void days_that_came_one_by_one(void **unused)
{
    (void)unused;
    compare(false);
}

static void days_that_came_in_one_epoch(void **unused)
{
    (void)unused;
    compare(true);
}

static int set_up(void **state)
{
    int status = scratch_setup(state);

    calls_init(scratch_path("state"));
    return status;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(days_that_came_one_by_one),
        TEST(days_that_came_in_one_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

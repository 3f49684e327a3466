/* The power fails at any call on the state folder: also after a process was killed and another went
 * on, and after a sync that failed. What was said to be committed is there, and nothing is damaged.
 * FLS_FAULTS=all: at every single call, in many ways; else a sample. */
#include "story.h"

#include "disk.h"

#define CALLS_OF_A_START                                                                           \
    15U /* about as many calls as a new process makes before its first commit */

static uint32_t cut_cnt;

static void empty_folder(void)
{
    assert_int_equal(scratch_teardown(NULL), 0);
    assert_int_equal(mkdir(scratch, 0700), 0);
}

/* The last epoch that was said to be committed before the call. */
static uint64_t epoch_before(uint32_t end)
{
    uint64_t epoch = 0;

    for (uint32_t i = 0; i < end; i++)
        if (calls.log->calls[i].kind == CALL_MARK)
            epoch = calls.log->calls[i].at;
    return epoch;
}

static void cut_at(uint32_t end, enum disk_luck luck, uint64_t seed)
{
    uint64_t epoch = epoch_before(end);

    empty_folder();
    calls.is_recording = false;
    assert_int_equal(mkdir(calls.folder, 0700), 0); /* who made it synced its name first */
    disk_after_cut(end, luck, seed, calls.folder);
    cut_cnt++;
    if (getenv("FLS_FAULTS_SHOW") != NULL)
        print_message("cut at %u, luck %d, seed %d\n", end, (int)luck, (int)seed);
    story_goes_on(epoch, epoch + 1);
}

/* Cuts at calls of the record from `begin` up to `end`: all in every way, or, of the sample, one in
 * `step` in this way, and here and there at random. */
static void cut_between(uint32_t begin, uint32_t end, uint32_t step, enum disk_luck sample)
{
    if (end > calls.log->call_cnt)
        end = calls.log->call_cnt;
    for (uint32_t at = begin; at <= end; at += story_is_thorough() ? 1 : step) {
        for (int luck = 0; luck < DISK_ANYTHING; luck++)
            if (story_is_thorough() || luck == (int)sample)
                cut_at(at, (enum disk_luck)luck, 0);
        if (story_is_thorough() || at % 5 == 0)
            cut_at(at, DISK_ANYTHING, 1000003 + at);
    }
}

/* Tells the story while all is recorded. What is to happen to its calls is what `set` makes of
 * them. */
static int record(void (*set)(uint32_t at), uint32_t at)
{
    int status;

    calls_reset();
    empty_folder();
    assert_int_equal(mkdir(calls.folder, 0700), 0);
    calls.is_recording = true;
    set(at);
    status = story_child(0, STORY_EPOCHS, 1);
    calls.kinds = calls.end_at = calls.fail_at = 0;
    return status;
}

static void set_nothing(uint32_t at)
{
    (void)at;
}

#define LOG "state.db-wal"

/* In the sample, before each sync of the ledger's log: then the most is on its way. */
static void set_end(uint32_t at)
{
    calls.kinds = story_is_thorough() ? CALLS_WRITING : 1U << CALL_SYNC;
    calls.only = story_is_thorough() ? NULL : LOG;
    calls.end_at = at;
}

static void set_failing_sync(uint32_t at)
{
    calls.kinds = 1U << CALL_SYNC;
    calls.only = story_is_thorough() ? NULL : LOG;
    calls.number = EIO;
    calls.fail_at = at;
}

static void at_any_call(void **unused)
{
    (void)unused;
    assert_int_equal(record(set_nothing, 0), 0);
    cut_between(0, UINT32_MAX, 17, DISK_NOTHING);
    for (uint64_t seed = 1; seed <= (story_is_thorough() ? 20 : 1); seed++)
        for (uint32_t at = 0; at < calls.log->call_cnt; at += story_is_thorough() ? 1 : 7)
            cut_at(at, DISK_ANYTHING, seed * 7919 + at);
}

/* The process is killed, the next one goes on from what it finds, which need not be on the disk:
 * names that it removes may be gone while what made them useless is not there. */
static void after_a_kill(void **unused)
{
    uint32_t end_at = 1;
    int status;

    (void)unused;
    while ((status = record(set_end, end_at)) != 0) {
        uint32_t begin = calls.log->call_cnt;

        assert_int_equal(status, CALLS_ENDED);
        assert_int_equal(story_child(0, STORY_EPOCHS, 1), 0);
        cut_between(begin, begin + 2 * CALLS_OF_A_START, 4, DISK_NAMES);
        end_at += story_is_thorough() ? 1 : 2;
    }
}

/* The place in the record of the sync that failed, which is not there: behind the one before. */
static uint32_t place_of_failure(uint32_t number)
{
    uint32_t i = 0, before = number - 1;

    for (; i < calls.log->call_cnt && before > 0; i++)
        before -= calls.log->calls[i].kind == CALL_SYNC &&
                  (story_is_thorough() || strcmp(calls.log->calls[i].path, LOG) == 0);
    return i;
}

/* A sync fails; publish goes on where it may, else another does. What was not synced may be there
 * all the same, and come back as long as nothing took its place. */
static void after_a_sync_that_failed(void **unused)
{
    uint32_t fail_at = 1, failed;

    (void)unused;
    do {
        uint32_t begin;

        if (record(set_failing_sync, fail_at) != 0)
            assert_int_equal(story_child(0, STORY_EPOCHS, 1), 0);
        begin = place_of_failure(fail_at);
        failed = calls.log->failed;
        cut_between(begin, begin + 4 * CALLS_OF_A_START, 5, DISK_ALL);
        fail_at += story_is_thorough() ? 1 : 2;
    } while (failed > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, story_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(at_any_call),
        TEST(after_a_kill),
        TEST(after_a_sync_that_failed),
    };
    int failed;

    story_init();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    print_message("%u cuts\n", cut_cnt);
    story_fini();
    return failed;
}

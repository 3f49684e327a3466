/* Each call on the state folder fails once, or from then on: a full disk, a broken one, no memory.
 * What was committed stays, what was not is not there at all, and the next attempt succeeds.
 * FLS_FAULTS=all: every single call; else a sample. */
#include "story.h"

#define BEGIN 2U /* epochs that are there before anything fails */

/* ---- memory ---- */

/* AddressSanitizer has these functions of its own. */
#if !defined(__SANITIZE_ADDRESS__)
#define CAN_FAIL_MEMORY true

extern void *__libc_malloc(size_t sz), *__libc_calloc(size_t cnt, size_t sz),
    *__libc_realloc(void *at, size_t sz);

void *malloc(size_t sz)
{
    return calls_take(CALL_MEMORY, "") ? NULL : __libc_malloc(sz);
}

void *calloc(size_t cnt, size_t sz)
{
    return calls_take(CALL_MEMORY, "") ? NULL : __libc_calloc(cnt, sz);
}

void *realloc(void *at, size_t sz)
{
    return calls_take(CALL_MEMORY, "") ? NULL : __libc_realloc(at, sz);
}
#else
#define CAN_FAIL_MEMORY false
#endif

/* ---- every call in its turn ---- */

struct fault {
    unsigned kinds;
    int number;
    bool lasts;
};

static void arm(const struct fault *fault, uint32_t at)
{
    calls_reset();
    calls.kinds = fault->kinds;
    calls.fail_at = at;
    calls.number = fault->number;
    calls.lasts = fault->lasts;
}

static void disarm(void)
{
    calls.kinds = 0;
}

/* A failure is said, and says what to do. */
static void check_said(int number)
{
    assert_int_not_equal(story_said->failure[0], 0);
    if (number == ENOSPC && strstr(story_said->failure, "make room") == NULL)
        fail_msg("call %u: %s", calls.fail_at, story_said->failure);
}

static void clear_folder(void)
{
    assert_int_equal(scratch_teardown(NULL), 0);
    assert_int_equal(mkdir(scratch, 0700), 0);
}

/* The process that meets the fault tries once more; or ends, and another goes on. */
static void meet(const struct fault *fault, uint64_t begin, uint32_t at, int attempts)
{
    int status;

    arm(fault, at);
    status = story_child(begin, STORY_EPOCHS, attempts);
    disarm();
    if (calls.log->failed == 0 || (attempts > 1 && !fault->lasts))
        assert_int_equal(status, 0);
    if (status != 0) {
        assert_int_equal(status, 1);
        check_said(fault->number);
    }
    story_goes_on(story_said->epoch, story_said->epoch + 1);
}

static void meet_everywhere(const struct fault *fault, uint64_t begin, uint32_t step)
{
    uint32_t at = 1;

    do {
        for (int attempts = 1; attempts <= 2; attempts++) {
            clear_folder();
            meet(fault, begin, at, attempts);
        }
        at += story_is_thorough() ? 1 : step;
    } while (calls.log->failed > 0);
    print_message("errno %d%s: %u calls\n", fault->number, fault->lasts ? " from then on" : "",
                  calls.log->cnt);
}

static void files_fail(uint64_t begin)
{
    const struct fault faults[] = {
        {CALLS_WRITING, ENOSPC, false}, {CALLS_WRITING, ENOSPC, true}, {CALLS_ALL, EIO, false},
        {CALLS_ALL, EIO, true},         {1U << CALL_WRITE, 0, false},  {CALLS_WRITING, EROFS, true},
    };

    for (unsigned i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        meet_everywhere(&faults[i], begin, 41 + 2 * i);
}

/* There is no memory once: the process ends with a message, or goes on. */
static void memory_runs_out(void **unused)
{
    const struct fault fault = {1U << CALL_MEMORY | 1U << CALL_MAP, ENOMEM, false};
    uint32_t at = 1, failed;

    (void)unused;
    if (!CAN_FAIL_MEMORY)
        skip();
    do {
        int status;

        clear_folder();
        arm(&fault, at);
        status = story_child(BEGIN, STORY_EPOCHS, 1);
        disarm();
        failed = calls.log->failed;
        assert_true(status >= 0 || status == -SIGABRT);
        if (status != 0 && story_said->failure[0] == '\0')
            assert_int_not_equal(lseek(story_stderr, 0, SEEK_END), 0);
        story_goes_on(story_said->epoch, story_said->epoch + 1);
        at += story_is_thorough() ? 1 : 601;
    } while (failed > 0);
    print_message("no memory: %u calls\n", calls.log->cnt);
}

static void files_of_a_new_state(void **unused)
{
    (void)unused;
    files_fail(0);
}

static void files_of_a_state(void **unused)
{
    (void)unused;
    files_fail(BEGIN);
}

/* ---- a day that takes many writes ---- */

#define LARGE_ROWS 50000U
#define LARGE_BYTES_MAX (400U << 10) /* so that keys give way, in several files */

/* A memfd with a part of the day. */
static int large_part(uint64_t *size)
{
    struct rows rows = {.gone_max = 0};
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_true(fd >= 0);
    for (uint32_t i = 0; i < LARGE_ROWS; i++) {
        struct fls_part_row row = {.key = {.a_low = i},
                                   .account = rows_symbol(&rows, FLS_SPAN("1")),
                                   .counters = {{1, 1 + i % 7, 40 + i % 1000}}};

        rows_add(&rows, FLS_TABLE_SOURCE_ADDRESS, &row);
        row.key.b_low = i;
        rows_add(&rows, FLS_TABLE_CONVERSATION, &row);
    }
    *size = rows_write(&rows, STORY_DAY, (struct fls_part_sink){shard_write, &fd});
    rows_fini(&rows);
    return fd;
}

/* A new state that has the day as two parts. */
static void open_large(struct state *s, int fd, uint64_t size)
{
    clear_folder();
    assert_int_equal(mkdir(calls.folder, 0700), 0);
    open_state_in(s, calls.folder, STORY_KEEP);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fls_commit_add_segment(&s->commit, &s->epoch, dup(fd), size), 0);
    commit_state(s);
}

/* All of the day's rows, or fewer with an error that says so. */
static void check_large(struct state *s, bool is_whole)
{
    static const enum fls_table_id tables[] = {FLS_TABLE_SOURCE_ADDRESS, FLS_TABLE_CONVERSATION};
    struct fls_parts parts;

    open_parts(s, STORY_DAY, &parts);
    for (int i = 0; i < 2; i++) {
        struct fls_part_row row;
        struct fls_merge merge;
        uint32_t cnt = 0;

        fls_merge_begin(&merge, &parts.merged, tables[i]);
        for (; fls_merge_next(&merge, &row); cnt++)
            assert_int_equal(row.counters.value[FLS_FLOWS], 2);
        assert_false(merge.is_torn);
        fls_merge_end(&merge);
        assert_int_equal(cnt == LARGE_ROWS, is_whole);
        assert_int_equal(fls_merge_gave_way(&parts.merged, tables[i]), !is_whole);
    }
    assert_int_equal(parts.bytes <= LARGE_BYTES_MAX, !is_whole);
    fls_parts_close(&parts);
}

static int compact_large(struct state *s)
{
    struct fls_parts parts;
    int error = fls_parts_open(&parts, s->ledger, &s->segments, STORY_DAY, s->commit.new_segment);

    if (error)
        return error;
    error = fls_compact_day(&s->commit, &parts, LARGE_BYTES_MAX);
    fls_parts_close(&parts);
    return error;
}

/* Whatever fails of a rewriting that lets keys go, the day is as it was, no file is left over, and
 * the next one succeeds. */
static void a_large_day_is_rewritten(void **unused)
{
    struct fault fault = {CALLS_ALL, ENOSPC, false};
    uint64_t size;
    uint32_t at = 1, failed;
    int fd = large_part(&size);

    (void)unused;
    do {
        struct state s;
        int error;

        open_large(&s, fd, size);
        fault.number = at % 2 ? ENOSPC : EIO;
        arm(&fault, at);
        error = compact_large(&s);
        disarm();
        failed = calls.log->failed;
        assert_true(error == 0 || failed > 0);
        if (error != 0) {
            check_large(&s, true);
            assert_int_equal(compact_large(&s), 0);
        }
        check_large(&s, false);
        story_check_files(&s);
        close_state(&s);
        at += story_is_thorough() ? 1 : 3;
    } while (failed > 0);
    print_message("a large day: %u calls\n", calls.log->cnt);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, story_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(files_of_a_new_state),
        TEST(files_of_a_state),
        TEST(memory_runs_out),
        TEST(a_large_day_is_rewritten),
    };
    int failed;

    story_init();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    story_fini();
    return failed;
}

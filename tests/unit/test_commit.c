/* Commits of epochs to a real ledger and segments. */
#include "epochs.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>

#define DAY 20454U /* 2026-01-01 */

/* Files that end in .seg; every other name fails the test. */
static uint32_t count_files(void)
{
    DIR *folder = opendir(scratch_path("segments"));
    uint32_t cnt = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');

        if (entry->d_name[0] == '.')
            continue;
        assert_string_equal(dot ? dot : "", ".seg");
        cnt++;
    }
    closedir(folder);
    return cnt;
}

static bool is_in(const struct fls_day_list *list, uint32_t day)
{
    for (uint32_t i = 0; i < list->cnt; i++)
        if (list->at[i] == day)
            return true;
    return false;
}

/* ---- days ---- */

/* Days that the last epoch added to are touched or were too old; days that vanish are dropped. */
static void expect_lists(const struct state *s, const struct model *before,
                         const struct model *after)
{
    for (uint32_t i = 0; i < after->day_cnt; i++) {
        bool is_touched = false;

        for (uint32_t k = 0; k < after->days[i].keys.cnt; k++)
            is_touched |= after->days[i].rows[k].epoch == after->epoch;
        assert_int_equal(is_in(&s->commit.touched, after->days[i].day), is_touched);
        assert_false(is_in(&s->commit.dropped, after->days[i].day));
    }
    for (uint32_t i = 0; i < before->day_cnt; i++)
        assert_int_equal(is_in(&s->commit.dropped, before->days[i].day),
                         !is_in(&s->commit.days, before->days[i].day));
    assert_true(s->commit.is_own);
}

static void keeps_the_newest_days(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 1;
    uint32_t keep = 3;

    (void)unused;
    open_state(&s, keep);
    for (int round = 0; round < 40; round++) {
        static struct model before; /* its days' numbers only */
        uint32_t days[4];

        for (int i = 0; i < 4; i++)
            days[i] = scratch_random(&seed) % 8 == 0
                          ? FLS_DAY_UNKNOWN
                          : DAY + (uint32_t)(round / 4) - 3 + (uint32_t)(scratch_random(&seed) % 6);
        before = model;
        random_epoch(&seed, &s, days, 1 + (uint32_t)(round % 4), 12, &model);
        model_keep(&model, keep);
        commit_state(&s);
        expect_lists(&s, &before, &model);
        expect_model(&s, &model);
        assert_int_equal(fls_commit_clean(&s.commit), 0);
        if (round % 10 == 9) { /* a new process, that keeps another number */
            close_state(&s);
            open_state(&s, keep);
            assert_false(s.commit.is_own);
            expect_model(&s, &model);
        }
    }
    close_state(&s);
    model_fini(&model);
}

/* Bogus days, still to come, have places of their own: the nearest stay. */
static void days_to_come_push_no_day_out(void **unused)
{
    static const uint32_t bogus[] = {2500000, FLS_DAY_MAX, 2000000, 2900000, FLS_DAY_UNKNOWN};
    static struct model before;
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 3;

    (void)unused;
    open_state(&s, 2);
    random_epoch(&seed, &s, (const uint32_t[]){DAY, DAY + 1}, 2, 40, &model);
    commit_state(&s);
    for (int round = 0; round < 2; round++) {
        before = model;
        random_epoch(&seed, &s, bogus, 5, 60, &model);
        model_drop(&model, model_day(&model, FLS_DAY_MAX, false));
        model_drop(&model, model_day(&model, 2900000, false));
        commit_state(&s);
        expect_lists(&s, &before, &model);
        expect_model(&s, &model);
    }
    before = model; /* a nearer one */
    random_epoch(&seed, &s, (const uint32_t[]){1000000}, 1, 20, &model);
    model_drop(&model, model_day(&model, 2500000, false));
    commit_state(&s);
    expect_lists(&s, &before, &model);
    expect_model(&s, &model);
    before = model; /* and a true one, in place of a true one */
    random_epoch(&seed, &s, (const uint32_t[]){DAY + 2}, 1, 20, &model);
    model_drop(&model, model_day(&model, DAY, false));
    commit_state(&s);
    expect_lists(&s, &before, &model);
    expect_model(&s, &model);
    assert_int_equal(fls_commit_clean(&s.commit), 0);
    close_state(&s);
    model_fini(&model);
}

/* A record of a day that was dropped does not bring the day back, nor leaves a file. */
static void late_records_stay_dropped(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 2;

    (void)unused;
    open_state(&s, 2);
    for (uint32_t i = 0; i < 4; i++) {
        random_epoch(&seed, &s, (const uint32_t[]){DAY + i}, 1, 20, &model);
        commit_state(&s);
    }
    model_keep(&model, 2);
    assert_int_equal(s.commit.days.cnt, 2);
    assert_int_equal(fls_commit_clean(&s.commit), 0);
    assert_int_equal(count_files(), 2);
    random_epoch(&seed, &s, (const uint32_t[]){DAY, 5}, 2, 20, NULL);
    commit_state(&s);
    assert_int_equal(s.commit.touched.cnt, 0);
    assert_int_equal(s.commit.dropped.cnt, 0);
    assert_int_equal(count_files(), 2);
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

/* However many segments an epoch has, of all days and of some; parts of days that it brings and
 * drops again are in no day. */
static void epochs_of_many_segments(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 12;

    (void)unused;
    open_state(&s, 4);
    for (uint32_t round = 0; round < 12; round++) {
        uint32_t segment_cnt = 1 + (uint32_t)(scratch_random(&seed) % 12), days[3];

        for (uint32_t i = 0; i < segment_cnt; i++) {
            for (int k = 0; k < 3; k++)
                days[k] = scratch_random(&seed) % 8
                              ? DAY + round / 2 + (uint32_t)(scratch_random(&seed) % 7)
                              : FLS_DAY_UNKNOWN;
            random_epoch(&seed, &s, days, 3, (uint32_t)(scratch_random(&seed) % 20), &model);
        }
        model_keep(&model, 4);
        commit_state(&s);
        assert_int_equal(fls_commit_clean(&s.commit), 0);
        expect_model(&s, &model);
    }
    close_state(&s);
    model_fini(&model);
}

/* A file that was begun goes with its epoch: cleared, closed, or by the next process after a kill.
 */
static void epochs_not_committed_leave_no_file(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 13;

    (void)unused;
    open_state(&s, 35);
    random_epoch(&seed, &s, (const uint32_t[]){DAY}, 1, 20, NULL);
    assert_true(scratch_has("segments/1.seg.tmp"));
    fls_epoch_clear(&s.epoch);
    assert_false(scratch_has("segments/1.seg.tmp"));
    random_epoch(&seed, &s, (const uint32_t[]){DAY}, 1, 20, &model);
    commit_state(&s);
    random_epoch(&seed, &s, (const uint32_t[]){DAY}, 1, 20, NULL);
    assert_true(scratch_has("segments/2.seg.tmp"));
    close_state(&s);
    assert_int_equal(count_files(), 1);
    scratch_write("segments/2.seg.tmp", "begun", 5);
    open_state(&s, 35);
    assert_int_equal(count_files(), 1);
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

/* Any `start` is allowed: days by the hundred thousand must not cost their square. */
static void many_days_cost_little(void **unused)
{
    enum { DAYS = 200000 };
    struct state s;
    struct fls_span symbols[] = {{NULL, 0}, FLS_SPAN("1")};
    struct fls_part_row row = {.account = 1, .counters = {{1}}};
    uint64_t seed = 3, size = 0, begin_ns;
    int fd = memfd_create("test", MFD_CLOEXEC);

    (void)unused;
    assert_true(fd >= 0);
    for (uint32_t i = 0; i < DAYS; i++) {
        struct fls_part_writer writer;
        uint64_t part_sz;

        fls_part_begin(&writer, (uint32_t)(scratch_random(&seed) % FLS_DAY_MAX),
                       (struct fls_part_sink){shard_write, &fd});
        fls_part_put(&writer, FLS_TABLE_TOTALS, &row);
        assert_int_equal(
            fls_part_finish(&writer, &(struct fls_part_names){.symbols = symbols, .symbol_cnt = 2},
                            &part_sz),
            0);
        size += part_sz;
    }
    open_state(&s, 35);
    assert_int_equal(fls_commit_add_segment(&s.commit, &s.epoch, fd, size), 0);
    begin_ns = fls_clock_ns();
    commit_state(&s);
    assert_true(fls_clock_ns() - begin_ns < 10000000000ULL); /* the square took minutes */
    assert_int_equal(s.commit.days.cnt, 2 * 35); /* some that were and some that are to come */
    assert_int_equal(s.commit.touched.cnt, 2 * 35);
    assert_int_equal(s.commit.dropped.cnt, 0);
    close_state(&s);
}

/* ---- objects ---- */

static int count_failed(void *context, const char *name, const char *path, const char *reason)
{
    (void)name;
    assert_memory_equal(path, "/logs/", 6);
    assert_string_equal(reason, "cut off");
    ++*(int *)context;
    return 0;
}

static void expect_objects(struct state *s, uint64_t counted, uint64_t records, int failed)
{
    struct fls_line_counts counts;
    uint64_t objects;
    int found = 0;

    assert_int_equal(fls_ledger_input(s->ledger, &objects, &counts), 0);
    assert_int_equal(objects, counted);
    assert_int_equal(counts.records, records);
    assert_int_equal(fls_ledger_each_failed(s->ledger, count_failed, &found), 0);
    assert_int_equal(found, failed);
}

/* An object whose accounts are the letters of the text, with a record more for each one. */
static void add_result_of(struct fls_epoch *epoch, unsigned number, const char *accounts)
{
    struct fls_result result = *make_result(number, FLS_RESULT_COUNTED, true);
    uint8_t *buffer = NULL, *encoded = NULL;
    size_t sz = 0, max = 0, encoded_max = 0;

    for (; *accounts; accounts++) {
        struct fls_account_lines lines = {.records = ++result.account_cnt, .nodata = 10};

        assert_true(fls_result_add_account(
            &buffer, &sz, &max, (struct fls_span){(const uint8_t *)accounts, 1}, &lines));
    }
    result.accounts = (struct fls_span){buffer, sz};
    sz = fls_result_encode(&result, &encoded, &encoded_max);
    fls_epoch_add_result(epoch, (struct fls_span){encoded, sz});
    free(buffer);
    free(encoded);
}

static int tell_account(void *context, struct fls_span account,
                        const struct fls_account_lines *lines)
{
    char *text = context;

    sprintf(text + strlen(text), "%c %u+%u ", account.at[0], (unsigned)lines->records,
            (unsigned)lines->nodata);
    return 0;
}

static void expect_accounts(struct state *s, const char *accounts)
{
    char text[256] = "";

    assert_int_equal(fls_ledger_each_account(s->ledger, tell_account, text), 0);
    assert_string_equal(text, accounts);
}

static void neighbours_of_one_account_are_summed(void **unused)
{
    struct state s;

    (void)unused;
    open_state(&s, 35);
    add_result_of(&s.epoch, 1, "a");
    add_result_of(&s.epoch, 2, "a");
    add_result_of(&s.epoch, 3, "ab"); /* 1 of a, 2 of b */
    add_result_of(&s.epoch, 4, "ba");
    add_result_of(&s.epoch, 5, "");
    add_result_of(&s.epoch, 6, "a");
    commit_state(&s);
    expect_accounts(&s, "a 6+50 b 3+20 ");
    add_result_of(&s.epoch, 7, "b");
    add_result_of(&s.epoch, 8, "c");
    commit_state(&s);
    expect_accounts(&s, "a 6+50 b 4+30 c 1+10 ");
    close_state(&s);
}

static void damaged_epochs_commit_their_failures_only(void **unused)
{
    static const uint32_t days[] = {DAY, DAY + 1};
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 4;

    (void)unused;
    open_state(&s, 35);
    random_epoch(&seed, &s, days, 1, 20, &model);
    add_result(&s.epoch, 1, FLS_RESULT_COUNTED, false);
    add_result(&s.epoch, 2, FLS_RESULT_FAILED, false); /* nothing of it was pushed: no damage */
    commit_state(&s);
    expect_objects(&s, 1, 1, 1);
    random_epoch(&seed, &s, days, 2, 20, NULL);
    add_result(&s.epoch, 10, FLS_RESULT_COUNTED, false);
    add_result(&s.epoch, 11, FLS_RESULT_FAILED, true);
    add_result(&s.epoch, 12, FLS_RESULT_ABANDONED, false);
    assert_true(s.epoch.is_damaged);
    commit_state(&s);
    expect_objects(&s, 1, 1, 2);
    expect_model(&s, &model);
    assert_int_equal(s.commit.touched.cnt, 0);
    assert_int_equal(count_files(), 1);
    random_epoch(&seed, &s, days, 2, 20, &model); /* read again, without the damaged one */
    add_result(&s.epoch, 10, FLS_RESULT_COUNTED, false);
    commit_state(&s);
    expect_objects(&s, 2, 11, 2);
    expect_model(&s, &model);
    close_state(&s);
    open_state(&s, 35);
    assert_int_equal(s.commit.epoch, 3);
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

/* Nothing of an epoch whose commit fails is there: an object of it counts already. */
static void failed_commits_leave_nothing(void **unused)
{
    static const uint32_t days[] = {DAY, DAY + 1, DAY + 2};
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 5;

    (void)unused;
    open_state(&s, 2);
    random_epoch(&seed, &s, days, 2, 20, &model);
    add_result(&s.epoch, 1, FLS_RESULT_COUNTED, false);
    commit_state(&s);
    random_epoch(&seed, &s, days, 3, 40, NULL);
    add_result(&s.epoch, 2, FLS_RESULT_COUNTED, false);
    add_result(&s.epoch, 1, FLS_RESULT_COUNTED, false);
    assert_int_equal(fls_commit_epoch(&s.commit, &s.epoch), -EEXIST);
    assert_true(s.commit.failure[0] != 0);
    fls_epoch_clear(&s.epoch);
    assert_int_equal(s.commit.epoch, 1);
    expect_objects(&s, 1, 1, 0);
    expect_model(&s, &model);
    close_state(&s);
    open_state(&s, 2); /* the segment that was written is gone */
    assert_int_equal(count_files(), 1);
    expect_model(&s, &model);
    random_epoch(&seed, &s, days, 3, 40, &model);
    model_keep(&model, 2);
    commit_state(&s);
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

static void epochs_without_records(void **unused)
{
    struct state s;

    (void)unused;
    open_state(&s, 35);
    add_result(&s.epoch, 0, FLS_RESULT_COUNTED, false);
    commit_state(&s);
    commit_state(&s);
    assert_int_equal(count_files(), 0);
    assert_int_equal(s.commit.days.cnt, 0);
    expect_objects(&s, 1, 0, 0);
    close_state(&s);
    open_state(&s, 35);
    assert_int_equal(s.commit.epoch, 2);
    close_state(&s);
}

static void leftovers_are_removed(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 6;

    (void)unused;
    open_state(&s, 35);
    random_epoch(&seed, &s, (const uint32_t[]){DAY}, 1, 20, &model);
    commit_state(&s);
    close_state(&s);
    scratch_write("segments/2.seg", "torn", 4);
    scratch_write("segments/3.seg.tmp", "", 0);
    scratch_write("segments/999999999999.seg", "x", 1);
    open_state(&s, 35);
    assert_int_equal(count_files(), 1);
    random_epoch(&seed, &s, (const uint32_t[]){DAY}, 1, 20, &model);
    commit_state(&s);
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

/* ---- compaction ---- */

static void compaction_keeps_figures(void **unused)
{
    static const uint32_t days[] = {DAY, DAY + 1, FLS_DAY_UNKNOWN};
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 7;

    (void)unused;
    open_state(&s, 35);
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 6; i++) {
            random_epoch(&seed, &s, days, 3, 20, &model);
            commit_state(&s);
        }
        expect_model(&s, &model);
        for (uint32_t i = 0; i < 3; i++) {
            assert_true(part_cnt(&s, days[i]) > 6);
            compact_day(&s, days[i], i == 0 ? UINT64_MAX : 1 << 20);
            assert_int_equal(part_cnt(&s, days[i]), 1);
        }
        assert_int_equal(fls_commit_clean(&s.commit), 0);
        assert_int_equal(count_files(), 3);
        expect_model(&s, &model);
        if (round % 2) {
            close_state(&s);
            open_state(&s, 35);
        }
    }
    expect_model(&s, &model);
    close_state(&s);
    open_state(&s, 35);
    assert_int_equal(s.commit.epoch, 30);
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

/* A compaction between an epoch's commit and a look at it does not hide that the epoch has changed
 * the day. */
static void compaction_keeps_changes(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct fls_parts parts;
    struct state s;
    uint64_t seed = 8;

    (void)unused;
    open_state(&s, 35);
    for (int i = 0; i < 3; i++) {
        random_epoch(&seed, &s, (const uint32_t[]){DAY}, 1, 50, &model);
        commit_state(&s);
        compact_day(&s, DAY, UINT64_MAX);
        open_parts(&s, DAY, &parts);
        assert_int_equal(parts.merged.part_cnt, 1);
        assert_int_equal(parts.first_new, 0);
        fls_parts_close(&parts);
    }
    close_state(&s);
    model_fini(&model);
}

/* A part whose sum is right and whose rows are not sound, as a fault of a program could write it:
 * no other takes its place. */
static void damaged_days_are_not_rewritten(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct fls_parts parts;
    struct state s;
    uint64_t seed = 9, next_segment;
    int fds[EPOCH_SHARDS];
    uint64_t sizes[EPOCH_SHARDS];

    (void)unused;
    open_state(&s, 35);
    random_segments(&seed, (const uint32_t[]){DAY}, 1, 200, &model, fds, sizes);
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++) {
        if (i == 1) /* the counters of some row */
            assert_int_equal(pwrite(fds[i], "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11,
                                    (off_t)sizes[i] / 2),
                             11);
        assert_int_equal(fls_commit_add_segment(&s.commit, &s.epoch, fds[i], sizes[i]), 0);
    }
    commit_state(&s);
    next_segment = s.commit.next_segment;
    for (uint64_t bytes_max = 1; bytes_max <= 1 << 20; bytes_max <<= 20) {
        open_parts(&s, DAY, &parts);
        assert_int_equal(fls_compact_day(&s.commit, &parts, bytes_max), -EUCLEAN);
        assert_non_null(strstr(s.commit.failure, "make no sense"));
        fls_parts_close(&parts);
        assert_int_equal(s.commit.next_segment, next_segment);
        assert_int_equal(part_cnt(&s, DAY), EPOCH_SHARDS);
        assert_int_equal(count_files(), 1);
    }
    close_state(&s);
    model_fini(&model);
}

static void ledgers_have_identities(void **unused)
{
    char first[FLS_LEDGER_IDENTITY_MAX];
    struct state s;

    (void)unused;
    open_state(&s, 35);
    strcpy(first, s.commit.identity);
    assert_int_equal(strlen(first), 32);
    assert_int_equal(strspn(first, "0123456789abcdef"), 32);
    close_state(&s);
    open_state(&s, 35);
    assert_string_equal(first, s.commit.identity);
    close_state(&s);
    assert_int_equal(unlink(scratch_path("state.db")), 0);
    open_state(&s, 35);
    assert_string_not_equal(first, s.commit.identity);
    close_state(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_newest_days),
        TEST(days_to_come_push_no_day_out),
        TEST(late_records_stay_dropped),
        TEST(many_days_cost_little),
        TEST(neighbours_of_one_account_are_summed),
        TEST(damaged_epochs_commit_their_failures_only),
        TEST(failed_commits_leave_nothing),
        TEST(epochs_without_records),
        TEST(leftovers_are_removed),
        TEST(epochs_of_many_segments),
        TEST(epochs_not_committed_leave_no_file),
        TEST(compaction_keeps_figures),
        TEST(compaction_keeps_changes),
        TEST(damaged_days_are_not_rewritten),
        TEST(ledgers_have_identities),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

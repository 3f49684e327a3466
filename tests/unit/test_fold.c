/* Days put together from the state, at once and epoch by epoch, against a simple model. */
#include "epochs.h"

#include <fcntl.h>

#define DAY 20454U /* 2026-01-01 */

static const uint32_t days[] = {DAY, DAY + 1, 0, FLS_DAY_MAX, FLS_DAY_UNKNOWN};

static void commit_random(struct state *s, uint64_t *seed, uint32_t day_cnt, uint32_t record_cnt,
                          struct model *model)
{
    random_epoch(seed, s, days, day_cnt, record_cnt, model);
    commit_state(s);
}

static struct fls_fold_day *get(struct state *s, uint32_t day)
{
    struct fls_fold_day *got = fls_fold_get(&s->fold, day, s->commit.new_segment);

    if (got == NULL)
        fail_msg("%s", s->fold.failure);
    return got;
}

static void expect_all(struct state *s, struct model *model)
{
    uint64_t rows = 0;

    for (uint32_t i = 0; i < model->day_cnt; i++) {
        const struct fls_fold_day *day = get(s, model->days[i].day);

        expect_day(day, &model->days[i]);
        rows += fls_day_rows(&day->figures);
    }
    assert_int_equal(s->fold.rows, rows);
}

/* What fls_fold_has_changed says is what the model's last epoch added to. */
static void expect_changes(struct state *s, struct model *model, uint32_t which)
{
    const struct fls_fold_day *day = get(s, which);
    struct model_day *expected = model_day(model, which, false);
    const struct fls_table *totals = &day->figures.tables[FLS_TABLE_TOTALS];

    for (uint32_t i = 0; i < totals->row_cnt; i++) {
        const struct model_row *row =
            model_row(expected, scope_text(&day->names, totals->rows[i].key.scope),
                      FLS_TABLE_TOTALS, FLS_SPAN(""), false);

        assert_int_equal(fls_fold_has_changed(day, i), row->epoch == model->epoch);
    }
}

static void sums_epoch_by_epoch_and_at_once(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s, fresh;
    uint64_t seed = 1;

    (void)unused;
    open_state(&s, 1000);
    for (int round = 0; round < 25; round++) {
        uint32_t day_cnt = 1 + (uint32_t)(scratch_random(&seed) % 5);

        commit_random(&s, &seed, day_cnt, (uint32_t)(scratch_random(&seed) % 30) + 1, &model);
        if (round % 4 == 0) /* not every epoch asks for every day */
            expect_all(&s, &model);
        if (round % 7 == 0)
            fls_fold_trim(&s.fold);
    }
    expect_all(&s, &model);
    open_state(&fresh, 1000);
    expect_all(&fresh, &model);
    close_state(&fresh);
    close_state(&s);
    model_fini(&model);
}

static void knows_what_an_epoch_changed(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 2;

    (void)unused;
    open_state(&s, 1000);
    for (int round = 0; round < 30; round++) {
        commit_random(&s, &seed, 2, 1 + (uint32_t)(scratch_random(&seed) % 3), &model);
        for (uint32_t i = 0; i < s.commit.touched.cnt; i++) {
            uint32_t day = s.commit.touched.at[i];

            if (round % 3 == 1)
                fls_fold_forget(&s.fold, day); /* from the state: the same */
            expect_changes(&s, &model, day);
            expect_changes(&s, &model, day); /* an attempt to publish failed: once more */
        }
    }
    close_state(&s);
    model_fini(&model);
}

/* A counter at its limit cannot rise: such a scope counts as changed always. */
static void full_counters_count_as_changed(void **unused)
{
    struct fls_fold_day day = {.segment_cnt = 1};
    struct fls_key key = {.scope = FLS_SCOPE_ORGANISATION};
    uint64_t before = FLS_COUNTER_MAX;

    (void)unused;
    fls_table_upsert(&day.figures.tables[FLS_TABLE_TOTALS], &key, fls_key_hash(&key))
        ->counters.value[FLS_FLOWS] = FLS_COUNTER_MAX;
    day.flows_before = &before;
    day.flows_before_cnt = 1;
    assert_true(fls_fold_has_changed(&day, 0));
    fls_day_fini(&day.figures);
}

static void forgets_days_that_are_not_used(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 3;

    (void)unused;
    open_state(&s, 1000);
    commit_random(&s, &seed, 2, 50, &model);
    expect_all(&s, &model);
    fls_fold_trim(&s.fold);
    assert_int_equal(s.fold.day_cnt, 2);
    get(&s, DAY + 1);
    fls_fold_trim(&s.fold);
    assert_int_equal(s.fold.day_cnt, 1);
    assert_int_equal(s.fold.rows, fls_day_rows(&s.fold.days[0]->figures));
    fls_fold_trim(&s.fold);
    assert_int_equal(s.fold.day_cnt, 0);
    assert_int_equal(s.fold.rows, 0);
    assert_int_equal(s.fold.bytes, 0);
    expect_all(&s, &model);
    fls_fold_trim_bytes(&s.fold); /* far below the limit */
    assert_int_equal(s.fold.day_cnt, 2);
    close_state(&s);
    model_fini(&model);
}

static void change_byte(const char *name, off_t at)
{
    int fd = open(scratch_path(name), O_RDWR);
    uint8_t byte;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void damaged_and_missing_files_are_told(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    struct stat found;
    uint64_t seed = 4;
    const char *path = scratch_path("segments/1.seg");

    (void)unused;
    open_state(&s, 1000);
    commit_random(&s, &seed, 1, 20, &model);
    assert_int_equal(stat(path, &found), 0);
    for (off_t at = 0; at < found.st_size; at += 1 + found.st_size / 50) {
        change_byte("segments/1.seg", at);
        for (int i = 0; i < 2; i++) { /* damage does not go away by asking again */
            assert_null(fls_fold_get(&s.fold, DAY, s.commit.new_segment));
            assert_non_null(strstr(s.fold.failure, "segments/1.seg: is damaged"));
            assert_int_equal(s.fold.day_cnt, 0);
            assert_int_equal(s.fold.rows, 0);
        }
        change_byte("segments/1.seg", at);
    }
    expect_all(&s, &model);
    fls_fold_forget(&s.fold, DAY);
    assert_int_equal(unlink(path), 0);
    assert_null(fls_fold_get(&s.fold, DAY, s.commit.new_segment));
    assert_non_null(strstr(s.fold.failure, "is missing"));
    close_state(&s);
    model_fini(&model);
}

/* The day's one part is this. */
static void set_part(struct state *s, const struct fls_part *part)
{
    assert_int_equal(fls_ledger_begin(s->ledger), 0);
    assert_int_equal(fls_ledger_drop_day(s->ledger, part->day), 0);
    assert_int_equal(fls_ledger_add_part(s->ledger, part), 0);
    assert_int_equal(fls_ledger_commit(s->ledger, s->commit.epoch), 0);
}

/* The ledger names a place that the file does not have, or where no part begins. */
static void parts_outside_their_file_are_told(void **unused)
{
    static const struct fls_part parts[] = {{1, DAY, 1, UINT32_MAX, 0},
                                            {1, DAY, INT64_MAX, 1, 0},
                                            {1, DAY, 0, 1, 0},
                                            {1, DAY, 4, 8, 0}};
    uint8_t bytes[16];
    struct state s;
    uint64_t seed = 5;

    (void)unused;
    open_state(&s, 1000);
    commit_random(&s, &seed, 1, 20, NULL);
    for (unsigned i = 0; i < 4; i++) {
        struct fls_part part = parts[i];

        assert_int_equal(scratch_read("segments/1.seg", bytes, sizeof(bytes)), sizeof(bytes));
        if (part.offset + part.size <= sizeof(bytes))
            part.sum = fls_segments_sum((struct fls_span){bytes + part.offset, part.size});
        set_part(&s, &part);
        assert_null(fls_fold_get(&s.fold, DAY, 0));
        assert_non_null(strstr(s.fold.failure, "is damaged"));
    }
    close_state(&s);
}

static void newer_layouts_are_told(void **unused)
{
    const uint32_t part_begin[] = {FLS_SEGMENT_MAGIC, FLS_SEGMENT_LAYOUT + 1, 0, 0};
    const struct fls_span bytes = {(const uint8_t *)part_begin, sizeof(part_begin)};
    const struct fls_part part = {
        .segment = 1, .day = DAY, .size = bytes.sz, .sum = fls_segments_sum(bytes)};
    struct state s;

    (void)unused;
    open_state(&s, 1000);
    assert_int_equal(fls_segments_write(&s.segments, 1, &bytes, 1), 0);
    set_part(&s, &part);
    assert_null(fls_fold_get(&s.fold, DAY, 0));
    assert_non_null(strstr(s.fold.failure, "1.seg: was written by a newer flowlog-stats (use"));
    close_state(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sums_epoch_by_epoch_and_at_once),
        TEST(knows_what_an_epoch_changed),
        TEST(full_counters_count_as_changed),
        TEST(forgets_days_that_are_not_used),
        TEST(damaged_and_missing_files_are_told),
        TEST(parts_outside_their_file_are_told),
        TEST(newer_layouts_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Days read from parts side by side, against a simple model; and what is wrong with parts. */
#include "epochs.h"

#include <errno.h>
#include <fcntl.h>

#define DAY 20454U /* 2026-01-01 */

static const uint32_t days[] = {DAY, DAY + 1, 0, FLS_DAY_MAX, FLS_DAY_UNKNOWN};

/* ---- parts in memory ---- */

#define PARTS_MAX 300U

struct world {
    struct rows_part parts[PARTS_MAX];
    struct model model;
    struct fls_merge_day day;
    uint64_t seed;
};

static void add_part(struct world *w, uint32_t number, uint32_t record_cnt)
{
    struct random_day made = {.day = DAY};

    w->model.epoch++;
    for (uint32_t i = 0; i < record_cnt; i++)
        random_record(&w->seed, &made, model_day(&w->model, DAY, true), w->model.epoch);
    w->parts[number] = rows_part(&made.rows, DAY);
    rows_fini(&made.rows);
}

static struct fls_part_place place_of(const struct rows_part *part)
{
    return fls_part_in_memory((struct fls_span){part->at, part->sz});
}

static void open_world(struct world *w, uint32_t part_cnt)
{
    fls_merge_day_init(&w->day, DAY);
    for (uint32_t i = 0; i < part_cnt; i++)
        assert_true(fls_merge_day_add(&w->day, place_of(&w->parts[i])));
    fls_merge_day_unite(&w->day);
}

static void world_fini(struct world *w)
{
    fls_merge_day_fini(&w->day);
    for (uint32_t i = 0; i < PARTS_MAX; i++)
        free(w->parts[i].at);
    model_fini(&w->model);
}

static void rows_are_the_sums_of_the_parts(void **unused)
{
    static const uint32_t cnts[] = {1, 2, 3, 7, 40, PARTS_MAX};

    (void)unused;
    for (size_t round = 0; round < sizeof(cnts) / sizeof(cnts[0]); round++) {
        struct world w = {.seed = round + 1};

        model_day(&w.model, DAY, true);
        for (uint32_t i = 0; i < cnts[round]; i++)
            add_part(&w, i, (uint32_t)(scratch_random(&w.seed) % 12)); /* some are empty */
        open_world(&w, cnts[round]);
        expect_day(&w.day, model_day(&w.model, DAY, false));
        expect_day(&w.day, model_day(&w.model, DAY, false)); /* once more: nothing is used up */
        for (uint32_t i = 1; i < w.day.symbol_cnt; i++)
            assert_true(fls_span_order(w.day.symbols[i - 1], w.day.symbols[i]) < 0);
        assert_int_equal(w.day.symbols[0].sz, 0);
        world_fini(&w);
    }
}

static void a_day_without_parts_has_no_rows(void **unused)
{
    struct world w = {.seed = 1};
    struct fls_merge merge;
    struct fls_part_row row;

    (void)unused;
    open_world(&w, 0);
    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        fls_merge_begin(&merge, &w.day, (enum fls_table_id)id);
        assert_false(fls_merge_next(&merge, &row));
        assert_false(merge.is_torn);
        fls_merge_end(&merge);
    }
    world_fini(&w);
}

/* Sums stay at the limit. */
static void full_counters_stay_full(void **unused)
{
    struct world w = {.seed = 1};
    struct fls_merge merge;
    struct fls_part_row row;

    (void)unused;
    for (int i = 0; i < 3; i++) {
        struct rows rows = {.symbols = {.cnt = 0}};
        const struct fls_part_row added = {.account = rows_symbol(&rows, FLS_SPAN("1")),
                                           .counters = {{FLS_COUNTER_MAX - 1, 1, 0, 2, 0}}};

        rows_add(&rows, FLS_TABLE_TOTALS, &added);
        w.parts[i] = rows_part(&rows, DAY);
        rows_fini(&rows);
    }
    open_world(&w, 3);
    fls_merge_begin(&merge, &w.day, FLS_TABLE_TOTALS);
    assert_true(fls_merge_next(&merge, &row));
    assert_true(row.counters.value[FLS_FLOWS] == FLS_COUNTER_MAX);
    assert_int_equal(row.counters.value[FLS_PACKETS], 3);
    assert_int_equal(row.counters.value[FLS_ACCEPTED], 6);
    assert_false(fls_merge_next(&merge, &row));
    fls_merge_end(&merge);
    world_fini(&w);
}

/* ---- what gave way ---- */

static struct fls_uniques *united; /* by the account's text: a digit */

static void unite(void *context, uint32_t account, const struct fls_uniques *gone)
{
    const struct world *w = context;
    unsigned number = w->day.symbols[account].at[0] - '0';

    assert_int_equal(w->day.symbols[account].sz, 1);
    assert_in_range(number, 0, 9);
    fls_hll_merge(&united[number].external_sources, &gone->external_sources);
    fls_hll_merge(&united[number].own_addresses, &gone->own_addresses);
}

static void add_address(uint64_t *seed, struct fls_hll *a, struct fls_hll *b)
{
    uint64_t address = scratch_random(seed);
    const struct fls_span element = {(const uint8_t *)&address, sizeof(address)};

    fls_hll_add(a, element);
    fls_hll_add(b, element);
}

static void what_gave_way_is_united(void **unused)
{
    struct fls_uniques *expected = fls_array_new(10, sizeof(*expected));
    struct fls_counters errors[FLS_TABLE_CNT] = {{{0}}};
    struct world w = {.seed = 5};

    (void)unused;
    united = fls_array_new(10, sizeof(*united));
    for (int i = 0; i < 20; i++) {
        struct rows rows = {.symbols = {.cnt = 0}};
        uint32_t table = (uint32_t)(scratch_random(&w.seed) % FLS_TABLE_CNT);

        for (uint64_t k = 0; i % 4 && k < 200; k++) { /* each fourth lost nothing */
            char text[] = {(char)('0' + (scratch_random(&w.seed) % 3 + (uint64_t)i) % 9), 0};
            struct fls_uniques *gone = rows_gone(&rows, rows_symbol(&rows, fls_span_of(text)));

            add_address(&w.seed, &gone->own_addresses, &expected[text[0] - '0'].own_addresses);
            add_address(&w.seed, &gone->external_sources,
                        &expected[text[0] - '0'].external_sources);
            rows.max_errors[table].value[FLS_FLOWS] = k + 1;
            rows.max_errors[table].value[FLS_BYTES] = FLS_COUNTER_MAX / 2;
        }
        fls_counters_add(&errors[table], &rows.max_errors[table]);
        w.parts[i] = rows_part(&rows, DAY);
        rows_fini(&rows);
    }
    open_world(&w, 20);
    assert_memory_equal(w.day.max_errors, errors, sizeof(errors));
    for (int id = 0; id < FLS_TABLE_CNT; id++)
        assert_int_equal(fls_merge_gave_way(&w.day, (enum fls_table_id)id),
                         errors[id].value[FLS_FLOWS] > 0);
    assert_true(fls_merge_gone(&w.day, unite, &w));
    assert_memory_equal(united, expected, 10 * sizeof(*expected));
    free(expected);
    free(united);
    world_fini(&w);
}

/* ---- torn parts ---- */

/* Reads all there is; false if a part is found to be damaged. */
static bool read_all(struct world *w)
{
    bool is_whole = true;

    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        struct fls_part_row row, last = {.account = 0};
        struct fls_merge merge;

        fls_merge_begin(&merge, &w->day, (enum fls_table_id)id);
        for (; fls_merge_next(&merge, &row); last = row) {
            assert_true(last.account == 0 || fls_part_row_compare(&last, &row) < 0);
            assert_true(row.account < w->day.symbol_cnt);
        }
        is_whole &= !merge.is_torn;
        fls_merge_end(&merge);
    }
    return fls_merge_gone(&w->day, unite, w) && is_whole;
}

/* A byte of one of the parts is another one: either that is found, or the rows are still in order,
 * and of accounts that there are. Nothing is read outside. */
static void changed_bytes_do_no_harm(void **unused)
{
    struct world w = {.seed = 7};
    uint32_t refused = 0, torn = 0;

    (void)unused;
    for (uint32_t i = 0; i < 3; i++)
        add_part(&w, i, 6);
    for (uint32_t round = 0; round < 4000; round++) {
        const struct rows_part *part = &w.parts[scratch_random(&w.seed) % 3];
        size_t at = scratch_random(&w.seed) % part->sz;
        uint8_t byte = part->at[at];
        bool are_taken = true;

        part->at[at] = (uint8_t)scratch_random(&w.seed);
        fls_merge_day_init(&w.day, DAY);
        for (uint32_t i = 0; i < 3; i++)
            are_taken &= fls_merge_day_add(&w.day, place_of(&w.parts[i]));
        fls_merge_day_unite(&w.day);
        if (are_taken)
            torn += !read_all(&w);
        refused += !are_taken;
        fls_merge_day_fini(&w.day);
        part->at[at] = byte;
    }
    assert_true(refused > 100);
    assert_true(torn > 100);
    world_fini(&w);
}

static void parts_of_other_days_are_refused(void **unused)
{
    struct world w = {.seed = 8};

    (void)unused;
    add_part(&w, 0, 6);
    fls_merge_day_init(&w.day, DAY + 1);
    assert_false(fls_merge_day_add(&w.day, place_of(&w.parts[0])));
    for (size_t sz = 0; sz < w.parts[0].sz; sz++) {
        struct rows_part cut = {.at = malloc(sz + 1), .sz = sz};

        memcpy(cut.at, w.parts[0].at + w.parts[0].sz - sz, sz); /* its end is whole */
        fls_merge_day_fini(&w.day);
        fls_merge_day_init(&w.day, DAY);
        assert_false(fls_merge_day_add(&w.day, place_of(&cut)));
        free(cut.at);
    }
    world_fini(&w);
}

/* ---- parts that the ledger names ---- */

static void commit_random(struct state *s, uint64_t *seed, uint32_t day_cnt, uint32_t record_cnt,
                          struct model *model)
{
    random_epoch(seed, s, days, day_cnt, record_cnt, model);
    commit_state(s);
}

static void days_of_the_state_are_the_models(void **unused)
{
    struct model model = {.day_cnt = 0};
    struct state s;
    uint64_t seed = 1;

    (void)unused;
    open_state(&s, 1000);
    for (int round = 0; round < 25; round++) {
        uint32_t day_cnt = 1 + (uint32_t)(scratch_random(&seed) % 5);

        commit_random(&s, &seed, day_cnt, (uint32_t)(scratch_random(&seed) % 30) + 1, &model);
        if (round % 4 == 0)
            expect_model(&s, &model);
    }
    expect_model(&s, &model);
    close_state(&s);
    model_fini(&model);
}

/* New are the parts of the last epoch, and of all that came before none. */
static void new_parts_are_told_from_old_ones(void **unused)
{
    struct state s;
    uint64_t seed = 2, parts_before = 0, bytes_before = 0;

    (void)unused;
    open_state(&s, 1000);
    for (int round = 0; round < 6; round++) {
        struct fls_parts parts;
        uint64_t bytes = 0;

        commit_random(&s, &seed, 1, 30, NULL);
        open_parts(&s, DAY, &parts);
        assert_int_equal(parts.first_new, parts_before);
        assert_true(parts.merged.part_cnt > parts_before);
        for (uint32_t i = 0; i < parts.merged.part_cnt; i++)
            bytes += parts.merged.parts[i].reader.part.sz;
        assert_int_equal(parts.bytes, bytes);
        assert_true(bytes > bytes_before);
        parts_before = parts.merged.part_cnt;
        bytes_before = bytes;
        fls_parts_close(&parts);
    }
    close_state(&s);
}

static void expect_failure(struct state *s, int expected, const char *text)
{
    struct fls_parts parts;
    int error = fls_parts_open(&parts, s->ledger, &s->segments, DAY, s->commit.new_segment);

    assert_int_equal(error, expected);
    if (strstr(parts.failure, text) == NULL)
        fail_msg("it says: %s", parts.failure);
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
    s.segments.last_written = 0; /* as in the next run: this one knows what it wrote last */
    assert_int_equal(stat(path, &found), 0);
    for (off_t at = 0; at < found.st_size; at += 1 + found.st_size / 50) {
        change_byte("segments/1.seg", at);
        for (int i = 0; i < 2; i++) /* damage does not go away by asking again */
            expect_failure(&s, -EUCLEAN, "segments/1.seg: is damaged");
        change_byte("segments/1.seg", at);
    }
    expect_model(&s, &model);
    assert_int_equal(unlink(path), 0);
    expect_failure(&s, -ENOENT, "segments/1.seg: is missing");
    close_state(&s);
    model_fini(&model);
}

/* Rows are read when they are needed: what was a whole file may be none by then. */
static void files_that_become_shorter_are_told(void **unused)
{
    struct world w = {.seed = 9};
    struct fls_parts parts;
    struct state s;
    uint64_t seed = 9;

    (void)unused;
    open_state(&s, 1000);
    commit_random(&s, &seed, 1, 200, NULL);
    open_parts(&s, DAY, &parts);
    w.day = parts.merged;
    assert_true(read_all(&w));
    for (uint64_t sz = parts.merged.parts[0].reader.trailer.end[0]; sz > 0; sz /= 2) {
        assert_int_equal(truncate(scratch_path("segments/1.seg"), (off_t)sz - 1), 0);
        assert_false(read_all(&w));
    }
    fls_parts_close(&parts);
    close_state(&s);
}

/* The day's one part is this. */
static void set_part(struct state *s, const struct fls_part *part)
{
    assert_int_equal(fls_ledger_begin(s->ledger), 0);
    assert_int_equal(fls_ledger_drop_day(s->ledger, part->day), 0);
    assert_int_equal(fls_ledger_add_part(s->ledger, part), 0);
    assert_int_equal(fls_ledger_commit(s->ledger, s->commit.epoch), 0);
}

/* The ledger names a place that the file does not have, or where no part is. */
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
        expect_failure(&s, -EUCLEAN, "is damaged");
    }
    close_state(&s);
}

static void newer_layouts_are_told(void **unused)
{
    struct fls_part_trailer trailer = {.day = DAY,
                                       .size = sizeof(trailer),
                                       .layout = FLS_PART_LAYOUT + 1,
                                       .magic = FLS_PART_MAGIC};
    const struct fls_span bytes = {(const uint8_t *)&trailer, sizeof(trailer)};
    const struct fls_part part = {
        .segment = 1, .day = DAY, .size = bytes.sz, .sum = fls_segments_sum(bytes)};
    struct state s;

    (void)unused;
    open_state(&s, 1000);
    assert_int_equal(fls_segments_write(&s.segments, 1, &bytes, 1), 0);
    set_part(&s, &part);
    expect_failure(&s, -EPROTO, "1.seg: was written by a newer flowlog-stats (use");
    close_state(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_sums_of_the_parts),
        cmocka_unit_test(a_day_without_parts_has_no_rows),
        cmocka_unit_test(full_counters_stay_full),
        cmocka_unit_test(what_gave_way_is_united),
        cmocka_unit_test(changed_bytes_do_no_harm),
        cmocka_unit_test(parts_of_other_days_are_refused),
        TEST(days_of_the_state_are_the_models),
        TEST(new_parts_are_told_from_old_ones),
        TEST(damaged_and_missing_files_are_told),
        TEST(files_that_become_shorter_are_told),
        TEST(parts_outside_their_file_are_told),
        TEST(newer_layouts_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

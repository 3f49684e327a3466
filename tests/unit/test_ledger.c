/* The ledger against a simple model of it, killed in its commits, on a full disk, damaged. */
#include "scratch.h"

#include "state/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char error[2048];

static struct fls_ledger *open_ledger(const char *folder, bool read_only)
{
    struct fls_ledger *ledger;
    int status = fls_ledger_open(&ledger, folder, read_only, error, sizeof(error));

    if (status != 0)
        fail_msg("%d: %s", status, error);
    return ledger;
}

/* The model. */

enum { NAMES = 40, ACCOUNTS = 5, SAMPLES = 4000, PARTS = 1000, DAYS = 6 };

struct model_sample {
    int reason, name;
    uint64_t line;
};

struct model {
    bool counted[NAMES], failed[NAMES];
    uint64_t size[NAMES];
    int64_t mtime_ns[NAMES];
    struct fls_line_counts counts;
    struct fls_account_lines accounts[ACCOUNTS];
    bool has_account[ACCOUNTS];
    struct model_sample samples[SAMPLES];
    struct fls_part parts[PARTS];
    int sample_cnt, part_cnt;
    uint64_t epoch, next_segment;
};

/* Some are not UTF-8, one holds what looks like SQL, one is as long as can be. */
static void object_of(int i, struct fls_object *object)
{
    static const char *const odd[] = {"\xff\xfe", "it's; --", "\n\t", "\xc3\xa4", "%s%n"};

    memset(object, 0, sizeof(*object));
    if (i == 5) {
        memset(object->name, 'n', FLS_PATH_MAX - 1);
        memset(object->path, 'p', FLS_PATH_MAX - 1);
        return;
    }
    snprintf(object->name, sizeof(object->name), "%02d%s", i, i < 5 ? odd[i] : "");
    snprintf(object->path, sizeof(object->path), "/logs/%s%02d", i < 5 ? odd[i] : "", NAMES - i);
}

static struct fls_span account_of(int i)
{
    static const uint8_t texts[ACCOUNTS][4] = {"123", "\xff\0a", "a\0b", "-", "a"};
    static const size_t sizes[ACCOUNTS] = {3, 3, 3, 1, 1};

    return (struct fls_span){texts[i], sizes[i]};
}

static const struct model *checked; /* for the callbacks */
static int seen;

static int compare_names(int a, int b)
{
    struct fls_object left, right;

    object_of(a, &left);
    object_of(b, &right);
    return strcmp(left.name, right.name);
}

static int compare_samples(const void *a, const void *b)
{
    const struct model_sample *left = a, *right = b;
    int order = left->reason - right->reason;

    if (order == 0)
        order = compare_names(left->name, right->name);
    return order != 0 ? order : (left->line > right->line) - (left->line < right->line);
}

static int compare_parts(const void *a, const void *b)
{
    const struct fls_part *left = a, *right = b;

    if (left->day != right->day)
        return left->day < right->day ? -1 : 1;
    if (left->segment != right->segment)
        return left->segment < right->segment ? -1 : 1;
    return (left->offset > right->offset) - (left->offset < right->offset);
}

static int check_failed(void *context, const char *name, const char *path, const char *reason)
{
    static char previous[FLS_PATH_MAX];
    struct fls_object object;
    int i = 0;

    assert_ptr_equal(context, checked);
    assert_true(seen == 0 || strcmp(previous, path) < 0);
    strcpy(previous, path);
    for (;; i++) {
        assert_true(i < NAMES);
        object_of(i, &object);
        if (strcmp(object.name, name) == 0)
            break;
    }
    assert_true(checked->failed[i]);
    assert_string_equal(object.path, path);
    assert_string_equal(reason, "broken \xff");
    seen++;
    return 0;
}

static int check_account(void *context, struct fls_span account,
                         const struct fls_account_lines *lines)
{
    int i = 0;

    (void)context;
    while (!fls_span_equal(account_of(i), account))
        assert_true(++i < ACCOUNTS);
    assert_true(checked->has_account[i]);
    assert_memory_equal(lines, &checked->accounts[i], sizeof(*lines));
    seen++;
    return 0;
}

static int check_sample(void *context, enum fls_reason reason, const char *name,
                        const struct fls_sample *sample)
{
    const struct model_sample *expected = &((const struct model_sample *)context)[seen++];
    struct fls_object object;
    char text[32];

    object_of(expected->name, &object);
    assert_int_equal(reason, expected->reason);
    assert_string_equal(name, object.name);
    assert_int_equal(sample->line, expected->line);
    snprintf(text, sizeof(text), "line %d", (int)expected->line);
    assert_string_equal(sample->text, text);
    return 0;
}

static int check_part(void *context, const struct fls_part *part)
{
    const struct fls_part *expected = &((const struct fls_part *)context)[seen++];

    assert_int_equal(part->day, expected->day);
    assert_int_equal(part->segment, expected->segment);
    assert_int_equal(part->offset, expected->offset);
    assert_int_equal(part->size, expected->size);
    assert_int_equal(part->sum, expected->sum);
    return 0;
}

static int check_segment(void *context, uint64_t segment)
{
    uint64_t *previous = context;
    bool found = false;

    assert_true(seen++ == 0 || *previous < segment);
    *previous = segment;
    for (int i = 0; i < checked->part_cnt; i++)
        found |= checked->parts[i].segment == segment;
    assert_true(found);
    return 0;
}

static void check_objects(struct fls_ledger *ledger, const struct model *model)
{
    struct fls_line_counts counts;
    uint64_t objects, expected = 0;

    for (int i = 0; i < NAMES; i++) {
        struct fls_object object;
        uint64_t size;
        int64_t mtime_ns;

        object_of(i, &object);
        assert_int_equal(fls_ledger_find(ledger, object.name, &size, &mtime_ns), model->counted[i]);
        if (model->counted[i]) {
            assert_int_equal(size, model->size[i]);
            assert_true(mtime_ns == model->mtime_ns[i]);
            expected++;
        }
    }
    assert_int_equal(fls_ledger_input(ledger, &objects, &counts), 0);
    assert_int_equal(objects, expected);
    assert_memory_equal(&counts, &model->counts, sizeof(counts));
}

static void check_samples(struct fls_ledger *ledger, const struct model *model)
{
    static struct model_sample expected[SAMPLES];
    int cnt = 0;

    memcpy(expected, model->samples, sizeof(expected));
    qsort(expected, (size_t)model->sample_cnt, sizeof(*expected), compare_samples);
    for (int i = 0; i < model->sample_cnt; i++) {
        if (cnt > 0 && compare_samples(&expected[cnt - 1], &expected[i]) == 0)
            continue;
        if (cnt >= FLS_SAMPLES_PER_REASON &&
            expected[cnt - FLS_SAMPLES_PER_REASON].reason == expected[i].reason)
            continue;
        expected[cnt++] = expected[i];
    }
    seen = 0;
    assert_int_equal(fls_ledger_each_sample(ledger, check_sample, expected), 0);
    assert_int_equal(seen, cnt);
}

static void check_parts(struct fls_ledger *ledger, struct model *model)
{
    uint64_t previous = 0;

    qsort(model->parts, (size_t)model->part_cnt, sizeof(*model->parts), compare_parts);
    seen = 0;
    assert_int_equal(fls_ledger_each_part(ledger, NULL, check_part, model->parts), 0);
    assert_int_equal(seen, model->part_cnt);
    for (uint32_t i = 0, first = 0; i < DAYS; i++) {
        uint32_t day = i == DAYS - 1 ? UINT32_MAX : i;
        int cnt = 0;

        for (int j = 0; j < model->part_cnt; j++)
            cnt += model->parts[j].day == day;
        seen = 0;
        assert_int_equal(fls_ledger_each_part(ledger, &day, check_part, model->parts + first), 0);
        assert_int_equal(seen, cnt);
        first += (uint32_t)cnt;
    }
    seen = 0;
    assert_int_equal(fls_ledger_each_segment(ledger, check_segment, &previous), 0);
    assert_true((seen == 0) == (model->part_cnt == 0));
}

static void check_all(struct fls_ledger *ledger, struct model *model)
{
    uint64_t epoch, next_segment;
    int cnt = 0;

    checked = model;
    check_objects(ledger, model);
    check_samples(ledger, model);
    check_parts(ledger, model);
    assert_int_equal(fls_ledger_epoch(ledger, &epoch, &next_segment), 0);
    assert_int_equal(epoch, model->epoch);
    assert_int_equal(next_segment, model->next_segment);
    for (int i = 0; i < NAMES; i++)
        cnt += model->failed[i];
    seen = 0;
    assert_int_equal(fls_ledger_each_failed(ledger, check_failed, model), 0);
    assert_int_equal(seen, cnt);
    cnt = 0;
    for (int i = 0; i < ACCOUNTS; i++)
        cnt += model->has_account[i];
    seen = 0;
    assert_int_equal(fls_ledger_each_account(ledger, check_account, NULL), 0);
    assert_int_equal(seen, cnt);
}

/* Steps, done to both. */

static void step_object(struct fls_ledger *ledger, struct model *draft, uint64_t *seed)
{
    int i = (int)(scratch_random(seed) % NAMES);
    struct fls_line_counts counts = {0};
    struct fls_object object;

    if (draft->counted[i])
        return;
    object_of(i, &object);
    if (scratch_random(seed) % 3 == 0) {
        draft->failed[i] = true;
        assert_int_equal(fls_ledger_add_failed(ledger, &object, "broken \xff"), 0);
        return;
    }
    object.size = scratch_random(seed) >> 1;
    object.mtime_ns = (int64_t)scratch_random(seed);
    for (size_t j = 0; j < sizeof(counts) / sizeof(uint64_t); j++) {
        uint64_t count = scratch_random(seed) % 1000;

        ((uint64_t *)&counts)[j] = count;
        ((uint64_t *)&draft->counts)[j] += count;
    }
    assert_int_equal(fls_ledger_add_object(ledger, &object, &counts), 0);
    draft->counted[i] = true;
    draft->failed[i] = false;
    draft->size[i] = object.size;
    draft->mtime_ns[i] = object.mtime_ns;
}

static void step_account(struct fls_ledger *ledger, struct model *draft, uint64_t *seed)
{
    int i = (int)(scratch_random(seed) % ACCOUNTS);
    struct fls_account_lines lines = {scratch_random(seed) % 100, scratch_random(seed) % 3, 7};

    assert_int_equal(fls_ledger_add_account(ledger, account_of(i), &lines), 0);
    draft->has_account[i] = true;
    draft->accounts[i].records += lines.records;
    draft->accounts[i].nodata += lines.nodata;
    draft->accounts[i].skipdata += lines.skipdata;
}

static void step_sample(struct fls_ledger *ledger, struct model *draft, uint64_t *seed)
{
    struct model_sample new = {(int)(scratch_random(seed) % FLS_REASON_CNT),
                               (int)(scratch_random(seed) % NAMES), scratch_random(seed) % 50 + 1};
    struct fls_sample sample = {.line = new.line};
    struct fls_object object;

    assert_true(draft->sample_cnt < SAMPLES);
    draft->samples[draft->sample_cnt++] = new;
    object_of(new.name, &object);
    snprintf(sample.text, sizeof(sample.text), "line %d", (int)new.line);
    assert_int_equal(
        fls_ledger_add_sample(ledger, (enum fls_reason) new.reason, object.name, &sample), 0);
}

static void step_part(struct fls_ledger *ledger, struct model *draft, uint64_t *seed)
{
    uint32_t day = (uint32_t)(scratch_random(seed) % DAYS);
    struct fls_part part = {.segment = draft->next_segment + scratch_random(seed) % 2,
                            .offset = scratch_random(seed) >> 1,
                            .size = scratch_random(seed) >> 1,
                            .sum = scratch_random(seed)};
    int kept = 0;

    part.day = day == DAYS - 1 ? UINT32_MAX : day;
    if (scratch_random(seed) % 8 != 0) {
        assert_true(draft->part_cnt < PARTS);
        assert_int_equal(fls_ledger_add_part(ledger, &part), 0);
        draft->parts[draft->part_cnt++] = part;
        return;
    }
    assert_int_equal(fls_ledger_drop_day(ledger, part.day), 0);
    for (int i = 0; i < draft->part_cnt; i++)
        if (draft->parts[i].day != part.day)
            draft->parts[kept++] = draft->parts[i];
    draft->part_cnt = kept;
}

static void model_commit(struct model *model, struct model *draft)
{
    draft->epoch++;
    for (int i = 0; i < draft->part_cnt; i++)
        if (draft->parts[i].segment >= draft->next_segment)
            draft->next_segment = draft->parts[i].segment + 1;
    *model = *draft;
}

static void test_against_model(void **state)
{
    static struct model model, draft;
    struct fls_ledger *ledger = open_ledger(scratch, false), *reader;
    uint64_t seed = 42, epoch, next_segment;

    (void)state;
    model.next_segment = 1;
    for (int round = 0; round < 150; round++) {
        uint64_t steps = scratch_random(&seed) % 12, end = scratch_random(&seed) % 4;

        draft = model;
        assert_int_equal(fls_ledger_begin(ledger), 0);
        for (uint64_t i = 0; i < steps; i++) {
            step_object(ledger, &draft, &seed);
            step_account(ledger, &draft, &seed);
            step_sample(ledger, &draft, &seed);
            step_part(ledger, &draft, &seed);
        }
        if (end == 0) {
            fls_ledger_rollback(ledger);
        } else if (end == 1) { /* given up without a word */
            fls_ledger_close(ledger);
            ledger = open_ledger(scratch, false);
        } else {
            assert_int_equal(fls_ledger_commit(ledger, model.epoch + 1), 0);
            model_commit(&model, &draft);
            assert_int_equal(fls_ledger_epoch(ledger, &epoch, &next_segment), 0);
            assert_true(next_segment >= model.next_segment); /* a number may be used and dropped */
            model.next_segment = next_segment;
        }
        check_all(ledger, &model);
        reader = open_ledger(scratch, true);
        check_all(reader, &model);
        fls_ledger_close(reader);
    }
    fls_ledger_close(ledger);
    ledger = open_ledger(scratch, true);
    check_all(ledger, &model);
    fls_ledger_close(ledger);
}

/* A small ledger whose whole content follows from its epoch. */

static int commit_epoch(struct fls_ledger *ledger, uint64_t epoch, int objects)
{
    static struct fls_object object;
    struct fls_line_counts counts = {.lines = epoch, .records = 1};
    struct fls_part part = {.segment = epoch, .day = 1, .size = 10};
    int status = fls_ledger_begin(ledger);

    for (int i = 0; i < objects && status == 0; i++) {
        snprintf(object.name, sizeof(object.name), "%d-%d", (int)epoch, i);
        status = fls_ledger_add_object(ledger, &object, &counts);
    }
    if (status == 0)
        status = fls_ledger_add_part(ledger, &part);
    if (status == 0)
        status = fls_ledger_commit(ledger, epoch);
    if (status != 0)
        fls_ledger_rollback(ledger);
    return status;
}

static int count_part(void *context, const struct fls_part *part)
{
    (void)part;
    (*(uint64_t *)context)++;
    return 0;
}

static uint64_t check_epoch(const char *folder, int objects)
{
    struct fls_ledger *ledger = open_ledger(folder, true);
    uint64_t epoch, next_segment, found, parts = 0, lines = 0, size;
    struct fls_line_counts counts;
    int64_t mtime_ns;
    char name[64];

    assert_int_equal(fls_ledger_epoch(ledger, &epoch, &next_segment), 0);
    assert_int_equal(next_segment, epoch + 1);
    assert_int_equal(fls_ledger_input(ledger, &found, &counts), 0);
    assert_int_equal(found, epoch * (uint64_t)objects);
    for (uint64_t i = 1; i <= epoch; i++)
        lines += i * (uint64_t)objects;
    assert_int_equal(counts.lines, lines);
    assert_int_equal(counts.records, found);
    assert_int_equal(fls_ledger_each_part(ledger, NULL, count_part, &parts), 0);
    assert_int_equal(parts, epoch);
    for (uint64_t i = 1; i <= epoch + 1; i++) {
        snprintf(name, sizeof(name), "%d-%d", (int)i, objects - 1);
        assert_int_equal(fls_ledger_find(ledger, name, &size, &mtime_ns), i <= epoch);
    }
    fls_ledger_close(ledger);
    return epoch;
}

static void test_killed(void **state)
{
    uint64_t epoch = 0, seed = 3;

    (void)state;
    fls_ledger_close(open_ledger(scratch, false));
    for (int round = 0; round < 25; round++) {
        uint64_t told = epoch, wait_for = scratch_random(&seed) % 4;
        int told_by[2], status;
        pid_t child;

        assert_int_equal(pipe(told_by), 0);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            struct fls_ledger *ledger = open_ledger(scratch, false);

            for (uint64_t next = epoch + 1; commit_epoch(ledger, next, 50) == 0; next++)
                if (write(told_by[1], &next, sizeof(next)) != sizeof(next))
                    break;
            _exit(1);
        }
        close(told_by[1]);
        while (told < epoch + wait_for)
            assert_int_equal(read(told_by[0], &told, sizeof(told)), sizeof(told));
        kill(child, SIGKILL); /* wherever it is by now */
        assert_int_equal(waitpid(child, &status, 0), child);
        while (read(told_by[0], &told, sizeof(told)) > 0)
            ;
        close(told_by[0]);
        epoch = check_epoch(scratch, 50);
        assert_true(epoch == told || epoch == told + 1);
    }
}

static void fill_up(struct fls_ledger *ledger, const char *folder, int expected)
{
    uint64_t epoch = 1;
    int status;

    while ((status = commit_epoch(ledger, epoch, 100)) == 0)
        epoch++;
    assert_int_equal(status, expected);
    assert_non_null(strstr(fls_ledger_failure(ledger), "make room"));
    assert_true(epoch > 1);
    assert_int_equal(check_epoch(folder, 100), epoch - 1);
    /* Again, and once there is room it goes on. */
    assert_int_equal(commit_epoch(ledger, epoch, 2000), expected);
}

static void test_disk_full(void **state)
{
    const char *full = scratch_path("full");
    struct fls_ledger *ledger;
    uint64_t epoch;

    (void)state;
    scratch_mount("size=700k");
    ledger = open_ledger(full, false);
    fill_up(ledger, full, -ENOSPC);
    assert_int_equal(mount("tmpfs", full, "tmpfs", MS_REMOUNT, "size=10m"), 0);
    epoch = check_epoch(full, 100);
    assert_int_equal(commit_epoch(ledger, epoch + 1, 100), 0);
    fls_ledger_close(ledger);
    assert_int_equal(check_epoch(full, 100), epoch + 1);
    assert_int_equal(umount(full), 0);
}

static void test_disk_full_from_the_start(void **state)
{
    const char *full = scratch_path("full");
    struct fls_ledger *ledger;

    (void)state;
    scratch_mount("size=16k");
    assert_int_equal(fls_ledger_open(&ledger, full, false, error, sizeof(error)), -ENOSPC);
    assert_non_null(strstr(error, "make room"));
    assert_int_equal(umount(full), 0);
}

static void test_file_too_large(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        struct fls_ledger *ledger = open_ledger(scratch, false);

        scratch_limit_files(600 << 10);
        fill_up(ledger, scratch, -EFBIG);
        fls_ledger_close(ledger);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_true(check_epoch(scratch, 100) > 0);
}

/* Files that are not as they should be. */

static void expect_open(bool read_only, int expected)
{
    struct fls_ledger *ledger;

    error[0] = '\0';
    assert_int_equal(fls_ledger_open(&ledger, scratch, read_only, error, sizeof(error)), expected);
    assert_null(ledger);
    assert_non_null(strstr(error, "state.db"));
}

static void run_sql(const char *text)
{
    sqlite3 *database;

    assert_int_equal(sqlite3_open(scratch_path("state.db"), &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(database), SQLITE_OK);
}

static void test_not_there(void **state)
{
    struct fls_ledger *ledger;

    (void)state;
    expect_open(true, -ENOENT);
    assert_non_null(strstr(error, "nothing has been counted"));
    scratch_write("state.db", "", 0); /* killed while it was made */
    expect_open(true, -ENOENT);
    ledger = open_ledger(scratch, false);
    fls_ledger_close(ledger);
    assert_int_equal(fls_ledger_open(&ledger, scratch_path("none"), true, error, sizeof(error)),
                     -ENOENT);
    assert_int_equal(fls_ledger_open(&ledger, scratch_path("none"), false, error, sizeof(error)),
                     -ENOENT);
}

/* Segments without a ledger: it was lost, and must not be begun anew. */
static void test_lost(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path("segments"), 0700), 0);
    scratch_write("segments/1.seg.tmp", "x", 1); /* none yet */
    fls_ledger_close(open_ledger(scratch, false));
    scratch_write("segments/1.seg", "x", 1);
    fls_ledger_close(open_ledger(scratch, false));
    assert_int_equal(truncate(scratch_path("state.db"), 0), 0);
    for (int i = 0; i < 2; i++) {
        expect_open(false, -EUCLEAN);
        assert_non_null(strstr(error, "is gone or empty"));
        expect_open(true, -EUCLEAN);
        unlink(scratch_path("state.db"));
    }
    assert_false(scratch_has("state.db"));
}

/* Layout 3 had parts whose rows are in no order, layout 4 those whose tables are the other way. */
static void test_other_layouts(void **state)
{
    (void)state;
    assert_int_equal(FLS_LEDGER_LAYOUT, 5);
    fls_ledger_close(open_ledger(scratch, false));
    run_sql("PRAGMA user_version=6");
    expect_open(false, -EPROTO);
    expect_open(true, -EPROTO);
    assert_non_null(strstr(error, "newer"));
    for (int layout = 1; layout <= 4; layout++) {
        char text[64];

        sprintf(text, "PRAGMA user_version=%d", layout);
        run_sql(text);
        expect_open(false, -EPROTO);
        expect_open(true, -EPROTO);
        assert_non_null(strstr(error, "older"));
        assert_non_null(strstr(error, "count again"));
    }
    run_sql("PRAGMA user_version=-1");
    expect_open(false, -EUCLEAN);
}

static void test_foreign(void **state)
{
    (void)state;
    run_sql("CREATE TABLE something(else_)");
    expect_open(false, -EUCLEAN);
    assert_false(scratch_has("state.db-wal"));
    run_sql("PRAGMA user_version=5");
    expect_open(false, -EUCLEAN);
}

static void test_lacks_manifest(void **state)
{
    struct fls_ledger *ledger;
    uint64_t epoch, next_segment;

    (void)state;
    fls_ledger_close(open_ledger(scratch, false));
    run_sql("DELETE FROM manifest");
    ledger = open_ledger(scratch, false);
    assert_int_equal(fls_ledger_epoch(ledger, &epoch, &next_segment), -EUCLEAN);
    assert_int_equal(fls_ledger_begin(ledger), -EUCLEAN);
    fls_ledger_rollback(ledger);
    fls_ledger_close(ledger);
}

static void test_not_a_database(void **state)
{
    char text[5000];

    (void)state;
    memset(text, 'x', sizeof(text));
    scratch_write("state.db", text, sizeof(text));
    expect_open(false, -EUCLEAN);
    expect_open(true, -EUCLEAN);
    assert_non_null(strstr(error, "--state"));
}

/* Whatever is wrong with the bytes, every call answers, and with no other errors than these. */
static void exercise_damaged(void)
{
    struct fls_ledger *ledger;
    struct fls_line_counts counts;
    uint64_t a = 0, b;
    int64_t mtime_ns;
    int status = fls_ledger_open(&ledger, scratch, false, error, sizeof(error));

    if (status != 0) {
        assert_true(status == -EUCLEAN || status == -EPROTO || status == -EIO);
        return;
    }
    status = fls_ledger_epoch(ledger, &a, &b);
    assert_true(status == 0 || status == -EUCLEAN);
    status = fls_ledger_input(ledger, &a, &counts);
    assert_true(status == 0 || status == -EUCLEAN || status == -EPROTO);
    status = fls_ledger_find(ledger, "7-3", &a, &mtime_ns);
    assert_true(status == 0 || status == 1 || status == -EUCLEAN);
    status = fls_ledger_each_part(ledger, NULL, count_part, &a);
    assert_true(status == 0 || status == -EUCLEAN);
    status = fls_ledger_begin(ledger);
    if (status == 0) {
        struct fls_part part = {.segment = 1000, .day = 3};

        status = fls_ledger_add_part(ledger, &part);
        if (status == 0)
            status =
                fls_ledger_add_account(ledger, FLS_SPAN("new"), &(struct fls_account_lines){0});
        if (status == 0)
            status = fls_ledger_commit(ledger, UINT32_MAX);
    }
    assert_true(status == 0 || status == -EUCLEAN || status == -EEXIST);
    fls_ledger_rollback(ledger);
    fls_ledger_close(ledger);
}

static void test_damaged(void **state)
{
    static uint8_t whole[1 << 20], damaged[1 << 20];
    struct fls_ledger *ledger = open_ledger(scratch, false);
    uint64_t seed = 11;
    size_t sz;

    (void)state;
    for (uint64_t epoch = 1; epoch <= 20; epoch++)
        assert_int_equal(commit_epoch(ledger, epoch, 100), 0);
    fls_ledger_close(ledger);
    sz = scratch_read("state.db", whole, sizeof(whole));
    assert_true(sz > 8 * 4096 && sz < sizeof(whole));
    for (int round = 0; round < 60; round++) {
        size_t at = scratch_random(&seed) % sz, length = scratch_random(&seed) % 3000;
        bool cut = round % 6 == 0;

        memcpy(damaged, whole, sz);
        for (size_t i = at; i < sz && i < at + length; i++)
            damaged[i] = (uint8_t)scratch_random(&seed);
        unlink(scratch_path("state.db-wal"));
        unlink(scratch_path("state.db-shm"));
        scratch_write("state.db", damaged, cut ? at | 1 : sz);
        exercise_damaged();
    }
}

/* Contracts. */

static void test_counts_once(void **state)
{
    static struct fls_object object = {.name = "a", .path = "a"};
    struct fls_ledger *ledger = open_ledger(scratch, false);
    struct fls_line_counts counts = {.lines = 3, .records = 3};
    uint64_t objects;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fls_ledger_begin(ledger), 0);
        assert_int_equal(fls_ledger_add_object(ledger, &object, &counts), i == 0 ? 0 : -EEXIST);
        if (i == 0)
            assert_int_equal(fls_ledger_commit(ledger, 1), 0);
        else
            fls_ledger_rollback(ledger);
    }
    assert_int_equal(fls_ledger_input(ledger, &objects, &counts), 0);
    assert_int_equal(objects, 1);
    assert_int_equal(counts.lines, 3);
    fls_ledger_close(ledger);
}

static int stop_at_second(void *context, const struct fls_part *part)
{
    (void)part;
    return ++*(int *)context == 2 ? -77 : 0;
}

static void test_callback_stops(void **state)
{
    struct fls_ledger *ledger = open_ledger(scratch, false);
    int calls = 0;

    (void)state;
    for (uint64_t epoch = 1; epoch <= 3; epoch++)
        assert_int_equal(commit_epoch(ledger, epoch, 1), 0);
    assert_int_equal(fls_ledger_each_part(ledger, NULL, stop_at_second, &calls), -77);
    assert_int_equal(calls, 2);
    calls = -10; /* the statement can be used again, and holds no lock */
    assert_int_equal(fls_ledger_each_part(ledger, NULL, stop_at_second, &calls), 0);
    assert_int_equal(commit_epoch(ledger, 4, 1), 0);
    fls_ledger_close(ledger);
}

/* All that is read between begin and end is of one commit. */
static void test_one_commit_is_read(void **state)
{
    struct fls_ledger *ledger = open_ledger(scratch, false), *reader;
    uint64_t epoch, next_segment, size;
    int64_t mtime_ns;

    (void)state;
    assert_int_equal(commit_epoch(ledger, 1, 5), 0);
    reader = open_ledger(scratch, true);
    assert_int_equal(fls_ledger_begin_reading(reader), 0);
    assert_int_equal(fls_ledger_epoch(reader, &epoch, &next_segment), 0);
    assert_int_equal(commit_epoch(ledger, 2, 5), 0);
    assert_int_equal(fls_ledger_find(reader, "2-0", &size, &mtime_ns), 0);
    assert_int_equal(fls_ledger_epoch(reader, &epoch, &next_segment), 0);
    assert_int_equal(epoch, 1);
    fls_ledger_end_reading(reader);
    assert_int_equal(fls_ledger_find(reader, "2-0", &size, &mtime_ns), 1);
    fls_ledger_close(reader);
    fls_ledger_close(ledger);
}

/* A reader sees the last commit while the writer works on the next. */
static void test_reader_beside_writer(void **state)
{
    struct fls_ledger *ledger = open_ledger(scratch, false);
    struct fls_part part = {.segment = 9, .day = 1};

    (void)state;
    assert_int_equal(commit_epoch(ledger, 1, 5), 0);
    assert_int_equal(fls_ledger_begin(ledger), 0);
    assert_int_equal(fls_ledger_add_part(ledger, &part), 0);
    assert_int_equal(check_epoch(scratch, 5), 1);
    fls_ledger_rollback(ledger);
    assert_int_equal(commit_epoch(ledger, 2, 5), 0);
    assert_int_equal(check_epoch(scratch, 5), 2);
    fls_ledger_close(ledger);
}

static void test_long_folder(void **state)
{
    struct fls_ledger *ledger;
    char name[256];

    (void)state;
    memset(name, 'f', 250);
    name[250] = '\0';
    assert_int_equal(mkdir(scratch_path(name), 0700), 0);
    assert_int_equal(chdir(scratch_path(name)), 0);
    assert_int_equal(mkdir(name, 0700), 0);
    assert_int_equal(fls_ledger_open(&ledger, name, false, error, sizeof(error)), -ENAMETOOLONG);
    assert_int_equal(chdir(scratch), 0);
    assert_int_equal(mkdir("file:x?mode=memory", 0700), 0);
    ledger = open_ledger("file:x?mode=memory", false);
    fls_ledger_close(ledger);
    assert_true(scratch_has("file:x?mode=memory/state.db"));
    assert_int_equal(chdir("/"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_against_model),
        TEST(test_killed),
        TEST(test_disk_full),
        TEST(test_disk_full_from_the_start),
        TEST(test_file_too_large),
        TEST(test_not_there),
        TEST(test_lost),
        TEST(test_other_layouts),
        TEST(test_foreign),
        TEST(test_lacks_manifest),
        TEST(test_not_a_database),
        TEST(test_damaged),
        TEST(test_counts_once),
        TEST(test_callback_stops),
        TEST(test_one_commit_is_read),
        TEST(test_reader_beside_writer),
        TEST(test_long_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

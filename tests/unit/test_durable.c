/* What is said to be committed is on the disk: the calls that see to it, in their order, with what
 * stood in the file or folder at each. They are this program's own here, for SQLite too. */
#include "epochs.h"

#include "state/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/syscall.h>
#include <xxhash.h>

#define DAY 20454U /* 2026-01-01 */
#define SYNCS_MAX 256U
#define CONTENT_SZ_MAX (8U << 20)

/* ---- the calls ---- */

static struct sync {
    char path[SCRATCH_PATH_MAX]; /* below the scratch folder; "" is that itself */
    uint64_t content;
} syncs[SYNCS_MAX];
static unsigned sync_cnt;
static const char *failing; /* the end of a path whose sync fails with EIO, or NULL */

static uint64_t content_of_file(int fd)
{
    static uint8_t bytes[CONTENT_SZ_MAX];
    ssize_t sz = pread(fd, bytes, sizeof(bytes), 0);

    assert_true(sz >= 0 && sz < (ssize_t)sizeof(bytes));
    return XXH3_64bits(bytes, (size_t)sz);
}

/* Its names. */
static uint64_t content_of_folder(const char *path)
{
    struct dirent **entries;
    int cnt = scandir(path, &entries, NULL, alphasort);
    uint64_t content = 0;

    assert_true(cnt >= 0);
    for (int i = 0; i < cnt; i++) {
        content = XXH3_64bits_withSeed(entries[i]->d_name, strlen(entries[i]->d_name) + 1, content);
        free(entries[i]);
    }
    free(entries);
    return content;
}

static uint64_t content_of(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat found;
    uint64_t content;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &found), 0);
    content = S_ISDIR(found.st_mode) ? content_of_folder(path) : content_of_file(fd);
    close(fd);
    return content;
}

static int take_sync(int fd, long call)
{
    struct sync *sync = &syncs[sync_cnt++];
    char link[64], path[SCRATCH_PATH_MAX];
    ssize_t sz;

    assert_true(sync_cnt <= SYNCS_MAX);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    sz = readlink(link, path, sizeof(path) - 1);
    assert_true(sz >= (ssize_t)scratch_sz);
    path[sz] = '\0';
    assert_memory_equal(path, scratch, scratch_sz);
    strcpy(sync->path, path + scratch_sz + (path[scratch_sz] == '/'));
    sync->content = content_of(path);
    if (failing && strlen(path) >= strlen(failing) &&
        strcmp(path + strlen(path) - strlen(failing), failing) == 0) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fsync(int fd)
{
    return take_sync(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return take_sync(fd, SYS_fdatasync);
}

/* ---- expectations ---- */

static void expect_sync(unsigned i, const char *path, uint64_t content)
{
    assert_true(i < sync_cnt);
    assert_string_equal(syncs[i].path, path);
    assert_int_equal(syncs[i].content, content);
}

/* The last sync of this path since the record was cleared. */
static unsigned last_sync_of(const char *path)
{
    for (unsigned i = sync_cnt; i-- > 0;)
        if (strcmp(syncs[i].path, path) == 0)
            return i;
    fail_msg("%s was not synced", path);
    return 0;
}

static unsigned first_sync_of(const char *path)
{
    unsigned i = 0;

    while (i < sync_cnt && strcmp(syncs[i].path, path) != 0)
        i++;
    return i;
}

static void write_name(char *name, size_t name_sz, uint64_t number, const char *suffix)
{
    snprintf(name, name_sz, "segments/%llu.seg%s", (unsigned long long)number, suffix);
}

/* The segment was whole and synced under its temporary name, then its name was: before syncs[end],
 * and nothing in either changed afterwards. */
static void expect_segment_before(unsigned end, uint64_t number)
{
    char name[64], temporary[64];
    unsigned i;

    write_name(name, sizeof(name), number, "");
    write_name(temporary, sizeof(temporary), number, ".tmp");
    i = last_sync_of(temporary);
    expect_sync(i, temporary, content_of(scratch_path(name)));
    expect_sync(i + 1, "segments", content_of(scratch_path("segments")));
    assert_true(i + 1 < end);
}

/* ---- tests ---- */

/* Libraries differ in how they sync unless told: here, not at all. */
static int never_sync(sqlite3 *database, const char **failure, const void *unused)
{
    (void)failure;
    (void)unused;
    return sqlite3_exec(database, "PRAGMA synchronous=OFF", NULL, NULL, NULL);
}

static int set_up(void **state)
{
    int status = scratch_setup(state);
    char *real = status == 0 ? realpath(scratch, NULL) : NULL;

    if (real == NULL)
        return -1;
    scratch_sz = strlen(strcpy(scratch, real)); /* as /proc names it */
    free(real);
    sync_cnt = 0;
    failing = NULL;
    return 0;
}

static void names_of_new_folders(void **unused)
{
    struct fls_segments segments;
    uint64_t with_a, with_b;
    char error[512];

    (void)unused;
    assert_int_equal(fls_folder_create(scratch_path("a/b"), error, sizeof(error)), 0);
    with_a = content_of(scratch);
    with_b = content_of(scratch_path("a"));
    assert_int_equal(sync_cnt, 2);
    expect_sync(0, "", with_a);
    expect_sync(1, "a", with_b);
    assert_int_equal(fls_segments_open(&segments, scratch_path("a/b")), 0);
    assert_int_equal(sync_cnt, 3);
    expect_sync(2, "a/b", content_of(scratch_path("a/b")));
    fls_segments_close(&segments);
}

static void segments_before_their_names(void **unused)
{
    struct fls_span piece = FLS_SPAN("some content");
    struct fls_segments segments;

    (void)unused;
    assert_int_equal(fls_segments_open(&segments, scratch), 0);
    for (uint64_t number = 1; number <= 3; number++) {
        sync_cnt = 0;
        assert_int_equal(fls_segments_write(&segments, number, &piece, 1), 0);
        assert_int_equal(sync_cnt, 2);
        expect_segment_before(2, number);
    }
    fls_segments_close(&segments);
}

static void segments_that_cannot_be_synced(void **unused)
{
    static const char *const paths[] = {"/segments/1.seg.tmp", "/segments"};
    struct fls_span piece = FLS_SPAN("some content");
    struct fls_segments segments;

    (void)unused;
    assert_int_equal(fls_segments_open(&segments, scratch), 0);
    for (int i = 0; i < 2; i++) {
        failing = paths[i];
        assert_int_equal(fls_segments_write(&segments, 1, &piece, 1), -EIO);
        assert_false(scratch_has("segments/1.seg"));
        assert_false(scratch_has("segments/1.seg.tmp"));
    }
    fls_segments_close(&segments);
}

/* Of one commit: the segment, its name, and then the ledger's log as it is now. */
static void expect_committed(uint64_t number)
{
    unsigned end = last_sync_of("state.db-wal");

    assert_int_equal(syncs[end].content, content_of(scratch_path("state.db-wal")));
    assert_true(first_sync_of("state.db-wal") > last_sync_of("segments"));
    expect_segment_before(first_sync_of("state.db-wal"), number);
}

/* Each commit, not only one that begins a log or ends in a checkpoint. */
static void segments_before_the_ledger(void **unused)
{
    const uint32_t days[] = {DAY};
    uint64_t seed = 1;
    struct state s;

    (void)unused;
    open_state(&s, 35);
    assert_int_equal(syncs[last_sync_of("")].content, content_of(scratch)); /* the names, too */
    for (uint32_t round = 0; round < 20; round++) {
        uint64_t number = s.commit.next_segment;

        random_epoch(&seed, &s, days, 1, 30, NULL);
        add_result(&s.epoch, round, FLS_RESULT_COUNTED, false);
        sync_cnt = 0;
        commit_state(&s);
        expect_committed(number);
    }
    sync_cnt = 0;
    compact_day(&s, DAY, UINT64_MAX);
    expect_committed(s.commit.next_segment - 1);
    close_state(&s);
}

static void a_ledger_that_cannot_be_synced(void **unused)
{
    const uint32_t days[] = {DAY};
    uint64_t seed = 2;
    struct state s;

    (void)unused;
    open_state(&s, 35);
    random_epoch(&seed, &s, days, 1, 30, NULL);
    add_result(&s.epoch, 1, FLS_RESULT_COUNTED, false);
    commit_state(&s);
    random_epoch(&seed, &s, days, 1, 30, NULL);
    add_result(&s.epoch, 2, FLS_RESULT_COUNTED, false);
    failing = "/state.db-wal";
    assert_int_not_equal(fls_commit_epoch(&s.commit, &s.epoch), 0);
    failing = NULL;
    assert_int_equal(s.commit.epoch, 1);
    close_state(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names_of_new_folders),           TEST(segments_before_their_names),
        TEST(segments_that_cannot_be_synced), TEST(segments_before_the_ledger),
        TEST(a_ledger_that_cannot_be_synced),
    };

    sqlite3_auto_extension((void (*)(void))never_sync);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Segment files: round trips, torn and damaged files, failing writes, leftovers. */
#include "scratch.h"

#include "state/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define TRAILER_SZ 24

static struct fls_segments segments;

static int setup(void **state)
{
    return scratch_setup(state) == 0 ? fls_segments_open(&segments, scratch) : -1;
}

static int teardown(void **state)
{
    fls_segments_close(&segments);
    return scratch_teardown(state);
}

static int look_at(const struct fls_part *part)
{
    int fd, status = fls_segments_open_file(&segments, part->segment, &fd);

    if (status != 0)
        return status;
    status = fls_segments_check(fd, part);
    close(fd);
    return status;
}

/* Whether the file holds this part of the content. */
static int look_for(uint64_t number, const uint8_t *content, uint64_t offset, uint64_t size)
{
    const struct fls_part part = {.segment = number,
                                  .offset = offset,
                                  .size = size,
                                  .sum =
                                      fls_segments_sum((struct fls_span){content + offset, size})};

    return look_at(&part);
}

static void test_round_trips(void **state)
{
    enum { MAX = 300 * 1000, PIECES = 200 };
    static uint8_t bytes[MAX];
    struct fls_span pieces[PIECES];
    uint64_t seed = 7;

    (void)state;
    for (int i = 0; i < MAX; i++)
        bytes[i] = (uint8_t)scratch_random(&seed);
    for (uint64_t round = 0; round < 40; round++) {
        uint32_t cnt = (uint32_t)(scratch_random(&seed) % (PIECES + 1));
        size_t sz = 0;

        for (uint32_t i = 0; i < cnt; i++) {
            size_t piece_sz = scratch_random(&seed) % (i % 7 == 0 ? 2 : MAX / PIECES);

            pieces[i] = (struct fls_span){piece_sz == 0 ? NULL : bytes + sz, piece_sz};
            sz += piece_sz;
        }
        assert_int_equal(fls_segments_write(&segments, round % 3, pieces, cnt), 0);
        for (int i = 0; i < 10 && sz > 0; i++) {
            uint64_t offset = i == 0 ? 0 : scratch_random(&seed) % sz;

            uint64_t size = i == 0 ? sz : 1 + scratch_random(&seed) % (sz - offset);

            assert_int_equal(look_for(round % 3, bytes, offset, size), 0);
        }
    }
    assert_false(scratch_has("segments/0.seg.tmp"));
}

/* Written bit by bit it is the same file; until it is finished there is none of its number, and
 * what is abandoned leaves nothing. */
static void test_bit_by_bit(void **state)
{
    static uint8_t bytes[20000], written[sizeof(bytes) + TRAILER_SZ], whole[sizeof(written)];
    struct fls_segment_file file;
    uint64_t seed = 11;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)scratch_random(&seed);
    for (int round = 0; round < 20; round++) {
        size_t sz = scratch_random(&seed) % sizeof(bytes), piece_sz;

        assert_int_equal(fls_segments_write(&segments, 1, &(struct fls_span){bytes, sz}, 1), 0);
        assert_int_equal(fls_segments_begin(&segments, 2, &file), 0);
        for (size_t done = 0; done < sz; done += piece_sz) {
            piece_sz = scratch_random(&seed) % (sz - done + 1);
            assert_int_equal(fls_segments_append(&file, (struct fls_span){bytes + done, piece_sz}),
                             0);
            assert_int_equal(file.size, done + piece_sz);
        }
        assert_false(scratch_has("segments/2.seg"));
        if (round % 3 == 0) {
            fls_segments_abandon(&file);
            assert_false(scratch_has("segments/2.seg"));
        } else {
            assert_int_equal(fls_segments_finish(&file), 0);
            assert_int_equal(scratch_read("segments/2.seg", written, sizeof(written)),
                             scratch_read("segments/1.seg", whole, sizeof(whole)));
            written[sz + 8]--; /* but for its number */
            assert_memory_equal(written, whole, sz + TRAILER_SZ);
            if (sz > 0)
                assert_int_equal(look_for(2, bytes, 0, sz), 0);
            assert_int_equal(unlink(scratch_path("segments/2.seg")), 0);
        }
        assert_false(scratch_has("segments/2.seg.tmp"));
    }
}

/* What is in memory and counted as this process's, pages of mapped files too. */
static size_t resident_sz(void)
{
    char line[256];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) && sscanf(line, "VmRSS: %lu kB", &kib) != 1)
        ;
    fclose(file);
    return kib << 10;
}

/* Looking at the sum of a large part does not hold it in memory; nor does damage far behind in it
 * go unseen. */
static uint64_t early_end; /* of what was sent to the disk before the sync */

/* In the place of the C library's. That it fails is nobody's concern. */
int sync_file_range(int fd, off64_t at, off64_t sz, unsigned flags)
{
    assert_true(fd >= 0 && flags == SYNC_FILE_RANGE_WRITE);
    assert_int_equal(at, early_end);
    early_end += (uint64_t)sz;
    errno = EIO;
    return -1;
}

static void test_large_parts_cost_no_memory(void **state)
{
    enum { CHUNK = 1 << 20, CHUNKS = 64, OFFSET = 5000 };
    const size_t sz = (size_t)CHUNK * CHUNKS;
    uint8_t *bytes = malloc(sz);
    size_t before;
    int fd;

    (void)state;
    assert_non_null(bytes);
    for (int i = 0; i < CHUNKS; i++)
        memset(bytes + (size_t)i * CHUNK, i, CHUNK);
    early_end = 0;
    assert_int_equal(fls_segments_write(&segments, 1, &(struct fls_span){bytes, sz}, 1), 0);
    assert_int_equal(early_end, sz);
    before = resident_sz();
    assert_int_equal(look_for(1, bytes, OFFSET, sz - OFFSET), 0);
    assert_true(resident_sz() < before + CHUNK);
    fd = open(scratch_path("segments/1.seg"), O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, (off_t)CHUNK * 50 + 7), 1);
    close(fd);
    assert_int_equal(look_for(1, bytes, OFFSET, sz - OFFSET), -EUCLEAN);
    free(bytes);
}

static void test_extreme_numbers(void **state)
{
    struct fls_span piece = FLS_SPAN("x");

    (void)state;
    assert_int_equal(fls_segments_write(&segments, UINT64_MAX, &piece, 1), 0);
    assert_int_equal(look_for(UINT64_MAX, piece.at, 0, 1), 0);
    assert_int_equal(look_for(1, piece.at, 0, 1), -ENOENT);
}

/* Every length a crash or a full disk may leave, and every single damaged byte of the part or the
 * trailer; damage of another part is none of this one. */
static void test_torn(void **state)
{
    enum { OFFSET = 5, SIZE = 12 };
    struct fls_span piece = FLS_SPAN("some content of the segment");
    uint8_t whole[128], damaged[128];
    size_t sz;

    (void)state;
    assert_int_equal(fls_segments_write(&segments, 5, &piece, 1), 0);
    sz = scratch_read("segments/5.seg", whole, sizeof(whole));
    assert_int_equal(sz, piece.sz + TRAILER_SZ);
    for (size_t cut = 0; cut < sz; cut++) {
        scratch_write("segments/5.seg", whole, cut);
        assert_int_equal(look_for(5, piece.at, OFFSET, SIZE), -EUCLEAN);
    }
    for (size_t i = 0; i < sz; i++) {
        bool is_ours = (i >= OFFSET && i < OFFSET + SIZE) || i >= piece.sz;

        memcpy(damaged, whole, sz);
        damaged[i] ^= 1;
        scratch_write("segments/5.seg", damaged, sz);
        assert_int_equal(look_for(5, piece.at, OFFSET, SIZE), is_ours ? -EUCLEAN : 0);
    }
    memcpy(damaged, whole, sz);
    damaged[sz] = 'x';
    scratch_write("segments/5.seg", damaged, sz + 1);
    assert_int_equal(look_for(5, piece.at, OFFSET, SIZE), -EUCLEAN);
    scratch_write("segments/5.seg", whole, sz);
    assert_int_equal(look_for(5, piece.at, OFFSET, SIZE), 0);
}

/* Another file of the same content, and places that are not in the file. */
static void test_not_the_part(void **state)
{
    struct fls_span piece = FLS_SPAN("some content");
    struct fls_part part = {.segment = 1, .size = piece.sz, .sum = fls_segments_sum(piece)};

    (void)state;
    assert_int_equal(fls_segments_write(&segments, 1, &piece, 1), 0);
    assert_int_equal(look_at(&part), 0);
    for (uint64_t offset = 1; offset != 0; offset <<= 1) {
        part.offset = offset;
        assert_int_equal(look_at(&part), -EUCLEAN);
        part.offset = 0;
        part.size = piece.sz + offset;
        assert_int_equal(look_at(&part), -EUCLEAN);
        part.size = piece.sz;
    }
    part.size = 0;
    assert_int_equal(look_at(&part), -EUCLEAN);
    part.size = piece.sz;
    assert_int_equal(rename(scratch_path("segments/1.seg"), scratch_path("segments/2.seg")), 0);
    part.segment = 2;
    assert_int_equal(look_at(&part), -EUCLEAN);
}

static void test_not_a_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir(scratch_path("segments/6.seg"), 0700), 0);
    assert_int_equal(mkfifo(scratch_path("segments/7.seg"), 0600), 0);
    assert_int_equal(look_for(6, (const uint8_t *)"x", 0, 1), -EUCLEAN);
    assert_int_equal(look_for(7, (const uint8_t *)"x", 0, 1), -EUCLEAN);
}

static void test_retain(void **state)
{
    const uint64_t numbers[] = {2, 4, 10, 77};
    struct fls_span piece = FLS_SPAN("x");

    (void)state;
    for (uint64_t i = 1; i <= 11; i++)
        assert_int_equal(fls_segments_write(&segments, i, &piece, 1), 0);
    scratch_write("segments/12.seg.tmp", "", 0);
    scratch_write("segments/04.seg", "", 0);
    scratch_write("segments/4.segment", "", 0);
    scratch_write("segments/99999999999999999999999.seg", "", 0);
    scratch_write("segments/.hidden", "", 0);
    assert_int_equal(mkdir(scratch_path("segments/folder"), 0700), 0);
    assert_int_equal(fls_segments_retain(&segments, numbers, 4), 0);
    for (uint64_t i = 1; i <= 11; i++) {
        char name[64];

        snprintf(name, sizeof(name), "segments/%d.seg", (int)i);
        assert_int_equal(scratch_has(name), i == 2 || i == 4 || i == 10);
    }
    assert_false(scratch_has("segments/12.seg.tmp"));
    assert_false(scratch_has("segments/04.seg"));
    assert_false(scratch_has("segments/4.segment"));
    assert_false(scratch_has("segments/99999999999999999999999.seg"));
    assert_false(scratch_has("segments/.hidden"));
    assert_int_equal(fls_segments_retain(&segments, NULL, 0), 0);
    assert_false(scratch_has("segments/2.seg"));
}

/* A write that fails leaves nothing of its number, not even what was there before. */
static void test_file_too_large(void **state)
{
    static uint8_t bytes[1 << 20];
    struct fls_span small = FLS_SPAN("x"), large = {bytes, sizeof(bytes)};
    int status;
    pid_t child;

    (void)state;
    assert_int_equal(fls_segments_write(&segments, 3, &small, 1), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        scratch_limit_files(1 << 16);
        _exit(fls_segments_write(&segments, 3, &large, 1) == -EFBIG ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(scratch_has("segments/3.seg"));
    assert_false(scratch_has("segments/3.seg.tmp"));
}

static void test_disk_full(void **state)
{
    static uint8_t bytes[1 << 20];
    struct fls_span piece = FLS_SPAN("x"), large = {bytes, sizeof(bytes)};
    struct fls_segments full;

    (void)state;
    scratch_mount("size=256k");
    assert_int_equal(fls_segments_open(&full, scratch_path("full")), 0);
    assert_int_equal(fls_segments_write(&full, 1, &large, 1), -ENOSPC);
    assert_false(scratch_has("full/segments/1.seg"));
    assert_false(scratch_has("full/segments/1.seg.tmp"));
    assert_int_equal(fls_segments_write(&full, 1, &piece, 1), 0);
    fls_segments_close(&full);
    assert_int_equal(umount(scratch_path("full")), 0);
}

static void test_folder_fails(void **state)
{
    struct fls_segments none;

    (void)state;
    assert_int_equal(fls_segments_open(&none, scratch_path("none")), -ENOENT);
    assert_int_equal(mkdir(scratch_path("other"), 0700), 0);
    scratch_write("other/segments", "", 0);
    assert_int_equal(fls_segments_open(&none, scratch_path("other")), -ENOTDIR);
    fls_segments_close(&none);
}

/* Parts that are written piece by piece, an empty piece among them, are found as one. */
static void test_parts_in_pieces(void **state)
{
    enum { PARTS = 5, MAX = 30000 };
    static uint8_t bytes[MAX];
    struct fls_part parts[PARTS];
    struct fls_segment_file file;
    uint64_t seed = 3, at = 0;

    (void)state;
    for (int i = 0; i < MAX; i++)
        bytes[i] = (uint8_t)scratch_random(&seed);
    assert_int_equal(fls_segments_begin(&segments, 1, &file), 0);
    for (uint32_t i = 0; i < PARTS; i++) {
        for (uint64_t end = (i + 1) * MAX / PARTS; at < end;) {
            uint64_t sz = scratch_random(&seed) % 900;

            sz = sz > end - at ? end - at : sz;
            assert_int_equal(fls_segments_append(&file, (struct fls_span){bytes + at, sz}), 0);
            at += sz;
        }
        parts[i] = fls_segments_end_part(&file, 7 + i);
    }
    assert_int_equal(fls_segments_finish(&file), 0);
    for (uint32_t i = 0; i < PARTS; i++) {
        assert_int_equal(parts[i].segment, 1);
        assert_int_equal(parts[i].day, 7 + i);
        assert_int_equal(parts[i].offset, i * MAX / PARTS);
        assert_int_equal(parts[i].size, MAX / PARTS);
        assert_int_equal(parts[i].sum,
                         fls_segments_sum((struct fls_span){bytes + i * MAX / PARTS, MAX / PARTS}));
        assert_int_equal(look_at(&parts[i]), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_round_trips),     TEST(test_bit_by_bit), TEST(test_large_parts_cost_no_memory),
        TEST(test_extreme_numbers), TEST(test_torn),       TEST(test_not_the_part),
        TEST(test_not_a_file),      TEST(test_retain),     TEST(test_file_too_large),
        TEST(test_parts_in_pieces), TEST(test_disk_full),  TEST(test_folder_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

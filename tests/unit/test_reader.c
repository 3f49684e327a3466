/* The reader: the same bytes in the same order through io_uring and pread, errors that stay with
 * their object, and an orderly end at any moment. */
#include "ingest/reader.h"

#include "ingest/reader_uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ask_ring.h"

#define OBJECT_CNT 200
#define REASON_MAX 200

/* Byte `at` of object number `object`. */
static uint8_t byte_of(uint32_t object, uint64_t at)
{
    return (uint8_t)((at * 2654435761U + object * 40503U + (at >> 13)) >> 7);
}

static int make_object(uint32_t object, uint64_t size)
{
    int fd = memfd_create("object", MFD_CLOEXEC);
    uint8_t *bytes = malloc(size + 1);

    assert_true(fd >= 0);
    for (uint64_t i = 0; i < size; i++)
        bytes[i] = byte_of(object, i);
    assert_int_equal(write(fd, bytes, size), size);
    free(bytes);
    return fd;
}

static uint64_t size_of(uint32_t object)
{
    static const uint64_t sizes[] = {
        0,
        1,
        1000,
        FLS_READER_BLOCK_SZ - 1,
        FLS_READER_BLOCK_SZ,
        FLS_READER_BLOCK_SZ + 1,
        3 * (uint64_t)FLS_READER_BLOCK_SZ + 17,
        70000,
        0,
        (FLS_READER_BLOCKS + 3) * (uint64_t)FLS_READER_BLOCK_SZ + 5,
    };

    return sizes[object * 7 % (sizeof(sizes) / sizeof(sizes[0]))];
}

static struct fls_reader *make_reader(enum fls_io io)
{
    struct fls_reader *reader = NULL;
    char reason[REASON_MAX];
    int result = fls_reader_new(&reader, io, reason, sizeof(reason));

    if (result && io == FLS_IO_URING) {
        print_message("io_uring: %s\n", reason);
        skip();
    }
    assert_int_equal(result, 0);
    assert_string_equal(reason, "");
    assert_int_equal(fls_reader_is_uring(reader), io == FLS_IO_URING);
    return reader;
}

/* Reads up to `limit` bytes of the oldest object and compares them. */
static int check_object(struct fls_reader *reader, uint32_t object, uint64_t size, uint64_t limit)
{
    struct fls_span block;
    uint64_t at = 0;
    int result = 1;

    while (at < limit && (result = fls_reader_next(reader, &block)) > 0) {
        assert_true(block.sz == FLS_READER_BLOCK_SZ || block.sz == size - at);
        for (size_t i = 0; i < block.sz; i += 1 + i % 61)
            assert_int_equal(block.at[i], byte_of(object, at + i));
        at += block.sz;
    }
    if (result == 0)
        assert_int_equal(at, size);
    return result;
}

static void read_many(enum fls_io io, bool is_partly)
{
    struct fls_reader *reader = make_reader(io);
    uint32_t added = 0;

    for (uint32_t object = 0; object < OBJECT_CNT; object++) {
        /* Now and then all that fits, now and then one at a time. */
        uint32_t ahead = object % 70 < 35 ? FLS_READER_OBJECTS_MAX : 2;
        while (added < OBJECT_CNT && added < object + ahead && fls_reader_room(reader) > 0) {
            fls_reader_add(reader, make_object(added, size_of(added)), size_of(added), 0);
            added++;
        }
        uint64_t size = size_of(object);
        bool is_left = is_partly && object % 3 == 0;
        int result = check_object(reader, object, size, is_left ? size / 2 : UINT64_MAX);

        if (!is_left)
            assert_int_equal(result, 0);
        fls_reader_finish(reader);
    }
    assert_int_equal(fls_reader_room(reader), FLS_READER_OBJECTS_MAX);
    fls_reader_free(reader);
}

static void test_many_uring(void **state)
{
    (void)state;
    read_many(FLS_IO_URING, false);
    read_many(FLS_IO_URING, true);
}

static void test_many_pread(void **state)
{
    (void)state;
    read_many(FLS_IO_PREAD, false);
    read_many(FLS_IO_PREAD, true);
}

static void test_room(void **state)
{
    struct fls_reader *reader = make_reader(FLS_IO_PREAD);

    (void)state;
    for (uint32_t i = 0; i < FLS_READER_OBJECTS_MAX; i++) {
        assert_int_equal(fls_reader_room(reader), FLS_READER_OBJECTS_MAX - i);
        fls_reader_add(reader, make_object(i, 10), 10, 0);
    }
    assert_int_equal(fls_reader_room(reader), 0);
    fls_reader_finish(reader);
    assert_int_equal(fls_reader_room(reader), 1);
    fls_reader_free(reader);
}

static void check_errors(enum fls_io io)
{
    struct fls_reader *reader = make_reader(io);
    uint64_t size = 2 * FLS_READER_BLOCK_SZ;
    struct fls_span block;

    fls_reader_add(reader, make_object(0, size), size, 0);
    fls_reader_add(reader, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), 100, 0); /* EISDIR */
    fls_reader_add(reader, make_object(2, size), size, 0);
    fls_reader_add(reader, make_object(3, size), size + 1, 0); /* shrank by a byte */
    fls_reader_add(reader, make_object(4, size), size - 1, 0); /* grew by a byte */
    fls_reader_add(reader, make_object(5, 0), 40 * (uint64_t)FLS_READER_BLOCK_SZ, 0);
    fls_reader_add(reader, make_object(6, 77), 77, 0);
    for (uint32_t object = 0; object < 7; object++) {
        static const int expected[7] = {0, -EISDIR, 0, -ENODATA, 0, -ENODATA, 0};
        uint64_t sizes[7] = {size, 100, size, size + 1, size - 1, 10000000, 77};

        assert_int_equal(check_object(reader, object, sizes[object], UINT64_MAX), expected[object]);
        assert_int_equal(fls_reader_next(reader, &block), expected[object]); /* and again */
        fls_reader_finish(reader);
    }
    fls_reader_free(reader);
}

static void test_errors(void **state)
{
    (void)state;
    check_errors(FLS_IO_PREAD);
    check_errors(FLS_IO_URING);
}

static void *write_slowly(void *argument)
{
    int fd = *(int *)argument;

    for (uint64_t at = 0; at < FLS_READER_BLOCK_SZ; at += 1024) {
        uint8_t piece[1024];

        for (uint64_t i = 0; i < sizeof(piece); i++)
            piece[i] = byte_of(9, at + i);
        assert_int_equal(write(fd, piece, sizeof(piece)), sizeof(piece));
    }
    return NULL;
}

/* A pipe is no object, but it gives a block in many short reads. */
static void test_short_reads(void **state)
{
    struct fls_reader *reader = make_reader(FLS_IO_URING);
    pthread_t writer;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fls_reader_add(reader, ends[0], FLS_READER_BLOCK_SZ, 0);
    assert_int_equal(pthread_create(&writer, NULL, write_slowly, &ends[1]), 0);
    assert_int_equal(check_object(reader, 9, FLS_READER_BLOCK_SZ, UINT64_MAX), 0);
    pthread_join(writer, NULL);
    close(ends[1]);
    fls_reader_free(reader);
}

/* Nothing ever comes out of these pipes: their reads must be cancelled. */
static void test_end_in_flight(void **state)
{
    struct fls_reader *reader = make_reader(FLS_IO_URING);
    int ends[2][2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pipe2(ends[i], O_CLOEXEC), 0);
        fls_reader_add(reader, ends[i][0], 5 * FLS_READER_BLOCK_SZ, 0);
        fls_reader_add(reader, make_object(1, 5000), 5000, 0);
    }
    fls_reader_finish(reader);
    assert_int_equal(check_object(reader, 1, 5000, UINT64_MAX), 0);
    fls_reader_finish(reader);
    fls_reader_free(reader); /* the second pipe, waited for by nobody */
    close(ends[0][1]);
    close(ends[1][1]);
}

/* Nothing but reads of registered files, as they are. */
static void test_ring_is_restricted(void **state)
{
    struct fls_uring *uring;
    struct io_uring *ring;
    int fd = make_object(1, 1000);

    (void)state;
    if (fls_uring_new(&uring) != 0)
        skip();
    ring = fls_uring_ring(uring);
    assert_int_equal(fls_uring_take_file(uring, 3, fd), 0);
    assert_int_equal(ask_ring(ring, IORING_OP_READ, IOSQE_FIXED_FILE, 3), 1);
    assert_int_equal(ask_ring(ring, IORING_OP_READ, 0, fd), -EACCES);
    assert_int_equal(ask_ring(ring, IORING_OP_READ, IOSQE_FIXED_FILE | IOSQE_ASYNC, 3), -EACCES);
    for (unsigned opcode = 0; opcode < IORING_OP_LAST; opcode++) {
        if (opcode == IORING_OP_READ || opcode == IORING_OP_ASYNC_CANCEL)
            continue;
        assert_int_equal(ask_ring(ring, opcode, IOSQE_FIXED_FILE, 3), -EACCES);
        assert_int_equal(ask_ring(ring, opcode, 0, fd), -EACCES);
    }
    for (unsigned what = 0; what < IORING_REGISTER_LAST; what++) {
        if (what == IORING_REGISTER_FILES_UPDATE)
            continue;
        assert_int_equal(syscall(SYS_io_uring_register, ring->ring_fd, what, NULL, 0), -1);
        assert_int_equal(errno, EACCES);
    }
    fls_uring_drop_file(uring, 3);
    assert_int_equal(ask_ring(ring, IORING_OP_READ, IOSQE_FIXED_FILE, 3), -EBADF);
    assert_int_equal(fls_uring_take_file(uring, 3, 1000), -EBADF);
    assert_true(fls_uring_free(uring));
    close(fd);
}

/* In a process where a system call of io_uring fails with `error`. */
static void child_without_uring(int call, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    struct fls_reader *reader = NULL;
    char reason[2][REASON_MAX];

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
        _exit(77);
    if (fls_reader_new(&reader, FLS_IO_AUTO, reason[0], REASON_MAX) || fls_reader_is_uring(reader))
        _exit(1);
    fls_reader_add(reader, make_object(1, 1000), 1000, 0);
    if (check_object(reader, 1, 1000, UINT64_MAX) != 0)
        _exit(2);
    fls_reader_free(reader);
    if (fls_reader_new(&reader, FLS_IO_URING, reason[1], REASON_MAX) != -error)
        _exit(3);
    if (reason[0][0] == '\0' || strcmp(reason[0], reason[1]) != 0)
        _exit(4);
    if (fls_reader_new(&reader, FLS_IO_PREAD, reason[0], REASON_MAX) || reason[0][0] != '\0')
        _exit(5);
    fls_reader_free(reader);
    _exit(0);
}

static void test_fallback(void **state)
{
    static const int errors[] = {ENOSYS, EPERM, EACCES, ENOMEM, EMFILE, EINVAL};
    static const int calls[] = {__NR_io_uring_setup, __NR_io_uring_enter};

    (void)state;
    for (size_t i = 0; i < 2 * sizeof(errors) / sizeof(errors[0]); i++) {
        int status;
        pid_t child = fork();

        if (child == 0)
            child_without_uring(calls[i % 2], errors[i / 2]);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == 77)
            skip();
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_uring),
        cmocka_unit_test(test_many_pread),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_short_reads),
        cmocka_unit_test(test_end_in_flight),
        cmocka_unit_test(test_ring_is_restricted),
        cmocka_unit_test(test_fallback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

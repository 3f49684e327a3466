#include "ingest/reader_uring.h"

#include "base/assert.h"
#include "ingest/reader.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Each block has at most one request, and at most one cancellation is under way. */
#define URING_ENTRIES (2 * FLS_READER_BLOCKS)
#define SUBMIT_TRIES_MAX 1000U /* a millisecond each, while the kernel lacks memory for it */

struct fls_uring {
    struct io_uring ring;
    uint32_t in_flight; /* blocks started and not done */
    int error;          /* the ring failed: no read is started any more */
};

static bool can_read(struct io_uring *ring)
{
    struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
    bool can = probe && io_uring_opcode_supported(probe, IORING_OP_READ) &&
               io_uring_opcode_supported(probe, IORING_OP_ASYNC_CANCEL);

    if (probe)
        io_uring_free_probe(probe);
    return can;
}

/* liburing of Debian 12 declares functions for these two registrations, but does not have them. */
static int register_with(struct io_uring *ring, unsigned what, void *argument, unsigned cnt)
{
    long result = syscall(SYS_io_uring_register, ring->ring_fd, what, argument, cnt);

    return result < 0 ? -errno : (int)result;
}

/* Once they are registered and the ring is enabled, nothing takes them back. */
static int restrict_ring(struct io_uring *ring)
{
    struct io_uring_restriction allowed[] = {
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_READ},
        {.opcode = IORING_RESTRICTION_SQE_OP, .sqe_op = IORING_OP_ASYNC_CANCEL},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_FIXED_FILE},
        {.opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED, .sqe_flags = IOSQE_FIXED_FILE},
        {.opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_FILES_UPDATE},
    };

    return register_with(ring, IORING_REGISTER_RESTRICTIONS, allowed,
                         sizeof(allowed) / sizeof(allowed[0]));
}

static int register_places(struct io_uring *ring)
{
    int none[FLS_READER_OBJECTS_MAX];

    for (uint32_t i = 0; i < FLS_READER_OBJECTS_MAX; i++)
        none[i] = -1;
    return io_uring_register_files(ring, none, FLS_READER_OBJECTS_MAX);
}

/* A seccomp filter may let a ring be made and yet refuse to enter it: better known before the first
 * read. What is entered is no read: it has to be refused by the ring. */
static int enter(struct io_uring *ring)
{
    struct io_uring_cqe *cqe;
    int result;

    io_uring_prep_nop(io_uring_get_sqe(ring)); /* an empty ring has room */
    do {
        result = io_uring_submit_and_wait(ring, 1);
    } while (result == -EINTR);
    if (result < 0)
        return result;
    result = io_uring_wait_cqe(ring, &cqe);
    if (result == 0) {
        result = cqe->res == -EACCES ? 0 : -ENOSYS;
        io_uring_cqe_seen(ring, cqe);
    }
    return result;
}

static int prepare(struct io_uring *ring)
{
    int error = can_read(ring) ? register_places(ring) : -ENOSYS;

    if (error == 0)
        error = restrict_ring(ring);
    if (error == 0)
        error = register_with(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
    return error < 0 ? error : enter(ring);
}

int fls_uring_new(struct fls_uring **out)
{
    struct fls_uring *uring = calloc(1, sizeof(*uring));

    if (!uring)
        return -ENOMEM;
    int error = io_uring_queue_init(URING_ENTRIES, &uring->ring, IORING_SETUP_R_DISABLED);
    if (error == 0) {
        error = prepare(&uring->ring);
        if (error)
            io_uring_queue_exit(&uring->ring);
    }
    if (error) {
        free(uring);
        return error;
    }
    *out = uring;
    return 0;
}

bool fls_uring_free(struct fls_uring *uring)
{
    bool is_quiet = uring->in_flight == 0;

    fls_assert(is_quiet || uring->error);
    io_uring_queue_exit(&uring->ring);
    free(uring);
    return is_quiet;
}

int fls_uring_take_file(struct fls_uring *uring, uint32_t place, int fd)
{
    int result;

    fls_assert(place < FLS_READER_OBJECTS_MAX);
    result = io_uring_register_files_update(&uring->ring, place, &fd, 1);
    return result < 0 ? result : 0;
}

void fls_uring_drop_file(struct fls_uring *uring, uint32_t place)
{
    /* one that could not be let go of is let go of when its place is taken */
    fls_uring_take_file(uring, place, -1);
}

struct io_uring *fls_uring_ring(struct fls_uring *uring)
{
    return &uring->ring;
}

static void end_block(struct fls_uring *uring, struct fls_block *block, int error)
{
    block->error = error;
    block->is_done = true;
    uring->in_flight--;
}

static void queue_read(struct fls_uring *uring, struct fls_block *block)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

    fls_assert(sqe); /* URING_ENTRIES is enough for all blocks */
    io_uring_prep_read(sqe, block->file, block->memory + block->got, block->sz - block->got,
                       block->at + block->got);
    sqe->flags = IOSQE_FIXED_FILE;
    io_uring_sqe_set_data(sqe, block);
}

static void complete(struct fls_uring *uring, struct fls_block *block, int result)
{
    bool is_put_off = result == -EAGAIN || result == -EINTR;

    if (result > 0)
        block->got += (uint32_t)result;
    fls_assert(block->got <= block->sz);
    if (block->got == block->sz)
        end_block(uring, block, 0);
    else if (result == 0)
        end_block(uring, block, -ENODATA);
    else if (block->is_dropped)
        end_block(uring, block, -ECANCELED);
    else if (result > 0 || (is_put_off && block->retry_cnt++ < FLS_READER_RETRIES_MAX))
        queue_read(uring, block);
    else
        end_block(uring, block, result);
}

static void reap(struct fls_uring *uring)
{
    struct io_uring_cqe *cqe;

    while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
        struct fls_block *block = io_uring_cqe_get_data(cqe);
        int result = cqe->res;

        io_uring_cqe_seen(&uring->ring, cqe);
        /* A cancellation has no block: the read it cancels ends by itself. Once the ring failed,
         * blocks no longer follow what happens in it. */
        if (block && !uring->error)
            complete(uring, block, result);
    }
}

/* Submits all that is queued; waits for at least wait_cnt completions. */
static void submit(struct fls_uring *uring, unsigned wait_cnt)
{
    const struct timespec pause = {.tv_nsec = 1000000};

    for (unsigned tries = 0; !uring->error; tries++) {
        int result = io_uring_submit_and_wait(&uring->ring, wait_cnt);

        if (result >= 0 || result == -EINTR)
            break;
        if ((result != -EAGAIN && result != -EBUSY) || tries == SUBMIT_TRIES_MAX)
            uring->error = result;
        else
            nanosleep(&pause, NULL);
        reap(uring);
    }
    reap(uring);
}

void fls_uring_start(struct fls_uring *uring, struct fls_block *block)
{
    block->got = 0;
    block->retry_cnt = 0;
    block->error = 0;
    block->is_done = false;
    block->is_dropped = false;
    uring->in_flight++;
    if (uring->error)
        end_block(uring, block, uring->error);
    else
        queue_read(uring, block);
}

void fls_uring_flush(struct fls_uring *uring)
{
    if (io_uring_sq_ready(&uring->ring) >= FLS_READER_BATCH)
        submit(uring, 0);
}

void fls_uring_wait(struct fls_uring *uring, struct fls_block *block)
{
    reap(uring);
    while (!block->is_done && !uring->error)
        submit(uring, 1);
    if (!block->is_done) {
        /* The kernel may still write to the memory: in_flight stays, so that it is kept. */
        block->error = uring->error;
        return;
    }
    fls_uring_flush(uring);
}

void fls_uring_drop(struct fls_uring *uring, struct fls_block *block)
{
    reap(uring);
    block->is_dropped = true;
    submit(uring, 0); /* only what was submitted can be cancelled */
    if (!block->is_done && !uring->error) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);

        fls_assert(sqe);
        io_uring_prep_cancel64(sqe, (uintptr_t)block, 0);
        /* as the ring demands of all; before Linux 5.19 a cancellation is refused with it, and the
         * read ends by itself, for objects are regular files */
        sqe->flags = IOSQE_FIXED_FILE;
        io_uring_sqe_set_data(sqe, NULL);
    }
    while (!block->is_done && !uring->error)
        submit(uring, 1);
}

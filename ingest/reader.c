/* Blocks are started in the order in which they will be wanted, whatever object they belong to, and
 * taken in the same order: a FIFO of FLS_READER_BLOCKS.
 *
 *   objects   first                cursor             end
 *             │ oldest, is read    │ its next bytes   │
 *   blocks    first                                   end
 *             │ oldest, perhaps with the caller       │ next to be started
 */
#include "ingest/reader.h"

#include "base/assert.h"
#include "base/clock.h"
#include "ingest/reader_uring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_SZ ((size_t)FLS_READER_BLOCKS * FLS_READER_BLOCK_SZ)

struct object {
    int fd; /* stays open also where the ring has the file: /proc shows what is being read */
    int error;
    uint64_t size;
    int64_t mtime_ns;
    uint64_t started; /* bytes that have their block */
    uint64_t given;   /* bytes the caller has had */
};

struct fls_reader {
    struct fls_uring *uring; /* NULL: pread */
    uint8_t *memory;
    uint64_t object_first, object_cursor, object_end; /* running numbers */
    uint64_t block_first, block_end;                  /* likewise */
    bool is_given;                                    /* the oldest block is with the caller */
    struct object objects[FLS_READER_OBJECTS_MAX];
    struct fls_block blocks[FLS_READER_BLOCKS];
};

static struct object *object_at(struct fls_reader *reader, uint64_t number)
{
    return &reader->objects[number % FLS_READER_OBJECTS_MAX];
}

static struct fls_block *block_at(struct fls_reader *reader, uint64_t number)
{
    return &reader->blocks[number % FLS_READER_BLOCKS];
}

static void explain(int error, char *reason, size_t reason_max)
{
    switch (-error) {
    case ENOSYS:
    case EINVAL:
        snprintf(reason, reason_max, "this kernel has no io_uring, or one that is too old");
        break;
    case EPERM:
    case EACCES:
        snprintf(reason, reason_max,
                 "io_uring is refused here: by a container's seccomp profile, a security module, "
                 "or sysctl kernel.io_uring_disabled");
        break;
    case ENOMEM:
        snprintf(reason, reason_max, "too little locked memory for io_uring (ulimit -l)");
        break;
    case EMFILE:
    case ENFILE:
        snprintf(reason, reason_max, "too many open files for io_uring (ulimit -n)");
        break;
    default:
        snprintf(reason, reason_max, "io_uring cannot be set up: %s", strerror(-error));
    }
}

int fls_reader_new(struct fls_reader **out, enum fls_io io, char *reason, size_t reason_max)
{
    struct fls_reader *reader = calloc(1, sizeof(*reader));
    int error = 0;

    snprintf(reason, reason_max, "%s", "");
    if (!reader)
        return -ENOMEM;
    reader->memory =
        mmap(NULL, MEMORY_SZ, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reader->memory == MAP_FAILED) {
        free(reader);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < FLS_READER_BLOCKS; i++)
        reader->blocks[i].memory = reader->memory + (size_t)i * FLS_READER_BLOCK_SZ;
    if (io != FLS_IO_PREAD)
        error = fls_uring_new(&reader->uring);
    if (error)
        explain(error, reason, reason_max);
    if (error && io == FLS_IO_URING) {
        fls_reader_free(reader);
        return error;
    }
    *out = reader;
    return 0;
}

void fls_reader_free(struct fls_reader *reader)
{
    bool is_quiet = true;

    if (!reader)
        return;
    while (reader->object_first < reader->object_end)
        fls_reader_finish(reader);
    if (reader->uring)
        is_quiet = fls_uring_free(reader->uring);
    if (is_quiet) /* else the kernel may still write there */
        munmap(reader->memory, MEMORY_SZ);
    free(reader);
}

bool fls_reader_is_uring(const struct fls_reader *reader)
{
    return reader->uring != NULL;
}

uint32_t fls_reader_room(const struct fls_reader *reader)
{
    return FLS_READER_OBJECTS_MAX - (uint32_t)(reader->object_end - reader->object_first);
}

/* Where the ring has the object's file. */
static uint32_t place_of(const struct fls_reader *reader, const struct object *object)
{
    return (uint32_t)(object - reader->objects);
}

static void start_block(struct fls_reader *reader, uint64_t number)
{
    struct object *object = object_at(reader, number);
    struct fls_block *block = block_at(reader, reader->block_end++);
    uint64_t left = object->size - object->started;

    block->object = number;
    block->file = reader->uring ? (int)place_of(reader, object) : object->fd;
    block->at = object->started;
    block->sz = left < FLS_READER_BLOCK_SZ ? (uint32_t)left : FLS_READER_BLOCK_SZ;
    object->started += block->sz;
    if (reader->uring)
        fls_uring_start(reader->uring, block);
    else
        block->is_done = false;
}

static void read_ahead(struct fls_reader *reader)
{
    while (reader->object_cursor < reader->object_end) {
        struct object *object = object_at(reader, reader->object_cursor);

        if (object->started == object->size)
            reader->object_cursor++;
        else if (reader->block_end - reader->block_first < FLS_READER_BLOCKS)
            start_block(reader, reader->object_cursor);
        else
            break;
    }
    if (reader->uring)
        fls_uring_flush(reader->uring);
}

void fls_reader_add(struct fls_reader *reader, int fd, uint64_t size, int64_t mtime_ns)
{
    struct object *object = object_at(reader, reader->object_end);

    fls_assert(fls_reader_room(reader) > 0);
    reader->object_end++;
    *object = (struct object){.fd = fd, .size = size, .mtime_ns = mtime_ns};
    if (reader->uring)
        object->error = fls_uring_take_file(reader->uring, place_of(reader, object), fd);
    else if (size > 0) /* let the kernel at least read the beginning ahead */
        posix_fadvise(fd, 0, FLS_READER_BLOCK_SZ, POSIX_FADV_WILLNEED);
    if (object->error)
        object->started = size; /* none of its blocks is to be started */
    read_ahead(reader);
}

static void pread_block(struct fls_block *block)
{
    block->got = 0;
    block->error = 0;
    while (block->got < block->sz && !block->error) {
        ssize_t got = pread(block->file, block->memory + block->got, block->sz - block->got,
                            (off_t)(block->at + block->got));

        if (got > 0)
            block->got += (uint32_t)got;
        else if (got == 0)
            block->error = -ENODATA;
        else if (errno != EINTR)
            block->error = -errno;
    }
    block->is_done = true;
}

/* The caller is done with the oldest block. Freed blocks are put to use several at a time, and at
 * once if nothing is left to wait for. */
static void release(struct fls_reader *reader)
{
    if (reader->is_given)
        reader->block_first++;
    reader->is_given = false;
    uint64_t busy = reader->block_end - reader->block_first;
    if (busy == 0 || busy + FLS_READER_BATCH <= FLS_READER_BLOCKS)
        read_ahead(reader);
}

int fls_reader_next(struct fls_reader *reader, struct fls_span *out)
{
    struct object *object = object_at(reader, reader->object_first);

    fls_assert(reader->object_first < reader->object_end);
    release(reader);
    if (object->error || object->given == object->size)
        return object->error;
    struct fls_block *block = block_at(reader, reader->block_first);
    fls_assert(reader->block_first < reader->block_end && block->object == reader->object_first);
    if (reader->uring)
        fls_uring_wait(reader->uring, block);
    else
        pread_block(block);
    object->error = block->error;
    if (block->error)
        return block->error;
    object->given += block->sz;
    reader->is_given = true;
    *out = (struct fls_span){block->memory, block->sz};
    return 1;
}

/* By the system call itself: the C library's fstat may be one that takes a path as well, which is
 * refused to an ingest. Of 64-bit machines, the kernel's struct stat is the C library's. */
static int stat_open_file(int fd, struct stat *status)
{
    static_assert(sizeof(long) == 8, "struct stat");
    return (int)syscall(SYS_fstat, fd, status);
}

bool fls_reader_has_changed(struct fls_reader *reader)
{
    const struct object *object = object_at(reader, reader->object_first);
    struct stat now;

    fls_assert(reader->object_first < reader->object_end);
    return stat_open_file(object->fd, &now) != 0 || (uint64_t)now.st_size != object->size ||
           fls_timespec_ns(now.st_mtim) != object->mtime_ns;
}

void fls_reader_finish(struct fls_reader *reader)
{
    struct object *object = object_at(reader, reader->object_first);

    fls_assert(reader->object_first < reader->object_end);
    while (reader->block_first < reader->block_end &&
           block_at(reader, reader->block_first)->object == reader->object_first) {
        struct fls_block *block = block_at(reader, reader->block_first++);

        if (reader->uring && !block->is_done)
            fls_uring_drop(reader->uring, block);
    }
    reader->is_given = false;
    if (reader->uring)
        fls_uring_drop_file(reader->uring, place_of(reader, object));
    close(object->fd);
    reader->object_first++;
    if (reader->object_cursor < reader->object_first)
        reader->object_cursor = reader->object_first;
    read_ahead(reader);
}

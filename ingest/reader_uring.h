/* Reads of blocks through io_uring: what is below the reader when the kernel allows it. Inside
 * ingest/reader only.
 *
 * A ring passes seccomp by, so this one is restricted in itself, by the kernel and for good: it
 * reads files that were registered with it, it cancels such reads, it exchanges registered files,
 * and nothing else. What hostile bytes might make of the process, the ring opens no file and no
 * socket. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct io_uring;

/* Reads that are collected before they are submitted, unless somebody waits: one system call for
 * several blocks. */
#define FLS_READER_BATCH 4U
#define FLS_READER_RETRIES_MAX 64U /* times the kernel may put off one block */

/* One piece of one object, and the read that fills it. */
struct fls_block {
    uint8_t *memory; /* FLS_READER_BLOCK_SZ bytes */
    uint64_t object; /* the reader's number of the object */
    uint64_t at;     /* offset in the object */
    uint32_t sz;     /* bytes wanted, 1..FLS_READER_BLOCK_SZ */
    uint32_t got;    /* bytes there */
    uint32_t retry_cnt;
    int file;        /* a descriptor; through io_uring: the place of a registered file */
    int error;       /* 0 or -errno; -ENODATA if the object ends before it should */
    bool is_done;    /* the read ended, well or not; nobody writes to memory any more */
    bool is_dropped; /* nobody wants the bytes any more */
};

struct fls_uring;

/* 0 or -errno: as io_uring_setup has it, -ENOSYS also for a kernel that is too old, or that does
 * not keep to the restrictions. */
int fls_uring_new(struct fls_uring **uring);
/* True if no read is in flight any more: the blocks' memory may be given back. That is so unless
 * the ring itself failed. Precondition: every started block is done or was dropped. */
bool fls_uring_free(struct fls_uring *uring);
/* Registers a file at a place (0..FLS_READER_OBJECTS_MAX - 1), in place of what was there. 0 or
 * -errno. */
int fls_uring_take_file(struct fls_uring *uring, uint32_t place, int fd);
/* Lets go of the file there. No read of it is in flight. */
void fls_uring_drop_file(struct fls_uring *uring, uint32_t place);
/* Begins to fill a block whose memory, at, sz and file are set; the rest is reset. The block must
 * stay where it is until it is done. */
void fls_uring_start(struct fls_uring *uring, struct fls_block *block);
/* Submits what was started, if that is a batch. */
void fls_uring_flush(struct fls_uring *uring);
/* Waits until the block is done. */
void fls_uring_wait(struct fls_uring *uring, struct fls_block *block);
/* Cancels the read of the block, if it is not done, and waits for its end. */
void fls_uring_drop(struct fls_uring *uring, struct fls_block *block);
/* The ring, as whoever has taken over the process would find it: for tests. */
struct io_uring *fls_uring_ring(struct fls_uring *uring);

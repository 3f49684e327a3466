/* "Give me the next block": the bytes of objects as they are on disk, in the order in which the
 * objects were added, with read-ahead over many of them. io_uring, or pread where the kernel or a
 * container refuses it; the interface is the same.
 *
 * Memory: FLS_READER_BLOCKS blocks of FLS_READER_BLOCK_SZ, for all objects together. */
#pragma once

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_READER_BLOCK_SZ (256U << 10)
#define FLS_READER_BLOCKS 16U
#define FLS_READER_OBJECTS_MAX 64U /* objects added and not finished */

enum fls_io { FLS_IO_AUTO, FLS_IO_URING, FLS_IO_PREAD };

struct fls_reader;

/* 0 or -errno. With FLS_IO_AUTO and no io_uring it falls back to pread and writes why, in words for
 * the user, to reason (else it writes ""). With FLS_IO_URING it fails with the same text. */
int fls_reader_new(struct fls_reader **reader, enum fls_io io, char *reason, size_t reason_max);
void fls_reader_free(struct fls_reader *reader);
/* True if the reader reads through io_uring. */
bool fls_reader_is_uring(const struct fls_reader *reader);
/* Objects that can still be added now. */
uint32_t fls_reader_room(const struct fls_reader *reader);
/* Adds an object behind the others and begins to read ahead as far as blocks allow. Owns the
 * descriptor from now on. Size and time of the last change are the edition to read, as fstat said
 * when it was opened: an object that grew is read to `size`, one that shrank ends with -ENODATA.
 * Precondition: room > 0. */
void fls_reader_add(struct fls_reader *reader, int fd, uint64_t size, int64_t mtime_ns);
/* The next block of the oldest object, waiting for it: 1 and the block, 0 after its last block, or
 * -errno. The block is valid until the next call. */
int fls_reader_next(struct fls_reader *reader, struct fls_span *block);
/* True if the oldest object is not the edition any more that was added, or nobody can tell: what
 * was read until now may be a mixture. A change of the same size within the tick of the clock in
 * which the object was changed before does not show. */
bool fls_reader_has_changed(struct fls_reader *reader);
/* Ends the oldest object, read to its end or not, and closes its descriptor. */
void fls_reader_finish(struct fls_reader *reader);

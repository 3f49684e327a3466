/* What publish has of the epoch in the making: what became of its objects, and its segments. */
#pragma once

#include "base/span.h"
#include "shm/result.h"

#include <stdbool.h>
#include <stdint.h>

struct fls_epoch_segment {
    struct fls_span content; /* mapped read-only; at NULL: the shard counted nothing */
};

struct fls_epoch {
    struct fls_span *results; /* encoded, owned; struct fls_result by fls_epoch_result */
    uint32_t result_cnt, result_max;
    uint32_t counted_cnt, failed_cnt;
    bool is_damaged; /* records of an object that does not count are in the segments */
    struct fls_epoch_segment *segments; /* one of each shard */
    uint32_t shard_cnt;
};

void fls_epoch_init(struct fls_epoch *epoch, uint32_t shard_cnt);
void fls_epoch_fini(struct fls_epoch *epoch);
/* Forgets results and segments. */
void fls_epoch_clear(struct fls_epoch *epoch);
/* Takes a copy of an encoded result. */
void fls_epoch_add_result(struct fls_epoch *epoch, struct fls_span encoded);
/* Result number i; `result` is the caller's, its accounts point into the epoch. */
void fls_epoch_result(const struct fls_epoch *epoch, uint32_t i, struct fls_result *result);
/* Maps shard number `shard`'s segment of `size` bytes (0: none) and closes the descriptor. */
void fls_epoch_add_segment(struct fls_epoch *epoch, uint32_t shard, int fd, uint64_t size);

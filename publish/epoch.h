/* What publish has of the epoch in the making: what became of its objects, and where its rows are:
 * in a segment file that is being written (publish/commit.h). */
#pragma once

#include "base/span.h"
#include "shm/result.h"
#include "state/ledger.h"
#include "state/segments.h"

#include <stdbool.h>
#include <stdint.h>

struct fls_epoch {
    struct fls_span *results; /* encoded, owned; struct fls_result by fls_epoch_result */
    uint32_t result_cnt, result_max;
    uint32_t counted_cnt, failed_cnt;
    bool is_damaged; /* records of an object that does not count are among the rows */
    bool has_file;   /* the file is begun, and neither finished nor abandoned */
    struct fls_segment_file file;
    struct fls_part *parts; /* of the file, in its order */
    uint32_t part_cnt, part_max;
};

/* A zeroed struct fls_epoch is an empty one. Frees what it holds; abandons a file being written. */
void fls_epoch_fini(struct fls_epoch *epoch);
/* Makes it an empty one again. */
void fls_epoch_clear(struct fls_epoch *epoch);
/* Takes a copy of an encoded result. */
void fls_epoch_add_result(struct fls_epoch *epoch, struct fls_span encoded);
/* Result number i; `result` is the caller's, its accounts point into the epoch. */
void fls_epoch_result(const struct fls_epoch *epoch, uint32_t i, struct fls_result *result);

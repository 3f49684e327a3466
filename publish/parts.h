/* The parts of a day that the ledger names, checked, to be read from their files as their sum. */
#pragma once

#include "publish/merge.h"
#include "state/ledger.h"
#include "state/segments.h"

#include <stdbool.h>
#include <stdint.h>

struct fls_parts {
    struct fls_merge_day merged;
    uint32_t first_new; /* parts[first_new..] are of segments from `new_segment` on */
    uint64_t bytes;     /* of all parts */
    int *files; /* each has parts of the day; at most one for each epoch since it was one part */
    uint32_t file_cnt, file_max;
    uint64_t last_segment;         /* that of the last file */
    struct fls_segments *segments; /* not owned */
    uint64_t new_segment;
    char failure[512];
};

/* Opens the day. Segments from new_segment on are what is new in it. 0; or -errno and
 * parts->failure (-EUCLEAN: a part is damaged or missing, -EPROTO: it is of a newer layout), then
 * there is nothing to be closed. */
int fls_parts_open(struct fls_parts *parts, struct fls_ledger *ledger,
                   struct fls_segments *segments, uint32_t day, uint64_t new_segment);
void fls_parts_close(struct fls_parts *parts);
/* A part was found to be damaged, or could not be read, when its rows were: -EUCLEAN, and
 * parts->failure. */
int fls_parts_tell_torn(struct fls_parts *parts);

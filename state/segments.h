/* Segment files: state/segments/NUMBER.seg, written once, synced before the ledger's commit that
 * names them, read through read-only maps, removed when no part of them is referred to any more.
 * Their content is opaque here, but each file ends with a trailer (magic, size, XXH3-64 of what
 * stands before) that is checked when it is opened. */
#pragma once

#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

struct fls_segments {
    int folder_fd; /* state/segments */
};

/* Opens the folder, creating it. 0 or -errno. */
int fls_segments_open(struct fls_segments *segments, const char *state_folder);
void fls_segments_close(struct fls_segments *segments);
/* Writes the pieces one after the other and the trailer to a temporary file, syncs, renames, syncs
 * the folder. 0 or -errno (-ENOSPC, -EIO, ...), after which no file of that number exists. */
int fls_segments_write(struct fls_segments *segments, uint64_t number,
                       const struct fls_span *pieces, uint32_t piece_cnt);
/* Maps a whole file read-only after checking its trailer's size (and its sum, if check_sum):
 * 0, or -errno (-ENOENT, -EUCLEAN: torn or damaged). The span is without the trailer. */
int fls_segments_map(struct fls_segments *segments, uint64_t number, int check_sum,
                     struct fls_span *content);
void fls_segments_unmap(struct fls_span content);
/* Removes every file in the folder whose number is not among the `cnt` ascending numbers given:
 * leftovers of an interrupted commit, and files that nothing refers to. */
int fls_segments_retain(struct fls_segments *segments, const uint64_t *numbers, size_t cnt);

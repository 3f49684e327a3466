/* Segment files: state/segments/NUMBER.seg, written once, synced before the ledger's commit that
 * names them, read part by part, removed when no part of them is referred to any more. Their
 * content is opaque here. Each file ends with a trailer (size, number, magic), so that a torn file
 * or another one is known at once; the sum of each part is in the ledger, so that reading a part
 * costs what the part costs, however much else the file holds. */
#pragma once

#include "base/span.h"
#include "state/part.h"

#include <stddef.h>
#include <stdint.h>

struct fls_segments {
    int folder_fd;         /* state/segments */
    char *path;            /* of it, for messages */
    uint64_t last_written; /* number of the file that was finished last; 0: none was since it was
                              opened */
};

struct XXH3_state_s;

/* A file being written, between begin and finish or abandon. */
struct fls_segment_file {
    struct fls_segments *segments; /* not owned */
    uint64_t number;
    uint64_t size;       /* of the content so far */
    uint64_t early_size; /* of it, what is on its way to the disk */
    int fd;
    uint64_t part_offset;          /* where the part that is being written begins */
    struct XXH3_state_s *part_sum; /* of it, as far as it is written */
};

/* Opens the folder, creating it. 0 or -errno. */
int fls_segments_open(struct fls_segments *segments, const char *state_folder);
void fls_segments_close(struct fls_segments *segments);

/* Begins the file under a temporary name, NUMBER.seg.tmp. 0 or -errno; then nothing is begun, and
 * no file of that number exists. */
int fls_segments_begin(struct fls_segments *segments, uint64_t number,
                       struct fls_segment_file *file);
/* Writes on. 0 or -errno (-ENOSPC, -EIO, ...), after which the file is to be abandoned. */
int fls_segments_append(struct fls_segment_file *file, struct fls_span content);
/* What was written since the last part's end, or since the file's begin, is a part, of this day. */
struct fls_part fls_segments_end_part(struct fls_segment_file *file, uint32_t day);
/* Writes the trailer, syncs, renames, syncs the folder. 0 or -errno, after which no file of that
 * number exists; either way the file is no longer being written. */
int fls_segments_finish(struct fls_segment_file *file);
/* Takes back what was begun: no file of that number exists. */
void fls_segments_abandon(struct fls_segment_file *file);
/* All of this for pieces that are there already. 0 or -errno, after which no file of that number
 * exists. */
int fls_segments_write(struct fls_segments *segments, uint64_t number,
                       const struct fls_span *pieces, uint32_t piece_cnt);

/* Opens the file for reading: 0 and *fd, to be closed; or -errno (-ENOENT: there is no such file).
 * It stays readable until it is closed, also when it is removed. */
int fls_segments_open_file(struct fls_segments *segments, uint64_t number, int *fd);
/* Reads the part's bytes in the file of that number, and checks them: 0, or -errno (-EUCLEAN: the
 * file is torn, damaged or another one). */
int fls_segments_check(int fd, const struct fls_part *part);
/* XXH3-64 of a part's bytes. */
uint64_t fls_segments_sum(struct fls_span bytes);
/* Removes every file in the folder whose number is not among the `cnt` ascending numbers given:
 * leftovers of an interrupted commit, and files that nothing refers to. */
int fls_segments_retain(struct fls_segments *segments, const uint64_t *numbers, size_t cnt);

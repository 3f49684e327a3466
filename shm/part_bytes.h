/* The bytes of a part, read from the first to the last: in memory as they stand, or in a file of
 * which no more is in memory than the room that the reader gives. So what reading takes does not
 * depend on the part, nor on how much of a file the kernel maps at a time.
 *
 *     file    | read before | at hand          | left          |
 *     room                  | at ...       end | 0s |              bytes of 0 where a reader that
 *                                                                  does not look may look */
#pragma once

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where bytes stand. */
struct fls_part_place {
    const uint8_t *at; /* in memory; NULL if they are in the file */
    int fd;            /* not owned */
    uint64_t offset;   /* in the file */
    uint64_t sz;
};

struct fls_part_bytes {
    const uint8_t *at, *end;    /* at hand */
    struct fls_part_place rest; /* behind it; rest.sz is 0 in memory */
    uint8_t *room;
    size_t room_sz;
};

/* Bytes of 0 behind the last ones that are read into a room. */
#define FLS_PART_BEHIND_SZ 128U

static inline struct fls_part_place fls_part_in_memory(struct fls_span bytes)
{
    return (struct fls_part_place){.at = bytes.at, .fd = -1, .sz = bytes.sz};
}

/* The bytes begin..end of the place. */
struct fls_part_place fls_part_place_between(const struct fls_part_place *place, uint64_t begin,
                                             uint64_t end);
/* Copies all of it. 0, -errno, or -EUCLEAN if the file ends before. */
int fls_part_place_copy(const struct fls_part_place *place, void *to);

/* Begins with the first byte. The room, of more than FLS_PART_BEHIND_SZ bytes, stays the caller's
 * and is used if the bytes are in a file. */
void fls_part_bytes_begin(struct fls_part_bytes *bytes, const struct fls_part_place *place,
                          uint8_t *room, size_t room_sz);
/* Reads on until the room is full. False if the file cannot be read, or ends before. */
bool fls_part_bytes_fill(struct fls_part_bytes *bytes);

/* Makes `sz` bytes, or all that are left, be at hand. `sz` is at most the room less
 * FLS_PART_BEHIND_SZ. False if the file cannot be read. */
static inline bool fls_part_bytes_need(struct fls_part_bytes *bytes, size_t sz)
{
    return bytes->rest.sz == 0 || (size_t)(bytes->end - bytes->at) >= sz ||
           fls_part_bytes_fill(bytes);
}

/* True if nothing is left. */
static inline bool fls_part_bytes_are_read(const struct fls_part_bytes *bytes)
{
    return bytes->at == bytes->end && bytes->rest.sz == 0;
}

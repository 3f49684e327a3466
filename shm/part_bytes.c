#include "shm/part_bytes.h"

#include "base/assert.h"
#include "base/read.h"

struct fls_part_place fls_part_place_between(const struct fls_part_place *place, uint64_t begin,
                                             uint64_t end)
{
    struct fls_part_place between = {.fd = place->fd, .offset = place->offset + begin};

    fls_assert(begin <= end && end <= place->sz);
    between.sz = end - begin;
    if (place->at)
        between.at = place->at + begin;
    return between;
}

int fls_part_place_copy(const struct fls_part_place *place, void *to)
{
    if (place->at == NULL)
        return fls_read_at(place->fd, to, place->sz, place->offset);
    memcpy(to, place->at, place->sz);
    return 0;
}

void fls_part_bytes_begin(struct fls_part_bytes *bytes, const struct fls_part_place *place,
                          uint8_t *room, size_t room_sz)
{
    if (place->at) {
        *bytes = (struct fls_part_bytes){.at = place->at, .end = place->at + place->sz};
        return;
    }
    fls_assert(room_sz > FLS_PART_BEHIND_SZ);
    *bytes = (struct fls_part_bytes){.at = room,
                                     .end = room,
                                     .rest = *place,
                                     .room = room,
                                     .room_sz = room_sz - FLS_PART_BEHIND_SZ};
}

bool fls_part_bytes_fill(struct fls_part_bytes *bytes)
{
    struct fls_part_place *rest = &bytes->rest;
    size_t kept = (size_t)(bytes->end - bytes->at), sz = bytes->room_sz - kept;

    sz = sz < rest->sz ? sz : rest->sz;
    memmove(bytes->room, bytes->at, kept);
    bytes->at = bytes->room;
    bytes->end = bytes->room + kept;
    if (fls_read_at(rest->fd, bytes->room + kept, sz, rest->offset) != 0)
        return false;
    bytes->end += sz;
    memset(bytes->room + kept + sz, 0, FLS_PART_BEHIND_SZ);
    rest->offset += sz;
    rest->sz -= sz;
    return true;
}

/* Objects that are handed out together: one message to an ingest, with their descriptors. */
#pragma once

#include "shm/channel.h"
#include "shm/work.h"
#include "supervise/inputs.h"

struct fls_parcel {
    _Alignas(struct fls_work) uint8_t message[FLS_CHANNEL_MESSAGE_MAX];
    size_t sz;
    uint32_t cnt, fd_cnt;
    int fds[FLS_WORKS_MAX];
};

void fls_parcel_begin(struct fls_parcel *parcel);
/* True if the object may come to it: any one may come to an empty one. */
bool fls_parcel_has_room(const struct fls_parcel *parcel, const struct fls_input *input);
/* Opens the object and adds it, under its number. Precondition: there is room. */
void fls_parcel_add(struct fls_parcel *parcel, const struct fls_input *input, uint32_t number);
/* Sends what was added; the descriptors are closed, whether that succeeds or not. 0, -EAGAIN if the
 * channel is full now, or another -errno: the ingest is gone. */
int fls_parcel_send(struct fls_parcel *parcel, int channel);

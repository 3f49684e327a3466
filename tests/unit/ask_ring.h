/* A request that an attacker puts into a ring. */
#pragma once

#include <liburing.h>

/* What comes of it: bytes, or -errno. */
static inline int ask_ring(struct io_uring *ring, unsigned opcode, unsigned flags, int file)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;
    static char byte;
    int result;

    if (!sqe)
        return 0;
    *sqe = (struct io_uring_sqe){.opcode = (uint8_t)opcode,
                                 .flags = (uint8_t)flags,
                                 .fd = file,
                                 .addr = (uintptr_t)&byte,
                                 .len = 1};
    result = io_uring_submit_and_wait(ring, 1);
    if (result < 0 || io_uring_wait_cqe(ring, &cqe) != 0)
        return result;
    result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    return result;
}

/* The rings that a process reads, one of each ingest, up to a barrier in each: epoch after epoch.
 * A ring that has brought its barrier is not read again until all have; then what was taken is
 * exactly the epoch. */
#pragma once

#include "shm/message.h"
#include "shm/metrics.h"
#include "shm/ring.h"

struct fls_intake_ring {
    struct fls_consumer consumer;
    struct fls_message message; /* being put together */
    bool at_barrier;
    bool has_ended; /* its last barrier has come */
};

struct fls_intake {
    struct fls_intake_ring *rings;
    uint32_t ring_cnt;
    int bell; /* of this process */
    struct fls_metrics *metrics;
};

/* Joins the rings as their consumer. */
void fls_intake_join(struct fls_intake *intake, const struct fls_ring *rings, uint32_t ring_cnt,
                     int bell, struct fls_metrics *metrics);
void fls_intake_leave(struct fls_intake *intake);
/* A BARRIER message was put together in the ring. */
void fls_intake_take_barrier(struct fls_intake_ring *ring);
/* True if every ring has come to its barrier; *is_last: nothing follows in any of them. */
bool fls_intake_is_complete(const struct fls_intake *intake, bool *is_last);
/* The epoch is dealt with: the rings are read again. */
void fls_intake_next_epoch(struct fls_intake *intake);
/* Sleeps until a ring that may be read has something, or FLS_SLEEP_MAX_MS. The first such ring is
 * shown as the one that is waited for. */
void fls_intake_sleep(struct fls_intake *intake);

/* A shard's segments on their way to publish. Publish answers each once it is written; until then
 * its pages are memory, so there are at most FLS_SEGMENTS_IN_FLIGHT_MAX of them. */
#pragma once

#include "aggregate/shard.h"
#include "shm/metrics.h"
#include "shm/work.h"

#include <stdbool.h>
#include <stdint.h>

struct fls_handover {
    int channel;                                /* to publish */
    int bell;                                   /* of this process */
    int publish_bell;                           /* rung after each segment */
    struct fls_metrics *metrics;                /* of this process */
    uint64_t sizes[FLS_SEGMENTS_IN_FLIGHT_MAX]; /* of segments not answered, in order */
    int fds[FLS_SEGMENTS_IN_FLIGHT_MAX];        /* theirs, -1: it has none. So this process gives
                                                   the pages back, and publish goes on meanwhile */
    uint32_t cnt;
};

/* Takes the answers that have come and, with more than `cnt_max` segments still not answered, waits
 * for others, reading nothing meanwhile. False, after it was told, if publish is gone. */
bool fls_handover_settle(struct fls_handover *handover, uint32_t cnt_max);
/* Bytes of the segments not answered. */
uint64_t fls_handover_bytes(const struct fls_handover *handover);
/* Sends the shard's days, which are complete, as a segment of the epoch; less than
 * FLS_SEGMENTS_IN_FLIGHT_MAX are not answered before. False, after it was told, if publish is
 * gone. */
bool fls_handover_send(struct fls_handover *handover, struct fls_shard *shard, uint64_t epoch,
                       bool is_last);

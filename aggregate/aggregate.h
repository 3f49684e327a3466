/* The aggregate role: drains one ring of each ingest into its shard, and hands what it counted to
 * publish as segments: at each barrier, and before its memory is used up. */
#pragma once

#include "shm/ring.h"

#include <stdint.h>

/* What the supervisor wires it to; all descriptors stay open as long as the role runs. */
struct fls_aggregate_links {
    uint32_t ring_cnt;
    const struct fls_ring *rings; /* one of each ingest; this process is their consumer */
    int bell;                     /* its own */
    int segment_channel;          /* to publish: struct fls_segment_ready and a descriptor; back:
                                     struct fls_segment_taken */
    int publish_bell;             /* rung after each segment */
    int metrics_fd;
    uint64_t memory; /* bytes of its tables, and of what is handed over, until publish has it */
};

/* Runs until every ring has brought its last barrier; the exit status of the process. */
int fls_aggregate_main(const struct fls_aggregate_links *links);

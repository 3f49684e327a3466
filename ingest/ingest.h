/* The ingest role: takes objects from the supervisor, reads, inflates, parses and routes them, and
 * tells publish what became of each. */
#pragma once

#include "ingest/layout.h"
#include "ingest/reader.h"
#include "ingest/text.h"
#include "shm/ring.h"

/* What the supervisor wires it to; all descriptors stay open as long as the role runs. */
struct fls_ingest_links {
    uint32_t ring_cnt;
    const struct fls_ring *rings;       /* one of each shard; this process is their producer */
    const struct fls_ring *result_ring; /* to publish */
    int bell;                           /* its own */
    int work_channel; /* to the supervisor: struct fls_work and a descriptor in, fls_done out */
    int control_fd, metrics_fd;
    struct fls_layout headerless;
    enum fls_io io;
    enum fls_inflate inflate;
    bool tells_fallback; /* says what this kernel refuses; one of all ingests does */
};

/* Runs until the supervisor closes its end of the work channel; the exit status of the process. */
int fls_ingest_main(const struct fls_ingest_links *links);

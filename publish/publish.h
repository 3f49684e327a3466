/* The publish role: gathers each epoch's results and segments, commits them to the state, and
 * writes what changed to Redis. */
#pragma once

#include "base/redis.h"
#include "shm/ring.h"

/* What the supervisor wires it to; all descriptors stay open as long as the role runs. */
struct fls_publish_links {
    uint32_t ingest_cnt;
    const struct fls_ring *result_rings; /* one of each ingest; this process is their consumer */
    uint32_t shard_cnt;
    const int *segment_channels; /* one of each shard; the shard rings the bell when it has sent */
    int bell;                    /* its own */
    int news_channel;            /* to the supervisor: struct fls_news */
    int metrics_fd;
    const char *state_folder;
    const struct fls_redis_address *redis;
    const char *name; /* of the deployment */
    uint32_t top_k, keep_days;
    uint64_t day_bytes_max; /* of a day's parts: see struct fls_show */
};

/* Runs until every ring has brought its last barrier; the exit status of the process. */
int fls_publish_main(const struct fls_publish_links *links);

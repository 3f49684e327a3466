/* All that the processes share, and who is wired to whom: the one place where rings, channels,
 * bells and pages are made. Created by the supervisor before it forks the roles.
 *
 *   supervisor ──work──▶ ingest i ══record ring (i, j)══▶ aggregate j ◀─segment──▶ publish
 *        ▲                  ╚═══════result ring i════════════════════════════════▶ ║
 *        └───────────────────────────────news──────────────────────────────────────╜
 */
#pragma once

#include "aggregate/aggregate.h"
#include "ingest/ingest.h"
#include "publish/publish.h"
#include "supervise/options.h"

#define FLS_RECORD_RING_SLOTS                                                                      \
    8192U /* half a MiB: stays in the cache, covers a scheduler's turn                             \
           */
#define FLS_RESULT_RING_SLOTS                                                                      \
    16384U /* 1 MiB: more than a thousand results while publish commits                            \
            */
#define FLS_PROCESSES_MAX (FLS_INGEST_MAX + FLS_AGGREGATE_MAX + 1U)

enum fls_role { FLS_ROLE_INGEST, FLS_ROLE_AGGREGATE, FLS_ROLE_PUBLISH };

struct fls_topology {
    uint32_t ingest_cnt, aggregate_cnt;
    uint32_t process_cnt; /* ingests first, then aggregates, then publish */
    int control_fd, control_read_fd;
    struct fls_ring *record_rings; /* of ingest i to aggregate j: [i * aggregate_cnt + j] */
    struct fls_ring *result_rings; /* of ingest i to publish: [i] */
    int bells[FLS_PROCESSES_MAX];  /* by process */
    int metrics_fds[FLS_PROCESSES_MAX], metrics_read_fds[FLS_PROCESSES_MAX];
    int work_channels[FLS_INGEST_MAX][2];       /* the supervisor's end, the ingest's end */
    int segment_channels[FLS_AGGREGATE_MAX][2]; /* publish's end, the aggregate's end */
    int news_channel[2];                        /* the supervisor's end, publish's end */
};

/* 0, or -errno. */
int fls_topology_create(struct fls_topology *topology, uint32_t ingest_cnt, uint32_t aggregate_cnt);
void fls_topology_close(struct fls_topology *topology);
/* "ingest", "aggregate", "publish", and the number among its kind. */
enum fls_role fls_topology_role(const struct fls_topology *topology, uint32_t process,
                                uint32_t *number);
const char *fls_role_name(enum fls_role role);

/* In the forked process: fills in the links of its role, closes every other descriptor but the
 * `keep_cnt` ones in keep[] and 0, 1, 2. Arrays in the links belong to the process and live as long
 * as it does. */
void fls_topology_join_ingest(const struct fls_topology *topology, uint32_t number,
                              struct fls_ingest_links *links, const int *keep, uint32_t keep_cnt);
void fls_topology_join_aggregate(const struct fls_topology *topology, uint32_t number,
                                 struct fls_aggregate_links *links, const int *keep,
                                 uint32_t keep_cnt);
void fls_topology_join_publish(const struct fls_topology *topology, struct fls_publish_links *links,
                               const int *keep, uint32_t keep_cnt);
/* In the supervisor, after all roles are forked: closes the roles' ends of the channels, so that
 * their deaths show. */
void fls_topology_keep_supervisor(struct fls_topology *topology);

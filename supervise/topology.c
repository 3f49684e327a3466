#include "supervise/topology.h"

#include "base/assert.h"
#include "shm/bell.h"
#include "shm/channel.h"
#include "shm/control.h"
#include "shm/metrics.h"
#include "shm/region.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Descriptors that a role keeps: those of its links and a few that the supervisor names. */
#define KEEP_MAX (8U + 4U * (FLS_INGEST_MAX + FLS_AGGREGATE_MAX))

static int create_pages(struct fls_topology *t)
{
    t->control_fd = fls_control_create();
    if (t->control_fd < 0)
        return t->control_fd;
    t->control_read_fd = fls_region_reopen(t->control_fd);
    if (t->control_read_fd < 0)
        return t->control_read_fd;
    for (uint32_t i = 0; i < t->process_cnt; i++) {
        t->bells[i] = fls_bell_create();
        t->metrics_fds[i] = fls_metrics_create();
        if (t->bells[i] < 0 || t->metrics_fds[i] < 0)
            return t->bells[i] < 0 ? t->bells[i] : t->metrics_fds[i];
        t->metrics_read_fds[i] = fls_region_reopen(t->metrics_fds[i]);
        if (t->metrics_read_fds[i] < 0)
            return t->metrics_read_fds[i];
    }
    return 0;
}

static int create_rings(struct fls_topology *t)
{
    uint32_t publish = t->process_cnt - 1;
    int error = 0;

    for (uint32_t i = 0; i < t->ingest_cnt && error == 0; i++) {
        for (uint32_t j = 0; j < t->aggregate_cnt && error == 0; j++)
            error =
                fls_ring_create(&t->record_rings[i * t->aggregate_cnt + j], FLS_RECORD_RING_SLOTS,
                                t->bells[i], t->bells[t->ingest_cnt + j]);
        if (error == 0)
            error = fls_ring_create(&t->result_rings[i], FLS_RESULT_RING_SLOTS, t->bells[i],
                                    t->bells[publish]);
    }
    return error;
}

static int create_channels(struct fls_topology *t)
{
    int error = fls_channel_create(t->news_channel);

    for (uint32_t i = 0; i < t->ingest_cnt && error == 0; i++)
        error = fls_channel_create(t->work_channels[i]);
    for (uint32_t j = 0; j < t->aggregate_cnt && error == 0; j++)
        error = fls_channel_create(t->segment_channels[j]);
    return error;
}

/* Nothing is open yet: every descriptor is -1, so that closing half a topology is safe. */
static void set_closed(struct fls_topology *t)
{
    memset(t->bells, 0xff, sizeof(t->bells));
    memset(t->metrics_fds, 0xff, sizeof(t->metrics_fds));
    memset(t->metrics_read_fds, 0xff, sizeof(t->metrics_read_fds));
    memset(t->work_channels, 0xff, sizeof(t->work_channels));
    memset(t->segment_channels, 0xff, sizeof(t->segment_channels));
    memset(t->news_channel, 0xff, sizeof(t->news_channel));
    t->control_fd = t->control_read_fd = -1;
    for (uint32_t i = 0; i < t->ingest_cnt * t->aggregate_cnt; i++)
        memset(&t->record_rings[i], 0xff, sizeof(t->record_rings[i]));
    for (uint32_t i = 0; i < t->ingest_cnt; i++)
        memset(&t->result_rings[i], 0xff, sizeof(t->result_rings[i]));
}

int fls_topology_create(struct fls_topology *t, uint32_t ingest_cnt, uint32_t aggregate_cnt)
{
    int error;

    fls_assert(ingest_cnt >= 1 && ingest_cnt <= FLS_INGEST_MAX);
    fls_assert(aggregate_cnt >= 1 && aggregate_cnt <= FLS_AGGREGATE_MAX);
    *t = (struct fls_topology){.ingest_cnt = ingest_cnt,
                               .aggregate_cnt = aggregate_cnt,
                               .process_cnt = ingest_cnt + aggregate_cnt + 1};
    t->record_rings = calloc((size_t)ingest_cnt * aggregate_cnt, sizeof(*t->record_rings));
    t->result_rings = calloc(ingest_cnt, sizeof(*t->result_rings));
    fls_assert(t->record_rings && t->result_rings);
    set_closed(t);
    error = create_pages(t);
    if (error == 0)
        error = create_rings(t);
    if (error == 0)
        error = create_channels(t);
    if (error)
        fls_topology_close(t);
    return error;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void fls_topology_close(struct fls_topology *t)
{
    close_fd(&t->control_fd);
    close_fd(&t->control_read_fd);
    for (uint32_t i = 0; i < t->process_cnt; i++) {
        close_fd(&t->bells[i]);
        close_fd(&t->metrics_fds[i]);
        close_fd(&t->metrics_read_fds[i]);
    }
    for (uint32_t i = 0; i < t->ingest_cnt * t->aggregate_cnt; i++)
        fls_ring_close(&t->record_rings[i]);
    for (uint32_t i = 0; i < t->ingest_cnt; i++)
        fls_ring_close(&t->result_rings[i]);
    for (int end = 0; end < 2; end++) {
        for (uint32_t i = 0; i < t->ingest_cnt; i++)
            close_fd(&t->work_channels[i][end]);
        for (uint32_t j = 0; j < t->aggregate_cnt; j++)
            close_fd(&t->segment_channels[j][end]);
        close_fd(&t->news_channel[end]);
    }
    free(t->record_rings);
    free(t->result_rings);
    t->record_rings = t->result_rings = NULL;
}

enum fls_role fls_topology_role(const struct fls_topology *t, uint32_t process, uint32_t *number)
{
    if (process < t->ingest_cnt) {
        *number = process;
        return FLS_ROLE_INGEST;
    }
    if (process < t->ingest_cnt + t->aggregate_cnt) {
        *number = process - t->ingest_cnt;
        return FLS_ROLE_AGGREGATE;
    }
    fls_assert(process + 1 == t->process_cnt);
    *number = 0;
    return FLS_ROLE_PUBLISH;
}

const char *fls_role_name(enum fls_role role)
{
    static const char *const names[] = {"ingest", "aggregate", "publish"};

    return names[role];
}

/* ---- in the roles ---- */

struct kept {
    int fds[KEEP_MAX];
    uint32_t cnt;
};

static void keep_fd(struct kept *kept, int fd)
{
    fls_assert(kept->cnt < KEEP_MAX && fd >= 0);
    kept->fds[kept->cnt++] = fd;
}

static void keep_as_producer(struct kept *kept, const struct fls_ring *ring)
{
    keep_fd(kept, ring->head_fd);
    keep_fd(kept, ring->tail_read_fd);
    keep_fd(kept, ring->consumer_bell);
}

static void keep_as_consumer(struct kept *kept, const struct fls_ring *ring)
{
    keep_fd(kept, ring->head_read_fd);
    keep_fd(kept, ring->tail_fd);
    keep_fd(kept, ring->producer_bell);
}

static int compare_fds(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Closes the gaps between what is kept. */
static void close_others(struct kept *kept, const int *keep, uint32_t keep_cnt)
{
    unsigned next = 3;

    for (uint32_t i = 0; i < keep_cnt; i++)
        if (keep[i] >= 0)
            keep_fd(kept, keep[i]);
    qsort(kept->fds, kept->cnt, sizeof(kept->fds[0]), compare_fds);
    for (uint32_t i = 0; i < kept->cnt; i++) {
        unsigned fd = (unsigned)kept->fds[i];

        if (fd > next)
            fls_assert(close_range(next, fd - 1, 0) == 0);
        if (fd >= next)
            next = fd + 1;
    }
    fls_assert(close_range(next, ~0U, 0) == 0);
}

void fls_topology_join_ingest(const struct fls_topology *t, uint32_t number,
                              struct fls_ingest_links *links, const int *keep, uint32_t keep_cnt)
{
    struct kept kept = {.cnt = 0};

    links->ring_cnt = t->aggregate_cnt;
    links->rings = &t->record_rings[number * t->aggregate_cnt];
    links->result_ring = &t->result_rings[number];
    links->bell = t->bells[number];
    links->work_channel = t->work_channels[number][1];
    links->control_fd = t->control_read_fd;
    links->metrics_fd = t->metrics_fds[number];
    for (uint32_t j = 0; j < links->ring_cnt; j++)
        keep_as_producer(&kept, &links->rings[j]);
    keep_as_producer(&kept, links->result_ring);
    keep_fd(&kept, links->bell);
    keep_fd(&kept, links->work_channel);
    keep_fd(&kept, links->control_fd);
    keep_fd(&kept, links->metrics_fd);
    close_others(&kept, keep, keep_cnt);
}

void fls_topology_join_aggregate(const struct fls_topology *t, uint32_t number,
                                 struct fls_aggregate_links *links, const int *keep,
                                 uint32_t keep_cnt)
{
    struct fls_ring *rings = calloc(t->ingest_cnt, sizeof(*rings));
    struct kept kept = {.cnt = 0};

    fls_assert(rings != NULL);
    for (uint32_t i = 0; i < t->ingest_cnt; i++) {
        rings[i] = t->record_rings[i * t->aggregate_cnt + number];
        keep_as_consumer(&kept, &rings[i]);
    }
    links->ring_cnt = t->ingest_cnt;
    links->rings = rings;
    links->bell = t->bells[t->ingest_cnt + number];
    links->segment_channel = t->segment_channels[number][1];
    links->publish_bell = t->bells[t->process_cnt - 1];
    links->metrics_fd = t->metrics_fds[t->ingest_cnt + number];
    keep_fd(&kept, links->bell);
    keep_fd(&kept, links->segment_channel);
    keep_fd(&kept, links->publish_bell);
    keep_fd(&kept, links->metrics_fd);
    close_others(&kept, keep, keep_cnt);
}

void fls_topology_join_publish(const struct fls_topology *t, struct fls_publish_links *links,
                               const int *keep, uint32_t keep_cnt)
{
    int *segment_channels = calloc(t->aggregate_cnt, sizeof(*segment_channels));
    struct kept kept = {.cnt = 0};

    fls_assert(segment_channels != NULL);
    links->ingest_cnt = t->ingest_cnt;
    links->result_rings = t->result_rings;
    links->shard_cnt = t->aggregate_cnt;
    links->segment_channels = segment_channels;
    links->bell = t->bells[t->process_cnt - 1];
    links->news_channel = t->news_channel[1];
    links->metrics_fd = t->metrics_fds[t->process_cnt - 1];
    for (uint32_t j = 0; j < t->aggregate_cnt; j++) {
        segment_channels[j] = t->segment_channels[j][0];
        keep_fd(&kept, segment_channels[j]);
    }
    for (uint32_t i = 0; i < t->ingest_cnt; i++)
        keep_as_consumer(&kept, &t->result_rings[i]);
    keep_fd(&kept, links->bell);
    keep_fd(&kept, links->news_channel);
    keep_fd(&kept, links->metrics_fd);
    close_others(&kept, keep, keep_cnt);
}

void fls_topology_keep_supervisor(struct fls_topology *t)
{
    for (uint32_t i = 0; i < t->ingest_cnt; i++)
        close_fd(&t->work_channels[i][1]);
    for (uint32_t j = 0; j < t->aggregate_cnt; j++)
        for (int end = 0; end < 2; end++)
            close_fd(&t->segment_channels[j][end]);
    close_fd(&t->news_channel[1]);
}

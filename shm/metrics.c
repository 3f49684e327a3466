#include "shm/metrics.h"

#include "base/assert.h"
#include "shm/region.h"

#include <unistd.h>

#define METRICS_MAGIC 0x317274656d736c66ULL /* "flsmetr1" */

static struct fls_metrics *own; /* this process's page */

static_assert(sizeof(struct fls_metrics) <= FLS_METRICS_SZ, "one page");

int fls_metrics_create(void)
{
    int fd = fls_region_create("metrics", FLS_METRICS_SZ);
    struct fls_metrics *metrics;

    if (fd < 0)
        return fd;
    metrics = fls_region_map(fd, FLS_METRICS_SZ, true);
    metrics->magic = METRICS_MAGIC;
    fls_region_unmap(metrics, FLS_METRICS_SZ);
    return fd;
}

struct fls_metrics *fls_metrics_map(int fd, bool writable)
{
    struct fls_metrics *metrics = fls_region_map(fd, FLS_METRICS_SZ, writable);

    fls_assert(metrics->magic == METRICS_MAGIC);
    return metrics;
}

void fls_metrics_unmap(struct fls_metrics *metrics)
{
    fls_region_unmap(metrics, FLS_METRICS_SZ);
}

struct fls_metrics *fls_metrics_join(int fd)
{
    own = fls_metrics_map(fd, true);
    fls_metric_set(&own->pid, (uint32_t)getpid());
    return own;
}

void fls_metrics_turn(void)
{
    if (own)
        atomic_fetch_add_explicit(&own->turns, 1, memory_order_relaxed);
}

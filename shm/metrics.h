/* What a process shows of itself: one page that it writes and all others map read-only. Plain
 * counters, each readable at any time; no reader waits for a writer. */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fls_metrics {
    uint64_t magic;
    _Atomic uint32_t pid;
    uint32_t padding;
#define METRIC(name, unit, meaning) _Atomic uint64_t name;
#include "shm/metrics.def"
#undef METRIC
};

#define FLS_METRICS_SZ 4096U

/* Descriptor of a new page (0 or more), or -errno. */
int fls_metrics_create(void);
struct fls_metrics *fls_metrics_map(int fd, bool writable);
void fls_metrics_unmap(struct fls_metrics *metrics);

/* Maps this process's own page, for writing, and names the process in it. */
struct fls_metrics *fls_metrics_join(int fd);
/* A turn of this process's work or sleep is done (see `turns`); nothing before it has joined. Any
 * thread may say so. */
void fls_metrics_turn(void);

/* The page's one writer, the main thread, needs no atomic addition. */
#define fls_metric_set(metric, to) atomic_store_explicit(metric, (to), memory_order_relaxed)
#define fls_metric_get(metric) atomic_load_explicit(metric, memory_order_relaxed)
#define fls_metric_add(metric, more) fls_metric_set(metric, fls_metric_get(metric) + (more))

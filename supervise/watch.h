/* What a run shows of itself while it goes on and when it ends: progress, the status socket, the
 * summary. Looks only, and changes nothing. */
#pragma once

#include "base/redis.h"
#include "shm/metrics.h"
#include "shm/work.h"
#include "supervise/crew.h"
#include "supervise/dispatch.h"
#include "supervise/progress.h"
#include "supervise/status.h"
#include "supervise/summary.h"

struct fls_watch {
    const struct fls_options *options;
    const struct fls_inputs *inputs;
    const struct fls_crew *crew;
    const struct fls_dispatch *dispatch;
    const struct fls_redis_address *redis;
    const struct fls_metrics *metrics[FLS_PROCESSES_MAX]; /* by process */
    struct fls_progress_display progress;
    struct fls_status_totals totals;
    struct fls_summary summary; /* filled as news comes in */
    char *failures[FLS_SUMMARY_FAILED_MAX];
    uint32_t warning_cnt; /* told so far */
    int status_fd;        /* to be polled, or -1 */
};

/* The crew has started. `begin_ns`: when the command did. */
void fls_watch_begin(struct fls_watch *watch, const struct fls_options *options,
                     const struct fls_inputs *inputs, const struct fls_crew *crew,
                     const struct fls_dispatch *dispatch, const struct fls_redis_address *redis,
                     uint64_t begin_ns);
/* Something may have changed: shows progress, if it is time. */
void fls_watch_show(struct fls_watch *watch);
/* A line of log follows: takes the progress off the screen. */
void fls_watch_clear(struct fls_watch *watch);
/* Epochs up to this one of this run were asked to close. */
void fls_watch_epoch_asked(struct fls_watch *watch, uint64_t epoch);
void fls_watch_news(struct fls_watch *watch, const struct fls_news *news);
/* A client of the status socket has come. */
void fls_watch_answer(struct fls_watch *watch);
/* The run is over: the last progress, and, unless it has failed, the summary. */
void fls_watch_end(struct fls_watch *watch, bool has_failed, bool has_stopped);

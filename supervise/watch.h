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

/* What the state holds: at the begin of a run and at its end, so that the difference is what the
 * run added, whatever died in between. */
struct fls_held {
    uint64_t epoch, objects;
    struct fls_line_counts counts;
};

/* Sums over processes. */
struct fls_watch_work {
    uint64_t bytes_read, bytes, lines;
    uint64_t commit_ns, publish_ns;
    uint64_t spilled_rows;      /* handed over in the middle of an epoch */
    uint64_t first_ns, last_ns; /* first byte read, UINT64_MAX: none; last record counted */
};

struct fls_watch {
    const struct fls_options *options;
    const struct fls_inputs *inputs; /* what the scans found */
    const struct fls_dispatch *dispatch;
    const struct fls_redis_address *redis;
    const struct fls_crew *crew;                    /* NULL: no generation is at work */
    struct fls_metrics *metrics[FLS_PROCESSES_MAX]; /* by process */
    struct fls_watch_work past;                     /* of generations that have ended */
    uint64_t epochs_past;                           /* of theirs that were begun */
    uint64_t peak_bytes;                            /* the most that one of them held */
    struct fls_held begin;
    struct fls_progress_display progress;
    struct fls_status_totals totals;
    struct fls_summary summary; /* filled as news comes in */
    char *failures[FLS_SUMMARY_FAILED_MAX];
    uint32_t warning_cnt; /* told so far */
    int status_fd;        /* to be polled, or -1 */
};

/* A run begins. `begin_ns`: when the command did; `begin`: what the state held then. */
void fls_watch_begin(struct fls_watch *watch, const struct fls_options *options,
                     const struct fls_inputs *inputs, const struct fls_dispatch *dispatch,
                     const struct fls_redis_address *redis, const struct fls_held *begin,
                     uint64_t begin_ns);
/* A generation has started; it has ended (crew: whose descriptors are closed by now). */
void fls_watch_attach(struct fls_watch *watch, const struct fls_crew *crew);
void fls_watch_detach(struct fls_watch *watch);
/* Something may have changed: shows progress, if it is time. */
void fls_watch_show(struct fls_watch *watch);
/* A line of log follows: takes the progress off the screen. */
void fls_watch_clear(struct fls_watch *watch);
/* Epochs up to this one of this generation were asked to close. */
void fls_watch_epoch_asked(struct fls_watch *watch, uint64_t epoch);
void fls_watch_news(struct fls_watch *watch, const struct fls_news *news);
/* An object does not count: "path: reason". */
void fls_watch_failed(struct fls_watch *watch, const char *text);
/* A client of the status socket has come. */
void fls_watch_answer(struct fls_watch *watch);
/* The run is over: the last progress, and, unless `end` is NULL since it failed, the summary. */
void fls_watch_end(struct fls_watch *watch, const struct fls_held *end, bool has_stopped);

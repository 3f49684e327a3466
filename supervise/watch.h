/* What a run shows of itself while it goes on and when it ends: progress, the status socket, the
 * summary. Looks only, and changes nothing. */
#pragma once

#include "shm/metrics.h"
#include "shm/work.h"
#include "supervise/crew.h"
#include "supervise/dispatch.h"

#define FLS_FAILED_SHOWN_MAX 20U /* failed objects that are named on stderr */

struct fls_watch {
    const struct fls_options *options;
    const struct fls_inputs *inputs;
    const struct fls_crew *crew;
    const struct fls_dispatch *dispatch;
    const struct fls_metrics *metrics[FLS_PROCESSES_MAX]; /* by process */
    uint64_t peak_bytes[FLS_PROCESSES_MAX];               /* most memory seen, by process */
    uint64_t begin_ns, shown_ns;
    int status_fd; /* to be polled, or -1 */
    uint64_t objects, records, malformed, trailing, epochs; /* committed by this run */
    uint64_t published; /* the epoch in Redis */
    uint64_t failed_cnt;
    char *failed[FLS_FAILED_SHOWN_MAX];
};

/* The crew has started. */
void fls_watch_begin(struct fls_watch *watch, const struct fls_options *options,
                     const struct fls_inputs *inputs, const struct fls_crew *crew,
                     const struct fls_dispatch *dispatch);
/* Something may have changed: shows progress, if it is time. */
void fls_watch_show(struct fls_watch *watch);
/* A line of log follows: takes the progress off the screen. */
void fls_watch_clear(struct fls_watch *watch);
void fls_watch_news(struct fls_watch *watch, const struct fls_news *news);
/* A client of the status socket has come. */
void fls_watch_answer(struct fls_watch *watch);
/* The run is over: the last progress, the summary. */
void fls_watch_end(struct fls_watch *watch, bool has_failed, int stopped_by);

/* One generation of processes: from their start to the end of the work, to a stop, or to the first
 * death among them. Whatever ends it, none of its processes and none of its shared memory is left;
 * what it has committed stands, and the next generation goes on from there. */
#pragma once

#include "supervise/crew.h"
#include "supervise/dispatch.h"
#include "supervise/follow.h"
#include "supervise/notify.h"
#include "supervise/private_redis.h"
#include "supervise/watch.h"

#include <stdbool.h>

/* What generations of a run have in common; all belongs to the run. */
struct fls_generation_setup {
    const struct fls_options *options;
    struct fls_dispatch *dispatch;
    struct fls_watch *watch;
    struct fls_follow *follow; /* NULL: the run ends when nothing is left */
    struct fls_notify *notify;
    struct fls_private_redis *private_redis;
    const struct fls_redis_address *redis;
    int lock_fd, signal_fd;
    bool is_next; /* one before has died: commit as soon as there is something, and say nothing
                     twice */
};

enum fls_outcome {
    FLS_OUTCOME_DONE,  /* everything is committed and published, or stopped in order */
    FLS_OUTCOME_DIED,  /* a process died: see `end` */
    FLS_OUTCOME_FAILED /* it makes no sense to go on; the user was told why */
};

struct fls_generation_result {
    enum fls_outcome outcome;
    struct fls_end end; /* DIED: the first death */
    int stopped_by;     /* signal, 0: none */
};

void fls_generation_run(const struct fls_generation_setup *setup,
                        struct fls_generation_result *result);

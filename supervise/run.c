#include "supervise/run.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/visible.h"
#include "state/folder.h"
#include "supervise/generation.h"
#include "supervise/open_ledger.h"
#include "supervise/recovery.h"
#include "supervise/signals.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct run {
    const struct fls_options *options;
    struct fls_inputs inputs; /* what the first scan found; its objects are the dispatch's by now */
    struct fls_redis_address redis;
    struct fls_private_redis private_redis;
    struct fls_dispatch dispatch;
    struct fls_follow *follow; /* NULL without --follow */
    struct fls_notify notify;
    struct fls_watch watch;
    struct fls_held begin; /* what the state held when the run began */
    int lock_fd, signal_fd;
    uint64_t begin_ns;
    uint64_t epoch;  /* the last one committed when the last generation died */
    uint32_t deaths; /* generations that died in a row without a commit */
    int stopped_by;  /* signal, 0: none */
};

/* ---- start ---- */

/* Many processes need many rings: as many descriptors as the machine allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* if not: creating the topology says what is missing */
    }
}

/* What the ledger holds now. 0, or -errno, which the user was told. */
static int read_held(struct fls_ledger *ledger, struct fls_held *held)
{
    uint64_t next_segment;
    int error = fls_ledger_epoch(ledger, &held->epoch, &next_segment);

    if (error == 0)
        error = fls_ledger_input(ledger, &held->objects, &held->counts);
    if (error)
        fls_log_error("%s", fls_ledger_failure(ledger));
    return error;
}

static int scan(struct run *run, struct fls_ledger *ledger)
{
    char spool[FLS_PATH_MAX];
    struct fls_scan_setup setup = {.ledger = ledger,
                                   .spool_folder = spool,
                                   .stop_fd = run->signal_fd,
                                   .enter_folder = run->follow ? fls_follow_enter_folder : NULL,
                                   .context = run->follow};
    int error;

    snprintf(spool, sizeof(spool), "%s/spool", run->options->state);
    error = fls_inputs_scan(&run->inputs, run->options->paths, run->options->path_cnt, &setup);
    if (error && error != -EINTR)
        fls_log_error("cannot list the objects: %s", fls_ledger_failure(ledger)[0]
                                                         ? fls_ledger_failure(ledger)
                                                         : strerror(-error));
    return error;
}

/* Each item's name is new: the scan has seen to it. */
static void hand_over(struct run *run)
{
    if (run->follow)
        fls_follow_take(run->follow, &run->inputs);
    for (uint64_t i = 0; i < run->inputs.cnt; i++)
        fls_assert(fls_dispatch_add(&run->dispatch, &run->inputs.items[i]));
    run->inputs.cnt = 0;
}

static int find_work(struct run *run)
{
    struct fls_ledger *ledger;
    int error = fls_ledger_open_or_tell(&ledger, run->options->state, false);

    if (error)
        return error;
    error = read_held(ledger, &run->begin);
    if (error == 0)
        error = scan(run, ledger);
    fls_ledger_close(ledger);
    if (error == 0)
        hand_over(run);
    return error;
}

static int open_redis(struct run *run)
{
    char text[512];
    const char *url = run->options->redis;
    int error = 0;

    if (url == NULL) {
        uint32_t deaths = 0;

        do
            error = fls_private_redis_start(&run->private_redis, run->options->state, text,
                                            sizeof(text));
        while (error == -ECHILD && ++deaths < FLS_PRIVATE_DEATHS_MAX);
        url = run->private_redis.url;
    }
    if (error == 0)
        error = fls_redis_address_parse(url, &run->redis, text, sizeof(text));
    if (error)
        fls_log_error("%s", text);
    return error;
}

/* ---- generations ---- */

/* Waits, unless a signal comes that stops the run. */
static void pause_run(struct run *run, uint32_t pause_ms)
{
    uint64_t end_ns = fls_clock_ns() + pause_ms * FLS_NS_PER_MS, now_ns;
    struct pollfd signals = {.fd = run->signal_fd, .events = POLLIN};

    while ((now_ns = fls_clock_ns()) < end_ns && !run->stopped_by) {
        int number;

        poll(&signals, 1, (int)((end_ns - now_ns) / FLS_NS_PER_MS) + 1);
        while ((number = fls_signals_next(run->signal_fd)) != 0)
            if (number != SIGCHLD)
                run->stopped_by = number;
    }
}

static void tell_quarantined(struct run *run, const char *told)
{
    char *visible = fls_visible_string(fls_span_of(told));

    fls_log_warn("%s; `flowlog-stats quarantine` lists such objects", visible);
    fls_watch_failed(&run->watch, told);
    free(visible);
}

/* After a death: true if another generation may begin. */
static bool recover(struct run *run, const struct fls_generation_result *result)
{
    char told[FLS_RECOVERY_TEXT_MAX], text[FLS_END_TEXT_MAX];
    uint64_t epoch;

    fls_end_text(&result->end, text);
    fls_watch_clear(&run->watch);
    if (run->stopped_by) {
        fls_log_error("%s while the run was stopping: the last commit stands", text);
        return false;
    }
    if (fls_recover(run->options, &run->dispatch, &result->end, told, &epoch))
        return false;
    if (told[0])
        tell_quarantined(run, told);
    run->deaths = epoch > run->epoch ? 1 : run->deaths + 1;
    run->epoch = epoch;
    if (run->deaths > FLS_DEATHS_IN_A_ROW_MAX) {
        fls_log_error("%s: the last %u starts have committed nothing; the last commit stands", text,
                      FLS_DEATHS_IN_A_ROW_MAX);
        return false;
    }
    fls_log_warn("%s: all processes start again from the last commit", text);
    pause_run(run, fls_recovery_pause_ms(run->deaths));
    return true;
}

/* True if the run went well. */
static bool go(struct run *run)
{
    struct fls_generation_setup setup = {.options = run->options,
                                         .dispatch = &run->dispatch,
                                         .watch = &run->watch,
                                         .follow = run->follow,
                                         .notify = &run->notify,
                                         .private_redis = &run->private_redis,
                                         .redis = &run->redis,
                                         .lock_fd = run->lock_fd,
                                         .signal_fd = run->signal_fd};
    struct fls_generation_result result;

    run->epoch = run->begin.epoch;
    do {
        fls_generation_run(&setup, &result);
        if (result.stopped_by)
            run->stopped_by = result.stopped_by;
        if (result.outcome == FLS_OUTCOME_FAILED)
            return false;
        if (result.outcome == FLS_OUTCOME_DIED && !recover(run, &result))
            return false;
        setup.is_next = true;
    } while (result.outcome == FLS_OUTCOME_DIED && !run->stopped_by);
    return true;
}

/* ---- end ---- */

/* What the state holds at the end; NULL if it cannot be told. */
static const struct fls_held *look_at_state(struct run *run, struct fls_held *held)
{
    struct fls_ledger *ledger;

    if (fls_ledger_open_or_tell(&ledger, run->options->state, true))
        return NULL;
    if (read_held(ledger, held))
        held = NULL;
    fls_ledger_close(ledger);
    return held;
}

static int exit_status(const struct run *run, bool is_good)
{
    if (!is_good)
        return EXIT_FAILURE;
    if (run->stopped_by)
        return 128 + run->stopped_by;
    return run->watch.summary.failed > 0 || run->inputs.unreadable > 0 ||
                   run->inputs.quarantined > 0
               ? FLS_EXIT_OBJECTS_FAILED
               : EXIT_SUCCESS;
}

static int run_found(struct run *run)
{
    struct fls_held end;
    const struct fls_held *held;
    bool is_good;

    fls_watch_begin(&run->watch, run->options, &run->inputs, &run->dispatch, &run->redis,
                    &run->begin, run->begin_ns);
    is_good = go(run);
    held = is_good ? look_at_state(run, &end) : NULL;
    fls_watch_end(&run->watch, held, run->stopped_by != 0);
    return exit_status(run, held != NULL);
}

static int run_locked(struct run *run)
{
    int status = EXIT_FAILURE, error;

    fls_dispatch_init(&run->dispatch);
    fls_notify_init(&run->notify);
    if (run->options->follow)
        run->follow = fls_follow_new(run->options, &run->dispatch, run->signal_fd);
    error = find_work(run);
    if (error == -EINTR) {
        int number = fls_signals_next(run->signal_fd);

        status = number ? 128 + number : EXIT_FAILURE;
    } else if (error == 0 && open_redis(run) == 0) {
        status = run_found(run);
    }
    fls_private_redis_stop(&run->private_redis);
    fls_redis_address_fini(&run->redis);
    fls_follow_free(run->follow);
    fls_notify_fini(&run->notify);
    fls_dispatch_fini(&run->dispatch);
    fls_inputs_fini(&run->inputs);
    return status;
}

int fls_run(const struct fls_options *options)
{
    struct run run = {.options = options,
                      .private_redis = {.folder_fd = -1, .pidfd = -1},
                      .begin_ns = fls_clock_ns()};
    char text[512];
    int status;

    if (fls_folder_create(options->state, text, sizeof(text)) ||
        (run.lock_fd = fls_folder_lock(options->state, text, sizeof(text))) < 0) {
        fls_log_error("%s", text);
        return EXIT_FAILURE;
    }
    raise_descriptor_limit();
    run.signal_fd = fls_signals_take();
    fls_assert(run.signal_fd >= 0);
    status = run_locked(&run);
    close(run.signal_fd);
    close(run.lock_fd);
    return status;
}

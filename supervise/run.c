#include "supervise/run.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/channel.h"
#include "shm/control.h"
#include "state/folder.h"
#include "supervise/crew.h"
#include "supervise/dispatch.h"
#include "supervise/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 200 /* how often progress is shown */
/* How long the roles may take to end once they are told to: the last commit and publish. */
#define STOP_LIMIT_NS (120 * FLS_NS_PER_S)

struct run {
    const struct fls_options *options;
    struct fls_inputs inputs;
    struct fls_redis_address redis;
    struct fls_private_redis private_redis;
    struct fls_crew crew;
    struct fls_dispatch dispatch;
    struct fls_control *control;
    struct fls_watch watch;
    int lock_fd, signal_fd;
    uint64_t begin_ns;    /* of the command */
    uint64_t epoch_asked; /* the last epoch of this run that was asked to close */
    uint64_t epoch_heard; /* the last one of which publish said that it is over */
    uint64_t next_epoch_ns;
    uint64_t finish_ns; /* when the roles were told to end; 0: not yet */
    int stopped_by;     /* signal, 0: none */
    bool has_failed;
};

/* ---- epochs and the end ---- */

static void ask_for_epoch(struct run *run)
{
    run->epoch_asked++;
    run->dispatch.open_epoch_objects = 0;
    run->next_epoch_ns = fls_clock_ns() + run->options->interval_s * FLS_NS_PER_S;
    fls_watch_epoch_asked(&run->watch, run->epoch_asked);
    atomic_store_explicit(&run->control->epoch_wanted, run->epoch_asked, memory_order_release);
    fls_crew_wake(&run->crew);
}

/* No more work: every ingest ends its epoch and itself, and so do those behind it. */
static void tell_to_finish(struct run *run)
{
    struct fls_topology *topology = &run->crew.topology;

    run->finish_ns = fls_clock_ns();
    for (uint32_t i = 0; i < topology->ingest_cnt; i++) {
        close(topology->work_channels[i][0]);
        topology->work_channels[i][0] = -1;
    }
    fls_crew_wake(&run->crew);
}

static void stop(struct run *run, int signal_number)
{
    if (run->stopped_by) { /* asked twice: at once, from the last commit on next time */
        run->has_failed = true;
        return;
    }
    run->stopped_by = signal_number;
    run->dispatch.has_stopped = true;
    atomic_store_explicit(&run->control->stopping, 1, memory_order_release);
    if (run->finish_ns == 0)
        tell_to_finish(run);
}

/* One epoch is in the making and at most one being committed. */
static void steer(struct run *run)
{
    bool is_idle = fls_dispatch_is_idle(&run->dispatch);
    bool has_open = run->dispatch.open_epoch_objects > 0;

    if (run->finish_ns || run->epoch_asked != run->epoch_heard)
        return;
    if (has_open && (is_idle || fls_clock_ns() >= run->next_epoch_ns))
        ask_for_epoch(run);
    else if (is_idle && !has_open)
        tell_to_finish(run);
}

/* ---- what the others say ---- */

static void take_news(struct run *run)
{
    static struct fls_news news; /* some kilobytes; this process has one thread */
    int fd;

    while (fls_channel_receive(run->crew.topology.news_channel[0], &news, sizeof(news), &fd, 0) >
           0) {
        fls_watch_news(&run->watch, &news);
        if (news.kind == FLS_NEWS_REDO && !run->stopped_by)
            fls_dispatch_redo(&run->dispatch, news.object_id);
        else if (news.kind == FLS_NEWS_COMMITTED || news.kind == FLS_NEWS_DISCARDED)
            run->epoch_heard = news.epoch;
    }
}

static void reap(struct run *run)
{
    char text[128];
    struct rusage usage;
    pid_t pid;
    int status;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid == run->private_redis.pid && run->finish_ns == 0) {
            fls_watch_clear(&run->watch);
            fls_log_error("the private redis-server ended unexpectedly");
            run->private_redis.pid = 0;
            run->has_failed = true;
        }
        if (!fls_crew_note_end(&run->crew, pid, status, usage.ru_maxrss, text, sizeof(text)))
            continue;
        if (text[0] == 0 && run->finish_ns == 0)
            snprintf(text, sizeof(text), "process %d ended before its time", (int)pid);
        if (text[0] == 0)
            continue;
        fls_watch_clear(&run->watch);
        fls_log_error("%s", text);
        run->has_failed = true;
    }
}

static void take_signal(struct run *run)
{
    struct signalfd_siginfo info;

    while (read(run->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGCHLD)
            reap(run);
        else
            stop(run, (int)info.ssi_signo);
    }
}

static void wait_for_events(struct run *run)
{
    const struct fls_topology *topology = &run->crew.topology;
    struct pollfd fds[3 + FLS_INGEST_MAX] = {{.fd = run->signal_fd, .events = POLLIN},
                                             {.fd = run->watch.status_fd, .events = POLLIN},
                                             {.fd = topology->news_channel[0], .events = POLLIN}};

    for (uint32_t i = 0; i < topology->ingest_cnt; i++)
        fds[3 + i] = (struct pollfd){.fd = topology->work_channels[i][0], .events = POLLIN};
    poll(fds, 3 + topology->ingest_cnt, TICK_MS);
    take_signal(run);
    /* what is done comes before the news of it: the order in which it was sent */
    for (uint32_t i = 0; i < topology->ingest_cnt; i++)
        if (topology->work_channels[i][0] >= 0 && fds[3 + i].revents)
            fls_dispatch_take_done(&run->dispatch, topology, i, run->epoch_asked);
    take_news(run);
    if (fds[1].revents)
        fls_watch_answer(&run->watch);
}

static bool takes_too_long(const struct run *run)
{
    return run->stopped_by && fls_clock_ns() - run->finish_ns > STOP_LIMIT_NS;
}

static void supervise(struct run *run)
{
    run->next_epoch_ns = fls_clock_ns() + run->options->interval_s * FLS_NS_PER_S;
    while (run->crew.alive_cnt > 0 && !run->has_failed) {
        /* an ingest that is gone shows as a dead child in a moment */
        fls_dispatch_hand_out(&run->dispatch, &run->crew.topology);
        steer(run);
        wait_for_events(run);
        fls_watch_show(&run->watch);
        if (takes_too_long(run)) {
            fls_log_error("the processes did not end in time");
            run->has_failed = true;
        }
    }
    take_news(run);
}

/* ---- start and end ---- */

static int take_signals(void)
{
    struct sigaction hangup;
    sigset_t signals;

    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    /* under nohup it is ignored, but a signalfd would tell of it all the same */
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Many processes need many rings: as many descriptors as the machine allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit); /* if not: creating the topology says what is missing */
    }
}

static int scan(struct run *run)
{
    char text[512], spool[FLS_PATH_MAX];
    struct fls_ledger *ledger;
    int error = fls_ledger_open(&ledger, run->options->state, false, text, sizeof(text));

    if (error) {
        fls_log_error("%s", text);
        return error;
    }
    snprintf(spool, sizeof(spool), "%s/spool", run->options->state);
    error = fls_inputs_scan(&run->inputs, run->options->paths, run->options->path_cnt, ledger,
                            spool, run->signal_fd);
    fls_ledger_close(ledger);
    if (error && error != -EINTR)
        fls_log_error("cannot list the objects: %s", strerror(-error));
    return error;
}

static int open_redis(struct run *run)
{
    char text[512];
    const char *url = run->options->redis;
    int error = 0;

    if (url == NULL) {
        error =
            fls_private_redis_start(&run->private_redis, run->options->state, text, sizeof(text));
        url = run->private_redis.url;
    }
    if (error == 0)
        error = fls_redis_address_parse(url, &run->redis, text, sizeof(text));
    if (error)
        fls_log_error("%s", text);
    return error;
}

static int start(struct run *run)
{
    struct fls_crew_setup setup = {.options = run->options,
                                   .redis = &run->redis,
                                   .lock_fd = run->lock_fd,
                                   .redis_folder = run->private_redis.folder_fd};
    int error = fls_crew_start(&run->crew, &setup);

    if (error) {
        fls_log_error("cannot start the processes: %s%s", strerror(-error),
                      error == -EMFILE
                          ? " (raise ulimit -n, or give fewer with --ingest and --aggregate)"
                          : "");
        return error;
    }
    run->control = fls_control_map(run->crew.topology.control_fd, true);
    fls_dispatch_init(&run->dispatch, &run->inputs);
    fls_watch_begin(&run->watch, run->options, &run->inputs, &run->crew, &run->dispatch,
                    &run->redis, run->begin_ns);
    return 0;
}

static int exit_status(const struct run *run)
{
    if (run->has_failed)
        return EXIT_FAILURE;
    if (run->stopped_by)
        return 128 + run->stopped_by;
    return run->watch.summary.failed > 0 || run->inputs.unreadable > 0 ? FLS_EXIT_OBJECTS_FAILED
                                                                       : EXIT_SUCCESS;
}

/* The signal that ended the scan, as the exit status says it. */
static int stopped_early(const struct run *run)
{
    struct signalfd_siginfo info;

    if (read(run->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return EXIT_FAILURE;
    return 128 + (int)info.ssi_signo;
}

static int run_locked(struct run *run)
{
    int status = EXIT_FAILURE, error = scan(run);

    if (error == -EINTR) {
        status = stopped_early(run);
    } else if (error == 0 && open_redis(run) == 0 && start(run) == 0) {
        supervise(run);
        status = exit_status(run);
        fls_watch_end(&run->watch, run->has_failed, run->stopped_by != 0);
        fls_dispatch_fini(&run->dispatch);
        fls_crew_end(&run->crew);
    }
    fls_private_redis_stop(&run->private_redis);
    fls_redis_address_fini(&run->redis);
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
    run.signal_fd = take_signals();
    fls_assert(run.signal_fd >= 0);
    status = run_locked(&run);
    close(run.signal_fd);
    close(run.lock_fd);
    return status;
}

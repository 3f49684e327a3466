#include "supervise/generation.h"

#include "base/clock.h"
#include "base/log.h"
#include "shm/channel.h"
#include "shm/control.h"
#include "supervise/signals.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 200 /* how often progress is shown */
/* How long the roles may take to end once they are told to: the last commit and publish. */
#define STOP_LIMIT_NS (120 * FLS_NS_PER_S)
/* One that found another gone may have ended before that one can be waited for. */
#define CAUSE_LIMIT_NS (500 * FLS_NS_PER_MS)

struct generation {
    const struct fls_generation_setup *setup;
    struct fls_generation_result *result;
    struct fls_crew crew;
    struct fls_control *control;
    uint64_t epoch_asked; /* the last epoch of this generation that was asked to close */
    uint64_t epoch_heard; /* the last one of which publish said that it is over */
    uint64_t next_epoch_ns;
    uint64_t finish_ns; /* when the roles were told to end; 0: not yet */
    uint32_t redis_deaths;
    uint64_t over_ns; /* when a cause is no longer waited for; 0: none is */
    bool is_over;     /* nothing more is waited for */
};

static void fail(struct generation *g)
{
    g->result->outcome = FLS_OUTCOME_FAILED;
    g->is_over = true;
}

/* ---- epochs and the end ---- */

static uint64_t next_epoch_ns(const struct generation *g)
{
    return fls_clock_ns() + g->setup->options->interval_s * FLS_NS_PER_S;
}

static void ask_for_epoch(struct generation *g)
{
    g->epoch_asked++;
    g->setup->dispatch->open_epoch_objects = 0;
    g->setup->dispatch->wants_epoch = false;
    g->next_epoch_ns = next_epoch_ns(g);
    fls_watch_epoch_asked(g->setup->watch, g->epoch_asked);
    atomic_store_explicit(&g->control->epoch_wanted, g->epoch_asked, memory_order_release);
    fls_crew_wake(&g->crew);
}

/* No more work: every ingest ends its epoch and itself, and so do those behind it. */
static void tell_to_finish(struct generation *g)
{
    struct fls_topology *topology = &g->crew.topology;

    g->finish_ns = fls_clock_ns();
    for (uint32_t i = 0; i < topology->ingest_cnt; i++) {
        close(topology->work_channels[i][0]);
        topology->work_channels[i][0] = -1;
    }
    fls_crew_wake(&g->crew);
}

static void stop(struct generation *g, int signal_number)
{
    if (g->result->stopped_by) {
        fls_watch_clear(g->setup->watch);
        fls_log_warn("asked to stop again: it ends at once, and the last commit stands");
        fail(g);
        return;
    }
    g->result->stopped_by = signal_number;
    g->setup->dispatch->has_stopped = true;
    fls_notify_stopping(g->setup->notify);
    atomic_store_explicit(&g->control->stopping, 1, memory_order_release);
    if (g->finish_ns == 0)
        tell_to_finish(g);
}

/* One epoch is in the making and at most one being committed. An epoch closes after its time, and
 * at once when the turn is over, but not one that more may come to, or when an ingest has all the
 * texts that it may. */
static void steer(struct generation *g)
{
    struct fls_dispatch *dispatch = g->setup->dispatch;
    bool is_idle = fls_dispatch_is_idle(dispatch), has_open = dispatch->open_epoch_objects > 0;
    bool may_get_more = g->setup->follow && fls_dispatch_may_get_more(dispatch);

    if (g->finish_ns || g->epoch_asked != g->epoch_heard)
        return;
    if (has_open) {
        if ((is_idle && !may_get_more) || dispatch->wants_epoch ||
            fls_clock_ns() >= g->next_epoch_ns)
            ask_for_epoch(g);
    } else if (is_idle && !fls_dispatch_next_turn(dispatch) && !g->setup->follow) {
        tell_to_finish(g);
    }
}

/* ---- what the others say ---- */

static void take_done(struct generation *g)
{
    const struct fls_topology *topology = &g->crew.topology;

    for (uint32_t i = 0; i < topology->ingest_cnt; i++)
        if (topology->work_channels[i][0] >= 0)
            fls_dispatch_take_done(g->setup->dispatch, topology, i, g->epoch_asked);
}

/* The processes are dead or about to be killed: what the ingests had in hand. */
static void note_begun(struct generation *g)
{
    take_done(g);
    for (uint32_t i = 0; i < g->crew.topology.ingest_cnt; i++)
        fls_dispatch_note_begun(g->setup->dispatch, i,
                                fls_metric_get(&g->setup->watch->metrics[i]->object));
}

static void end_epoch(struct generation *g, const struct fls_news *news)
{
    take_done(g); /* was sent before the news, and may have come after the last look */
    g->epoch_heard = news->epoch;
    fls_dispatch_end_epoch(g->setup->dispatch, news->epoch);
    if (news->published)
        g->redis_deaths = 0;
}

static void take_news(struct generation *g)
{
    static struct fls_news news; /* some kilobytes; this process has one thread */
    int fd;

    while (fls_channel_receive(g->crew.topology.news_channel[0], &news, sizeof(news), &fd, 0) > 0) {
        bool is_new = true;

        if (news.kind == FLS_NEWS_REDO && !g->result->stopped_by) {
            take_done(g);
            fls_dispatch_redo(g->setup->dispatch, news.object_id);
        } else if (news.kind == FLS_NEWS_FAILED && !g->result->stopped_by) {
            is_new = fls_dispatch_fail(g->setup->dispatch, news.object_id);
        } else if (news.kind == FLS_NEWS_COMMITTED || news.kind == FLS_NEWS_DISCARDED) {
            end_epoch(g, &news);
        }
        if (is_new)
            fls_watch_news(g->setup->watch, &news);
    }
}

/* The view is made again by the next publish; what was published last is in the server's dump. One
 * that dies as it starts is a death like another. */
static void restart_redis(struct generation *g)
{
    char text[512];
    int status = -ECHILD;

    fls_watch_clear(g->setup->watch);
    while (status == -ECHILD && ++g->redis_deaths <= FLS_PRIVATE_DEATHS_MAX) {
        fls_log_warn("the private redis-server ended unexpectedly: it is started again");
        status = fls_private_redis_restart(g->setup->private_redis, text, sizeof(text));
    }
    if (status == 0)
        return;
    if (g->redis_deaths > FLS_PRIVATE_DEATHS_MAX)
        fls_log_error("the private redis-server ended %u times without an epoch being published",
                      g->redis_deaths);
    else
        fls_log_error("%s", text);
    fail(g);
}

/* The first death counts, but one that others follow from comes before those, and of others one by
 * a signal. */
static bool counts_more(const struct fls_end *end, const struct fls_end *first)
{
    if (fls_end_follows_another(first))
        return !fls_end_follows_another(end);
    return WIFSIGNALED(end->status) && !WIFSIGNALED(first->status);
}

static void note_death(struct generation *g, const struct fls_end *end)
{
    bool is_first = g->result->outcome == FLS_OUTCOME_DONE;

    if (fls_end_is_good(end) && g->finish_ns)
        return;
    if (!fls_end_follows_another(end))
        g->is_over = true;
    else if (g->over_ns == 0)
        g->over_ns = fls_clock_ns() + CAUSE_LIMIT_NS;
    if (!is_first && !counts_more(end, &g->result->end))
        return;
    g->result->end = *end;
    g->result->outcome = fls_end_is_final(end) ? FLS_OUTCOME_FAILED : FLS_OUTCOME_DIED;
}

static void reap(struct generation *g)
{
    struct rusage usage;
    struct fls_end end;
    pid_t pid;
    int status;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        if (pid == g->setup->private_redis->pid)
            restart_redis(g);
        else if (fls_crew_note_end(&g->crew, pid, status, usage.ru_maxrss, &end))
            note_death(g, &end);
    }
}

static void take_signals(struct generation *g)
{
    int number;

    while ((number = fls_signals_next(g->setup->signal_fd)) != 0) {
        if (number == SIGCHLD)
            reap(g);
        else
            stop(g, number);
    }
}

static void wait_for_events(struct generation *g)
{
    const struct fls_topology *topology = &g->crew.topology;
    struct pollfd fds[4 + FLS_INGEST_MAX] = {
        {.fd = g->setup->signal_fd, .events = POLLIN},
        {.fd = g->setup->watch->status_fd, .events = POLLIN},
        {.fd = topology->news_channel[0], .events = POLLIN},
        {.fd = fls_follow_fd(g->setup->follow), .events = POLLIN}};

    for (uint32_t i = 0; i < topology->ingest_cnt; i++)
        fds[4 + i] = (struct pollfd){.fd = topology->work_channels[i][0], .events = POLLIN};
    poll(fds, 4 + topology->ingest_cnt, TICK_MS);
    take_signals(g);
    take_done(g);
    take_news(g);
    if (fds[1].revents)
        fls_watch_answer(g->setup->watch);
}

static bool takes_too_long(const struct generation *g)
{
    return g->result->stopped_by && fls_clock_ns() - g->finish_ns > STOP_LIMIT_NS;
}

static void supervise(struct generation *g)
{
    const struct fls_generation_setup *setup = g->setup;

    reap(g); /* a signal of before may have been taken elsewhere */
    while (g->crew.alive_cnt > 0 && !g->is_over && (!g->over_ns || fls_clock_ns() < g->over_ns)) {
        if (setup->follow && !g->finish_ns && fls_follow_step(setup->follow) != 0)
            fail(g);
        /* an ingest that is gone shows as a dead child in a moment */
        fls_dispatch_hand_out(setup->dispatch, &g->crew.topology);
        steer(g);
        wait_for_events(g);
        fls_watch_show(setup->watch);
        fls_notify_tick(setup->notify, setup->watch);
        if (takes_too_long(g)) {
            fls_log_error("the processes did not end in time");
            fail(g);
        }
    }
    if (g->result->outcome != FLS_OUTCOME_FAILED)
        take_news(g);
    note_begun(g);
}

static void split_memory(const struct generation *g, struct fls_memory *memory)
{
    const struct fls_options *options = g->setup->options;

    fls_memory_split(memory, options->memory, options->ingest_cnt, options->aggregate_cnt,
                     g->setup->dispatch->objects);
    if (memory->excess)
        fls_log_warn("the list of objects is so long that --memory is passed by %" PRIu64 " MiB",
                     fls_memory_in_mib(memory->excess));
}

static int start(struct generation *g)
{
    const struct fls_generation_setup *setup = g->setup;
    struct fls_crew_setup crew = {.options = setup->options,
                                  .redis = setup->redis,
                                  .lock_fd = setup->lock_fd,
                                  .was_told = setup->is_next,
                                  .redis_folder = setup->private_redis->folder_fd};
    int error;

    split_memory(g, &crew.memory);
    error = fls_crew_start(&g->crew, &crew);
    if (error) {
        fls_log_error("cannot start the processes: %s%s", strerror(-error),
                      error == -EMFILE
                          ? " (raise ulimit -n, or give fewer with --ingest and --aggregate)"
                          : "");
        return error;
    }
    g->control = fls_control_map(g->crew.topology.control_fd, true);
    g->next_epoch_ns = setup->is_next ? 0 : next_epoch_ns(g);
    fls_watch_attach(setup->watch, &g->crew);
    return 0;
}

void fls_generation_run(const struct fls_generation_setup *setup,
                        struct fls_generation_result *result)
{
    struct generation g = {.setup = setup, .result = result};

    *result = (struct fls_generation_result){.outcome = FLS_OUTCOME_DONE};
    if (start(&g) != 0) {
        result->outcome = FLS_OUTCOME_FAILED;
        return;
    }
    fls_notify_ready(setup->notify);
    supervise(&g);
    fls_crew_end(&g.crew);
    fls_watch_detach(setup->watch);
    fls_control_unmap(g.control);
}

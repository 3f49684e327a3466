#include "supervise/status_view.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/metrics.h"
#include "shm/region.h"
#include "supervise/figures.h"
#include "supervise/status_link.h"

#include <stdlib.h>
#include <string.h>

const char *const fls_status_state_name[] = {
    [FLS_STATUS_STARTING] = "starting", [FLS_STATUS_WORKING] = "working",
    [FLS_STATUS_WAITING] = "waiting",   [FLS_STATUS_COMMITTING] = "committing",
    [FLS_STATUS_STOPPED] = "stopped",   [FLS_STATUS_ENDED] = "ended",
};

const char *const fls_status_why_name[] = {
    [FLS_WAITS_NOT] = "",
    [FLS_WAITS_RING_FULL] = "ring full",
    [FLS_WAITS_RING_EMPTY] = "ring empty",
    [FLS_WAITS_NO_WORK] = "no work",
    [FLS_WAITS_BARRIER] = "barrier",
    [FLS_WAITS_SEGMENT] = "segment",
    [FLS_WAITS_WRITTEN] = "segments not written",
};

const char *const fls_status_why_words[] = {
    [FLS_WAITS_NOT] = "",
    [FLS_WAITS_RING_FULL] = "its ring is full",
    [FLS_WAITS_RING_EMPTY] = "its ring is empty",
    [FLS_WAITS_NO_WORK] = "there is no more work now",
    [FLS_WAITS_BARRIER] = "it has not come to the epoch's end",
    [FLS_WAITS_SEGMENT] = "its counts of the epoch are still to come",
    [FLS_WAITS_WRITTEN] = "it has not written the segments it was given",
};

/* ---- one look ---- */

struct look_process {
#define METRIC(name, unit, meaning) uint64_t name;
#include "shm/metrics.def"
#undef METRIC
    pid_t pid;
    char state; /* of /proc/PID/stat; 0: there is no such process */
    uint64_t cpu_ns, memory_bytes;
    struct fls_status_wait waits_for;
};

struct look {
    uint64_t ns;
    struct look_process processes[FLS_PROCESSES_MAX];
    struct fls_ring_look *rings;
};

/* The clock of a process's CPU time is finer than the ticks of /proc. */
static uint64_t cpu_ns_of(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (pid <= 0 || clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (uint64_t)used.tv_sec * FLS_NS_PER_S + (uint64_t)used.tv_nsec;
}

static void look_at_process(struct look_process *process, int metrics_fd)
{
    struct fls_metrics *metrics = fls_metrics_map(metrics_fd, false);

#define METRIC(name, unit, meaning) process->name = fls_metric_get(&metrics->name);
#include "shm/metrics.def"
#undef METRIC
    process->pid = (pid_t)fls_metric_get(&metrics->pid);
    fls_region_unmap(metrics, FLS_METRICS_SZ);
    process->state = fls_status_process_state(process->pid, &process->memory_bytes);
    process->cpu_ns = cpu_ns_of(process->pid);
}

static struct fls_status_wait wait_for(enum fls_status_why why, uint32_t who)
{
    return (struct fls_status_wait){.why = why, .who = who};
}

/* Of an ingest: what it says, and, as it says nothing while it waits to push a message that is not
 * a record, what its rings say. */
static struct fls_status_wait ingest_waits(const struct fls_status_view *view,
                                           const struct look *look, uint32_t number)
{
    const struct look_process *process = &look->processes[number];
    uint32_t first = number * view->aggregate_cnt;

    if (process->output_to >= 1 && process->output_to <= view->aggregate_cnt)
        return wait_for(FLS_WAITS_RING_FULL, view->ingest_cnt + (uint32_t)process->output_to - 1);
    for (uint32_t j = 0; j < view->aggregate_cnt; j++)
        if (look->rings[first + j].producer_waits)
            return wait_for(FLS_WAITS_RING_FULL, view->ingest_cnt + j);
    if (look->rings[view->ingest_cnt * view->aggregate_cnt + number].producer_waits)
        return wait_for(FLS_WAITS_RING_FULL, view->process_cnt - 1);
    if (process->input_from)
        return wait_for(FLS_WAITS_NO_WORK, FLS_STATUS_SUPERVISOR);
    return wait_for(FLS_WAITS_NOT, 0);
}

/* Of a consumer of one ring of each ingest. */
static struct fls_status_wait consumer_waits(const struct fls_status_view *view,
                                             const struct look *look, uint32_t process)
{
    uint64_t input = look->processes[process].input_from, epoch = look->processes[process].epoch;

    if (input < 1 || input > view->ingest_cnt)
        return wait_for(FLS_WAITS_NOT, 0);
    /* An ingest that has pushed its barrier works on the next epoch. */
    for (uint32_t i = 0; i < view->ingest_cnt; i++)
        if (look->processes[i].epoch > epoch && look->processes[input - 1].epoch <= epoch)
            return wait_for(FLS_WAITS_BARRIER, (uint32_t)input - 1);
    return wait_for(FLS_WAITS_RING_EMPTY, (uint32_t)input - 1);
}

/* True if all ingests are through with the epoch that publish is at. */
static bool epoch_is_read(const struct fls_status_view *view, const struct look *look)
{
    for (uint32_t i = 0; i < view->ingest_cnt; i++)
        if (look->processes[i].epoch <= look->processes[view->process_cnt - 1].epoch)
            return false;
    return true;
}

static struct fls_status_wait publish_waits(const struct fls_status_view *view,
                                            const struct look *look)
{
    uint32_t publish = view->process_cnt - 1;

    if (look->processes[publish].input_from)
        return consumer_waits(view, look, publish);
    if (!epoch_is_read(view, look))
        return wait_for(FLS_WAITS_NOT, 0);
    for (uint32_t i = view->ingest_cnt; i < publish; i++)
        if (look->processes[i].epoch <= look->processes[publish].epoch)
            return wait_for(FLS_WAITS_SEGMENT, i);
    return wait_for(FLS_WAITS_NOT, 0);
}

static bool is_stopped(char state)
{
    return state == 'T' || state == 't';
}

static bool is_alive(char state)
{
    return state != 0 && state != 'Z' && state != 'X';
}

static void find_waits(const struct fls_status_view *view, struct look *look)
{
    uint32_t publish = view->process_cnt - 1;

    for (uint32_t i = 0; i < view->process_cnt; i++) {
        struct look_process *process = &look->processes[i];

        if (!is_alive(process->state) || is_stopped(process->state))
            process->waits_for = wait_for(FLS_WAITS_NOT, 0);
        else if (i < view->ingest_cnt)
            process->waits_for = ingest_waits(view, look, i);
        else if (i < publish)
            process->waits_for = process->output_to ? wait_for(FLS_WAITS_WRITTEN, publish)
                                                    : consumer_waits(view, look, i);
        else
            process->waits_for = publish_waits(view, look);
    }
}

static void look_at(const struct fls_status_view *view, const struct fls_status_link *link,
                    struct look *look)
{
    look->ns = fls_clock_ns();
    for (uint32_t i = 0; i < link->process_cnt; i++)
        look_at_process(&look->processes[i], link->metrics_fds[i]);
    for (uint32_t i = 0; i < link->ring_cnt; i++)
        fls_ring_look(&link->rings[i], &look->rings[i]);
    find_waits(view, look);
}

/* ---- two looks ---- */

/* Nanoseconds of the sample that went into a wait. A wait is added up when it ends: one that
 * filled the whole sample has not shown yet. */
static uint64_t waited_ns(uint64_t before, uint64_t after, bool is_one_wait, uint64_t sample_ns)
{
    uint64_t ns = after - before;

    if (ns == 0 && is_one_wait)
        return sample_ns;
    return ns < sample_ns ? ns : sample_ns;
}

static void share_time(struct fls_status_process *process, const struct look_process *before,
                       const struct look_process *after, uint64_t sample_ns)
{
    bool is_one_wait = before->waits_for.why == after->waits_for.why &&
                       before->waits_for.who == after->waits_for.who;
    enum fls_status_why why = after->waits_for.why;
    bool is_output = why == FLS_WAITS_RING_FULL || why == FLS_WAITS_WRITTEN;
    bool for_output = is_one_wait && is_output;
    bool for_input = is_one_wait && why != FLS_WAITS_NOT && !is_output;
    uint64_t output =
        waited_ns(before->wait_output_ns, after->wait_output_ns, for_output, sample_ns);
    uint64_t input = waited_ns(before->wait_input_ns, after->wait_input_ns, for_input, sample_ns);

    if (input > sample_ns - output)
        input = sample_ns - output;
    process->output = (double)output / (double)sample_ns;
    process->input = (double)input / (double)sample_ns;
    process->work = (double)(sample_ns - output - input) / (double)sample_ns;
}

static enum fls_status_state state_of(const struct fls_status_view *view, const struct look *look,
                                      uint32_t number)
{
    const struct look_process *process = &look->processes[number];

    if (process->pid == 0)
        return FLS_STATUS_STARTING;
    if (!is_alive(process->state))
        return FLS_STATUS_ENDED;
    if (is_stopped(process->state))
        return FLS_STATUS_STOPPED;
    if (process->waits_for.why != FLS_WAITS_NOT)
        return FLS_STATUS_WAITING;
    if (number + 1 == view->process_cnt && process->input_from == 0 && epoch_is_read(view, look))
        return FLS_STATUS_COMMITTING;
    return FLS_STATUS_WORKING;
}

static void compare_processes(struct fls_status_view *view, const struct look *first,
                              const struct look *second, uint32_t number)
{
    const struct look_process *before = &first->processes[number];
    const struct look_process *after = &second->processes[number];
    struct fls_status_process *process = &view->processes[number];
    uint64_t ns = view->sample_ns;

    *process = (struct fls_status_process){
        .pid = after->pid,
        .state = state_of(view, second, number),
        .waits_for = after->waits_for,
        .records_per_s = fls_figure_rate(after->records - before->records, ns),
        .bytes_read_per_s = fls_figure_rate(after->bytes_read - before->bytes_read, ns),
        .bytes_per_s = fls_figure_rate(after->bytes - before->bytes, ns),
        .objects = after->objects,
        .records = after->records,
        .rows = after->rows,
        .table_bytes = after->table_bytes,
        .memory_bytes = after->memory_bytes,
        .segments = after->segments,
        .spilled_rows = after->spilled_rows,
        .epoch = after->epoch};
    if (before->cpu_ns && after->cpu_ns > before->cpu_ns)
        process->cpu_percent = 100.0 * (double)(after->cpu_ns - before->cpu_ns) / (double)ns;
    if (process->state == FLS_STATUS_WORKING || process->state == FLS_STATUS_WAITING ||
        process->state == FLS_STATUS_COMMITTING)
        share_time(process, before, after, ns);
}

static void compare_rings(struct fls_status_view *view, const struct fls_status_link *link,
                          const struct look *first, const struct look *second)
{
    uint32_t record_cnt = view->ingest_cnt * view->aggregate_cnt;

    for (uint32_t i = 0; i < view->ring_cnt; i++) {
        const struct fls_ring_look *ring = &second->rings[i];
        uint64_t filled = ring->head - ring->tail;
        bool is_record = i < record_cnt;

        /* The head was read after the tail, which may have moved meanwhile. */
        if (filled > link->rings[i].slot_cnt)
            filled = link->rings[i].slot_cnt;
        view->rings[i] = (struct fls_status_ring){
            .from = is_record ? i / view->aggregate_cnt : i - record_cnt,
            .to = is_record ? view->ingest_cnt + i % view->aggregate_cnt : view->process_cnt - 1,
            .slot_cnt = link->rings[i].slot_cnt,
            .filled = (uint32_t)filled,
            .slots_per_s = fls_figure_rate(ring->tail - first->rings[i].tail, view->sample_ns),
            .producer_sleeps = ring->producer_waits,
            .consumer_sleeps = ring->consumer_waits};
    }
}

static void look_twice(struct fls_status_view *view, const struct fls_status_link *link)
{
    const struct timespec pause = {.tv_sec = FLS_STATUS_SAMPLE_MS / 1000,
                                   .tv_nsec = FLS_STATUS_SAMPLE_MS % 1000 * (long)FLS_NS_PER_MS};
    struct look *looks = calloc(2, sizeof(*looks));

    fls_assert(looks);
    for (int i = 0; i < 2; i++) {
        looks[i].rings = calloc(view->ring_cnt, sizeof(*looks[i].rings));
        fls_assert(looks[i].rings);
        look_at(view, link, &looks[i]);
        if (i == 0)
            nanosleep(&pause, NULL);
    }
    view->now_ns = looks[1].ns;
    view->sample_ns = looks[1].ns - looks[0].ns;
    for (uint32_t i = 0; i < view->process_cnt; i++)
        compare_processes(view, &looks[0], &looks[1], i);
    compare_rings(view, link, &looks[0], &looks[1]);
    free(looks[0].rings);
    free(looks[1].rings);
    free(looks);
}

int fls_status_view_take(struct fls_status_view *view, const char *state_folder, char *error_text,
                         size_t error_max)
{
    struct fls_status_link link;
    int error = fls_status_link_open(&link, state_folder, error_text, error_max);

    if (error)
        return error;
    *view = (struct fls_status_view){.ingest_cnt = link.hello.ingest_cnt,
                                     .aggregate_cnt = link.hello.aggregate_cnt,
                                     .process_cnt = link.process_cnt,
                                     .ring_cnt = link.ring_cnt,
                                     .supervisor_pid = (pid_t)link.hello.supervisor_pid,
                                     .totals = link.hello.totals};
    view->rings = calloc(view->ring_cnt, sizeof(*view->rings));
    fls_assert(view->rings);
    look_twice(view, &link);
    view->supervisor_is_stopped = is_stopped(fls_status_process_state(view->supervisor_pid, NULL));
    fls_status_link_close(&link);
    return 0;
}

void fls_status_view_fini(struct fls_status_view *view)
{
    free(view->rings);
    view->rings = NULL;
}

const char *fls_status_role(const struct fls_status_view *view, uint32_t who, uint32_t *number)
{
    const struct fls_topology shape = {.ingest_cnt = view->ingest_cnt,
                                       .aggregate_cnt = view->aggregate_cnt,
                                       .process_cnt = view->process_cnt};

    if (who != FLS_STATUS_SUPERVISOR)
        return fls_role_name(fls_topology_role(&shape, who, number));
    *number = 0;
    return "supervisor";
}

void fls_status_name(const struct fls_status_view *view, uint32_t who,
                     char name[static FLS_STATUS_NAME_MAX])
{
    uint32_t number;
    const char *role = fls_status_role(view, who, &number);

    if (who < view->process_cnt - 1)
        snprintf(name, FLS_STATUS_NAME_MAX, "%s %u", role, number);
    else
        snprintf(name, FLS_STATUS_NAME_MAX, "%s", role);
}

int fls_status_print(const char *state_folder, enum fls_format format, FILE *out)
{
    struct fls_status_view *view = calloc(1, sizeof(*view));
    char error[FLS_PATH_MAX * 2 + 256];
    int status = EXIT_FAILURE;

    fls_assert(view);
    if (fls_status_view_take(view, state_folder, error, sizeof(error)) != 0) {
        fls_log_error("%s", error);
    } else {
        if (format == FLS_FORMAT_JSON)
            fls_status_print_json(view, out);
        else
            fls_status_print_text(view, state_folder, out);
        status = fflush(out) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    fls_status_view_fini(view);
    free(view);
    return status;
}

#include "supervise/watch.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/keys.h"
#include "base/log.h"
#include "base/visible.h"
#include "state/folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Objects whose trailing bytes are told one by one; the summary says how many there were. */
#define WARNINGS_MAX 20U

void fls_watch_begin(struct fls_watch *watch, const struct fls_options *options,
                     const struct fls_inputs *inputs, const struct fls_dispatch *dispatch,
                     const struct fls_redis_address *redis, const struct fls_held *begin,
                     uint64_t begin_ns)
{
    char text[512];

    *watch = (struct fls_watch){.options = options,
                                .inputs = inputs,
                                .dispatch = dispatch,
                                .redis = redis,
                                .begin = *begin,
                                .past = {.first_ns = UINT64_MAX}};
    watch->totals.begin_ns = begin_ns;
    watch->totals.is_following = options->follow;
    watch->totals.memory_limit = options->memory;
    fls_progress_init(&watch->progress, options->progress, STDERR_FILENO);
    watch->status_fd = fls_status_listen(options->state, text, sizeof(text));
    if (watch->status_fd < 0)
        fls_log_warn("`status` will not find this run: %s", text);
}

void fls_watch_attach(struct fls_watch *watch, const struct fls_crew *crew)
{
    watch->crew = crew;
    for (uint32_t i = 0; i < crew->topology.process_cnt; i++)
        watch->metrics[i] = fls_metrics_map(crew->topology.metrics_read_fds[i], false);
    watch->totals.restarts += watch->epochs_past > 0;
    fls_watch_epoch_asked(watch, 0);
}

/* All generations, the one at work included. */
static struct fls_watch_work work_of(const struct fls_watch *watch)
{
    struct fls_watch_work work = watch->past;
    uint32_t process_cnt = watch->crew ? watch->crew->topology.process_cnt : 0;

    for (uint32_t i = 0; i < process_cnt; i++) {
        const struct fls_metrics *metrics = watch->metrics[i];
        uint64_t first_ns = fls_metric_get(&metrics->first_ns);
        uint64_t last_ns = fls_metric_get(&metrics->last_ns);

        work.commit_ns += fls_metric_get(&metrics->commit_ns);
        work.publish_ns += fls_metric_get(&metrics->publish_ns);
        work.spilled_rows += fls_metric_get(&metrics->spilled_rows);
        if (i < watch->crew->topology.ingest_cnt) {
            work.bytes_read += fls_metric_get(&metrics->bytes_read);
            work.bytes += fls_metric_get(&metrics->bytes);
            work.lines += fls_metric_get(&metrics->lines);
        }
        if (first_ns > 0 && first_ns < work.first_ns)
            work.first_ns = first_ns;
        if (last_ns > work.last_ns)
            work.last_ns = last_ns;
    }
    return work;
}

void fls_watch_detach(struct fls_watch *watch)
{
    watch->past = work_of(watch);
    watch->epochs_past = watch->totals.epoch_open;
    if (watch->crew->peak_bytes > watch->peak_bytes)
        watch->peak_bytes = watch->crew->peak_bytes;
    for (uint32_t i = 0; i < watch->crew->topology.process_cnt; i++)
        fls_metrics_unmap(watch->metrics[i]);
    watch->crew = NULL;
}

/* Bytes of objects being read count as far as they were read, so that a single large object moves
 * the progress too; what was read in vain does not take it beyond the end. */
static struct fls_progress_now look(const struct fls_watch *watch)
{
    const struct fls_watch_work work = work_of(watch);
    struct fls_progress_now now = {.objects = watch->dispatch->done_objects,
                                   .objects_all = watch->dispatch->objects,
                                   .bytes_all = watch->dispatch->bytes,
                                   .bytes_out = work.bytes,
                                   .lines = work.lines,
                                   .epoch = watch->totals.epoch_committed};

    now.bytes = work.bytes_read < now.bytes_all ? work.bytes_read : now.bytes_all;
    if (now.objects == now.objects_all)
        now.bytes = now.bytes_all;
    return now;
}

void fls_watch_show(struct fls_watch *watch)
{
    struct fls_progress_now now = look(watch);

    fls_progress_show(&watch->progress, &now);
}

void fls_watch_clear(struct fls_watch *watch)
{
    fls_progress_clear(&watch->progress);
}

void fls_watch_epoch_asked(struct fls_watch *watch, uint64_t epoch)
{
    watch->totals.epoch_open = watch->epochs_past + epoch + 1;
    watch->totals.epoch_open_ns = fls_clock_ns();
}

void fls_watch_failed(struct fls_watch *watch, const char *text)
{
    struct fls_summary *summary = &watch->summary;

    if (summary->failure_cnt < FLS_SUMMARY_FAILED_MAX) {
        char *copy = strdup(text);

        fls_assert(copy != NULL);
        watch->failures[summary->failure_cnt++] = copy;
    }
    summary->failed++;
}

static void warn(struct fls_watch *watch, const char *text)
{
    char *visible;

    if (watch->warning_cnt++ >= WARNINGS_MAX)
        return;
    fls_watch_clear(watch);
    visible = fls_visible_string(fls_span_of(text)); /* it names a file */
    fls_log_warn("%s", visible);
    free(visible);
}

static void note_committed(struct fls_watch *watch, const struct fls_news *news)
{
    watch->summary.trailing += news->trailing;
    watch->totals.epoch_published = news->published;
    if (news->objects == 0)
        return; /* the empty epoch that ends the run */
    watch->totals.epoch_committed = watch->epochs_past + news->epoch;
    watch->totals.epoch_committed_ns = fls_clock_ns();
}

void fls_watch_news(struct fls_watch *watch, const struct fls_news *news)
{
    switch ((enum fls_news_kind)news->kind) {
    case FLS_NEWS_FAILED:
        fls_watch_failed(watch, news->text);
        return;
    case FLS_NEWS_WARNING:
        warn(watch, news->text);
        return;
    case FLS_NEWS_COMMITTED:
        note_committed(watch, news);
        return;
    case FLS_NEWS_DISCARDED:
    case FLS_NEWS_REDO:
        return;
    }
}

void fls_watch_answer(struct fls_watch *watch)
{
    struct fls_progress_now now = look(watch);

    watch->totals.objects = now.objects;
    watch->totals.objects_all = now.objects_all;
    watch->totals.bytes = now.bytes;
    watch->totals.bytes_all = now.bytes_all;
    watch->totals.objects_failed = watch->summary.failed;
    watch->totals.is_stopping = watch->dispatch->has_stopped;
    fls_status_answer(watch->status_fd, &watch->crew->topology, &watch->totals);
}

static void summarize(struct fls_watch *watch, const struct fls_held *end, bool has_stopped)
{
    struct fls_summary *summary = &watch->summary;
    const struct fls_watch_work work = work_of(watch);
    char *default_state = fls_folder_default();
    char redis[512]; /* long enough for a host, or a socket's path */

    summary->counted = end->objects - watch->begin.objects;
    summary->epochs = end->epoch - watch->begin.epoch;
    summary->counts = end->counts;
    fls_line_counts_subtract(&summary->counts, &watch->begin.counts);
    summary->left = watch->dispatch->objects - summary->counted - summary->failed;
    summary->already_counted = watch->inputs->already_counted - watch->inputs->changed;
    summary->duplicates = watch->inputs->duplicates;
    summary->changed = watch->inputs->changed;
    summary->unreadable = watch->inputs->unreadable;
    summary->failures = watch->failures;
    summary->quarantined = watch->inputs->quarantined;
    summary->count_ns = work.last_ns > work.first_ns ? work.last_ns - work.first_ns : 0;
    summary->commit_ns = work.commit_ns;
    summary->publish_ns = work.publish_ns;
    summary->command_ns = fls_clock_ns() - watch->totals.begin_ns;
    summary->epoch = watch->totals.epoch_published;
    summary->is_published = watch->totals.epoch_published > 0;
    summary->has_stopped = has_stopped;
    summary->memory_limit = watch->options->memory;
    summary->spilled_rows = watch->past.spilled_rows;
    summary->peak_bytes = watch->peak_bytes;
    summary->process_cnt = watch->options->ingest_cnt + watch->options->aggregate_cnt + 1;
    summary->state_folder = watch->options->state;
    summary->is_default_state = default_state && strcmp(default_state, summary->state_folder) == 0;
    if (watch->options->redis) {
        fls_redis_address_text(watch->redis, redis, sizeof(redis));
        summary->redis = redis;
    }
    if (strcmp(watch->options->name, FLS_NAME_DEFAULT) != 0)
        summary->name = watch->options->name;
    fls_summary_print(stderr, summary);
    free(default_state);
}

void fls_watch_end(struct fls_watch *watch, const struct fls_held *end, bool has_stopped)
{
    struct fls_progress_now now = look(watch);

    fls_status_unlisten(watch->status_fd, watch->options->state);
    fls_progress_end(&watch->progress, &now);
    if (end)
        summarize(watch, end, has_stopped);
    for (uint32_t i = 0; i < watch->summary.failure_cnt; i++)
        free(watch->failures[i]);
}

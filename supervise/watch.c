#include "supervise/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"

void fls_watch_begin(struct fls_watch *watch, const struct fls_options *options,
                     const struct fls_inputs *inputs, const struct fls_crew *crew,
                     const struct fls_dispatch *dispatch)
{
    *watch = (struct fls_watch){.options = options,
                                .inputs = inputs,
                                .crew = crew,
                                .dispatch = dispatch,
                                .begin_ns = fls_clock_ns(),
                                .status_fd = -1};
    for (uint32_t i = 0; i < crew->topology.process_cnt; i++)
        watch->metrics[i] = fls_metrics_map(crew->topology.metrics_read_fds[i], false);
}
void fls_watch_show(struct fls_watch *watch) { (void)watch; }
void fls_watch_clear(struct fls_watch *watch) { (void)watch; }
void fls_watch_news(struct fls_watch *watch, const struct fls_news *news)
{
    switch (news->kind) {
    case FLS_NEWS_FAILED:
        if (watch->failed_cnt < FLS_FAILED_SHOWN_MAX)
            watch->failed[watch->failed_cnt] = strdup(news->text);
        watch->failed_cnt++;
        return;
    case FLS_NEWS_COMMITTED:
        watch->epochs++;
        watch->objects += news->objects;
        watch->records += news->records;
        watch->malformed += news->malformed;
        watch->trailing += news->trailing;
        watch->published = news->published;
        return;
    default:
        return;
    }
}
void fls_watch_answer(struct fls_watch *watch) { (void)watch; }
void fls_watch_end(struct fls_watch *watch, bool has_failed, int stopped_by)
{
    (void)has_failed; (void)stopped_by;
    fprintf(stderr, "objects %lu records %lu failed %lu %.3f s\n", watch->objects, watch->records, watch->failed_cnt, (double)(fls_clock_ns()-watch->begin_ns)/1e9);
    for (uint64_t i = 0; i < watch->failed_cnt && i < FLS_FAILED_SHOWN_MAX; i++)
        fprintf(stderr, "  %s\n", watch->failed[i]);
}

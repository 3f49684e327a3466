#include "publish/publish.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "publish/show.h"
#include "shm/bell.h"
#include "shm/channel.h"
#include "shm/intake.h"
#include "shm/metrics.h"
#include "shm/work.h"
#include "state/advice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often the last epoch is offered to a Redis that does not take it, the pause between, and how
 * long in all; so long, too, if the answer is one that passes by itself. */
#define LAST_ATTEMPTS 5
#define LAST_PAUSE_MS 1000
#define LAST_PATIENCE_S 30
/* How often an idle publisher looks after Redis: nothing else may come for hours. */
#define LOOK_S 5

struct publish {
    const struct fls_publish_links *links;
    struct fls_metrics *metrics;
    struct fls_intake intake;
    struct fls_ledger *ledger;
    struct fls_segments segments;
    struct fls_commit commit;
    struct fls_show show;
    struct fls_epoch epoch;
    struct fls_result *result;
    struct fls_news news;
    uint64_t number;       /* of the epoch in the making, of this run */
    int told;              /* the error that was told last, 0: none */
    uint64_t next_look_ns; /* after Redis */
    bool *shard_is_done;   /* by shard: its last segment of the epoch has come */
    uint32_t shards_done;
};

/* ---- news for the supervisor ---- */

static bool tell(struct publish *p, enum fls_news_kind kind)
{
    int error;

    p->news.kind = kind;
    p->news.epoch = p->number;
    error = fls_channel_send(p->links->news_channel, &p->news, fls_news_sz(&p->news), -1);
    if (error)
        fls_log_error("the supervisor is gone: %s", strerror(-error));
    return error == 0;
}

/* An object that failed; a whole one of a damaged epoch, which is to be read again; a counted one
 * with something to be told. */
static bool tell_result(struct publish *p)
{
    const struct fls_result *result = p->result;

    p->news = (struct fls_news){.object_id = result->object.id};
    if (result->status == FLS_RESULT_FAILED) {
        snprintf(p->news.text, sizeof(p->news.text), "%s: %s", result->object.path,
                 result->failure);
        return tell(p, FLS_NEWS_FAILED);
    }
    if (result->status == FLS_RESULT_COUNTED && p->epoch.is_damaged)
        return tell(p, FLS_NEWS_REDO);
    if (result->status == FLS_RESULT_COUNTED && result->trailing > 0) {
        snprintf(p->news.text, sizeof(p->news.text),
                 "%s: counted, but %llu bytes behind its last member are no data",
                 result->object.path, (unsigned long long)result->trailing);
        return tell(p, FLS_NEWS_WARNING);
    }
    return true;
}

/* The end of an epoch, with what it added to the state. */
static bool tell_end(struct publish *p, const struct fls_news *added)
{
    p->news = *added;
    p->news.published = p->show.is_current ? p->commit.epoch : 0;
    return tell(p, p->epoch.is_damaged ? FLS_NEWS_DISCARDED : FLS_NEWS_COMMITTED);
}

static void add_result(struct fls_news *added, const struct fls_result *result)
{
    added->objects++;
    added->trailing += result->trailing > 0;
}

static bool tell_epoch(struct publish *p)
{
    struct fls_news added = {.objects = 0};

    for (uint32_t i = 0; i < p->epoch.result_cnt; i++) {
        fls_epoch_result(&p->epoch, i, p->result);
        if (p->result->status == FLS_RESULT_COUNTED && !p->epoch.is_damaged)
            add_result(&added, p->result);
        if (!tell_result(p))
            return false;
    }
    return tell_end(p, &added);
}

/* ---- an epoch ---- */

static bool commit_epoch(struct publish *p)
{
    uint64_t begin_ns = fls_clock_ns();

    if (p->epoch.failed_cnt == 0 && (p->epoch.counted_cnt == 0 || p->epoch.is_damaged))
        return true; /* nothing to commit: the run came to its end, or gave up an object */
    if (fls_commit_epoch(&p->commit, &p->epoch)) {
        fls_log_error("cannot commit: %s", p->commit.failure);
        return false;
    }
    fls_metric_add(&p->metrics->commit_ns, fls_clock_ns() - begin_ns);
    return true;
}

/* Publishes the last commit. Redis being away is told once, with each reason, and ends nothing:
 * what is committed is safe, and the next epoch brings Redis up to date. */
static int publish_commit(struct publish *p, bool now)
{
    uint64_t begin_ns = fls_clock_ns();
    int error = fls_show_commit(&p->show, &p->commit, now);

    if (error && error != p->told)
        fls_log_warn("cannot publish now: %s", p->show.failure);
    if (!error && p->told)
        fls_log_info("Redis holds the last commit again");
    p->told = error;
    p->next_look_ns = fls_clock_ns() + LOOK_S * FLS_NS_PER_S;
    fls_metric_add(&p->metrics->publish_ns, fls_clock_ns() - begin_ns);
    return error;
}

/* In a pause between epochs Redis may go, or come back. Publishing may rewrite days and remove
 * files: not while the next epoch's is being written. */
static void look_after_redis(struct publish *p)
{
    if (p->epoch.has_file || fls_clock_ns() < p->next_look_ns)
        return;
    p->next_look_ns = fls_clock_ns() + LOOK_S * FLS_NS_PER_S;
    if (p->show.is_current)
        fls_show_check(&p->show);
    if (!p->show.is_current)
        publish_commit(p, false);
}

static bool take_segment(struct publish *p, uint32_t shard, const struct fls_segment_ready *ready,
                         int fd)
{
    struct fls_segment_taken taken = {.size = ready->size};
    uint64_t begin_ns = fls_clock_ns();

    if (fls_commit_add_segment(&p->commit, &p->epoch, fd, ready->size)) {
        fls_log_error("cannot commit: %s", p->commit.failure);
        return false;
    }
    fls_metric_add(&p->metrics->commit_ns, fls_clock_ns() - begin_ns);
    p->shard_is_done[shard] = ready->is_last;
    p->shards_done += ready->is_last > 0;
    /* if it is gone, that shows when it is read from */
    fls_channel_send(p->links->segment_channels[shard], &taken, sizeof(taken), -1);
    return true;
}

/* A shard that has sent its last segment of the epoch may be ahead: what it sends then waits. */
static bool take_segments(struct publish *p, uint32_t *taken)
{
    for (uint32_t i = 0; i < p->links->shard_cnt; i++) {
        struct fls_segment_ready ready;
        int fd;
        ssize_t sz;

        while (!p->shard_is_done[i] &&
               (sz = fls_channel_receive(p->links->segment_channels[i], &ready, sizeof(ready), &fd,
                                         0)) != -EAGAIN) {
            if (sz <= 0) {
                fls_log_error("aggregate %u is gone", i);
                return false;
            }
            fls_assert(sz == sizeof(ready) && ready.epoch == p->number);
            if (!take_segment(p, i, &ready, fd))
                return false;
            ++*taken;
        }
    }
    return true;
}

static bool close_epoch(struct publish *p)
{
    if (!commit_epoch(p))
        return false;
    publish_commit(p, false);
    if (!tell_epoch(p))
        return false;
    fls_epoch_clear(&p->epoch);
    memset(p->shard_is_done, 0, p->links->shard_cnt * sizeof(*p->shard_is_done));
    p->shards_done = 0;
    fls_metric_set(&p->metrics->epoch, ++p->number);
    fls_intake_next_epoch(&p->intake);
    return true;
}

/* ---- the rings ---- */

static void take_message(struct publish *p, struct fls_intake_ring *ring)
{
    if (ring->message.kind == FLS_KIND_RESULT) {
        fls_epoch_add_result(&p->epoch, ring->message.payload);
        fls_metric_add(&p->metrics->objects, 1);
        return;
    }
    fls_intake_take_barrier(ring);
}

static uint32_t drain_ring(struct publish *p, struct fls_intake_ring *ring)
{
    const struct fls_slot *slots;
    uint32_t taken = 0;

    while (!ring->at_barrier && fls_consumer_peek(&ring->consumer, &slots) > 0) {
        if (fls_message_feed(&ring->message, slots))
            take_message(p, ring);
        fls_consumer_release(&ring->consumer, 1);
        taken++;
    }
    return taken;
}

/* Segments are taken at any time but while an epoch is committed and published: a shard that is
 * short of memory waits for that. */
static bool drain(struct publish *p)
{
    for (bool is_last = false; !is_last;) {
        uint32_t taken = 0;

        for (uint32_t i = 0; i < p->links->ingest_cnt; i++)
            taken += drain_ring(p, &p->intake.rings[i]);
        if (!take_segments(p, &taken))
            return false;
        if (fls_intake_is_complete(&p->intake, &is_last) && p->shards_done == p->links->shard_cnt) {
            if (!close_epoch(p))
                return false;
        } else {
            is_last = false;
            if (taken == 0) {
                look_after_redis(p);
                fls_intake_sleep(&p->intake);
            }
        }
    }
    return true;
}

/* Some failures no later attempt can mend. */
static bool is_final(int error)
{
    return error == -ESTALE || error == -EUCLEAN;
}

static bool may_yet_pass(int error, int attempts, uint64_t end_ns)
{
    return !is_final(error) && fls_clock_ns() < end_ns &&
           (attempts < LAST_ATTEMPTS || error == -EAGAIN || error == -EREMOTE);
}

/* What is committed is to be published before the run ends. */
static bool publish_last(struct publish *p)
{
    uint64_t end_ns = fls_clock_ns() + LAST_PATIENCE_S * FLS_NS_PER_S;
    int error, attempts = 1;

    if (p->show.is_current)
        return true;
    while ((error = publish_commit(p, true)) && may_yet_pass(error, attempts++, end_ns))
        fls_bell_wait(p->links->bell, -1, LAST_PAUSE_MS);
    if (error) {
        fls_log_error("everything is committed, but it is not published: %s", p->show.failure);
        if (!is_final(error))
            fls_log_error("the next run publishes it");
        return false;
    }
    /* nothing more was added, but Redis holds the last epoch now */
    return tell_end(p, &(struct fls_news){.objects = 0});
}

static int open_state(struct publish *p)
{
    char failure[512];
    int error =
        fls_ledger_open(&p->ledger, p->links->state_folder, false, failure, sizeof(failure));

    if (error == 0) {
        error = fls_segments_open(&p->segments, p->links->state_folder);
        if (error)
            snprintf(failure, sizeof(failure), "%s/segments: %s (%s)", p->links->state_folder,
                     strerror(-error), fls_advice_for_errno(-error));
    }
    if (error == 0) {
        error = fls_commit_init(&p->commit, p->ledger, &p->segments, p->links->keep_days);
        if (error == 0)
            error = fls_commit_settle(&p->commit, p->links->top_k);
        if (error)
            snprintf(failure, sizeof(failure), "%s", p->commit.failure);
    }
    if (error)
        fls_log_error("cannot use the state: %s", failure);
    return error;
}

static int work(struct publish *p)
{
    publish_commit(p, true); /* Redis may have lost what earlier runs published */
    if (!drain(p))
        return FLS_EXIT_AGAIN;
    return publish_last(p) ? EXIT_SUCCESS : EXIT_FAILURE;
}

int fls_publish_main(const struct fls_publish_links *links)
{
    struct publish p = {.links = links, .number = 1, .segments = {.folder_fd = -1}};
    int status = EXIT_FAILURE;

    p.metrics = fls_metrics_join(links->metrics_fd);
    fls_metric_set(&p.metrics->epoch, p.number);
    p.result = calloc(1, sizeof(*p.result));
    p.shard_is_done = calloc(links->shard_cnt, sizeof(*p.shard_is_done));
    fls_assert(p.result != NULL && p.shard_is_done != NULL);
    fls_intake_join(&p.intake, links->result_rings, links->ingest_cnt, links->bell, p.metrics);
    fls_sandbox_enter(&(struct fls_sandbox){.role = FLS_SANDBOX_PUBLISH,
                                            .folder = links->state_folder,
                                            .redis = links->redis},
                      NULL);
    p.show = (struct fls_show){.address = links->redis,
                               .name = links->name,
                               .top_k = links->top_k,
                               .day_bytes_max = links->day_bytes_max};
    if (open_state(&p) == 0)
        status = work(&p);
    fls_show_fini(&p.show);
    fls_epoch_fini(&p.epoch);
    fls_commit_fini(&p.commit);
    fls_segments_close(&p.segments);
    fls_ledger_close(p.ledger);
    fls_intake_leave(&p.intake);
    free(p.result);
    free(p.shard_is_done);
    return status;
}

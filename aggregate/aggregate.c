#include "aggregate/aggregate.h"

#include "aggregate/shard.h"
#include "aggregate/snapshot.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/bell.h"
#include "shm/channel.h"
#include "shm/metrics.h"
#include "shm/work.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Slots taken from one ring before the next one gets its turn. */
#define TURN_SLOTS 2048U

struct ring_state {
    struct fls_consumer consumer;
    struct fls_message message;
    bool at_barrier; /* not read again until every ring has come here */
    bool has_ended;
};

struct aggregate {
    const struct fls_aggregate_links *links;
    struct fls_metrics *metrics;
    struct fls_shard shard;
    struct ring_state *rings;
    uint64_t epoch; /* of this run, being counted */
};

/* Records from slots[0] on that stand together. */
static uint32_t run_of_records(const struct fls_slot *slots, uint32_t cnt)
{
    uint32_t run = 0;

    while (run < cnt && fls_slot_kind(&slots[run]) == FLS_KIND_RECORD)
        run++;
    return run;
}

static void take_message(struct aggregate *a, uint32_t number)
{
    struct ring_state *ring = &a->rings[number];

    switch (ring->message.kind) {
    case FLS_KIND_SYMBOL:
    case FLS_KIND_ATTRIBUTES:
        fls_shard_define(&a->shard, number, &ring->message);
        return;
    case FLS_KIND_BARRIER:
        ring->at_barrier = true;
        ring->has_ended = ring->message.number == FLS_BARRIER_LAST;
        return;
    default:
        fls_assert(!"a message for an aggregator");
    }
}

/* Takes what is there, up to a turn; returns the number of slots. */
static uint32_t drain_ring(struct aggregate *a, uint32_t number)
{
    struct ring_state *ring = &a->rings[number];
    const struct fls_slot *slots;
    uint32_t cnt, taken = 0;

    while (taken < TURN_SLOTS && !ring->at_barrier &&
           (cnt = fls_consumer_peek(&ring->consumer, &slots)) > 0) {
        uint32_t run = ring->message.is_partial ? 0 : run_of_records(slots, cnt);

        if (run > TURN_SLOTS)
            run = TURN_SLOTS;
        if (run > 0) {
            fls_shard_count(&a->shard, number, (const struct fls_flow *)(const void *)slots, run);
            fls_metric_add(&a->metrics->records, run);
        } else {
            run = 1;
            if (fls_message_feed(&ring->message, slots))
                take_message(a, number);
        }
        fls_consumer_release(&ring->consumer, run);
        taken += run;
    }
    return taken;
}

static bool all_at_barrier(const struct aggregate *a)
{
    for (uint32_t i = 0; i < a->links->ring_cnt; i++)
        if (!a->rings[i].at_barrier)
            return false;
    return true;
}

static void show(struct aggregate *a)
{
    fls_metric_set(&a->metrics->rows, fls_shard_rows(&a->shard));
    fls_metric_set(&a->metrics->table_bytes, fls_shard_bytes(&a->shard));
}

/* Hands the epoch over; false if publish is gone. */
static bool close_epoch(struct aggregate *a)
{
    uint64_t begin_ns = fls_clock_ns();
    struct fls_segment_ready ready = {.epoch = a->epoch};
    int fd, error;

    fls_shard_close_epoch(&a->shard);
    show(a);
    fd = fls_snapshot_take(&a->shard, &ready.size);
    error = fls_channel_send(a->links->segment_channel, &ready, sizeof(ready), fd);
    if (fd >= 0)
        close(fd);
    if (error) {
        fls_log_error("publish is gone: %s", strerror(-error));
        return false;
    }
    fls_shard_clear(&a->shard);
    for (uint32_t i = 0; i < a->links->ring_cnt; i++)
        a->rings[i].at_barrier = a->rings[i].has_ended;
    fls_metric_set(&a->metrics->epoch, ++a->epoch);
    fls_metric_add(&a->metrics->snapshot_ns, fls_clock_ns() - begin_ns);
    return true;
}

/* Sleeps until one of the rings it may read has something. The first of them that is empty is
 * shown as the one it waits for. */
static void sleep_until_input(struct aggregate *a)
{
    uint64_t begin_ns = fls_clock_ns();
    bool may_sleep = true;
    uint32_t waits_for = 0;

    show(a);
    for (uint32_t i = a->links->ring_cnt; i-- > 0;) {
        if (a->rings[i].at_barrier)
            continue;
        waits_for = i + 1;
        may_sleep &= fls_consumer_will_wait(&a->rings[i].consumer);
    }
    fls_metric_set(&a->metrics->input_from, waits_for);
    if (may_sleep)
        fls_bell_wait(a->links->bell, -1, FLS_SLEEP_MAX_MS);
    fls_metric_set(&a->metrics->input_from, 0);
    for (uint32_t i = 0; i < a->links->ring_cnt; i++)
        fls_consumer_has_woken(&a->rings[i].consumer);
    fls_metric_add(&a->metrics->wait_input_ns, fls_clock_ns() - begin_ns);
}

static bool all_ended(const struct aggregate *a)
{
    for (uint32_t i = 0; i < a->links->ring_cnt; i++)
        if (!a->rings[i].has_ended)
            return false;
    return true;
}

static int work(struct aggregate *a)
{
    for (;;) {
        uint64_t begin_ns = fls_clock_ns(), end_ns;
        uint64_t records = fls_metric_get(&a->metrics->records);
        uint32_t taken = 0;

        for (uint32_t i = 0; i < a->links->ring_cnt; i++)
            taken += drain_ring(a, i);
        end_ns = fls_clock_ns();
        if (taken)
            fls_metric_add(&a->metrics->work_ns, end_ns - begin_ns);
        if (fls_metric_get(&a->metrics->records) != records)
            fls_metric_set(&a->metrics->last_ns, end_ns);
        if (all_at_barrier(a)) {
            bool is_last = all_ended(a);

            if (!close_epoch(a))
                return EXIT_FAILURE;
            if (is_last)
                return EXIT_SUCCESS;
        } else if (taken == 0) {
            sleep_until_input(a);
        }
    }
}

int fls_aggregate_main(const struct fls_aggregate_links *links)
{
    struct aggregate a = {.links = links, .epoch = 1};
    int status;

    a.metrics = fls_metrics_map(links->metrics_fd, true);
    fls_metric_set(&a.metrics->pid, (uint32_t)getpid());
    fls_metric_set(&a.metrics->epoch, a.epoch);
    a.rings = calloc(links->ring_cnt, sizeof(*a.rings));
    fls_assert(a.rings != NULL);
    for (uint32_t i = 0; i < links->ring_cnt; i++)
        fls_consumer_join(&a.rings[i].consumer, &links->rings[i]);
    fls_shard_init(&a.shard, links->ring_cnt);
    status = work(&a);
    fls_shard_fini(&a.shard);
    for (uint32_t i = 0; i < links->ring_cnt; i++) {
        fls_consumer_leave(&a.rings[i].consumer);
        fls_message_fini(&a.rings[i].message);
    }
    free(a.rings);
    return status;
}

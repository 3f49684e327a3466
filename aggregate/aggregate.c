#include "aggregate/aggregate.h"

#include "aggregate/handover.h"
#include "aggregate/shard.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "shm/intake.h"
#include "shm/metrics.h"

#include <stdlib.h>
#include <unistd.h>

/* Slots taken from one ring before the next one gets its turn. */
#define TURN_SLOTS 2048U

struct aggregate {
    const struct fls_aggregate_links *links;
    struct fls_metrics *metrics;
    struct fls_shard shard;
    struct fls_intake intake;
    struct fls_handover handover;
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
    struct fls_intake_ring *ring = &a->intake.rings[number];

    switch (ring->message.kind) {
    case FLS_KIND_SYMBOL:
    case FLS_KIND_ATTRIBUTES:
        fls_shard_define(&a->shard, number, &ring->message);
        return;
    case FLS_KIND_BARRIER:
        fls_intake_take_barrier(ring);
        return;
    default:
        fls_assert(!"a message for an aggregator");
    }
}

/* Takes what is there, up to a turn; returns the number of slots. */
static uint32_t drain_ring(struct aggregate *a, uint32_t number)
{
    struct fls_intake_ring *ring = &a->intake.rings[number];
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

static void show(struct aggregate *a)
{
    fls_metric_set(&a->metrics->rows, fls_shard_rows(&a->shard));
    fls_metric_set(&a->metrics->table_bytes, fls_shard_bytes(&a->shard));
}

/* Hands over what was counted. False if publish is gone. */
static bool hand_over(struct aggregate *a, bool is_last)
{
    if (!fls_handover_settle(&a->handover, FLS_SEGMENTS_IN_FLIGHT_MAX - 1))
        return false;
    fls_shard_close_epoch(&a->shard);
    show(a);
    return fls_handover_send(&a->handover, &a->shard, a->epoch, is_last);
}

static bool close_epoch(struct aggregate *a)
{
    if (!hand_over(a, true))
        return false;
    fls_shard_clear(&a->shard);
    fls_intake_next_epoch(&a->intake);
    fls_metric_set(&a->metrics->epoch, ++a->epoch);
    return true;
}

static int work(struct aggregate *a)
{
    for (;;) {
        uint64_t records = fls_metric_get(&a->metrics->records);
        uint32_t taken = 0;
        bool is_last;

        fls_metrics_turn();
        for (uint32_t i = 0; i < a->links->ring_cnt; i++)
            taken += drain_ring(a, i);
        if (fls_metric_get(&a->metrics->records) != records)
            fls_metric_set(&a->metrics->last_ns, fls_clock_ns());
        if (fls_intake_is_complete(&a->intake, &is_last)) {
            if (!close_epoch(a))
                return FLS_EXIT_AGAIN;
            if (is_last) /* publish reads no more from who has ended */
                return fls_handover_settle(&a->handover, 0) ? EXIT_SUCCESS : FLS_EXIT_AGAIN;
        } else if (taken == 0) {
            show(a);
            fls_intake_sleep(&a->intake);
        }
    }
}

int fls_aggregate_main(const struct fls_aggregate_links *links)
{
    struct aggregate a = {.links = links, .epoch = 1};
    int status;

    a.metrics = fls_metrics_join(links->metrics_fd);
    fls_metric_set(&a.metrics->epoch, a.epoch);
    fls_intake_join(&a.intake, links->rings, links->ring_cnt, links->bell, a.metrics);
    a.handover = (struct fls_handover){.channel = links->segment_channel,
                                       .publish_bell = links->publish_bell,
                                       .metrics = a.metrics};
    fls_shard_init(&a.shard, links->ring_cnt);
    fls_sandbox_enter(&(struct fls_sandbox){.role = FLS_SANDBOX_AGGREGATE}, NULL);
    status = work(&a);
    fls_shard_fini(&a.shard);
    fls_intake_leave(&a.intake);
    return status;
}

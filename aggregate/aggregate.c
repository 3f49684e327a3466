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
/* What is handed over in the middle of an epoch is at least this part of the memory: where the
 * texts of an epoch take most of it, the limit is passed rather than each row sent alone. */
#define SPILL_SHARE 8U

struct aggregate {
    const struct fls_aggregate_links *links;
    struct fls_metrics *metrics;
    struct fls_shard shard;
    struct fls_intake intake;
    struct fls_handover handover;
    uint64_t epoch;        /* of this run, being counted */
    uint32_t unchecked;    /* slots taken since it was looked whether memory is short */
    uint32_t checked_days; /* days there were then */
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

/* Records from slots[0] on, at most cnt of them; returns how many were counted. */
static uint32_t count_records(struct aggregate *a, uint32_t number, const struct fls_slot *slots,
                              uint32_t cnt)
{
    uint32_t run = run_of_records(slots, cnt < TURN_SLOTS ? cnt : TURN_SLOTS);

    if (run == 0)
        return 0;
    run = fls_shard_count(&a->shard, number, (const struct fls_flow *)(const void *)slots, run);
    fls_metric_add(&a->metrics->records, run);
    return run;
}

/* Takes what is there, up to a turn or to a new day, which may need much memory; returns the number
 * of slots. */
static uint32_t drain_ring(struct aggregate *a, uint32_t number)
{
    struct fls_intake_ring *ring = &a->intake.rings[number];
    uint32_t cnt, taken = 0, day_cnt = a->shard.day_cnt;
    const struct fls_slot *slots;

    while (taken < TURN_SLOTS && a->shard.day_cnt == day_cnt && !ring->at_barrier &&
           (cnt = fls_consumer_peek(&ring->consumer, &slots)) > 0) {
        uint32_t run = ring->message.is_partial ? 0 : count_records(a, number, slots, cnt);

        if (run == 0) {
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

/* There is no room to go on counting, and handing over what there is would help. */
static bool is_short(struct aggregate *a)
{
    uint64_t closing = fls_shard_closing_bytes(&a->shard);

    if (fls_shard_is_full(&a->shard))
        return true;
    return closing + fls_handover_bytes(&a->handover) > a->links->memory &&
           closing - fls_shard_defined_bytes(&a->shard) >= a->links->memory / SPILL_SHARE;
}

/* After `taken` slots: hands over in the middle of an epoch, if there is need. False if publish is
 * gone. */
static bool make_room(struct aggregate *a, uint32_t taken)
{
    a->unchecked += taken;
    if (a->unchecked < TURN_SLOTS && a->shard.day_cnt == a->checked_days)
        return true;
    a->unchecked = 0;
    a->checked_days = a->shard.day_cnt;
    if (!is_short(a))
        return true;
    if (!fls_handover_settle(&a->handover, FLS_SEGMENTS_IN_FLIGHT_MAX)) /* does not wait */
        return false;
    if (!is_short(a))
        return true;
    fls_metric_add(&a->metrics->spilled_rows, fls_shard_rows(&a->shard));
    if (!hand_over(a, false))
        return false;
    fls_shard_release(&a->shard);
    return true;
}

static int work(struct aggregate *a)
{
    for (;;) {
        uint64_t records = fls_metric_get(&a->metrics->records);
        uint32_t taken = 0;
        bool is_last;

        fls_metrics_turn();
        for (uint32_t i = 0; i < a->links->ring_cnt; i++) {
            uint32_t turn = drain_ring(a, i);

            if (!make_room(a, turn))
                return FLS_EXIT_AGAIN;
            taken += turn;
        }
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
                                       .bell = links->bell,
                                       .publish_bell = links->publish_bell,
                                       .metrics = a.metrics};
    fls_shard_init(&a.shard, links->ring_cnt);
    fls_sandbox_enter(&(struct fls_sandbox){.role = FLS_SANDBOX_AGGREGATE}, NULL);
    status = work(&a);
    fls_shard_fini(&a.shard);
    fls_intake_leave(&a.intake);
    return status;
}

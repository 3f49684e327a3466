#include "shm/intake.h"

#include "base/assert.h"
#include "base/clock.h"
#include "shm/bell.h"

#include <stdlib.h>

void fls_intake_join(struct fls_intake *intake, const struct fls_ring *rings, uint32_t ring_cnt,
                     int bell, struct fls_metrics *metrics)
{
    *intake = (struct fls_intake){.ring_cnt = ring_cnt, .bell = bell, .metrics = metrics};
    intake->rings = calloc(ring_cnt, sizeof(*intake->rings));
    fls_assert(intake->rings != NULL);
    for (uint32_t i = 0; i < ring_cnt; i++)
        fls_consumer_join(&intake->rings[i].consumer, &rings[i]);
}

void fls_intake_leave(struct fls_intake *intake)
{
    for (uint32_t i = 0; i < intake->ring_cnt; i++) {
        fls_consumer_leave(&intake->rings[i].consumer);
        fls_message_fini(&intake->rings[i].message);
    }
    free(intake->rings);
}

void fls_intake_take_barrier(struct fls_intake_ring *ring)
{
    fls_assert(ring->message.kind == FLS_KIND_BARRIER && !ring->at_barrier);
    ring->at_barrier = true;
    ring->has_ended = ring->message.number == FLS_BARRIER_LAST;
}

bool fls_intake_is_complete(const struct fls_intake *intake, bool *is_last)
{
    *is_last = true;
    for (uint32_t i = 0; i < intake->ring_cnt; i++) {
        if (!intake->rings[i].at_barrier)
            return false;
        *is_last &= intake->rings[i].has_ended;
    }
    return true;
}

void fls_intake_next_epoch(struct fls_intake *intake)
{
    for (uint32_t i = 0; i < intake->ring_cnt; i++)
        intake->rings[i].at_barrier = intake->rings[i].has_ended;
}

void fls_intake_sleep(struct fls_intake *intake)
{
    uint64_t begin_ns = fls_clock_ns();
    bool may_sleep = true;
    uint32_t waits_for = 0;

    for (uint32_t i = intake->ring_cnt; i-- > 0;) {
        if (intake->rings[i].at_barrier)
            continue;
        waits_for = i + 1;
        may_sleep &= fls_consumer_will_wait(&intake->rings[i].consumer);
    }
    fls_metric_set(&intake->metrics->input_from, waits_for);
    if (may_sleep)
        fls_bell_wait(intake->bell, -1, FLS_SLEEP_MAX_MS);
    fls_metric_set(&intake->metrics->input_from, 0);
    for (uint32_t i = 0; i < intake->ring_cnt; i++)
        fls_consumer_has_woken(&intake->rings[i].consumer);
    fls_metric_add(&intake->metrics->wait_input_ns, fls_clock_ns() - begin_ns);
}

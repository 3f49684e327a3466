/* Rings between two sides, with one bell for each side. Needs cmocka.h before it. */
#pragma once

#include "shm/bell.h"
#include "shm/ring.h"

#include <unistd.h>

static inline void rings_create(struct fls_ring *rings, uint32_t cnt, uint32_t slot_cnt)
{
    int bells[2] = {fls_bell_create(), fls_bell_create()};

    assert_true(bells[0] >= 0 && bells[1] >= 0);
    for (uint32_t i = 0; i < cnt; i++)
        assert_int_equal(fls_ring_create(&rings[i], slot_cnt, bells[0], bells[1]), 0);
}

static inline void rings_close(struct fls_ring *rings, uint32_t cnt)
{
    int bells[2] = {rings[0].producer_bell, rings[0].consumer_bell};

    for (uint32_t i = 0; i < cnt; i++)
        fls_ring_close(&rings[i]);
    close(bells[0]);
    close(bells[1]);
}

/* Until there is something in an empty ring, or for FLS_SLEEP_MAX_MS. */
static inline void rings_sleep(const struct fls_ring *ring, struct fls_consumer *consumer)
{
    if (fls_consumer_will_wait(consumer))
        fls_bell_wait(ring->consumer_bell, -1, FLS_SLEEP_MAX_MS);
    fls_consumer_has_woken(consumer);
}

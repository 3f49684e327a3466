#include "shm/ring.h"

#include "base/assert.h"
#include "base/clock.h"
#include "shm/bell.h"
#include "shm/region.h"

#include <stdatomic.h>
#include <unistd.h>

#define RING_MAGIC 0x31676e6972736c66ULL /* "flsring1" */
#define RING_LAYOUT 1U
#define SLOTS_AT 4096U
#define TAIL_SZ 4096U
#define OPEN_SHARE 4U /* of the ring: slots that are open at once, at most */

struct fls_ring_head {
    _Atomic uint64_t magic;
    uint32_t layout, slot_cnt;
    _Alignas(64) _Atomic uint64_t head;
    _Alignas(64) _Atomic uint32_t producer_waits;
};

struct fls_ring_tail {
    _Alignas(64) _Atomic uint64_t tail;
    _Alignas(64) _Atomic uint32_t consumer_waits;
};

static_assert(offsetof(struct fls_ring_head, head) == 64, "layout");
static_assert(offsetof(struct fls_ring_head, producer_waits) == 128, "layout");
static_assert(offsetof(struct fls_ring_tail, consumer_waits) == 64, "layout");
static_assert(sizeof(struct fls_ring_head) <= SLOTS_AT, "layout");

static size_t head_sz(uint32_t slot_cnt)
{
    return SLOTS_AT + (size_t)slot_cnt * FLS_SLOT_SZ;
}

static int create_regions(struct fls_ring *ring)
{
    int *fds[] = {&ring->head_fd, &ring->head_read_fd, &ring->tail_fd, &ring->tail_read_fd};

    for (int i = 0; i < 4; i++)
        *fds[i] = -1;
    ring->head_fd = fls_region_create("ring-head", head_sz(ring->slot_cnt));
    ring->tail_fd = fls_region_create("ring-tail", TAIL_SZ);
    if (ring->head_fd >= 0)
        ring->head_read_fd = fls_region_reopen(ring->head_fd);
    if (ring->tail_fd >= 0)
        ring->tail_read_fd = fls_region_reopen(ring->tail_fd);
    for (int i = 0; i < 4; i++)
        if (*fds[i] < 0)
            return *fds[i];
    return 0;
}

int fls_ring_create(struct fls_ring *ring, uint32_t slot_cnt, int producer_bell, int consumer_bell)
{
    struct fls_ring_head *head;
    int error;

    fls_assert(slot_cnt >= FLS_RING_SLOTS_MIN && slot_cnt <= FLS_RING_SLOTS_MAX);
    fls_assert((slot_cnt & (slot_cnt - 1)) == 0);
    *ring = (struct fls_ring){
        .slot_cnt = slot_cnt, .producer_bell = producer_bell, .consumer_bell = consumer_bell};
    error = create_regions(ring);
    if (error) {
        fls_ring_close(ring);
        return error;
    }
    head = fls_region_map(ring->head_fd, SLOTS_AT, true);
    head->layout = RING_LAYOUT;
    head->slot_cnt = slot_cnt;
    atomic_store_explicit(&head->magic, RING_MAGIC, memory_order_release);
    fls_region_unmap(head, SLOTS_AT);
    return 0;
}

void fls_ring_close(struct fls_ring *ring)
{
    int *fds[] = {&ring->head_fd, &ring->head_read_fd, &ring->tail_fd, &ring->tail_read_fd};

    for (int i = 0; i < 4; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

static void check_head(const struct fls_ring_head *head, uint32_t slot_cnt)
{
    fls_assert(atomic_load_explicit(&head->magic, memory_order_acquire) == RING_MAGIC);
    fls_assert(head->layout == RING_LAYOUT && head->slot_cnt == slot_cnt);
}

void fls_producer_join(struct fls_producer *producer, const struct fls_ring *ring)
{
    struct fls_ring_head *head = fls_region_map(ring->head_fd, head_sz(ring->slot_cnt), true);

    check_head(head, ring->slot_cnt);
    *producer = (struct fls_producer){
        .head_region = head,
        .tail_region = fls_region_map(ring->tail_read_fd, TAIL_SZ, false),
        .slots = (struct fls_slot *)((uint8_t *)head + SLOTS_AT),
        .head = atomic_load_explicit(&head->head, memory_order_relaxed), /* own index */
        .slot_cnt = ring->slot_cnt,
        .own_bell = ring->producer_bell,
        .peer_bell = ring->consumer_bell};
    producer->tail_seen = producer->head >= ring->slot_cnt ? producer->head - ring->slot_cnt : 0;
}

void fls_producer_leave(struct fls_producer *producer)
{
    fls_region_unmap(producer->head_region, head_sz(producer->slot_cnt));
    fls_region_unmap(producer->tail_region, TAIL_SZ);
}

/* How many slots from *slots on can be written now (contiguous; 0: the ring is full). */
static uint32_t find_room(struct fls_producer *producer, struct fls_slot **slots)
{
    uint64_t used = producer->head - producer->tail_seen;
    uint32_t place = (uint32_t)(producer->head & (producer->slot_cnt - 1));
    uint32_t room;

    if (used == producer->slot_cnt) {
        /* pairs with (R2) in fls_consumer_release: the consumer has read what is given back */
        producer->tail_seen =
            atomic_load_explicit(&producer->tail_region->tail, memory_order_acquire);
        used = producer->head - producer->tail_seen;
        fls_assert(used <= producer->slot_cnt);
    }
    *slots = producer->slots + place;
    room = producer->slot_cnt - (uint32_t)used;
    return room < producer->slot_cnt - place ? room : producer->slot_cnt - place;
}

void fls_producer_flush(struct fls_producer *producer)
{
    uint32_t used = producer->used;

    producer->used = producer->room = 0;
    if (used == 0)
        return;
    producer->head += used;
    fls_assert(producer->head - producer->tail_seen <= producer->slot_cnt);
    /* (R1) pairs with the acquire in fls_consumer_peek: the slots are written before. Sequentially
     * consistent for the sleeper's sake: see (W2). */
    atomic_store_explicit(&producer->head_region->head, producer->head, memory_order_seq_cst);
    if (atomic_load_explicit(&producer->tail_region->consumer_waits, memory_order_seq_cst))
        fls_bell_ring(producer->peer_bell);
}

bool fls_producer_open(struct fls_producer *producer)
{
    uint32_t room, most = producer->slot_cnt / OPEN_SHARE;

    fls_producer_flush(producer);
    room = find_room(producer, &producer->open);
    producer->room = room < most ? room : most;
    return room > 0;
}

bool fls_producer_is_drained(const struct fls_producer *producer)
{
    /* a hint: nothing is read or written because of it */
    return atomic_load_explicit(&producer->tail_region->tail, memory_order_relaxed) ==
           producer->head;
}

void fls_producer_wait(struct fls_producer *producer)
{
    struct fls_ring_head *region = producer->head_region;

    /* (W1) pairs with the load in fls_consumer_release */
    atomic_store_explicit(&region->producer_waits, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&producer->tail_region->tail, memory_order_seq_cst) ==
        producer->tail_seen)
        fls_bell_wait(producer->own_bell, -1, FLS_SLEEP_MAX_MS);
    atomic_store_explicit(&region->producer_waits, 0, memory_order_relaxed);
}

uint64_t fls_producer_await(struct fls_producer *producer, struct fls_slot **slot)
{
    uint64_t begin_ns;

    *slot = fls_producer_next(producer);
    if (*slot)
        return 0;
    begin_ns = fls_clock_ns();
    while ((*slot = fls_producer_next(producer)) == NULL)
        fls_producer_wait(producer);
    return fls_clock_ns() - begin_ns;
}

void fls_consumer_join(struct fls_consumer *consumer, const struct fls_ring *ring)
{
    const struct fls_ring_head *head =
        fls_region_map(ring->head_read_fd, head_sz(ring->slot_cnt), false);

    check_head(head, ring->slot_cnt);
    *consumer =
        (struct fls_consumer){.head_region = head,
                              .tail_region = fls_region_map(ring->tail_fd, TAIL_SZ, true),
                              .slots = (const struct fls_slot *)((const uint8_t *)head + SLOTS_AT),
                              .slot_cnt = ring->slot_cnt,
                              .own_bell = ring->consumer_bell,
                              .peer_bell = ring->producer_bell};
    consumer->tail = atomic_load_explicit(&consumer->tail_region->tail, memory_order_relaxed);
    consumer->head_seen = consumer->tail;
}

void fls_consumer_leave(struct fls_consumer *consumer)
{
    fls_region_unmap(consumer->head_region, head_sz(consumer->slot_cnt));
    fls_region_unmap(consumer->tail_region, TAIL_SZ);
}

uint32_t fls_consumer_peek(struct fls_consumer *consumer, const struct fls_slot **slots)
{
    uint32_t place = (uint32_t)(consumer->tail & (consumer->slot_cnt - 1));
    uint64_t filled;

    if (consumer->head_seen == consumer->tail) {
        /* pairs with (R1) in fls_producer_flush: the slots' bytes are there */
        consumer->head_seen =
            atomic_load_explicit(&consumer->head_region->head, memory_order_acquire);
        fls_assert(consumer->head_seen - consumer->tail <= consumer->slot_cnt);
    }
    *slots = consumer->slots + place;
    filled = consumer->head_seen - consumer->tail;
    return filled < consumer->slot_cnt - place ? (uint32_t)filled : consumer->slot_cnt - place;
}

void fls_consumer_release(struct fls_consumer *consumer, uint32_t cnt)
{
    consumer->tail += cnt;
    fls_assert(consumer->tail <= consumer->head_seen);
    /* (R2) pairs with the acquire in find_room: the slots were read before */
    atomic_store_explicit(&consumer->tail_region->tail, consumer->tail, memory_order_seq_cst);
    /* A producer that waits is woken for half a ring, not for one slot: it would fall asleep again
     * at once. If this side stops before that, it is at a barrier, and goes on when all came. */
    if (consumer->head_seen - consumer->tail <= consumer->slot_cnt / 2 &&
        atomic_load_explicit(&consumer->head_region->producer_waits, memory_order_seq_cst))
        fls_bell_ring(consumer->peer_bell);
}

bool fls_consumer_will_wait(struct fls_consumer *consumer)
{
    /* (W2) pairs with the load in fls_producer_flush */
    atomic_store_explicit(&consumer->tail_region->consumer_waits, 1, memory_order_seq_cst);
    return atomic_load_explicit(&consumer->head_region->head, memory_order_seq_cst) ==
           consumer->tail;
}

void fls_consumer_has_woken(struct fls_consumer *consumer)
{
    atomic_store_explicit(&consumer->tail_region->consumer_waits, 0, memory_order_relaxed);
}

void fls_ring_look(const struct fls_ring *ring, struct fls_ring_look *look)
{
    const struct fls_ring_head *head = fls_region_map(ring->head_read_fd, SLOTS_AT, false);
    const struct fls_ring_tail *tail = fls_region_map(ring->tail_read_fd, TAIL_SZ, false);

    *look = (struct fls_ring_look){
        .tail = atomic_load_explicit(&tail->tail, memory_order_relaxed), /* before head: <= it */
        .producer_waits = atomic_load_explicit(&head->producer_waits, memory_order_relaxed),
        .consumer_waits = atomic_load_explicit(&tail->consumer_waits, memory_order_relaxed)};
    look->head = atomic_load_explicit(&head->head, memory_order_relaxed);
    fls_region_unmap(head, SLOTS_AT);
    fls_region_unmap(tail, TAIL_SZ);
}

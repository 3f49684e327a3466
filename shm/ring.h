/* The ring: the one way for data from process to process. A bounded queue of 64-byte slots, one
 * producer, one consumer, lock-free, in two regions with one writer each:
 *
 *   head region (producer writes, consumer maps read-only)
 *     0      magic, layout version, number of slots       written once, magic last
 *     64     head       slots ever committed              release by the producer: (R1)
 *     128    producer_waits                               1 while the producer sleeps: (W1)
 *     4096   slots
 *   tail region (consumer writes, producer maps read-only)
 *     0      tail       slots ever released               release by the consumer: (R2)
 *     64     consumer_waits                               1 while the consumer sleeps: (W2)
 *
 * Indexes run freely in 64 bits and never wrap in practice (2^64 slots at 10^9/s: 584 years);
 * a slot's place is index & (slots - 1). The producer owns slots [head, tail + slots), the consumer
 * [tail, head). Each side keeps its own index and the last one seen of its peer in private memory.
 *
 * Sleeping: a side that finds nothing stores its waits flag, then looks again, and sleeps only if
 * there still is nothing; the other side stores its index, then reads the flag. All four are
 * sequentially consistent, so at least one of them sees the other's store (docs/MEMORY.md).
 *
 * What the peer's region says is not trusted: an index out of range is reported, not followed. */
#pragma once

#include "shm/flow.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_SLOT_SZ 64U
#define FLS_RING_SLOTS_MIN 64U
#define FLS_RING_SLOTS_MAX (1U << 20)

struct fls_slot {
    _Alignas(8) uint8_t bytes[FLS_SLOT_SZ];
};

/* What both sides and `status` need to get at a ring. Descriptors are owned by their creator. */
struct fls_ring {
    uint32_t slot_cnt; /* a power of two */
    int head_fd;       /* the head region, writable: the producer's */
    int head_read_fd;  /* the same, read-only */
    int tail_fd;       /* the tail region, writable: the consumer's */
    int tail_read_fd;
    int producer_bell, consumer_bell; /* of the two processes; not owned */
};

struct fls_ring_head;
struct fls_ring_tail;

struct fls_producer {
    struct fls_ring_head *head_region;
    const struct fls_ring_tail *tail_region;
    struct fls_slot *slots;
    uint64_t head, tail_seen;
    uint32_t slot_cnt;
    int own_bell, peer_bell;
    struct fls_slot *open; /* slots that may be taken, */
    uint32_t room, used;   /* how many there are, and how many of them were taken */
};

struct fls_consumer {
    const struct fls_ring_head *head_region;
    struct fls_ring_tail *tail_region;
    const struct fls_slot *slots;
    uint64_t tail, head_seen;
    uint32_t slot_cnt;
    int own_bell, peer_bell;
};

/* What an onlooker sees. */
struct fls_ring_look {
    uint64_t head, tail;
    bool producer_waits, consumer_waits;
};

/* Creates the regions of a ring: 0 or -errno. slot_cnt is a power of two within the limits. */
int fls_ring_create(struct fls_ring *ring, uint32_t slot_cnt, int producer_bell, int consumer_bell);
void fls_ring_close(struct fls_ring *ring);

void fls_producer_join(struct fls_producer *producer, const struct fls_ring *ring);
void fls_producer_leave(struct fls_producer *producer);
/* Takes up to `most` slots to be written, from *slots on; returns how many, 0 if the ring is full.
 * They are handed over by fls_producer_flush, and after each quarter of the ring: a consumer that
 * is woken then has some work before it. Whoever waits for anything but room in a ring flushes
 * before, so that the consumer need not wait as well. Who waits for room in one ring may leave
 * slots of others open, as definitions do (ingest/intern.h): room depends on no other ring's slots,
 * so their consumers wait longer than need be, and not for ever. */
static inline uint32_t fls_producer_take(struct fls_producer *producer, uint32_t most,
                                         struct fls_slot **slots);
/* One slot, NULL if the ring is full. */
static inline struct fls_slot *fls_producer_next(struct fls_producer *producer);
/* Hands over what was taken and not handed over yet, and wakes the consumer if it sleeps. */
void fls_producer_flush(struct fls_producer *producer);
/* True if the consumer has read all that it was handed, a moment ago. */
bool fls_producer_is_drained(const struct fls_producer *producer);
/* Sleeps until there is room, or FLS_SLEEP_MAX_MS. */
void fls_producer_wait(struct fls_producer *producer);
/* Takes the next slot, waiting for it where the ring is full; returns nanoseconds waited, 0 if it
 * was there. */
uint64_t fls_producer_await(struct fls_producer *producer, struct fls_slot **slot);

void fls_consumer_join(struct fls_consumer *consumer, const struct fls_ring *ring);
void fls_consumer_leave(struct fls_consumer *consumer);
/* How many slots from *slots on can be read now (contiguous; 0: the ring is empty). */
uint32_t fls_consumer_peek(struct fls_consumer *consumer, const struct fls_slot **slots);
/* Gives the first cnt of them back to the producer, and wakes it if it sleeps. */
void fls_consumer_release(struct fls_consumer *consumer, uint32_t cnt);
/* Announces that the consumer is about to sleep; false if there is something to read after all.
 * A consumer of several rings announces it on all of them, sleeps on its bell, and takes it back.
 */
bool fls_consumer_will_wait(struct fls_consumer *consumer);
void fls_consumer_has_woken(struct fls_consumer *consumer);

/* Reads the state of a ring through its read-only descriptors. */
void fls_ring_look(const struct fls_ring *ring, struct fls_ring_look *look);

/* Hands over the open slots and opens others; false if the ring is full. */
bool fls_producer_open(struct fls_producer *producer);

static inline uint32_t fls_producer_take(struct fls_producer *producer, uint32_t most,
                                         struct fls_slot **slots)
{
    uint32_t room;

    if (producer->used == producer->room && !fls_producer_open(producer))
        return 0;
    room = producer->room - producer->used;
    *slots = &producer->open[producer->used];
    producer->used += most < room ? most : room;
    return most < room ? most : room;
}

static inline struct fls_slot *fls_producer_next(struct fls_producer *producer)
{
    struct fls_slot *slot;

    return fls_producer_take(producer, 1, &slot) ? slot : NULL;
}

/* The ring with both sides as threads on the same maps: what ThreadSanitizer needs to see a race
 * (`make tsan`; two maps of one memory, or two processes, would hide it from it).
 *
 * That this test can fail is to be tried when the ring's memory orders are touched: with
 * memory_order_relaxed in place of the seq_cst store in fls_producer_flush (R1), and likewise of
 * the one in fls_consumer_release (R2), of the acquire in fls_consumer_peek, and of the one in
 * fls_producer_open's find_room, each by itself, `make tsan` has to report a data race (the last
 * one in some runs only: most waits look at the tail, too). Without TSan the test passes with each
 * of them on x86. */
#include "scratch.h"

#include "rings.h"

#include "shm/message.h"

#include <pthread.h>
#include <sched.h>

#define SLOTS 256U
#define RECORDS 300000U

static struct fls_ring ring;
static struct fls_producer producer;
static struct fls_consumer consumer;

/* What each side mapped itself, to be unmapped in the end. */
static struct fls_producer own_producer;
static struct fls_consumer own_consumer;

static void join_on_same_maps(void)
{
    rings_create(&ring, 1, SLOTS);
    fls_producer_join(&own_producer, &ring);
    fls_consumer_join(&own_consumer, &ring);
    producer = own_producer;
    producer.tail_region = own_consumer.tail_region;
    consumer = own_consumer;
    consumer.head_region = own_producer.head_region;
    consumer.slots = own_producer.slots;
}

static void leave(void)
{
    fls_producer_leave(&own_producer);
    fls_consumer_leave(&own_consumer);
    rings_close(&ring, 1);
}

static uint32_t message_sz(uint32_t record)
{
    return record * 7 % 300;
}

static uint8_t message_byte(uint32_t record, uint32_t i)
{
    return (uint8_t)(record ^ i * 3);
}

static void *push(void *unused)
{
    uint8_t text[300];

    (void)unused;
    for (uint32_t record = 0; record < RECORDS; record++) {
        struct fls_flow flow = {.bytes = record, .kind = FLS_KIND_RECORD};
        struct fls_slot *slot;

        /* waiting looks at the tail, too: only who does not wait relies on next alone */
        while ((slot = fls_producer_next(&producer)) == NULL) {
            if (record % 16)
                sched_yield();
            else
                fls_producer_wait(&producer);
        }
        memcpy(slot, &flow, sizeof(flow));
        fls_producer_flush(&producer);
        if (record % 10)
            continue;
        for (uint32_t i = 0; i < message_sz(record); i++)
            text[i] = message_byte(record, i);
        fls_message_write(&producer, FLS_KIND_SYMBOL, record,
                          (struct fls_span){text, message_sz(record)});
    }
    return NULL;
}

static bool is_message_of(const struct fls_message *message, uint32_t record)
{
    bool is_good = message->kind == FLS_KIND_SYMBOL && message->number == record &&
                   message->payload.sz == message_sz(record);

    for (uint32_t i = 0; is_good && i < message->payload.sz; i++)
        is_good = message->payload.at[i] == message_byte(record, i);
    return is_good;
}

struct taken {
    struct fls_message message;
    uint32_t records, messages;
    bool is_good;
};

static void take(struct taken *taken, const struct fls_slot *slot)
{
    struct fls_flow flow;

    if (!taken->message.is_partial && fls_slot_kind(slot) == FLS_KIND_RECORD) {
        memcpy(&flow, slot, sizeof(flow));
        taken->is_good &= flow.bytes == taken->records++;
    } else if (fls_message_feed(&taken->message, slot)) {
        taken->is_good &= is_message_of(&taken->message, taken->records - 1);
        taken->messages++;
    }
}

static void *pop(void *argument)
{
    struct taken *taken = argument;

    while (taken->records < RECORDS || taken->message.is_partial) {
        const struct fls_slot *slots;
        uint32_t cnt = fls_consumer_peek(&consumer, &slots);

        for (uint32_t i = 0; i < cnt; i++)
            take(taken, &slots[i]);
        if (cnt > 0) {
            fls_consumer_release(&consumer, cnt);
            continue;
        }
        rings_sleep(&ring, &consumer);
    }
    return NULL;
}

static void carries_between_threads(void **state)
{
    struct taken taken = {.is_good = true};
    pthread_t pusher, popper;

    (void)state;
    join_on_same_maps();
    assert_int_equal(pthread_create(&popper, NULL, pop, &taken), 0);
    assert_int_equal(pthread_create(&pusher, NULL, push, NULL), 0);
    assert_int_equal(pthread_join(pusher, NULL), 0);
    assert_int_equal(pthread_join(popper, NULL), 0);
    assert_true(taken.is_good);
    assert_int_equal(taken.records, RECORDS);
    assert_int_equal(taken.messages, RECORDS / 10);
    fls_message_fini(&taken.message);
    leave();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(carries_between_threads)};

    return cmocka_run_group_tests_name("ring_threads", tests, NULL, NULL);
}

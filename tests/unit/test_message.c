/* Messages of any size between records, through rings that are smaller than they. */
#include "scratch.h"

#include "dies.h"
#include "rings.h"

#include "shm/message.h"

#define STEPS 3000U
#define BIG_SZ 3000000U

static struct fls_ring ring;
static uint8_t big[BIG_SZ];

/* Step i of what is written: a record, or a message of this kind and payload. */
struct step {
    enum fls_kind kind;
    uint32_t number;
    struct fls_span payload;
};

static struct step step_of(uint32_t i)
{
    static const enum fls_kind kinds[] = {FLS_KIND_SYMBOL, FLS_KIND_ATTRIBUTES, FLS_KIND_BARRIER,
                                          FLS_KIND_RESULT};
    uint64_t seed = i + 1, random;
    struct step step = {.kind = FLS_KIND_RECORD};

    scratch_random(&seed);
    random = scratch_random(&seed);
    if (i > 300 && random % 3)
        return step;
    step.kind = kinds[random / 3 % 4];
    step.number = (uint32_t)(random >> 32);
    step.payload.sz = i <= 300 ? i : random / 12 % 500;
    if (i % 500 == 499)
        step.payload.sz = BIG_SZ / (i / 500 + 1);
    step.payload.at = big + random % (BIG_SZ - step.payload.sz + 1);
    return step;
}

static void write_all(void)
{
    struct fls_producer producer;

    fls_producer_join(&producer, &ring);
    for (uint32_t i = 0; i < STEPS; i++) {
        struct step step = step_of(i);
        struct fls_flow flow = {.bytes = i, .kind = FLS_KIND_RECORD};
        struct fls_slot *slot;

        if (step.kind != FLS_KIND_RECORD) {
            fls_message_write(&producer, step.kind, step.number, step.payload);
            continue;
        }
        fls_producer_await(&producer, &slot);
        memcpy(slot, &flow, sizeof(flow));
        fls_producer_flush(&producer);
    }
    fls_producer_leave(&producer);
}

static void check_slot(struct fls_message *message, const struct fls_slot *slot, uint32_t *i)
{
    struct step step = step_of(*i);
    struct fls_flow flow;

    if (!message->is_partial && fls_slot_kind(slot) == FLS_KIND_RECORD) {
        memcpy(&flow, slot, sizeof(flow));
        assert_int_equal(step.kind, FLS_KIND_RECORD);
        assert_int_equal(flow.bytes, (*i)++);
    } else if (fls_message_feed(message, slot)) {
        assert_false(message->is_partial);
        assert_int_equal(message->kind, step.kind);
        assert_int_equal(message->number, step.number);
        assert_true(fls_span_equal(message->payload, step.payload));
        ++*i;
    } else {
        assert_true(message->is_partial);
    }
}

static void read_all(void)
{
    struct fls_consumer consumer;
    struct fls_message message = {0};

    fls_consumer_join(&consumer, &ring);
    for (uint32_t i = 0; i < STEPS;) {
        const struct fls_slot *slots;
        uint32_t cnt = fls_consumer_peek(&consumer, &slots);

        for (uint32_t k = 0; k < cnt; k++)
            check_slot(&message, &slots[k], &i);
        if (cnt > 0) {
            fls_consumer_release(&consumer, cnt);
            continue;
        }
        rings_sleep(&ring, &consumer);
    }
    fls_message_fini(&message);
    fls_consumer_leave(&consumer);
}

static void carries_all_sizes(void **state)
{
    uint64_t seed = 9;

    (void)state;
    for (uint32_t i = 0; i < BIG_SZ; i++) /* payloads full of what looks like kinds of slots */
        big[i] = (uint8_t)(scratch_random(&seed) % 9);
    for (uint32_t slot_cnt = FLS_RING_SLOTS_MIN; slot_cnt <= 4096; slot_cnt *= 8) {
        pid_t child;

        rings_create(&ring, 1, slot_cnt);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_all();
            _exit(0);
        }
        read_all();
        assert_ends_well(child);
        rings_close(&ring, 1);
    }
}

static void write_too_much(void *argument)
{
    struct fls_producer producer;

    (void)argument;
    fls_producer_join(&producer, &ring);
    fls_message_write(&producer, FLS_KIND_SYMBOL, 1,
                      (struct fls_span){big, (size_t)FLS_MESSAGE_SZ_MAX + 1});
}

static void feed_too_much(void *argument)
{
    struct fls_message message = {0};
    struct fls_slot slot = {{0}};

    memcpy(slot.bytes, argument, sizeof(uint32_t));
    slot.bytes[offsetof(struct fls_flow, kind)] = FLS_KIND_SYMBOL;
    fls_message_feed(&message, &slot);
}

static void refuses_what_is_too_long(void **state)
{
    uint32_t sizes[] = {FLS_MESSAGE_SZ_MAX + 1, UINT32_MAX};

    (void)state;
    rings_create(&ring, 1, FLS_RING_SLOTS_MIN);
    assert_dies(write_too_much, NULL, SIGABRT);
    rings_close(&ring, 1);
    assert_dies(feed_too_much, &sizes[0], SIGABRT);
    assert_dies(feed_too_much, &sizes[1], SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_all_sizes),
        cmocka_unit_test(refuses_what_is_too_long),
    };

    return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}

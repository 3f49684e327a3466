/* The ring: against a queue, between processes, and with a peer that cannot be trusted. */
#include "scratch.h"

#include "dies.h"
#include "rings.h"

#include "base/clock.h"
#include "shm/region.h"

#include <sys/mman.h>
#include <sys/resource.h>

#define FEW_SLOTS FLS_RING_SLOTS_MIN

/* Where the indexes stand in their regions: shm/ring.h. */
#define HEAD_AT 64
#define TAIL_AT 0
#define REGION_SZ 4096U

static struct fls_ring ring;
static struct fls_producer producer;
static struct fls_consumer consumer;

static void join(uint32_t slot_cnt)
{
    rings_create(&ring, 1, slot_cnt);
    fls_producer_join(&producer, &ring);
    fls_consumer_join(&consumer, &ring);
}

static void leave(void)
{
    fls_producer_leave(&producer);
    fls_consumer_leave(&consumer);
    rings_close(&ring, 1);
}

/* Slot number i says so all over. */
static void fill(struct fls_slot *slot, uint64_t i)
{
    for (size_t at = 0; at < FLS_SLOT_SZ; at += sizeof(i)) {
        uint64_t word = i * 0x9e3779b97f4a7c15ULL + at;

        memcpy(slot->bytes + at, &word, sizeof(word));
    }
}

static bool holds(const struct fls_slot *slot, uint64_t i)
{
    struct fls_slot expected;

    fill(&expected, i);
    return memcmp(slot, &expected, sizeof(expected)) == 0;
}

/* Hands over cnt slots, or as many as there is room for; returns how many. */
static uint32_t push(uint32_t cnt)
{
    uint32_t taken = 0;

    while (taken < cnt && fls_producer_next(&producer))
        taken++;
    fls_producer_flush(&producer);
    return taken;
}

/* Any sequence of steps, against a queue of numbers. */
static void run_random(uint32_t slot_cnt, uint64_t step_cnt, uint64_t seed)
{
    uint64_t pushed = 0, popped = 0;
    bool was_full = false, was_empty = false;

    join(slot_cnt);
    for (uint64_t step = 0; step < step_cnt; step++) {
        /* for some time the one side is the faster one, then the other */
        bool pushes = scratch_random(&seed) % 8 < (step / (4 * slot_cnt) % 2 ? 5 : 3);
        uint32_t there, cnt;

        if (pushes) {
            struct fls_slot *slots;
            uint64_t room = slot_cnt - (pushed - popped);

            there = (uint32_t)(1 + scratch_random(&seed) % slot_cnt);
            cnt = fls_producer_take(&producer, there, &slots);
            assert_true(cnt <= room && cnt <= there && (cnt > 0) == (room > 0));
            assert_true(cnt == 0 || (uint64_t)(slots - producer.slots) == pushed % slot_cnt);
            for (uint32_t i = 0; i < cnt; i++)
                fill(&slots[i], pushed + i);
            fls_producer_flush(&producer);
            pushed += cnt;
            was_full |= room == 0;
        } else {
            const struct fls_slot *slots;

            there = fls_consumer_peek(&consumer, &slots);
            assert_true(there <= pushed - popped && (there > 0) == (pushed > popped));
            cnt = there ? (uint32_t)(scratch_random(&seed) % (there + 1)) : 0;
            for (uint32_t i = 0; i < there; i++)
                assert_true(holds(&slots[i], popped + i));
            fls_consumer_release(&consumer, cnt);
            popped += cnt;
            was_empty |= there == 0;
        }
    }
    assert_true(was_full && was_empty && popped > 10ULL * slot_cnt);
    leave();
}

static void follows_a_queue(void **state)
{
    (void)state;
    run_random(FEW_SLOTS, 100000, 1);
    run_random(2 * FEW_SLOTS, 100000, 2);
    run_random(1024, 100000, 3);
}

/* Slots taken in small numbers: handed over in order, a quarter of the ring behind at most. */
static void hands_over_what_was_taken(void **state)
{
    uint64_t pushed = 0, popped = 0, seed = 4;
    bool was_full = false;

    (void)state;
    join(FEW_SLOTS);
    for (uint32_t step = 0; step < 100000; step++) {
        const struct fls_slot *from;
        struct fls_ring_look look;
        struct fls_slot *to;
        uint32_t there, taken = 1;

        for (uint64_t left = scratch_random(&seed) % 8; left > 0 && taken; left--) {
            taken = fls_producer_take(&producer, 1 + scratch_random(&seed) % 9, &to);
            for (uint32_t i = 0; i < taken; i++)
                fill(to + i, pushed++);
        }
        assert_true(taken || pushed - popped == FEW_SLOTS);
        was_full |= taken == 0;
        if (scratch_random(&seed) % 4 == 0)
            fls_producer_flush(&producer);
        fls_ring_look(&ring, &look);
        assert_true(look.head <= pushed && pushed - look.head <= FEW_SLOTS / 4);
        assert_int_equal(look.head + producer.used, pushed);
        for (uint64_t turns = scratch_random(&seed) % 3; turns > 0; turns--) {
            there = fls_consumer_peek(&consumer, &from);
            assert_true(popped + there <= look.head);
            for (uint32_t i = 0; i < there; i++)
                assert_true(holds(&from[i], popped + i));
            fls_consumer_release(&consumer, there);
            popped += there;
        }
    }
    assert_true(was_full && popped > 1000 * FEW_SLOTS);
    leave();
}

/* Who joins later goes on where the side before stopped. */
static void is_joined_again(void **state)
{
    struct fls_slot *to;
    const struct fls_slot *from;
    struct fls_ring_look look;

    (void)state;
    join(FEW_SLOTS);
    for (uint64_t i = 0; i < 5 * FEW_SLOTS; i++) {
        to = fls_producer_next(&producer);
        assert_non_null(to);
        fill(to, i);
        fls_producer_flush(&producer);
        if (i % 3 == 0) {
            fls_producer_leave(&producer);
            fls_producer_join(&producer, &ring);
        }
        if (i < 10)
            continue; /* ten slots stay in it */
        assert_true(fls_consumer_peek(&consumer, &from) > 0);
        assert_true(holds(from, i - 10));
        fls_consumer_release(&consumer, 1);
        if (i % 5 == 0) {
            fls_consumer_leave(&consumer);
            fls_consumer_join(&consumer, &ring);
        }
        fls_ring_look(&ring, &look);
        assert_int_equal(look.head, i + 1);
        assert_int_equal(look.tail, i - 9);
        assert_false(look.producer_waits || look.consumer_waits);
    }
    leave();
}

/* ---- two processes ---- */

static void push_slots(uint64_t cnt, uint64_t seed)
{
    fls_producer_join(&producer, &ring);
    for (uint64_t i = 0; i < cnt;) {
        struct fls_slot *slots;
        uint64_t most = 1 + scratch_random(&seed) % ring.slot_cnt;
        uint32_t now;

        most = most < cnt - i ? most : cnt - i;
        now = fls_producer_take(&producer, (uint32_t)most, &slots);
        if (now == 0) {
            fls_producer_wait(&producer);
            continue;
        }
        for (uint32_t k = 0; k < now; k++)
            fill(&slots[k], i + k);
        fls_producer_flush(&producer);
        i += now;
    }
    fls_producer_leave(&producer);
}

static bool pop_slots(uint64_t cnt, uint64_t seed)
{
    bool is_good = true;

    fls_consumer_join(&consumer, &ring);
    for (uint64_t i = 0; i < cnt && is_good;) {
        const struct fls_slot *slots;
        uint32_t there = fls_consumer_peek(&consumer, &slots), now;

        if (there == 0) {
            rings_sleep(&ring, &consumer);
            continue;
        }
        now = (uint32_t)(1 + scratch_random(&seed) % there);
        for (uint32_t k = 0; k < now; k++)
            is_good &= holds(&slots[k], i + k);
        fls_consumer_release(&consumer, now);
        i += now;
    }
    fls_consumer_leave(&consumer);
    return is_good;
}

static void run_processes(uint32_t slot_cnt, uint64_t cnt)
{
    uint64_t begin_ns = fls_clock_ns();
    pid_t child;

    rings_create(&ring, 1, slot_cnt);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        push_slots(cnt, 5);
        _exit(0);
    }
    assert_true(pop_slots(cnt, 6));
    assert_ends_well(child);
    rings_close(&ring, 1);
    /* A ring that is lost costs FLS_SLEEP_MAX_MS each time; a thousand of them would show. */
    assert_true(fls_clock_ns() - begin_ns < 100 * FLS_NS_PER_S);
}

static void keeps_order_between_processes(void **state)
{
    (void)state;
    run_processes(FEW_SLOTS, 1000000);
    run_processes(4096, 1000000);
}

static uint64_t cpu_ns(const struct rusage *usage)
{
    return ((uint64_t)usage->ru_utime.tv_sec + (uint64_t)usage->ru_stime.tv_sec) * FLS_NS_PER_S +
           ((uint64_t)usage->ru_utime.tv_usec + (uint64_t)usage->ru_stime.tv_usec) * 1000;
}

/* A producer before a full ring sleeps: over ten of its longest sleeps it runs next to nothing. */
static void sleeps_while_full(void **state)
{
    struct rusage before, after;
    uint64_t begin_ns;

    (void)state;
    join(FEW_SLOTS);
    assert_int_equal(push(FEW_SLOTS + 1), FEW_SLOTS);
    begin_ns = fls_clock_ns();
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < 10; i++)
        fls_producer_wait(&producer);
    getrusage(RUSAGE_SELF, &after);
    assert_true(fls_clock_ns() - begin_ns >= 9 * FLS_SLEEP_MAX_MS * FLS_NS_PER_MS);
    assert_true(cpu_ns(&after) - cpu_ns(&before) < 50 * FLS_NS_PER_MS);
    leave();
}

/* Reads all once the producer sleeps. */
static void release_to_a_sleeper(void)
{
    const struct fls_slot *slots;
    struct fls_ring_look look = {.producer_waits = false};

    while (!look.producer_waits)
        fls_ring_look(&ring, &look);
    for (uint32_t left = FEW_SLOTS, there; left > 0; left -= there) {
        there = fls_consumer_peek(&consumer, &slots);
        fls_consumer_release(&consumer, there);
    }
}

static void waits_for_the_next_slot(void **state)
{
    struct fls_slot *slot;
    pid_t child;

    (void)state;
    join(FEW_SLOTS);
    for (uint32_t i = 0; i < FEW_SLOTS; i++) {
        assert_int_equal(fls_producer_await(&producer, &slot), 0);
        assert_ptr_equal(slot, producer.slots + i);
    }
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        release_to_a_sleeper();
        _exit(0);
    }
    assert_true(fls_producer_await(&producer, &slot) > 0); /* hands over all before */
    assert_ptr_equal(slot, producer.slots);
    assert_ends_well(child);
    leave();
}

/* Room that is there already keeps the producer awake, and so do slots the consumer. */
static void does_not_sleep_over_news(void **state)
{
    const struct fls_slot *from;
    uint64_t begin_ns = fls_clock_ns();

    (void)state;
    join(FEW_SLOTS);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(fls_consumer_peek(&consumer, &from), 0);
        assert_true(fls_consumer_will_wait(&consumer));
        fls_consumer_has_woken(&consumer);
        assert_int_equal(push(FEW_SLOTS), FEW_SLOTS);
        assert_false(fls_consumer_will_wait(&consumer));
        fls_consumer_has_woken(&consumer);
        assert_int_equal(push(1), 0);
        assert_int_equal(fls_consumer_peek(&consumer, &from), FEW_SLOTS);
        fls_consumer_release(&consumer, FEW_SLOTS);
        fls_producer_wait(&producer);
    }
    /* a thousand sleeps would be 100 s */
    assert_true(fls_clock_ns() - begin_ns < 20 * FLS_NS_PER_S);
    leave();
}

/* Is the bell rung? Takes the ring back. */
static bool was_rung(int bell)
{
    uint64_t rings;

    return read(bell, &rings, sizeof(rings)) == sizeof(rings);
}

static void wakes_whoever_sleeps(void **state)
{
    const struct fls_slot *from;

    (void)state;
    join(FEW_SLOTS);
    assert_int_equal(push(1), 1);
    assert_false(was_rung(ring.consumer_bell)); /* awake: no system call */
    assert_int_equal(fls_consumer_peek(&consumer, &from), 1);
    fls_consumer_release(&consumer, 1);
    assert_true(fls_consumer_will_wait(&consumer));
    assert_int_equal(push(1), 1);
    assert_true(was_rung(ring.consumer_bell));
    fls_consumer_has_woken(&consumer);
    assert_false(was_rung(ring.producer_bell));
    leave();
}

/* ---- a peer that cannot be trusted ---- */

struct lie {
    int fd;
    size_t at;
    uint64_t index;
};

static void write_index(const struct lie *lie)
{
    uint8_t *region = fls_region_map(lie->fd, REGION_SZ, true);

    memcpy(region + lie->at, &lie->index, sizeof(lie->index));
    fls_region_unmap(region, REGION_SZ);
}

static void peek_after(void *argument)
{
    const struct fls_slot *slots;

    write_index(argument);
    fls_consumer_peek(&consumer, &slots);
}

static void push_after(void *argument)
{
    write_index(argument);
    push(1);
}

static void refuses_indexes_out_of_range(void **state)
{
    static const uint64_t lies[] = {FEW_SLOTS + 1, 1ULL << 32, 1ULL << 63, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        join(FEW_SLOTS);
        assert_dies(peek_after, &(struct lie){ring.head_fd, HEAD_AT, lies[i]}, SIGABRT);
        leave();
        join(FEW_SLOTS);
        assert_int_equal(push(FEW_SLOTS), FEW_SLOTS); /* full: it looks at the tail next */
        assert_dies(push_after, &(struct lie){ring.tail_fd, TAIL_AT, lies[i]}, SIGABRT);
        leave();
    }
}

static void join_producer(void *argument)
{
    write_index(argument);
    fls_producer_join(&producer, &ring);
}

static void join_consumer(void *argument)
{
    write_index(argument);
    fls_consumer_join(&consumer, &ring);
}

static void refuses_what_is_no_ring(void **state)
{
    (void)state;
    rings_create(&ring, 1, FEW_SLOTS);
    for (size_t at = 0; at < 16; at += 8) { /* magic; layout and number of slots */
        struct lie lie = {ring.head_fd, at, 1};

        assert_dies(join_producer, &lie, SIGABRT);
        assert_dies(join_consumer, &lie, SIGABRT);
        rings_close(&ring, 1);
        rings_create(&ring, 1, FEW_SLOTS);
    }
    rings_close(&ring, 1);
}

static void release_too_much(void *argument)
{
    (void)argument;
    fls_consumer_release(&consumer, 1);
}

static void write_head(void *argument)
{
    (void)argument;
    *(volatile uint8_t *)(uintptr_t)consumer.head_region = 0;
}

static void write_slot(void *argument)
{
    (void)argument;
    *(volatile uint8_t *)(uintptr_t)&consumer.slots[0] = 0;
}

static void write_tail(void *argument)
{
    (void)argument;
    *(volatile uint8_t *)(uintptr_t)producer.tail_region = 0;
}

static void keeps_each_side_to_its_own(void **state)
{
    (void)state;
    join(FEW_SLOTS);
    assert_dies(release_too_much, NULL, SIGABRT);
    assert_dies(write_head, NULL, SIGSEGV);
    assert_dies(write_slot, NULL, SIGSEGV);
    assert_dies(write_tail, NULL, SIGSEGV);
    /* nor can the read-only descriptors be mapped otherwise, nor any change its size */
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.head_read_fd, 0),
                     MAP_FAILED);
    assert_ptr_equal(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring.tail_read_fd, 0),
                     MAP_FAILED);
    assert_int_not_equal(ftruncate(ring.head_fd, 4096), 0);
    assert_int_not_equal(ftruncate(ring.head_fd, 1 << 20), 0);
    assert_int_not_equal(ftruncate(ring.tail_fd, 0), 0);
    leave();
}

static void create_with(void *slot_cnt)
{
    fls_ring_create(&ring, *(const uint32_t *)slot_cnt, -1, -1);
}

static void has_limits(void **state)
{
    uint32_t bad[] = {0, 1, FLS_RING_SLOTS_MIN / 2, FLS_RING_SLOTS_MIN + 1, 2 * FLS_RING_SLOTS_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_dies(create_with, &bad[i], SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_queue),
        cmocka_unit_test(hands_over_what_was_taken),
        cmocka_unit_test(is_joined_again),
        cmocka_unit_test(keeps_order_between_processes),
        cmocka_unit_test(sleeps_while_full),
        cmocka_unit_test(waits_for_the_next_slot),
        cmocka_unit_test(does_not_sleep_over_news),
        cmocka_unit_test(wakes_whoever_sleeps),
        cmocka_unit_test(refuses_indexes_out_of_range),
        cmocka_unit_test(refuses_what_is_no_ring),
        cmocka_unit_test(keeps_each_side_to_its_own),
        cmocka_unit_test(has_limits),
    };

    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}

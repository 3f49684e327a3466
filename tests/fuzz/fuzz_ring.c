/* The far side of a ring: whatever a producer's region says, its consumer (an aggregator, publish)
 * reads nothing but the ring's slots, and ends by an assert or holds something sound; likewise a
 * producer for what a consumer's region says.
 *
 *   input   0       1          3          4
 *           ├ delta ┼ position ┼ what for ┼ slots ... ┤
 *
 * delta: slots between tail and head. position: of the tail. what for: whose ring it is, and some
 * bits, see below. Asserts end the process by design: here they jump back. */
#include "aggregate/shard.h"
#include "aggregate/snapshot.h"
#include "base/assert.h"
#include "shm/message.h"
#include "shm/part_reader.h"
#include "shm/region.h"
#include "shm/result.h"

#include "fuzz.h"

#include <setjmp.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOT_CNT FLS_RING_SLOTS_MIN
#define SLOTS_AT 4096U
#define HEAD_AT 64U /* of the head in the head region */
#define TAIL_AT 0U  /* of the tail in the tail region */

#define CLAIMS 0x20U            /* messages may claim to be large, which takes time */
#define BEFORE_ZERO 0x40U       /* indexes around the end of 64 bits */
#define FAR_AWAY 0x80U          /* the head is where it cannot be */
#define CLAIM_SZ_MAX (1U << 16) /* without CLAIMS */

static jmp_buf assert_failed;
static struct fls_ring ring;
static uint8_t *head_region, *tail_region;
static struct fls_consumer joined_consumer;
static struct fls_producer joined_producer;
static struct fls_shard shard;
static struct fls_message message;
static struct fls_result result;
static bool may_claim;
static uint8_t *encoded[2];
static size_t encoded_max[2];

_Noreturn void fls_assert_failed(const char *condition, const char *file, int line)
{
    (void)condition;
    (void)file;
    (void)line;
    longjmp(assert_failed, 1);
}

static void make_ring(void)
{
    if (head_region != NULL)
        return;
    fuzz_check(fls_ring_create(&ring, SLOT_CNT, -1, -1) == 0);
    head_region = fls_region_map(ring.head_fd, SLOTS_AT + SLOT_CNT * FLS_SLOT_SZ, true);
    tail_region = fls_region_map(ring.tail_fd, 4096, true);
    fls_consumer_join(&joined_consumer, &ring);
    fls_producer_join(&joined_producer, &ring);
}

/* ---- what an aggregator makes of it ---- */

static void read_part(struct fls_span part)
{
    struct fls_part_reader reader;

    fuzz_check(fls_part_open(&reader, fls_part_in_memory(part)));
    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        struct fls_part_cursor cursor;

        fls_part_rows(&cursor, &reader, (enum fls_table_id)id, NULL, 0);
        while (fls_part_next(&cursor))
            ;
        fuzz_check(!cursor.is_torn);
    }
    fls_part_close(&reader);
}

/* What it counted are parts that publish can read. */
static void close_epoch(void)
{
    uint64_t sz;
    int fd = fls_snapshot_take(&shard, &sz);
    struct fls_span rest, part;
    uint32_t day;
    void *map;

    fls_shard_clear(&shard);
    if (fd < 0)
        return;
    map = mmap(NULL, sz, PROT_READ, MAP_SHARED, fd, 0);
    fuzz_check(map != MAP_FAILED);
    for (rest = (struct fls_span){map, sz}; fls_part_take_last(&rest, &day, &part);) {
        fuzz_check(part.sz > 0);
        read_part(part);
    }
    munmap(map, sz);
    close(fd);
}

static bool feed(const struct fls_slot *slot)
{
    uint32_t claimed_sz;

    memcpy(&claimed_sz, slot->bytes, sizeof(claimed_sz));
    if (!message.is_partial && !may_claim && claimed_sz > CLAIM_SZ_MAX)
        return false;
    return fls_message_feed(&message, slot);
}

static void aggregate_slot(const struct fls_slot *slot)
{
    if (!message.is_partial && fls_slot_kind(slot) == FLS_KIND_RECORD) {
        fuzz_check(fls_shard_count(&shard, 0, (const struct fls_flow *)(const void *)slot, 1) == 1);
        return;
    }
    if (!feed(slot))
        return;
    if (message.kind == FLS_KIND_BARRIER)
        close_epoch();
    else
        fls_shard_define(&shard, 0, &message);
}

/* ---- what publish makes of it ---- */

static void check_result(struct fls_span bytes)
{
    struct fls_span accounts, account, again[2];
    struct fls_account_lines lines;
    size_t sum = 0;

    if (!fls_result_decode(bytes, &result))
        return;
    accounts = result.accounts;
    while (fls_result_next_account(&accounts, &account, &lines)) {
        for (size_t i = 0; i < account.sz; i++)
            sum += account.at[i];
    }
    fuzz_check(sum <= 255 * bytes.sz);
    fuzz_check(result.status <= FLS_RESULT_ABANDONED);
    for (int i = 0; i < 2; i++) {
        again[i].sz = fls_result_encode(&result, &encoded[i], &encoded_max[i]);
        again[i].at = encoded[i];
        fuzz_check(again[i].sz <= bytes.sz && fls_result_decode(again[i], &result));
    }
    fuzz_check(fls_span_equal(again[0], again[1]));
}

static void publish_slot(const struct fls_slot *slot)
{
    if (feed(slot) && message.kind == FLS_KIND_RESULT) {
        uint8_t *copy = fuzz_copy(message.payload, 0);

        check_result((struct fls_span){copy, message.payload.sz});
        free(copy);
    }
}

/* ---- the rings ---- */

static void consume(uint64_t tail, void (*take)(const struct fls_slot *slot))
{
    struct fls_consumer consumer = joined_consumer;
    const struct fls_slot *slots;
    uint32_t cnt;

    consumer.tail = consumer.head_seen = tail;
    while ((cnt = fls_consumer_peek(&consumer, &slots)) > 0) {
        fuzz_check(slots >= consumer.slots && slots + cnt <= consumer.slots + SLOT_CNT);
        for (uint32_t i = 0; i < cnt; i++)
            take(&slots[i]);
        fls_consumer_release(&consumer, cnt);
    }
}

static void produce(uint64_t head)
{
    struct fls_producer producer = joined_producer;
    struct fls_slot *slots;
    uint32_t cnt, sum = 0;

    producer.head = head;
    producer.tail_seen = head - SLOT_CNT;
    while (sum < 4 * SLOT_CNT && (cnt = fls_producer_take(&producer, SLOT_CNT, &slots)) > 0) {
        fuzz_check(slots >= producer.slots && slots + cnt <= producer.slots + SLOT_CNT);
        memset(slots, 0, cnt * sizeof(*slots));
        fls_producer_flush(&producer);
        sum += cnt;
    }
    fuzz_check(sum <= SLOT_CNT);
}

static void set_indexes(uint64_t head, uint64_t tail)
{
    memcpy(head_region + HEAD_AT, &head, sizeof(head));
    memcpy(tail_region + TAIL_AT, &tail, sizeof(tail));
}

/* Puts the slots where a consumer at this position finds them. */
static void set_slots(struct fls_span input, uint64_t position)
{
    memset(head_region + SLOTS_AT, 0, SLOT_CNT * FLS_SLOT_SZ);
    for (uint32_t i = 0; i < SLOT_CNT && input.sz > 0; i++) {
        uint8_t *slot = head_region + SLOTS_AT + (position + i) % SLOT_CNT * FLS_SLOT_SZ;
        size_t slot_sz = input.sz < FLS_SLOT_SZ ? input.sz : FLS_SLOT_SZ;

        memcpy(slot, input.at, slot_sz);
        input.at += slot_sz;
        input.sz -= slot_sz;
    }
}

/* True if no assert failed. Of its own, since what it changed is lost by the jump. */
static bool work(uint8_t what_for, uint64_t head, uint64_t tail)
{
    if (setjmp(assert_failed) != 0)
        return false;
    if (what_for % 3 == 0)
        consume(tail, aggregate_slot);
    else if (what_for % 3 == 1)
        consume(tail, publish_slot);
    else
        produce(head);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    uint64_t delta = fuzz_take(&input, 1), position = fuzz_take(&input, 2);
    uint8_t what_for = (uint8_t)fuzz_take(&input, 1);

    make_ring();
    may_claim = what_for & CLAIMS;
    if (what_for & FAR_AWAY)
        delta = position << 48 | delta;
    if (what_for & BEFORE_ZERO)
        position = 0 - position;
    set_slots(input, position);
    set_indexes(position + delta, position);
    if (shard.source_cnt == 0)
        fls_shard_init(&shard, 1);
    if (work(what_for, position + delta, position))
        fls_shard_clear(&shard);
    else
        fls_shard_fini(&shard); /* whatever it was in the middle of */
    fls_message_fini(&message);
    return 0;
}

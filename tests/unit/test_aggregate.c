/* The aggregate role in a process of its own, short of memory; the test plays an ingest and publish
 * around it, with a real ring and channel. */
#include "scratch.h"

#include "rings.h"

#include "aggregate/aggregate.h"
#include "base/clock.h"
#include "base/counters.h"
#include "shm/channel.h"
#include "shm/flow.h"
#include "shm/message.h"
#include "shm/metrics.h"
#include "shm/part_reader.h"
#include "shm/work.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define RING_SLOTS 1024U
#define MEMORY (8ULL << 20)
#define WAIT_MS 30000

static struct stage {
    struct fls_ring ring;
    struct fls_producer producer;
    int channel[2]; /* [0] of publish */
    int publish_bell;
    struct fls_metrics *metrics;
    uint64_t pushed, counted; /* records */
    uint32_t address;
    pid_t pid;
} stage;

static void begin(void)
{
    int metrics_fd = fls_metrics_create();

    stage = (struct stage){.pushed = 0};
    rings_create(&stage.ring, 1, RING_SLOTS);
    fls_producer_join(&stage.producer, &stage.ring);
    assert_int_equal(fls_channel_create(stage.channel), 0);
    assert_true((stage.publish_bell = fls_bell_create()) >= 0);
    stage.metrics = fls_metrics_map(metrics_fd, false);
    fflush(NULL);
    stage.pid = fork();
    assert_true(stage.pid >= 0);
    if (stage.pid == 0) {
        struct fls_aggregate_links links = {.ring_cnt = 1,
                                            .rings = &stage.ring,
                                            .bell = stage.ring.consumer_bell,
                                            .segment_channel = stage.channel[1],
                                            .publish_bell = stage.publish_bell,
                                            .metrics_fd = metrics_fd,
                                            .memory = MEMORY};

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(stage.channel[0]);
        exit(fls_aggregate_main(&links));
    }
    close(stage.channel[1]);
    close(metrics_fd);
}

static int end(void)
{
    int status;

    assert_int_equal(waitpid(stage.pid, &status, 0), stage.pid);
    fls_producer_leave(&stage.producer);
    rings_close(&stage.ring, 1);
    if (stage.channel[0] >= 0)
        close(stage.channel[0]);
    close(stage.publish_bell);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void push(enum fls_kind kind, uint32_t number, const void *payload, size_t sz)
{
    fls_message_write(&stage.producer, kind, number, (struct fls_span){payload, sz});
}

static void define(void)
{
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {[FLS_ATTRIBUTE_ACCOUNT] = 1};

    push(FLS_KIND_SYMBOL, 1, "123456789012", 12);
    push(FLS_KIND_ATTRIBUTES, 0, symbols, sizeof(symbols));
}

/* Some records of addresses seen once; returns how many, 0 if there is no room. */
static uint32_t push_flood(void)
{
    struct fls_slot *slots;
    uint32_t cnt = fls_producer_take(&stage.producer, FLS_RING_SLOTS_MAX, &slots);

    for (uint32_t i = 0; i < cnt; i++) {
        struct fls_flow *flow = (struct fls_flow *)(void *)&slots[i];

        *flow = (struct fls_flow){.kind = FLS_KIND_RECORD,
                                  .minute = 20000 * 1440,
                                  .dst_port = 443,
                                  .protocol = 6,
                                  .has = FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT |
                                         FLS_HAS_DST_PORT | FLS_HAS_PROTOCOL};
        memcpy(flow->src, &stage.address, sizeof(stage.address));
        stage.address++;
    }
    fls_producer_flush(&stage.producer);
    stage.pushed += cnt;
    return cnt;
}

/* The flows that the parts of a segment count, taken from their totals. */
static uint64_t flows_of(int fd, uint64_t size)
{
    struct fls_span rest, bytes;
    uint64_t flows = 0;
    uint32_t day;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(map, MAP_FAILED);
    for (rest = (struct fls_span){map, size}; fls_part_take_last(&rest, &day, &bytes);) {
        struct fls_part_reader reader;
        struct fls_part_cursor totals;

        assert_true(fls_part_open(&reader, fls_part_in_memory(bytes)));
        for (fls_part_rows(&totals, &reader, FLS_TABLE_TOTALS, NULL, 0); fls_part_next(&totals);)
            flows += totals.row.counters.value[FLS_FLOWS];
        fls_part_close(&reader);
    }
    munmap(map, size);
    return flows;
}

/* The next segment, if there is one (or after it was waited for). */
static bool take_segment(struct fls_segment_ready *ready, int wait)
{
    int fd;
    ssize_t sz = fls_channel_receive(stage.channel[0], ready, sizeof(*ready), &fd, wait);

    if (sz == -EAGAIN)
        return false;
    assert_int_equal(sz, sizeof(*ready));
    assert_true(ready->size <= MEMORY);
    if (ready->size)
        stage.counted += flows_of(fd, ready->size);
    if (fd >= 0)
        close(fd);
    return true;
}

static void answer(const struct fls_segment_ready *ready)
{
    struct fls_segment_taken taken = {.size = ready->size};

    assert_int_equal(fls_channel_send(stage.channel[0], &taken, sizeof(taken), -1), 0);
}

/* Floods without an answer until the aggregator waits for one; takes the segments that come. */
static uint32_t flood_until_it_waits(struct fls_segment_ready *segments)
{
    uint64_t deadline = fls_clock_ns() + WAIT_MS * FLS_NS_PER_MS;
    uint32_t cnt = 0;

    while (fls_metric_get(&stage.metrics->output_to) == 0) {
        assert_true(fls_clock_ns() < deadline);
        if (push_flood() == 0)
            poll(NULL, 0, 1);
        if (cnt < 8 && take_segment(&segments[cnt], 0))
            cnt++;
    }
    while (take_segment(&segments[cnt], 0))
        cnt++;
    return cnt;
}

static void expect_segment(struct fls_segment_ready *ready, uint64_t epoch, bool is_last)
{
    assert_true(take_segment(ready, 1));
    assert_int_equal(ready->epoch, epoch);
    assert_int_equal(ready->is_last, is_last);
}

/* With two segments not answered it counts on as far as its memory goes, and then waits: the ring
 * fills. Each answer lets it go on; nothing is lost, and at the end it waits for all answers. */
static void waits_for_answers(void **state)
{
    struct fls_segment_ready segments[10];
    uint32_t cnt;

    (void)state;
    begin();
    for (uint64_t epoch = 1; epoch <= 3; epoch++) {
        define();
        cnt = flood_until_it_waits(segments);
        assert_int_equal(cnt, 2);
        for (uint32_t i = 0; i < 2; i++) {
            assert_int_equal(segments[i].epoch, epoch);
            assert_int_equal(segments[i].is_last, 0);
            assert_true(segments[i].size > 0);
        }
        while (push_flood() > 0)
            ; /* the ring takes no more than its slots */
        answer(&segments[0]);
        expect_segment(&segments[2], epoch, false);
        answer(&segments[1]);
        answer(&segments[2]);
        cnt = flood_until_it_waits(segments); /* what has been defined is valid still */
        assert_int_equal(cnt, 2);
        answer(&segments[0]);
        answer(&segments[1]);
        expect_segment(&segments[0], epoch, false);
        answer(&segments[0]);
        push(FLS_KIND_BARRIER, epoch == 3 ? FLS_BARRIER_LAST : 0, "", 0);
        expect_segment(&segments[0], epoch, true);
        assert_int_equal(stage.counted, stage.pushed);
        if (epoch < 3)
            answer(&segments[0]);
    }
    assert_int_equal(waitpid(stage.pid, NULL, WNOHANG), 0);
    assert_int_equal(fls_metric_get(&stage.metrics->segments), 3 * 7);
    assert_true(fls_metric_get(&stage.metrics->spilled_rows) > 0);
    answer(&segments[0]);
    assert_int_equal(end(), 0);
}

static void publish_that_is_gone_ends_it(void **state)
{
    struct fls_segment_ready segments[10];

    (void)state;
    begin();
    define();
    flood_until_it_waits(segments);
    close(stage.channel[0]);
    stage.channel[0] = -1;
    assert_int_equal(end(), FLS_EXIT_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waits_for_answers),
        cmocka_unit_test(publish_that_is_gone_ends_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

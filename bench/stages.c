/* Each stage by itself: objects go through the whole pipeline in this one process, a window at a
 * time, and each stage has a clock of its own. So every stage finds in the caches what it finds
 * there in a run, but for the ring, which is also measured between two processes.
 *
 *   stages FOLDER ROUNDS OBJECT...      FOLDER is used for a segment file and a private Redis
 *
 * Prints JSON: of each stage the medians of the rounds. */
#include "aggregate/shard.h"
#include "aggregate/snapshot.h"
#include "base/assert.h"
#include "base/clock.h"
#include "ingest/parse.h"
#include "ingest/route.h"
#include "ingest/text.h"
#include "publish/present.h"
#include "publish/top.h"
#include "shm/bell.h"
#include "shm/part_reader.h"
#include "supervise/private_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Stages in their order: STAGE(name in code, name, what its bytes are, what it does). */
#define STAGES                                                                                     \
    STAGE(READ, "read", compressed, "blocks of the objects as they are on disk")                   \
    STAGE(INFLATE, "read+inflate", text, "the same, decompressed")                                 \
    STAGE(DELIMIT, "delimiters", text, "lines of which no value is read")                          \
    STAGE(PARSE_PORTABLE, "parse (portable)", text, "delimiters and values, no SIMD")              \
    STAGE(PARSE_SSE2, "parse (SSE2)", text, "the same with SSE2")                                  \
    STAGE(PARSE, "parse", text, "the same at the level that runs use here")                        \
    STAGE(ROUTE, "route", text, "attributes interned, pushed into the ring")                       \
    STAGE(COUNT, "count", slots, "taken from the ring, counted in the shard's tables")             \
    STAGE(SNAPSHOT, "snapshot", segment, "tables that are sums of others, sorted, as parts")       \
    STAGE(COMMIT, "commit", segment, "the segment in a file, synced")                              \
    STAGE(MERGE, "merge", segment, "the rows of the days, in order")                               \
    STAGE(CHOOSE, "choose", rows, "the same, and the top rows of every table and scope")           \
    STAGE(PRESENT, "present", rows, "the same, unique addresses, keys as text, staged in Redis")   \
    STAGE(SWAP, "swap", rows, "the transaction that shows the epoch")                              \
    STAGE(RING, "ring", slots, "slots from one process to another, with nothing else to do")

enum stage {
#define STAGE(name, text, unit, what) STAGE_##name,
    STAGES
#undef STAGE
        STAGE_CNT
};

enum unit { UNIT_compressed, UNIT_text, UNIT_slots, UNIT_rows, UNIT_segment, UNIT_CNT };

static const struct {
    const char *name, *what;
    enum unit unit;
} stages[STAGE_CNT] = {
#define STAGE(name, text, unit, what) [STAGE_##name] = {text, what, UNIT_##unit},
    STAGES
#undef STAGE
};

#define ROUNDS_MAX 64U
#define DAYS_MAX 64U
#define RING_SLOTS (1U << 14)
#define RING_ALONE_SLOTS (1U << 24) /* 1 GiB through the ring */
#define RING_BATCH 256U             /* slots written at once, */
#define RING_TURN 2048U             /* and read at once at most, as in a run */
#define TOP_K 100U

struct bench {
    const char *folder;
    char **objects;
    uint32_t object_cnt;
    uint64_t ns[STAGE_CNT][ROUNDS_MAX];     /* by stage and round; */
    uint64_t cpu_ns[STAGE_CNT][ROUNDS_MAX]; /* of them on a CPU, in this process */
    uint32_t round;
    uint64_t sum[UNIT_CNT]; /* bytes, of the round */
    uint64_t records, shard_rows, day_rows;
    struct fls_reader *reader;
    struct fls_text *text;
    struct fls_ring ring;
    struct fls_metrics *metrics;
    struct fls_router router;
    struct fls_consumer consumer;
    struct fls_message message;
    struct fls_parser skipping, levels[FLS_CPU_LEVEL_CNT];
    struct fls_batch *batch;
    struct fls_shard shard;
    struct fls_parts days[DAYS_MAX];
    uint32_t day_cnt;
    struct fls_segments segments;
    struct fls_view *view;
};

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "stages: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static void *zeroed(size_t sz)
{
    void *at = calloc(1, sz);

    fls_assert(at != NULL);
    return at;
}

struct moment {
    uint64_t ns, cpu_ns;
};

static struct moment now(void)
{
    struct timespec cpu;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    return (struct moment){.ns = fls_clock_ns(),
                           .cpu_ns = (uint64_t)cpu.tv_sec * FLS_NS_PER_S + (uint64_t)cpu.tv_nsec};
}

/* Adds the time since `begin` to the stage; returns the time now. */
static struct moment took(struct bench *b, enum stage stage, struct moment begin)
{
    struct moment end = now();

    b->ns[stage][b->round] += end.ns - begin.ns;
    b->cpu_ns[stage][b->round] += end.cpu_ns - begin.cpu_ns;
    return end;
}

/* ---- reading ---- */

static void add_object(struct bench *b, const char *path)
{
    struct stat found;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &found) != 0)
        die(path, strerror(errno));
    fls_reader_add(b->reader, fd, (uint64_t)found.st_size, fls_timespec_ns(found.st_mtim));
}

static void read_blocks(struct bench *b)
{
    struct moment begin = now();
    struct fls_span block;

    for (uint32_t i = 0; i < b->object_cnt; i++) {
        add_object(b, b->objects[i]);
        while (fls_reader_next(b->reader, &block) > 0)
            b->sum[UNIT_compressed] += block.sz;
        fls_reader_finish(b->reader);
    }
    took(b, STAGE_READ, begin);
}

/* ---- from text to rows ---- */

static void drain(struct bench *b)
{
    const struct fls_slot *slots;
    uint32_t cnt;

    while ((cnt = fls_consumer_peek(&b->consumer, &slots)) > 0) {
        uint32_t run = 0;

        while (!b->message.is_partial && run < cnt && fls_slot_kind(&slots[run]) == FLS_KIND_RECORD)
            run++;
        if (run > 0) {
            run = fls_shard_count(&b->shard, 0, (const struct fls_flow *)(const void *)slots, run);
            b->records += run;
        } else {
            run = 1;
            if (fls_message_feed(&b->message, slots) && b->message.kind != FLS_KIND_BARRIER)
                fls_shard_define(&b->shard, 0, &b->message);
        }
        fls_consumer_release(&b->consumer, run);
    }
}

/* Parses the window and throws the records away. */
static void parse_only(struct bench *b, enum stage stage, struct fls_parser *parser,
                       struct fls_span window, bool is_last)
{
    struct moment begin = now();
    size_t done = 0, sz;

    do {
        struct fls_span rest = {window.at + done, window.sz - done};

        sz = fls_parser_step(parser, rest, is_last, b->batch);
        done += sz;
        if (parser == &b->skipping && !fls_layout_equal(&parser->layout, &parser->headerless))
            parser->layout = parser->headerless; /* after a header */
    } while (sz > 0);
    took(b, stage, begin);
}

static size_t count_window(struct bench *b, struct fls_parser *parser, struct fls_span window,
                           bool is_last)
{
    struct moment at = now();
    size_t done = 0, sz;

    do {
        struct fls_span rest = {window.at + done, window.sz - done};

        sz = fls_parser_step(parser, rest, is_last, b->batch);
        at = took(b, STAGE_PARSE, at);
        fls_router_push(&b->router, b->batch, rest.at);
        fls_router_flush(&b->router);
        at = took(b, STAGE_ROUTE, at);
        drain(b);
        at = took(b, STAGE_COUNT, at);
        done += sz;
    } while (sz > 0);
    return done;
}

static enum fls_cpu_level best_level(void)
{
    enum fls_cpu_level level = FLS_CPU_LEVEL_CNT - 1;

    while (!fls_cpu_has(level))
        level--;
    return level;
}

/* A layout of as many fields as the line has, all of them open text. */
static void skip_all(struct bench *b, struct fls_span window)
{
    const uint8_t *end = memchr(window.at, '\n', window.sz);
    char names[FLS_LAYOUT_FIELDS_MAX * 16] = "sublocation-id", error[256];
    struct fls_layout layout;

    for (const uint8_t *at = window.at; end && at < end; at++)
        if (*at == ' ' && strlen(names) + 16 < sizeof(names))
            strcat(names, " sublocation-id");
    if (fls_layout_from_option(names, &layout, error, sizeof(error)))
        die("layout", error);
    fls_parser_init(&b->skipping, &layout);
}

static void begin_object(struct bench *b, const char *path)
{
    add_object(b, path);
    fls_text_begin(b->text, b->reader);
    fls_router_begin_object(&b->router);
    for (int level = 0; level < FLS_CPU_LEVEL_CNT; level++)
        fls_parser_begin(&b->levels[level]);
    b->skipping.line = 0;
}

static void count_object(struct bench *b, const char *path)
{
    enum fls_cpu_level best = best_level();
    enum fls_text_status status = FLS_TEXT_MORE;
    struct fls_span window;

    begin_object(b, path);
    for (bool is_first = true; status == FLS_TEXT_MORE; is_first = false) {
        struct moment begin = now();
        bool is_last;

        status = fls_text_read(b->text, &window);
        is_last = status == FLS_TEXT_END;
        took(b, STAGE_INFLATE, begin);
        if (status == FLS_TEXT_FAILED)
            die(path, fls_text_failure(b->text));
        if (is_first)
            skip_all(b, window);
        parse_only(b, STAGE_DELIMIT, &b->skipping, window, is_last);
        parse_only(b, STAGE_PARSE_PORTABLE, &b->levels[FLS_CPU_PORTABLE], window, is_last);
        if (fls_cpu_has(FLS_CPU_SSE2))
            parse_only(b, STAGE_PARSE_SSE2, &b->levels[FLS_CPU_SSE2], window, is_last);
        fls_text_consume(b->text, count_window(b, &b->levels[best], window, is_last));
    }
    b->sum[UNIT_text] += fls_text_bytes(b->text);
    fls_reader_finish(b->reader);
}

/* ---- from rows to what is published ---- */

/* Each day of the segment has one part. */
static void open_days(struct bench *b, struct fls_span segment)
{
    struct fls_span part;
    uint32_t day;

    b->day_rows = 0;
    for (b->day_cnt = 0; fls_part_take_last(&segment, &day, &part); b->day_cnt++) {
        struct fls_merge_day *merged = &b->days[b->day_cnt].merged;

        fls_assert(part.sz > 0 && b->day_cnt < DAYS_MAX);
        b->days[b->day_cnt] = (struct fls_parts){.bytes = part.sz};
        fls_merge_day_init(merged, day);
        fls_assert(fls_merge_day_add(merged, fls_part_in_memory(part)));
        fls_merge_day_unite(merged);
        for (int i = 0; i < FLS_TABLE_CNT; i++)
            b->day_rows += merged->parts[0].reader.trailer.row_cnt[i];
    }
    b->sum[UNIT_rows] = b->day_rows * sizeof(struct fls_part_row);
}

static void close_days(struct bench *b)
{
    while (b->day_cnt > 0)
        fls_merge_day_fini(&b->days[--b->day_cnt].merged);
}

static void merge(const struct fls_merge_day *day)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        struct fls_merge rows;
        struct fls_part_row row;

        fls_merge_begin(&rows, day, (enum fls_table_id)i);
        while (fls_merge_next(&rows, &row))
            __asm__ volatile("" : : "m"(row)); /* it is used */
        fls_assert(!rows.is_torn);
        fls_merge_end(&rows);
    }
}

static void choose_table(const struct fls_merge_day *day, enum fls_table_id table,
                         const struct fls_top_scopes *scopes)
{
    struct fls_merge rows;
    struct fls_part_row row;
    struct fls_top top;

    fls_top_init(&top, table, day, scopes, TOP_K);
    fls_merge_begin(&rows, day, table);
    while (fls_merge_next(&rows, &row))
        fls_top_add(&top, &row);
    fls_merge_end(&rows);
    fls_top_finish(&top);
    fls_top_fini(&top);
}

/* Every table's rows, as publish chooses them. */
static void choose(const struct fls_merge_day *day)
{
    uint32_t *numbers = zeroed((size_t)day->symbol_cnt * sizeof(*numbers)), cnt = 0;
    struct fls_top_scopes scopes = {.of_account = numbers};
    struct fls_merge totals;
    struct fls_part_row row;

    fls_merge_begin(&totals, day, FLS_TABLE_TOTALS);
    while (fls_merge_next(&totals, &row))
        numbers[row.account] = cnt++;
    fls_merge_end(&totals);
    scopes.organisation = cnt;
    scopes.cnt = cnt + 1;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        choose_table(day, (enum fls_table_id)i, &scopes);
    free(numbers);
}

static void read_days(struct bench *b)
{
    struct moment begin = now();

    for (uint32_t i = 0; i < b->day_cnt; i++)
        merge(&b->days[i].merged);
    begin = took(b, STAGE_MERGE, begin);
    for (uint32_t i = 0; i < b->day_cnt; i++)
        choose(&b->days[i].merged);
    took(b, STAGE_CHOOSE, begin);
}

static void publish(struct bench *b)
{
    struct moment begin = now();

    if (fls_view_begin(b->view, true))
        die("Redis", fls_view_failure(b->view));
    for (uint32_t i = 0; i < b->day_cnt; i++)
        if (fls_present_day(b->view, &b->days[i], TOP_K, false, UINT64_MAX))
            die("Redis", fls_view_failure(b->view));
    begin = took(b, STAGE_PRESENT, begin);
    if (fls_view_commit(b->view, b->round + 1))
        die("Redis", fls_view_failure(b->view));
    took(b, STAGE_SWAP, begin);
}

static void end_epoch(struct bench *b)
{
    struct moment begin = now();
    uint64_t size;
    struct fls_span segment;
    int fd;

    b->shard_rows = fls_shard_rows(&b->shard);
    fd = fls_snapshot_take(&b->shard, &size);
    begin = took(b, STAGE_SNAPSHOT, begin);
    fls_assert(fd >= 0);
    b->sum[UNIT_segment] = size;
    segment = (struct fls_span){mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0), size};
    fls_assert(segment.at != MAP_FAILED);
    begin = now();
    if (fls_segments_write(&b->segments, b->round + 1, &segment, 1))
        die(b->folder, "the segment cannot be written");
    took(b, STAGE_COMMIT, begin);
    open_days(b, segment);
    read_days(b);
    publish(b);
    close_days(b);
    munmap((void *)segment.at, size);
    close(fd);
    fls_segments_retain(&b->segments, NULL, 0);
}

/* ---- rounds ---- */

static void join_ring(struct bench *b)
{
    int producer_bell = fls_bell_create(), consumer_bell = fls_bell_create();

    fls_assert(producer_bell >= 0 && consumer_bell >= 0);
    if (fls_ring_create(&b->ring, RING_SLOTS, producer_bell, consumer_bell))
        die("ring", strerror(errno));
}

static void run_round(struct bench *b)
{
    char reason[256];

    memset(b->sum, 0, sizeof(b->sum));
    b->records = 0;
    if (fls_reader_new(&b->reader, FLS_IO_AUTO, reason, sizeof(reason)) ||
        fls_text_new(&b->text, FLS_INFLATE_ISAL))
        die("reader", reason);
    join_ring(b);
    fls_consumer_join(&b->consumer, &b->ring);
    fls_router_init(&b->router, &b->ring, 1, b->metrics);
    fls_shard_init(&b->shard, 1);
    read_blocks(b);
    for (uint32_t i = 0; i < b->object_cnt; i++)
        count_object(b, b->objects[i]);
    b->sum[UNIT_slots] = b->records * FLS_SLOT_SZ;
    end_epoch(b);
    fls_shard_fini(&b->shard);
    fls_router_fini(&b->router);
    fls_consumer_leave(&b->consumer);
    close(b->ring.producer_bell);
    close(b->ring.consumer_bell);
    fls_ring_close(&b->ring);
    fls_text_free(b->text);
    fls_reader_free(b->reader);
}

static void produce(const struct fls_ring *ring)
{
    struct fls_producer producer;
    struct fls_slot *slots;

    fls_producer_join(&producer, ring);
    for (uint32_t left = RING_ALONE_SLOTS, taken; left > 0; left -= taken) {
        uint32_t most = left < RING_BATCH ? left : RING_BATCH;

        while ((taken = fls_producer_take(&producer, most, &slots)) == 0)
            fls_producer_wait(&producer);
        memset(slots, 1, (size_t)taken * sizeof(*slots));
        fls_producer_flush(&producer);
    }
    _exit(EXIT_SUCCESS);
}

/* Every slot is looked at once. */
static void consume(const struct fls_ring *ring)
{
    struct fls_consumer consumer;
    const struct fls_slot *slots;
    uint32_t seen = 0;

    fls_consumer_join(&consumer, ring);
    for (uint32_t left = RING_ALONE_SLOTS, cnt; left > 0;) {
        while ((cnt = fls_consumer_peek(&consumer, &slots)) == 0) {
            if (fls_consumer_will_wait(&consumer))
                fls_bell_wait(ring->consumer_bell, -1, FLS_SLEEP_MAX_MS);
            fls_consumer_has_woken(&consumer);
        }
        cnt = cnt < RING_TURN ? cnt : RING_TURN;
        for (uint32_t i = 0; i < cnt; i++)
            seen += slots[i].bytes[0];
        fls_consumer_release(&consumer, cnt);
        left -= cnt;
    }
    fls_assert(seen == RING_ALONE_SLOTS);
    fls_consumer_leave(&consumer);
}

static void measure_ring(struct bench *b)
{
    struct moment begin;
    pid_t pid;
    int status;

    join_ring(b);
    fflush(NULL);
    begin = now();
    pid = fork();
    fls_assert(pid >= 0);
    if (pid == 0)
        produce(&b->ring);
    consume(&b->ring);
    took(b, STAGE_RING, begin);
    fls_assert(waitpid(pid, &status, 0) == pid && status == 0);
    close(b->ring.producer_bell);
    close(b->ring.consumer_bell);
    fls_ring_close(&b->ring);
}

/* ---- results ---- */

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* What stands in the middle of the rounds, and at both ends. */
struct middle {
    double median, min, max;
};

static struct middle middle_of(const uint64_t *values, uint32_t cnt, uint64_t units)
{
    uint64_t sorted[ROUNDS_MAX];
    double by = units ? (double)units : 1;

    memcpy(sorted, values, cnt * sizeof(*sorted));
    qsort(sorted, cnt, sizeof(*sorted), compare_numbers);
    return (struct middle){(double)sorted[cnt / 2] / by, (double)sorted[0] / by,
                           (double)sorted[cnt - 1] / by};
}

static void print_stage(const struct bench *b, enum stage stage, uint32_t round_cnt)
{
    uint64_t units = stage == STAGE_RING ? RING_ALONE_SLOTS : b->records;
    uint64_t bytes =
        stage == STAGE_RING ? (uint64_t)RING_ALONE_SLOTS * FLS_SLOT_SZ : b->sum[stages[stage].unit];
    struct middle wall = middle_of(b->ns[stage], round_cnt, units);
    struct middle cpu = middle_of(b->cpu_ns[stage], round_cnt, units);

    printf("%s\n {\"stage\":\"%s\",\"what\":\"%s\",\"ns_per_record\":%.2f,"
           "\"ns_per_record_min\":%.2f,\"ns_per_record_max\":%.2f,\"cpu_ns_per_record\":%.2f,"
           "\"cpu_ns_per_record_min\":%.2f,\"cpu_ns_per_record_max\":%.2f,\"bytes_per_s\":%.0f}",
           stage ? "," : "", stages[stage].name, stages[stage].what, wall.median, wall.min,
           wall.max, cpu.median, cpu.min, cpu.max,
           wall.median > 0 ? (double)bytes * 1e9 / (wall.median * (double)units) : 0);
}

static void print(const struct bench *b, uint32_t round_cnt)
{
    static const char *const level_names[FLS_CPU_LEVEL_CNT] = {"portable", "SSE2", "AVX2",
                                                               "AVX-512"};

    printf("{\"records\":%" PRIu64 ",\"objects\":%u,\"rounds\":%u,\"level\":\"%s\","
           "\"bytes_read\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"segment_bytes\":%" PRIu64
           ",\"shard_rows\":%" PRIu64 ",\"day_rows\":%" PRIu64 ",\"stages\":[",
           b->records, b->object_cnt, round_cnt, level_names[best_level()], b->sum[UNIT_compressed],
           b->sum[UNIT_text], b->sum[UNIT_segment], b->shard_rows, b->day_rows);
    for (int stage = 0; stage < STAGE_CNT; stage++)
        print_stage(b, (enum stage)stage, round_cnt);
    printf("]}\n");
}

/* ---- the process ---- */

static void open_view(struct bench *b, struct fls_private_redis *redis)
{
    struct fls_redis_address address;
    char error[512];

    if (fls_private_redis_start(redis, b->folder, error, sizeof(error)) ||
        fls_redis_address_parse(redis->url, &address, error, sizeof(error)) ||
        fls_view_open(&b->view, &address, "bench", error, sizeof(error)))
        die("Redis", error);
    fls_redis_address_fini(&address);
}

static void init_parsers(struct bench *b)
{
    struct fls_layout layout;

    fls_layout_default(&layout);
    for (int level = 0; level < FLS_CPU_LEVEL_CNT; level++) {
        fls_parser_init(&b->levels[level], &layout);
        if (fls_cpu_has((enum fls_cpu_level)level))
            fls_parser_set_level(&b->levels[level], (enum fls_cpu_level)level);
    }
}

int main(int argc, char **argv)
{
    struct bench *b = zeroed(sizeof(*b));
    struct fls_private_redis redis;
    long round_cnt = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

    if (argc < 4 || round_cnt < 1 || round_cnt > ROUNDS_MAX)
        die("usage", "stages FOLDER ROUNDS OBJECT...");
    b->folder = argv[1];
    b->objects = argv + 3;
    b->object_cnt = (uint32_t)argc - 3;
    b->batch = zeroed(sizeof(*b->batch));
    b->metrics = zeroed(sizeof(*b->metrics));
    init_parsers(b);
    if (fls_segments_open(&b->segments, b->folder))
        die(b->folder, "no folder for segments");
    open_view(b, &redis);
    for (b->round = 0; b->round < round_cnt; b->round++) {
        run_round(b);
        measure_ring(b);
    }
    print(b, (uint32_t)round_cnt);
    fls_view_close(b->view);
    fls_private_redis_stop(&redis);
    fls_segments_close(&b->segments);
    fls_message_fini(&b->message);
    free(b->batch);
    free(b->metrics);
    free(b);
    return EXIT_SUCCESS;
}

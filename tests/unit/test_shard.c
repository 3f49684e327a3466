/* A shard against the tables as FIGURES defines them: each record adds itself to a row of each
 * table whose fields it has. Several sources, each with numbers of its own. */
#include "scratch.h"

#include "dies.h"
#include "figures.h"

#include "aggregate/shard.h"
#include "aggregate/snapshot.h"
#include "base/calendar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#define SOURCES 3
#define TEXTS 40U
#define COMBINATIONS_MAX 200U
#define DAYS_MAX 20U

static uint64_t seed = 41;

static uint32_t any(uint32_t cnt)
{
    return (uint32_t)(scratch_random(&seed) % cnt);
}

/* What a source has told: texts by symbol, and symbols by combination. */
struct source {
    uint32_t texts[TEXTS + 1]; /* symbol -> number of a text */
    uint32_t symbol_cnt;       /* with the absent one */
    uint32_t combinations[COMBINATIONS_MAX][FLS_ATTRIBUTE_CNT];
    uint32_t combination_cnt;
};

static struct source sources[SOURCES];
static struct fls_shard shard;
static struct fls_shard spilling; /* is told the same, and hands over in between */

/* Figures by day. */
struct days {
    struct {
        uint32_t day;
        struct figures figures;
    } days[DAYS_MAX];
    uint32_t cnt;
};

static struct days model, whole, spilled; /* the model, and what the two shards handed over */

static struct fls_span text_of(uint32_t number)
{
    const struct fls_span texts[] = {FLS_SPAN("unknown"), FLS_SPAN("123456789012"),
                                     FLS_SPAN("a\0b"), FLS_SPAN("a"), FLS_SPAN("ACCEPT")};
    static char buffer[16];

    if (number < 5)
        return texts[number];
    snprintf(buffer, sizeof(buffer), "text-%u", number);
    return fls_span_of(buffer);
}

static struct figures *figures_of(struct days *of, uint32_t day)
{
    for (uint32_t i = 0; i < of->cnt; i++)
        if (of->days[i].day == day)
            return &of->days[i].figures;
    assert_true(of->cnt < DAYS_MAX);
    of->days[of->cnt].day = day;
    return &of->days[of->cnt++].figures;
}

static void days_clear(struct days *of)
{
    for (uint32_t i = 0; i < of->cnt; i++)
        figures_clear(&of->days[i].figures);
    of->cnt = 0;
}

static void days_fini(struct days *of)
{
    for (uint32_t i = 0; i < DAYS_MAX; i++)
        figures_fini(&of->days[i].figures);
    of->cnt = 0;
}

static void expect_equal_days(const struct days *a, struct days *b)
{
    assert_int_equal(a->cnt, b->cnt);
    for (uint32_t i = 0; i < a->cnt; i++)
        figures_expect_equal(&a->days[i].figures, figures_of(b, a->days[i].day));
}

/* ---- the sources' side ---- */

static void define(uint32_t source, enum fls_kind kind, uint32_t number, struct fls_span payload)
{
    struct fls_message message = {.kind = kind, .number = number, .payload = payload};

    fls_shard_define(&shard, source, &message);
    if (spilling.source_cnt > source)
        fls_shard_define(&spilling, source, &message);
}

static uint32_t symbol_of(uint32_t source, uint32_t text)
{
    struct source *from = &sources[source];

    for (uint32_t symbol = 1; symbol < from->symbol_cnt; symbol++)
        if (from->texts[symbol] == text)
            return symbol;
    from->texts[from->symbol_cnt] = text;
    define(source, FLS_KIND_SYMBOL, from->symbol_cnt, text_of(text));
    return from->symbol_cnt++;
}

static void define_combination(uint32_t source)
{
    struct source *from = &sources[source];
    uint32_t *symbols = from->combinations[from->combination_cnt];

    for (int i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        symbols[i] = any(3) ? symbol_of(source, any(i == 0 ? 4 : TEXTS)) : FLS_SYMBOL_ABSENT;
    define(source, FLS_KIND_ATTRIBUTES, from->combination_cnt++,
           (struct fls_span){(const uint8_t *)symbols, sizeof(from->combinations[0])});
}

static void make_address(struct fls_flow *flow, uint8_t address[16], unsigned has, unsigned is_ipv6)
{
    if (any(10) == 0)
        return;
    flow->has |= (uint16_t)has;
    if (any(2)) {
        flow->has |= (uint16_t)is_ipv6;
        address[0] = 0x26;
        address[15] = (uint8_t)any(20);
    } else {
        address[0] = 10;
        address[3] = (uint8_t)any(20);
    }
}

static struct fls_flow make_flow(uint32_t source)
{
    static const uint32_t first_days[] = {0, 1, 20000, 20001, FLS_DAY_MAX};
    struct fls_flow flow = {.kind = FLS_KIND_RECORD, .minute = FLS_MINUTE_UNKNOWN};

    make_address(&flow, flow.src, FLS_HAS_SRC, FLS_SRC_IS_IPV6);
    make_address(&flow, flow.dst, FLS_HAS_DST, FLS_DST_IS_IPV6);
    flow.packets = any(100) ? any(1000) : FLS_COUNTER_MAX;
    flow.bytes = any(100) ? scratch_random(&seed) >> 30 : FLS_COUNTER_MAX;
    if (any(10))
        flow.minute = (first_days[any(5)] * FLS_MINUTES_PER_DAY) + any(FLS_MINUTES_PER_DAY);
    if (any(50) == 0) /* more days than are kept for the next epoch */
        flow.minute = (5000 + any(12)) * FLS_MINUTES_PER_DAY;
    flow.attributes = any(sources[source].combination_cnt);
    flow.has |= (uint16_t)(any(10) ? FLS_HAS_SRC_PORT : 0);
    flow.has |= (uint16_t)(any(10) ? FLS_HAS_DST_PORT : 0);
    flow.has |= (uint16_t)(any(10) ? FLS_HAS_PROTOCOL : 0);
    flow.src_port = flow.has & FLS_HAS_SRC_PORT ? (uint16_t)any(40) : 0;
    flow.dst_port = flow.has & FLS_HAS_DST_PORT ? (uint16_t)any(40) : 0;
    flow.protocol = flow.has & FLS_HAS_PROTOCOL ? (uint8_t)any(3) : 0;
    flow.has |= (uint16_t)((uint16_t[]){0, FLS_IS_ACCEPTED, FLS_IS_REJECTED}[any(3)]);
    flow.has |= (uint16_t)((uint16_t[]){0, FLS_SRC_IS_OWN_SIDE, FLS_DST_IS_OWN_SIDE}[any(3)]);
    return flow;
}

/* ---- the model ---- */

struct adding {
    struct figures *to;
    struct fls_span account;
    struct fls_counters counters;
};

/* Adds to the row of a key of up to two texts (sz 0: none of it), protocol and port. */
static void add(const struct adding *a, enum fls_table_id table, struct fls_span first,
                struct fls_span second, uint8_t protocol, uint16_t port, uint32_t marks)
{
    static struct figures_key key;

    figures_begin(&key, (int)table, a->account);
    figures_put_span(&key, first);
    if (second.at)
        figures_put_span(&key, second);
    figures_put(&key, &protocol, 1);
    figures_put(&key, &port, 2);
    figures_add(a->to, figures_span(&key), &a->counters, marks);
}

#define NONE ((struct fls_span){0})

static const uint32_t zero;
#define ZERO ((struct fls_span){(const uint8_t *)&zero, sizeof(zero)})

/* An address as keys have it: IPv4 as a number, IPv6 as its bytes. */
static struct fls_span spell_address(const uint8_t bytes[16], bool is_ipv6, uint32_t *ipv4)
{
    if (is_ipv6)
        return (struct fls_span){bytes, 16};
    *ipv4 =
        (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    return (struct fls_span){(const uint8_t *)ipv4, sizeof(*ipv4)};
}

static uint32_t mark(bool is_ipv6, bool is_own)
{
    return !is_ipv6 ? 0 : is_own ? FLS_MARK_OWN_SIDE : FLS_MARK_FAR_SIDE;
}

static void add_addresses(const struct adding *a, const struct fls_flow *flow, uint16_t low_port)
{
    bool src6 = flow->has & FLS_SRC_IS_IPV6, dst6 = flow->has & FLS_DST_IS_IPV6;
    uint32_t ipv4[2];
    struct fls_span src = spell_address(flow->src, src6, &ipv4[0]);
    struct fls_span dst = spell_address(flow->dst, dst6, &ipv4[1]);
    unsigned all =
        FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT | FLS_HAS_PROTOCOL;

    if (flow->has & FLS_HAS_SRC)
        add(a, FLS_TABLE_SOURCE_ADDRESS, src, NONE, 0, 0,
            mark(src6, flow->has & FLS_SRC_IS_OWN_SIDE));
    if (flow->has & FLS_HAS_DST)
        add(a, FLS_TABLE_DESTINATION_ADDRESS, dst, NONE, 0, 0,
            mark(dst6, flow->has & FLS_DST_IS_OWN_SIDE));
    if ((flow->has & all) == all)
        add(a, FLS_TABLE_CONVERSATION, src, dst, flow->protocol, low_port, 0);
}

static void model_count(uint32_t source, const struct fls_flow *flow)
{
    const struct source *from = &sources[source];
    const uint32_t *symbols = from->combinations[flow->attributes];
    uint16_t low_port = flow->src_port < flow->dst_port ? flow->src_port : flow->dst_port;
    bool has_protocol = flow->has & FLS_HAS_PROTOCOL, has_dst = flow->has & FLS_HAS_DST_PORT;
    uint32_t scope = symbols[FLS_ATTRIBUTE_ACCOUNT];
    struct fls_span minute = {(const uint8_t *)&flow->minute, sizeof(flow->minute)};
    struct adding a = {
        .to = figures_of(&model, fls_day_of_minute(flow->minute)),
        .counters = {{1, flow->packets, flow->bytes, (flow->has & FLS_IS_ACCEPTED) != 0,
                      (flow->has & FLS_IS_REJECTED) != 0}}};

    a.account = scope ? text_of(from->texts[scope]) : FLS_SPAN("unknown");
    add(&a, FLS_TABLE_TOTALS, ZERO, NONE, 0, 0, 0);
    if (flow->minute != FLS_MINUTE_UNKNOWN)
        add(&a, FLS_TABLE_MINUTE, minute, NONE, 0, 0, 0);
    if (has_protocol)
        add(&a, FLS_TABLE_PROTOCOL, ZERO, NONE, flow->protocol, 0, 0);
    if (has_protocol && has_dst)
        add(&a, FLS_TABLE_DESTINATION_PORT, ZERO, NONE, flow->protocol, flow->dst_port, 0);
    if (has_protocol && has_dst && flow->has & FLS_HAS_SRC_PORT)
        add(&a, FLS_TABLE_SERVICE, ZERO, NONE, flow->protocol, low_port, 0);
    add_addresses(&a, flow, low_port);
    for (int i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        if (symbols[i])
            add(&a, fls_attribute_table[i], text_of(from->texts[symbols[i]]), NONE, 0, 0, 0);
}

/* ---- epochs ---- */

/* The parts of a snapshot, which cannot be changed. */
static struct fls_span map_snapshot(int fd, uint64_t sz)
{
    void *map = mmap(NULL, sz, PROT_READ, MAP_SHARED, fd, 0);

    assert_ptr_not_equal(map, MAP_FAILED);
    assert_int_equal(fcntl(fd, F_GET_SEALS),
                     F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    assert_int_equal(lseek(fd, 0, SEEK_END), sz);
    close(fd);
    return (struct fls_span){map, sz};
}

/* Adds the shard's parts to the sum. What it takes was known before. */
static void hand_over(struct fls_shard *from, struct days *to)
{
    uint64_t closing = fls_shard_closing_bytes(from), sz;
    struct fls_span parts, rest, part;
    uint32_t day, cnt = 0;
    int fd;

    assert_true(fls_shard_bytes(from) >= fls_shard_rows(from) * sizeof(struct fls_tally_row));
    fd = fls_snapshot_take(from, &sz);
    assert_true(closing >= fls_shard_bytes(from) + sz);
    assert_int_equal(fd >= 0, from->day_cnt > 0);
    assert_int_equal(sz > 0, from->day_cnt > 0);
    if (fd < 0)
        return;
    parts = rest = map_snapshot(fd, sz);
    for (; fls_part_take_last(&rest, &day, &part); cnt++)
        figures_add_part(figures_of(to, day), part);
    assert_int_equal(cnt, from->day_cnt);
    munmap((void *)parts.at, parts.sz);
}

static void spill(void)
{
    hand_over(&spilling, &spilled);
    fls_shard_release(&spilling);
    assert_int_equal(fls_shard_rows(&spilling), 0);
}

static void forget(void)
{
    fls_shard_clear(&shard);
    fls_shard_clear(&spilling);
    days_clear(&model);
    days_clear(&whole);
    days_clear(&spilled);
    memset(sources, 0, sizeof(sources));
    for (uint32_t i = 0; i < SOURCES; i++)
        sources[i].symbol_cnt = 1;
    assert_int_equal(fls_shard_rows(&shard), 0);
}

static void count_all(struct fls_shard *to, uint32_t source, const struct fls_flow *flows,
                      uint32_t cnt)
{
    for (uint32_t done = 0, run; done < cnt; done += run)
        run = fls_shard_count(to, source, flows + done, cnt - done);
}

static void count_some(void)
{
    static struct fls_flow flows[150];
    uint32_t source = any(SOURCES), cnt = any(150);

    if (sources[source].combination_cnt == 0 ||
        (sources[source].combination_cnt < COMBINATIONS_MAX && any(4) == 0))
        define_combination(source);
    for (uint32_t i = 0; i < cnt; i++) {
        flows[i] = make_flow(source);
        model_count(source, &flows[i]);
    }
    count_all(&shard, source, flows, cnt);
    count_all(&spilling, source, flows, cnt);
}

static void follows_the_definition(void **state)
{
    (void)state;
    fls_shard_init(&shard, SOURCES);
    fls_shard_init(&spilling, SOURCES);
    for (int epoch = 0; epoch < 25; epoch++) {
        forget();
        for (uint32_t turn = epoch % 5 ? any(60) : 0; turn > 0; turn--)
            count_some();
        hand_over(&shard, &whole);
        expect_equal_days(&model, &whole);
    }
    fls_shard_fini(&shard);
    fls_shard_fini(&spilling);
    days_fini(&model);
    days_fini(&whole);
    days_fini(&spilled);
}

/* However an epoch is handed over in pieces, their sum is the epoch; what the sources have defined
 * is valid to its end. */
static void pieces_add_up_to_the_epoch(void **state)
{
    (void)state;
    fls_shard_init(&shard, SOURCES);
    fls_shard_init(&spilling, SOURCES);
    for (int epoch = 0; epoch < 60; epoch++) {
        forget();
        for (uint32_t turn = any(30); turn > 0; turn--) {
            count_some();
            for (uint32_t i = any(4) ? 0 : 1 + any(2); i > 0; i--)
                spill(); /* the second one has nothing */
        }
        hand_over(&spilling, &spilled);
        expect_equal_days(&model, &spilled);
    }
    fls_shard_fini(&shard);
    fls_shard_fini(&spilling);
    days_fini(&model);
    days_fini(&whole);
    days_fini(&spilled);
}

static uint64_t status_bytes(const char *name)
{
    char line[256];
    unsigned long kib = 0;
    FILE *file = fopen("/proc/self/status", "r");

    assert_non_null(file);
    while (fgets(line, sizeof(line), file))
        if (strncmp(line, name, strlen(name)) == 0)
            assert_int_equal(sscanf(line + strlen(name), ": %lu kB", &kib), 1);
    fclose(file);
    return (uint64_t)kib << 10;
}

/* Each record its own conversation, source and destination. */
static void flood(uint32_t first, bool is_ipv6)
{
    static struct fls_flow flows[1024];

    for (uint32_t i = 0; i < 1024; i++) {
        flows[i] = (struct fls_flow){.kind = FLS_KIND_RECORD,
                                     .packets = FLS_COUNTER_MAX,
                                     .bytes = FLS_COUNTER_MAX,
                                     .minute = 20000U * FLS_MINUTES_PER_DAY + any(4000),
                                     .src_port = (uint16_t)any(65536),
                                     .dst_port = (uint16_t)any(65536),
                                     .protocol = 6,
                                     .has = FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT |
                                            FLS_HAS_DST_PORT | FLS_HAS_PROTOCOL};
        if (is_ipv6)
            flows[i].has |= FLS_SRC_IS_IPV6 | FLS_DST_IS_IPV6;
        memcpy(flows[i].src, &(uint32_t){first + i}, 4);
        memcpy(flows[i].dst, &(uint32_t){~(first + i)}, 4);
    }
    count_all(&shard, 0, flows, 1024);
}

/* In a process of its own, whose peak is that of this test alone. */
static void close_flooded(void *argument)
{
    enum { LIMIT = 48 << 20 };
    uint64_t before = status_bytes("VmRSS"), sz, peak;
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {0};
    bool is_ipv6 = *(bool *)argument;

    fls_shard_init(&shard, 1);
    define(0, FLS_KIND_ATTRIBUTES, 0, (struct fls_span){(const uint8_t *)symbols, sizeof(symbols)});
    for (int epoch = 0; epoch < 3; epoch++) { /* into pages that are kept, and given back */
        for (uint32_t i = 0; fls_shard_closing_bytes(&shard) < LIMIT; i++)
            flood(i * 1024, is_ipv6);
        close(fls_snapshot_take(&shard, &sz));
        peak = status_bytes("VmHWM") - before + sz; /* which is no mapped memory */
        if (peak > LIMIT + (2 << 20) || peak < LIMIT / 4 || sz < LIMIT / 16)
            _exit(1);
        if (epoch == 1) {
            fls_shard_release(&shard);
            if (status_bytes("VmRSS") > before + (8 << 20))
                _exit(2);
        } else {
            fls_shard_clear(&shard);
            define(0, FLS_KIND_ATTRIBUTES, 0,
                   (struct fls_span){(const uint8_t *)symbols, sizeof(symbols)});
        }
    }
    raise(SIGTERM);
}

/* Closing takes no more memory than was said before, and not much less. */
static void closing_takes_what_it_says(void **state)
{
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* it holds memory of its own */
#endif
    if (status_bytes("VmHWM") == 0)
        skip();
    assert_dies(close_flooded, &(bool){false}, SIGTERM);
    assert_dies(close_flooded, &(bool){true}, SIGTERM);
}

/* Rows count flows in 32 bits: a shard says so before they are full, and dies rather than count on.
 */
static void count_too_many(void *argument)
{
    shard.record_cnt = FLS_TALLY_FLOWS_MAX - 1000;
    flood(0, false);
    (void)argument;
}

static void says_when_it_is_full(void **state)
{
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {0};

    (void)state;
    fls_shard_init(&shard, 1);
    define(0, FLS_KIND_ATTRIBUTES, 0, (struct fls_span){(const uint8_t *)symbols, sizeof(symbols)});
    flood(0, false);
    assert_int_equal(shard.record_cnt, 1024);
    assert_false(fls_shard_is_full(&shard));
    shard.record_cnt = FLS_TALLY_FLOWS_MAX - (1U << 20);
    assert_true(fls_shard_is_full(&shard));
    assert_dies(count_too_many, NULL, SIGABRT);
    fls_shard_release(&shard);
    assert_false(fls_shard_is_full(&shard));
    fls_shard_fini(&shard);
}

/* ---- the kernel holds a page of a segment ---- */

static uint32_t busy_cnt; /* how many seals it still refuses */

/* In the place of the C library's. */
int fcntl(int fd, int command, ...)
{
    va_list arguments;
    long argument;

    va_start(arguments, command);
    argument = va_arg(arguments, long);
    va_end(arguments);
    if (command == F_ADD_SEALS && busy_cnt > 0) {
        busy_cnt--;
        errno = EBUSY;
        return -1;
    }
    return (int)syscall(SYS_fcntl, fd, command, argument);
}

static void snapshot_sealed(void *argument)
{
    uint64_t sz;
    int fd;

    busy_cnt = *(uint32_t *)argument;
    fd = fls_snapshot_take(&shard, &sz);
    if (fd >= 0 && fcntl(fd, F_GET_SEALS) & F_SEAL_WRITE)
        raise(SIGTERM);
}

static void a_page_that_is_held_for_a_while_is_waited_for(void **state)
{
    const uint32_t symbols[FLS_ATTRIBUTE_CNT] = {0};
    uint32_t times = 3;

    (void)state;
    fls_shard_init(&shard, 1);
    define(0, FLS_KIND_ATTRIBUTES, 0, (struct fls_span){(const uint8_t *)symbols, sizeof(symbols)});
    flood(0, false);
    assert_dies(snapshot_sealed, &times, SIGTERM);
    fls_shard_fini(&shard);
}

static void count_undefined(void *argument)
{
    struct fls_flow flow = {.attributes = *(uint32_t *)argument};

    assert_int_equal(fls_shard_count(&shard, 0, &flow, 1), 1);
}

static void define_out_of_order(void *argument)
{
    define(0, *(enum fls_kind *)argument, 5, FLS_SPAN(""));
}

static void define_with_unknown_symbol(void *argument)
{
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {[3] = 2}; /* symbol 1 is all that was told */

    (void)argument;
    define(0, FLS_KIND_ATTRIBUTES, 0, (struct fls_span){(const uint8_t *)symbols, sizeof(symbols)});
}

static void define_torn(void *argument)
{
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {0};

    (void)argument;
    define(0, FLS_KIND_ATTRIBUTES, 0,
           (struct fls_span){(const uint8_t *)symbols, sizeof(symbols) - 1});
}

static void believes_no_number(void **state)
{
    uint32_t none = 0, large = UINT32_MAX;
    enum fls_kind symbol = FLS_KIND_SYMBOL, attributes = FLS_KIND_ATTRIBUTES;

    (void)state;
    fls_shard_init(&shard, 1);
    define(0, FLS_KIND_SYMBOL, 1, FLS_SPAN("a"));
    assert_dies(count_undefined, &none, SIGABRT);
    assert_dies(count_undefined, &large, SIGABRT);
    assert_dies(define_out_of_order, &symbol, SIGABRT);
    assert_dies(define_out_of_order, &attributes, SIGABRT);
    assert_dies(define_with_unknown_symbol, NULL, SIGABRT);
    assert_dies(define_torn, NULL, SIGABRT);
    fls_shard_fini(&shard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_definition),
        cmocka_unit_test(pieces_add_up_to_the_epoch),
        cmocka_unit_test(closing_takes_what_it_says),
        cmocka_unit_test(says_when_it_is_full),
        cmocka_unit_test(a_page_that_is_held_for_a_while_is_waited_for),
        cmocka_unit_test(believes_no_number),
    };

    return cmocka_run_group_tests_name("shard", tests, NULL, NULL);
}

/* The parser: any text, under any layout, at every CPU level and for any cut into windows, comes to
 * what the slow twin makes of it line by line.
 *
 *   input   0        1       2      4
 *           ├ layout ┼ flags ┼ seed ┼ text ... ┤
 *
 * layout: which of formats[], the default, or one drawn from the seed. With flags 1 a byte 0x0e in
 * the text is followed by a count and a byte that is repeated count * REPEAT_UNIT times, so that
 * short inputs make lines that are too long. With flags 2 lines follow the text, so that its last
 * one has the room that usual lines are read in. */
#include "ingest/parse.h"

#include "ingest/parse_fast.h"
#include "ingest/parse_slow.h"

#include "fuzz.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FLAG_REPEATS 1U
#define FLAG_ROOM 2U
#define REPEAT 0x0e
#define REPEAT_UNIT 513U
#define TEXT_SZ_MAX (160U << 10)

static const char *const formats[] = {
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action log-status vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr "
    "region az-id sublocation-type sublocation-id pkt-src-aws-service pkt-dst-aws-service "
    "flow-direction traffic-path",
    "srcaddr dstaddr bytes",
    "start",
    "action log-status account-id",
    "dstaddr,srcaddr,dstaddr,bytes,bytes,protocol,protocol",
    "flow-direction pkt-dstaddr srcaddr tcp-flags vpc-id start end start vpc-id",
    "interface-id subnet-id instance-id log-status action log-status flow-direction",
};

#define FORMAT_CNT (sizeof(formats) / sizeof(formats[0]))

/* What an object comes to. */
struct outcome {
    XXH64_state_t flows; /* each flow, and its texts run by run */
    struct fls_line_counts counts;
    struct fls_sample samples[FLS_REASON_CNT][FLS_SAMPLES_PER_REASON];
    uint32_t sample_cnt[FLS_REASON_CNT];
    uint64_t line;
};

static struct outcome expected, got;
static struct fls_parser parser;
static struct fls_batch batch;

static void outcome_begin(struct outcome *outcome)
{
    memset(outcome, 0, sizeof(*outcome));
    XXH64_reset(&outcome->flows, 0);
}

static void add_flow(struct outcome *outcome, const uint8_t *window, size_t window_sz,
                     const struct fls_flow *flow, const struct fls_text_runs *runs,
                     const struct fls_run *run)
{
    struct fls_span text[FLS_ATTRIBUTE_CNT];

    XXH64_update(&outcome->flows, flow, sizeof(*flow));
    for (uint32_t i = 0; i < runs->cnt; i++)
        fuzz_check(run[i].at <= window_sz && run[i].sz > 0 && run[i].sz <= window_sz - run[i].at);
    fls_runs_split(runs, run, window, text);
    for (uint32_t i = 0; i < FLS_ATTRIBUTE_CNT; i++) {
        XXH64_update(&outcome->flows, &text[i].sz, sizeof(text[i].sz));
        XXH64_update(&outcome->flows, text[i].at, text[i].sz);
    }
}

/* ---- the slow twin ---- */

static void model_sample(enum fls_reason reason, struct fls_span line)
{
    uint32_t number = expected.sample_cnt[reason];

    expected.counts.malformed[reason]++;
    if (number == FLS_SAMPLES_PER_REASON)
        return;
    expected.samples[reason][number].line = expected.line;
    expected.sample_cnt[reason]++;
    /* Its text is held against the first bytes only: tests/unit/test_parse.c has its rules. */
    if (line.sz > 0 && line.at[0] > ' ' && line.at[0] <= '~' && line.at[0] != '\\')
        expected.samples[reason][number].text[0] = (char)line.at[0];
}

static void model_line(struct fls_layout *layout, struct fls_span object, struct fls_span line)
{
    struct fls_layout header;
    struct fls_flow flow;
    struct fls_run run[FLS_ATTRIBUTE_CNT];
    struct fls_verdict verdict = fls_parse_line_slow(layout, object.at, line, &header, &flow, run);

    expected.line++;
    expected.counts.lines += verdict.kind != FLS_LINE_EMPTY;
    if (verdict.kind == FLS_LINE_HEADER) {
        expected.counts.headers++;
        *layout = header;
    } else if (verdict.kind == FLS_LINE_MALFORMED) {
        model_sample(verdict.reason, line);
    } else if (verdict.kind == FLS_LINE_FLOW) {
        expected.counts.records += flow.kind == FLS_KIND_RECORD;
        expected.counts.nodata += flow.kind == FLS_KIND_NODATA;
        expected.counts.skipdata += flow.kind == FLS_KIND_SKIPDATA;
        add_flow(&expected, object.at, object.sz, &flow, &layout->runs, run);
    }
}

static void model(struct fls_span object, const struct fls_layout *headerless)
{
    struct fls_layout layout = *headerless;

    outcome_begin(&expected);
    for (size_t at = 0, sz; at < object.sz; at += sz + 1) {
        const uint8_t *newline = memchr(object.at + at, '\n', object.sz - at);

        sz = newline ? (size_t)(newline - object.at) - at : object.sz - at;
        model_line(&layout, object, (struct fls_span){object.at + at, sz});
    }
}

/* ---- the parser ---- */

/* A window in memory of its own, behind it bytes that would be believed if they were read. */
static uint8_t *copy_window(const uint8_t *at, size_t sz)
{
    static const char padding[FLS_WINDOW_PADDING + 1] =
        "9876 5432 1.9.8.7\n - 5\n\r\tREJECT OK\n1 2 3 4 5 6 7 8 9 0 1 2 3 4 5";
    uint8_t *copy = fuzz_copy((struct fls_span){at, sz}, FLS_WINDOW_PADDING);

    memcpy(copy + sz, padding, FLS_WINDOW_PADDING);
    return copy;
}

/* Parses all that it will take of the window; returns how much that was. */
static size_t take_window(const uint8_t *window, size_t window_sz, bool is_last)
{
    size_t used = 0;

    for (size_t sz = 1; sz > 0; used += sz) {
        struct fls_span rest = {window + used, window_sz - used};

        sz = fls_parser_step(&parser, rest, is_last, &batch);
        fuzz_check(sz <= rest.sz && batch.cnt <= FLS_BATCH_MAX && (sz > 0 || batch.cnt == 0));
        for (uint32_t i = 0; i < batch.cnt; i++)
            add_flow(&got, rest.at, sz, &batch.flow[i], &batch.runs,
                     batch.run + (size_t)i * batch.runs.cnt);
    }
    fuzz_check(window_sz - used < FLS_WINDOW_MIN && (!is_last || used == window_sz));
    return used;
}

/* How much more comes into a window that has so many bytes. piece_max 0: all that is left. */
static size_t next_piece(size_t window_sz, size_t rest, size_t piece_max, uint64_t *random)
{
    size_t limit = FLS_LINE_MAX + fuzz_below(random, 4), piece;

    if (piece_max == 0)
        return rest;
    piece = 1 + fuzz_below(random, piece_max);
    /* Where it is decided whether a line is too long, to the byte. */
    if (window_sz < limit && window_sz + rest > limit && fuzz_below(random, 2))
        piece = limit - window_sz;
    return piece < rest ? piece : rest;
}

static void parse(struct fls_span object, const struct fls_layout *layout, enum fls_cpu_level level,
                  size_t piece_max, uint64_t *random)
{
    size_t at = 0, end = 0;
    bool is_last;

    outcome_begin(&got);
    fls_parser_init(&parser, layout);
    fls_parser_set_level(&parser, level);
    do {
        size_t rest = object.sz - end;
        uint8_t *window;

        end += next_piece(end - at, rest, piece_max, random);
        is_last = end == object.sz && (piece_max == 0 || rest == 0 || fuzz_below(random, 2));
        window = copy_window(object.at + at, end - at);
        at += take_window(window, end - at, is_last);
        free(window);
    } while (!is_last);
}

static void check_equal(void)
{
    fuzz_check(parser.line == expected.line);
    fuzz_check(memcmp(&parser.counts, &expected.counts, sizeof(expected.counts)) == 0);
    fuzz_check(XXH64_digest(&got.flows) == XXH64_digest(&expected.flows));
    for (int i = 0; i < FLS_REASON_CNT; i++) {
        fuzz_check(parser.sample_cnt[i] == expected.sample_cnt[i]);
        for (uint32_t k = 0; k < parser.sample_cnt[i]; k++) {
            const char *text = parser.samples[i][k].text;

            fuzz_check(parser.samples[i][k].line == expected.samples[i][k].line);
            fuzz_check(memchr(text, '\0', FLS_SAMPLE_TEXT_MAX) != NULL);
            fuzz_check(expected.samples[i][k].text[0] == '\0' ||
                       text[0] == expected.samples[i][k].text[0]);
        }
    }
}

/* ---- the input ---- */

static void choose_layout(struct fls_layout *layout, uint8_t choice, uint64_t *random)
{
    char text[FLS_LAYOUT_FIELDS_MAX * 32], error[256];
    size_t sz = 0, cnt;

    if (choice < FORMAT_CNT) {
        fuzz_check(fls_layout_from_option(formats[choice], layout, error, sizeof(error)) == 0);
        return;
    }
    if (choice < 128) {
        fls_layout_default(layout);
        return;
    }
    cnt = 1 + fuzz_below(random, choice == 255 ? FLS_LAYOUT_FIELDS_MAX : 1 + choice % 32U);
    for (size_t i = 0; i < cnt; i++)
        sz += (size_t)sprintf(text + sz, " %s", fls_fields[fuzz_below(random, FLS_FIELD_CNT)].name);
    fuzz_check(fls_layout_from_option(text, layout, error, sizeof(error)) == 0);
}

/* The text with its repetitions and what follows it, to be freed. */
static struct fls_span expand(struct fls_span input, uint8_t flags)
{
    static const char line[] = "\n2 123456789012 eni-0123456789abcdef0 2001:db8::1 2001:db8::2 53 "
                               "49152 17 1 99 1700000000 1700000060 REJECT OK";
    uint8_t *out = malloc(TEXT_SZ_MAX + FLS_USUAL_ROOM + sizeof(line));
    size_t sz = 0;

    fuzz_check(out != NULL);
    while (input.sz > 0 && sz < TEXT_SZ_MAX) {
        uint8_t byte = (uint8_t)fuzz_take(&input, 1);
        size_t cnt = 1;

        if (byte == REPEAT && flags == FLAG_REPEATS) {
            cnt = REPEAT_UNIT * fuzz_take(&input, 1);
            byte = (uint8_t)fuzz_take(&input, 1);
        }
        cnt = cnt < TEXT_SZ_MAX - sz ? cnt : TEXT_SZ_MAX - sz;
        memset(out + sz, byte, cnt);
        sz += cnt;
    }
    for (size_t end = sz + FLS_USUAL_ROOM; flags == FLAG_ROOM && sz < end; sz += sizeof(line) - 1)
        memcpy(out + sz, line, sizeof(line) - 1);
    return (struct fls_span){out, sz};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz}, object;
    uint8_t choice = (uint8_t)fuzz_take(&input, 1), flags = (uint8_t)fuzz_take(&input, 1);
    uint64_t random = 1 + fuzz_take(&input, 2);
    struct fls_layout layout;

    choose_layout(&layout, choice, &random);
    object = expand(input, flags);
    model(object, &layout);
    for (enum fls_cpu_level level = 0; level < FLS_CPU_LEVEL_CNT; level++) {
        if (!fls_cpu_has(level))
            continue;
        parse(object, &layout, level, 0, &random);
        check_equal();
        /* Each piece is looked through from its line's beginning: not too many of them. */
        parse(object, &layout, level, 1 + fuzz_below(&random, 32) + object.sz / 16, &random);
        check_equal();
    }
    free((void *)object.at);
    return 0;
}

/* The parser: every rule by an example; the fast path, at every CPU level and for any cut of the
 * text into windows, against the slow twin; and the accounting of the public corpus. */
#include "ingest/parse.h"

#include "base/calendar.h"
#include "base/ip.h"
#include "ingest/line.h"
#include "ingest/parse_fast.h"
#include "ingest/parse_slow.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs those above */
#include <cmocka.h>

#define DEFAULT_HEADER                                                                             \
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "      \
    "start end action log-status"
#define VERSION_5                                                                                  \
    DEFAULT_HEADER " vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region "  \
                   "az-id sublocation-type sublocation-id pkt-src-aws-service "                    \
                   "pkt-dst-aws-service flow-direction traffic-path"
#define GOOD                                                                                       \
    "2 123456789012 eni-0a 10.0.0.1 10.0.0.2 443 49152 6 10 840 1700000000 1700000060 "            \
    "ACCEPT OK"
#define GOOD_SPAN FLS_SPAN(GOOD "\n")

static uint64_t state = 20240301;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint32_t below(uint32_t limit)
{
    return (uint32_t)((next_random() >> 16) % limit);
}

/* --- bytes that grow --- */

struct bytes {
    uint8_t *at;
    size_t sz, room;
};

static void add(struct bytes *to, const void *from, size_t sz)
{
    if (to->at == NULL || to->sz + sz > to->room) {
        to->room = 2 * (to->sz + sz) + 1024;
        to->at = realloc(to->at, to->room);
        assert_non_null(to->at);
    }
    if (sz > 0)
        memcpy(to->at + to->sz, from, sz);
    to->sz += sz;
}

static void add_text(struct bytes *to, const char *text)
{
    add(to, text, strlen(text));
}

/* --- what an object comes to: by the parser, and by the slow twin alone --- */

struct outcome {
    struct bytes flows; /* each flow, and its texts run by run */
    struct fls_line_counts counts;
    struct fls_sample samples[FLS_REASON_CNT][FLS_SAMPLES_PER_REASON];
    uint32_t sample_cnt[FLS_REASON_CNT];
    uint64_t line;
};

static void free_outcome(struct outcome *outcome)
{
    free(outcome->flows.at);
    free(outcome);
}

static void add_flow(struct bytes *to, const uint8_t *window, const struct fls_flow *flow,
                     const struct fls_text_runs *runs, const struct fls_run *run)
{
    add(to, flow, sizeof(*flow));
    add(to, runs, sizeof(*runs));
    for (uint32_t i = 0; i < runs->cnt; i++) {
        add(to, &run[i].sz, sizeof(run[i].sz));
        add(to, window + run[i].at, run[i].sz);
    }
}

enum cut { ALL_AT_ONCE, BYTE_BY_BYTE, SMALL_PIECES, LARGE_PIECES, CUT_CNT };

static size_t piece(enum cut cut, size_t rest)
{
    size_t sz = cut == ALL_AT_ONCE    ? rest
                : cut == BYTE_BY_BYTE ? 1
                : cut == SMALL_PIECES ? 1 + below(400)
                                      : 1 + below(128 << 10);
    return sz < rest ? sz : rest;
}

/* A window in memory of its own, behind it bytes that would be believed if they were read. */
static uint8_t *copy_window(const uint8_t *at, size_t sz)
{
    static const char padding[FLS_WINDOW_PADDING + 1] =
        "0123 4567 8.9.1.2\n - 5\n\r\tACCEPT OK\n1 2 3 4 5 6 7 8 9 0 1 2 3 4 5";
    uint8_t *copy = malloc(sz + FLS_WINDOW_PADDING);

    assert_non_null(copy);
    memcpy(copy, at, sz);
    memcpy(copy + sz, padding, FLS_WINDOW_PADDING);
    return copy;
}

static void step_through(struct fls_parser *parser, struct fls_span object, enum cut cut,
                         struct outcome *outcome)
{
    static struct fls_batch batch;
    size_t at = 0, end = 0;
    bool is_last = object.sz == 0;

    do {
        end += piece(cut, object.sz - end);
        is_last = end == object.sz && (cut == ALL_AT_ONCE || is_last || below(2) == 0);
        size_t used = 0, window_sz = end - at;
        uint8_t *window = copy_window(object.at + at, window_sz);

        for (size_t sz = 1; sz > 0; used += sz) {
            struct fls_span rest = {window + used, window_sz - used};
            sz = fls_parser_step(parser, rest, is_last, &batch);
            assert_true(sz <= rest.sz);
            assert_true(sz > 0 || batch.cnt == 0);
            for (uint32_t i = 0; i < batch.cnt; i++)
                add_flow(&outcome->flows, rest.at, &batch.flow[i], &batch.runs,
                         batch.run + (size_t)i * batch.runs.cnt);
        }
        assert_true(window_sz - used < FLS_WINDOW_MIN);
        assert_true(!is_last || used == window_sz);
        at += used;
        free(window);
    } while (!is_last);
}

static struct outcome *parse(struct fls_span object, const struct fls_layout *layout,
                             enum fls_cpu_level level, enum cut cut)
{
    static struct fls_parser parser;
    struct outcome *outcome = calloc(1, sizeof(*outcome));

    assert_non_null(outcome);
    fls_parser_init(&parser, layout);
    fls_parser_set_level(&parser, level);
    step_through(&parser, object, cut, outcome);
    outcome->counts = parser.counts;
    outcome->line = parser.line;
    for (int i = 0; i < FLS_REASON_CNT; i++) {
        outcome->sample_cnt[i] = parser.sample_cnt[i];
        for (uint32_t k = 0; k < parser.sample_cnt[i]; k++) {
            outcome->samples[i][k].line = parser.samples[i][k].line;
            strcpy(outcome->samples[i][k].text, parser.samples[i][k].text);
        }
    }
    return outcome;
}

static void model_sample(struct outcome *outcome, enum fls_reason reason, struct fls_span line)
{
    struct bytes text = {0};

    outcome->counts.malformed[reason]++;
    if (outcome->sample_cnt[reason] == FLS_SAMPLES_PER_REASON)
        return;
    struct fls_sample *sample = &outcome->samples[reason][outcome->sample_cnt[reason]++];
    sample->line = outcome->line;
    if (line.sz > 0 && line.at[line.sz - 1] == '\r')
        line.sz--;
    size_t whole = 0; /* bytes of text before which a cut is possible */
    for (size_t i = 0; i < line.sz && text.sz < FLS_SAMPLE_TEXT_MAX; i++) {
        char byte[8];
        bool is_plain = line.at[i] >= ' ' && line.at[i] <= '~' && line.at[i] != '\\';
        snprintf(byte, sizeof(byte), is_plain ? "%c" : "\\x%02x", line.at[i]);
        add_text(&text, byte);
        if (text.sz <= FLS_SAMPLE_TEXT_MAX - 4)
            whole = text.sz;
    }
    if (text.sz < FLS_SAMPLE_TEXT_MAX)
        snprintf(sample->text, sizeof(sample->text), "%.*s", (int)text.sz, (char *)text.at);
    else
        snprintf(sample->text, sizeof(sample->text), "%.*s...", (int)whole, (char *)text.at);
    free(text.at);
}

static void model_line(struct outcome *outcome, struct fls_layout *layout, const uint8_t *object,
                       struct fls_span line)
{
    struct fls_layout header;
    struct fls_flow flow;
    struct fls_run run[FLS_ATTRIBUTE_CNT];
    struct fls_verdict verdict = fls_parse_line_slow(layout, object, line, &header, &flow, run);

    outcome->line++;
    outcome->counts.lines += verdict.kind != FLS_LINE_EMPTY;
    if (verdict.kind == FLS_LINE_HEADER) {
        outcome->counts.headers++;
        *layout = header;
    } else if (verdict.kind == FLS_LINE_MALFORMED) {
        model_sample(outcome, verdict.reason, line);
    } else if (verdict.kind == FLS_LINE_FLOW) {
        outcome->counts.records += flow.kind == FLS_KIND_RECORD;
        outcome->counts.nodata += flow.kind == FLS_KIND_NODATA;
        outcome->counts.skipdata += flow.kind == FLS_KIND_SKIPDATA;
        add_flow(&outcome->flows, object, &flow, &layout->runs, run);
    }
}

static struct outcome *model(struct fls_span object, const struct fls_layout *headerless)
{
    struct outcome *outcome = calloc(1, sizeof(*outcome));
    struct fls_layout layout = *headerless;
    size_t at = 0;

    assert_non_null(outcome);
    while (at < object.sz) {
        const uint8_t *newline = memchr(object.at + at, '\n', object.sz - at);
        size_t sz = newline ? (size_t)(newline - object.at) - at : object.sz - at;
        model_line(outcome, &layout, object.at, (struct fls_span){object.at + at, sz});
        at += sz + 1;
    }
    return outcome;
}

static void check_equal(const struct outcome *got, const struct outcome *expected)
{
    assert_int_equal(got->line, expected->line);
    assert_memory_equal(&got->counts, &expected->counts, sizeof(got->counts));
    assert_int_equal(got->flows.sz, expected->flows.sz);
    if (got->flows.sz > 0)
        assert_memory_equal(got->flows.at, expected->flows.at, got->flows.sz);
    for (int i = 0; i < FLS_REASON_CNT; i++) {
        assert_int_equal(got->sample_cnt[i], expected->sample_cnt[i]);
        for (uint32_t k = 0; k < got->sample_cnt[i]; k++) {
            assert_int_equal(got->samples[i][k].line, expected->samples[i][k].line);
            assert_string_equal(got->samples[i][k].text, expected->samples[i][k].text);
        }
    }
}

/* The outcome of an object that is the same whichever way it is parsed. */
static struct outcome *parse_all_ways(struct fls_span object, const struct fls_layout *layout)
{
    struct outcome *expected = model(object, layout);

    for (enum fls_cpu_level level = 0; level < FLS_CPU_LEVEL_CNT; level++) {
        if (!fls_cpu_has(level))
            continue;
        for (enum cut cut = 0; cut < CUT_CNT; cut++) {
            /* Each byte's window is looked through from its line's beginning. */
            if (cut == BYTE_BY_BYTE && object.sz > 20000)
                continue;
            struct outcome *got = parse(object, layout, level, cut);
            check_equal(got, expected);
            free_outcome(got);
        }
    }
    return expected;
}

static struct outcome *parse_default(struct fls_span object)
{
    struct fls_layout layout;

    fls_layout_default(&layout);
    return parse_all_ways(object, &layout);
}

/* --- one line --- */

static const char *verdict_name(struct fls_verdict verdict, uint8_t flow_kind)
{
    switch (verdict.kind) {
    case FLS_LINE_EMPTY:
        return "empty";
    case FLS_LINE_HEADER:
        return "header";
    case FLS_LINE_MALFORMED:
        return fls_reason_name[verdict.reason];
    case FLS_LINE_FLOW:
        break;
    }
    return flow_kind == FLS_KIND_NODATA     ? "nodata"
           : flow_kind == FLS_KIND_SKIPDATA ? "skipdata"
                                            : "record";
}

/* Parses a line of the named format (NULL: the default) in all ways, returns the twin's verdict. */
static const char *verdict_of(const char *format, struct fls_span line, struct fls_flow *flow,
                              struct fls_run run[FLS_ATTRIBUTE_CNT])
{
    struct fls_layout layout, header;
    struct bytes object = {0};
    char error[160];

    if (format == NULL)
        fls_layout_default(&layout);
    else
        assert_int_equal(fls_layout_from_option(format, &layout, error, sizeof(error)), 0);
    add(&object, line.at, line.sz);
    free_outcome(parse_all_ways((struct fls_span){object.at, object.sz}, &layout));
    add_text(&object, "\n");
    free_outcome(parse_all_ways((struct fls_span){object.at, object.sz}, &layout));
    free(object.at);
    struct fls_verdict verdict = fls_parse_line_slow(&layout, line.at, line, &header, flow, run);
    return verdict_name(verdict, flow->kind);
}

static void check_line(const char *format, struct fls_span line, const char *expected)
{
    struct fls_flow flow;
    struct fls_run run[FLS_ATTRIBUTE_CNT];
    const char *got = verdict_of(format, line, &flow, run);

    if (strcmp(got, expected) != 0)
        fail_msg("'%.*s' is %s, not %s", (int)line.sz, (const char *)line.at, got, expected);
}

#define CHECK(line, expected) check_line(NULL, FLS_SPAN(line), expected)
#define CHECK_AS(format, line, expected) check_line(format, FLS_SPAN(line), expected)

static void lines_of_the_default_format(void **unused)
{
    (void)unused;
    CHECK(GOOD, "record");
    CHECK("2 unknown eni-0a - - - - - - - 1700000000 1700000060 - NODATA", "nodata");
    CHECK("2 unknown eni-0a - - - - - - - 1700000000 1700000060 - SKIPDATA", "skipdata");
    CHECK("- - - - - - - - - - - - - -", "record");
    CHECK("2 1 e 2001:db8::1 ::ffff:1.2.3.4 1 2 6 1 1 1 2 REJECT OK", "record");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 SOMETHING ELSE", "record");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 accept nodata", "record");
    CHECK("999999999999999999999999999 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT OK", "record");
    CHECK(DEFAULT_HEADER, "header");
}

static void form_is_tolerant(void **unused)
{
    (void)unused;
    CHECK(GOOD "\r", "record");
    CHECK(" \t" GOOD "\t \r", "record");
    CHECK("\xef\xbb\xbf" GOOD, "record");
    CHECK("\xef\xbb\xbf \t" GOOD, "record");
    CHECK("2  1\te \t 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2\tACCEPT  OK", "record");
    CHECK("2024-12-20T10:00:00.000Z " GOOD, "record");
    CHECK("2024-12-20T10:00:00Z\t" GOOD "\r", "record");
    CHECK("\xef\xbb\xbf"
          "2024-12-20T10:00:00.123456789+01:00 " GOOD,
          "record");
    CHECK("2024-12-20T10:00:00 " GOOD, "record");
    CHECK("2024-12-20 10:00:00 " GOOD, "too_many_fields");
    CHECK("2024-12-20T10:00:00.Z " GOOD, "too_many_fields");
    CHECK("2024-12-20T10:00:00Z 2024-12-20T10:00:00Z " GOOD, "too_many_fields");
    CHECK("", "empty");
    CHECK("\r", "empty");
    CHECK(" \t \t\r", "empty");
    CHECK("\xef\xbb\xbf", "empty");
    CHECK("\xef\xbb\xbf \t\r", "empty");
    CHECK("2024-12-20T10:00:00Z", "too_few_fields");
    CHECK("\r\r", "too_few_fields");
    CHECK("\v", "too_few_fields");
    CHECK("\0", "too_few_fields");
    CHECK(GOOD "\r\r", "record"); /* the log-status is "OK\r" */
    CHECK(GOOD " \xef\xbb\xbf", "too_many_fields");
}

static void a_nul_is_a_byte_of_a_value(void **unused)
{
    (void)unused;
    CHECK("2 1 e\0i 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT OK", "record");
    CHECK("2 1 e 1.2.3.4\0 5.6.7.8 1 2 6 1 1 1 2 ACCEPT OK", "not_an_address");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 1 2\0 6 1 1 1 2 ACCEPT OK", "not_a_number");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT NODATA\0", "record");
}

static void numbers(void **unused)
{
    static const char *const wrong[] = {"-5",
                                        "+5",
                                        "1.0",
                                        "1e3",
                                        "0x1",
                                        "1,000",
                                        "5-",
                                        "--",
                                        "/",
                                        ":",
                                        "\xb2",
                                        "1\x80",
                                        "\xff",
                                        "12345678a",
                                        "a234567890123456",
                                        "123456789012345:",
                                        "12345678901234567x"};
    static const struct {
        const char *format, *most, *more;
    } fields[] = {{"srcport", "65535", "65536"},
                  {"dstport", "65535", "65536"},
                  {"protocol", "255", "256"},
                  {"packets", "9223372036854775807", "9223372036854775808"},
                  {"bytes", "9223372036854775807", "18446744073709551616"},
                  {"start", "253402300799", "253402300800"},
                  {"end", "253402300799", "99999999999999999999999999999999999999"}};
    char line[64];

    (void)unused;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        const char *format = fields[i].format;

        check_line(format, fls_span_of(fields[i].most), "record");
        check_line(format, fls_span_of(fields[i].more), "out_of_range");
        check_line(format, FLS_SPAN("0"), "record");
        check_line(format, FLS_SPAN("-"), "record");
        check_line(format, FLS_SPAN("000000000000000000000000000000000000001"), "record");
        snprintf(line, sizeof(line), "00%s", fields[i].most);
        check_line(format, fls_span_of(line), "record");
        snprintf(line, sizeof(line), "0000000%s", fields[i].more);
        check_line(format, fls_span_of(line), "out_of_range");
        for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++)
            check_line(format, fls_span_of(wrong[k]), "not_a_number");
    }
    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++)
        check_line("version", fls_span_of(wrong[k]), "not_a_number");
    CHECK_AS("version", "99999999999999999999999999999999999999", "record");
}

static void addresses(void **unused)
{
    static const char *const wrong[] = {"010.0.0.1",
                                        "10.0.0.256",
                                        "10.0.0",
                                        "10.0.0.1.2",
                                        "::1%eth0",
                                        "10.0.0.1:80",
                                        "[::1]",
                                        "1.2.3.4x",
                                        "x1.2.3.4",
                                        "1.2.3.00",
                                        "1.2.3.1000",
                                        "....",
                                        "1...2",
                                        "1.2.3.",
                                        ".1.2.3",
                                        "1.2.3./",
                                        "1.2.3.:",
                                        "1234567890.1.1.1",
                                        "100.100.100.300",
                                        "1:2:3:4:5:6:7",
                                        "--",
                                        "0",
                                        "255.255.255.2555",
                                        "0255.255.255.255"};
    static const char *const formats[] = {"srcaddr", "dstaddr", "pkt-srcaddr", "pkt-dstaddr",
                                          "bytes srcaddr srcaddr"};

    (void)unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        for (size_t k = 0; k < 4; k++)
            check_line(formats[k], fls_span_of(wrong[i]), "not_an_address");
        char line[64];
        snprintf(line, sizeof(line), "1 1.2.3.4 %s", wrong[i]);
        check_line(formats[4], fls_span_of(line), "not_an_address");
    }
    for (size_t k = 0; k < 4; k++) {
        check_line(formats[k], FLS_SPAN("-"), "record");
        check_line(formats[k], FLS_SPAN("::"), "record");
        check_line(formats[k], FLS_SPAN("ABCD:EF01:2345:6789:abcd:ef01:255.255.255.255"), "record");
        check_line(formats[k], FLS_SPAN("255.255.255.255"), "record");
        check_line(formats[k], FLS_SPAN("0.0.0.0"), "record");
    }
}

static void every_length_of_an_address_part(void **unused)
{
    static const char *const parts[] = {"0", "9", "10", "99", "100", "255"};

    (void)unused;
    for (int i = 0; i < 6 * 6 * 6 * 6; i++) {
        char line[64];
        struct fls_flow flow;
        struct fls_run run[FLS_ATTRIBUTE_CNT];

        const char *part[4] = {parts[i % 6], parts[i / 6 % 6], parts[i / 36 % 6], parts[i / 216]};
        snprintf(line, sizeof(line), "%s.%s.%s.%s", part[0], part[1], part[2], part[3]);
        assert_string_equal(verdict_of("srcaddr", fls_span_of(line), &flow, run), "record");
        for (int k = 0; k < 4; k++)
            assert_int_equal(flow.src[k], atoi(part[k]));
    }
}

static void a_line_has_one_reason(void **unused)
{
    (void)unused;
    CHECK("2 1 e x y 1 2 6 1 1 1 2 ACCEPT", "too_few_fields");
    CHECK("x 1 e x y 1 2 6 1 1 1 2 ACCEPT OK -", "too_many_fields");
    CHECK("2 1 e 1.2.3.4 x 65536 2 6 1 1 1 2 ACCEPT OK", "not_an_address");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 65536 x 6 1 1 1 2 ACCEPT OK", "out_of_range");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 1 2 x 1 1 1 2 ACCEPT OK", "not_a_number");
    CHECK("x 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT OK", "not_a_number");
    CHECK("${x} 1 e 1.2.3.4 5.6.7.8 1 2 x 1 1 1 2 ACCEPT OK", "not_a_number");
    CHECK("2 1 e - - - - - - - 1700000000 x - NODATA", "not_a_number");
    CHECK("2 1 e - - - - - - - 1700000000 - NODATA", "too_few_fields");
    CHECK("2 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT ", "too_few_fields");
    CHECK(" 1 e 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT OK", "too_few_fields");
    CHECK("2 1 e 1.2.3.4  5.6.7.8 1 2 6 1 1 1 2 ACCEPT", "too_few_fields");
}

static void headers_and_lines_are_told_apart(void **unused)
{
    static const char texts[] = "action vpc-id subnet-id region";

    (void)unused;
    /* More than half of the values of an all-text layout are field names: a header. */
    CHECK_AS(texts, "ACCEPT vpc-1 subnet-1 eu-1", "record");
    CHECK_AS(texts, "action vpc-id subnet-1 eu-1", "record");
    CHECK_AS(texts, "action vpc-id start eu-1", "header");
    CHECK_AS(texts, "ACTION ${vpc-id} Subnet_Id -", "header");
    CHECK_AS(texts, "action vpc-id - -", "record");
    CHECK_AS(texts, "a b c d", "record");
    CHECK_AS("bytes action vpc-id", "5 action vpc-id", "header");
    CHECK_AS("bytes action vpc-id", "5 action x", "record");
    CHECK_AS("bytes action", "5 action", "record");
    CHECK_AS("bytes action", "end action", "header");
    CHECK_AS("action", "action", "record");
    CHECK_AS("type action type", "2024-12-20T10:00:00Z action x", "too_few_fields");
    CHECK_AS("type action", "2024-12-20T10:00:00Z action x", "record");
    CHECK_AS("type action",
             "\xef\xbb\xbf"
             "a b",
             "record");
    CHECK_AS("type action", "\xef\xbb\xbf a", "too_few_fields");
    CHECK("srcaddr dstaddr", "header");
    CHECK("srcaddr 1.2.3.4", "too_few_fields");
    CHECK("version account-id interface-id srcaddr dstaddr srcport dstport protocol "
          "1 2 3 4 ACCEPT OK",
          "header");
    CHECK("version account-id interface-id srcaddr dstaddr srcport dstport 6 "
          "1 2 3 4 ACCEPT OK",
          "not_a_number");
}

/* What one line comes to in the named format; its texts in the order of attributes. */
static struct fls_flow flow_of(const char *format, const char *line, const char *texts_expected)
{
    struct fls_flow flow;
    struct fls_run run[FLS_ATTRIBUTE_CNT];
    struct fls_span texts[FLS_ATTRIBUTE_CNT];
    struct fls_layout layout;
    char error[160], joined[512] = "";

    if (format == NULL)
        fls_layout_default(&layout);
    else
        fls_layout_from_option(format, &layout, error, sizeof(error));
    const char *verdict = verdict_of(format, fls_span_of(line), &flow, run);
    assert_true(strcmp(verdict, "record") == 0 || strcmp(verdict, "nodata") == 0);
    fls_runs_split(&layout.runs, run, (const uint8_t *)line, texts);
    for (uint8_t i = 0; i < FLS_ATTRIBUTE_CNT; i++) {
        strncat(joined, (const char *)texts[i].at, texts[i].sz);
        if (memchr(layout.runs.attribute, i, layout.runs.text_cnt) != NULL)
            strcat(joined, "|");
        else
            assert_int_equal(texts[i].sz, 0);
    }
    assert_string_equal(joined, texts_expected);
    return flow;
}

static void values_of_a_record(void **unused)
{
    static const uint8_t src[16] = {10, 0, 0, 1}, dst[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    struct fls_flow flow;

    (void)unused;
    flow = flow_of(NULL,
                   "2 012345678901 eni-0a 10.0.0.1 2001:db8::1 00443 49152 006 10 "
                   "9223372036854775807 1700000039 1700000060 ACCEPT OK",
                   "012345678901|eni-0a|ACCEPT|");
    assert_memory_equal(flow.src, src, 16);
    assert_memory_equal(flow.dst, dst, 16);
    assert_int_equal(flow.packets, 10);
    assert_int_equal(flow.bytes, INT64_MAX);
    assert_int_equal(flow.minute, 1700000039 / 60);
    assert_int_equal(flow.attributes, 0);
    assert_int_equal(flow.src_port, 443);
    assert_int_equal(flow.dst_port, 49152);
    assert_int_equal(flow.protocol, 6);
    assert_int_equal(flow.has, FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT |
                                   FLS_HAS_PROTOCOL | FLS_DST_IS_IPV6 | FLS_IS_ACCEPTED);
}

static void absent_values_of_a_record(void **unused)
{
    static const uint8_t none[16];
    struct fls_flow flow;

    (void)unused;
    flow = flow_of(NULL, "- - - - - - - - - - - - - -", "|||");
    assert_memory_equal(flow.src, none, 16);
    assert_memory_equal(flow.dst, none, 16);
    assert_int_equal(flow.packets | flow.bytes | flow.src_port | flow.dst_port | flow.protocol, 0);
    assert_int_equal(flow.has, 0);
    assert_int_equal(flow.minute, FLS_MINUTE_UNKNOWN);
    flow = flow_of("type", "IPv4", "");
    assert_int_equal(flow.minute, FLS_MINUTE_UNKNOWN);
    assert_int_equal(flow.has, 0);
    flow = flow_of(NULL, "2 -- e - - 0 - - - - 253402300799 - REJECT NODATA", "--|e|REJECT|");
    assert_int_equal(flow.has, FLS_HAS_SRC_PORT | FLS_IS_REJECTED);
    assert_int_equal(flow.minute, FLS_START_MAX / 60);
}

static void action_counts_by_its_exact_bytes(void **unused)
{
    (void)unused;
    assert_int_equal(flow_of("action bytes", "ACCEPT 1", "ACCEPT|").has, FLS_IS_ACCEPTED);
    assert_int_equal(flow_of("action bytes", "REJECT 1", "REJECT|").has, FLS_IS_REJECTED);
    assert_int_equal(flow_of("action bytes", "accept 1", "accept|").has, 0);
    assert_int_equal(flow_of("action bytes", "ACCEPTED 1", "ACCEPTED|").has, 0);
    assert_int_equal(flow_of("action bytes", "- 1", "|").has, 0);
}

static void own_side_is_told_for_ipv6_only(void **unused)
{
    static const char format[] = "flow-direction srcaddr dstaddr";
    const unsigned both = FLS_HAS_SRC | FLS_HAS_DST;
    const unsigned ipv6 = FLS_SRC_IS_IPV6 | FLS_DST_IS_IPV6;

    (void)unused;
    assert_int_equal(flow_of(format, "egress ::1 ::2", "egress|").has,
                     both | ipv6 | FLS_SRC_IS_OWN_SIDE);
    assert_int_equal(flow_of(format, "ingress ::1 ::2", "ingress|").has,
                     both | ipv6 | FLS_DST_IS_OWN_SIDE);
    assert_int_equal(flow_of(format, "egress 1.2.3.4 1.2.3.5", "egress|").has, both);
    assert_int_equal(flow_of(format, "ingress 1.2.3.4 1.2.3.5", "ingress|").has, both);
    assert_int_equal(flow_of(format, "egress 1.2.3.4 ::2", "egress|").has, both | FLS_DST_IS_IPV6);
    assert_int_equal(flow_of(format, "EGRESS ::1 ::2", "EGRESS|").has, both | ipv6);
    assert_int_equal(flow_of(format, "- ::1 ::2", "|").has, both | ipv6);
    assert_int_equal(flow_of(format, "egress - ::2", "egress|").has, FLS_HAS_DST | FLS_DST_IS_IPV6);
    /* whichever comes first */
    assert_int_equal(flow_of("srcaddr flow-direction", "::1 egress", "egress|").has,
                     FLS_HAS_SRC | FLS_SRC_IS_IPV6 | FLS_SRC_IS_OWN_SIDE);
}

static void the_first_of_a_field_named_twice_counts(void **unused)
{
    static const char format[] = "bytes action srcaddr log-status bytes action srcaddr log-status";
    struct fls_flow flow;

    (void)unused;
    flow = flow_of(format, "5 ACCEPT 1.2.3.4 OK 6 REJECT ::1 NODATA", "ACCEPT|");
    assert_int_equal(flow.bytes, 5);
    assert_int_equal(flow.kind, FLS_KIND_RECORD);
    assert_int_equal(flow.has, FLS_HAS_SRC | FLS_IS_ACCEPTED);
    flow = flow_of(format, "- - - NODATA 6 REJECT ::1 OK", "|");
    assert_int_equal(flow.bytes, 0);
    assert_int_equal(flow.has, 0);
    assert_int_equal(flow.kind, FLS_KIND_NODATA);
    CHECK_AS(format, "5 ACCEPT 1.2.3.4 OK x REJECT ::1 OK", "not_a_number");
    CHECK_AS(format, "5 ACCEPT 1.2.3.4 OK 6 REJECT x OK", "not_an_address");
    CHECK_AS(format, "5 ACCEPT 1.2.3.4 OK 9223372036854775808 REJECT x OK", "out_of_range");
}

/* --- objects --- */

static void a_header_sets_the_layout_of_what_follows(void **unused)
{
    struct outcome *outcome =
        parse_default(FLS_SPAN(GOOD "\n" DEFAULT_HEADER "\n" GOOD "\n"
                                    "BYTES new-field Vpc_Id\n1 x vpc-1\n2 y vpc-2\n" GOOD "\n"
                                    "${bytes} ${new-field} ${vpc-id}\n3 z -\n"
                                    "2024-12-20T10:00:00.000Z " DEFAULT_HEADER
                                    "\r\n2024-12-20T10:00:00.000Z " GOOD "\r\n"));

    (void)unused;
    assert_int_equal(outcome->counts.lines, 11);
    assert_int_equal(outcome->counts.headers, 4);
    assert_int_equal(outcome->counts.records, 6);
    assert_int_equal(outcome->counts.malformed[FLS_REASON_TOO_MANY_FIELDS], 1);
    free_outcome(outcome);
}

static void a_header_in_the_same_layout_does_not_end_a_batch(void **unused)
{
    static struct fls_parser parser;
    static struct fls_batch batch;
    static const char text[] =
        GOOD "\n" DEFAULT_HEADER "\n" GOOD "\n\n" GOOD "\nbytes action\n1 A\n";
    struct fls_layout layout;
    uint8_t *window = copy_window((const uint8_t *)text, sizeof(text) - 1);
    struct fls_span rest = {window, sizeof(text) - 1};
    size_t sz;

    (void)unused;
    fls_layout_default(&layout);
    fls_parser_init(&parser, &layout);
    sz = fls_parser_step(&parser, rest, true, &batch);
    assert_int_equal(batch.cnt, 3);
    assert_int_equal(batch.runs.text_cnt, 3);
    assert_int_equal(sz, sizeof(text) - 1 - 4);
    rest = (struct fls_span){window + sz, rest.sz - sz};
    assert_int_equal(fls_parser_step(&parser, rest, true, &batch), 4);
    assert_int_equal(batch.cnt, 1);
    assert_int_equal(batch.runs.text_cnt, 1);
    assert_int_equal(batch.runs.attribute[0], FLS_ATTRIBUTE_ACTION);
    assert_int_equal(parser.line, 7);
    free(window);
}

static void a_new_object_begins_without_what_was_before(void **unused)
{
    static struct fls_parser parser;
    static struct fls_batch batch;
    struct fls_layout layout;
    struct fls_span junk =
        FLS_SPAN("bytes action\n1\n1 2 3\n"
                 "................................................................");

    (void)unused;
    junk.sz -= FLS_WINDOW_PADDING;
    fls_layout_default(&layout);
    fls_parser_init(&parser, &layout);
    while (junk.sz > 0) {
        size_t sz = fls_parser_step(&parser, junk, true, &batch);
        junk = (struct fls_span){junk.at + sz, junk.sz - sz};
    }
    assert_int_equal(parser.layout.cnt, 2);
    assert_int_equal(parser.line, 3);
    assert_int_equal(fls_malformed_sum(&parser.counts), 2);
    parser.in_long_line = true;
    fls_parser_begin(&parser);
    assert_true(parser.layout.usual == FLS_USUAL_V2);
    assert_false(parser.in_long_line);
    assert_int_equal(parser.line, 0);
    assert_int_equal(parser.counts.lines + parser.counts.headers, 0);
    assert_int_equal(fls_malformed_sum(&parser.counts), 0);
    assert_int_equal(parser.sample_cnt[FLS_REASON_TOO_FEW_FIELDS], 0);
}

static void an_object_may_lack_its_last_newline(void **unused)
{
    struct outcome *outcome = parse_default(FLS_SPAN(GOOD "\n" GOOD));

    (void)unused;
    assert_int_equal(outcome->counts.records, 2);
    free_outcome(outcome);
    outcome = parse_default(FLS_SPAN(GOOD "\n" GOOD "\r"));
    assert_int_equal(outcome->counts.records, 2);
    free_outcome(outcome);
    outcome = parse_default(FLS_SPAN(GOOD "\n2 123"));
    assert_int_equal(outcome->counts.records, 1);
    assert_int_equal(outcome->counts.malformed[FLS_REASON_TOO_FEW_FIELDS], 1);
    free_outcome(outcome);
    outcome = parse_default(FLS_SPAN(""));
    assert_int_equal(outcome->counts.lines, 0);
    free_outcome(outcome);
}

static void empty_lines_are_numbered_but_not_counted(void **unused)
{
    struct outcome *outcome = parse_default(FLS_SPAN("\n\r\n \t\n" GOOD "\n\nx\n\n"));

    (void)unused;
    assert_int_equal(outcome->counts.lines, 2);
    assert_int_equal(outcome->line, 7);
    assert_int_equal(outcome->samples[FLS_REASON_TOO_FEW_FIELDS][0].line, 6);
    free_outcome(outcome);
}

static void the_first_samples_of_each_reason_are_kept(void **unused)
{
    struct outcome *outcome =
        parse_default(FLS_SPAN("a\nb \t\\\x7f\xff\r\n" GOOD "\nc\nd\n" GOOD " e\n"));
    const struct fls_sample *few = outcome->samples[FLS_REASON_TOO_FEW_FIELDS];

    (void)unused;
    assert_int_equal(outcome->sample_cnt[FLS_REASON_TOO_FEW_FIELDS], FLS_SAMPLES_PER_REASON);
    assert_int_equal(outcome->counts.malformed[FLS_REASON_TOO_FEW_FIELDS], 4);
    assert_string_equal(few[0].text, "a");
    assert_int_equal(few[0].line, 1);
    assert_string_equal(few[1].text, "b \\x09\\x5c\\x7f\\xff");
    assert_int_equal(few[1].line, 2);
    assert_string_equal(few[2].text, "c");
    assert_int_equal(few[2].line, 4);
    assert_string_equal(outcome->samples[FLS_REASON_TOO_MANY_FIELDS][0].text, GOOD " e");
    free_outcome(outcome);
}

static void a_sample_is_cut_between_bytes(void **unused)
{
    for (size_t sz = 180; sz < 210; sz++) {
        struct bytes line = {0};
        size_t expected_sz = sz + 4;

        (void)unused;
        for (size_t i = 0; i < sz; i++)
            add_text(&line, "x");
        add_text(&line, "\x01");
        struct outcome *outcome = parse_default((struct fls_span){line.at, line.sz});
        const char *text = outcome->samples[FLS_REASON_TOO_FEW_FIELDS][0].text;
        if (expected_sz < FLS_SAMPLE_TEXT_MAX) {
            assert_int_equal(strlen(text), expected_sz);
            assert_string_equal(text + sz, "\\x01");
        } else {
            assert_int_equal(strlen(text), FLS_SAMPLE_TEXT_MAX - 1);
            assert_string_equal(text + FLS_SAMPLE_TEXT_MAX - 4, "...");
        }
        free_outcome(outcome);
        free(line.at);
    }
}

/* A record whose interface-id makes it `sz` bytes long, and what ends it. */
static void add_line_of(struct bytes *to, size_t sz, const char *end)
{
    static const char before[] = "2 1 ", after[] = " 1.2.3.4 5.6.7.8 1 2 6 1 1 1 2 ACCEPT OK";

    add_text(to, before);
    for (size_t i = sizeof(before) + sizeof(after) - 2; i < sz; i++)
        add_text(to, "x");
    add_text(to, after);
    add_text(to, end);
}

static void a_line_has_at_most_64_kib(void **unused)
{
    static const char *const ends[] = {"\n", "\r\n", "", "\r"};

    (void)unused;
    for (size_t sz = FLS_LINE_MAX - 2; sz <= FLS_LINE_MAX + 3; sz++) {
        for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
            struct bytes object = {0};
            bool has_more = strchr(ends[i], '\n') != NULL;

            add_text(&object, GOOD "\n");
            add_line_of(&object, sz, ends[i]);
            if (has_more)
                add_text(&object, GOOD "\n");
            struct outcome *outcome = parse_default((struct fls_span){object.at, object.sz});
            bool is_long = sz > FLS_LINE_MAX;
            assert_int_equal(outcome->counts.malformed[FLS_REASON_TOO_LONG], is_long);
            assert_int_equal(outcome->counts.records, 1 + has_more + !is_long);
            assert_int_equal(outcome->line, 2 + has_more);
            free_outcome(outcome);
            free(object.at);
        }
    }
}

static void a_longer_line_is_counted_once(void **unused)
{
    for (int is_ended = 0; is_ended < 2; is_ended++) {
        struct bytes object = {0};

        (void)unused;
        add_text(&object, GOOD "\n");
        for (int i = 0; i < (2 << 20); i++)
            add(&object, i % 1000 ? "\0" : " ", 1);
        if (is_ended)
            add_text(&object, "\n" GOOD "\n");
        struct outcome *outcome = parse_default((struct fls_span){object.at, object.sz});
        assert_int_equal(outcome->counts.malformed[FLS_REASON_TOO_LONG], 1);
        assert_int_equal(outcome->counts.lines, 2 + is_ended);
        assert_int_equal(outcome->samples[FLS_REASON_TOO_LONG][0].line, 2);
        assert_int_equal(strncmp(outcome->samples[FLS_REASON_TOO_LONG][0].text, " \\x00\\x00", 9),
                         0);
        free_outcome(outcome);
        free(object.at);
    }
}

/* No header and no blank line of that length escapes either. */
static void too_long_comes_before_everything(void **unused)
{
    static const char *const fillers[] = {" ", "srcaddr "};

    (void)unused;
    for (int i = 0; i < 2; i++) {
        struct bytes object = {0};

        while (object.sz <= FLS_LINE_MAX)
            add_text(&object, fillers[i]);
        struct outcome *outcome = parse_default((struct fls_span){object.at, object.sz});
        assert_int_equal(outcome->counts.malformed[FLS_REASON_TOO_LONG], 1);
        assert_int_equal(outcome->counts.lines, 1);
        free_outcome(outcome);
        free(object.at);
    }
}

static void a_window_of_many_batches(void **unused)
{
    struct bytes object = {0};

    (void)unused;
    for (unsigned i = 0; i < 3 * FLS_BATCH_MAX + 1; i++)
        add_text(&object, GOOD "\n");
    struct outcome *outcome = parse_default((struct fls_span){object.at, object.sz});
    assert_int_equal(outcome->counts.records, 3 * FLS_BATCH_MAX + 1);
    free_outcome(outcome);
    free(object.at);
}

/* --- random objects --- */

static void add_number(struct bytes *to, uint64_t limit)
{
    static const char zeros[] = "00000000000000000";
    char text[64];
    uint64_t value = next_random() >> below(64);
    int zero_cnt = below(8) ? 0 : (int)below(17);

    if (below(8) == 0)
        value = limit - 1 + below(3);
    else if (below(32) && value > limit)
        value %= limit;
    snprintf(text, sizeof(text), "%.*s%llu", zero_cnt, zeros, (unsigned long long)value);
    add_text(to, text);
}

static void add_address(struct bytes *to)
{
    struct fls_ip ip = {{0}, below(4) == 0};
    char text[FLS_IP_TEXT_MAX];

    for (int i = 0; i < (ip.is_ipv6 ? 16 : 4); i++)
        ip.bytes[i] = (uint8_t)(below(3) ? next_random() : 0);
    fls_ip_format(&ip, text);
    add_text(to, text);
}

static void add_open_text(struct bytes *to, enum fls_field field)
{
    static const char *const usual[] = {"ACCEPT",
                                        "REJECT",
                                        "egress",
                                        "ingress",
                                        "OK",
                                        "NODATA",
                                        "SKIPDATA",
                                        "123456789012",
                                        "eni-0123456789abcdef0",
                                        "i-0a",
                                        "0",
                                        "18",
                                        "unknown",
                                        "eu-west-1",
                                        "\xc3\xa4",
                                        "a,b",
                                        "$x",
                                        "~",
                                        "_",
                                        "{",
                                        "[",
                                        "@"};

    if (below(8) == 0 && field < FLS_FIELD_CNT)
        add_text(to, fls_fields[below(3) ? field : below(FLS_FIELD_CNT)].name);
    else if (field == FLS_FIELD_LOG_STATUS && below(2))
        add_text(to, usual[4 + below(3)]);
    else if (field == FLS_FIELD_ACTION && below(2))
        add_text(to, usual[below(2)]);
    else if (field == FLS_FIELD_FLOW_DIRECTION && below(2))
        add_text(to, usual[2 + below(2)]);
    else
        add_text(to, usual[below(sizeof(usual) / sizeof(usual[0]))]);
}

static void add_value(struct bytes *to, enum fls_field field, uint32_t dash_in)
{
    if (below(dash_in) == 0)
        add_text(to, "-");
    else if (fls_fields[field].kind == FLS_FIELD_IS_NUMBER)
        add_number(to, fls_fields[field].limit);
    else if (fls_fields[field].kind == FLS_FIELD_IS_ADDRESS)
        add_address(to);
    else
        add_open_text(to, field);
}

static void add_header(struct bytes *to, const struct fls_layout *layout)
{
    uint32_t form = below(4);

    for (uint32_t i = 0; i < layout->cnt; i++) {
        const char *name = fls_fields[layout->field[i]].name;

        if (i > 0)
            add_text(to, " ");
        if (layout->field[i] == FLS_FIELD_UNKNOWN) {
            add_text(to, "newer-field");
            continue;
        }
        add_text(to, form == 1 ? "${" : "");
        for (const char *c = name; *c; c++) {
            char upper = *c >= 'a' && *c <= 'z' ? (char)(*c - 32) : *c;
            add(to, form == 2 ? &upper : form == 3 && *c == '-' ? "_" : c, 1);
        }
        add_text(to, form == 1 ? "}" : "");
    }
}

static void random_layout(struct fls_layout *layout)
{
    struct bytes header = {0};
    uint32_t cnt = below(16) ? 2 + below(40) : 2 + below(FLS_LAYOUT_FIELDS_MAX - 1);

    fls_layout_default(layout);
    if (below(3) == 0)
        return;
    if (below(4) == 0) {
        assert_true(fls_layout_from_header(FLS_SPAN(VERSION_5), layout));
        return;
    }
    bool is_text_mostly = below(2);
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t field = below(FLS_FIELD_CNT + 1);

        while (is_text_mostly && below(4) && fls_fields[field].kind != FLS_FIELD_IS_ATTRIBUTE)
            field = below(FLS_FIELD_CNT);
        if (i > 0)
            add_text(&header, " ");
        add_text(&header, field == FLS_FIELD_UNKNOWN ? "foo" : fls_fields[field].name);
    }
    if (!fls_layout_from_header((struct fls_span){header.at, header.sz}, layout))
        fls_layout_default(layout);
    free(header.at);
}

/* Changes, takes out, puts in, or doubles a byte from `from` on. */
static void mutate(struct bytes *bytes, size_t from)
{
    static const char interesting[] = " \t\r\n\0-.:09/;aAz$_\\\x7f\x80\xef\xff\v";
    size_t at, sz = bytes->sz - from;

    if (sz == 0)
        return;
    at = from + below((uint32_t)sz);
    uint8_t c =
        below(4) ? (uint8_t)interesting[below(sizeof(interesting) - 1)] : (uint8_t)next_random();
    switch (below(4)) {
    case 0:
        bytes->at[at] = c;
        break;
    case 1:
        memmove(bytes->at + at, bytes->at + at + 1, bytes->sz - at - 1);
        bytes->sz--;
        break;
    case 2:
        c = bytes->at[at];
        /* fall through */
    default:
        add(bytes, &c, 1);
        memmove(bytes->at + at + 1, bytes->at + at, bytes->sz - at - 1);
        bytes->at[at] = c;
        break;
    }
}

static void add_random_line(struct bytes *to, struct fls_layout *layout, uint32_t mutation_in)
{
    size_t from = to->sz;
    uint32_t dash_in = below(4) ? 16 : 2, kind = below(40);

    if (kind == 0)
        random_layout(layout);
    if (kind == 1 || kind == 2)
        add_text(to, kind == 1 ? "\xef\xbb\xbf" : " ");
    if (kind == 3)
        add_text(to, "2024-12-20T10:00:00.000Z ");
    if (kind <= 1) {
        add_header(to, layout);
    } else if (kind != 4) {
        for (uint32_t i = 0; i < layout->cnt; i++) {
            add_text(to, i == 0 ? "" : kind == 5 && below(4) == 0 ? "\t" : " ");
            add_value(to, (enum fls_field)layout->field[i], dash_in);
        }
    }
    for (int i = 0; i < 3 && below(mutation_in) == 0; i++)
        mutate(to, from);
    add_text(to, below(30) ? "\n" : "\r\n");
}

static void random_object(struct bytes *object, struct fls_layout *layout)
{
    struct fls_layout current;
    uint32_t line_cnt = below(8) ? below(40) : below(700);
    uint32_t mutation_in = below(2) ? 2 + below(4) : 200;

    random_layout(layout);
    current = *layout;
    object->sz = 0;
    add_text(object, "");
    for (uint32_t i = 0; i < line_cnt; i++) {
        if (below(2000) == 0)
            add_line_of(object, FLS_LINE_MAX - 1 + below(4), below(2) ? "\n" : "\r\n");
        add_random_line(object, &current, mutation_in);
    }
    if (object->sz > 0 && below(3) == 0)
        object->sz -= 1 + below(object->sz > 40 ? 40 : (uint32_t)object->sz);
}

/* --- usual lines: what the quickest of the ways reads, and what is nearly that --- */

static const char *const usual_lines[] = {
    "2 123456789012 eni-0123456789abcdef0 10.0.0.1 192.168.100.200 443 49152 6 10 840 1700000000 "
    "1700000060 ACCEPT OK\n",
    "2 123456789012 eni-01234567 255.255.255.255 0.0.0.0 0 65535 255 12345678 123456 1700000000 "
    "0000000000 REJECT OK\n",
    "2 123456789012 eni-0123456789abcdef0 2001:db8:1:22:333:4444:FfFf:0 2001:db8::1 53 1 17 1 "
    "99999999 1700000000 1700000060 ACCEPT OK\n",
    "9 9- -e 1111:2222:3333:4444:5555:6666:7777:8888 a:b:c:d:e:f::1 12345 12345 250 1234567 "
    "1234567 1700000000 1700000060 REJECT OK\n"};

/* What follows a line, so that there is room to read it as a usual one. */
static void add_room(struct bytes *to)
{
    for (uint32_t i = 0; i <= FLS_USUAL_ROOM / sizeof(GOOD); i++)
        add_text(to, GOOD "\n");
}

/* Frees the object. */
static void check_near_usual(struct bytes *object)
{
    add_room(object);
    free_outcome(parse_default((struct fls_span){object->at, object->sz}));
    free(object->at);
}

/* Else the quickest way would be right, and never taken. */
static void usual_lines_are_read_without_an_index(void **unused)
{
    (void)unused;
#if defined(__x86_64__)
    static struct fls_batch batch;
    struct fls_fast_counts counts = {{0}};
    struct fls_index index;
    struct fls_layout layout;
    struct bytes object = {0};
    size_t cnt = sizeof(usual_lines) / sizeof(usual_lines[0]);

    if (!fls_cpu_has(FLS_CPU_AVX2))
        skip();
    for (size_t i = 0; i < cnt; i++)
        add_text(&object, usual_lines[i]);
    add_room(&object);
    fls_layout_default(&layout);
    fls_index_begin(&index, 0);
    batch.cnt = FLS_BATCH_MAX - (uint32_t)cnt;
    fls_parse_fast_avx2(&layout, (struct fls_span){object.at, object.sz}, 0, &index, &batch,
                        &counts);
    assert_int_equal(batch.cnt, FLS_BATCH_MAX);
    assert_int_equal(index.end_cnt, 0);
    free(object.at);
#endif
}

/* Each byte of a line changed, taken out, and put in again. */
static void lines_next_to_usual_ones(void **unused)
{
    static const char bytes[] = " \t\r\n\0-.:0159/;aAgG\x7f\x80\xff";

    (void)unused;
    for (size_t i = 0; i < sizeof(usual_lines) / sizeof(usual_lines[0]); i++) {
        struct fls_span line = fls_span_of(usual_lines[i]);
        struct bytes object = {0};

        for (size_t at = 0; at < line.sz; at++) {
            for (size_t k = 0; k < sizeof(bytes) - 1; k++) {
                for (size_t skipped = 0; skipped < 2; skipped++) {
                    add(&object, line.at, at);
                    add(&object, bytes + k, 1);
                    add(&object, line.at + at + skipped, line.sz - at - skipped);
                }
            }
            add(&object, line.at, at);
            add(&object, line.at + at + 1, line.sz - at - 1);
        }
        check_near_usual(&object);
    }
}

/* The block that is looked through for the head ends within the line, wherever its values end. */
static void usual_lines_with_names_of_each_size(void **unused)
{
    static const char name[] =
        "eni-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct bytes object = {0};

    (void)unused;
    for (int i = 0; i < 16 * 80 * 4; i++) {
        char line[320];

        snprintf(line, sizeof(line),
                 "2 %.*s%s%.*s%s1.2.3.4 5.6.7.8 443 49152 6 10 840 1700000000 1700000060 ACCEPT "
                 "OK\n",
                 i / 4 % 16, name + 4, i & 1 ? " " : "_", i / 64, name, i & 2 ? " " : "_");
        add_text(&object, line);
    }
    check_near_usual(&object);
}

static void usual_lines_with_numbers_of_each_size(void **unused)
{
    static const char digits[] = "12345678901", port[] = "00044312";
    struct bytes object = {0};

    (void)unused;
    for (int i = 0; i < 9 * 9 * 5 * 11 * 11; i++) {
        int src = i % 9, dst = i / 9 % 9, protocol = i / 81 % 5, packets = i / 405 % 11;
        char line[160];

        snprintf(line, sizeof(line),
                 "2 123456789012 eni-0123456789abcdef0 1.2.3.4 5.6.7.8 %s %s %.*s %.*s %.*s "
                 "17000000%02d %.*s ACCEPT OK\n",
                 port + 8 - src, port + 8 - dst, protocol, digits, packets, digits, i / 4455,
                 digits, i % 100, i % 50 ? 10 : i % 12, digits);
        add_text(&object, line);
    }
    check_near_usual(&object);
}

static void usual_lines_with_any_addresses(void **unused)
{
    struct bytes object = {0};

    (void)unused;
    for (int i = 0; i < 40000; i++) {
        add_text(&object, "2 123456789012 eni-0123456789abcdef0 ");
        for (int k = 0; k < 2; k++) {
            struct fls_ip ip = {{0}, below(32) ? i % 2 == 0 : below(2) == 0};
            char text[FLS_IP_TEXT_MAX];
            size_t from = object.sz;

            for (int n = 0; n < (ip.is_ipv6 ? 16 : 4); n++)
                ip.bytes[n] = (uint8_t)(below(3) ? next_random() >> below(8) : 0);
            fls_ip_format(&ip, text);
            add_text(&object, text);
            if (below(4) == 0)
                mutate(&object, from);
            add_text(&object, " ");
        }
        add_text(&object, "443 49152 6 10 840 1700000000 1700000060 ACCEPT OK\n");
    }
    check_near_usual(&object);
}

/* --- whole lines: all values of any layout at once, and what is nearly that --- */

/* The order of version 5, and others; each with lines that have all values. */
static const struct {
    const char *format, *lines[3];
} whole[] = {
    {VERSION_5,
     {"5 012345678901 eni-0123456789abcdef0 10.0.0.1 192.168.100.200 443 49152 6 10 840 1700000000 "
      "1700000060 ACCEPT OK vpc-0abc subnet-0def - 19 IPv4 10.0.0.1 192.168.100.200 eu-west-1 "
      "euw1-az2 - - S3 - ingress -\n",
      "5 012345678901 eni-0123456789abcdef0 2001:db8::1 fd00:1:2:3:4:5:6:7 1 2 17 12345678 1 "
      "1700000000 1700000060 REJECT OK vpc-0abc subnet-0def i-01 0 IPv6 2001:db8::1 "
      "fd00:1:2:3:4:5:6:8 eu-west-1 euw1-az2 outpost op-1 - - egress 8\n",
      "5 012345678901 eni-0 10.0.0.1 10.0.0.2 0 65535 255 9999999999999999 123456789 1700000000 "
      "1700000060 OTHER OK v s i ab IPv4 100.64.0.1 10.0.0.2 r a - - - - - 1\n"}},
    {"flow-direction bytes dstaddr pkt-srcaddr end tcp-flags protocol log-status account-id start "
     "srcport region srcaddr",
     {"egress 1 10.0.0.2 10.0.0.1 1700000060 3 6 OK 012345678901 1700000000 443 - 10.0.0.1\n",
      "ingress 123456789012 ::2 ::1 1 - 6 OK 01 2 65535 eu-west-1 ::1\n",
      "- 99999999 1.2.3.4 1.2.3.5 1700000060 0 250 OK 1 1700000000 0 eu 255.255.255.255\n"}},
    {"bytes pkt-dstaddr account-id action",
     {"12345678 10.0.0.2 012345678901 ACCEPT\n", "1 ::1 - REJECT\n", "0 0.0.0.0 - action\n"}},
    {"action log-status account-id tcp-flags dstaddr",
     {"ACCEPT OK 012345678901 3 1.2.3.4\n", "REJECT OK account-id - ::1\n",
      "action OK account-id 0 1.1.1.1\n"}}};

#define WHOLE_CNT (sizeof(whole) / sizeof(whole[0]))

/* Frees the object. */
static void check_whole(const char *format, struct bytes *object)
{
    struct fls_layout layout;

    assert_true(fls_layout_from_header(fls_span_of(format), &layout));
    free_outcome(parse_all_ways((struct fls_span){object->at, object->sz}, &layout));
    free(object->at);
}

/* Each byte of a line changed, and put in again. */
static void lines_next_to_whole_ones(void **unused)
{
    static const char bytes[] = " \n\0-.09:aA$\xef";

    (void)unused;
    for (size_t i = 0; i < WHOLE_CNT * 3; i++) {
        struct fls_span line = fls_span_of(whole[i / 3].lines[i % 3]);
        struct bytes object = {0};

        add(&object, line.at, line.sz);
        for (size_t at = 0; at < line.sz; at++) {
            for (size_t k = 0; k < (sizeof(bytes) - 1) * 2; k++) {
                add(&object, line.at, at);
                add(&object, bytes + k / 2, 1);
                add(&object, line.at + at + k % 2, line.sz - at - k % 2);
            }
        }
        check_whole(whole[i / 3].format, &object);
    }
}

/* Of all lines one value is another one, and one more often than not. */
static void whole_lines_with_other_values(void **unused)
{
    static const char *const values[] = {"-",
                                         "0",
                                         "00000000",
                                         "99999999",
                                         "100000000",
                                         "65535",
                                         "65536",
                                         "255",
                                         "256",
                                         "1700000000",
                                         "1699999999",
                                         "9999999999",
                                         "2700000000",
                                         "12345678901",
                                         "OK",
                                         "9999999999999999",
                                         "NODATA",
                                         "SKIPDATA",
                                         "ACCEPT",
                                         "REJECT",
                                         "egress",
                                         "ingress",
                                         "1.2.3.4",
                                         "1.2.3.256",
                                         "::",
                                         "1::2::3",
                                         "srcaddr",
                                         "10000000000000000",
                                         "99999999999999999999"};
    const uint32_t value_cnt = sizeof(values) / sizeof(values[0]);

    (void)unused;
    for (size_t i = 0; i < WHOLE_CNT * 3; i++) {
        struct bytes object = {0};

        for (uint32_t line = 0; line < 4000; line++) {
            struct fls_span rest = fls_span_of(whole[i / 3].lines[i % 3]), token;
            uint32_t which = below(30), again = below(2) ? which : below(30);

            rest.sz--; /* the newline */
            for (uint32_t at = 0; fls_line_token(&rest, &token); at++) {
                if (at > 0)
                    add_text(&object, " ");
                if (at == which || at == again)
                    add_text(&object, values[below(value_cnt)]);
                else
                    add(&object, token.at, token.sz);
            }
            add_text(&object, "\n");
        }
        check_whole(whole[i / 3].format, &object);
    }
}

/* Else the fast path would be right, and slow. */
static void canonical_lines_take_the_fast_path(void **unused)
{
    static fls_parse_fast_fn *const variants[FLS_CPU_LEVEL_CNT] = {
        [FLS_CPU_PORTABLE] = fls_parse_fast_portable,
#if defined(__x86_64__)
        [FLS_CPU_SSE2] = fls_parse_fast_sse2,
        [FLS_CPU_AVX2] = fls_parse_fast_avx2,
        [FLS_CPU_AVX512] = fls_parse_fast_avx512,
#endif
    };
    static const char *const formats[] = {
        DEFAULT_HEADER, "action bytes account-id start srcaddr region pkt-dstaddr end log-status",
        VERSION_5};
    static const char *const lines[] = {
        GOOD "\n2 1 e ::1 1.2.3.4 0 65535 255 1 9999999999999999 1 2 REJECT OK\n"
             "2 unknown e - - - - - - - 1700000000 1700000060 - NODATA\n",
        "ACCEPT 5 012345678901 1700000000 1.2.3.4 eu-west-1 ::2 - OK\n"
        "- - - - - - - - SKIPDATA\n",
        GOOD
        " vpc-1 subnet-1 - 3 IPv4 10.0.0.1 1.1.1.1 eu-west-1 euw1-az1 - - - S3 egress 8\n"
        "5 1 e ::1 ::2 0 65535 255 1 9999999999999999 1 2 - OK - - - - - ::3 - - - - - - - - -\n"
        "5 1 e - - - - - - - 1700000000 1700000060 - NODATA - - - - - - - - - - - - - - -\n"};
    static struct fls_batch batch;

    (void)unused;
    for (enum fls_cpu_level level = 0; level < FLS_CPU_LEVEL_CNT; level++) {
        for (int i = 0; i < 3 && fls_cpu_has(level); i++) {
            struct fls_fast_counts counts = {{0}};
            struct fls_index index;
            struct fls_layout layout;
            uint32_t sz = (uint32_t)strlen(lines[i]);
            uint8_t *window = copy_window((const uint8_t *)lines[i], sz);

            assert_true(fls_layout_from_header(fls_span_of(formats[i]), &layout));
            fls_index_begin(&index, 0);
            batch.cnt = 0;
            assert_int_equal(
                variants[level](&layout, (struct fls_span){window, sz}, 0, &index, &batch, &counts),
                sz);
            free(window);
        }
    }
}

static void random_objects_come_out_as_the_slow_twin_says(void **unused)
{
    struct fls_line_counts sum = {0};
    struct bytes object = {0};
    struct fls_layout layout;

    (void)unused;
    for (int i = 0; i < 1500; i++) {
        random_object(&object, &layout);
        struct outcome *outcome = parse_all_ways((struct fls_span){object.at, object.sz}, &layout);
        assert_int_equal(outcome->counts.lines, outcome->counts.headers + outcome->counts.records +
                                                    outcome->counts.nodata +
                                                    outcome->counts.skipdata +
                                                    fls_malformed_sum(&outcome->counts));
        sum.records += outcome->counts.records;
        sum.headers += outcome->counts.headers;
        sum.nodata += outcome->counts.nodata;
        sum.skipdata += outcome->counts.skipdata;
        for (int k = 0; k < FLS_REASON_CNT; k++)
            sum.malformed[k] += outcome->counts.malformed[k];
        free_outcome(outcome);
    }
    free(object.at);
    /* The objects are worth the while. */
    assert_true(sum.records > 10000 && sum.headers > 1000 && sum.nodata > 500);
    assert_true(sum.skipdata > 500);
    for (int k = 0; k < FLS_REASON_CNT; k++)
        assert_true(sum.malformed[k] > 5);
}

/* --- the corpus --- */

static bool read_whole(const char *path, struct bytes *bytes)
{
    FILE *file = fopen(path, "rb");
    char block[65536];
    size_t sz;

    if (file == NULL)
        return false;
    bytes->sz = 0;
    while ((sz = fread(block, 1, sizeof(block), file)) > 0)
        add(bytes, block, sz);
    fclose(file);
    return true;
}

static uint64_t number_in(const json_t *truth, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(truth, name));
}

static uint64_t status_in(const json_t *truth, const char *status)
{
    return number_in(json_object_get(truth, "records_by_log_status"), status);
}

static bool has_name_end(const char *name, const char *end)
{
    size_t sz = strlen(name), end_sz = strlen(end);

    return sz >= end_sz && strcmp(name + sz - end_sz, end) == 0;
}

/* Truths that differ from the rules here: numbers beyond 2^63-1, and ${name} in a header. */
static void correct_truth(const char *name, uint64_t *records, uint64_t *headers,
                          uint64_t *malformed)
{
    if (strcmp(name, "overflow-values.log") == 0) {
        *records -= 2;
        *malformed += 2;
    } else if (strcmp(name, "console-dollar-format.log") == 0) {
        *headers += 1;
        *malformed -= 1;
    }
}

static void check_truth(const char *name, const json_t *truth, struct fls_span object)
{
    uint64_t headers = number_in(truth, "headers"), malformed = number_in(truth, "malformed");
    uint64_t nodata = status_in(truth, "NODATA"), skipdata = status_in(truth, "SKIPDATA");
    uint64_t records = number_in(truth, "records") - nodata - skipdata;
    struct outcome *outcome = parse_default(object);
    const struct fls_line_counts *counts = &outcome->counts;

    correct_truth(name, &records, &headers, &malformed);
    if (counts->lines != number_in(truth, "lines") - number_in(truth, "blank") ||
        counts->headers != headers || counts->records != records || counts->nodata != nodata ||
        counts->skipdata != skipdata || fls_malformed_sum(counts) != malformed)
        fail_msg("%s: lines %lu headers %lu records %lu nodata %lu skipdata %lu malformed %lu",
                 name, counts->lines, counts->headers, counts->records, counts->nodata,
                 counts->skipdata, fls_malformed_sum(counts));
    free_outcome(outcome);
}

/* Returns how many files were checked. */
static int check_folder(const char *folder)
{
    struct bytes text = {0};
    struct dirent *entry;
    char path[4096];
    int cnt = 0;
    DIR *listing = opendir(folder);

    if (listing == NULL)
        return 0;
    while ((entry = readdir(listing)) != NULL) {
        /* UTF-16 is refused before the parser. */
        if (!has_name_end(entry->d_name, ".log") || strcmp(entry->d_name, "utf16le.log") == 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s.truth.json", folder, entry->d_name);
        json_t *truth = json_load_file(path, 0, NULL);
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (truth != NULL && read_whole(path, &text) &&
            (text.sz < 2 || memcmp(text.at, "\x1f\x8b", 2) != 0)) {
            check_truth(entry->d_name, truth, (struct fls_span){text.at, text.sz});
            cnt++;
        }
        json_decref(truth);
    }
    closedir(listing);
    free(text.at);
    return cnt;
}

static void the_corpus_is_accounted_for(void **unused)
{
    const char *data = getenv("FLS_SHARED_DATA");
    char folder[4096];

    (void)unused;
    if (data == NULL)
        skip();
    snprintf(folder, sizeof(folder), "%s/corner", data);
    assert_true(check_folder(folder) >= 10);
    snprintf(folder, sizeof(folder), "%s/flowlogs", data);
    assert_true(check_folder(folder) >= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_the_default_format),
        cmocka_unit_test(form_is_tolerant),
        cmocka_unit_test(a_nul_is_a_byte_of_a_value),
        cmocka_unit_test(numbers),
        cmocka_unit_test(addresses),
        cmocka_unit_test(every_length_of_an_address_part),
        cmocka_unit_test(a_line_has_one_reason),
        cmocka_unit_test(headers_and_lines_are_told_apart),
        cmocka_unit_test(values_of_a_record),
        cmocka_unit_test(absent_values_of_a_record),
        cmocka_unit_test(action_counts_by_its_exact_bytes),
        cmocka_unit_test(own_side_is_told_for_ipv6_only),
        cmocka_unit_test(the_first_of_a_field_named_twice_counts),
        cmocka_unit_test(a_header_sets_the_layout_of_what_follows),
        cmocka_unit_test(a_header_in_the_same_layout_does_not_end_a_batch),
        cmocka_unit_test(a_new_object_begins_without_what_was_before),
        cmocka_unit_test(an_object_may_lack_its_last_newline),
        cmocka_unit_test(empty_lines_are_numbered_but_not_counted),
        cmocka_unit_test(the_first_samples_of_each_reason_are_kept),
        cmocka_unit_test(a_sample_is_cut_between_bytes),
        cmocka_unit_test(a_line_has_at_most_64_kib),
        cmocka_unit_test(a_longer_line_is_counted_once),
        cmocka_unit_test(too_long_comes_before_everything),
        cmocka_unit_test(a_window_of_many_batches),
        cmocka_unit_test(usual_lines_are_read_without_an_index),
        cmocka_unit_test(lines_next_to_usual_ones),
        cmocka_unit_test(usual_lines_with_names_of_each_size),
        cmocka_unit_test(usual_lines_with_numbers_of_each_size),
        cmocka_unit_test(usual_lines_with_any_addresses),
        cmocka_unit_test(lines_next_to_whole_ones),
        cmocka_unit_test(whole_lines_with_other_values),
        cmocka_unit_test(canonical_lines_take_the_fast_path),
        cmocka_unit_test(random_objects_come_out_as_the_slow_twin_says),
        cmocka_unit_test(the_corpus_is_accounted_for),
    };

    return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}

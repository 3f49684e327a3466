#include "ingest/parse.h"

#include "base/assert.h"
#include "ingest/parse_fast.h"
#include "ingest/parse_slow.h"

static fls_parse_fast_fn *const fast_of_level[FLS_CPU_LEVEL_CNT] = {
    [FLS_CPU_PORTABLE] = fls_parse_fast_portable,
#if defined(__x86_64__)
    [FLS_CPU_SSE2] = fls_parse_fast_sse2,
    [FLS_CPU_AVX2] = fls_parse_fast_avx2,
    [FLS_CPU_AVX512] = fls_parse_fast_avx512,
#endif
};

bool fls_cpu_has(enum fls_cpu_level level)
{
#if defined(__x86_64__)
    if (level == FLS_CPU_AVX512 &&
        !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
          __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2")))
        return false;
    if (level >= FLS_CPU_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
               __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
#endif
    return level < FLS_CPU_LEVEL_CNT && fast_of_level[level] != NULL;
}

void fls_parser_set_level(struct fls_parser *parser, enum fls_cpu_level level)
{
    fls_assert(fls_cpu_has(level));
    parser->level = level;
}

void fls_parser_init(struct fls_parser *parser, const struct fls_layout *headerless)
{
    fls_assert(headerless->cnt > 0);
    parser->headerless = *headerless;
    parser->level = FLS_CPU_LEVEL_CNT - 1;
    while (!fls_cpu_has(parser->level))
        parser->level--;
    fls_parser_begin(parser);
}

void fls_parser_begin(struct fls_parser *parser)
{
    parser->layout = parser->headerless;
    memset(&parser->counts, 0, sizeof(parser->counts));
    memset(parser->sample_cnt, 0, sizeof(parser->sample_cnt));
    parser->line = 0;
    parser->in_long_line = false;
}

static size_t print_byte(uint8_t c, char out[static 4])
{
    static const char hex[] = "0123456789abcdef";

    if (c >= 0x20 && c <= 0x7e && c != '\\') {
        out[0] = (char)c;
        return 1;
    }
    out[0] = '\\';
    out[1] = 'x';
    out[2] = hex[c >> 4];
    out[3] = hex[c & 15];
    return 4;
}

/* The line as people can see it; a text that does not fit ends in "...". */
static void print_sample(struct fls_span line, char text[static FLS_SAMPLE_TEXT_MAX])
{
    static const char cut[] = "...";
    const size_t room = FLS_SAMPLE_TEXT_MAX - 1;
    size_t sz = 0, cut_at = 0;

    for (size_t i = 0; i < line.sz; i++) {
        char byte[4];
        size_t byte_sz = print_byte(line.at[i], byte);

        if (sz + byte_sz > room) {
            memcpy(text + cut_at, cut, sizeof(cut));
            return;
        }
        memcpy(text + sz, byte, byte_sz);
        sz += byte_sz;
        if (sz + sizeof(cut) - 1 <= room)
            cut_at = sz;
    }
    text[sz] = '\0';
}

static void count_malformed(struct fls_parser *parser, enum fls_reason reason, struct fls_span line)
{
    parser->counts.malformed[reason]++;
    if (parser->sample_cnt[reason] == FLS_SAMPLES_PER_REASON)
        return;
    struct fls_sample *sample = &parser->samples[reason][parser->sample_cnt[reason]++];
    sample->line = parser->line;
    if (line.sz > 0 && line.at[line.sz - 1] == '\r')
        line.sz--;
    print_sample(line, sample->text);
}

static void count_flow(struct fls_line_counts *counts, uint8_t kind, uint64_t cnt)
{
    counts->lines += cnt;
    if (kind == FLS_KIND_NODATA)
        counts->nodata += cnt;
    else if (kind == FLS_KIND_SKIPDATA)
        counts->skipdata += cnt;
    else
        counts->records += cnt;
}

/* One line of any kind; true if it changed the layout. */
static bool take_line(struct fls_parser *parser, const uint8_t *window, struct fls_span line,
                      struct fls_batch *batch)
{
    struct fls_layout header;
    struct fls_flow *flow = &batch->flow[batch->cnt];
    struct fls_verdict verdict =
        fls_parse_line_slow(&parser->layout, window, line, &header, flow,
                            batch->run + (size_t)batch->cnt * parser->layout.runs.cnt);

    parser->line++;
    switch (verdict.kind) {
    case FLS_LINE_EMPTY:
        return false;
    case FLS_LINE_FLOW:
        count_flow(&parser->counts, flow->kind, 1);
        batch->cnt++;
        return false;
    case FLS_LINE_MALFORMED:
        parser->counts.lines++;
        count_malformed(parser, verdict.reason, line);
        return false;
    case FLS_LINE_HEADER:
        break;
    }
    parser->counts.lines++;
    parser->counts.headers++;
    if (fls_layout_equal(&parser->layout, &header))
        return false;
    parser->layout = header;
    return true;
}

/* Skips what belongs to a line that is too long; returns where the next line begins, or the
 * window's size. */
static uint32_t skip_long_line(struct fls_parser *parser, struct fls_span window)
{
    const uint8_t *newline = memchr(window.at, '\n', window.sz);

    if (newline == NULL)
        return (uint32_t)window.sz;
    parser->in_long_line = false;
    return (uint32_t)(newline - window.at) + 1;
}

/* What a window that holds no end of its last line does with it: waits for more (false), or, since
 * no end that may come can make it short enough, begins to skip it. One byte more than a line's
 * most could still be a carriage return. */
static bool begin_long_line(struct fls_parser *parser, struct fls_span rest)
{
    if (rest.sz <= FLS_LINE_MAX + 1)
        return false;
    parser->line++;
    parser->counts.lines++;
    count_malformed(parser, FLS_REASON_TOO_LONG, rest);
    parser->in_long_line = true;
    return true;
}

/* Empty lines come by the million where somebody means harm. */
static uint32_t skip_empty_lines(struct fls_parser *parser, struct fls_span window, uint32_t at)
{
    uint32_t begin = at;

    while (at < window.sz && window.at[at] == '\n')
        at++;
    parser->line += at - begin;
    return at;
}

static void batch_begin(struct fls_batch *batch, const struct fls_layout *layout)
{
    batch->cnt = 0;
    batch->runs = layout->runs;
}

/* Canonical lines in bulk; returns where the first other one begins. */
static uint32_t take_fast(struct fls_parser *parser, struct fls_span window, uint32_t at,
                          struct fls_index *index, struct fls_batch *batch)
{
    struct fls_fast_counts counts = {{0}};
    uint32_t before = batch->cnt;

    at = fast_of_level[parser->level](&parser->layout, window, at, index, batch, &counts);
    parser->line += batch->cnt - before;
    for (uint8_t kind = FLS_KIND_RECORD; kind <= FLS_KIND_SKIPDATA; kind++)
        count_flow(&parser->counts, kind, counts.kind[kind]);
    return at;
}

size_t fls_parser_step(struct fls_parser *parser, struct fls_span window, bool is_last,
                       struct fls_batch *batch)
{
    struct fls_index index;
    uint32_t at = 0;

    fls_assert(window.sz < UINT32_MAX);
    batch_begin(batch, &parser->layout);
    if (parser->in_long_line && window.sz > 0)
        at = skip_long_line(parser, window);
    fls_index_begin(&index, at);
    while (at < window.sz && batch->cnt < FLS_BATCH_MAX) {
        at = take_fast(parser, window, at, &index, batch);
        if (batch->cnt == FLS_BATCH_MAX || at == window.sz)
            break;
        struct fls_span rest = {window.at + at, window.sz - at};
        const uint8_t *newline = memchr(rest.at, '\n', rest.sz);
        if (newline == NULL && !is_last)
            return begin_long_line(parser, rest) ? window.sz : at;
        uint32_t line_sz = newline != NULL ? (uint32_t)(newline - rest.at) : (uint32_t)rest.sz;
        bool is_changed = take_line(parser, window.at, (struct fls_span){rest.at, line_sz}, batch);
        at += line_sz + (newline != NULL);
        if (is_changed)
            break;
        at = skip_empty_lines(parser, window, at);
        fls_index_skip(&index, at);
    }
    return at;
}

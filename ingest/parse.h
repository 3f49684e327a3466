/* Text to records. A parser is fed windows of one object's decompressed bytes; it cuts lines,
 * recognises headers, and fills batches. Every line is accounted for in `counts`:
 * lines = headers + records + nodata + skipdata + malformed (by reason).
 *
 * Each process has its own parser; nothing is shared. */
#pragma once

#include "base/object.h"
#include "base/span.h"
#include "ingest/batch.h"
#include "ingest/layout.h"

#define FLS_LINE_MAX 65536U /* bytes of a line without its newline and carriage return */
/* What a caller must offer in one window so that the parser always gets on: a whole line, a time
 * stamp or byte order mark before it, its end. A longer line is consumed piece by piece. */
#define FLS_WINDOW_MIN (FLS_LINE_MAX + 256U)
#define FLS_WINDOW_PADDING 64U /* readable bytes after a window, of any value */

/* Which variant of the fast path; all of them, and the slow twin, give the same results. */
enum fls_cpu_level {
    FLS_CPU_PORTABLE,
    FLS_CPU_SSE2,
    FLS_CPU_AVX2,
    FLS_CPU_AVX512,
    FLS_CPU_LEVEL_CNT
};

struct fls_parser {
    struct fls_layout headerless;  /* of an object that begins without a header */
    struct fls_layout layout;      /* of the lines that follow */
    struct fls_line_counts counts; /* of this object; bytes and bytes_read are the caller's */
    struct fls_sample samples[FLS_REASON_CNT][FLS_SAMPLES_PER_REASON];
    uint32_t sample_cnt[FLS_REASON_CNT]; /* the first lines of each reason, in order of line */
    uint64_t line;                       /* number of the last line seen, empty ones too */
    bool in_long_line;                   /* the rest of a line that is too long is being skipped */
    enum fls_cpu_level level;
};

/* `headerless` is copied. The level is the highest that this machine has. */
void fls_parser_init(struct fls_parser *parser, const struct fls_layout *headerless);
/* True if this machine has what the level needs. */
bool fls_cpu_has(enum fls_cpu_level level);
/* For tests and comparisons. Precondition: fls_cpu_has(level). */
void fls_parser_set_level(struct fls_parser *parser, enum fls_cpu_level level);
/* A new object begins: counts are 0 and the layout is the headerless one again. */
void fls_parser_begin(struct fls_parser *parser);
/* Parses whole lines of the window into the batch (which it empties first) and returns how many
 * bytes of the window it is done with. It stops when no whole line is left, when the batch is full,
 * or after a header that changed the layout; so: call it until it returns 0, then offer a window
 * that begins at the first byte not consumed. With is_last the window ends the object, and what
 * stands after the last newline is a line too. FLS_WINDOW_PADDING bytes after it are readable.
 * Precondition: a window is smaller than 4 GiB (texts are 32-bit offsets). */
size_t fls_parser_step(struct fls_parser *parser, struct fls_span window, bool is_last,
                       struct fls_batch *batch);

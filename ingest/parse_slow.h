/* One line, whatever it looks like, by the plain rules: the fast path leaves to it everything that
 * is not canonical, and tests hold the fast path to its verdicts. */
#pragma once

#include "base/object.h"
#include "base/span.h"
#include "ingest/batch.h"
#include "ingest/layout.h"

enum fls_line_kind {
    FLS_LINE_EMPTY, /* blanks only: not a line, but numbered */
    FLS_LINE_HEADER,
    FLS_LINE_FLOW, /* flow->kind says which: RECORD, NODATA, SKIPDATA */
    FLS_LINE_MALFORMED
};

struct fls_verdict {
    enum fls_line_kind kind;
    enum fls_reason reason; /* of a malformed line */
};

/* `line` is without its newline (a carriage return may stand at its end) and lies in the window, in
 * which the runs are. A HEADER fills *header, a FLOW fills *flow (attributes: 0) and
 * layout->runs.cnt runs; else their content is undefined. */
struct fls_verdict fls_parse_line_slow(const struct fls_layout *layout, const uint8_t *window,
                                       struct fls_span line, struct fls_layout *header,
                                       struct fls_flow *flow, struct fls_run *run);

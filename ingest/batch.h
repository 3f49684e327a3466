/* What the parser hands to the router: up to FLS_BATCH_MAX well-formed lines. Flows are complete
 * but for `attributes`; the texts of the attributes stand in the parsed window, run by run. */
#pragma once

#include "base/span.h"
#include "ingest/layout.h"
#include "shm/flow.h"

#define FLS_BATCH_MAX 256U

/* A run of texts, from its first to its last byte. */
struct fls_run {
    uint32_t at; /* offset in the window given to fls_parser_step */
    uint32_t sz; /* > 0 */
};

struct fls_batch {
    uint32_t cnt;
    struct fls_text_runs runs;           /* of the layout */
    struct fls_flow flow[FLS_BATCH_MAX]; /* kind RECORD, NODATA or SKIPDATA */
    /* run k of line i is run[i * runs.cnt + k] */
    struct fls_run run[FLS_BATCH_MAX * FLS_ATTRIBUTE_CNT];
};

/* Takes a line's runs apart: the text of each attribute, of size 0 where it is `-`, or where the
 * layout lacks it. `run` are the line's runs.cnt runs. */
void fls_runs_split(const struct fls_text_runs *runs, const struct fls_run *run,
                    const uint8_t *window, struct fls_span text[static FLS_ATTRIBUTE_CNT]);

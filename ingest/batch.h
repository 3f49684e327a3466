/* What the parser hands to the router: up to FLS_BATCH_MAX well-formed lines. Flows are complete
 * but for `attributes`; the texts of the attributes are references into the parsed window. */
#pragma once

#include "ingest/layout.h"
#include "shm/flow.h"

#define FLS_BATCH_MAX 256U

struct fls_text_ref {
    uint32_t at; /* offset in the window given to fls_parser_step */
    uint32_t sz; /* 0: the field is `-`, which stands at `at` */
};

struct fls_batch {
    uint32_t cnt;
    uint32_t attribute_cnt;               /* how many attributes the layout has */
    uint8_t attribute[FLS_ATTRIBUTE_CNT]; /* which: enum fls_attribute, ascending */
    struct fls_text_runs runs;            /* of the layout */
    struct fls_flow flow[FLS_BATCH_MAX];  /* kind RECORD, NODATA or SKIPDATA */
    /* line i's attribute[k] is text[i * attribute_cnt + k] */
    struct fls_text_ref text[FLS_BATCH_MAX * FLS_ATTRIBUTE_CNT];
};

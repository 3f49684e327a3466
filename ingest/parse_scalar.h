/* What a variant of the fast path (parse_template.h) offers that has no instructions for values:
 * the general readers read all of them. */
#pragma once

#include "ingest/batch.h"

#include <stdbool.h>

#define FLS_READS_USUAL 0

static inline bool fls_read_ipv4(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    (void)at, (void)sz, (void)out;
    return false; /* fls_ip_parse reads both kinds */
}

static inline bool fls_read_ipv6(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    (void)at, (void)sz, (void)out;
    return false;
}

static inline uint32_t fls_read_usual(const uint8_t *window, uint32_t at, struct fls_flow *flow,
                                      struct fls_text_ref *texts)
{
    (void)window, (void)at, (void)flow, (void)texts;
    return 0; /* the indexed path reads all lines */
}

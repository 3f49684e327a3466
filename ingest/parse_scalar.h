/* What a variant of the fast path (parse_template.h) offers that has no instructions for values:
 * the general readers read all of them. */
#pragma once

#include "ingest/batch.h"

#include <stdbool.h>

#define FLS_READS_USUAL 0

static inline uint32_t fls_lowest_bit(uint64_t bits)
{
    return (uint32_t)__builtin_ctzll(bits | 1ULL << 63);
}

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

static inline bool fls_read_ipv4_pair(const uint8_t *a, uint32_t a_sz, const uint8_t *b,
                                      uint32_t b_sz, uint8_t out[32])
{
    (void)a, (void)a_sz, (void)b, (void)b_sz, (void)out;
    return false;
}

static inline bool fls_read_numbers(const struct fls_places *places, const uint8_t *window,
                                    const uint32_t *ends, struct fls_flow *flow)
{
    (void)places, (void)window, (void)ends, (void)flow;
    return false; /* one by one */
}

static inline uint32_t fls_read_usual(const uint8_t *window, uint32_t at, struct fls_flow *flow,
                                      struct fls_run *run)
{
    (void)window, (void)at, (void)flow, (void)run;
    return 0; /* the indexed path reads all lines */
}

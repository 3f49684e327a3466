/* HyperLogLogs as Redis has them: 2^14 registers, MurmurHash64A with Redis's seed. Built here,
 * set as a string, and then native: PFCOUNT and PFMERGE take them. */
#pragma once

#include "base/span.h"

#include <stdint.h>

#define FLS_HLL_REGISTERS 16384U
#define FLS_HLL_RANK_MAX 51U /* a register counts zeros of the 50 bits that are left, and one */
#define FLS_HLL_SZ 12304U    /* in Redis's dense form: 16 + 16384 * 6 / 8 bytes */

struct fls_hll {
    uint8_t registers[FLS_HLL_REGISTERS]; /* 0..FLS_HLL_RANK_MAX each; zeroed: empty */
};

/* Unique addresses of one scope. */
struct fls_uniques {
    struct fls_hll external_sources, own_addresses;
};

/* What an element is to every HyperLogLog; and adds one that was looked at so. */
uint64_t fls_hll_hash(struct fls_span element);
void fls_hll_add_hash(struct fls_hll *hll, uint64_t hash);
void fls_hll_add(struct fls_hll *hll, struct fls_span element);
/* Every register becomes the larger one of the two: the union. */
void fls_hll_merge(struct fls_hll *to, const struct fls_hll *from);
/* Redis's dense form. */
void fls_hll_encode(const struct fls_hll *hll, uint8_t out[static FLS_HLL_SZ]);

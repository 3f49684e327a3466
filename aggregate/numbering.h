/* The numbers that texts and IPv6 addresses have in a part, which are in their order; a shard's are
 * in the order of their appearance. */
#pragma once

#include "aggregate/shard.h"
#include "base/span.h"

#include <stdint.h>

struct fls_numbering {
    /* Of one day: */
    uint32_t *symbols;      /* symbol of the shard -> number in the part */
    struct fls_span *texts; /* of the part: what occurs on the day, "" and "unknown" */
    uint32_t text_cnt;
    /* Of all days: */
    uint32_t *ipv6_ranks;   /* number of the shard -> rank in the order of addresses */
    uint32_t *ipv6_numbers; /* the reverse */
};

/* Bytes it may take for so many symbols and IPv6 addresses. */
uint64_t fls_numbering_sz(uint64_t symbol_cnt, uint64_t ipv6_cnt);
/* Orders the addresses; the shard is complete and does not change before it is freed. */
void fls_numbering_init(struct fls_numbering *numbering, const struct fls_shard *shard);
/* Orders the texts of a day of the shard. */
void fls_numbering_begin_day(struct fls_numbering *numbering, const struct fls_shard *shard,
                             const struct fls_shard_day *day);
void fls_numbering_fini(struct fls_numbering *numbering);

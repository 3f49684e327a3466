/* A shard's figures: what the records of one epoch, or of a piece of it, add to each day's tables.
 * The memory is the aggregator's own.
 *
 * A record is counted in the rows of its minute, destination port, conversation and combination of
 * attributes; the other tables are summed from these at the end, since such rows are far fewer than
 * records. What a record lacks for a conversation or a port is counted at once. */
#pragma once

#include "base/day.h"
#include "base/pages.h"
#include "shm/flow.h"
#include "shm/message.h"

#include <stdint.h>

/* What a shard knows of one ingest's numbers, in the current epoch. */
struct fls_shard_source {
    uint32_t *symbols;    /* symbol of the ingest -> symbol of the shard */
    uint32_t *attributes; /* attributes of the ingest -> attributes of the shard */
    uint32_t symbol_cnt, symbol_max;
    uint32_t attribute_cnt, attribute_max;
};

/* A day, and what each combination of attributes brought to it. */
struct fls_shard_day {
    struct fls_day figures;
    struct fls_counters *by_attributes; /* by combination; attributes_max of them, whole pages */
    uint32_t attributes_max;
    uint32_t row_high[FLS_TABLE_CNT]; /* rows whose pages are held since earlier epochs */
};

/* Of a symbol: with which account it was last seen in a combination, and as which attributes. */
struct fls_shard_use {
    uint32_t account;
    uint32_t attributes; /* bit 1 << enum fls_attribute */
};
static_assert(FLS_ATTRIBUTE_CNT <= 32, "one bit each");

struct fls_shard {
    struct fls_names names;
    struct fls_dictionary attributes;  /* FLS_ATTRIBUTE_CNT symbols each */
    struct fls_dictionary day_numbers; /* day, 4 bytes -> place in days[] */
    struct fls_shard_day **days;       /* days[0..day_cnt) are of this epoch, those behind spare */
    uint32_t day_cnt, day_max;
    struct fls_shard_source *sources;
    uint32_t source_cnt;
    struct fls_shard_day *last_day; /* of the record before */
    struct fls_shard_use *uses;     /* by symbol */
    uint32_t use_max;
    uint64_t attribute_rows; /* that the combinations make in the tables of a day, or more */
};

/* Bytes of by_attributes, whole pages. */
static inline uint64_t fls_shard_by_attributes_sz(uint32_t attributes_max)
{
    uint64_t sz = attributes_max * (uint64_t)sizeof(struct fls_counters);

    return (sz + FLS_PAGE_SZ - 1) / FLS_PAGE_SZ * FLS_PAGE_SZ;
}

void fls_shard_init(struct fls_shard *shard, uint32_t source_cnt);
void fls_shard_fini(struct fls_shard *shard);
/* A SYMBOL or ATTRIBUTES message of ring `source`. */
void fls_shard_define(struct fls_shard *shard, uint32_t source, const struct fls_message *message);
/* Counts records of ring `source`, all cnt of them unless a day is new, which takes much memory:
 * then those of its batch are the last. Returns how many, at least 1. Precondition: cnt >= 1. */
uint32_t fls_shard_count(struct fls_shard *shard, uint32_t source, const struct fls_flow *flows,
                         uint32_t cnt) __attribute__((warn_unused_result));
/* Sums the tables that follow from others; the days are then complete, and nothing more may be
 * counted before they are forgotten. */
void fls_shard_complete(struct fls_shard *shard);
/* Forgets the epoch, keeps the pages. */
void fls_shard_clear(struct fls_shard *shard);
/* In the middle of an epoch: forgets the rows and gives their pages back. What the sources have
 * defined stays. */
void fls_shard_release(struct fls_shard *shard);

/* The symbols of a combination, FLS_ATTRIBUTE_CNT of them. */
const uint32_t *fls_shard_symbols(const struct fls_shard *shard, uint32_t attributes);
uint64_t fls_shard_rows(const struct fls_shard *shard);
/* Bytes of address space held. */
uint64_t fls_shard_bytes(const struct fls_shard *shard);
/* Of these, what fls_shard_release does not give back: all that the sources have defined. */
uint64_t fls_shard_defined_bytes(const struct fls_shard *shard);
/* At least the memory that is needed to complete the days and to write them as parts, these
 * included. */
uint64_t fls_shard_closing_bytes(const struct fls_shard *shard);

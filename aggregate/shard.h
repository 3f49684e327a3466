/* A shard's figures: what the records of one epoch add to each day's tables. The memory is the
 * aggregator's own.
 *
 * A record is counted in the rows of its minute, destination port, conversation and combination of
 * attributes; the other tables are summed from these when the epoch ends, since such rows are far
 * fewer than records. What a record lacks for a conversation or a port is counted at once. */
#pragma once

#include "base/day.h"
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
};

struct fls_shard {
    struct fls_names names;
    struct fls_dictionary attributes;  /* FLS_ATTRIBUTE_CNT symbols each */
    struct fls_dictionary day_numbers; /* day, 4 bytes -> place in days[] */
    struct fls_shard_day **days;       /* days[0..day_cnt) are of this epoch, those behind spare */
    uint32_t day_cnt, day_max;
    struct fls_shard_source *sources;
    uint32_t source_cnt;
    struct fls_shard_day *last_day; /* of the record before */
};

void fls_shard_init(struct fls_shard *shard, uint32_t source_cnt);
void fls_shard_fini(struct fls_shard *shard);
/* A SYMBOL or ATTRIBUTES message of ring `source`. */
void fls_shard_define(struct fls_shard *shard, uint32_t source, const struct fls_message *message);
/* Counts cnt records of ring `source`. */
void fls_shard_count(struct fls_shard *shard, uint32_t source, const struct fls_flow *flows,
                     uint32_t cnt);
/* Sums the tables that follow from others; the epoch's days are then complete. Once an epoch. */
void fls_shard_close_epoch(struct fls_shard *shard);
/* Forgets the epoch, keeps the pages. */
void fls_shard_clear(struct fls_shard *shard);
uint64_t fls_shard_rows(const struct fls_shard *shard);
uint64_t fls_shard_bytes(const struct fls_shard *shard);

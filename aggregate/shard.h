/* A shard's figures: what the records of one epoch, or of a piece of it, add to each day and
 * account. The memory is the aggregator's own.
 *
 * A record is counted in the rows of its minute, conversation and combination of attributes, and of
 * its destination port where the conversation does not tell it; the other tables are summed from
 * these at the end (aggregate/derive.h), since such rows are far fewer than records. What a record
 * lacks for a conversation or a port is counted at once. Each account of a day has tables of its
 * own: an object has records of one account, or of few, so what is looked up for them is near. */
#pragma once

#include "aggregate/addresses.h"
#include "aggregate/tally.h"
#include "base/dictionary.h"
#include "shm/flow.h"
#include "shm/message.h"

#include <stdbool.h>
#include <stdint.h>

/* What a shard knows of one ingest's numbers, in the current epoch. */
struct fls_shard_source {
    uint32_t *symbols;    /* symbol of the ingest -> symbol of the shard */
    uint32_t *attributes; /* attributes of the ingest -> attributes of the shard */
    uint32_t symbol_cnt, symbol_max;
    uint32_t attribute_cnt, attribute_max;
};

/* The tables that are not of attributes; the totals are summed from the combinations. */
#define FLS_SHARD_TABLES (FLS_TABLE_CONVERSATION + 1)
static_assert(FLS_TABLE_CONVERSATION < FLS_TABLE_ACCOUNT, "the tables of attributes are the last");

/* Rows of minutes that an account has at hand: a few minutes follow one another, mixed, each with
 * what of it was accepted, rejected and neither. */
#define FLS_SHARD_MINUTES 16U

/* An account on one day. */
struct fls_shard_account {
    uint32_t symbol;
    uint32_t minute_rows[FLS_SHARD_MINUTES]; /* numbers of rows that may be those of minutes now */
    struct fls_tally tables[FLS_SHARD_TABLES]; /* by enum fls_table_id */
};

struct fls_shard_day {
    uint32_t day; /* FLS_DAY_UNKNOWN or days since 1970 */
    uint32_t account_max;
    struct fls_shard_account **accounts; /* by number of the account; NULL: it has no record */
    uint32_t account_cnt;                /* that have one */
    uint32_t attributes_max;
    struct fls_counters *by_attributes; /* by combination; attributes_max, whole pages */
};

/* Of a symbol: with which account it was last seen in a combination, and as which attributes. */
struct fls_shard_use {
    uint32_t account;
    uint32_t number;     /* as an account: 1 + its number, 0 if it is none */
    uint32_t attributes; /* bit 1 << enum fls_attribute */
};
static_assert(FLS_ATTRIBUTE_CNT <= 32, "one bit each");

struct fls_shard {
    struct fls_dictionary symbols; /* texts; FLS_SYMBOL_ABSENT is the first */
    struct fls_addresses ipv6;
    struct fls_dictionary attributes; /* FLS_ATTRIBUTE_CNT symbols each */
    uint32_t *accounts;               /* by combination: number of its account, from 0 on */
    uint32_t account_cnt, accounts_max;
    struct fls_dictionary day_numbers; /* day, 4 bytes -> place in days[] */
    struct fls_shard_day **days;
    uint32_t day_cnt, day_max;
    uint64_t record_cnt; /* since rows were forgotten */
    uint64_t day_sz;     /* bytes of days and accounts without their tables */
    struct fls_tally_pool pool;
    struct fls_shard_source *sources;
    uint32_t source_cnt;
    struct fls_shard_day *last_day; /* of the record before */
    struct fls_shard_use *uses;     /* by symbol */
    uint32_t use_max;
    uint64_t attribute_rows; /* that the combinations make in the tables of a day, or more */
};

void fls_shard_init(struct fls_shard *shard, uint32_t source_cnt);
void fls_shard_fini(struct fls_shard *shard);
/* A SYMBOL or ATTRIBUTES message of ring `source`. */
void fls_shard_define(struct fls_shard *shard, uint32_t source, const struct fls_message *message);
/* Counts records of ring `source`, all cnt of them unless a day is new, which takes much memory:
 * then those of its batch are the last. Returns how many, at least 1. Precondition: cnt >= 1. */
uint32_t fls_shard_count(struct fls_shard *shard, uint32_t source, const struct fls_flow *flows,
                         uint32_t cnt) __attribute__((warn_unused_result));
/* Forgets the epoch, keeps the pages. */
void fls_shard_clear(struct fls_shard *shard);
/* In the middle of an epoch: forgets the rows and gives their pages back. What the sources have
 * defined stays. */
void fls_shard_release(struct fls_shard *shard);

/* The symbols of a combination, FLS_ATTRIBUTE_CNT of them. */
const uint32_t *fls_shard_symbols(const struct fls_shard *shard, uint32_t attributes);
/* True if a row could become full if more is counted. */
bool fls_shard_is_full(const struct fls_shard *shard);
/* Rows that were counted in; those of sums are not among them. */
uint64_t fls_shard_rows(const struct fls_shard *shard);
/* Bytes of memory held. */
uint64_t fls_shard_bytes(const struct fls_shard *shard);
/* Of these, what fls_shard_release does not give back: all that the sources have defined. */
uint64_t fls_shard_defined_bytes(const struct fls_shard *shard);
/* At least the memory that is needed to write the days as parts, these included. */
uint64_t fls_shard_closing_bytes(const struct fls_shard *shard);

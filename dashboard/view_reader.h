/* Reads the published view from Redis: one epoch whole, never a mixture of two. The layout of the
 * keys is base/keys.def's. What is not in that layout is told as damaged, not guessed at. */
#pragma once

#include "base/counters.h"
#include "base/object.h"
#include "base/span.h"
#include "base/tables.h"
#include "base/wire.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Days that one transaction reads: longer ranges are read in pieces, so that the server answers
 * others in between, and begin again if the epoch changed. */
#define FLS_READ_DAYS_MAX 32U
#define FLS_READ_TRIES_MAX 10U /* readings that met a change of the epoch */

struct fls_published_row {
    struct fls_span key;
    struct fls_counters counters;
};

/* A table of one day and scope; all zero where the scope has no row of it. */
struct fls_published_table {
    uint64_t distinct; /* number of keys, if known; at least row_cnt */
    bool distinct_is_known;
    struct fls_counters max_error;
    uint32_t row_cnt;
    struct fls_published_row *rows; /* by key bytes ascending, each key once */
};

/* True if rows of the table gave way, for want of room: then each row's figures are too low by at
 * most max_error, and a key without a row had at most that. */
static inline bool fls_published_gave_way(const struct fls_published_table *table)
{
    return table->max_error.value[FLS_FLOWS] > 0;
}

struct fls_published_day {
    uint32_t day;
    struct fls_published_table tables[FLS_TABLE_CNT];
};

struct fls_published_failed {
    struct fls_span object;
    struct fls_span reason;
};

struct fls_published_sample {
    struct fls_span text; /* "object:line: text" */
    enum fls_reason reason;
    uint32_t number;
};

/* What is read: the organisation or one account, of no day, one or several. */
struct fls_published_choice {
    const char *account; /* printable text; NULL: the organisation */
    bool day_given;      /* else the newest day held, or none if none is */
    uint32_t day_first;  /* inclusive; both equal for one day or FLS_DAY_UNKNOWN */
    uint32_t day_last;
};

struct fls_published {
    uint64_t epoch;
    uint32_t top_k; /* of the tables that are cut to their top rows, at least 1 */
    uint64_t objects;
    struct fls_line_counts counts;
    struct fls_account_lines lines; /* of the account, or of all */
    uint32_t failed_cnt, sample_cnt, account_cnt, held_cnt, day_cnt;
    struct fls_published_failed *failed;  /* by object bytes ascending */
    struct fls_published_sample *samples; /* by reason as reasons.def has it, then number */
    struct fls_span *accounts;            /* bytes ascending */
    uint32_t *held;                       /* days, ascending, unknown last */
    struct fls_published_day *days;       /* the chosen ones, ascending */
    uint64_t external_sources;            /* unique over the chosen days, estimated by Redis */
    uint64_t own_addresses;
    redisReply **replies; /* own the bytes of all spans */
    uint32_t reply_cnt;
};

/* Reads what is chosen of the deployment `name` over the wire that was opened for it. 0, and the
 * caller calls fls_published_fini; or nothing is held and the text says what to do (it may hold
 * bytes of Redis or of the user, made printable):
 * -ENOENT nothing published, or no such day or account; -EPROTO the layout is not this program's or
 * damaged; -EAGAIN the epoch changed under each of FLS_READ_TRIES_MAX readings, or what Redis
 * answers passes by itself; -EREMOTE another node of a cluster has the keys now; -EIO and others,
 * the connection or the server failed. But for the first three the wire is closed. */
int fls_published_read(struct fls_published *published, struct fls_wire *wire, const char *name,
                       const struct fls_published_choice *choice, char *error, size_t error_max);
void fls_published_fini(struct fls_published *published);

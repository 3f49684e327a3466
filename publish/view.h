/* The published view: writes figures to Redis, staged beside and swapped in by one transaction, so
 * that a reader sees one epoch whole. It knows texts and numbers only; who counted them is not its
 * matter. One user: the publisher.
 *
 * A cycle: begin, any number of put and drop calls, commit. Staged commands go out in pipelines of
 * bounded size. After any error the connection is thrown away (-ENOTCONN from then on); the caller
 * opens the view again and publishes everything again if the epoch it finds is not the one it
 * committed. Errors: -ESTALE, another publisher has taken the deployment over (do not open again);
 * -ENODATA, Redis was emptied or replaced; those of fls_redis_error; the connection's. */
#pragma once

#include "base/counters.h"
#include "base/hll.h"
#include "base/object.h"
#include "base/redis.h"
#include "base/span.h"
#include "base/tables.h"

#include <stdbool.h>

#define FLS_VIEW_LEDGER_MAX 64U /* bytes of a state's identity with its NUL */

struct fls_view_row {
    struct fls_span key; /* as reports show it, printable */
    struct fls_counters counters;
};

struct fls_view_table {
    enum fls_table_id id;
    uint64_t distinct;      /* number of keys */
    bool distinct_is_known; /* false once rows gave way */
    struct fls_counters max_error;
    uint32_t row_cnt; /* published rows, in any order */
    const struct fls_view_row *rows;
};

/* All that is published of one day and one account, or of the organisation. */
struct fls_view_scope {
    uint32_t day;
    const char *account; /* printable; NULL for the organisation */
    uint32_t table_cnt;  /* tables that have rows, or had some that gave way */
    const struct fls_view_table *tables;
    const uint8_t
        *external_sources; /* FLS_HLL_SZ bytes each, in Redis's dense format; NULL: none */
    const uint8_t *own_addresses;
};

struct fls_view_failed {
    const char *object; /* printable */
    const char *reason;
};

struct fls_view_lines {
    const char *account; /* printable */
    struct fls_account_lines lines;
};

struct fls_view_sample {
    enum fls_reason reason;
    uint32_t number;  /* 0.. within the reason */
    const char *text; /* "object:line: text", printable */
};

struct fls_view_input {
    uint64_t objects;
    struct fls_line_counts counts;
    uint32_t failed_cnt, lines_cnt, sample_cnt, day_cnt, account_cnt;
    const struct fls_view_failed *failed;
    const struct fls_view_lines *lines;
    const struct fls_view_sample *samples;
    const uint32_t *days;        /* that hold records */
    const char *const *accounts; /* of these days, printable */
    uint32_t top_k;
    const char *ledger; /* identity of the state: at most FLS_VIEW_LEDGER_MAX - 1 bytes */
};

/* What Redis holds of the deployment; all 0 if nothing (or another schema's). */
struct fls_view_held {
    uint64_t epoch;
    uint32_t top_k;
    char ledger[FLS_VIEW_LEDGER_MAX];
};

struct fls_view;

/* Connects and takes the deployment over: sets the incarnation to one more than found, or to the
 * time where there is none. Warns once when the server's maxmemory-policy may evict keys without a
 * TTL. 0, or -errno and a text; -EINVAL for a name that is none (base/keys.h). */
int fls_view_open(struct fls_view **view, const struct fls_redis_address *address, const char *name,
                  char *error, size_t error_max);
/* Gives up a cycle that is open. NULL is fine. */
void fls_view_close(struct fls_view *view);
/* Reads what Redis holds now. */
int fls_view_hold(struct fls_view *view, struct fls_view_held *held);
/* 0 if Redis still holds this publisher's incarnation; else -ESTALE or -ENODATA, or what is wrong,
 * and a cycle is over. */
int fls_view_check_incarnation(struct fls_view *view);
/* Removes what an interrupted cycle left staged, and starts one. With `afresh` the commit also
 * removes every key of the deployment that this cycle did not put. */
int fls_view_begin(struct fls_view *view, bool afresh);
/* Stages the scope in place of what is published of it (its tables without rows vanish), and of
 * what was put of it before in this cycle. */
int fls_view_put_scope(struct fls_view *view, const struct fls_view_scope *scope);
int fls_view_put_input(struct fls_view *view, const struct fls_view_input *input);
/* All that is published of the day, or was put of it in this cycle, vanishes with the commit. */
int fls_view_drop_day(struct fls_view *view, uint32_t day);
/* Swaps the staged keys in and sets the epoch, in one transaction that fails (-ESTALE) if another
 * publisher has taken the deployment over since. It is carried out whole or not at all, also if
 * the connection is lost meanwhile; should Redis carry it out in part (a staged key was evicted),
 * the epoch is removed and the error is -EIO. Others wait for about 30 ms for each 1,000 scopes.
 * The cycle is over then, whatever came out. */
int fls_view_commit(struct fls_view *view, uint64_t epoch);
/* What went wrong last, in words: connection lost, READONLY, OOM, LOADING, MISCONF, ... */
const char *fls_view_failure(const struct fls_view *view);

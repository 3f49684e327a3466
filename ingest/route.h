/* Records to rings: gives each record its attributes' id, chooses its shard by its account, and
 * counts the lines of each account. */
#pragma once

#include "ingest/intern.h"
#include "shm/metrics.h"

/* Lines of the accounts of one object, by symbol of the account. */
struct fls_account_tally {
    struct fls_account_lines *lines; /* by symbol */
    uint32_t max;
    uint32_t *touched; /* the symbols that have lines */
    uint32_t touched_cnt, touched_max;
};

#define FLS_NO_ACCOUNT UINT32_MAX /* no symbol */

struct fls_router {
    struct fls_interner interner;
    struct fls_producer *rings; /* one of each shard */
    uint32_t ring_cnt;
    struct {
        uint32_t from, to; /* rings */
        uint32_t left;     /* records */
    } detour;
    struct {
        uint32_t ring; /* that was full last */
        uint64_t ns;   /* waited for it since another one was */
    } stall;
    struct fls_account_tally tally;
    struct {
        uint32_t symbol; /* FLS_NO_ACCOUNT: there was none */
        uint32_t home;   /* its ring */
        struct fls_account_lines *lines;
    } account;              /* of the line before, of this object */
    struct fls_quota quota; /* of the object */
    struct fls_metrics *metrics;
};

void fls_router_init(struct fls_router *router, const struct fls_ring *rings, uint32_t ring_cnt,
                     struct fls_metrics *metrics);
void fls_router_fini(struct fls_router *router);
/* Pushes the batch's records, waiting where a ring is full; returns how many. It stops where the
 * object passes its quota (fls_quota_excess), which is to fail it. The last ones may stay behind
 * until more are pushed, or the router is flushed. */
uint32_t fls_router_push(struct fls_router *router, struct fls_batch *batch, const uint8_t *window);
/* Hands over what stayed behind: before a wait for anything but room in a ring. */
void fls_router_flush(struct fls_router *router);
/* The next object begins: no account has lines, and the quota is whole. */
void fls_router_begin_object(struct fls_router *router);
/* Ends the epoch in every ring. Between objects. */
void fls_router_barrier(struct fls_router *router, bool is_last);

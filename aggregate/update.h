/* Additions to rows of a shard's tables, looked up together: enough of them to hide the misses, few
 * enough for the first cache. */
#pragma once

#include "aggregate/tally.h"

struct fls_update {
    struct fls_tally *tally;
    const struct fls_tally_row *figures; /* valid until they are carried out */
    uint32_t a, b, rest;                 /* the key, with the sides to be set */
    uint32_t hash;
    uint32_t maybe; /* 1 + the number of a row that was asked for; 0: none */
};

#define FLS_UPDATES_MAX 128U

struct fls_updates {
    struct fls_tally_pool *pool;
    uint32_t cnt;
    struct fls_update at[FLS_UPDATES_MAX];
};

/* Precondition: there is room. */
static inline void fls_updates_plan(struct fls_updates *updates, struct fls_tally *tally,
                                    uint32_t a, uint32_t b, uint32_t rest,
                                    const struct fls_tally_row *figures)
{
    uint32_t hash = fls_tally_hash(a, b, rest);
    struct fls_update *update = &updates->at[updates->cnt++];

    fls_tally_prefetch_slot(tally, hash);
    update->tally = tally;
    update->figures = figures;
    update->a = a;
    update->b = b;
    update->rest = rest;
    update->hash = hash;
}

static inline void fls_updates_carry_out(struct fls_updates *updates)
{
    for (uint32_t i = 0; i < updates->cnt; i++) {
        struct fls_update *update = &updates->at[i];

        update->maybe = fls_tally_prefetch_row(update->tally, update->hash);
    }
    for (uint32_t i = 0; i < updates->cnt; i++) {
        const struct fls_update *update = &updates->at[i];

        fls_tally_add(fls_tally_upsert_maybe(update->tally, updates->pool, update->a, update->b,
                                             update->rest, update->hash, update->maybe),
                      update->figures, update->rest & FLS_TALLY_SIDES);
    }
    updates->cnt = 0;
}

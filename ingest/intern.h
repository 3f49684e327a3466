/* The texts of records as numbers: each distinct combination of attributes gets an id, which is
 * told to every ring before the first record that uses it. Forgotten at each barrier, so that it
 * is bounded by what one epoch brings. */
#pragma once

#include "base/dictionary.h"
#include "base/object.h"
#include "ingest/batch.h"
#include "ingest/quota.h"
#include "shm/ring.h"

/* Texts and combinations of an epoch, FLS_QUOTA_COMBINATION_SZ more for each combination. An ingest
 * that has more at an object's end wants the epoch closed; with the quota of one object, this
 * bounds what it and the shards hold of texts. */
#define FLS_INTERNER_SZ_MAX (64ULL << 20)

/* Combinations found last, by their fingerprint: few make nearly all records of an object. */
#define FLS_INTERNER_RECENT 1024U

struct fls_interner_account {
    uint32_t symbol;
    uint32_t hash; /* of its text: the same in every ingest, and in every epoch */
};

struct fls_interner {
    struct fls_dictionary symbols;         /* texts; number 0 is the absent one */
    struct fls_dictionary combinations;    /* texts of all attributes as they stand in a record */
    struct fls_interner_account *accounts; /* by combination */
    uint32_t account_max;
    uint8_t *scratch; /* the combination being looked up */
    size_t scratch_max;
    uint32_t recent[FLS_INTERNER_RECENT]; /* 1 + id; 0: none */
};

void fls_interner_init(struct fls_interner *interner);
void fls_interner_fini(struct fls_interner *interner);
/* True from FLS_INTERNER_SZ_MAX on. */
bool fls_interner_is_full(const struct fls_interner *interner);
/* Forgets everything: after a barrier has been pushed into every ring. */
void fls_interner_clear(struct fls_interner *interner);
/* The id of line i's combination of attributes; *is_new: its symbols and itself are to be told with
 * fls_interner_tell. `window` is what the batch refers to. */
uint32_t fls_interner_find(struct fls_interner *interner, const struct fls_batch *batch, uint32_t i,
                           const uint8_t *window, bool *is_new);
/* Defines what the batch's line i brought that is new, in every ring; returns nanoseconds waited.
 */
uint64_t fls_interner_tell(struct fls_interner *interner, const struct fls_batch *batch, uint32_t i,
                           const uint8_t *window, uint32_t id, struct fls_producer *rings,
                           uint32_t ring_cnt);

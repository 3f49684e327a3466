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

/* Combinations found last, each as its texts stand in a line: few make nearly all records of an
 * object. Memory for all, and for one of them; how much one takes follows the longest, and one
 * beyond the most is looked up anew each time. */
#define FLS_INTERNER_RECENT_SZ (256U << 10)
#define FLS_INTERNER_ENTRY_SZ_MIN 64U
#define FLS_INTERNER_ENTRY_SZ_MAX 512U

struct fls_interner_account {
    uint32_t symbol;
    uint32_t hash; /* of its text: the same in every ingest, and in every epoch */
};

struct fls_interner_recent {
    struct fls_text_runs runs; /* of the layout whose lines these are */
    uint32_t age;              /* entries of another one are none; never 0 */
    uint32_t entry_sz;         /* a power of 2 */
    uint8_t *entries; /* FLS_INTERNER_RECENT_SZ bytes, by hash of the texts; see intern.c */
};

struct fls_interner {
    struct fls_dictionary symbols;         /* texts; number 0 is the absent one */
    struct fls_dictionary combinations;    /* texts of all attributes as they stand in a record */
    struct fls_interner_account *accounts; /* by combination */
    uint32_t account_max;
    uint8_t *scratch; /* the combination being looked up */
    size_t scratch_max;
    struct fls_interner_recent recent;
};

void fls_interner_init(struct fls_interner *interner);
void fls_interner_fini(struct fls_interner *interner);
/* True from FLS_INTERNER_SZ_MAX on. */
bool fls_interner_is_full(const struct fls_interner *interner);
/* Forgets everything: after a barrier has been pushed into every ring. */
void fls_interner_clear(struct fls_interner *interner);
/* Gives the batch's lines from i on the ids of their combinations of attributes, up to the first
 * one whose combination is new: that one is to be told, and then found. Returns its number, or the
 * batch's cnt. `window` is what the batch refers to, with FLS_WINDOW_PADDING bytes behind it. */
uint32_t fls_interner_find(struct fls_interner *interner, struct fls_batch *batch, uint32_t i,
                           const uint8_t *window);
/* Takes the combination of the batch's line i, which is new, and defines what it brought in every
 * ring; returns nanoseconds waited. */
uint64_t fls_interner_tell(struct fls_interner *interner, const struct fls_batch *batch, uint32_t i,
                           const uint8_t *window, struct fls_producer *rings, uint32_t ring_cnt);

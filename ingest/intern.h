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
 * object. One of more than FLS_INTERNER_IMAGE_MAX bytes is looked up anew each time; where there is
 * no room for another one, all are forgotten. */
#define FLS_INTERNER_IMAGES_SZ (1U << 20)
#define FLS_INTERNER_IMAGE_MAX 1024U
#define FLS_INTERNER_PLACES_LOG 13U
#define FLS_INTERNER_PLACES (1U << FLS_INTERNER_PLACES_LOG) /* of each kind */

struct fls_interner_account {
    uint32_t symbol;
    uint32_t hash; /* of its text: the same in every ingest, and in every epoch */
};

/* Where the image of a combination found last is. */
struct fls_interner_place {
    uint32_t age; /* the interner's when it was made */
    uint32_t at;  /* in images[] */
};

struct fls_interner_recent {
    struct fls_text_runs runs; /* of the layout whose lines these are */
    uint32_t age;              /* places of another one are empty; never 0 */
    uint32_t images_sz;
    uint8_t *images; /* see intern.c */
    /* by the hash of the last bytes of the runs, and by that of all */
    struct fls_interner_place by_ends[FLS_INTERNER_PLACES], by_all[FLS_INTERNER_PLACES];
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
 * ring, one after the other; returns nanoseconds waited for room. What is open in the other rings
 * is not handed over before. */
uint64_t fls_interner_tell(struct fls_interner *interner, const struct fls_batch *batch, uint32_t i,
                           const uint8_t *window, struct fls_producer *rings, uint32_t ring_cnt);

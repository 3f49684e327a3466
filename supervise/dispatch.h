/* Hands the objects out: which goes to which ingest, how far ahead, which ones are to be read
 * again, and which ones apart from all others. Touches no data: it opens objects and passes
 * descriptors.
 *
 * Work goes in turns, each with epochs of its own:
 *
 *   FRESH   what was found, any number of objects at a time
 *
 *   REDO    the whole objects of an epoch that a damaged one spoiled, and nothing else: none of
 *           them is spoilt a second time, so each object is read at most twice
 *
 *   ALONE   one object that was open when processes died of a fault, twice: if it kills its
 *           reader again, it was this one */
#pragma once

#include "shm/work.h"
#include "supervise/jobs.h"
#include "supervise/topology.h"

/* How far ahead of an ingest objects are handed out: enough to keep many reads in flight, little
 * enough that the last objects are spread evenly. */
#define FLS_AHEAD_OBJECTS_MAX 32U
#define FLS_AHEAD_BYTES_MAX (8U << 20) /* beyond the first two objects */
#define FLS_AHEAD_OBJECTS_MIN 2U

#define FLS_SUSPECT_DEATHS 2U /* an object open in so many is read alone */

enum fls_turn { FLS_TURN_FRESH, FLS_TURN_REDO, FLS_TURN_ALONE };

/* What an ingest was handed and has not told that it is done with, in the order in which it reads
 * them. */
struct fls_lane {
    uint32_t jobs[FLS_AHEAD_OBJECTS_MAX];
    uint32_t cnt;
    uint32_t begun; /* after a death: how many of them it had begun; the last of these it read */
    uint64_t bytes;
};

struct fls_dispatch {
    struct fls_jobs jobs;
    struct fls_job_queue fresh, redo, suspects; /* waiting */
    struct fls_job_queue read;                  /* in epochs that are not over */
    struct fls_lane lanes[FLS_INGEST_MAX];
    enum fls_turn turn;
    uint32_t alone;                    /* the job whose turn it is, FLS_JOB_NONE in other turns */
    uint64_t objects, bytes;           /* found so far */
    uint64_t done_objects, done_bytes; /* of them; what is read again is not done meanwhile */
    uint64_t open_epoch_objects;       /* done in an epoch that was not asked to close yet */
    bool wants_epoch; /* an ingest reads nothing more before the open epoch closes */
    bool has_stopped; /* nothing is handed out any more */
};

void fls_dispatch_init(struct fls_dispatch *dispatch);
void fls_dispatch_fini(struct fls_dispatch *dispatch);
/* The object is to be read. Takes the input's texts over; false, and they stay the caller's, if an
 * object of this name is there already. */
bool fls_dispatch_add(struct fls_dispatch *dispatch, const struct fls_input *input);

/* Hands out what the ingests have room for. False if one of them is gone. */
bool fls_dispatch_hand_out(struct fls_dispatch *dispatch, const struct fls_topology *topology);
/* Takes what ingest `number` has done; asked_epoch: the last epoch that was asked to close. */
void fls_dispatch_take_done(struct fls_dispatch *dispatch, const struct fls_topology *topology,
                            uint32_t number, uint64_t asked_epoch);
/* News of publish: the object is to be read again; it does not count (true the first time); all of
 * this and of earlier epochs that is not to be read again is done with. */
void fls_dispatch_redo(struct fls_dispatch *dispatch, uint64_t object_id);
bool fls_dispatch_fail(struct fls_dispatch *dispatch, uint64_t object_id);
void fls_dispatch_end_epoch(struct fls_dispatch *dispatch, uint64_t epoch);

/* True if what is found later may come to the epoch that is open. */
bool fls_dispatch_may_get_more(const struct fls_dispatch *dispatch);
/* True if nothing is left to hand out in this turn, and nothing is being read. */
bool fls_dispatch_is_idle(struct fls_dispatch *dispatch);
/* The turn is over, and all epochs are: begins the next one. False if no object is left. */
bool fls_dispatch_next_turn(struct fls_dispatch *dispatch);

/* Processes have died. What ingest `number` told before was taken; next_id is 1 + the number of the
 * object that it began last, 0 if none. */
void fls_dispatch_note_begun(struct fls_dispatch *dispatch, uint32_t number, uint64_t next_id);
/* A process died of a fault: what ingest `number` was reading, or, if it was no ingest
 * (FLS_INGEST_MAX), all that was begun in the open epochs, was open then. */
void fls_dispatch_blame(struct fls_dispatch *dispatch, uint32_t number);
/* All processes are gone: what was handed out and is not in the ledger waits again, suspects apart.
 * 0 or -errno of the ledger. */
int fls_dispatch_recover(struct fls_dispatch *dispatch, struct fls_ledger *ledger);
/* The object whose turn it was alone is given up. */
void fls_dispatch_give_up(struct fls_dispatch *dispatch);

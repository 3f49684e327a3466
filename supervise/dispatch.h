/* Hands the work list out: which object goes to which ingest, how far ahead, and which ones are to
 * be read again. Touches no data: it opens objects and passes descriptors. */
#pragma once

#include "shm/work.h"
#include "supervise/inputs.h"
#include "supervise/topology.h"

/* How far ahead of an ingest objects are handed out: enough to keep many reads in flight, little
 * enough that the last objects are spread evenly. */
#define FLS_AHEAD_OBJECTS_MAX 32U
#define FLS_AHEAD_BYTES_MAX (8U << 20) /* beyond the first two objects */
#define FLS_AHEAD_OBJECTS_MIN 2U

struct fls_dispatch {
    const struct fls_inputs *inputs;
    uint64_t next;  /* of inputs->items, not handed out yet */
    uint64_t *redo; /* numbers of items to be read again */
    uint64_t redo_cnt, redo_max;
    uint32_t ahead_objects[FLS_INGEST_MAX]; /* handed out and not done, by ingest */
    uint64_t ahead_bytes[FLS_INGEST_MAX];
    uint64_t done_objects, done_bytes; /* of the list; what is read again counts once more */
    uint64_t open_epoch_objects;       /* done in an epoch that was not asked to close yet */
    bool has_stopped;                  /* nothing is handed out any more */
};

void fls_dispatch_init(struct fls_dispatch *dispatch, const struct fls_inputs *inputs);
void fls_dispatch_fini(struct fls_dispatch *dispatch);
/* Hands out what the ingests have room for. False if one of them is gone. */
bool fls_dispatch_hand_out(struct fls_dispatch *dispatch, const struct fls_topology *topology);
/* Takes what ingest `number` has done; asked_epoch: the last epoch that was asked to close. */
void fls_dispatch_take_done(struct fls_dispatch *dispatch, const struct fls_topology *topology,
                            uint32_t number, uint64_t asked_epoch);
/* The object is to be read again. */
void fls_dispatch_redo(struct fls_dispatch *dispatch, uint64_t object_id);
/* True if no object is left to hand out, and none is being read. */
bool fls_dispatch_is_idle(const struct fls_dispatch *dispatch);

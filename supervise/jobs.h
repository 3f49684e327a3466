/* The objects that a run still has to do with: found, and neither counted nor given up yet. Each
 * has a number, which is its own while it is there and is given to another one later, and is found
 * by its name. */
#pragma once

#include "supervise/inputs.h"

#include <stdbool.h>
#include <stdint.h>

enum fls_job_state {
    FLS_JOB_WAITING, /* to be handed out */
    FLS_JOB_AHEAD,   /* handed out to an ingest that is not done with it */
    FLS_JOB_READ     /* read to its end, or to where it fails; its epoch is not over */
};

struct fls_job {
    struct fls_input input; /* its texts are the job's; path NULL: the number is free */
    uint64_t epoch;         /* READ: in which it was read, of this generation */
    enum fls_job_state state;
    uint32_t deaths; /* of processes by a fault, while it was open */
    bool has_failed; /* it was told to the user */
    uint32_t next;   /* in its chain: 1 + number, 0 at the end */
};

#define FLS_JOB_NONE UINT32_MAX

/* All 0: none. */
struct fls_jobs {
    struct fls_job *at; /* by number; [0..cnt) have been given away once */
    uint32_t cnt, max;
    uint32_t free;      /* chain of free numbers, as `next` */
    uint32_t *chains;   /* by hash of the name: 1 + number of the first, 0 if none */
    uint32_t chain_cnt; /* power of two */
    uint32_t held;      /* jobs that are there */
};

void fls_jobs_fini(struct fls_jobs *jobs);
/* Takes the input's texts over and returns the number of its job. Its name must be new: see find.
 */
uint32_t fls_jobs_add(struct fls_jobs *jobs, const struct fls_input *input);
/* The job of the object of this name, FLS_JOB_NONE if there is none. */
uint32_t fls_jobs_find(const struct fls_jobs *jobs, const char *name);
/* Forgets the job and frees its texts. */
void fls_jobs_remove(struct fls_jobs *jobs, uint32_t number);

/* Numbers in a row, taken from the front and put to either end. All 0: empty. */
struct fls_job_queue {
    uint32_t *at; /* a ring of `max` places, a power of two */
    uint32_t first, cnt, max;
};

void fls_job_queue_fini(struct fls_job_queue *queue);
void fls_job_queue_push(struct fls_job_queue *queue, uint32_t number);
void fls_job_queue_push_front(struct fls_job_queue *queue, uint32_t number);
/* The first one, which is there. */
uint32_t fls_job_queue_front(const struct fls_job_queue *queue);
uint32_t fls_job_queue_pop(struct fls_job_queue *queue);

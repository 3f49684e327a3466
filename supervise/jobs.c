#include "supervise/jobs.h"

#include "base/array.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define CHAINS_FIRST 1024U
#define QUEUE_FIRST 64U

/* ---- jobs ---- */

void fls_jobs_fini(struct fls_jobs *jobs)
{
    for (uint32_t i = 0; i < jobs->cnt; i++)
        free(jobs->at[i].input.path);
    free(jobs->at);
    free(jobs->chains);
    *jobs = (struct fls_jobs){0};
}

static uint32_t *chain_of(const struct fls_jobs *jobs, const char *name)
{
    return &jobs->chains[XXH3_64bits(name, strlen(name)) & (jobs->chain_cnt - 1)];
}

static void link_job(struct fls_jobs *jobs, uint32_t number)
{
    uint32_t *chain = chain_of(jobs, jobs->at[number].input.name);

    jobs->at[number].next = *chain;
    *chain = number + 1;
}

/* As many chains as jobs: one look each. */
static void grow_chains(struct fls_jobs *jobs)
{
    free(jobs->chains);
    jobs->chain_cnt = jobs->chain_cnt ? jobs->chain_cnt * 2 : CHAINS_FIRST;
    jobs->chains = fls_array_new(jobs->chain_cnt, sizeof(*jobs->chains));
    for (uint32_t i = 0; i < jobs->cnt; i++)
        if (jobs->at[i].input.path)
            link_job(jobs, i);
}

static uint32_t take_number(struct fls_jobs *jobs)
{
    uint32_t number = jobs->free - 1;

    if (jobs->free) {
        jobs->free = jobs->at[number].next;
        return number;
    }
    fls_assert(jobs->cnt < FLS_JOB_NONE);
    fls_array_reserve(jobs->at, jobs->max, (size_t)jobs->cnt + 1);
    return jobs->cnt++;
}

uint32_t fls_jobs_add(struct fls_jobs *jobs, const struct fls_input *input)
{
    uint32_t number;

    if (jobs->held == jobs->chain_cnt)
        grow_chains(jobs);
    number = take_number(jobs);
    jobs->at[number] = (struct fls_job){.input = *input};
    jobs->held++;
    link_job(jobs, number);
    return number;
}

uint32_t fls_jobs_find(const struct fls_jobs *jobs, const char *name)
{
    if (jobs->chain_cnt == 0)
        return FLS_JOB_NONE;
    for (uint32_t at = *chain_of(jobs, name); at; at = jobs->at[at - 1].next)
        if (strcmp(jobs->at[at - 1].input.name, name) == 0)
            return at - 1;
    return FLS_JOB_NONE;
}

void fls_jobs_remove(struct fls_jobs *jobs, uint32_t number)
{
    struct fls_job *job = &jobs->at[number];
    uint32_t *link = chain_of(jobs, job->input.name);

    fls_assert(number < jobs->cnt && job->input.path);
    while (*link != number + 1) {
        fls_assert(*link);
        link = &jobs->at[*link - 1].next;
    }
    *link = job->next;
    free(job->input.path);
    *job = (struct fls_job){.next = jobs->free};
    jobs->free = number + 1;
    jobs->held--;
}

/* ---- queues ---- */

void fls_job_queue_fini(struct fls_job_queue *queue)
{
    free(queue->at);
    *queue = (struct fls_job_queue){0};
}

static uint32_t *place(const struct fls_job_queue *queue, uint32_t i)
{
    return &queue->at[(queue->first + i) & (queue->max - 1)];
}

static void make_room(struct fls_job_queue *queue)
{
    struct fls_job_queue larger = {.cnt = queue->cnt,
                                   .max = queue->max ? queue->max * 2 : QUEUE_FIRST};

    if (queue->cnt < queue->max)
        return;
    larger.at = fls_array_new(larger.max, sizeof(*larger.at));
    for (uint32_t i = 0; i < queue->cnt; i++)
        larger.at[i] = *place(queue, i);
    free(queue->at);
    *queue = larger;
}

void fls_job_queue_push(struct fls_job_queue *queue, uint32_t number)
{
    make_room(queue);
    *place(queue, queue->cnt++) = number;
}

void fls_job_queue_push_front(struct fls_job_queue *queue, uint32_t number)
{
    make_room(queue);
    queue->first = (queue->first - 1) & (queue->max - 1);
    queue->at[queue->first] = number;
    queue->cnt++;
}

uint32_t fls_job_queue_front(const struct fls_job_queue *queue)
{
    fls_assert(queue->cnt > 0);
    return *place(queue, 0);
}

uint32_t fls_job_queue_pop(struct fls_job_queue *queue)
{
    uint32_t number = fls_job_queue_front(queue);

    queue->first = (queue->first + 1) & (queue->max - 1);
    queue->cnt--;
    return number;
}

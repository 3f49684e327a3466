#include "base/threads.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/cores.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct jobs {
    void (*job)(void *, unsigned number);
    void *context;
    unsigned cnt;
    _Atomic unsigned next;
};

static void *work(void *argument)
{
    struct jobs *jobs = argument;
    unsigned number;

    /* numbers only have to differ: results are handed over by the join */
    while ((number = atomic_fetch_add_explicit(&jobs->next, 1, memory_order_relaxed)) < jobs->cnt)
        jobs->job(jobs->context, number);
    return NULL;
}

void fls_threads_run(unsigned thread_max, unsigned job_cnt, void (*job)(void *, unsigned number),
                     void *context)
{
    struct jobs jobs = {.job = job, .context = context, .cnt = job_cnt};
    unsigned thread_cnt = thread_max < job_cnt ? thread_max : job_cnt, started = 0;
    uint32_t core_cnt = fls_core_cnt();
    pthread_t *threads;

    fls_assert(thread_max >= 1);
    if (thread_cnt > core_cnt)
        thread_cnt = core_cnt;
    threads = fls_array_new(thread_cnt, sizeof(*threads));
    while (started + 1 < thread_cnt && pthread_create(&threads[started], NULL, work, &jobs) == 0)
        started++;
    work(&jobs);
    for (unsigned i = 0; i < started; i++)
        fls_assert(pthread_join(threads[i], NULL) == 0);
    free(threads);
}

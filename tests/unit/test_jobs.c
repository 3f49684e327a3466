/* The table of jobs and their queues against simple models. */
#include "supervise/jobs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NAMES 5000U
#define STEPS 200000U

static uint32_t random_below(uint32_t limit)
{
    static uint64_t state = 88172645463325252ULL;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % limit;
}

/* As a scan makes them: the path, and the name behind it. */
static struct fls_input input_of(uint32_t i)
{
    struct fls_input input = {.size = i};
    char path[32], name[32];
    size_t path_sz = (size_t)snprintf(path, sizeof(path), "/logs/%u.gz", i) + 1;

    snprintf(name, sizeof(name), "name-%u", i);
    input.path = malloc(path_sz + sizeof(name));
    assert_non_null(input.path);
    memcpy(input.path, path, path_sz);
    input.name = strcpy(input.path + path_sz, name);
    return input;
}

static void jobs_come_and_go(void **state)
{
    static uint32_t numbers[NAMES]; /* 1 + number of the job of each name, 0: it is not there */
    struct fls_jobs jobs = {0};
    uint32_t held = 0;
    char name[32];

    (void)state;
    for (uint32_t step = 0; step < STEPS; step++) {
        uint32_t i = random_below(step < STEPS / 2 ? NAMES : NAMES / 50), found;

        snprintf(name, sizeof(name), "name-%u", i);
        found = fls_jobs_find(&jobs, name);
        assert_int_equal(found, numbers[i] ? numbers[i] - 1 : FLS_JOB_NONE);
        if (numbers[i]) {
            assert_int_equal(jobs.at[found].input.size, i);
            fls_jobs_remove(&jobs, found);
            numbers[i] = 0;
            held--;
        } else {
            struct fls_input input = input_of(i);

            numbers[i] = fls_jobs_add(&jobs, &input) + 1;
            held++;
        }
        assert_int_equal(jobs.held, held);
        assert_true(jobs.cnt <= NAMES); /* numbers are used again */
    }
    fls_jobs_fini(&jobs);
}

static void queues_keep_their_order(void **state)
{
    static uint32_t model[STEPS * 2];
    uint32_t first = STEPS, end = STEPS;
    struct fls_job_queue queue = {0};

    (void)state;
    for (uint32_t step = 0; step < STEPS; step++) {
        switch (random_below(5)) {
        case 0:
        case 1:
            model[end++] = step;
            fls_job_queue_push(&queue, step);
            break;
        case 2:
            model[--first] = step;
            fls_job_queue_push_front(&queue, step);
            break;
        default:
            if (first == end)
                break;
            assert_int_equal(fls_job_queue_front(&queue), model[first]);
            assert_int_equal(fls_job_queue_pop(&queue), model[first++]);
        }
        assert_int_equal(queue.cnt, end - first);
    }
    fls_job_queue_fini(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_come_and_go),
        cmocka_unit_test(queues_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

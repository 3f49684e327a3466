/* Jobs side by side: each is done once, in whatever thread, and also where no thread is to be had;
 * and how many cores there are for them. */
#include "scratch.h"

#include "base/cores.h"
#include "base/threads.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#define JOBS_MAX 200000U /* long enough for other threads to begin as well */
#define LONG_S 30        /* nothing here takes so long unless it hangs */

static unsigned done[JOBS_MAX]; /* how many times; each is one job's, plain as results are */

static void do_job(void *context, unsigned number)
{
    assert_ptr_equal(context, done);
    done[number]++;
}

static void expect_all_done(unsigned thread_max, unsigned job_cnt)
{
    memset(done, 0, sizeof(done));
    fls_threads_run(thread_max, job_cnt, do_job, done);
    for (unsigned i = 0; i < JOBS_MAX; i++)
        assert_int_equal(done[i], i < job_cnt);
}

static void each_is_done_once(void **state)
{
    static const unsigned cnts[] = {0, 1, 2, 3, 20, JOBS_MAX};

    (void)state;
    for (size_t i = 0; i < sizeof(cnts) / sizeof(cnts[0]); i++)
        for (unsigned threads = 1; threads <= 5; threads++)
            expect_all_done(threads, cnts[i]);
}

static sem_t begun[2];
static bool have_met[2];

static void meet(void *context, unsigned number)
{
    struct timespec end;

    (void)context;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += LONG_S;
    sem_post(&begun[number]);
    have_met[number] = sem_timedwait(&begun[!number], &end) == 0;
}

static void two_are_done_at_a_time(void **state)
{
    (void)state;
    if (fls_core_cnt() < 2)
        skip();
    for (int i = 0; i < 2; i++)
        assert_int_equal(sem_init(&begun[i], 0, 0), 0);
    fls_threads_run(2, 2, meet, NULL);
    assert_true(have_met[0] && have_met[1]);
}

static void without_threads_the_caller_does_all(void **state)
{
    const struct rlimit none = {0, 0};
    pid_t child;
    int status;

    (void)state;
    child = fork();
    if (child == 0) {
        if (getuid() == 0 && setuid(65534) != 0) /* root has no such limit */
            _exit(1);
        if (setrlimit(RLIMIT_NPROC, &none) != 0 || fork() >= 0 || errno != EAGAIN)
            _exit(2);
        fls_threads_run(4, JOBS_MAX, do_job, memset(done, 0, sizeof(done)));
        for (unsigned i = 0; i < JOBS_MAX; i++)
            if (done[i] != 1)
                _exit(3);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void cores_are_those_that_may_be_used(void **state)
{
    cpu_set_t all, one;
    int first = 0;

    (void)state;
    if (sched_getaffinity(0, sizeof(all), &all) != 0)
        skip();
    assert_int_equal(fls_core_cnt(), CPU_COUNT(&all));
    while (!CPU_ISSET(first, &all))
        first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
    assert_int_equal(fls_core_cnt(), 1);
    assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_done_once),
        cmocka_unit_test(two_are_done_at_a_time),
        cmocka_unit_test(without_threads_the_caller_does_all),
        cmocka_unit_test(cores_are_those_that_may_be_used),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

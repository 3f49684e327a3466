/* The one clock of the program: monotonic nanoseconds. Wall time never decides a figure; it says
 * which days are still to come (publish/commit.c). */
#pragma once

#include <stdint.h>
#include <time.h>

#define FLS_NS_PER_S 1000000000ULL
#define FLS_NS_PER_MS 1000000ULL

/* A time that a file system keeps, before 1970 as well. */
static inline int64_t fls_timespec_ns(struct timespec time)
{
    return time.tv_sec * (int64_t)FLS_NS_PER_S + time.tv_nsec;
}

static inline uint64_t fls_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * FLS_NS_PER_S + (uint64_t)now.tv_nsec;
}

/* The one clock of the program: monotonic nanoseconds. Wall time never decides a figure. */
#pragma once

#include <stdint.h>
#include <time.h>

#define FLS_NS_PER_S 1000000000ULL
#define FLS_NS_PER_MS 1000000ULL

static inline uint64_t fls_clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * FLS_NS_PER_S + (uint64_t)now.tv_nsec;
}

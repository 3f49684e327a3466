/* Asking for a cache line before it is needed. */
#pragma once

/* The empty statement has a purpose: GCC 12 takes a function that does nothing but ask for lines
 * for one without effects, and leaves calls of it out. */
static inline void fls_prefetch(const void *at)
{
    __builtin_prefetch(at);
    __asm__ volatile("");
}

static inline void fls_prefetch_to_write(void *at)
{
    __builtin_prefetch(at, 1);
    __asm__ volatile("");
}

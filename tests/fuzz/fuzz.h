/* What the fuzz targets share. A target is one file, fuzz_NAME.c: its LLVMFuzzerTestOneInput takes
 * any bytes and ends the process if a promise of the code is broken. It runs under libFuzzer (make
 * fuzz) and over its corpus alone (make check, by replay.c). */
#pragma once

#include "base/span.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz);

/* A promise: always on. */
#define fuzz_check(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Takes a number of sz bytes (at most 8) off the input; bytes that are missing are 0. */
static inline uint64_t fuzz_take(struct fls_span *input, unsigned sz)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < sz && input->sz > 0; i++) {
        value |= (uint64_t)*input->at++ << (8 * i);
        input->sz--;
    }
    return value;
}

/* A copy with nothing but `more` bytes of 0 behind it, to be freed: who reads or writes beyond
 * them is found. */
static inline uint8_t *fuzz_copy(struct fls_span bytes, size_t more)
{
    uint8_t *copy = malloc(bytes.sz + more + (bytes.sz + more == 0));

    fuzz_check(copy != NULL);
    if (bytes.sz > 0)
        memcpy(copy, bytes.at, bytes.sz);
    memset(copy + bytes.sz, 0, more);
    return copy;
}

/* xorshift64*; the state is not 0. */
static inline uint64_t fuzz_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 2685821657736338717ULL;
}

/* 0..limit-1 */
static inline size_t fuzz_below(uint64_t *state, size_t limit)
{
    return (size_t)((fuzz_random(state) >> 16) % limit);
}

/* Random numbers of the generator: integers only, so that equal seeds give equal numbers on every
 * machine. */
#pragma once

#include <stdint.h>

struct fls_random {
    uint64_t state;
};

/* Spreads a number over 64 bits (the finaliser of splitmix64, after Steele, Lea and Flood). */
static inline uint64_t fls_random_mix(uint64_t value)
{
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
    return value ^ (value >> 31);
}

/* The same 64 bits for the same three numbers: what the generator's world is made of. */
static inline uint64_t fls_random_of(uint64_t seed, uint64_t kind, uint64_t index)
{
    uint64_t mixed = fls_random_mix(seed + 0x9e3779b97f4a7c15ULL);

    mixed = fls_random_mix((mixed ^ kind) + 0x9e3779b97f4a7c15ULL);
    return fls_random_mix((mixed ^ index) + 0x9e3779b97f4a7c15ULL);
}

static inline uint64_t fls_random_next(struct fls_random *random)
{
    random->state += 0x9e3779b97f4a7c15ULL;
    return fls_random_mix(random->state);
}

/* 0..limit-1, for limits far below 2^32 (the bias is limit / 2^32). */
static inline uint32_t fls_random_below(struct fls_random *random, uint32_t limit)
{
    return (uint32_t)(((fls_random_next(random) >> 32) * limit) >> 32);
}

/* 0..2^octaves-2, each octave [2^k-1, 2^(k+1)-2] equally likely: the chance of a rank falls with
 * its inverse, as in Zipf's law. 1 <= octaves <= 30. */
static inline uint32_t fls_random_zipf(struct fls_random *random, uint32_t octaves)
{
    uint64_t bits = fls_random_next(random);
    uint32_t octave = (uint32_t)(((bits >> 32) * octaves) >> 32);

    return ((1U << octave) - 1) + ((uint32_t)bits & ((1U << octave) - 1));
}

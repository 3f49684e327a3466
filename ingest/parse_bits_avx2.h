/* Bits and bytes with BMI and AVX2: for variants of the fast path that have both. Included by them
 * alone. */
#pragma once

#include <immintrin.h>
#include <stdint.h>

FLS_FAST_TARGET static inline uint32_t fls_lowest_bit(uint64_t bits)
{
    return (uint32_t)_tzcnt_u64(bits);
}

/* Where in 64 bytes the byte stands. */
FLS_FAST_TARGET static inline uint64_t fls_places_of(const uint8_t *at, char byte)
{
    const __m256i bytes = _mm256_set1_epi8(byte);
    __m256i first = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)at), bytes);
    __m256i second = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(at + 32)), bytes);

    return (uint32_t)_mm256_movemask_epi8(first) | (uint64_t)(uint32_t)_mm256_movemask_epi8(second)
                                                       << 32;
}

/* The fast path with AVX2 and what came with it (SSSE3's shuffles, BMI, POPCNT). */
#if defined(__x86_64__)

#include "ingest/parse_fast.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define FLS_FAST fls_parse_fast_avx2
#define FLS_FAST_TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))
#define FLS_FAST_INLINE FLS_FAST_TARGET static inline __attribute__((always_inline))

FLS_FAST_TARGET static inline uint64_t fls_block_ends(const uint8_t *at, uint64_t *spaces)
{
    const __m256i space = _mm256_set1_epi8(0x20);
    __m256i first = _mm256_loadu_si256((const __m256i *)at);
    __m256i second = _mm256_loadu_si256((const __m256i *)(at + 32));
    __m256i first_end = _mm256_cmpeq_epi8(_mm256_min_epu8(first, space), first);
    __m256i second_end = _mm256_cmpeq_epi8(_mm256_min_epu8(second, space), second);

    *spaces = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(first, space)) |
              (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(second, space)) << 32;
    return (uint32_t)_mm256_movemask_epi8(first_end) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(second_end) << 32;
}

#include "ingest/parse_bits_avx2.h"

#include "ingest/parse_ends.h"

#include "ingest/parse_usual_avx2.h"

#include "ingest/parse_template.h"

#endif

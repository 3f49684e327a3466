/* The fast path with AVX2 and what came with it (SSSE3's shuffles, BMI, POPCNT). */
#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define FLS_FAST fls_parse_fast_avx2
#define FLS_FAST_TARGET __attribute__((target("avx2,bmi,bmi2,popcnt")))

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

/* For each length 1..3 of an address's four parts, how to move its digits to four times four bytes:
 * nothing, hundreds, tens, ones. 0x80 makes a zero. */
#define NONE 0x80
#define PART(at, sz) NONE, (sz) == 3 ? (at) : NONE, (sz) >= 2 ? (at) + (sz)-2 : NONE, (at) + (sz)-1
#define SPREAD(a, b, c, d)                                                                         \
    {PART(0, a), PART((a) + 1, b), PART((a) + (b) + 2, c), PART((a) + (b) + (c) + 3, d)},
#define EACH_D(a, b, c) SPREAD(a, b, c, 1) SPREAD(a, b, c, 2) SPREAD(a, b, c, 3)
#define EACH_C(a, b) EACH_D(a, b, 1) EACH_D(a, b, 2) EACH_D(a, b, 3)
#define EACH_B(a) EACH_C(a, 1) EACH_C(a, 2) EACH_C(a, 3)
static const uint8_t spread[81][16] __attribute__((aligned(16))) = {EACH_B(1) EACH_B(2) EACH_B(3)};

FLS_FAST_TARGET static inline bool fls_read_ipv4(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    const __m128i text = _mm_loadu_si128((const __m128i *)at);
    const __m128i weights = _mm_set1_epi32(1 << 24 | 10 << 16 | 100 << 8);
    uint32_t dots = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(text, _mm_set1_epi8('.')));

    dots = sz < 16 ? dots & ((1U << sz) - 1) : 0;
    if (__builtin_popcount(dots) != 3)
        return false;
    uint32_t dot1 = (uint32_t)__builtin_ctz(dots);
    dots &= dots - 1;
    uint32_t dot2 = (uint32_t)__builtin_ctz(dots);
    dots &= dots - 1;
    uint32_t dot3 = (uint32_t)__builtin_ctz(dots);
    /* The parts' lengths, less 1; an empty part wraps around. */
    uint32_t a = dot1 - 1, b = dot2 - dot1 - 2, c = dot3 - dot2 - 2, d = sz - dot3 - 2;
    if ((a > 2) | (b > 2) | (c > 2) | (d > 2))
        return false;

    __m128i places = _mm_load_si128((const __m128i *)spread[a * 27 + b * 9 + c * 3 + d]);
    __m128i digits = _mm_shuffle_epi8(_mm_sub_epi8(text, _mm_set1_epi8('0')), places);
    __m128i parts = _mm_madd_epi16(_mm_maddubs_epi16(digits, weights), _mm_set1_epi16(1));
    __m128i wrong = _mm_or_si128(_mm_subs_epu8(digits, _mm_set1_epi8(9)),
                                 _mm_cmpgt_epi32(parts, _mm_set1_epi32(255)));
    /* As many digits as the values need, or some part has a zero in front. Two bits a digit. */
    __m128i needed = _mm_packs_epi32(_mm_cmpgt_epi32(parts, _mm_set1_epi32(9)),
                                     _mm_cmpgt_epi32(parts, _mm_set1_epi32(99)));
    if (!_mm_testz_si128(wrong, wrong) ||
        (uint32_t)__builtin_popcount((uint32_t)_mm_movemask_epi8(needed)) != 2 * (sz - 7))
        return false;
    __m128i low_bytes = _mm_set_epi32(-1, -1, -1, 12 << 24 | 8 << 16 | 4 << 8);
    _mm_storeu_si128((__m128i *)out, _mm_shuffle_epi8(parts, low_bytes));
    return true;
}

#include "ingest/parse_template.h"

#endif

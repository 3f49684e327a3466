/* All numbers of a line at once, with AVX2, wherever its layout has them. Included by parse_avx2.c
 * alone. */
#pragma once

#include "base/calendar.h"
#include "ingest/digits.h"
#include "ingest/layout.h"
#include "shm/flow.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

/* What the digits 0..9 of eight numbers say, eight of each: in each half those of a, then b. */
FLS_FAST_INLINE __m256i join_digits(__m256i a, __m256i b)
{
    const __m256i tens = _mm256_set1_epi16(1 << 8 | 10);
    const __m256i hundreds = _mm256_set1_epi32(1 << 16 | 100);
    const __m256i ten_thousands = _mm256_set1_epi32(1 << 16 | 10000);

    a = _mm256_madd_epi16(_mm256_maddubs_epi16(a, tens), hundreds);
    b = _mm256_madd_epi16(_mm256_maddubs_epi16(b, tens), hundreds);
    return _mm256_madd_epi16(_mm256_packus_epi32(a, b), ten_thousands);
}

#define NUMBER_SZ_MAX 8U /* of all but times, */
#define TIME_SZ 10U      /* which have so many */

_Static_assert(9999999999ULL <= FLS_START_MAX, "what has ten digits is in range");

/* The digits of one number at the end of eight bytes, zeros before them, or zeros alone where the
 * layout lacks it; bits from 3 on of *sizes are set if it has none, or more. */
FLS_FAST_INLINE int64_t number_digits(const struct fls_places *places, enum fls_number number,
                                      const uint8_t *window, const uint32_t *ends, uint32_t *sizes)
{
    int32_t place = places->number[number];
    uint32_t begin = ends[place - 1] + 1, sz = ends[place] - begin;
    uint64_t digits = fls_load_le64(window + begin) ^ FLS_EACH_BYTE('0');

    *sizes |= (sz - 1) & (uint32_t)places->mask[number];
    return (int64_t)(digits << (-(8 * sz) & 63) & places->mask[number]);
}

/* Likewise the last eight of a time; its first two are added to *above. */
FLS_FAST_INLINE int64_t time_digits(const struct fls_places *places, enum fls_number number,
                                    const uint8_t *window, const uint32_t *ends, uint32_t *sizes,
                                    uint64_t *above)
{
    int32_t place = places->number[number];
    uint32_t begin = ends[place - 1] + 1, sz = ends[place] - begin;
    const uint8_t *at = window + begin;
    uint64_t digits = fls_load_le64(at + 2) ^ FLS_EACH_BYTE('0');
    uint32_t tens = at[0] - '0', ones = at[1] - '0';

    *sizes |=
        ((sz ^ TIME_SZ) | (tens > 9) << 3 | (ones > 9) << 3) << 3 & (uint32_t)places->mask[number];
    *above = (tens * 10U + ones) * 100000000ULL;
    return (int64_t)(digits & places->mask[number]);
}

FLS_FAST_INLINE bool fls_read_numbers(const struct fls_places *places, const uint8_t *window,
                                      const uint32_t *ends, struct fls_flow *flow)
{
#define DIGITS_OF(number) number_digits(places, FLS_NUMBER_##number, window, ends, &sizes)
#define TIME_OF(number, above) time_digits(places, FLS_NUMBER_##number, window, ends, &sizes, above)
    const __m256i nine = _mm256_set1_epi8(9);
    uint32_t sizes = 0;
    uint64_t above, ignored;
    __m256i pairs = _mm256_set_epi64x(DIGITS_OF(BYTES), DIGITS_OF(PACKETS), DIGITS_OF(DST_PORT),
                                      DIGITS_OF(SRC_PORT));
    __m256i others = _mm256_set_epi64x(TIME_OF(END, &ignored), DIGITS_OF(VERSION),
                                       TIME_OF(START, &above), DIGITS_OF(PROTOCOL));
    __m256i wrong = _mm256_or_si256(_mm256_subs_epu8(pairs, nine), _mm256_subs_epu8(others, nine));
    if (sizes >= NUMBER_SZ_MAX || !_mm256_testz_si256(wrong, wrong))
        return false;

    __m256i values = join_digits(pairs, others);
    __m128i counts = _mm256_extracti128_si256(values, 1);
    uint64_t ports = (uint64_t)_mm256_extract_epi64(values, 0);
    uint64_t rest = (uint64_t)_mm256_extract_epi64(values, 1); /* protocol, start below 10^8 */
    uint32_t src_port = (uint32_t)ports, dst_port = (uint32_t)(ports >> 32);
    if ((src_port | dst_port) > UINT16_MAX || (uint32_t)rest > UINT8_MAX)
        return false;
    _mm_storeu_si128((__m128i *)&flow->packets, _mm_cvtepu32_epi64(counts));
    flow->minute = (uint32_t)((above + (rest >> 32)) / 60);
    flow->src_port = (uint16_t)src_port;
    flow->dst_port = (uint16_t)dst_port;
    flow->protocol = (uint8_t)rest;
    return true;
#undef DIGITS_OF
#undef TIME_OF
}

/* Addresses with AVX2: what they say yes to is read as fls_ip_parse reads it; what they say no to
 * may be a wrong address or an unusual one. Included by parse_avx2.c alone. */
#pragma once

#include "base/ip.h"
#include "ingest/digits.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define FLS_IPV4_TEXT_SZ_MAX 15U
#define FLS_IPV6_TEXT_SZ_MAX 39U /* without dotted ends */

/* The four parts' lengths say where the digits stand. A shape is a bit for each dot and one for the
 * end; it is found by its hash, which no two of the 81 share. */
#define SHAPE(a, b, c, d)                                                                          \
    (1U << (a) | 1U << ((a) + (b) + 1) | 1U << ((a) + (b) + (c) + 2) |                             \
     1U << ((a) + (b) + (c) + (d) + 3))
#define SHAPE_HASH(shape) ((uint32_t)((shape)*0x8d981aU) >> 24)
#define SHAPE_NUMBER(a, b, c, d) ((a)*27 + (b)*9 + (c)*3 + (d)-40)

#define EACH_D(a, b, c) ONE(a, b, c, 1) ONE(a, b, c, 2) ONE(a, b, c, 3)
#define EACH_C(a, b) EACH_D(a, b, 1) EACH_D(a, b, 2) EACH_D(a, b, 3)
#define EACH_B(a) EACH_C(a, 1) EACH_C(a, 2) EACH_C(a, 3)
#define EACH_SHAPE EACH_B(1) EACH_B(2) EACH_B(3)

#define ONE(a, b, c, d) [SHAPE_HASH(SHAPE(a, b, c, d))] = SHAPE_NUMBER(a, b, c, d),
static const uint8_t shape_number[256] = {EACH_SHAPE};
#undef ONE

/* How to move the digits to four times four bytes: nothing, hundreds, tens, ones (0x80 makes a
 * zero); and what a part's first digit must be at least, so that no zero stands in front. */
struct ipv4_shape {
    uint8_t places[16];
    uint8_t least[16];
};

#define NONE 0x80
#define PLACES(at, sz)                                                                             \
    NONE, (sz) == 3 ? (at) : NONE, (sz) >= 2 ? (at) + (sz)-2 : NONE, (at) + (sz)-1
#define LEAST(sz) 0, (sz) == 3, (sz) == 2, 0
#define ONE(a, b, c, d)                                                                            \
    {{PLACES(0, a), PLACES((a) + 1, b), PLACES((a) + (b) + 2, c), PLACES((a) + (b) + (c) + 3, d)}, \
     {LEAST(a), LEAST(b), LEAST(c), LEAST(d)}},
static const struct ipv4_shape shapes[81] __attribute__((aligned(32))) = {EACH_SHAPE};
#undef ONE
#define ONE(a, b, c, d) SHAPE(a, b, c, d),
static const uint16_t shape_bits[81] = {EACH_SHAPE};
#undef ONE

/* 16 bytes of each, one after the other. */
FLS_FAST_INLINE __m256i two_of_16(const uint8_t *a, const uint8_t *b)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
                                   _mm_loadu_si128((const __m128i *)b), 1);
}

/* The shape of an address of up to FLS_IPV4_TEXT_SZ_MAX bytes whose dots are the lowest bits, or
 * NULL. */
FLS_FAST_INLINE const struct ipv4_shape *ipv4_shape(uint32_t dots, uint32_t sz)
{
    uint32_t bits = _bzhi_u32(dots, sz) | 1U << sz;
    uint32_t number = shape_number[SHAPE_HASH(bits)];

    return shape_bits[number] == bits ? &shapes[number] : NULL;
}

FLS_FAST_INLINE uint32_t dots_in(__m256i text)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, _mm256_set1_epi8('.')));
}

/* Two addresses, as struct fls_ip has them; bits of *wrong are set if they are none. */
FLS_FAST_INLINE __m256i join_ipv4(__m256i text, __m256i places, __m256i least, __m256i *wrong)
{
    const __m256i weights = _mm256_set1_epi32(1 << 24 | 10 << 16 | 100 << 8);
    const __m256i low_bytes = _mm256_set_epi32(-1, -1, -1, 12 << 24 | 8 << 16 | 4 << 8, -1, -1, -1,
                                               12 << 24 | 8 << 16 | 4 << 8);
    __m256i digits = _mm256_shuffle_epi8(_mm256_sub_epi8(text, _mm256_set1_epi8('0')), places);
    __m256i parts = _mm256_madd_epi16(_mm256_maddubs_epi16(digits, weights), _mm256_set1_epi16(1));
    __m256i not_digits = _mm256_or_si256(_mm256_subs_epu8(digits, _mm256_set1_epi8(9)),
                                         _mm256_subs_epu8(least, digits));

    *wrong = _mm256_or_si256(*wrong, _mm256_or_si256(not_digits, _mm256_srli_epi32(parts, 8)));
    return _mm256_shuffle_epi8(parts, low_bytes);
}

/* False if the dots stand wrong; else see join_ipv4. Reads 16 bytes of each. */
FLS_FAST_INLINE bool read_ipv4_pair(const uint8_t *a, uint32_t a_sz, const uint8_t *b,
                                    uint32_t b_sz, __m256i *out, __m256i *wrong)
{
    const struct ipv4_shape *a_shape, *b_shape;

    if ((a_sz | b_sz) > FLS_IPV4_TEXT_SZ_MAX)
        return false;
    __m256i text = two_of_16(a, b);
    uint32_t dots = dots_in(text);
    a_shape = ipv4_shape(dots, a_sz);
    b_shape = ipv4_shape(dots >> 16, b_sz);
    if (a_shape == NULL || b_shape == NULL)
        return false;
    *out = join_ipv4(text, two_of_16(a_shape->places, b_shape->places),
                     two_of_16(a_shape->least, b_shape->least), wrong);
    return true;
}

FLS_FAST_INLINE __m256i twice(const uint8_t *at)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)at));
}

FLS_FAST_INLINE bool fls_read_ipv4(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    __m256i wrong = _mm256_setzero_si256(), text = twice(at), both;
    const struct ipv4_shape *shape;

    if (sz > FLS_IPV4_TEXT_SZ_MAX || (shape = ipv4_shape(dots_in(text), sz)) == NULL)
        return false;
    both = join_ipv4(text, twice(shape->places), twice(shape->least), &wrong);
    if (!_mm256_testz_si256(wrong, wrong))
        return false;
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(both));
    return true;
}

FLS_FAST_INLINE bool fls_read_ipv4_pair(const uint8_t *a, uint32_t a_sz, const uint8_t *b,
                                        uint32_t b_sz, uint8_t out[32])
{
    __m256i wrong = _mm256_setzero_si256(), both;

    if (!read_ipv4_pair(a, a_sz, b, b_sz, &both, &wrong) || !_mm256_testz_si256(wrong, wrong))
        return false;
    _mm256_storeu_si256((__m256i *)out, both);
    return true;
}

/* Groups of hexadecimal digits, each moved to the end of four bytes; the bits of `ends` are the
 * bytes at which they end. */
FLS_FAST_TARGET static inline void put_groups(const uint8_t *at, uint64_t ends, uint32_t *group)
{
    uint32_t begin = 0;

    for (; ends != 0; ends &= ends - 1) {
        uint32_t end = (uint32_t)__builtin_ctzll(ends), text;

        memcpy(&text, at + begin, sizeof(text));
        *group++ = text << (32 - 8 * (end - begin));
        begin = end + 1;
    }
}

/* Eight groups of up to four digits, what stands before them is 0. False if they are no digits, or
 * not as many as they should be: a NUL in the text would be taken for what stands before them. */
FLS_FAST_TARGET static inline bool join_groups(const uint32_t group[8], uint32_t digit_cnt,
                                               uint8_t out[16])
{
    __m256i text = _mm256_loadu_si256((const __m256i *)group);
    __m256i decimal = _mm256_sub_epi8(text, _mm256_set1_epi8('0'));
    __m256i letter =
        _mm256_sub_epi8(_mm256_or_si256(text, _mm256_set1_epi8(0x20)), _mm256_set1_epi8('a'));
    __m256i is_decimal = _mm256_cmpeq_epi8(_mm256_min_epu8(decimal, _mm256_set1_epi8(9)), decimal);
    __m256i is_letter = _mm256_cmpeq_epi8(_mm256_min_epu8(letter, _mm256_set1_epi8(5)), letter);
    __m256i is_digit = _mm256_or_si256(is_decimal, is_letter);
    __m256i is_none = _mm256_cmpeq_epi8(text, _mm256_setzero_si256());
    uint32_t digits = (uint32_t)_mm256_movemask_epi8(is_digit);

    if (~digits != (uint32_t)_mm256_movemask_epi8(is_none) ||
        (uint32_t)__builtin_popcount(digits) != digit_cnt)
        return false;
    __m256i values =
        _mm256_or_si256(_mm256_and_si256(is_decimal, decimal),
                        _mm256_and_si256(is_letter, _mm256_add_epi8(letter, _mm256_set1_epi8(10))));
    __m256i bytes = _mm256_maddubs_epi16(values, _mm256_set1_epi16(1 << 8 | 16));
    bytes = _mm256_permute4x64_epi64(_mm256_packus_epi16(bytes, bytes), 0x08);
    _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(bytes));
    return true;
}

/* Hexadecimal throughout, with no gap at either end. Reads 64 bytes. */
FLS_FAST_TARGET static inline bool fls_read_ipv6(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    uint32_t group[8] = {0};

    if (sz - 1 > FLS_IPV6_TEXT_SZ_MAX - 1)
        return false;
    uint64_t colons = _bzhi_u64(fls_places_of(at, ':'), sz), ends = colons | 1ULL << sz;
    uint64_t digits = _bzhi_u64(~colons, sz), empty = ends & (ends << 1 | 1);
    uint32_t colon_cnt = (uint32_t)__builtin_popcountll(colons);
    if (colon_cnt > 7 || (digits & digits >> 1 & digits >> 2 & digits >> 3 & digits >> 4))
        return false; /* a group of five digits */
    if (empty == 0) {
        put_groups(at, ends, group);
        return colon_cnt == 7 && join_groups(group, sz - colon_cnt, out);
    }
    /* The one group that may be empty is neither the first nor the last one. */
    uint32_t gap = (uint32_t)__builtin_ctzll(empty);
    if ((empty & (empty - 1)) || gap == 0 || gap == sz)
        return false;
    uint64_t tail = ends >> (gap + 1);
    put_groups(at, _bzhi_u64(ends, gap), group);
    put_groups(at + gap + 1, tail, group + 8 - __builtin_popcountll(tail));
    return join_groups(group, sz - colon_cnt, out);
}

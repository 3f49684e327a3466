/* The fast path with AVX-512 where it is better than AVX2: a block of 64 bytes is one register, and
 * one instruction (VBMI2's) puts the places of its ends side by side. */
#if defined(__x86_64__)

#include "ingest/parse_fast.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define FLS_FAST fls_parse_fast_avx512
#define FLS_FAST_TARGET                                                                            \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,avx2,bmi,bmi2,popcnt")))
#define FLS_FAST_INLINE FLS_FAST_TARGET static inline __attribute__((always_inline))

FLS_FAST_INLINE uint64_t fls_block_ends(const uint8_t *at, uint64_t *spaces)
{
    const __m512i space = _mm512_set1_epi8(0x20);
    __m512i bytes = _mm512_loadu_si512(at);

    *spaces = _mm512_cmpeq_epi8_mask(bytes, space);
    return _mm512_cmple_epu8_mask(bytes, space);
}

/* The numbers 0 to 63. */
static const uint8_t places_of_bytes[64] __attribute__((aligned(64))) = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* 16 at a time: more are in few blocks. */
FLS_FAST_INLINE uint32_t fls_put_ends(uint32_t *out, uint64_t bits, uint32_t base)
{
    const __m512i before = _mm512_set1_epi32((int32_t)base);
    __m512i places =
        _mm512_maskz_compress_epi8(bits, _mm512_load_si512((const void *)places_of_bytes));
    uint32_t cnt = (uint32_t)_mm_popcnt_u64(bits), i = 0;

    do {
        __m512i some = _mm512_cvtepu8_epi32(_mm512_castsi512_si128(places));

        _mm512_storeu_si512(out + i, _mm512_add_epi32(some, before));
        places = _mm512_shuffle_i64x2(places, places, 0x39); /* the next 16 to the front */
        i += FLS_ENDS_GROUP;
    } while (i < cnt);
    return cnt;
}

_Static_assert(FLS_ENDS_GROUP == sizeof(__m512i) / sizeof(uint32_t), "a group is a register");

#include "ingest/parse_bits_avx2.h"

#include "ingest/parse_usual_avx2.h"

#include "ingest/parse_template.h"

#endif

/* The fast path with what every x86-64 has. */
#if defined(__x86_64__)

#include "ingest/parse_scalar.h"

#include <emmintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define FLS_FAST fls_parse_fast_sse2
#define FLS_FAST_TARGET
#define FLS_FAST_INLINE static inline __attribute__((always_inline))

static inline uint64_t fls_block_ends(const uint8_t *at, uint64_t *spaces)
{
    const __m128i space = _mm_set1_epi8(0x20);
    uint64_t ends = 0;

    *spaces = 0;
    for (int i = 0; i < 64; i += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(at + i));
        __m128i is_end = _mm_cmpeq_epi8(_mm_min_epu8(bytes, space), bytes);

        ends |= (uint64_t)(uint32_t)_mm_movemask_epi8(is_end) << i;
        *spaces |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, space)) << i;
    }
    return ends;
}

#include "ingest/parse_ends.h"

#include "ingest/parse_template.h"

#endif

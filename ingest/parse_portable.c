/* The fast path in plain C, eight bytes at a time. */
#include "ingest/digits.h"
#include "ingest/parse_scalar.h"

#include <stdbool.h>

#define FLS_FAST fls_parse_fast_portable
#define FLS_FAST_TARGET
#define FLS_FAST_INLINE static inline __attribute__((always_inline))

/* Of eight bytes with their high bits as flags: bit i is byte i's flag. Each flag is moved by the
 * product to its own bit of the highest byte. */
static inline uint64_t flags_to_bits(uint64_t flags)
{
    return ((flags >> 7) * 0x0102040810204080ULL) >> 56;
}

static inline uint64_t fls_block_ends(const uint8_t *at, uint64_t *spaces)
{
    uint64_t ends = 0;

    *spaces = 0;
    for (int i = 0; i < 64; i += 8) {
        uint64_t bytes = fls_load_le64(at + i), low = bytes & ~FLS_HIGH_BITS;
        /* No sum carries: both parts are below 0x80. */
        uint64_t above = (low + FLS_EACH_BYTE(0x80 - 0x21)) | bytes;
        uint64_t not_space = ((low ^ FLS_EACH_BYTE(0x20)) + FLS_EACH_BYTE(0x7f)) | bytes;

        ends |= flags_to_bits(~above & FLS_HIGH_BITS) << i;
        *spaces |= flags_to_bits(~not_space & FLS_HIGH_BITS) << i;
    }
    return ends;
}

#include "ingest/parse_ends.h"

#include "ingest/parse_template.h"

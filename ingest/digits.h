/* Numbers from text, eight digits at a time, without a branch per digit. */
#pragma once

#include <stdint.h>
#include <string.h>

#define FLS_EACH_BYTE(value) (0x0101010101010101ULL * (value))
#define FLS_HIGH_BITS FLS_EACH_BYTE(0x80)

/* Eight bytes, the first one lowest. */
static inline uint64_t fls_load_le64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    value = __builtin_bswap64(value);
#endif
    return value;
}

/* Not 0 if any byte is above 9. The addition sets the high bit of 10..127 without a carry; a byte
 * that has it already, and may carry, is found by itself. */
static inline uint64_t fls_not_digits(uint64_t bytes)
{
    return ((bytes + FLS_EACH_BYTE(0x80 - 10)) | bytes) & FLS_HIGH_BITS;
}

/* The number whose digits are the bytes 0..9, the lowest byte first: neighbours are joined to
 * pairs, pairs to fours, fours to eight. Each product puts (lower * weight + upper) into the upper
 * half. */
static inline uint64_t fls_join_digits(uint64_t bytes)
{
    bytes = (bytes * (10ULL << 8 | 1)) >> 8 & 0x00ff00ff00ff00ffULL;
    bytes = (bytes * (100ULL << 16 | 1)) >> 16 & 0x0000ffff0000ffffULL;
    return (bytes * (10000ULL << 32 | 1)) >> 32;
}

/* The number of 1..16 digits at `at`; *wrong becomes not 0 if they are no digits, or more. Reads up
 * to 8 bytes from `at` whatever sz is. */
static inline uint64_t fls_read_digits(const uint8_t *at, uint32_t sz, uint64_t *wrong)
{
    uint64_t high = fls_load_le64(at) ^ FLS_EACH_BYTE('0');

    if (sz <= 8) {
        /* Shifts out what follows; zeros come in before the first digit. */
        high <<= 64 - 8 * sz;
        *wrong |= fls_not_digits(high);
        return fls_join_digits(high);
    }
    if (sz > 16) {
        *wrong |= 1;
        return 0;
    }
    high <<= 128 - 8 * sz;
    uint64_t low = fls_load_le64(at + sz - 8) ^ FLS_EACH_BYTE('0');
    *wrong |= fls_not_digits(high) | fls_not_digits(low);
    return fls_join_digits(high) * 100000000 + fls_join_digits(low);
}

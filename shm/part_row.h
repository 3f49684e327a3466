/* A row of a part (shm/part_format.h): what a key brought to an account. The key is spelled in
 * full, so that rows of different parts compare without anybody's dictionary; only texts are
 * numbers, in the order of the texts. */
#pragma once

#include "base/calendar.h"
#include "base/counters.h"
#include "base/tables.h"

#include <stdbool.h>
#include <stdint.h>

/* Flags of a key: which of its addresses are IPv6. */
enum { FLS_A_IS_IPV6 = 1, FLS_B_IS_IPV6 = 2 };

/* On which side of an interface an IPv6 address was seen. Sums of rows unite them. */
enum { FLS_MARK_OWN_SIDE = 1, FLS_MARK_FAR_SIDE = 2, FLS_MARKS_ALL = 3 };

/* In the order in which keys are sorted. What a table's kind of key does not use is 0. */
struct fls_part_key {
    uint32_t flags; /* FLS_A_IS_IPV6, FLS_B_IS_IPV6 */
    uint32_t place; /* protocol << 16 | port, the last to be compared */
    uint64_t a_high,
        a_low; /* IPv6 address, network order read as two numbers; or in a_low alone: */
    uint64_t b_high, b_low; /* IPv4 address, minute since 1970, number of a symbol */
};

struct fls_part_row {
    struct fls_part_key key;
    uint32_t account; /* number of a symbol */
    uint32_t marks;   /* FLS_MARK_*; 0 but in the tables of addresses */
    struct fls_counters counters;
};

/* Below, at or above 0 as a sorts before, with or behind b. */
static inline int fls_part_key_compare(const struct fls_part_key *a, const struct fls_part_key *b)
{
    if (a->flags != b->flags)
        return a->flags < b->flags ? -1 : 1;
    if (a->a_high != b->a_high)
        return a->a_high < b->a_high ? -1 : 1;
    if (a->a_low != b->a_low)
        return a->a_low < b->a_low ? -1 : 1;
    if (a->b_high != b->b_high)
        return a->b_high < b->b_high ? -1 : 1;
    if (a->b_low != b->b_low)
        return a->b_low < b->b_low ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* fls_part_key_compare(a, b) < 0, looking at what keys of the kind have. */
static inline bool fls_part_key_is_before(const struct fls_part_key *a,
                                          const struct fls_part_key *b, enum fls_table_key kind)
{
    switch (kind) {
    case FLS_KEY_NONE:
        return false;
    case FLS_KEY_PROTOCOL:
    case FLS_KEY_PORT:
        return a->place < b->place;
    case FLS_KEY_MINUTE:
    case FLS_KEY_ATTRIBUTE:
        return a->a_low < b->a_low;
    case FLS_KEY_ADDRESS:
    case FLS_KEY_CONVERSATION:
        break;
    }
    return fls_part_key_compare(a, b) < 0;
}

/* Likewise by key, then by account: the order of the rows of a table. */
static inline int fls_part_row_compare(const struct fls_part_row *a, const struct fls_part_row *b)
{
    int order = fls_part_key_compare(&a->key, &b->key);

    return order ? order : (a->account > b->account) - (a->account < b->account);
}

/* Flags that a key of this kind may have; others would name addresses that are none. */
static inline uint32_t fls_part_key_flags(enum fls_table_key kind)
{
    if (kind == FLS_KEY_ADDRESS)
        return FLS_A_IS_IPV6;
    return kind == FLS_KEY_CONVERSATION ? FLS_A_IS_IPV6 | FLS_B_IS_IPV6 : 0;
}

#define FLS_PART_PROTOCOL 0xff0000U /* the protocol in `place` */
#define FLS_PART_PLACE 0xffffffU    /* all of it */

static inline bool fls_part_is_u32(uint64_t high, uint64_t low)
{
    return (high | low >> 32) == 0;
}

/* What keys of the kind do not use is 0: nothing of it is written. */
static inline bool fls_part_key_is_of(const struct fls_part_key *key, enum fls_table_key kind)
{
    uint64_t a = key->a_high | key->a_low, b = key->b_high | key->b_low;

    switch (kind) {
    case FLS_KEY_NONE:
        return (a | b | key->place) == 0;
    case FLS_KEY_MINUTE:
    case FLS_KEY_ADDRESS:
    case FLS_KEY_ATTRIBUTE:
        return (b | key->place) == 0;
    case FLS_KEY_PROTOCOL:
        return (a | b | (key->place & ~FLS_PART_PROTOCOL)) == 0;
    case FLS_KEY_PORT:
        return (a | b | (key->place & ~FLS_PART_PLACE)) == 0;
    case FLS_KEY_CONVERSATION:
        return (key->place & ~FLS_PART_PLACE) == 0;
    }
    return false;
}

/* True if the row can be one of a table of this kind in a part of the day, but for the symbols:
 * their numbers have to be those of texts. No other is written, and no other is read. */
static inline bool fls_part_row_is_sound(const struct fls_part_row *row, enum fls_table_key kind,
                                         uint32_t day)
{
    const struct fls_part_key *key = &row->key;
    const uint64_t *value = row->counters.value;

    if (row->account == 0 || key->flags & ~fls_part_key_flags(kind) ||
        !fls_part_key_is_of(key, kind) ||
        row->marks & ~(kind == FLS_KEY_ADDRESS ? (uint32_t)FLS_MARKS_ALL : 0) ||
        (value[FLS_FLOWS] | value[FLS_PACKETS] | value[FLS_BYTES] | value[FLS_ACCEPTED] |
         value[FLS_REJECTED]) > FLS_COUNTER_MAX)
        return false;
    if (!(key->flags & FLS_A_IS_IPV6) && !fls_part_is_u32(key->a_high, key->a_low))
        return false;
    if (!(key->flags & FLS_B_IS_IPV6) && !fls_part_is_u32(key->b_high, key->b_low))
        return false;
    if (kind == FLS_KEY_MINUTE)
        return key->a_low != FLS_MINUTE_UNKNOWN && fls_day_of_minute((uint32_t)key->a_low) == day;
    return kind != FLS_KEY_ATTRIBUTE || key->a_low > 0;
}

static inline uint32_t fls_part_place(uint8_t protocol, uint16_t port)
{
    return (uint32_t)protocol << 16 | port;
}

static inline uint8_t fls_part_protocol(const struct fls_part_key *key)
{
    return (uint8_t)(key->place >> 16);
}

static inline uint16_t fls_part_port(const struct fls_part_key *key)
{
    return (uint16_t)key->place;
}

/* The two halves of an IPv6 address, and back. */
static inline void fls_part_set_ipv6(uint64_t *high, uint64_t *low, const uint8_t address[16])
{
    __builtin_memcpy(high, address, sizeof(*high));
    __builtin_memcpy(low, address + 8, sizeof(*low));
    *high = __builtin_bswap64(*high);
    *low = __builtin_bswap64(*low);
}

static inline void fls_part_get_ipv6(uint8_t address[16], uint64_t high, uint64_t low)
{
    high = __builtin_bswap64(high);
    low = __builtin_bswap64(low);
    __builtin_memcpy(address, &high, sizeof(high));
    __builtin_memcpy(address + 8, &low, sizeof(low));
}

/* The usual line of AWS's default format, with AVX2: read from its beginning straight to its end,
 * without an index. Included by parse_avx2.c alone.
 *
 *   2 123456789012 eni-... 10.0.0.1 10.0.0.2 443 49152 6 10 840 1700000000 1700000060 ACCEPT OK
 *   ├ head ────────────────┼ addresses ──────┼ numbers ──────────┼ tail ─────────────────────────┤
 *
 * The tail is of one size. Numbers have up to 8 digits. Whatever else a line is, it is left to the
 * indexed path, as if it had not been looked at. */
#pragma once

#include "base/calendar.h"
#include "ingest/parse_address_avx2.h"
#include "ingest/parse_fast.h"
#include "ingest/parse_numbers_avx2.h"
#include "shm/flow.h"

#define FLS_READS_USUAL 1

#define USUAL_NUMBERS 5U /* ports, protocol, packets, bytes */
#define USUAL_TAIL_SZ 32U
#define USUAL_ACTION_AT 22U /* in the tail */
#define USUAL_ACTION_SZ 6U

_Static_assert(9999999999ULL <= FLS_START_MAX, "what has ten digits is in range");

/* For each two lengths 1..8 of numbers with a space between them: how to move their digits to the
 * ends of eight bytes each. Both together have to lie in 16 bytes: see PAIR_SZ_MAX. */
#define PAIR_SZ_MAX 15U
#define DIGIT(at, sz, i) (i) < 8 - (sz) ? 0x80 : ((at) + (i) + (sz)-8) & 15
#define DIGITS(at, sz)                                                                             \
    DIGIT(at, sz, 0), DIGIT(at, sz, 1), DIGIT(at, sz, 2), DIGIT(at, sz, 3), DIGIT(at, sz, 4),      \
        DIGIT(at, sz, 5), DIGIT(at, sz, 6), DIGIT(at, sz, 7)
#define PAIR(a, b)                                                                                 \
    {                                                                                              \
        DIGITS(0, a), DIGITS((a) + 1, b)                                                           \
    }
#define PAIRS(a)                                                                                   \
    {                                                                                              \
        PAIR(a, 1), PAIR(a, 2), PAIR(a, 3), PAIR(a, 4), PAIR(a, 5), PAIR(a, 6), PAIR(a, 7),        \
            PAIR(a, 8)                                                                             \
    }
static const uint8_t pair_places[8][8][16] __attribute__((aligned(16))) = {
    PAIRS(1), PAIRS(2), PAIRS(3), PAIRS(4), PAIRS(5), PAIRS(6), PAIRS(7), PAIRS(8)};

/* The line's parts as they are found; pointers into the window. */
struct usual {
    const uint8_t *addresses, *numbers, *tail;
    uint32_t account_end, interface_end; /* from the line's beginning */
    uint64_t number_ends;                /* bit i: a space at numbers + i; 32 of them, or more */
    uint32_t end[USUAL_NUMBERS], sz[USUAL_NUMBERS]; /* of each number, from `numbers` */
    __m256i wrong;                                  /* not 0: the line is another one */
};

/* Version, account and interface. A control character there could mean more than itself. */
FLS_FAST_INLINE bool usual_head(const uint8_t *line, struct usual *usual)
{
    const __m256i space = _mm256_set1_epi8(0x20);
    __m256i least = _mm256_min_epu8(_mm256_loadu_si256((const __m256i *)line),
                                    _mm256_loadu_si256((const __m256i *)(line + 32)));
    uint64_t spaces = fls_places_of(line, ' ');

    usual->wrong = _mm256_subs_epu8(space, least);
    if ((spaces & 3) != 2 || (uint8_t)(line[0] - '0') > 9)
        return false;
    spaces &= spaces - 1;
    usual->account_end = (uint32_t)_tzcnt_u64(spaces);
    spaces &= spaces - 1;
    usual->interface_end = (uint32_t)_tzcnt_u64(spaces);
    usual->addresses = line + usual->interface_end + 1;
    /* Two bytes or more: `-` is another matter. So it is as an address: lines without data. */
    return usual->account_end > 3 && usual->interface_end > usual->account_end + 2 &&
           usual->interface_end < FLS_BLOCK_SZ && *usual->addresses != '-';
}

/* Both addresses into flow->src and flow->dst, and where the numbers begin; *families becomes
 * their FLS_*_IS_IPV6. */
FLS_FAST_INLINE bool usual_addresses(struct usual *usual, struct fls_flow *flow, uint32_t *families)
{
    uint64_t spaces = fls_places_of(usual->addresses, ' '), later = spaces & (spaces - 1);
    uint32_t src_sz = (uint32_t)_tzcnt_u64(spaces), dst_end = (uint32_t)_tzcnt_u64(later), dst_sz;
    const uint8_t *src = usual->addresses, *dst = src + src_sz + 1;
    __m256i both;

    if (read_ipv4_pair(src, src_sz, dst, dst_end - src_sz - 1, &both, &usual->wrong)) {
        _mm256_storeu_si256((__m256i *)flow->src, both);
        usual->numbers = src + dst_end + 1;
        usual->number_ends = later >> (dst_end + 1);
        *families = 0;
        return true;
    }
    dst_sz = (uint32_t)_tzcnt_u64(fls_places_of(dst, ' '));
    usual->numbers = dst + dst_sz + 1;
    usual->number_ends = fls_places_of(usual->numbers, ' ');
    *families = FLS_SRC_IS_IPV6 | FLS_DST_IS_IPV6;
    return fls_read_ipv6(src, src_sz, flow->src) && fls_read_ipv6(dst, dst_sz, flow->dst);
}

/* Where ports, protocol, packets and bytes stand, and so where the tail begins. An end that is not
 * among the 32 bits makes a number of more than 8 digits. */
FLS_FAST_INLINE bool usual_numbers(struct usual *usual)
{
    uint64_t ends = usual->number_ends;
    uint32_t *sz = usual->sz, begin = 0, any = 0;

#pragma GCC unroll 5
    for (uint32_t i = 0; i < USUAL_NUMBERS; i++, ends &= ends - 1) {
        usual->end[i] = (uint32_t)_tzcnt_u64(ends);
        sz[i] = usual->end[i] - begin;
        any |= sz[i] - 1;
        begin = usual->end[i] + 1;
    }
    usual->tail = usual->numbers + begin;
    return any < 8 && sz[0] + sz[1] <= PAIR_SZ_MAX && sz[3] + sz[4] <= PAIR_SZ_MAX;
}

/* The digits of both ports, then of packets and bytes: eight each. */
FLS_FAST_INLINE __m256i usual_pairs(const struct usual *usual)
{
    const uint32_t *sz = usual->sz;
    __m256i text = two_of_16(usual->numbers, usual->numbers + usual->end[2] + 1);
    __m256i places =
        two_of_16(pair_places[sz[0] - 1][sz[1] - 1], pair_places[sz[3] - 1][sz[4] - 1]);

    return _mm256_shuffle_epi8(_mm256_sub_epi8(text, _mm256_set1_epi8('0')), places);
}

/* The digits of the protocol, then the last eight of start. */
FLS_FAST_INLINE __m128i usual_others(const struct usual *usual)
{
    uint64_t protocol = fls_load_le64(usual->numbers + usual->end[1] + 1) ^ FLS_EACH_BYTE('0');
    uint64_t start = fls_load_le64(usual->tail + 2) ^ FLS_EACH_BYTE('0');

    return _mm_set_epi64x((int64_t)start, (int64_t)(protocol << (64 - 8 * usual->sz[2])));
}

/* Not 0 if the tail is not two times of ten digits, six bytes of an action, OK and a newline. */
FLS_FAST_INLINE __m256i wrong_tail(const uint8_t *tail)
{
    static const uint8_t least[USUAL_TAIL_SZ + 1] = "0000000000 0000000000 \0\0\0\0\0\0 OK\n";
    static const uint8_t above[USUAL_TAIL_SZ + 1] =
        "\x9\x9\x9\x9\x9\x9\x9\x9\x9\x9\0\x9\x9\x9\x9\x9\x9\x9\x9\x9\x9\0\xff\xff\xff\xff\xff\xff";
    __m256i text = _mm256_loadu_si256((const __m256i *)tail);
    __m256i offset = _mm256_sub_epi8(text, _mm256_loadu_si256((const __m256i *)least));

    return _mm256_subs_epu8(offset, _mm256_loadu_si256((const __m256i *)above));
}

/* FLS_IS_ACCEPTED, FLS_IS_REJECTED, or 0. */
FLS_FAST_INLINE uint32_t usual_action(const uint8_t *tail)
{
    uint64_t action = fls_load_le64(tail + USUAL_ACTION_AT - 1);

    return (action == fls_load_le64((const uint8_t *)" ACCEPT ") ? FLS_IS_ACCEPTED : 0) |
           (action == fls_load_le64((const uint8_t *)" REJECT ") ? FLS_IS_REJECTED : 0);
}

/* All but the addresses; `families` are their FLS_*_IS_IPV6. */
FLS_FAST_INLINE bool usual_values(const struct usual *usual, uint32_t families,
                                  struct fls_flow *flow)
{
    const __m256i nine = _mm256_set1_epi8(9);
    uint32_t action = usual_action(usual->tail);
    __m256i pairs = usual_pairs(usual), others = _mm256_zextsi128_si256(usual_others(usual));
    __m256i not_digits =
        _mm256_or_si256(_mm256_subs_epu8(pairs, nine), _mm256_subs_epu8(others, nine));
    __m256i wrong =
        _mm256_or_si256(_mm256_or_si256(usual->wrong, wrong_tail(usual->tail)), not_digits);
    if (action == 0 || !_mm256_testz_si256(wrong, wrong))
        return false;

    __m256i values = join_digits(pairs, others);
    __m128i counts = _mm256_extracti128_si256(values, 1);
    uint64_t ports = (uint64_t)_mm256_extract_epi64(values, 0);
    uint64_t rest = (uint64_t)_mm256_extract_epi64(values, 1); /* protocol, start below 10^8 */
    uint32_t src_port = (uint32_t)ports, dst_port = (uint32_t)(ports >> 32);
    uint32_t above = (usual->tail[0] - '0') * 10U + (usual->tail[1] - '0');
    if ((src_port | dst_port) > UINT16_MAX || (uint32_t)rest > UINT8_MAX)
        return false;
    _mm_storeu_si128((__m128i *)&flow->packets, _mm_cvtepu32_epi64(counts));
    flow->minute = (uint32_t)((above * 100000000ULL + (rest >> 32)) / 60);
    flow->attributes = 0;
    flow->src_port = (uint16_t)src_port;
    flow->dst_port = (uint16_t)dst_port;
    flow->protocol = (uint8_t)rest;
    flow->kind = FLS_KIND_RECORD;
    flow->has = (uint16_t)(FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT |
                           FLS_HAS_PROTOCOL | families | action);
    return true;
}

FLS_FAST_INLINE uint32_t fls_read_usual(const uint8_t *window, uint32_t at, struct fls_flow *flow,
                                        struct fls_run *run)
{
    const uint8_t *line = window + at;
    struct usual usual;
    uint32_t families;

    if (!usual_head(line, &usual) || !usual_addresses(&usual, flow, &families) ||
        !usual_numbers(&usual) || !usual_values(&usual, families, flow))
        return 0;
    uint32_t tail = (uint32_t)(usual.tail - window);
    run[0] = (struct fls_run){at + 2, usual.interface_end - 2};
    run[1] = (struct fls_run){tail + USUAL_ACTION_AT, USUAL_ACTION_SZ};
    return tail + USUAL_TAIL_SZ - at;
}

/* The body of the fast path (parse_fast.h), compiled once for each CPU level by a file that defines
 *
 *   FLS_FAST          the function's name
 *   FLS_FAST_TARGET   the attribute for the compiler's target, or nothing
 *   fls_block_ends    (const uint8_t *at, uint64_t *spaces) -> bit i: byte i of 64 is up to 0x20;
 *                     *spaces: is 0x20
 *   fls_read_ipv4     (const uint8_t *at, uint32_t sz, uint8_t out[16]) -> true if it is an IPv4
 *                     address; false may be a wrong one, or any other. Reads up to 16 bytes.
 *   fls_read_ipv6     likewise for IPv6. Reads up to 64 bytes.
 *   FLS_READS_USUAL   1 if the next one reads anything, else 0
 *   fls_read_usual    (const uint8_t *window, uint32_t at, struct fls_flow *flow,
 *                     struct fls_text_ref *texts) -> the size, with its newline, of the line of the
 *                     default format that begins at `at`; 0 may be any other line, and flow and
 *                     texts may be written. Reads up to FLS_USUAL_ROOM bytes.
 *
 * What is read beyond a value lies in the window or in the padding behind it. */
#include "base/calendar.h"
#include "base/ip.h"
#include "ingest/digits.h"
#include "ingest/parse.h"
#include "ingest/parse_fast.h"

#ifndef FLS_FAST_INLINE
#define FLS_FAST_INLINE FLS_FAST_TARGET static inline __attribute__((always_inline))
#endif

/* Writes the places of the set bits behind `out`, a group at a time and the last one whole: a loop
 * with an end for each count of bits would often be guessed wrong. Up to group - 1 too many.
 * Unrolled, or it is a loop again: 52 against 71 ns a record. */
FLS_FAST_INLINE uint32_t put_places(uint32_t *out, uint64_t bits, uint32_t base, uint32_t group)
{
    uint32_t cnt = (uint32_t)__builtin_popcountll(bits), i = 0;

    do {
#pragma GCC unroll 12
        for (uint32_t k = 0; k < group; k++) {
            /* The top bit makes the search among no bits a defined one. */
            out[i++] = base + (uint32_t)__builtin_ctzll(bits | 1ULL << 63);
            bits &= bits - 1;
        }
    } while (i < cnt);
    return cnt;
}

FLS_FAST_INLINE void index_block(struct fls_index *index, struct fls_span window)
{
    uint32_t rest = (uint32_t)window.sz - index->done;
    uint64_t spaces, ends = fls_block_ends(window.at + index->done, &spaces);

    if (rest < FLS_BLOCK_SZ)
        ends &= (1ULL << rest) - 1; /* what follows is padding */
    uint64_t odd = (ends & ~spaces) | (ends & (ends << 1 | index->follows_an_end));
    index->end_cnt += put_places(index->ends + index->end_cnt, ends, index->done, FLS_ENDS_GROUP);
    index->odd_cnt += put_places(index->odd + index->odd_cnt, odd, index->done, FLS_ODD_GROUP);
    index->follows_an_end = ends >> 63;
    index->done += rest < FLS_BLOCK_SZ ? rest : FLS_BLOCK_SZ;
}

/* Moves what is not used yet to the front and indexes lines of n values: one at first, since the
 * next one may be a usual line again, then twice as many each time. */
FLS_FAST_TARGET static void index_more(struct fls_index *index, struct fls_span window, uint32_t n)
{
    uint32_t want = index->ahead * n < FLS_INDEX_MAX ? index->ahead * n : FLS_INDEX_MAX;

    index->end_cnt -= index->end_at;
    memmove(index->ends, index->ends + index->end_at, index->end_cnt * sizeof(index->ends[0]));
    index->odd_cnt -= index->odd_at;
    memmove(index->odd, index->odd + index->odd_at, index->odd_cnt * sizeof(index->odd[0]));
    index->end_at = index->odd_at = 0;
    while (index->end_cnt < want && index->done < window.sz)
        index_block(index, window);
    index->odd[index->odd_cnt] = UINT32_MAX;
    if (index->ahead < FLS_BATCH_MAX)
        index->ahead *= 2;
}

FLS_FAST_INLINE bool read_address(const uint8_t *at, uint32_t sz, uint8_t out[16], bool *is_ipv6)
{
    struct fls_ip ip;

    *is_ipv6 = false;
    if (fls_read_ipv4(at, sz, out))
        return true;
    if (fls_read_ipv6(at, sz, out)) {
        *is_ipv6 = true;
        return true;
    }
    if (!fls_ip_parse((struct fls_span){at, sz}, &ip))
        return false;
    memcpy(out, ip.bytes, sizeof(ip.bytes));
    *is_ipv6 = ip.is_ipv6;
    return true;
}

FLS_FAST_INLINE bool is_absent(const uint8_t *at, uint32_t sz)
{
    return sz == 1 && *at == '-';
}

FLS_FAST_INLINE struct fls_text_ref text_ref(const uint8_t *window, uint32_t at, uint32_t sz)
{
    return (struct fls_text_ref){at, is_absent(window + at, sz) ? 0 : sz};
}

FLS_FAST_INLINE bool is_text(const uint8_t *at, uint32_t sz, const char *text, uint32_t text_sz)
{
    return sz == text_sz && memcmp(at, text, text_sz) == 0;
}

FLS_FAST_INLINE uint32_t action_flag(const uint8_t *at, uint32_t sz)
{
    return is_text(at, sz, "ACCEPT", 6)   ? FLS_IS_ACCEPTED
           : is_text(at, sz, "REJECT", 6) ? FLS_IS_REJECTED
                                          : 0;
}

/* A line of AWS's default format with all values present and log-status OK: nearly all of them.
 * `ends` are its 14 ends. False: not that, nothing else is said. */
FLS_FAST_INLINE bool parse_default(const uint8_t *window, uint32_t line, const uint32_t *ends,
                                   struct fls_flow *flow, struct fls_text_ref *texts)
{
#define AT(field) (ends[(field)-1] + 1)
#define SZ(field) (ends[field] - AT(field))
#define NUMBER(field) fls_read_digits(window + AT(field), SZ(field), &wrong)
    uint64_t wrong = 0, start, end, src_port, dst_port, protocol;
    bool is_src_ipv6, is_dst_ipv6;

    if (ends[0] != line + 1 || (uint8_t)(window[line] - '0') > 9 ||
        !is_text(window + AT(13), SZ(13), "OK", 2) ||
        !read_address(window + AT(3), SZ(3), flow->src, &is_src_ipv6) ||
        !read_address(window + AT(4), SZ(4), flow->dst, &is_dst_ipv6))
        return false;
    src_port = NUMBER(5);
    dst_port = NUMBER(6);
    protocol = NUMBER(7);
    flow->packets = NUMBER(8); /* 16 digits stay below 2^63 */
    flow->bytes = NUMBER(9);
    start = NUMBER(10);
    end = NUMBER(11);
    if (wrong || (src_port | dst_port) > UINT16_MAX || protocol > UINT8_MAX ||
        start > FLS_START_MAX || end > FLS_START_MAX)
        return false;

    texts[0] = text_ref(window, AT(1), SZ(1));
    texts[1] = text_ref(window, AT(2), SZ(2));
    texts[2] = text_ref(window, AT(12), SZ(12));
    flow->minute = (uint32_t)(start / 60);
    flow->attributes = 0;
    flow->src_port = (uint16_t)src_port;
    flow->dst_port = (uint16_t)dst_port;
    flow->protocol = (uint8_t)protocol;
    flow->kind = FLS_KIND_RECORD;
    flow->has =
        (uint16_t)(FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT |
                   FLS_HAS_PROTOCOL | (is_src_ipv6 ? FLS_SRC_IS_IPV6 : 0) |
                   (is_dst_ipv6 ? FLS_DST_IS_IPV6 : 0) | action_flag(window + AT(12), SZ(12)));
    return true;
#undef AT
#undef SZ
#undef NUMBER
}

/* A number or an address; false if it is wrong, or longer than the fast path reads. */
FLS_FAST_INLINE bool take_typed(const struct fls_layout *layout, uint32_t i, const uint8_t *at,
                                uint32_t sz, struct fls_flow *flow)
{
    uint8_t ignored[16];
    uint64_t value, wrong = 0;
    bool is_ipv6;

    if (is_absent(at, sz))
        return true;
    switch (layout->op[i]) {
    case FLS_OP_SRC:
        if (!read_address(at, sz, flow->src, &is_ipv6))
            return false;
        flow->has |= FLS_HAS_SRC | (is_ipv6 ? FLS_SRC_IS_IPV6 : 0);
        return true;
    case FLS_OP_DST:
        if (!read_address(at, sz, flow->dst, &is_ipv6))
            return false;
        flow->has |= FLS_HAS_DST | (is_ipv6 ? FLS_DST_IS_IPV6 : 0);
        return true;
    case FLS_OP_CHECK_ADDRESS:
        return read_address(at, sz, ignored, &is_ipv6);
    default:
        break;
    }
    value = fls_read_digits(at, sz, &wrong);
    if (wrong || value > fls_fields[layout->field[i]].limit)
        return false;
    switch (layout->op[i]) {
    case FLS_OP_SRC_PORT:
        flow->src_port = (uint16_t)value;
        flow->has |= FLS_HAS_SRC_PORT;
        break;
    case FLS_OP_DST_PORT:
        flow->dst_port = (uint16_t)value;
        flow->has |= FLS_HAS_DST_PORT;
        break;
    case FLS_OP_PROTOCOL:
        flow->protocol = (uint8_t)value;
        flow->has |= FLS_HAS_PROTOCOL;
        break;
    case FLS_OP_PACKETS:
        flow->packets = value;
        break;
    case FLS_OP_BYTES:
        flow->bytes = value;
        break;
    case FLS_OP_START:
        flow->minute = (uint32_t)(value / 60);
        break;
    default:
        break;
    }
    return true;
}

FLS_FAST_INLINE void take_text(enum fls_op op, const uint8_t *at, uint32_t sz,
                               struct fls_flow *flow)
{
    if (op == FLS_OP_ACTION)
        flow->has |= (uint16_t)action_flag(at, sz);
    else if (op == FLS_OP_FLOW_DIRECTION)
        flow->has |= is_text(at, sz, "egress", 6)    ? FLS_SRC_IS_OWN_SIDE
                     : is_text(at, sz, "ingress", 7) ? FLS_DST_IS_OWN_SIDE
                                                     : 0;
    else if (op == FLS_OP_STATUS)
        flow->kind = is_text(at, sz, "NODATA", 6)     ? FLS_KIND_NODATA
                     : is_text(at, sz, "SKIPDATA", 8) ? FLS_KIND_SKIPDATA
                                                      : FLS_KIND_RECORD;
}

/* What may stand before the first value of a line would be taken for a part of an open text. */
FLS_FAST_INLINE bool may_be_prefix(const uint8_t *at, uint32_t sz)
{
    return at[0] == 0xef || (sz > 10 && at[10] == 'T');
}

/* A line of any layout, whose ends are `ends`, by the layout's plan. */
FLS_FAST_INLINE bool parse_planned(const struct fls_layout *layout, const uint8_t *window,
                                   uint32_t line, const uint32_t *ends, struct fls_flow *flow,
                                   struct fls_text_ref *texts)
{
    uint32_t at = line, not_names = 0;

    memset(flow, 0, sizeof(*flow));
    flow->kind = FLS_KIND_RECORD;
    flow->minute = FLS_MINUTE_UNKNOWN;
    for (uint32_t i = 0; i < layout->cnt; at = ends[i++] + 1) {
        const uint8_t *value = window + at;
        uint32_t sz = ends[i] - at;
        enum fls_op op = (enum fls_op)layout->op[i];

        if (op >= FLS_OP_CHECK_NUMBER) {
            if (!take_typed(layout, i, value, sz, flow))
                return false;
            continue;
        }
        if (i == 0 && may_be_prefix(value, sz))
            return false;
        not_names += (uint8_t)((value[0] | 0x20) - 'a') > 'z' - 'a' && value[0] != '$';
        if (layout->attribute_slot[i] != FLS_NO_SLOT)
            texts[layout->attribute_slot[i]] = text_ref(window, at, sz);
        take_text(op, value, sz, flow);
    }
    if (!(flow->has & FLS_SRC_IS_IPV6))
        flow->has &= (uint16_t)~FLS_SRC_IS_OWN_SIDE;
    if (!(flow->has & FLS_DST_IS_IPV6))
        flow->has &= (uint16_t)~FLS_DST_IS_OWN_SIDE;
    return not_names >= layout->not_names_min;
}

/* Usual lines from `at` on, until the batch is full; returns where the first other one begins. This
 * and the next one are functions of their own for the registers' sake. */
FLS_FAST_TARGET static __attribute__((noinline)) uint32_t
take_usual(const struct fls_layout *layout, struct fls_span window, uint32_t at,
           struct fls_batch *batch, struct fls_fast_counts *counts)
{
    const uint32_t text_cnt = layout->attribute_cnt;
    uint32_t cnt = batch->cnt, sz;

    while (cnt < FLS_BATCH_MAX && window.sz - at >= FLS_USUAL_ROOM) {
        sz = fls_read_usual(window.at, at, &batch->flow[cnt], batch->text + (size_t)cnt * text_cnt);
        if (sz == 0)
            break;
        at += sz;
        cnt++;
    }
    counts->kind[FLS_KIND_RECORD] += cnt - batch->cnt;
    batch->cnt = cnt;
    return at;
}

/* Lines by their ends in the index, until the batch has `limit` lines; returns where the first one
 * begins that is not canonical. */
FLS_FAST_TARGET static __attribute__((noinline)) uint32_t
take_indexed(const struct fls_layout *layout, struct fls_span window, uint32_t at,
             struct fls_index *index, struct fls_batch *batch, uint32_t limit,
             struct fls_fast_counts *counts)
{
    const uint32_t n = layout->cnt;

    while (batch->cnt < limit) {
        if (index->end_cnt - index->end_at < n) {
            index_more(index, window, n);
            if (index->end_cnt < n)
                break;
        }
        const uint32_t *ends = index->ends + index->end_at;
        uint32_t end = ends[n - 1], last_value = n > 1 ? ends[n - 2] + 1 : at;
        struct fls_flow *flow = &batch->flow[batch->cnt];
        struct fls_text_ref *texts = batch->text + (size_t)batch->cnt * layout->attribute_cnt;

        if (index->odd[index->odd_at] != end || window.at[end] != '\n' || last_value == end ||
            end - at > FLS_LINE_MAX)
            break;
        if (!(layout->is_default && parse_default(window.at, at, ends, flow, texts)) &&
            !parse_planned(layout, window.at, at, ends, flow, texts))
            break;
        counts->kind[flow->kind]++;
        batch->cnt++;
        index->end_at += n;
        index->odd_at++;
        at = end + 1;
    }
    return at;
}

FLS_FAST_TARGET uint32_t FLS_FAST(const struct fls_layout *layout, struct fls_span window,
                                  uint32_t at, struct fls_index *index, struct fls_batch *batch,
                                  struct fls_fast_counts *counts)
{
    uint32_t begin, limit;

    if (!FLS_READS_USUAL || !layout->is_default)
        return take_indexed(layout, window, at, index, batch, FLS_BATCH_MAX, counts);
    do {
        begin = at = take_usual(layout, window, at, batch, counts);
        fls_index_skip(index, at);
        limit = batch->cnt < FLS_BATCH_MAX ? batch->cnt + 1 : FLS_BATCH_MAX;
        at = take_indexed(layout, window, at, index, batch, limit, counts);
    } while (at != begin);
    return at;
}

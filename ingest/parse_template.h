/* The body of the fast path (parse_fast.h), compiled once for each CPU level by a file that defines
 *
 *   FLS_FAST          the function's name
 *   FLS_FAST_TARGET   the attribute for the compiler's target, or nothing
 *   FLS_FAST_INLINE   the same, and that the function is inline wherever it is called
 *   fls_block_ends    (const uint8_t *at, uint64_t *spaces) -> bit i: byte i of 64 is up to 0x20;
 *                     *spaces: is 0x20
 *   fls_put_ends      (uint32_t *out, uint64_t bits, uint32_t base) -> how many bits are set;
 *                     writes the place of each, and base, behind `out`, and up to FLS_ENDS_GROUP
 *                     more
 *   fls_lowest_bit    (uint64_t bits) -> its place; if there is none, any number
 *   fls_read_ipv4     (const uint8_t *at, uint32_t sz, uint8_t out[16]) -> true if it is an IPv4
 *                     address; false may be a wrong one, or any other. Reads up to 16 bytes.
 *   fls_read_ipv6     likewise for IPv6. Reads up to 64 bytes.
 *   fls_read_ipv4_pair
 *                     (const uint8_t *a, uint32_t a_sz, const uint8_t *b, uint32_t b_sz,
 *                     uint8_t out[32]) -> likewise for two of them, one behind the other
 *   fls_read_numbers  (const struct fls_places *places, const uint8_t *window,
 *                     const uint32_t *ends, struct fls_flow *flow) -> true if all numbers of the
 *                     line are right: then those of the flow are set (0 where the layout lacks
 *                     them). False: some may be wrong, or unusual.
 *   FLS_READS_USUAL   1 if the next one reads anything, else 0
 *   fls_read_usual    (const uint8_t *window, uint32_t at, struct fls_flow *flow,
 *                     struct fls_run *run) -> the size, with its newline, of the line of the
 *                     default format that begins at `at`; 0 may be any other line, and flow and
 *                     run may be written. Reads up to FLS_USUAL_ROOM bytes.
 *
 * What is read beyond a value lies in the window or in the padding behind it. */
#include "base/calendar.h"
#include "base/ip.h"
#include "ingest/digits.h"
#include "ingest/layout_usual.h"
#include "ingest/parse.h"
#include "ingest/parse_fast.h"

/* Writes the places of the set bits behind `out`, where one is the most in nearly all blocks. */
FLS_FAST_INLINE uint32_t put_odd(uint32_t *out, uint64_t bits, uint32_t base)
{
    uint32_t cnt = bits != 0;

    out[0] = base + fls_lowest_bit(bits);
    while ((bits &= bits - 1) != 0)
        out[cnt++] = base + fls_lowest_bit(bits);
    return cnt;
}

/* Moves what is not used yet to the front. */
FLS_FAST_TARGET static void index_forget_used(struct fls_index *index)
{
    index->end_cnt -= index->end_at;
    memmove(index->ends + 1, index->ends + 1 + index->end_at,
            index->end_cnt * sizeof(index->ends[0]));
    index->odd_cnt -= index->odd_at;
    memmove(index->odd, index->odd + index->odd_at, index->odd_cnt * sizeof(index->odd[0]));
    index->end_at = index->odd_at = 0;
}

/* Indexes lines of n values: one at first, since the next one may be a usual line again, then twice
 * as many each time. */
FLS_FAST_TARGET static __attribute__((noinline)) void index_more(struct fls_index *index,
                                                                 struct fls_span window, uint32_t n)
{
    uint32_t want = index->ahead * n < FLS_INDEX_MAX ? index->ahead * n : FLS_INDEX_MAX;
    uint32_t done = index->done, end_cnt, odd_cnt;
    uint64_t carry = index->follows_an_end, spaces;

    index_forget_used(index);
    end_cnt = index->end_cnt;
    odd_cnt = index->odd_cnt;
    for (; end_cnt < want && done < window.sz; done += FLS_BLOCK_SZ) {
        uint64_t ends = fls_block_ends(window.at + done, &spaces);

        if (window.sz - done < FLS_BLOCK_SZ)
            ends &= (1ULL << (window.sz - done)) - 1; /* what follows is padding */
        uint64_t odd = (ends & ~spaces) | (ends & (ends << 1 | carry));
        end_cnt += fls_put_ends(index->ends + 1 + end_cnt, ends, done);
        odd_cnt += put_odd(index->odd + odd_cnt, odd, done);
        carry = ends >> 63;
    }
    index->done = done < window.sz ? done : (uint32_t)window.sz;
    index->follows_an_end = carry;
    index->end_cnt = end_cnt;
    index->odd_cnt = odd_cnt;
    index->odd[odd_cnt] = UINT32_MAX;
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

/* FLS_*_IS_OWN_SIDE of a flow-direction. */
FLS_FAST_INLINE uint32_t own_side_flag(const uint8_t *at, uint32_t sz)
{
    return is_text(at, sz, "egress", 6)    ? FLS_SRC_IS_OWN_SIDE
           : is_text(at, sz, "ingress", 7) ? FLS_DST_IS_OWN_SIDE
                                           : 0;
}

/* The side that is the interface's own matters for IPv6 only. */
FLS_FAST_INLINE uint32_t drop_own_side(uint32_t has)
{
    return has & ~((has & FLS_SRC_IS_IPV6 ? 0 : FLS_SRC_IS_OWN_SIDE) |
                   (has & FLS_DST_IS_IPV6 ? 0U : FLS_DST_IS_OWN_SIDE));
}

/* Whether a field name may begin so. */
FLS_FAST_INLINE bool may_be_name(const uint8_t *at)
{
    return (uint8_t)((at[0] | 0x20) - 'a') <= 'z' - 'a' || at[0] == '$';
}

/* What may stand before the first value of a line would be taken for a part of an open text. */
FLS_FAST_INLINE bool may_be_prefix(const uint8_t *at, uint32_t sz)
{
    return at[0] == 0xef || (sz > 10 && at[10] == 'T');
}

/* So many are faster side by side than one by one. */
#define NUMBERS_MANY 4U

/* A value of a line whose ends are `ends`; ends[-1] is the end of the line before. */
struct value {
    const uint8_t *at;
    uint32_t sz;
};

FLS_FAST_INLINE struct value value_at(const uint8_t *window, const uint32_t *ends, uint32_t place)
{
    uint32_t begin = ends[(int32_t)place - 1] + 1;

    return (struct value){window + begin, ends[place] - begin};
}

/* The numbers that the layout has one by one: with up to 16 digits they stay below 2^63. */
FLS_FAST_INLINE bool read_numbers(const struct fls_places *places, const uint8_t *window,
                                  const uint32_t *ends, struct fls_flow *flow)
{
    uint64_t number[FLS_NUMBER_CNT] = {0}, wrong = 0;

    for (int i = 0; i < FLS_NUMBER_CNT; i++)
        if (places->mask[i]) {
            struct value value = value_at(window, ends, places->number[i]);

            number[i] = fls_read_digits(value.at, value.sz, &wrong);
        }
    if (wrong || (number[FLS_NUMBER_SRC_PORT] | number[FLS_NUMBER_DST_PORT]) > UINT16_MAX ||
        number[FLS_NUMBER_PROTOCOL] > UINT8_MAX || number[FLS_NUMBER_START] > FLS_START_MAX ||
        number[FLS_NUMBER_END] > FLS_START_MAX)
        return false;
    flow->packets = number[FLS_NUMBER_PACKETS];
    flow->bytes = number[FLS_NUMBER_BYTES];
    flow->minute = (uint32_t)(number[FLS_NUMBER_START] / 60);
    flow->src_port = (uint16_t)number[FLS_NUMBER_SRC_PORT];
    flow->dst_port = (uint16_t)number[FLS_NUMBER_DST_PORT];
    flow->protocol = (uint8_t)number[FLS_NUMBER_PROTOCOL];
    return true;
}

/* An address that the layout may lack: then zeros. *has gets its flags. */
FLS_FAST_INLINE bool take_address(struct value value, uint32_t has_flag, uint32_t ipv6_flag,
                                  uint8_t out[16], uint32_t *has)
{
    bool is_ipv6 = false;

    if (has_flag == 0)
        memset(out, 0, 16);
    else if (!read_address(value.at, value.sz, out, &is_ipv6))
        return false;
    *has |= has_flag | (is_ipv6 ? ipv6_flag : 0);
    return true;
}

/* Whether a value that is not kept is an address: most often it is the same as one that is kept,
 * `kept`, if the layout has that. */
FLS_FAST_INLINE bool check_address(struct value value, struct value kept, bool is_kept)
{
    uint8_t ignored[16];
    bool is_ipv6;

    return (is_kept && is_text(value.at, value.sz, (const char *)kept.at, kept.sz)) ||
           read_address(value.at, value.sz, ignored, &is_ipv6);
}

FLS_FAST_INLINE bool take_addresses(const struct fls_places *places, const uint8_t *window,
                                    const uint32_t *ends, struct fls_flow *flow, uint32_t *has)
{
    struct value src = value_at(window, ends, places->src);
    struct value dst = value_at(window, ends, places->dst);
    uint32_t wanted = places->has & (FLS_HAS_SRC | FLS_HAS_DST);

    *has = places->has;
    if (wanted == (FLS_HAS_SRC | FLS_HAS_DST) &&
        fls_read_ipv4_pair(src.at, src.sz, dst.at, dst.sz, (uint8_t *)flow))
        return true;
    return take_address(src, wanted & FLS_HAS_SRC, FLS_SRC_IS_IPV6, flow->src, has) &&
           take_address(dst, wanted & FLS_HAS_DST, FLS_DST_IS_IPV6, flow->dst, has);
}

FLS_FAST_INLINE bool check_addresses(const struct fls_places *places, const uint8_t *window,
                                     const uint32_t *ends)
{
    struct value src = value_at(window, ends, places->pkt_src);
    struct value dst = value_at(window, ends, places->pkt_dst);
    uint8_t ignored[32];

    if (places->has_pkt_src && places->has_pkt_dst &&
        fls_read_ipv4_pair(src.at, src.sz, dst.at, dst.sz, ignored))
        return true;
    return (!places->has_pkt_src ||
            check_address(src, value_at(window, ends, places->src), places->has & FLS_HAS_SRC)) &&
           (!places->has_pkt_dst ||
            check_address(dst, value_at(window, ends, places->dst), places->has & FLS_HAS_DST));
}

/* True if the first value is none of what may stand before a line, and so many open texts begin
 * like no name that the line cannot be a header. */
FLS_FAST_INLINE bool begins_as_flow(const struct fls_layout *layout, const uint8_t *window,
                                    const uint32_t *ends)
{
    uint32_t missing = layout->not_names_min;
    struct value first = value_at(window, ends, 0);

    if (layout->op[0] < FLS_OP_CHECK_NUMBER && may_be_prefix(first.at, first.sz))
        return false;
    for (uint32_t i = 0; missing > 0 && i < layout->places.open_cnt; i++)
        missing -= !may_be_name(value_at(window, ends, layout->places.open[i]).at);
    return missing == 0;
}

/* The flags of action and, where it matters, direction; false for lines without data. */
FLS_FAST_INLINE bool take_texts(const struct fls_places *places, const uint8_t *window,
                                const uint32_t *ends, uint32_t *has)
{
    struct value value;

    if (places->has_status) {
        value = value_at(window, ends, places->status);
        if (!is_text(value.at, value.sz, "OK", 2))
            return false;
    }
    if (places->has_action) {
        value = value_at(window, ends, places->action);
        *has |= action_flag(value.at, value.sz);
    }
    if (places->has_direction && (*has & (FLS_SRC_IS_IPV6 | FLS_DST_IS_IPV6))) {
        value = value_at(window, ends, places->direction);
        *has |= own_side_flag(value.at, value.sz);
        *has = drop_own_side(*has);
    }
    return true;
}

/* From the first to the last byte of each run. */
FLS_FAST_INLINE void take_runs(const struct fls_text_runs *runs, const uint32_t *ends,
                               struct fls_run *run)
{
    for (uint32_t i = 0; i < runs->cnt; i++) {
        uint32_t begin = ends[(int32_t)runs->first[i] - 1] + 1;

        run[i] = (struct fls_run){begin, ends[runs->last[i]] - begin};
    }
}

/* A line of values that are all there, with log-status OK if it has one: nearly all lines. `ends`
 * are its ends, behind the end of the line before. False: not that, nothing else is said. */
FLS_FAST_INLINE bool parse_whole(const struct fls_layout *layout, const uint8_t *window,
                                 const uint32_t *ends, struct fls_flow *flow, struct fls_run *run)
{
    const struct fls_places *places = &layout->places;
    uint32_t has;

    if (!places->is_complete || !take_addresses(places, window, ends, flow, &has) ||
        !check_addresses(places, window, ends) || !take_texts(places, window, ends, &has) ||
        !((places->number_cnt >= NUMBERS_MANY && fls_read_numbers(places, window, ends, flow)) ||
          read_numbers(places, window, ends, flow)) ||
        !begins_as_flow(layout, window, ends))
        return false;
    if (places->mask[FLS_NUMBER_START] == 0)
        flow->minute = FLS_MINUTE_UNKNOWN;
    flow->attributes = 0;
    flow->kind = FLS_KIND_RECORD;
    flow->has = (uint16_t)has;
    take_runs(&layout->runs, ends, run);
    return true;
}

/* The same, with the layouts of most logs built in: 47 against 52 ns a record of all 29 fields. */
FLS_FAST_INLINE bool parse_quickly(const struct fls_layout *layout, const uint8_t *window,
                                   const uint32_t *ends, struct fls_flow *flow, struct fls_run *run)
{
    switch (layout->usual) {
    case FLS_USUAL_V2:
        return parse_whole(&fls_layout_v2, window, ends, flow, run);
    case FLS_USUAL_V5:
        return parse_whole(&fls_layout_v5, window, ends, flow, run);
    case FLS_USUAL_NONE:
        break;
    }
    return parse_whole(layout, window, ends, flow, run);
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
        flow->has |= (uint16_t)own_side_flag(at, sz);
    else if (op == FLS_OP_STATUS)
        flow->kind = is_text(at, sz, "NODATA", 6)     ? FLS_KIND_NODATA
                     : is_text(at, sz, "SKIPDATA", 8) ? FLS_KIND_SKIPDATA
                                                      : FLS_KIND_RECORD;
}

/* A line of any layout, whose ends are `ends`, by the layout's plan. */
FLS_FAST_INLINE bool parse_planned(const struct fls_layout *layout, const uint8_t *window,
                                   uint32_t line, const uint32_t *ends, struct fls_flow *flow,
                                   struct fls_run *run)
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
        not_names += !may_be_name(value);
        take_text(op, value, sz, flow);
    }
    flow->has = (uint16_t)drop_own_side(flow->has);
    take_runs(&layout->runs, ends, run);
    return not_names >= layout->not_names_min;
}

/* Usual lines from `at` on, until the batch is full; returns where the first other one begins. This
 * and the next one are functions of their own for the registers' sake. */
FLS_FAST_TARGET static __attribute__((noinline)) uint32_t
take_usual(const struct fls_layout *layout, struct fls_span window, uint32_t at,
           struct fls_batch *batch, struct fls_fast_counts *counts)
{
    const uint32_t run_cnt = layout->runs.cnt;
    uint32_t cnt = batch->cnt, sz;

    while (cnt < FLS_BATCH_MAX && window.sz - at >= FLS_USUAL_ROOM) {
        sz = fls_read_usual(window.at, at, &batch->flow[cnt], batch->run + (size_t)cnt * run_cnt);
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
        uint32_t *ends = index->ends + 1 + index->end_at;
        uint32_t end = ends[n - 1], last_value = n > 1 ? ends[n - 2] + 1 : at;
        struct fls_flow *flow = &batch->flow[batch->cnt];
        struct fls_run *run = batch->run + (size_t)batch->cnt * layout->runs.cnt;

        if (index->odd[index->odd_at] != end || window.at[end] != '\n' || last_value == end ||
            end - at > FLS_LINE_MAX)
            break;
        ends[-1] = at - 1;
        if (!parse_quickly(layout, window.at, ends, flow, run) &&
            !parse_planned(layout, window.at, at, ends, flow, run))
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

    if (!FLS_READS_USUAL || layout->usual != FLS_USUAL_V2)
        return take_indexed(layout, window, at, index, batch, FLS_BATCH_MAX, counts);
    do {
        begin = at = take_usual(layout, window, at, batch, counts);
        fls_index_skip(index, at);
        limit = batch->cnt < FLS_BATCH_MAX ? batch->cnt + 1 : FLS_BATCH_MAX;
        at = take_indexed(layout, window, at, index, batch, limit, counts);
    } while (at != begin);
    return at;
}

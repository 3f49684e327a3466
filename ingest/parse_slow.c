#include "ingest/parse_slow.h"

#include "base/calendar.h"
#include "base/ip.h"
#include "ingest/line.h"
#include "ingest/parse.h"

static const struct fls_verdict empty = {FLS_LINE_EMPTY, FLS_REASON_CNT};
static const struct fls_verdict is_header = {FLS_LINE_HEADER, FLS_REASON_CNT};
static const struct fls_verdict is_flow = {FLS_LINE_FLOW, FLS_REASON_CNT};

static struct fls_verdict malformed(enum fls_reason reason)
{
    return (struct fls_verdict){FLS_LINE_MALFORMED, reason};
}

static bool is_absent(struct fls_span token)
{
    return fls_span_equal(token, FLS_SPAN("-"));
}

/* Plain digits, any count of them. A number beyond 64 bits stays at UINT64_MAX, which only a field
 * without a limit allows. */
static bool read_number(struct fls_span token, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < token.sz; i++) {
        uint8_t digit = (uint8_t)(token.at[i] - '0');

        if (digit > 9)
            return false;
        if (__builtin_mul_overflow(*value, 10, value) ||
            __builtin_add_overflow(*value, digit, value))
            *value = UINT64_MAX;
    }
    return token.sz > 0;
}

static void keep_number(struct fls_flow *flow, enum fls_field field, uint64_t value)
{
    switch (field) {
    case FLS_FIELD_SRCPORT:
        flow->src_port = (uint16_t)value;
        flow->has |= FLS_HAS_SRC_PORT;
        break;
    case FLS_FIELD_DSTPORT:
        flow->dst_port = (uint16_t)value;
        flow->has |= FLS_HAS_DST_PORT;
        break;
    case FLS_FIELD_PROTOCOL:
        flow->protocol = (uint8_t)value;
        flow->has |= FLS_HAS_PROTOCOL;
        break;
    case FLS_FIELD_PACKETS:
        flow->packets = value;
        break;
    case FLS_FIELD_BYTES:
        flow->bytes = value;
        break;
    case FLS_FIELD_START:
        flow->minute = (uint32_t)(value / 60);
        break;
    default:
        break;
    }
}

static void keep_address(struct fls_flow *flow, enum fls_field field, const struct fls_ip *ip)
{
    if (field == FLS_FIELD_SRCADDR) {
        memcpy(flow->src, ip->bytes, sizeof(flow->src));
        flow->has |= FLS_HAS_SRC | (ip->is_ipv6 ? FLS_SRC_IS_IPV6 : 0);
    } else if (field == FLS_FIELD_DSTADDR) {
        memcpy(flow->dst, ip->bytes, sizeof(flow->dst));
        flow->has |= FLS_HAS_DST | (ip->is_ipv6 ? FLS_DST_IS_IPV6 : 0);
    }
}

static void keep_text(struct fls_flow *flow, enum fls_field field, struct fls_span token)
{
    if (field == FLS_FIELD_LOG_STATUS) {
        if (fls_span_equal(token, FLS_SPAN("NODATA")))
            flow->kind = FLS_KIND_NODATA;
        else if (fls_span_equal(token, FLS_SPAN("SKIPDATA")))
            flow->kind = FLS_KIND_SKIPDATA;
    } else if (field == FLS_FIELD_ACTION) {
        if (fls_span_equal(token, FLS_SPAN("ACCEPT")))
            flow->has |= FLS_IS_ACCEPTED;
        else if (fls_span_equal(token, FLS_SPAN("REJECT")))
            flow->has |= FLS_IS_REJECTED;
    } else if (field == FLS_FIELD_FLOW_DIRECTION) {
        if (fls_span_equal(token, FLS_SPAN("egress")))
            flow->has |= FLS_SRC_IS_OWN_SIDE;
        else if (fls_span_equal(token, FLS_SPAN("ingress")))
            flow->has |= FLS_DST_IS_OWN_SIDE;
    }
}

/* Checks a value, and keeps it if `keep`: that is, if it is its field's first in the line. */
static struct fls_verdict take_value(struct fls_flow *flow, enum fls_field field,
                                     struct fls_span token, bool keep)
{
    struct fls_ip ip;
    uint64_t value;

    if (is_absent(token))
        return is_flow;
    switch (fls_fields[field].kind) {
    case FLS_FIELD_IS_NUMBER:
        if (!read_number(token, &value))
            return malformed(FLS_REASON_NOT_A_NUMBER);
        if (value > fls_fields[field].limit)
            return malformed(FLS_REASON_OUT_OF_RANGE);
        if (keep)
            keep_number(flow, field, value);
        break;
    case FLS_FIELD_IS_ADDRESS:
        if (!fls_ip_parse(token, &ip))
            return malformed(FLS_REASON_NOT_AN_ADDRESS);
        if (keep)
            keep_address(flow, field, &ip);
        break;
    case FLS_FIELD_IS_TEXT:
    case FLS_FIELD_IS_ATTRIBUTE:
    case FLS_FIELD_IS_STATUS:
        if (keep)
            keep_text(flow, field, token);
        break;
    }
    return is_flow;
}

static uint32_t count_tokens(struct fls_span line)
{
    struct fls_span token;
    uint32_t cnt = 0;

    while (fls_line_token(&line, &token))
        cnt++;
    return cnt;
}

static struct fls_verdict take_values(const struct fls_layout *layout, const uint8_t *window,
                                      struct fls_span line, struct fls_flow *flow,
                                      struct fls_run *run)
{
    bool is_seen[FLS_FIELD_CNT + 1] = {false};
    const struct fls_text_runs *runs = &layout->runs;
    struct fls_span token;
    uint32_t k = 0; /* of the runs */

    for (uint32_t i = 0; fls_line_token(&line, &token); i++) {
        enum fls_field field = (enum fls_field)layout->field[i];
        struct fls_verdict verdict = take_value(flow, field, token, !is_seen[field]);

        if (verdict.kind == FLS_LINE_MALFORMED)
            return verdict;
        is_seen[field] = true;
        if (k < runs->cnt && i == runs->first[k])
            run[k].at = (uint32_t)(token.at - window);
        if (k < runs->cnt && i == runs->last[k]) {
            run[k].sz = (uint32_t)(token.at + token.sz - window) - run[k].at;
            k++;
        }
    }
    return is_flow;
}

struct fls_verdict fls_parse_line_slow(const struct fls_layout *layout, const uint8_t *window,
                                       struct fls_span line, struct fls_layout *header,
                                       struct fls_flow *flow, struct fls_run *run)
{
    bool has_return = line.sz > 0 && line.at[line.sz - 1] == '\r', had_tokens;
    struct fls_verdict verdict;

    if (line.sz - has_return > FLS_LINE_MAX)
        return malformed(FLS_REASON_TOO_LONG);
    if (fls_layout_from_header(line, header))
        return is_header;
    line = fls_line_strip(line, &had_tokens);
    if (!had_tokens)
        return empty;

    uint32_t token_cnt = count_tokens(line);
    if (token_cnt != layout->cnt)
        return malformed(token_cnt < layout->cnt ? FLS_REASON_TOO_FEW_FIELDS
                                                 : FLS_REASON_TOO_MANY_FIELDS);
    memset(flow, 0, sizeof(*flow));
    flow->kind = FLS_KIND_RECORD;
    flow->minute = FLS_MINUTE_UNKNOWN;
    verdict = take_values(layout, window, line, flow, run);
    /* The side that is the interface's own matters for IPv6 only. */
    if (!(flow->has & FLS_SRC_IS_IPV6))
        flow->has &= (uint16_t)~FLS_SRC_IS_OWN_SIDE;
    if (!(flow->has & FLS_DST_IS_IPV6))
        flow->has &= (uint16_t)~FLS_DST_IS_OWN_SIDE;
    return verdict;
}

#include "base/ip.h"

#include <string.h>

#define FLS_IPV4_SZ 4U
#define FLS_IPV6_SZ 16U
#define FLS_GROUPS (FLS_IPV6_SZ / 2)

/* Exactly the whole text: four parts of one to three digits, none above 255, none with a zero in
 * front (some readers take such a part as octal, so it has no one meaning). */
static bool read_ipv4(const uint8_t *at, const uint8_t *end, uint8_t out[static FLS_IPV4_SZ])
{
    for (unsigned part = 0; part < FLS_IPV4_SZ; part++) {
        unsigned value = 0, digit_cnt = 0;

        if (part > 0 && (at == end || *at++ != '.'))
            return false;
        while (at < end && *at >= '0' && *at <= '9') {
            if (digit_cnt > 0 && value == 0)
                return false;
            value = value * 10 + (unsigned)(*at++ - '0');
            digit_cnt++;
            if (value > 255)
                return false;
        }
        if (digit_cnt == 0)
            return false;
        out[part] = (uint8_t)value;
    }
    return at == end;
}

/* What a hexadecimal digit is worth, and 1; 0 for every other byte. */
static const uint8_t hex_digit[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16};

/* Reads one to four hexadecimal digits; returns how many, 0 if there is none. */
static unsigned read_group(const uint8_t *at, const uint8_t *end, unsigned *value)
{
    unsigned cnt = 0, digit, sum = 0;

    while (cnt < 4 && at + cnt < end && (digit = hex_digit[at[cnt]]) != 0) {
        sum = sum << 4 | (digit - 1);
        cnt++;
    }
    *value = sum;
    return cnt;
}

/* Moves what was written after `::` to the end of the address. */
static bool fill_gap(uint8_t out[static FLS_IPV6_SZ], int gap, unsigned written)
{
    if (gap < 0)
        return written == FLS_IPV6_SZ;
    if (written == FLS_IPV6_SZ)
        return false; /* `::` stands for at least one group */
    unsigned tail_sz = written - (unsigned)gap;
    memmove(out + FLS_IPV6_SZ - tail_sz, out + gap, tail_sz);
    memset(out + gap, 0, FLS_IPV6_SZ - written);
    return true;
}

static bool read_ipv6(const uint8_t *at, const uint8_t *end, uint8_t out[static FLS_IPV6_SZ])
{
    unsigned written = 0;
    int gap = -1; /* where `::` stands in out */

    if (end - at >= 2 && at[0] == ':' && at[1] == ':') {
        gap = 0;
        at += 2;
    }
    while (at < end) {
        unsigned value, digit_cnt = read_group(at, end, &value);

        if (digit_cnt == 0 || written + 2 > FLS_IPV6_SZ)
            return false;
        if (at + digit_cnt < end && at[digit_cnt] == '.') {
            if (written + FLS_IPV4_SZ > FLS_IPV6_SZ || !read_ipv4(at, end, out + written))
                return false;
            return fill_gap(out, gap, written + FLS_IPV4_SZ);
        }
        out[written++] = (uint8_t)(value >> 8);
        out[written++] = (uint8_t)value;
        at += digit_cnt;
        if (at == end)
            break;
        if (*at++ != ':' || at == end)
            return false;
        if (*at == ':') {
            if (gap >= 0)
                return false;
            gap = (int)written;
            at++;
        }
    }
    return fill_gap(out, gap, written);
}

bool fls_ip_parse(struct fls_span text, struct fls_ip *ip)
{
    const uint8_t *end = text.at + text.sz;

    /* The longest text, 45 bytes, is one of these two as well. */
    if (text.sz < 2 || text.sz >= FLS_IP_TEXT_MAX)
        return false;
    memset(ip, 0, sizeof(*ip));
    if (read_ipv4(text.at, end, ip->bytes))
        return true;
    ip->is_ipv6 = true;
    return read_ipv6(text.at, end, ip->bytes);
}

static char *put_decimal(char *out, unsigned value)
{
    if (value >= 100)
        *out++ = (char)('0' + value / 100);
    if (value >= 10)
        *out++ = (char)('0' + value / 10 % 10);
    *out++ = (char)('0' + value % 10);
    return out;
}

static char *put_ipv4(char *out, const uint8_t *bytes)
{
    for (unsigned i = 0; i < FLS_IPV4_SZ; i++) {
        if (i > 0)
            *out++ = '.';
        out = put_decimal(out, bytes[i]);
    }
    return out;
}

static char *put_group(char *out, unsigned value)
{
    static const char digits[] = "0123456789abcdef";
    bool started = false;

    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = value >> shift & 15;

        started = started || digit != 0 || shift == 0;
        if (started)
            *out++ = digits[digit];
    }
    return out;
}

/* The longest run of groups that are 0, the first of equal ones; its length is 0 if no run is
 * longer than one group, which RFC 5952 leaves as it is. */
static unsigned longest_zeros(const uint16_t *group, unsigned *at)
{
    unsigned best = 1, run = 0;

    *at = 0;
    for (unsigned i = 0; i < FLS_GROUPS; i++) {
        run = group[i] == 0 ? run + 1 : 0;
        if (run > best) {
            best = run;
            *at = i + 1 - run;
        }
    }
    return best > 1 ? best : 0;
}

static char *put_ipv6(char *out, const uint8_t *bytes)
{
    uint16_t group[FLS_GROUPS];
    unsigned gap_at, gap_cnt, i = 0;

    for (unsigned k = 0; k < FLS_GROUPS; k++)
        group[k] = (uint16_t)(bytes[2 * k] << 8 | bytes[2 * k + 1]);
    gap_cnt = longest_zeros(group, &gap_at);
    while (i < FLS_GROUPS) {
        if (gap_cnt > 0 && i == gap_at) {
            *out++ = ':';
            *out++ = ':';
            i += gap_cnt;
            continue;
        }
        if (i > 0 && out[-1] != ':')
            *out++ = ':';
        out = put_group(out, group[i++]);
    }
    return out;
}

int fls_ip_format(const struct fls_ip *ip, char out[static FLS_IP_TEXT_MAX])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char *end;

    if (!ip->is_ipv6) {
        end = put_ipv4(out, ip->bytes);
    } else if (memcmp(ip->bytes, mapped, sizeof(mapped)) == 0) {
        memcpy(out, "::ffff:", 7);
        end = put_ipv4(out + 7, ip->bytes + sizeof(mapped));
    } else {
        end = put_ipv6(out, ip->bytes);
    }
    *end = '\0';
    return (int)(end - out);
}

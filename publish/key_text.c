#include "publish/key_text.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/calendar.h"
#include "base/printable.h"

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#define FIXED_TEXT_MAX 128U /* two IPv6 addresses, a protocol, a port and bars: 45+45+3+5+3 */

struct fls_ip fls_key_address(uint64_t high, uint64_t low, bool is_ipv6)
{
    const uint32_t ipv4 = htobe32((uint32_t)low);
    struct fls_ip ip = {.is_ipv6 = is_ipv6};

    if (is_ipv6)
        fls_part_get_ipv6(ip.bytes, high, low);
    else
        memcpy(ip.bytes, &ipv4, sizeof(ipv4));
    return ip;
}

size_t fls_key_text_max(const struct fls_part_key *key, enum fls_table_key kind,
                        const struct fls_span *symbols)
{
    if (kind == FLS_KEY_ATTRIBUTE)
        return FLS_PRINTABLE_MAX(symbols[key->a_low].sz) + 1;
    return FIXED_TEXT_MAX;
}

static size_t put_address(uint64_t high, uint64_t low, bool is_ipv6, char *out)
{
    struct fls_ip ip = fls_key_address(high, low, is_ipv6);
    char text[FLS_IP_TEXT_MAX];
    int sz = fls_ip_format(&ip, text);

    memcpy(out, text, (size_t)sz);
    return (size_t)sz;
}

static size_t put_number(uint32_t number, char *out)
{
    char digits[10];
    size_t sz = 0;

    do
        digits[sz++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < sz; i++)
        out[i] = digits[sz - 1 - i];
    return sz;
}

static size_t put_port(const struct fls_part_key *key, char *out)
{
    size_t sz = put_number(fls_part_protocol(key), out);

    out[sz++] = '|';
    return sz + put_number(fls_part_port(key), out + sz);
}

size_t fls_key_text(const struct fls_part_key *key, enum fls_table_key kind,
                    const struct fls_span *symbols, char *out)
{
    char minute[FLS_MINUTE_TEXT_MAX];
    size_t sz;

    switch (kind) {
    case FLS_KEY_NONE:
        return 0;
    case FLS_KEY_MINUTE:
        sz = (size_t)fls_minute_format((uint32_t)key->a_low, minute);
        memcpy(out, minute, sz);
        return sz;
    case FLS_KEY_PROTOCOL:
        return put_number(fls_part_protocol(key), out);
    case FLS_KEY_ADDRESS:
        return put_address(key->a_high, key->a_low, key->flags & FLS_A_IS_IPV6, out);
    case FLS_KEY_PORT:
        return put_port(key, out);
    case FLS_KEY_CONVERSATION:
        sz = put_address(key->a_high, key->a_low, key->flags & FLS_A_IS_IPV6, out);
        out[sz++] = '|';
        sz += put_address(key->b_high, key->b_low, key->flags & FLS_B_IS_IPV6, out + sz);
        out[sz++] = '|';
        return sz + put_port(key, out + sz);
    case FLS_KEY_ATTRIBUTE:
        return fls_printable(symbols[key->a_low], out);
    }
    fls_assert(!"a kind of key");
    return 0;
}

/* Dotted IPv4 as a number that compares as the texts do: its 16 bytes, filled up with zeros. */
static unsigned __int128 ipv4_text(uint32_t ipv4, bool ends_with_bar)
{
    unsigned __int128 text = 0;
    unsigned sz = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        uint32_t octet = ipv4 >> shift & 255;

        if (octet >= 100)
            text = text << 8 | ('0' + octet / 100), sz++;
        if (octet >= 10)
            text = text << 8 | ('0' + octet / 10 % 10), sz++;
        text = text << 8 | ('0' + octet % 10), sz++;
        if (shift > 0 || ends_with_bar)
            text = text << 8 | (shift > 0 ? '.' : '|'), sz++;
    }
    return text << 8 * (16 - sz);
}

static bool is_ipv4(const struct fls_part_key *key, enum fls_table_key kind)
{
    return kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION
               ? !(key->flags & (FLS_A_IS_IPV6 | FLS_B_IS_IPV6))
               : false;
}

/* How many bytes of a symbol are enough for PREFIX_SZ bytes of its text: as many, and the rest of a
 * character that begins there. */
#define PREFIX_SZ 8U
#define PREFIX_SYMBOL_SZ (PREFIX_SZ + 3U)
_Static_assert(FLS_PRINTABLE_MAX(PREFIX_SYMBOL_SZ) <= FIXED_TEXT_MAX, "it fits");

uint64_t fls_key_text_prefix(const struct fls_part_key *key, enum fls_table_key kind,
                             const struct fls_span *symbols)
{
    char text[FIXED_TEXT_MAX];
    uint64_t prefix = 0;
    size_t sz;

    if (is_ipv4(key, kind))
        return (uint64_t)(ipv4_text((uint32_t)key->a_low, kind == FLS_KEY_CONVERSATION) >> 64);
    if (kind == FLS_KEY_ATTRIBUTE) {
        struct fls_span symbol = symbols[key->a_low];

        if (symbol.sz > PREFIX_SYMBOL_SZ)
            symbol.sz = PREFIX_SYMBOL_SZ;
        sz = fls_printable(symbol, text);
    } else {
        sz = fls_key_text(key, kind, symbols, text);
    }
    for (size_t i = 0; i < PREFIX_SZ; i++)
        prefix = prefix << 8 | (i < sz ? (uint8_t)text[i] : 0);
    return prefix;
}

static struct fls_span span_of(const char *text, size_t sz)
{
    return (struct fls_span){(const uint8_t *)text, sz};
}

static int compare_ipv4(uint64_t a, uint64_t b, bool ends_with_bar)
{
    unsigned __int128 left, right;

    if (a == b)
        return 0;
    left = ipv4_text((uint32_t)a, ends_with_bar);
    right = ipv4_text((uint32_t)b, ends_with_bar);
    return (left > right) - (left < right);
}

static int compare_ports(const struct fls_part_key *a, const struct fls_part_key *b)
{
    char left[FIXED_TEXT_MAX], right[FIXED_TEXT_MAX];
    size_t left_sz = put_port(a, left), right_sz = put_port(b, right);

    return fls_span_order(span_of(left, left_sz), span_of(right, right_sz));
}

int fls_key_text_compare(const struct fls_part_key *a, const struct fls_part_key *b,
                         enum fls_table_key kind, const struct fls_span *symbols)
{
    size_t a_max, a_sz, b_sz;
    bool has_ports = kind == FLS_KEY_CONVERSATION;
    char *text;
    int order;

    if (is_ipv4(a, kind) && is_ipv4(b, kind)) {
        order = compare_ipv4(a->a_low, b->a_low, has_ports);
        if (order == 0 && has_ports)
            order = compare_ipv4(a->b_low, b->b_low, true);
        return order == 0 && has_ports ? compare_ports(a, b) : order;
    }
    a_max = fls_key_text_max(a, kind, symbols);
    text = fls_array_new(a_max + fls_key_text_max(b, kind, symbols), 1);
    a_sz = fls_key_text(a, kind, symbols, text);
    b_sz = fls_key_text(b, kind, symbols, text + a_max);
    order = fls_span_order(span_of(text, a_sz), span_of(text + a_max, b_sz));
    free(text);
    return order;
}

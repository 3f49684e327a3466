#include "publish/key_text.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/printable.h"

#include <stdio.h>
#include <stdlib.h>

#define FIXED_TEXT_MAX 128U /* two IPv6 addresses, a protocol, a port and bars: 45+45+3+5+3 */

struct fls_ip fls_key_address(uint32_t number, bool is_ipv6, const struct fls_names *names)
{
    struct fls_ip ip = {.is_ipv6 = is_ipv6};
    uint32_t ipv4 = __builtin_bswap32(number);

    if (is_ipv6)
        memcpy(ip.bytes, fls_dictionary_text(&names->ipv6, number).at, 16);
    else
        memcpy(ip.bytes, &ipv4, sizeof(ipv4));
    return ip;
}

size_t fls_key_text_max(const struct fls_key *key, enum fls_table_key kind,
                        const struct fls_names *names)
{
    if (kind == FLS_KEY_ATTRIBUTE)
        return FLS_PRINTABLE_MAX(fls_dictionary_text(&names->symbols, key->a).sz) + 1;
    return FIXED_TEXT_MAX;
}

static size_t put_address(uint32_t number, bool is_ipv6, const struct fls_names *names, char *out)
{
    struct fls_ip ip = fls_key_address(number, is_ipv6, names);
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

static size_t put_port(const struct fls_key *key, char *out)
{
    size_t sz = put_number(key->protocol, out);

    out[sz++] = '|';
    return sz + put_number(key->port, out + sz);
}

size_t fls_key_text(const struct fls_key *key, enum fls_table_key kind,
                    const struct fls_names *names, char *out)
{
    char minute[FLS_MINUTE_TEXT_MAX];
    size_t sz;

    switch (kind) {
    case FLS_KEY_NONE:
        return 0;
    case FLS_KEY_MINUTE:
        sz = (size_t)fls_minute_format(key->a, minute);
        memcpy(out, minute, sz);
        return sz;
    case FLS_KEY_PROTOCOL:
        return put_number(key->protocol, out);
    case FLS_KEY_ADDRESS:
        return put_address(key->a, key->flags & FLS_A_IS_IPV6, names, out);
    case FLS_KEY_PORT:
        return put_port(key, out);
    case FLS_KEY_CONVERSATION:
        sz = put_address(key->a, key->flags & FLS_A_IS_IPV6, names, out);
        out[sz++] = '|';
        sz += put_address(key->b, key->flags & FLS_B_IS_IPV6, names, out + sz);
        out[sz++] = '|';
        return sz + put_port(key, out + sz);
    case FLS_KEY_ATTRIBUTE:
        return fls_printable(fls_dictionary_text(&names->symbols, key->a), out);
    }
    fls_assert(!"a kind of key");
    return 0;
}

/* The first bytes of dotted IPv4, appended as they would be written: at most two parts and a bit
 * are needed for 8 bytes. */
static uint64_t ipv4_prefix(uint32_t ipv4, bool ends_with_bar)
{
    uint64_t prefix = 0;
    unsigned sz = 0;

    for (int shift = 24; shift >= 0 && sz < 8; shift -= 8) {
        char part[4];
        size_t part_sz = put_number(ipv4 >> shift & 255, part);

        if (shift > 0)
            part[part_sz++] = '.';
        else if (ends_with_bar)
            part[part_sz++] = '|';
        for (size_t i = 0; i < part_sz && sz < 8; i++, sz++)
            prefix = prefix << 8 | (uint8_t)part[i];
    }
    return sz < 8 ? prefix << 8 * (8 - sz) : prefix;
}

uint64_t fls_key_text_prefix(const struct fls_key *key, enum fls_table_key kind,
                             const struct fls_names *names)
{
    char stack[FIXED_TEXT_MAX], *text = stack;
    uint64_t prefix = 0;
    size_t max, sz;

    if ((kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION) && !(key->flags & FLS_A_IS_IPV6))
        return ipv4_prefix(key->a, kind == FLS_KEY_CONVERSATION);
    max = fls_key_text_max(key, kind, names);
    if (max > sizeof(stack)) {
        text = malloc(max);
        fls_assert(text != NULL);
    }
    sz = fls_key_text(key, kind, names, text);
    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < sz ? (uint8_t)text[i] : 0);
    if (text != stack)
        free(text);
    return prefix;
}

int fls_key_text_compare(const struct fls_key *a, const struct fls_key *b, enum fls_table_key kind,
                         const struct fls_names *names)
{
    size_t a_max = fls_key_text_max(a, kind, names), b_max = fls_key_text_max(b, kind, names);
    char stack[2 * FIXED_TEXT_MAX], *text = stack;
    size_t a_sz, b_sz;
    int order;

    if (a_max + b_max > sizeof(stack)) {
        text = malloc(a_max + b_max);
        fls_assert(text != NULL);
    }
    a_sz = fls_key_text(a, kind, names, text);
    b_sz = fls_key_text(b, kind, names, text + a_max);
    order = memcmp(text, text + a_max, a_sz < b_sz ? a_sz : b_sz);
    if (text != stack)
        free(text);
    return order ? order : (a_sz > b_sz) - (a_sz < b_sz);
}

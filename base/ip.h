/* IP addresses: 16 bytes in network order and whether they are IPv6. An IPv4 address stands in the
 * first 4 bytes, the other 12 are 0. The two families never mix: ::ffff:1.2.3.4 is IPv6. */
#pragma once

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_IP_TEXT_MAX 46 /* the longest text of an IPv6 address with its NUL */

struct fls_ip {
    uint8_t bytes[16];
    bool is_ipv6;
};

/* Reads an IPv4 address (four decimal parts 0..255 without leading zeros) or an IPv6 address (all
 * of RFC 4291's text forms, in any case, no zone); false for anything else. */
bool fls_ip_parse(struct fls_span text, struct fls_ip *ip);
/* Writes the canonical text with its NUL and returns its length: IPv4 dotted; IPv6 as in RFC 5952,
 * hexadecimal throughout, but for ::ffff:0:0/96, which ends dotted. */
int fls_ip_format(const struct fls_ip *ip, char out[static FLS_IP_TEXT_MAX]);

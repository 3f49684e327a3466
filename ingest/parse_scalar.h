/* What a variant of the fast path (parse_template.h) offers that has no instructions for values:
 * the general readers read all of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool fls_read_ipv4(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    (void)at, (void)sz, (void)out;
    return false; /* fls_ip_parse reads both kinds */
}

static inline bool fls_read_ipv6(const uint8_t *at, uint32_t sz, uint8_t out[16])
{
    (void)at, (void)sz, (void)out;
    return false;
}

#include "enrich/own.h"

#include <stdint.h>

struct network {
    uint8_t bytes[4]; /* all of these end within four bytes */
    uint8_t prefix_bits;
};

static const struct network own_ipv4[] = {
    {{10, 0, 0, 0}, 8},    {{172, 16, 0, 0}, 12},  {{192, 168, 0, 0}, 16},
    {{100, 64, 0, 0}, 10}, {{169, 254, 0, 0}, 16},
};

static const struct network own_ipv6[] = {
    {{0xfc, 0, 0, 0}, 7},
    {{0xfe, 0x80, 0, 0}, 10},
};

static uint32_t first_word(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static bool contains(const struct network *networks, size_t cnt, const uint8_t *bytes)
{
    for (size_t i = 0; i < cnt; i++) {
        uint32_t mask = UINT32_MAX << (32 - networks[i].prefix_bits);

        if (((first_word(bytes) ^ first_word(networks[i].bytes)) & mask) == 0)
            return true;
    }
    return false;
}

bool fls_own_contains(const struct fls_ip *ip)
{
    if (ip->is_ipv6)
        return contains(own_ipv6, sizeof(own_ipv6) / sizeof(own_ipv6[0]), ip->bytes);
    return contains(own_ipv4, sizeof(own_ipv4) / sizeof(own_ipv4[0]), ip->bytes);
}

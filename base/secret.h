/* Random words of this process, drawn from the kernel before main: the secret of its hashes. No
 * figure depends on them. */
#pragma once

#include <stdint.h>

extern uint64_t fls_secret[4];

static inline uint64_t fls_secret_fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Of 16 bytes that are looked up often. */
static inline uint32_t fls_secret_hash(uint64_t a, uint64_t b)
{
    uint64_t folded = fls_secret_fold(a ^ fls_secret[0], b ^ fls_secret[1]);

    folded = fls_secret_fold(folded ^ fls_secret[2], fls_secret[3]);
    return (uint32_t)(folded ^ (folded >> 32));
}

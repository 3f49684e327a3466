#include "base/hll.h"

#include <string.h>

/* The constants are Redis's (hyperloglog.c) and MurmurHash64A's. */
#define INDEX_BITS 14U
#define SEED 0xadc83b19ULL
#define MULTIPLIER 0xc6a4a7935bd1e995ULL
#define SHIFT 47U
#define HEADER_SZ 16U
#define CARDINALITY_IS_STALE 0x80U /* top bit of the cached cardinality's last byte */

uint64_t fls_hll_hash(struct fls_span element)
{
    uint64_t hash = SEED ^ (element.sz * MULTIPLIER);
    uint64_t rest = 0;
    size_t at = 0;

    for (; at + 8 <= element.sz; at += 8) {
        uint64_t word;

        memcpy(&word, element.at + at, 8);
        word *= MULTIPLIER;
        word ^= word >> SHIFT;
        word *= MULTIPLIER;
        hash = (hash ^ word) * MULTIPLIER;
    }
    if (at < element.sz) {
        memcpy(&rest, element.at + at, element.sz - at);
        hash = (hash ^ rest) * MULTIPLIER;
    }
    hash ^= hash >> SHIFT;
    hash *= MULTIPLIER;
    return hash ^ hash >> SHIFT;
}

void fls_hll_add_hash(struct fls_hll *hll, uint64_t hash)
{
    uint32_t index = (uint32_t)(hash & (FLS_HLL_REGISTERS - 1));
    /* a bit above the 50 that are left ends the run of zeros */
    uint64_t rest = hash >> INDEX_BITS | 1ULL << (64 - INDEX_BITS);
    uint8_t rank = (uint8_t)(__builtin_ctzll(rest) + 1);

    if (rank > hll->registers[index])
        hll->registers[index] = rank;
}

void fls_hll_add(struct fls_hll *hll, struct fls_span element)
{
    fls_hll_add_hash(hll, fls_hll_hash(element));
}

void fls_hll_merge(struct fls_hll *to, const struct fls_hll *from)
{
    for (uint32_t i = 0; i < FLS_HLL_REGISTERS; i++)
        if (from->registers[i] > to->registers[i])
            to->registers[i] = from->registers[i];
}

void fls_hll_encode(const struct fls_hll *hll, uint8_t out[static FLS_HLL_SZ])
{
    memset(out, 0, FLS_HLL_SZ);
    memcpy(out, "HYLL", 4);
    out[HEADER_SZ - 1] = CARDINALITY_IS_STALE;
    for (uint32_t i = 0; i < FLS_HLL_REGISTERS; i++) { /* 6 bits each, packed from the low bit */
        uint32_t bit = i * 6;
        uint32_t value = (uint32_t)hll->registers[i] << (bit % 8);

        out[HEADER_SZ + bit / 8] |= (uint8_t)value;
        if (value >> 8)
            out[HEADER_SZ + bit / 8 + 1] |= (uint8_t)(value >> 8);
    }
}

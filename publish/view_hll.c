#include "publish/view_hll.h"

#include "base/assert.h"

/* Both encodings begin alike:
 *
 *   0     4          5         8                        16
 *   +-----+----------+---------+------------------------+----------
 *   |HYLL | encoding | 0, 0, 0 | cached cardinality, LE  | registers
 *   +-----+----------+---------+------------------------+----------
 *
 * The top bit of the cached cardinality's last byte says that it is out of date. Dense (0): 16,384
 * registers of 6 bits from the low bit up. Sparse (1): runs of registers,
 *
 *   00nnnnnn            n + 1 registers of 0
 *   01nnnnnn nnnnnnnn   n + 1 registers of 0
 *   1vvvvvnn            n + 1 registers of v + 1
 */
#define HEADER_SZ 16U
#define ENCODING_AT 4U
#define STALE_AT 15U
#define ENCODING_DENSE 0U
#define ENCODING_SPARSE 1U
#define SPARSE_VALUE_MAX 32U
#define VALUE_RUN_MAX 4U
#define SHORT_RUN_MAX 64U

static unsigned register_of(const uint8_t *dense, unsigned index)
{
    unsigned bit = index * 6, at = HEADER_SZ + bit / 8, shift = bit % 8;
    unsigned word = dense[at];

    if (shift > 2) /* never of the last register, which ends with its byte */
        word |= (unsigned)dense[at + 1] << 8;
    return word >> shift & 63;
}

/* Appends a run of equal registers; the new length, or 0 if it is too long or the value too large.
 */
static size_t put_run(uint8_t *out, size_t sz, unsigned value, unsigned cnt)
{
    while (cnt) {
        unsigned part = value ? (cnt < VALUE_RUN_MAX ? cnt : VALUE_RUN_MAX) : cnt;

        if (value > SPARSE_VALUE_MAX || sz + 2 > FLS_HLL_SPARSE_SZ_MAX)
            return 0;
        if (value) {
            out[sz++] = (uint8_t)(0x80 | (value - 1) << 2 | (part - 1));
        } else if (part <= SHORT_RUN_MAX) {
            out[sz++] = (uint8_t)(part - 1);
        } else {
            out[sz++] = (uint8_t)(0x40 | (part - 1) >> 8);
            out[sz++] = (uint8_t)(part - 1);
        }
        cnt -= part;
    }
    return sz;
}

static size_t encode_sparse(const uint8_t *dense, uint8_t *out)
{
    size_t sz = HEADER_SZ;

    for (unsigned i = 0; i < FLS_HLL_REGISTERS && sz;) {
        unsigned value = register_of(dense, i), first = i;

        while (i < FLS_HLL_REGISTERS && register_of(dense, i) == value)
            i++;
        sz = put_run(out, sz, value, i - first);
    }
    return sz;
}

size_t fls_view_hll_encode(const uint8_t dense[static FLS_HLL_SZ], uint8_t out[static FLS_HLL_SZ])
{
    size_t sz = encode_sparse(dense, out);

    fls_assert(memcmp(dense, "HYLL", 4) == 0 && dense[ENCODING_AT] == ENCODING_DENSE);
    if (!sz) {
        memcpy(out, dense, FLS_HLL_SZ);
        sz = FLS_HLL_SZ;
    } else {
        memcpy(out, dense, HEADER_SZ);
        out[ENCODING_AT] = ENCODING_SPARSE;
    }
    out[STALE_AT] |= 0x80;
    return sz;
}

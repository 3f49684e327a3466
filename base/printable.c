#include "base/printable.h"

#include "base/assert.h"

#include <stdint.h>
#include <stdlib.h>

/* Bytes of the well-formed UTF-8 sequence at p (RFC 3629: shortest form, no surrogates, at most
 * U+10FFFF), 0 if there is none. */
static size_t utf8_sz(const uint8_t *p, size_t sz)
{
    size_t need = p[0] < 0x80   ? 1
                  : p[0] < 0xc2 ? 0
                  : p[0] < 0xe0 ? 2
                  : p[0] < 0xf0 ? 3
                  : p[0] < 0xf5 ? 4
                                : 0;

    if (need == 0 || need > sz)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return need;
}

static size_t escape(uint8_t byte, char *out)
{
    static const char digits[] = "0123456789abcdef";

    out[0] = '\\';
    out[1] = 'x';
    out[2] = digits[byte >> 4];
    out[3] = digits[byte & 15];
    return 4;
}

size_t fls_printable(struct fls_span text, char *out)
{
    size_t out_sz = 0;

    for (size_t i = 0; i < text.sz;) {
        size_t sz = utf8_sz(text.at + i, text.sz - i);

        if (sz == 0 || text.at[i] == '\\') {
            out_sz += escape(text.at[i++], out + out_sz);
            continue;
        }
        memcpy(out + out_sz, text.at + i, sz);
        out_sz += sz;
        i += sz;
    }
    return out_sz;
}

char *fls_printable_string(struct fls_span text)
{
    char *out = malloc(FLS_PRINTABLE_MAX(text.sz) + 1);
    size_t out_sz = 0;

    fls_assert(out != NULL);
    for (size_t i = 0; i < text.sz;) { /* like fls_printable, but a NUL cannot stand in a string */
        size_t end = i;

        while (end < text.sz && text.at[end] != 0)
            end++;
        out_sz += fls_printable((struct fls_span){text.at + i, end - i}, out + out_sz);
        if (end < text.sz)
            out_sz += escape(text.at[end++], out + out_sz);
        i = end;
    }
    out[out_sz] = 0;
    return out;
}

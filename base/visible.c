#include "base/visible.h"

#include "base/assert.h"

#include <stdbool.h>
#include <stdlib.h>

static bool is_continuation(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* The shortest form only, no surrogates, up to U+10FFFF: the second byte's range depends on the
 * first (Unicode's table 3-7). */
static bool second_is_valid(uint8_t first, uint8_t second)
{
    switch (first) {
    case 0xe0:
        return second >= 0xa0 && second <= 0xbf;
    case 0xed:
        return second >= 0x80 && second <= 0x9f;
    case 0xf0:
        return second >= 0x90 && second <= 0xbf;
    case 0xf4:
        return second >= 0x80 && second <= 0x8f;
    default:
        return is_continuation(second);
    }
}

size_t fls_utf8_character(struct fls_span text)
{
    uint8_t first = text.at[0];
    size_t sz;

    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    sz = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (text.sz < sz || !second_is_valid(first, text.at[1]))
        return 0;
    for (size_t i = 2; i < sz; i++)
        if (!is_continuation(text.at[i]))
            return 0;
    return sz;
}

/* Bytes of the character at the beginning that may stand as they are. */
static size_t plain_sz(struct fls_span text)
{
    size_t sz = fls_utf8_character(text);

    if (sz == 1 && (text.at[0] < 0x20 || text.at[0] == 0x7f))
        return 0;
    if (sz == 2 && text.at[0] == 0xc2 && text.at[1] < 0xa0)
        return 0;
    return sz;
}

/* What does not fit is left out whole, so that a cut never leaves half a character. */
static size_t put(char *out, size_t out_max, size_t at, const void *bytes, size_t sz)
{
    if (at + sz < out_max) {
        memcpy(out + at, bytes, sz);
        out[at + sz] = '\0';
    }
    return at + sz;
}

size_t fls_visible(struct fls_span text, char *out, size_t out_max)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;

    if (out_max)
        out[0] = '\0';
    while (text.sz) {
        size_t sz = plain_sz(text);

        if (sz) {
            at = put(out, out_max, at, text.at, sz);
        } else {
            char escape[4] = {'\\', 'x', digits[text.at[0] >> 4], digits[text.at[0] & 15]};

            at = put(out, out_max, at, escape, sizeof(escape));
            sz = 1;
        }
        text.at += sz;
        text.sz -= sz;
    }
    return at;
}

char *fls_visible_string(struct fls_span text)
{
    size_t sz = fls_visible(text, NULL, 0) + 1;
    char *out = malloc(sz);

    fls_assert(out != NULL);
    fls_visible(text, out, sz);
    return out;
}

size_t fls_visible_columns(const char *text)
{
    size_t cnt = 0;

    for (; *text; text++)
        cnt += !is_continuation((uint8_t)*text);
    return cnt;
}

#include "publish/view_text.h"

#include "base/assert.h"

#include <stdlib.h>

void fls_view_text_reserve(struct fls_view_text *text, size_t sz)
{
    if (text->max >= sz)
        return;
    text->max = sz > 2 * text->max ? sz : 2 * text->max;
    text->at = realloc(text->at, text->max);
    fls_assert(text->at);
}

void fls_view_text_put(struct fls_view_text *text, struct fls_span part)
{
    fls_assert(text->max - text->sz >= part.sz);
    memcpy(text->at + text->sz, part.at, part.sz);
    text->sz += part.sz;
}

void fls_view_text_put_number(struct fls_view_text *text, uint64_t number)
{
    char digits[FLS_VIEW_NUMBER_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    fls_view_text_put(text, (struct fls_span){(uint8_t *)digits + at, sizeof(digits) - at});
}

struct fls_span fls_view_text_since(const struct fls_view_text *text, size_t from)
{
    return (struct fls_span){(const uint8_t *)text->at + from, text->sz - from};
}

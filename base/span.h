/* Bytes that somebody else owns: not terminated, any value, may hold NUL. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fls_span {
    const uint8_t *at;
    size_t sz;
};

#define FLS_SPAN(literal) ((struct fls_span){(const uint8_t *)(literal), sizeof(literal) - 1})

static inline struct fls_span fls_span_of(const char *text)
{
    return (struct fls_span){(const uint8_t *)text, strlen(text)};
}

static inline int fls_span_equal(struct fls_span a, struct fls_span b)
{
    return a.sz == b.sz && (a.sz == 0 || memcmp(a.at, b.at, a.sz) == 0); /* `at` may be NULL */
}

/* Below, at or above 0 as a's bytes sort before, with or behind b's. */
static inline int fls_span_order(struct fls_span a, struct fls_span b)
{
    size_t sz = a.sz < b.sz ? a.sz : b.sz;
    int order = sz ? memcmp(a.at, b.at, sz) : 0;

    return order ? order : (a.sz > b.sz) - (a.sz < b.sz);
}

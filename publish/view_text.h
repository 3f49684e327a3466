/* Texts that the view's commands are made of, in memory that grows. */
#pragma once

#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

#define FLS_VIEW_NUMBER_MAX 24U /* bytes of a number as text, with a NUL */

/* All 0: empty. The owner frees `at`. */
struct fls_view_text {
    char *at;
    size_t sz, max; /* bytes in use, and there */
};

/* Makes the text hold at least `sz` bytes in all; it may move. Never fails. */
void fls_view_text_reserve(struct fls_view_text *text, size_t sz);
/* Appends bytes, a number in decimal digits; there must be room. */
void fls_view_text_put(struct fls_view_text *text, struct fls_span part);
void fls_view_text_put_number(struct fls_view_text *text, uint64_t number);
/* What the text holds from byte `from` on; valid until it moves. */
struct fls_span fls_view_text_since(const struct fls_view_text *text, size_t from);

/* Text of others on its way to a terminal: what could steer it is spelled as \xNN. */
#pragma once

#include "base/span.h"

#include <stddef.h>
#include <stdint.h>

/* Writes the text with its NUL, cut at out_max - 1 bytes, and returns the bytes of the whole. What
 * is not printable UTF-8 (control characters of ASCII and of Latin-1, invalid bytes) becomes \xNN
 * byte by byte; all else stands as it is. `out` may be NULL if out_max is 0. */
size_t fls_visible(struct fls_span text, char *out, size_t out_max);
/* The same as a new string, whole; to be freed, never NULL. */
char *fls_visible_string(struct fls_span text);
/* Bytes of the UTF-8 character at the beginning (1..4), 0 if it is not valid. `text` is not empty.
 */
size_t fls_utf8_character(struct fls_span text);
/* Columns that printable UTF-8 text takes, one for each character. */
size_t fls_visible_columns(const char *text);

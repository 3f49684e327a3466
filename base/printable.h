/* How values of logs are shown: as they stand, but bytes that are not UTF-8 and backslashes as
 * \xNN. Different values never get the same text. */
#pragma once

#include "base/span.h"

#include <stddef.h>

/* The most bytes that `sz` bytes become, without a NUL. */
#define FLS_PRINTABLE_MAX(sz) (4 * (size_t)(sz))

/* Writes at most FLS_PRINTABLE_MAX(text.sz) bytes and returns how many. */
size_t fls_printable(struct fls_span text, char *out);
/* The same as a new string with its NUL, to be freed. Bytes of value 0 stand in it as \x00. */
char *fls_printable_string(struct fls_span text);

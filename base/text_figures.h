/* Figures and keys as people read them. */
#pragma once

#include "base/counters.h"
#include "base/span.h"
#include "base/tables.h"

#include <stddef.h>
#include <stdint.h>

#define FLS_FIGURE_MAX 32 /* bytes of a figure's text, with its NUL */

/* "1,234,567" */
void fls_figure_exact(uint64_t value, char out[static FLS_FIGURE_MAX]);
/* "1.2 M", by thousands; a value below 10,000 exactly */
void fls_figure_short(uint64_t value, char out[static FLS_FIGURE_MAX]);
/* "1.2 MiB", by 1024; below 1 KiB "17 B" */
void fls_figure_bytes(uint64_t value, char out[static FLS_FIGURE_MAX]);
/* "12.3%"; "-" of nothing */
void fls_figure_share(uint64_t part, uint64_t whole, char out[static FLS_FIGURE_MAX]);
/* The key of a table's row in words (to be freed): protocols with their names, an arrow between the
 * ends of a conversation. Printable, whatever the bytes are. Never NULL. */
char *fls_figure_key(int table, struct fls_span key);

/* Which fields a line has, in which order: from a header line, from --log-format, or AWS's default
 * (version 2). Compiled once per header into a plan that the parser follows. */
#pragma once

#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_LAYOUT_FIELDS_MAX 256U /* tokens of a header; AWS knows about 90 field names */

enum fls_field {
#define FIELD(name, text, kind, limit) FLS_FIELD_##name,
#include "ingest/fields.def"
#undef FIELD
    FLS_FIELD_UNKNOWN, /* a name that is not known: its values are skipped */
    FLS_FIELD_CNT = FLS_FIELD_UNKNOWN
};

struct fls_layout {
    uint32_t cnt;                            /* fields of a line */
    uint8_t field[FLS_LAYOUT_FIELDS_MAX];    /* enum fls_field */
    /* what the compiled plan needs, filled by fls_layout_compile in layout.c */
    uint32_t attribute_cnt;
    uint8_t attribute[32];      /* attributes of the layout, ascending (enum fls_attribute) */
    uint8_t attribute_slot[FLS_LAYOUT_FIELDS_MAX]; /* position in attribute[] or 0xff */
    bool is_default;            /* exactly AWS's default format */
    bool mostly_typed;          /* a line that parses cannot be a header (see layout.c) */
};

/* AWS's default format: version 2. */
void fls_layout_default(struct fls_layout *layout);
/* True if the line is a header: at least two tokens, more than half of them known field names (any
 * case, `_` for `-`, `${name}`); then *layout is what it says. A line without its end. */
bool fls_layout_from_header(struct fls_span line, struct fls_layout *layout);
/* Reads --log-format: AWS's notation or bare names, separated by blanks or commas. 0, or -EINVAL
 * and a text of at most error_max bytes that names the unknown field and what is close to it. */
int fls_layout_from_option(const char *text, struct fls_layout *layout, char *error,
                           size_t error_max);

/* Records as lines of text, in a layout of generated_fields.def. */
#pragma once

#include "bench/traffic.h"

#include <stddef.h>

#define FLS_LINES_FIELDS_MAX 128U
#define FLS_LINES_FIELD_SZ_MAX                                                                     \
    160U /* bytes of a field's value or name, with the blank after it                              \
          */
#define FLS_LINES_LINE_MAX (FLS_LINES_FIELDS_MAX * FLS_LINES_FIELD_SZ_MAX)

struct fls_lines_layout {
    uint32_t cnt;
    uint32_t version; /* the highest of its fields */
    uint8_t field[FLS_LINES_FIELDS_MAX];
};

/* Reads --fields: v2, v5, all, or names (bare or as ${name}) separated by blanks or commas. 0, or
 * -EINVAL and a text that says what is possible. */
int fls_lines_layout(const char *text, struct fls_lines_layout *layout, char *error,
                     size_t error_max);
/* Write the header line and a record's line to `at`, where FLS_LINES_LINE_MAX bytes are free;
 * return the end of what was written. */
char *fls_lines_header(const struct fls_lines_layout *layout, char *at);
char *fls_lines_record(const struct fls_lines_layout *layout, const struct fls_record *record,
                       char *at);

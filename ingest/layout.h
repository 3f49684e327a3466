/* Which fields a line has, in which order: from a header line, from --log-format, or AWS's default
 * (version 2). Compiled once per header into a plan that the parser follows. */
#pragma once

#include "base/span.h"
#include "base/tables.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_LAYOUT_FIELDS_MAX 256U /* tokens of a header; AWS knows about 75 field names */

enum fls_field {
#define FIELD(name, text, kind, limit) FLS_FIELD_##name,
#include "ingest/fields.def"
#undef FIELD
    FLS_FIELD_UNKNOWN, /* a name that is not known: its values are skipped */
    FLS_FIELD_CNT = FLS_FIELD_UNKNOWN
};

enum fls_field_kind {
    FLS_FIELD_IS_TEXT,
    FLS_FIELD_IS_ATTRIBUTE,
    FLS_FIELD_IS_STATUS,
    FLS_FIELD_IS_NUMBER,
    FLS_FIELD_IS_ADDRESS
};

struct fls_field_info {
    const char *name; /* as in a header; "" for FLS_FIELD_UNKNOWN */
    enum fls_field_kind kind;
    uint64_t limit; /* of a NUMBER; UINT64_MAX: any count of digits */
};

extern const struct fls_field_info fls_fields[FLS_FIELD_CNT + 1];

/* What the parser does with a value. A field that a layout names twice is taken where it stands
 * first; its other places are checked (and skipped) like any field of its kind. */
enum fls_op {
    FLS_OP_SKIP, /* open text */
    FLS_OP_ATTRIBUTE,
    FLS_OP_ACTION,         /* an attribute that says ACCEPT or REJECT */
    FLS_OP_FLOW_DIRECTION, /* an attribute that says egress or ingress */
    FLS_OP_STATUS,
    FLS_OP_CHECK_NUMBER, /* a number within the field's limit, not kept */
    FLS_OP_CHECK_ADDRESS,
    FLS_OP_SRC,
    FLS_OP_DST,
    FLS_OP_SRC_PORT,
    FLS_OP_DST_PORT,
    FLS_OP_PROTOCOL,
    FLS_OP_PACKETS,
    FLS_OP_BYTES,
    FLS_OP_START
};

#define FLS_NO_ATTRIBUTE 0xffU
#define FLS_RUN_TEXTS_MAX 32U /* of all runs of a line; more than there are attributes */

/* How the texts of the attributes stand in a line. Those whose fields follow one another are a run:
 * from the first to the last of them nothing stands in the line but they and the blanks between. A
 * run may have texts of other fields between its first and its last one, where these say the same
 * in most lines. What is not used is 0, so that equal ones are equal as bytes. */
struct fls_text_runs {
    uint8_t cnt;                      /* of runs */
    uint8_t text_cnt;                 /* of all runs */
    uint8_t first[FLS_ATTRIBUTE_CNT]; /* of each run: fields of the line */
    uint8_t last[FLS_ATTRIBUTE_CNT];
    uint8_t attribute[FLS_RUN_TEXTS_MAX]; /* enum fls_attribute or FLS_NO_ATTRIBUTE, in the order of
                                             the line */
};

/* Numbers as the fast path takes them: those of at most 16 bits, counts, times. */
enum fls_number {
    FLS_NUMBER_SRC_PORT,
    FLS_NUMBER_DST_PORT,
    FLS_NUMBER_PACKETS,
    FLS_NUMBER_BYTES,
    FLS_NUMBER_PROTOCOL,
    FLS_NUMBER_START,
    FLS_NUMBER_VERSION,
    FLS_NUMBER_END,
    FLS_NUMBER_CNT
};

/* Where in a line the values stand that are more than open text: numbers of fields in the line, and
 * flags for those that the layout has. */
struct fls_places {
    bool is_complete; /* all numbers and addresses of the layout: it names none of them twice */
    bool has_pkt_src, has_pkt_dst, has_action, has_status, has_direction;
    uint16_t has; /* FLS_HAS_* of a record that has all values */
    uint8_t src, dst, pkt_src, pkt_dst;
    uint8_t action, status, direction;
    uint8_t number[FLS_NUMBER_CNT];      /* 0 where the layout does not have it */
    uint64_t mask[FLS_NUMBER_CNT];       /* UINT64_MAX where it has, else 0 */
    uint32_t number_cnt;                 /* those that it has */
    uint32_t open_cnt;                   /* fields that are open text, */
    uint8_t open[FLS_LAYOUT_FIELDS_MAX]; /* those first whose values hardly begin like a name */
};

enum fls_usual {
    FLS_USUAL_NONE,
    FLS_USUAL_V2, /* the default format */
    FLS_USUAL_V5  /* all fields of versions 2 to 5 */
};

struct fls_layout {
    uint32_t cnt;                         /* fields of a line: 1..FLS_LAYOUT_FIELDS_MAX */
    uint8_t field[FLS_LAYOUT_FIELDS_MAX]; /* enum fls_field */
    /* what the compiled plan needs, filled by layout.c */
    uint8_t op[FLS_LAYOUT_FIELDS_MAX]; /* enum fls_op */
    struct fls_text_runs runs;
    struct fls_places places;
    enum fls_usual usual;   /* AWS's orders, exactly: see layout_usual.h */
    uint32_t not_names_min; /* a line whose values are right and of which so many open texts do
                               not begin like a field name cannot be a header: 0 if half of the
                               fields or more are numbers and addresses (see layout.c) */
};

/* AWS's default format: version 2. */
void fls_layout_default(struct fls_layout *layout);
/* True if both have the same fields in the same order. */
bool fls_layout_equal(const struct fls_layout *a, const struct fls_layout *b);
/* True if the line is a header: at least two tokens, more than half of them known field names (any
 * case, `_` for `-`, `${name}`), not more than FLS_LAYOUT_FIELDS_MAX; then *layout is what it says.
 * A line without its newline; what may stand around a line (line.h) may stand around it. */
bool fls_layout_from_header(struct fls_span line, struct fls_layout *layout);
/* Reads --log-format: AWS's notation or bare names, separated by blanks or commas. 0, or -EINVAL
 * and a text of at most error_max bytes (with its NUL) that names the unknown field and what is
 * close to it. */
int fls_layout_from_option(const char *text, struct fls_layout *layout, char *error,
                           size_t error_max);

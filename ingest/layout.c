#include "ingest/layout.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/nearest.h"
#include "base/tables.h"
#include "ingest/layout_usual.h"
#include "ingest/line.h"
#include "shm/flow.h"

#include <errno.h>
#include <stdio.h>

#define FLS_FIELD_NAME_MAX 32 /* bytes of the longest known name with its NUL */
#define FLS_QUOTE_MAX 64      /* bytes of an unknown name that a message repeats */

const struct fls_field_info fls_fields[FLS_FIELD_CNT + 1] = {
#define FIELD(name, text, kind, limit) [FLS_FIELD_##name] = {text, FLS_FIELD_IS_##kind, limit},
#include "ingest/fields.def"
#undef FIELD
    [FLS_FIELD_UNKNOWN] = {"", FLS_FIELD_IS_TEXT, 0}};

#define FIELD(name, text, kind, limit)                                                             \
    _Static_assert(sizeof(text) <= FLS_FIELD_NAME_MAX, "a longer field name: " text);
#include "ingest/fields.def"
#undef FIELD

/* Of fields that are attributes. */
static const uint8_t attribute_of_field[FLS_FIELD_CNT] = {
#define ATTRIBUTE(name, text) [FLS_FIELD_##name] = FLS_ATTRIBUTE_##name,
#include "base/attributes.def"
#undef ATTRIBUTE
};

static const uint8_t default_fields[] = {
    FLS_FIELD_VERSION, FLS_FIELD_ACCOUNT,   FLS_FIELD_INTERFACE, FLS_FIELD_SRCADDR,
    FLS_FIELD_DSTADDR, FLS_FIELD_SRCPORT,   FLS_FIELD_DSTPORT,   FLS_FIELD_PROTOCOL,
    FLS_FIELD_PACKETS, FLS_FIELD_BYTES,     FLS_FIELD_START,     FLS_FIELD_END,
    FLS_FIELD_ACTION,  FLS_FIELD_LOG_STATUS};

/* The name in small letters with `-`, out of `${name}` too; false if it is too long to be known. */
static bool spell_name(struct fls_span token, char name[static FLS_FIELD_NAME_MAX])
{
    if (token.sz >= 3 && token.at[0] == '$' && token.at[1] == '{' && token.at[token.sz - 1] == '}')
        token = (struct fls_span){token.at + 2, token.sz - 3};
    if (token.sz >= FLS_FIELD_NAME_MAX)
        return false;
    for (size_t i = 0; i < token.sz; i++) {
        uint8_t c = token.at[i];

        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        name[i] = c == '_' ? '-' : (char)c;
    }
    name[token.sz] = '\0';
    /* A NUL in the token must not cut it down to a known name. */
    return strlen(name) == token.sz;
}

static bool is_name_start(uint8_t c)
{
    c |= 0x20;
    return (c >= 'a' && c <= 'z') || c == '$';
}

/* A token is not empty. */
static enum fls_field field_by_name(struct fls_span token)
{
    char name[FLS_FIELD_NAME_MAX];
    int low = 0, high = FLS_FIELD_CNT - 1;

    /* Most tokens of most lines begin like no name: numbers, addresses, `-`. */
    if (!is_name_start(token.at[0]) || !spell_name(token, name))
        return FLS_FIELD_UNKNOWN;
    while (low <= high) {
        int middle = (low + high) / 2;
        int order = strcmp(name, fls_fields[middle].name);

        if (order == 0)
            return (enum fls_field)middle;
        if (order < 0)
            high = middle - 1;
        else
            low = middle + 1;
    }
    return FLS_FIELD_UNKNOWN;
}

static enum fls_op op_of(enum fls_field field, bool is_first)
{
    switch (fls_fields[field].kind) {
    case FLS_FIELD_IS_TEXT:
        return FLS_OP_SKIP;
    case FLS_FIELD_IS_STATUS:
        return is_first ? FLS_OP_STATUS : FLS_OP_SKIP;
    case FLS_FIELD_IS_ATTRIBUTE:
        if (!is_first)
            return FLS_OP_SKIP;
        return field == FLS_FIELD_ACTION           ? FLS_OP_ACTION
               : field == FLS_FIELD_FLOW_DIRECTION ? FLS_OP_FLOW_DIRECTION
                                                   : FLS_OP_ATTRIBUTE;
    case FLS_FIELD_IS_ADDRESS:
        return is_first && field == FLS_FIELD_SRCADDR   ? FLS_OP_SRC
               : is_first && field == FLS_FIELD_DSTADDR ? FLS_OP_DST
                                                        : FLS_OP_CHECK_ADDRESS;
    case FLS_FIELD_IS_NUMBER:
        break;
    }
    if (!is_first)
        return FLS_OP_CHECK_NUMBER;
    switch (field) {
    case FLS_FIELD_SRCPORT:
        return FLS_OP_SRC_PORT;
    case FLS_FIELD_DSTPORT:
        return FLS_OP_DST_PORT;
    case FLS_FIELD_PROTOCOL:
        return FLS_OP_PROTOCOL;
    case FLS_FIELD_PACKETS:
        return FLS_OP_PACKETS;
    case FLS_FIELD_BYTES:
        return FLS_OP_BYTES;
    case FLS_FIELD_START:
        return FLS_OP_START;
    default:
        return FLS_OP_CHECK_NUMBER;
    }
}

static uint32_t first_place(const struct fls_layout *layout, enum fls_field field)
{
    uint32_t at = 0;

    while (at < layout->cnt && layout->field[at] != field)
        at++;
    return at;
}

/* Fields without an attribute whose values say the same in most lines. */
static bool is_monotonous(enum fls_field field)
{
    return field == FLS_FIELD_LOG_STATUS || field == FLS_FIELD_TYPE ||
           field == FLS_FIELD_SUBLOCATION_TYPE || field == FLS_FIELD_SUBLOCATION_ID ||
           field == FLS_FIELD_INTERFACE_TYPE || field == FLS_FIELD_RESOURCE_TYPE;
}

/* The attribute whose text stands at a place, or FLS_NO_ATTRIBUTE. */
static uint8_t attribute_at(const struct fls_layout *layout, uint32_t at)
{
    if (layout->op[at] != FLS_OP_ATTRIBUTE && layout->op[at] != FLS_OP_ACTION &&
        layout->op[at] != FLS_OP_FLOW_DIRECTION)
        return FLS_NO_ATTRIBUTE;
    return attribute_of_field[layout->field[at]];
}

/* How many monotonous fields there are from a place on, up to an attribute; 0 if there is none. */
static uint32_t bridge(const struct fls_layout *layout, uint32_t at)
{
    uint32_t cnt = 0;

    while (at + cnt < layout->cnt && is_monotonous((enum fls_field)layout->field[at + cnt]))
        cnt++;
    if (at + cnt == layout->cnt || attribute_at(layout, at + cnt) == FLS_NO_ATTRIBUTE)
        return 0;
    return cnt;
}

/* All attributes still fit behind a bridge of so many texts. */
static bool fits(const struct fls_text_runs *runs, uint32_t bridge_cnt)
{
    return runs->text_cnt + bridge_cnt + FLS_ATTRIBUTE_CNT <= FLS_RUN_TEXTS_MAX;
}

static void compile_runs(struct fls_layout *layout)
{
    struct fls_text_runs *runs = &layout->runs;
    bool follows_a_text = false;
    uint32_t cnt;

    for (uint32_t at = 0; at < layout->cnt; at++) {
        uint8_t attribute = attribute_at(layout, at);

        if (attribute == FLS_NO_ATTRIBUTE) {
            cnt = follows_a_text ? bridge(layout, at) : 0;
            follows_a_text = cnt > 0 && fits(runs, cnt);
            if (!follows_a_text)
                continue;
            memset(runs->attribute + runs->text_cnt, FLS_NO_ATTRIBUTE, cnt);
            runs->text_cnt += cnt;
            at += cnt - 1;
            continue;
        }
        if (!follows_a_text)
            runs->first[runs->cnt++] = (uint8_t)at;
        runs->last[runs->cnt - 1] = (uint8_t)at;
        runs->attribute[runs->text_cnt++] = attribute;
        follows_a_text = true;
    }
}

/* Sets *at to the field's place; false if the layout lacks it. */
static bool find_place(const struct fls_layout *layout, enum fls_field field, uint8_t *at)
{
    uint32_t place = first_place(layout, field);

    if (place == layout->cnt)
        return false;
    *at = (uint8_t)place;
    return true;
}

/* Fields that are open text to a header's eye, first those whose values are digits or `-` in nearly
 * all lines. */
static void compile_open(struct fls_layout *layout)
{
    struct fls_places *places = &layout->places;

    for (int turn = 0; turn < 2; turn++)
        for (uint32_t i = 0; i < layout->cnt; i++) {
            enum fls_field field = (enum fls_field)layout->field[i];
            bool is_early = field == FLS_FIELD_ACCOUNT || field == FLS_FIELD_TCP_FLAGS ||
                            field == FLS_FIELD_SUBLOCATION_TYPE ||
                            field == FLS_FIELD_SUBLOCATION_ID;

            if (layout->op[i] < FLS_OP_CHECK_NUMBER && is_early == (turn == 0))
                places->open[places->open_cnt++] = (uint8_t)i;
        }
}

static void compile_places(struct fls_layout *layout, uint32_t typed_cnt)
{
    static const uint8_t field_of_number[FLS_NUMBER_CNT] = {
        [FLS_NUMBER_SRC_PORT] = FLS_FIELD_SRCPORT,  [FLS_NUMBER_DST_PORT] = FLS_FIELD_DSTPORT,
        [FLS_NUMBER_PACKETS] = FLS_FIELD_PACKETS,   [FLS_NUMBER_BYTES] = FLS_FIELD_BYTES,
        [FLS_NUMBER_PROTOCOL] = FLS_FIELD_PROTOCOL, [FLS_NUMBER_START] = FLS_FIELD_START,
        [FLS_NUMBER_VERSION] = FLS_FIELD_VERSION,   [FLS_NUMBER_END] = FLS_FIELD_END};
    static const uint8_t has_of_number[FLS_NUMBER_CNT] = {[FLS_NUMBER_SRC_PORT] = FLS_HAS_SRC_PORT,
                                                          [FLS_NUMBER_DST_PORT] = FLS_HAS_DST_PORT,
                                                          [FLS_NUMBER_PROTOCOL] = FLS_HAS_PROTOCOL};
    struct fls_places *places = &layout->places;
    uint32_t found_cnt;

    places->has_pkt_src = find_place(layout, FLS_FIELD_PKT_SRCADDR, &places->pkt_src);
    places->has_pkt_dst = find_place(layout, FLS_FIELD_PKT_DSTADDR, &places->pkt_dst);
    places->has_action = find_place(layout, FLS_FIELD_ACTION, &places->action);
    places->has_status = find_place(layout, FLS_FIELD_LOG_STATUS, &places->status);
    places->has_direction = find_place(layout, FLS_FIELD_FLOW_DIRECTION, &places->direction);
    found_cnt = (uint32_t)places->has_pkt_src + places->has_pkt_dst;
    if (find_place(layout, FLS_FIELD_SRCADDR, &places->src))
        places->has |= FLS_HAS_SRC, found_cnt++;
    if (find_place(layout, FLS_FIELD_DSTADDR, &places->dst))
        places->has |= FLS_HAS_DST, found_cnt++;
    for (int i = 0; i < FLS_NUMBER_CNT; i++)
        if (find_place(layout, (enum fls_field)field_of_number[i], &places->number[i])) {
            places->mask[i] = UINT64_MAX;
            places->has |= has_of_number[i];
            places->number_cnt++;
        }
    places->is_complete = found_cnt + places->number_cnt == typed_cnt;
    compile_open(layout);
}

/* Whether what the fast path reads is the same. */
static bool is_as(const struct fls_layout *layout, const struct fls_layout *usual)
{
    return layout->cnt == usual->cnt && layout->op[0] == usual->op[0] &&
           layout->not_names_min == usual->not_names_min &&
           memcmp(&layout->runs, &usual->runs, sizeof(layout->runs)) == 0 &&
           memcmp(&layout->places, &usual->places, sizeof(layout->places)) == 0;
}

/* Fills the plan from cnt and field[].
 *
 * A header has more than half field names, and a field name begins with a letter (or with `$`). So
 * a line of cnt tokens is none if half of them or more are something else. Numbers and addresses
 * are never names: if half of the fields or more are typed, a line with right values is no header
 * (not_names_min is 0). Else, not_names_min open texts that begin otherwise make up for what is
 * missing to half: account numbers, tcp-flags, `-`. */
static void compile(struct fls_layout *layout)
{
    bool is_seen[FLS_FIELD_CNT + 1] = {false};
    uint32_t typed_cnt = 0, half = (layout->cnt + 1) / 2;

    fls_assert(layout->cnt > 0 && layout->cnt <= FLS_LAYOUT_FIELDS_MAX);
    for (uint32_t i = 0; i < layout->cnt; i++) {
        enum fls_field field = (enum fls_field)layout->field[i];

        layout->op[i] = (uint8_t)op_of(field, !is_seen[field]);
        is_seen[field] = true;
        if (fls_fields[field].kind == FLS_FIELD_IS_NUMBER ||
            fls_fields[field].kind == FLS_FIELD_IS_ADDRESS)
            typed_cnt++;
    }
    compile_runs(layout);
    compile_places(layout, typed_cnt);
    layout->not_names_min = typed_cnt < half ? half - typed_cnt : 0;
    layout->usual = is_as(layout, &fls_layout_v2)   ? FLS_USUAL_V2
                    : is_as(layout, &fls_layout_v5) ? FLS_USUAL_V5
                                                    : FLS_USUAL_NONE;
}

void fls_layout_default(struct fls_layout *layout)
{
    memset(layout, 0, sizeof(*layout));
    layout->cnt = sizeof(default_fields);
    memcpy(layout->field, default_fields, sizeof(default_fields));
    compile(layout);
}

bool fls_layout_equal(const struct fls_layout *a, const struct fls_layout *b)
{
    return a->cnt == b->cnt && memcmp(a->field, b->field, a->cnt) == 0;
}

bool fls_layout_from_header(struct fls_span line, struct fls_layout *layout)
{
    uint8_t field[FLS_LAYOUT_FIELDS_MAX];
    uint32_t cnt = 0, known_cnt = 0;
    struct fls_span token;
    bool had_tokens;

    line = fls_line_strip(line, &had_tokens);
    while (fls_line_token(&line, &token)) {
        if (cnt == FLS_LAYOUT_FIELDS_MAX)
            return false;
        field[cnt] = (uint8_t)field_by_name(token);
        known_cnt += field[cnt++] != FLS_FIELD_UNKNOWN;
    }
    if (cnt < 2 || 2 * known_cnt <= cnt)
        return false;
    memset(layout, 0, sizeof(*layout));
    layout->cnt = cnt;
    memcpy(layout->field, field, cnt);
    compile(layout);
    return true;
}

static const char *closest_name(struct fls_span token)
{
    const char *names[FLS_FIELD_CNT];
    char name[FLS_FIELD_NAME_MAX];

    if (!spell_name(token, name))
        return NULL;
    for (int i = 0; i < FLS_FIELD_CNT; i++)
        names[i] = fls_fields[i].name;
    return fls_nearest(name, strlen(name), names, FLS_FIELD_CNT);
}

static void explain_unknown(struct fls_span token, char *error, size_t error_max)
{
    const char *closest = closest_name(token);
    int quote_sz = token.sz < FLS_QUOTE_MAX ? (int)token.sz : FLS_QUOTE_MAX;

    if (closest != NULL)
        snprintf(error, error_max, "unknown field '%.*s'; did you mean '%s'?", quote_sz,
                 (const char *)token.at, closest);
    else
        snprintf(error, error_max,
                 "unknown field '%.*s'; fields are named as in AWS's documentation, such as "
                 "srcaddr, dstaddr, bytes",
                 quote_sz, (const char *)token.at);
}

int fls_layout_from_option(const char *text, struct fls_layout *layout, char *error,
                           size_t error_max)
{
    static const char separators[] = " \t\r\n,";

    memset(layout, 0, sizeof(*layout));
    for (text += strspn(text, separators); *text != '\0'; text += strspn(text, separators)) {
        struct fls_span token = {(const uint8_t *)text, strcspn(text, separators)};
        enum fls_field field = field_by_name(token);

        if (field == FLS_FIELD_UNKNOWN) {
            explain_unknown(token, error, error_max);
            return -EINVAL;
        }
        if (layout->cnt == FLS_LAYOUT_FIELDS_MAX) {
            snprintf(error, error_max, "more than %u fields", FLS_LAYOUT_FIELDS_MAX);
            return -EINVAL;
        }
        layout->field[layout->cnt++] = (uint8_t)field;
        text += token.sz;
    }
    if (layout->cnt == 0) {
        snprintf(error, error_max, "no field is named; try 'version account-id interface-id ...'");
        return -EINVAL;
    }
    compile(layout);
    return 0;
}

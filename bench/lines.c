#include "bench/lines.h"

#include "base/assert.h"
#include "base/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {"OK", "NODATA", "SKIPDATA"};

static const struct fls_interface nothing; /* all its texts are empty: `-` */

static const struct fls_interface *side(const struct fls_record *record, bool source)
{
    if (source != record->is_ingress)
        return record->interface;
    return record->peer ? record->peer : &nothing;
}

static const char *account_of(const struct fls_record *record, bool source)
{
    return source != record->is_ingress ? record->account->id : record->peer_account;
}

static const struct fls_interface *next_hop(const struct fls_record *record)
{
    return !record->is_ingress && record->peer ? record->peer : &nothing;
}

static bool has_pod(const struct fls_record *record)
{
    return record->interface->pod.sz && !record->is_ipv6;
}

static const struct fls_endpoint *packet_source(const struct fls_record *record)
{
    return !record->is_ingress && has_pod(record) ? &record->interface->pod : &record->source;
}

static const struct fls_endpoint *packet_destination(const struct fls_record *record)
{
    return record->is_ingress && has_pod(record) ? &record->interface->pod : &record->destination;
}

/* One port in eight is closed by an account's rule instead of a security group. */
static const char *reject_reason(const struct fls_record *record)
{
    if (!record->is_rejected || record->destination_port % 8)
        return NULL;
    return record->destination_port % 16 ? "EC" : "BPA";
}

static uint64_t encryption_status(const struct fls_record *record)
{
    uint64_t tls = record->source_port == 443 || record->destination_port == 443 ? 2 : 0;

    return tls + (record->peer ? 1 : 0);
}

static char *put_bytes(char *at, const char *bytes, size_t sz)
{
    memcpy(at, bytes, sz);
    return at + sz;
}

static char *put_NUMBER(char *at, uint64_t value)
{
    char digits[20];
    size_t first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    return put_bytes(at, digits + first, sizeof(digits) - first);
}

static char *put_TEXT(char *at, const char *text)
{
    size_t sz = text ? strlen(text) : 0;

    return sz ? put_bytes(at, text, sz) : put_bytes(at, "-", 1);
}

static char *put_PATH(char *at, int path)
{
    return path < 0 ? put_bytes(at, "-", 1) : put_NUMBER(at, (uint64_t)path);
}

static char *put_SIDE(char *at, struct fls_endpoint endpoint)
{
    return put_bytes(at, endpoint.text, endpoint.sz);
}

#define GENERATED(code, text, version, kept, how, value)                                           \
    static char *put_field_##code(const struct fls_lines_layout *layout,                           \
                                  const struct fls_record *r, char *at)                            \
    {                                                                                              \
        const struct fls_interface *n = r->interface;                                              \
        const struct fls_account *a = r->account;                                                  \
                                                                                                   \
        (void)layout, (void)n, (void)a;                                                            \
        return put_##how(at, value);                                                               \
    }
#include "bench/generated_fields.def"
#undef GENERATED

enum { LEFT, KEPT };

static const struct field {
    const char *name;
    uint32_t version;
    bool kept;
    char *(*put)(const struct fls_lines_layout *layout, const struct fls_record *record, char *at);
} fields[] = {
#define GENERATED(code, text, version, kept, how, value) {text, version, kept, put_field_##code},
#include "bench/generated_fields.def"
#undef GENERATED
};

#define FIELD_CNT (sizeof(fields) / sizeof(fields[0]))
_Static_assert(FIELD_CNT <= FLS_LINES_FIELDS_MAX, "`all` must fit a layout");

static void add_field(struct fls_lines_layout *layout, size_t field)
{
    fls_assert(layout->cnt < FLS_LINES_FIELDS_MAX);
    layout->field[layout->cnt++] = (uint8_t)field;
    if (fields[field].version > layout->version)
        layout->version = fields[field].version;
}

static int add_name(struct fls_lines_layout *layout, const char *name, size_t sz, char *error,
                    size_t error_max)
{
    const char *names[FIELD_CNT + 3] = {"v2", "v5", "all"};

    if (layout->cnt == FLS_LINES_FIELDS_MAX) {
        snprintf(error, error_max, "more than %u fields", FLS_LINES_FIELDS_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < FIELD_CNT; i++) {
        names[i + 3] = fields[i].name;
        if (strlen(fields[i].name) == sz && memcmp(fields[i].name, name, sz) == 0) {
            add_field(layout, i);
            return 0;
        }
    }
    fls_nearest_text(name, sz, names, FIELD_CNT + 3, error, error_max);
    return -EINVAL;
}

int fls_lines_layout(const char *text, struct fls_lines_layout *layout, char *error,
                     size_t error_max)
{
    static const char separators[] = " \t,";
    uint32_t up_to = strcmp(text, "v2") == 0    ? 2
                     : strcmp(text, "v5") == 0  ? 5
                     : strcmp(text, "all") == 0 ? UINT32_MAX
                                                : 0;
    int status = 0;

    memset(layout, 0, sizeof(*layout));
    for (size_t i = 0; i < FIELD_CNT; i++)
        if (fields[i].version <= up_to)
            add_field(layout, i);
    if (up_to)
        return 0;
    for (text += strspn(text, separators); *text && status == 0; text += strspn(text, separators)) {
        size_t sz = strcspn(text, separators);
        bool quoted = sz > 3 && text[0] == '$' && text[1] == '{' && text[sz - 1] == '}';

        status = add_name(layout, text + (quoted ? 2 : 0), quoted ? sz - 3 : sz, error, error_max);
        text += sz;
    }
    if (status == 0 && layout->cnt < 2) {
        snprintf(error, error_max, "give v2, v5, all, or at least two names of fields");
        return -EINVAL; /* a header line of one name could not be told from a record */
    }
    return status;
}

char *fls_lines_header(const struct fls_lines_layout *layout, char *at)
{
    for (uint32_t i = 0; i < layout->cnt; i++) {
        at = put_TEXT(at, fields[layout->field[i]].name);
        *at++ = i + 1 < layout->cnt ? ' ' : '\n';
    }
    return at;
}

char *fls_lines_record(const struct fls_lines_layout *layout, const struct fls_record *record,
                       char *at)
{
    for (uint32_t i = 0; i < layout->cnt; i++) {
        const struct field *field = &fields[layout->field[i]];

        if (record->status == FLS_RECORD_OK || field->kept)
            at = field->put(layout, record, at);
        else
            *at++ = '-';
        *at++ = i + 1 < layout->cnt ? ' ' : '\n';
    }
    return at;
}

#include "base/text_figures.h"

#include "base/assert.h"
#include "base/visible.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FLS_KEY_PARTS_MAX 4

/* The protocols that flow logs show in practice, numbered by IANA's registry. */
static const struct {
    const char *number, *name;
} protocols[] = {
    {"1", "ICMP"},  {"2", "IGMP"},  {"4", "IPv4"},   {"6", "TCP"},    {"17", "UDP"},
    {"41", "IPv6"}, {"47", "GRE"},  {"50", "ESP"},   {"51", "AH"},    {"58", "ICMPv6"},
    {"89", "OSPF"}, {"103", "PIM"}, {"112", "VRRP"}, {"132", "SCTP"}, {"136", "UDP-Lite"},
};

void fls_figure_exact(uint64_t value, char out[static FLS_FIGURE_MAX])
{
    char digits[FLS_FIGURE_MAX];
    int cnt = snprintf(digits, sizeof(digits), "%" PRIu64, value);

    for (int i = 0; i < cnt; i++) {
        *out++ = digits[i];
        if ((cnt - i) % 3 == 1 && i + 1 < cnt)
            *out++ = ',';
    }
    *out = '\0';
}

/* One digit behind the point, rounded down: a figure never looks larger than it is. */
static void scale(uint64_t value, uint64_t step, const char *const *units, int unit_cnt, char *out)
{
    uint64_t divisor = 1;
    int unit = 0;

    while (unit + 1 < unit_cnt && value / divisor >= step) {
        divisor *= step;
        unit++;
    }
    /* 1024^6 and 1000^6 are below 2^64 / 10, and so is every remainder of them. */
    snprintf(out, FLS_FIGURE_MAX, "%" PRIu64 ".%" PRIu64 " %s", value / divisor,
             value % divisor * 10 / divisor, units[unit]);
}

void fls_figure_short(uint64_t value, char out[static FLS_FIGURE_MAX])
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P", "E"};

    if (value < 10000)
        fls_figure_exact(value, out);
    else
        scale(value, 1000, units, 7, out);
}

void fls_figure_bytes(uint64_t value, char out[static FLS_FIGURE_MAX])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

    if (value < 1024)
        snprintf(out, FLS_FIGURE_MAX, "%" PRIu64 " B", value);
    else
        scale(value, 1024, units, 7, out);
}

void fls_figure_share(uint64_t part, uint64_t whole, char out[static FLS_FIGURE_MAX])
{
    if (whole == 0)
        snprintf(out, FLS_FIGURE_MAX, "-");
    else
        snprintf(out, FLS_FIGURE_MAX, "%.1f%%", 100.0 * (double)part / (double)whole);
}

static const char *protocol_name(const char *number)
{
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++)
        if (strcmp(protocols[i].number, number) == 0)
            return protocols[i].name;
    return NULL;
}

/* Cuts the text at its bars, in place; -1 if there are more parts than any key has. */
static int split(char *text, char *parts[static FLS_KEY_PARTS_MAX])
{
    int cnt = 0;

    for (char *at = text; at;) {
        if (cnt == FLS_KEY_PARTS_MAX)
            return -1;
        parts[cnt++] = at;
        at = strchr(at, '|');
        if (at)
            *at++ = '\0';
    }
    return cnt;
}

/* In words, if the key has the parts that the table's keys have. */
static char *spell(int table, char *text)
{
    char *parts[FLS_KEY_PARTS_MAX], *words = NULL;
    enum fls_table_key kind = fls_tables[table].key;
    int cnt = split(text, parts), sz = 0;
    const char *name;

    if (kind == FLS_KEY_PROTOCOL && cnt == 1 && (name = protocol_name(parts[0])))
        sz = asprintf(&words, "%s %s", parts[0], name);
    else if (kind == FLS_KEY_PORT && cnt == 2)
        sz = (name = protocol_name(parts[0]))
                 ? asprintf(&words, "%s %s", name, parts[1])
                 : asprintf(&words, "protocol %s, %s", parts[0], parts[1]);
    else if (kind == FLS_KEY_CONVERSATION && cnt == 4)
        sz = (name = protocol_name(parts[2]))
                 ? asprintf(&words, "%s -> %s %s %s", parts[0], parts[1], name, parts[3])
                 : asprintf(&words, "%s -> %s protocol %s, %s", parts[0], parts[1], parts[2],
                            parts[3]);
    fls_assert(sz >= 0);
    return words;
}

char *fls_figure_key(int table, struct fls_span key)
{
    char *text = fls_visible_string(key);
    char *copy = strdup(text), *words;

    fls_assert(copy);
    words = spell(table, copy);
    free(copy);
    if (!words)
        return text;
    free(text);
    return words;
}

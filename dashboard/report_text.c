#include "dashboard/report.h"

#include "base/assert.h"
#include "base/visible.h"
#include "base/text_figures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FLS_LIST_MAX 10U        /* failed objects that are named */
#define FLS_LINE_MAX 240U       /* bytes of a sample or an object's name, with its NUL */
#define FLS_KEY_COLUMNS_MIN 24U /* a narrower terminal wraps */
#define FLS_KEY_COLUMNS_MAX 96U /* two IPv6 addresses in full, an arrow, a protocol and a port */
#define FLS_PROFILE_MAX 60U     /* columns of one line of a profile */
#define FLS_HOURS 24U

struct page {
    FILE *out;
    uint32_t columns; /* of the terminal, 0 if there is none */
    bool bold;
    bool utf8;
};

static bool names_utf8(const char *variable)
{
    const char *value = getenv(variable);

    return value && (strcasestr(value, "utf-8") || strcasestr(value, "utf8"));
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value && value[0];
}

static struct page page_of(FILE *out)
{
    const char *locale = is_set("LC_ALL") ? "LC_ALL" : is_set("LC_CTYPE") ? "LC_CTYPE" : "LANG";
    const char *terminal = getenv("TERM");
    struct page page = {.out = out, .utf8 = names_utf8(locale)};
    struct winsize size;

    if (fileno(out) < 0 || !isatty(fileno(out)))
        return page;
    page.bold = terminal && strcmp(terminal, "dumb") != 0 && !is_set("NO_COLOR");
    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0)
        page.columns = size.ws_col;
    return page;
}

static void heading(const struct page *page, const char *text)
{
    fprintf(page->out, page->bold ? "\033[1m%s\033[0m" : "%s", text);
}

/* ---- the head ---- */

static void write_scope(const struct page *page, const struct fls_report *report)
{
    const struct fls_published *published = report->published;
    char account[FLS_LINE_MAX], first[FLS_DAY_TEXT_MAX], last[FLS_DAY_TEXT_MAX];

    if (report->query->account) {
        fls_visible(fls_span_of(report->query->account), account, sizeof(account));
        heading(page, "Account ");
        heading(page, account);
    } else {
        heading(page, "Organisation");
    }
    fprintf(page->out, ", %s%s, epoch %" PRIu64 "\n", report->day[0] ? "day " : "no day",
            report->day, published->epoch);
    if (published->held_cnt == 0)
        return;
    fls_day_format(published->held[0], first);
    fls_day_format(published->held[published->held_cnt - 1], last);
    if (published->day_cnt > 1)
        fprintf(page->out, "%u days summed; ", published->day_cnt);
    fprintf(page->out, "%u %s held: %s%s%s; %u %s\n", published->held_cnt,
            published->held_cnt == 1 ? "day" : "days", first, published->held_cnt > 1 ? " to " : "",
            published->held_cnt > 1 ? last : "", published->account_cnt,
            published->account_cnt == 1 ? "account" : "accounts");
}

static void write_malformed(const struct page *page, const struct fls_published *published)
{
    static const char *const explanations[FLS_REASON_CNT] = {
#define REASON(name, text, explanation) explanation,
#include "base/reasons.def"
#undef REASON
    };
    char figure[FLS_FIGURE_MAX], text[FLS_LINE_MAX];

    for (int i = 0; i < FLS_REASON_CNT; i++) {
        uint32_t j = 0;

        if (published->counts.malformed[i] == 0)
            continue;
        fls_figure_exact(published->counts.malformed[i], figure);
        fprintf(page->out, "  malformed  %s %s: %s\n", figure, fls_reason_name[i], explanations[i]);
        while (j < published->sample_cnt && (int)published->samples[j].reason != i)
            j++;
        if (j == published->sample_cnt)
            continue;
        fls_visible(published->samples[j].text, text, sizeof(text));
        fprintf(page->out, "             as in %s\n", text);
    }
}

static void write_failed(const struct page *page, const struct fls_published *published)
{
    char object[FLS_LINE_MAX], reason[FLS_LINE_MAX];

    for (uint32_t i = 0; i < published->failed_cnt && i < FLS_LIST_MAX; i++) {
        fls_visible(published->failed[i].object, object, sizeof(object));
        fls_visible(published->failed[i].reason, reason, sizeof(reason));
        fprintf(page->out, "  failed     %s: %s\n", object, reason);
    }
    if (published->failed_cnt > FLS_LIST_MAX)
        fprintf(page->out, "             and %u more (--format json names all)\n",
                published->failed_cnt - FLS_LIST_MAX);
}

static void write_input(const struct page *page, const struct fls_published *published)
{
    const struct fls_line_counts *counts = &published->counts;
    const struct {
        uint64_t number;
        const char *after;
    } kinds[] = {
        {counts->lines, " = "},
        {counts->headers, " headers + "},
        {counts->records, " records + "},
        {counts->nodata, " NODATA + "},
        {counts->skipdata, " SKIPDATA + "},
        {fls_malformed_sum(counts), " malformed\n"},
    };
    char figure[FLS_FIGURE_MAX], other[FLS_FIGURE_MAX];

    fputc('\n', page->out);
    heading(page, "Input");
    fputs(" (all that is counted)\n", page->out);
    fls_figure_exact(published->objects, figure);
    fls_figure_exact(published->failed_cnt, other);
    fprintf(page->out, "  objects    %s counted, %s failed\n", figure, other);
    fls_figure_bytes(counts->bytes_read, figure);
    fls_figure_bytes(counts->bytes, other);
    fprintf(page->out, "  bytes      %s read, %s of text\n  lines      ", figure, other);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        fls_figure_exact(kinds[i].number, figure);
        fprintf(page->out, "%s%s", figure, kinds[i].after);
    }
    write_malformed(page, published);
    write_failed(page, published);
}

/* ---- totals ---- */

static void write_total(const struct page *page, const struct fls_report *report, int counter)
{
    uint64_t value = report->totals.value[counter];
    char exact[FLS_FIGURE_MAX], people[FLS_FIGURE_MAX];

    fls_figure_exact(value, exact);
    if (counter == FLS_BYTES)
        fls_figure_bytes(value, people);
    else
        fls_figure_short(value, people);
    fprintf(page->out, "  %-9s %11s  %s%s\n", fls_counter_name[counter], people, exact,
            value == FLS_COUNTER_MAX ? " or more (the limit of a counter)" : "");
}

static void write_totals(const struct page *page, const struct fls_report *report)
{
    const struct fls_published *published = report->published;
    char a[FLS_FIGURE_MAX], b[FLS_FIGURE_MAX], c[FLS_FIGURE_MAX];

    fputc('\n', page->out);
    heading(page, "Totals");
    fputc('\n', page->out);
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        write_total(page, report, i);
    fls_figure_exact(published->external_sources, a);
    fls_figure_exact(published->own_addresses, b);
    fprintf(page->out, "  addresses  about %s external sources, about %s own\n", a, b);
    fls_figure_exact(published->lines.records, a);
    fls_figure_exact(published->lines.nodata, b);
    fls_figure_exact(published->lines.skipdata, c);
    fprintf(page->out, "  lines      %s records, %s NODATA, %s SKIPDATA (of all days)\n", a, b, c);
}

/* ---- tables ---- */

enum column { SHARE = FLS_COUNTER_CNT, COLUMN_CNT };

/* Left to right. Bytes and their share come first: they are what most orders are by. */
static const int columns[COLUMN_CNT] = {FLS_BYTES, SHARE,        FLS_PACKETS,
                                        FLS_FLOWS, FLS_ACCEPTED, FLS_REJECTED};

struct grid {
    const struct fls_report *report;
    const struct fls_report_table *table;
    int id;
    char **keys;
    uint32_t key_columns;
    uint32_t widths[COLUMN_CNT];
};

static void cell(const struct grid *grid, const struct fls_counters *counters, int column,
                 char out[static FLS_FIGURE_MAX])
{
    size_t sz;

    if (column == SHARE) {
        fls_figure_share(counters->value[FLS_BYTES], grid->report->totals.value[FLS_BYTES], out);
        return;
    }
    if (column == FLS_BYTES)
        fls_figure_bytes(counters->value[column], out);
    else
        fls_figure_exact(counters->value[column], out);
    /* A mark that the line under the table explains. */
    sz = strlen(out);
    if (counters->value[column] == FLS_COUNTER_MAX)
        memcpy(out + sz, "+", 2);
    else if (grid->table->max_error.value[column])
        memcpy(out + sz, "~", 2);
}

static const char *column_name(int column)
{
    return column == SHARE ? "share" : fls_counter_name[column];
}

static void measure(struct grid *grid, const struct page *page)
{
    uint32_t numbers = 0, longest = 3, limit = FLS_KEY_COLUMNS_MAX;
    char figure[FLS_FIGURE_MAX];

    for (int i = 0; i < COLUMN_CNT; i++) {
        grid->widths[i] = (uint32_t)strlen(column_name(columns[i]));
        for (uint32_t j = 0; j < grid->table->row_cnt; j++) {
            cell(grid, &grid->table->rows[j].counters, columns[i], figure);
            if (grid->widths[i] < strlen(figure))
                grid->widths[i] = (uint32_t)strlen(figure);
        }
        numbers += grid->widths[i] + 2;
    }
    for (uint32_t j = 0; j < grid->table->row_cnt; j++) {
        size_t key_columns = fls_visible_columns(grid->keys[j]);

        if (longest < key_columns)
            longest = key_columns > UINT32_MAX ? UINT32_MAX : (uint32_t)key_columns;
    }
    if (page->columns && page->columns < numbers + 2 + limit)
        limit = page->columns > numbers + 2 ? page->columns - numbers - 2 : 0;
    if (limit < FLS_KEY_COLUMNS_MIN)
        limit = FLS_KEY_COLUMNS_MIN;
    grid->key_columns = longest < limit ? longest : limit;
}

static void write_key(const struct grid *grid, const struct page *page, const char *key)
{
    size_t used = fls_visible_columns(key);

    fprintf(page->out, "  %s", key);
    /* One that is too long has a line of its own: nothing of a key is ever left out. */
    if (used > grid->key_columns) {
        fputs("\n  ", page->out);
        used = 0;
    }
    fprintf(page->out, "%*s", (int)(grid->key_columns - used), "");
}

static void write_grid(const struct grid *grid, const struct page *page)
{
    char figure[FLS_FIGURE_MAX];

    write_key(grid, page, "key");
    for (int i = 0; i < COLUMN_CNT; i++)
        fprintf(page->out, "  %*s", (int)grid->widths[i], column_name(columns[i]));
    fputc('\n', page->out);
    for (uint32_t j = 0; j < grid->table->row_cnt; j++) {
        write_key(grid, page, grid->keys[j]);
        for (int i = 0; i < COLUMN_CNT; i++) {
            cell(grid, &grid->table->rows[j].counters, columns[i], figure);
            fprintf(page->out, "  %*s", (int)grid->widths[i], figure);
        }
        fputc('\n', page->out);
    }
}

static void write_marks(const struct page *page, const struct fls_report_table *table)
{
    bool is_saturated = false, is_inexact = false;
    char figure[FLS_FIGURE_MAX];

    for (uint32_t i = 0; i < table->row_cnt; i++)
        is_saturated = is_saturated || fls_counters_saturated(&table->rows[i].counters);
    if (is_saturated)
        fputs("  + this much or more: the limit of a counter\n", page->out);
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        if (table->max_error.value[i] == 0)
            continue;
        fls_figure_exact(table->max_error.value[i], figure);
        if (!is_inexact && table->gave_way)
            fputs("  ~ the smallest rows gave way for want of room: too low by at most", page->out);
        else if (!is_inexact)
            fprintf(page->out, "  ~ off by at most %s", page->utf8 ? "\302\261" : "+-");
        fprintf(page->out, "%s %s %s", is_inexact ? "," : "", fls_counter_name[i], figure);
        is_inexact = true;
    }
    if (is_inexact)
        fputc('\n', page->out);
}

static void write_title(const struct page *page, const struct fls_report *report, int id)
{
    const struct fls_report_table *table = &report->tables[id];
    char shown[FLS_FIGURE_MAX], all[FLS_FIGURE_MAX];

    fputc('\n', page->out);
    heading(page, fls_tables[id].name);
    fls_figure_exact(table->row_cnt, shown);
    fls_figure_exact(table->distinct_is_known ? table->distinct : table->published_cnt, all);
    fprintf(page->out, "  %s of %s%s %s shown", shown, table->distinct_is_known ? "" : "at least ",
            all, table->distinct == 1 && table->distinct_is_known ? "key" : "keys");
    if (id == FLS_TABLE_MINUTE)
        fputs(", by time\n", page->out);
    else
        fprintf(page->out, ", by %s\n", fls_counter_name[report->query->order]);
}

static void write_table(const struct page *page, const struct fls_report *report, int id)
{
    struct grid grid = {.report = report, .table = &report->tables[id], .id = id};

    write_title(page, report, id);
    if (grid.table->row_cnt == 0) {
        write_marks(page, grid.table);
        return;
    }
    grid.keys = calloc(grid.table->row_cnt, sizeof(*grid.keys));
    fls_assert(grid.keys);
    for (uint32_t i = 0; i < grid.table->row_cnt; i++)
        grid.keys[i] = fls_figure_key(id, grid.table->rows[i].key);
    measure(&grid, page);
    write_grid(&grid, page);
    write_marks(page, grid.table);
    for (uint32_t i = 0; i < grid.table->row_cnt; i++)
        free(grid.keys[i]);
    free(grid.keys);
}

/* ---- the profile of `minute` ---- */

/* The part of the report that a minute belongs to: its hour of the one day, or its day of several;
 * -1 for a key that is no minute. */
static int part_of(const struct fls_published *published, struct fls_span key)
{
    char text[FLS_MINUTE_TEXT_MAX] = "";
    uint32_t day, hour;

    if (key.sz != sizeof("YYYY-MM-DDTHH:MM:00Z") - 1)
        return -1;
    memcpy(text, key.at, key.sz);
    text[10] = '\0';
    if (!fls_day_parse(text, &day))
        return -1;
    if (published->day_cnt == 1) {
        hour = (uint32_t)(text[11] - '0') * 10 + (uint32_t)(text[12] - '0');
        return hour < FLS_HOURS ? (int)hour : -1;
    }
    for (uint32_t i = 0; i < published->day_cnt; i++)
        if (published->days[i].day == day)
            return (int)i;
    return -1;
}

static void write_bar(const struct page *page, uint64_t value, uint64_t most)
{
    static const char *const blocks[] = {"\342\226\201", "\342\226\202", "\342\226\203",
                                         "\342\226\204", "\342\226\205", "\342\226\206",
                                         "\342\226\207", "\342\226\210"};
    static const char *const plain[] = {".", ":", "-", "=", "+", "*", "#", "@"};
    int level;

    if (value == 0) {
        fputc(' ', page->out);
        return;
    }
    level = (int)(7.999 * (double)value / (double)most);
    fputs(page->utf8 ? blocks[level] : plain[level], page->out);
}

static void part_name(const struct fls_published *published, uint32_t part, char *out, size_t max)
{
    char day[FLS_DAY_TEXT_MAX];

    if (published->day_cnt == 1) {
        snprintf(out, max, "%02u:00", part);
        return;
    }
    fls_day_format(published->days[part].day, day);
    snprintf(out, max, "%s", day);
}

static void write_bars(const struct page *page, const struct fls_published *published,
                       const uint64_t *parts, uint32_t part_cnt, uint64_t most)
{
    char first[FLS_DAY_TEXT_MAX], last[FLS_DAY_TEXT_MAX];

    for (uint32_t i = 0; i < part_cnt; i += FLS_PROFILE_MAX) {
        uint32_t end = part_cnt - i < FLS_PROFILE_MAX ? part_cnt : i + FLS_PROFILE_MAX;

        part_name(published, i, first, sizeof(first));
        part_name(published, end - 1, last, sizeof(last));
        fprintf(page->out, "  %s |", first);
        for (uint32_t j = i; j < end; j++)
            write_bar(page, parts[j], most);
        fprintf(page->out, "| %s\n", last);
    }
}

static void amount(enum fls_counter order, uint64_t value, char out[static FLS_FIGURE_MAX])
{
    if (order == FLS_BYTES)
        fls_figure_bytes(value, out);
    else
        fls_figure_exact(value, out);
}

static void write_peaks(const struct page *page, const struct fls_report *report, uint32_t part,
                        uint64_t most)
{
    const struct fls_report_table *table = &report->tables[FLS_TABLE_MINUTE];
    enum fls_counter order = report->query->order;
    const struct fls_published_row *peak = &table->rows[0];
    char figure[FLS_FIGURE_MAX], name[FLS_DAY_TEXT_MAX], minute[FLS_MINUTE_TEXT_MAX];

    for (uint32_t i = 1; i < table->row_cnt; i++)
        if (table->rows[i].counters.value[order] > peak->counters.value[order])
            peak = &table->rows[i];
    part_name(report->published, part, name, sizeof(name));
    amount(order, most, figure);
    fprintf(page->out, "  most %s: %s with %s", fls_counter_name[order], name, figure);
    fls_visible(peak->key, minute, sizeof(minute));
    amount(order, peak->counters.value[order], figure);
    fprintf(page->out, ", and minute %s with %s\n", minute, figure);
}

static void write_profile(const struct page *page, const struct fls_report *report)
{
    const struct fls_report_table *table = &report->tables[FLS_TABLE_MINUTE];
    uint32_t part_cnt = report->published->day_cnt == 1 ? FLS_HOURS : report->published->day_cnt;
    uint64_t *parts = calloc(part_cnt, sizeof(*parts));
    char figure[FLS_FIGURE_MAX];
    uint32_t peak = 0;

    fls_assert(parts);
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        int part = part_of(report->published, table->rows[i].key);

        if (part >= 0)
            parts[part] =
                fls_counter_add(parts[part], table->rows[i].counters.value[report->query->order]);
    }
    for (uint32_t i = 1; i < part_cnt; i++)
        if (parts[i] > parts[peak])
            peak = i;
    fputc('\n', page->out);
    heading(page, fls_tables[FLS_TABLE_MINUTE].name);
    fls_figure_exact(table->row_cnt, figure);
    fprintf(page->out, "  %s by %s, of %s minutes (--table minute shows each)\n",
            fls_counter_name[report->query->order],
            report->published->day_cnt == 1 ? "hour" : "day", figure);
    write_bars(page, report->published, parts, part_cnt, parts[peak]);
    write_peaks(page, report, peak, parts[peak]);
    write_marks(page, table);
    free(parts);
}

void fls_report_write_text(const struct fls_report *report, FILE *out)
{
    struct page page = page_of(out);

    write_scope(&page, report);
    write_input(&page, report->published);
    write_totals(&page, report);
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        bool is_named = report->query->table == i;

        bool is_empty = report->tables[i].row_cnt == 0 && !report->tables[i].gave_way;

        if (!fls_report_shows(report, i) || (is_empty && !is_named))
            continue;
        if (i == FLS_TABLE_MINUTE && !is_named)
            write_profile(&page, report);
        else
            write_table(&page, report, i);
    }
}

#include "supervise/summary.h"

#include "base/assert.h"
#include "base/visible.h"
#include "supervise/figures.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- pieces ---- */

static const char *plural(uint64_t cnt)
{
    return cnt == 1 ? "" : "s";
}

/* Writes "; 12 WORDS" with `mark` in front, unless there are none. */
static void write_some(FILE *err, const char *mark, uint64_t cnt, const char *words)
{
    char figure[FLS_FIGURE_MAX];

    if (cnt == 0)
        return;
    fls_figure_exact(cnt, figure);
    fprintf(err, "%s%s %s", mark, figure, words);
}

/* An argument as a shell takes it. */
static void write_argument(FILE *err, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+,:@%=";

    if (text[0] != '\0' && strspn(text, plain) == strlen(text)) {
        fputs(text, err);
        return;
    }
    fputc('\'', err);
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", err);
        else
            fputc(*text, err);
    }
    fputc('\'', err);
}

/* ---- lines ---- */

static void write_objects(FILE *err, const struct fls_summary *s)
{
    char figure[FLS_FIGURE_MAX];

    fls_figure_exact(s->counted, figure);
    fprintf(err, "%s%s object%s counted", s->has_stopped && s->left ? "stopped early: " : "",
            figure, plural(s->counted));
    write_some(err, ", ", s->failed, "failed");
    write_some(err, ", ", s->left, "left for the next run");
    write_some(err, ", ", s->already_counted, "counted already by earlier runs");
    write_some(err, ", ", s->duplicates, "found twice under another path");
    write_some(err, ", ", s->changed, "changed since counted (not counted again)");
    write_some(err, ", ", s->unreadable, "could not be read");
    write_some(err, ", ", s->quarantined, "in quarantine");
    fputc('\n', err);
}

static void write_lines(FILE *err, const struct fls_line_counts *counts)
{
    uint64_t malformed = fls_malformed_sum(counts);
    char figure[FLS_FIGURE_MAX], mark[] = " (\0";

    fls_figure_exact(counts->lines, figure);
    fprintf(err, "%s line%s", figure, plural(counts->lines));
    if (counts->lines == 0) {
        fputc('\n', err);
        return;
    }
    fls_figure_exact(counts->records, figure);
    fprintf(err, " = %s records", figure);
    write_some(err, " + ", counts->headers, "headers");
    write_some(err, " + ", counts->nodata, "NODATA");
    write_some(err, " + ", counts->skipdata, "SKIPDATA");
    write_some(err, " + ", malformed, "malformed");
    for (int i = 0; i < FLS_REASON_CNT; i++) {
        write_some(err, mark, counts->malformed[i], fls_reason_name[i]);
        if (counts->malformed[i])
            strcpy(mark, ", ");
    }
    fprintf(err, "%s\n", malformed ? ")" : "");
}

static void write_bytes(FILE *err, const struct fls_summary *s)
{
    char in[FLS_FIGURE_MAX], out[FLS_FIGURE_MAX];

    fls_figure_unit(s->counts.bytes_read, "B", in);
    fls_figure_unit(s->counts.bytes, "B", out);
    fprintf(err, "%s read, %s decompressed\n", in, out);
}

static void write_counting(FILE *err, const struct fls_summary *s)
{
    char time[FLS_FIGURE_MAX], records[FLS_FIGURE_MAX], in[FLS_FIGURE_MAX], out[FLS_FIGURE_MAX];

    fls_figure_time(s->count_ns, time);
    fls_figure_unit(fls_figure_rate(s->counts.records, s->count_ns), "records/s", records);
    fls_figure_unit(fls_figure_rate(s->counts.bytes_read, s->count_ns), "B/s", in);
    fls_figure_unit(fls_figure_rate(s->counts.bytes, s->count_ns), "B/s", out);
    fprintf(err, "  first byte read to last record counted  %s: %s, %s in, %s out\n", time, records,
            in, out);
}

static void write_times(FILE *err, const struct fls_summary *s)
{
    char time[FLS_FIGURE_MAX], publish[FLS_FIGURE_MAX];

    if (s->count_ns)
        write_counting(err, s);
    if (s->epochs) {
        fls_figure_time(s->commit_ns, time);
        fls_figure_time(s->publish_ns, publish);
        fprintf(err, "  commits, and publishing to Redis        %s and %s, %" PRIu64 " epoch%s\n",
                time, publish, s->epochs, plural(s->epochs));
    }
    fls_figure_time(s->command_ns, time);
    fprintf(err, "  the whole command                       %s", time);
    if (s->peak_bytes) {
        fls_figure_unit(s->peak_bytes, "B", publish);
        fprintf(err, "; %s of memory at most, in %u process%s", publish, s->process_cnt,
                s->process_cnt == 1 ? "" : "es");
    }
    if (s->peak_bytes && s->memory_limit) {
        fls_figure_unit(s->memory_limit, "B", publish);
        fprintf(err, " (limit %s)", publish);
    }
    fputc('\n', err);
    if (s->spilled_rows) {
        fls_figure_short(s->spilled_rows, publish);
        fprintf(err, "  written before their epoch's end        %s rows, for lack of memory\n",
                publish);
    }
}

static void write_warnings(FILE *err, const struct fls_summary *s)
{
    char figure[FLS_FIGURE_MAX];

    if (s->trailing) {
        fls_figure_exact(s->trailing, figure);
        fprintf(err,
                "warning: %s object%s with other bytes behind the compressed data; what stands "
                "before them counts\n",
                figure, plural(s->trailing));
    }
    if (s->epoch && !s->is_published)
        fprintf(err,
                "warning: Redis does not show epoch %" PRIu64
                " yet; it is safe in the state, and the next run publishes it\n",
                s->epoch);
}

static void write_report_command(FILE *err, const struct fls_summary *s)
{
    fputs("flowlog-stats report", err);
    if (s->redis) {
        fputs(" --redis ", err);
        write_argument(err, s->redis);
    } else if (!s->is_default_state && s->state_folder) {
        fputs(" --state ", err);
        write_argument(err, s->state_folder);
    }
    if (s->name) {
        fputs(" --name ", err);
        write_argument(err, s->name);
    }
}

static void write_failures(FILE *err, const struct fls_summary *s)
{
    uint64_t cnt =
        s->failure_cnt < FLS_SUMMARY_FAILED_MAX ? s->failure_cnt : FLS_SUMMARY_FAILED_MAX;

    if (s->failed == 0)
        return;
    if (s->failures == NULL)
        cnt = 0;
    for (uint64_t i = 0; i < cnt; i++) {
        char *text = fls_visible_string(fls_span_of(s->failures[i]));

        fprintf(err, "failed: %s\n", text);
        free(text);
    }
    if (s->failed > cnt) {
        char figure[FLS_FIGURE_MAX];

        fls_figure_exact(s->failed - cnt, figure);
        fprintf(err, "failed: %s%s more: ", cnt ? "and " : "", figure);
        write_report_command(err, s);
        fputs(" names all\n", err);
    }
}

static void write_where(FILE *err, const struct fls_summary *s)
{
    char *folder;

    if (s->state_folder == NULL)
        return;
    folder = fls_visible_string(fls_span_of(s->state_folder));
    if (s->epoch)
        fprintf(err, "epoch %" PRIu64 " is committed in %s\n", s->epoch, folder);
    else
        fprintf(err, "nothing is committed yet in %s\n", folder);
    free(folder);
    if (s->epoch == 0)
        return;
    fputs("to see it: ", err);
    write_report_command(err, s);
    fputc('\n', err);
}

void fls_summary_print(FILE *err, const struct fls_summary *s)
{
    write_objects(err, s);
    if (s->counted || s->counts.lines) {
        write_lines(err, &s->counts);
        write_bytes(err, s);
    }
    write_times(err, s);
    write_warnings(err, s);
    write_failures(err, s);
    write_where(err, s);
}

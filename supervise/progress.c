#include "supervise/progress.h"

#include "base/assert.h"
#include "base/clock.h"
#include "supervise/figures.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ERASE_LINE "\r\033[K" /* to its beginning, and all of it away (ECMA-48: EL) */
#define WIDTH_DEFAULT 80U     /* of a terminal that does not tell */
#define PIECE_MAX (3 * FLS_FIGURE_MAX)

/* The pieces of the line, in their order. */
enum piece { OBJECTS, SHARE, LINES, SPEED_IN, SPEED_OUT, LEFT, EPOCH, PIECE_CNT };

/* What goes first where room is short. */
static const enum piece least_first[] = {EPOCH, SPEED_OUT, LINES, SPEED_IN, LEFT, SHARE};

/* ---- the line ---- */

/* A share that has not come to its end is never shown as 100 %. */
static void put_share(char *out, uint64_t part, uint64_t whole)
{
    double percent;

    if (whole == 0)
        return;
    percent = part >= whole ? 100 : 100.0 * (double)part / (double)whole;
    if (percent > 99.9 && part < whole)
        percent = 99.9;
    snprintf(out, PIECE_MAX, "%.1f%%", percent);
}

static void put_pieces(char pieces[PIECE_CNT][PIECE_MAX],
                       const struct fls_progress_figures *figures)
{
    const struct fls_progress_now *now = &figures->now;
    char figure[FLS_FIGURE_MAX], all[FLS_FIGURE_MAX];

    fls_figure_exact(now->objects, figure);
    fls_figure_exact(now->objects_all, all);
    snprintf(pieces[OBJECTS], PIECE_MAX, "%s/%s objects", figure, all);
    put_share(pieces[SHARE], now->bytes, now->bytes_all);
    fls_figure_unit(figures->lines_per_s, "lines/s", pieces[LINES]);
    fls_figure_unit(figures->bytes_per_s, "B/s in", pieces[SPEED_IN]);
    fls_figure_unit(figures->bytes_out_per_s, "B/s out", pieces[SPEED_OUT]);
    if (figures->left_s != FLS_PROGRESS_LEFT_UNKNOWN) {
        fls_figure_clock(figures->left_s, figure);
        snprintf(pieces[LEFT], PIECE_MAX, "%s left", figure);
    }
    if (now->epoch)
        snprintf(pieces[EPOCH], PIECE_MAX, "epoch %" PRIu64, now->epoch);
}

static size_t join(char *line, char pieces[PIECE_CNT][PIECE_MAX])
{
    size_t at = 0;

    line[0] = '\0';
    for (int i = 0; i < PIECE_CNT; i++)
        if (pieces[i][0])
            at += (size_t)snprintf(line + at, PIECE_CNT * PIECE_MAX - at, "%s%s",
                                   at > 0 ? "  " : "", pieces[i]);
    return at;
}

size_t fls_progress_line(char line[static FLS_PROGRESS_LINE_MAX], uint32_t width,
                         const struct fls_progress_figures *figures)
{
    char pieces[PIECE_CNT][PIECE_MAX] = {{0}}, whole[PIECE_CNT * PIECE_MAX];
    size_t room = width > 0 ? width - 1 : 0, sz;

    if (room >= FLS_PROGRESS_LINE_MAX)
        room = FLS_PROGRESS_LINE_MAX - 1;
    put_pieces(pieces, figures);
    sz = join(whole, pieces);
    for (size_t i = 0; sz > room && i < sizeof(least_first) / sizeof(least_first[0]); i++) {
        pieces[least_first[i]][0] = '\0';
        sz = join(whole, pieces);
    }
    if (sz > room)
        sz = room;
    memcpy(line, whole, sz);
    line[sz] = '\0';
    return sz;
}

size_t fls_progress_json(char *line, size_t max, const struct fls_progress_figures *figures,
                         uint64_t elapsed_ns, bool is_end)
{
    const struct fls_progress_now *now = &figures->now;
    uint64_t elapsed_ms = elapsed_ns / FLS_NS_PER_MS;
    char left[FLS_FIGURE_MAX] = "null";
    int sz;

    if (figures->left_s != FLS_PROGRESS_LEFT_UNKNOWN)
        snprintf(left, sizeof(left), "%" PRIu64, figures->left_s);
    sz = snprintf(
        line, max,
        "{\"elapsed_s\":%" PRIu64 ".%03" PRIu64 ",\"objects\":%" PRIu64 ",\"objects_all\":%" PRIu64
        ",\"bytes_read\":%" PRIu64 ",\"bytes_read_all\":%" PRIu64 ",\"bytes\":%" PRIu64
        ",\"lines\":%" PRIu64 ",\"lines_per_s\":%" PRIu64 ",\"bytes_read_per_s\":%" PRIu64
        ",\"bytes_per_s\":%" PRIu64 ",\"left_s\":%s,\"epoch\":%" PRIu64 ",\"end\":%s}\n",
        elapsed_ms / 1000, elapsed_ms % 1000, now->objects, now->objects_all, now->bytes,
        now->bytes_all, now->bytes_out, now->lines, figures->lines_per_s, figures->bytes_per_s,
        figures->bytes_out_per_s, left, now->epoch, is_end ? "true" : "false");
    fls_assert(sz > 0 && (size_t)sz < max);
    return (size_t)sz;
}

/* ---- speed ---- */

static uint64_t time_left_s(const struct fls_progress_now *now, uint64_t bytes_per_s)
{
    uint64_t left = now->bytes_all > now->bytes ? now->bytes_all - now->bytes : 0;

    if (now->bytes_all == 0 || bytes_per_s == 0)
        return FLS_PROGRESS_LEFT_UNKNOWN;
    return (left + bytes_per_s - 1) / bytes_per_s;
}

static uint64_t grown(uint64_t from, uint64_t to)
{
    return to > from ? to - from : 0; /* what is read again may count back */
}

static void measure(const struct fls_progress_sample *from, const struct fls_progress_sample *to,
                    const struct fls_progress_now *now, struct fls_progress_figures *figures)
{
    uint64_t ns = grown(from->ns, to->ns);

    figures->now = *now;
    figures->lines_per_s = fls_figure_rate(grown(from->lines, to->lines), ns);
    figures->bytes_per_s = fls_figure_rate(grown(from->bytes, to->bytes), ns);
    figures->bytes_out_per_s = fls_figure_rate(grown(from->bytes_out, to->bytes_out), ns);
    figures->left_s = time_left_s(now, figures->bytes_per_s);
}

static struct fls_progress_sample sample_of(const struct fls_progress_now *now, uint64_t ns)
{
    return (struct fls_progress_sample){
        .ns = ns, .lines = now->lines, .bytes = now->bytes, .bytes_out = now->bytes_out};
}

static void forget_oldest(struct fls_progress_display *display)
{
    display->sample_first = (display->sample_first + 1) % FLS_PROGRESS_SAMPLES_MAX;
    display->sample_cnt--;
}

/* Remembers how far the run is, and puts it into figures: speed is of the time since the oldest
 * sample that is kept. */
static void take_sample(struct fls_progress_display *display, const struct fls_progress_now *now,
                        uint64_t ns, struct fls_progress_figures *figures)
{
    struct fls_progress_sample sample = sample_of(now, ns);
    uint32_t at;

    while (display->sample_cnt == FLS_PROGRESS_SAMPLES_MAX ||
           (display->sample_cnt > 1 &&
            ns - display->samples[display->sample_first].ns > FLS_PROGRESS_WINDOW_NS))
        forget_oldest(display);
    measure(&display->samples[display->sample_first], &sample, now, figures);
    at = (display->sample_first + display->sample_cnt++) % FLS_PROGRESS_SAMPLES_MAX;
    display->samples[at] = sample;
}

/* ---- showing ---- */

/* Whole lines in one write, so that those of several processes do not mix. */
static void write_text(const struct fls_progress_display *display, const char *text, size_t sz)
{
    ssize_t written = write(display->fd, text, sz);

    (void)written; /* there is nobody left to tell if stderr does not take it */
}

static uint32_t terminal_width(int fd)
{
    struct winsize size;

    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return size.ws_col;
}

static void draw(struct fls_progress_display *display, const struct fls_progress_figures *figures)
{
    char text[sizeof(ERASE_LINE) + FLS_PROGRESS_LINE_MAX] = ERASE_LINE;
    size_t head_sz = sizeof(ERASE_LINE) - 1;
    size_t sz = fls_progress_line(text + head_sz, terminal_width(display->fd), figures);

    write_text(display, text, head_sz + sz);
    display->is_shown = true;
}

static void write_json(struct fls_progress_display *display,
                       const struct fls_progress_figures *figures, uint64_t now_ns, bool is_end)
{
    char line[1024]; /* 15 numbers of at most 20 digits, and their names */

    write_text(display, line,
               fls_progress_json(line, sizeof(line), figures, now_ns - display->begin_ns, is_end));
}

static bool can_redraw(int fd)
{
    const char *terminal = getenv("TERM");

    return isatty(fd) == 1 && terminal && strcmp(terminal, "dumb") != 0;
}

void fls_progress_init(struct fls_progress_display *display, enum fls_progress mode, int fd)
{
    *display = (struct fls_progress_display){.mode = mode, .fd = fd, .begin_ns = fls_clock_ns()};
    if (mode == FLS_PROGRESS_AUTO && !can_redraw(fd))
        display->mode = FLS_PROGRESS_NEVER;
    display->shown_ns = display->begin_ns; /* nothing is known yet */
    display->samples[0].ns = display->begin_ns;
    display->sample_cnt = 1;
}

void fls_progress_show(struct fls_progress_display *display, const struct fls_progress_now *now)
{
    bool is_json = display->mode == FLS_PROGRESS_JSON;
    uint64_t now_ns, period_ns = is_json ? FLS_PROGRESS_JSON_PERIOD_NS : FLS_PROGRESS_PERIOD_NS;
    struct fls_progress_figures figures;

    if (display->mode == FLS_PROGRESS_NEVER)
        return;
    now_ns = fls_clock_ns();
    if (now_ns - display->shown_ns < period_ns)
        return;
    display->shown_ns = now_ns;
    take_sample(display, now, now_ns, &figures);
    if (is_json)
        write_json(display, &figures, now_ns, false);
    else
        draw(display, &figures);
}

void fls_progress_clear(struct fls_progress_display *display)
{
    if (!display->is_shown)
        return;
    write_text(display, ERASE_LINE, sizeof(ERASE_LINE) - 1);
    display->is_shown = false;
    display->shown_ns = 0; /* the next show draws it anew */
}

/* The speed at the end is that of the whole run. */
void fls_progress_end(struct fls_progress_display *display, const struct fls_progress_now *now)
{
    struct fls_progress_sample begin = {.ns = display->begin_ns}, end;
    struct fls_progress_figures figures;

    if (display->mode == FLS_PROGRESS_NEVER)
        return;
    end = sample_of(now, fls_clock_ns());
    measure(&begin, &end, now, &figures);
    if (display->mode == FLS_PROGRESS_JSON) {
        write_json(display, &figures, end.ns, true);
    } else {
        figures.left_s = FLS_PROGRESS_LEFT_UNKNOWN;
        draw(display, &figures);
        write_text(display, "\n", 1);
        display->is_shown = false;
    }
    display->mode = FLS_PROGRESS_NEVER;
}

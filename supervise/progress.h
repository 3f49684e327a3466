/* How far a run is, on stderr: a line that is rewritten on a terminal, or JSON for programs. */
#pragma once

#include "supervise/options.h"

#include <stddef.h>

#define FLS_PROGRESS_PERIOD_NS 200000000ULL       /* between two drawings of the line */
#define FLS_PROGRESS_JSON_PERIOD_NS 1000000000ULL /* between two objects of JSON */
#define FLS_PROGRESS_WINDOW_NS 5000000000ULL      /* speed is that of the last 5 seconds */
#define FLS_PROGRESS_SAMPLES_MAX 32U              /* of that time: more than one each period */
#define FLS_PROGRESS_LINE_MAX 256U                /* bytes of the line with its NUL */

/* The run so far. */
struct fls_progress_now {
    uint64_t objects, objects_all; /* done (failed ones too), and of the whole run */
    uint64_t bytes, bytes_all;     /* compressed, of the objects; bytes_all 0: unknown */
    uint64_t bytes_out;            /* decompressed */
    uint64_t lines;
    uint64_t epoch; /* last committed, of this run; 0: none */
};

/* What stands in the line. */
struct fls_progress_figures {
    struct fls_progress_now now;
    uint64_t lines_per_s, bytes_per_s, bytes_out_per_s;
    uint64_t left_s; /* FLS_PROGRESS_LEFT_UNKNOWN: nobody knows */
};

#define FLS_PROGRESS_LEFT_UNKNOWN UINT64_MAX

struct fls_progress_sample {
    uint64_t ns, lines, bytes, bytes_out;
};

/* All private. */
struct fls_progress_display {
    enum fls_progress mode;
    int fd;
    bool is_shown; /* the line stands on the terminal */
    uint64_t begin_ns, shown_ns;
    struct fls_progress_sample samples[FLS_PROGRESS_SAMPLES_MAX]; /* a ring */
    uint32_t sample_first, sample_cnt;
};

/* fd: where it is shown (STDERR_FILENO); not owned. FLS_PROGRESS_AUTO shows something only if fd is
 * a terminal, and not a dumb one. */
void fls_progress_init(struct fls_progress_display *display, enum fls_progress mode, int fd);
/* To be called as often as one likes, at least five times a second: draws when it is time to. */
void fls_progress_show(struct fls_progress_display *display, const struct fls_progress_now *now);
/* Takes the line off the terminal: to be called right before the caller itself writes to stderr (a
 * log line, the news of a failed object). The next show draws it anew. */
void fls_progress_clear(struct fls_progress_display *display);
/* The run has ended: the last state, and the newline; before the summary. */
void fls_progress_end(struct fls_progress_display *display, const struct fls_progress_now *now);

/* The line for a terminal of `width` columns: it takes fewer than that, so that it never wraps;
 * where room is short, what matters least is left out. Returns its length (bytes and columns). */
size_t fls_progress_line(char line[static FLS_PROGRESS_LINE_MAX], uint32_t width,
                         const struct fls_progress_figures *figures);
/* The same for programs: one object on one line, with its newline; is_end: the run has ended.
 * Returns its length. */
size_t fls_progress_json(char *line, size_t max, const struct fls_progress_figures *figures,
                         uint64_t elapsed_ns, bool is_end);

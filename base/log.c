#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FLS_LOG_LINE_MAX 8192 /* holds two paths and a text; what is longer is cut */

static const char *role;

void fls_log_role(const char *name)
{
    role = name;
}

/* On a terminal a line of progress may stand where this one begins: it is erased. */
static const char *line_start(void)
{
    return isatty(STDERR_FILENO) ? "\r\033[K" : "";
}

/* One write for one line, so that the lines of several processes do not mix. */
static void __attribute__((format(printf, 2, 0)))
write_line(const char *level, const char *format, va_list arguments)
{
    char line[FLS_LOG_LINE_MAX];
    int head_sz = snprintf(line, sizeof(line) / 2, "%sflowlog-stats: %s%s%s", line_start(),
                           role ? role : "", role ? ": " : "", level);
    size_t at = (size_t)head_sz < sizeof(line) / 2 ? (size_t)head_sz : sizeof(line) / 2 - 1;
    size_t room = sizeof(line) - at - 1; /* 1 for the newline, which takes the NUL's place */
    int text_sz = vsnprintf(line + at, room + 1, format, arguments);

    if (text_sz < 0)
        return;
    at += (size_t)text_sz < room ? (size_t)text_sz : room;
    line[at++] = '\n';
    /* There is nobody left to tell if stderr does not take it. */
    ssize_t written = write(STDERR_FILENO, line, at);
    (void)written;
}

void fls_log_info(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("", format, arguments);
    va_end(arguments);
}

void fls_log_warn(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("warning: ", format, arguments);
    va_end(arguments);
}

void fls_log_error(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    write_line("error: ", format, arguments);
    va_end(arguments);
}

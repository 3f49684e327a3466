#include "supervise/report_command.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/redis.h"
#include "dashboard/report.h"
#include "publish/catch_up.h"
#include "supervise/private_redis.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* How long a Redis is asked again that answers what passes by itself (it is loading, a cluster
 * moves the keys), and the pause between. */
#define PATIENCE_S 5
#define PAUSE_MS 100

static enum fls_report_format format_of(enum fls_format format)
{
    switch (format) {
    case FLS_FORMAT_TEXT:
        return FLS_REPORT_TEXT;
    case FLS_FORMAT_JSON:
        return FLS_REPORT_JSON;
    case FLS_FORMAT_CSV:
        return FLS_REPORT_CSV;
    }
    return FLS_REPORT_TEXT;
}

/* One attempt; may_pass says whether it failed by what passes by itself. -ECONNREFUSED where there
 * is no Redis, -EIO where it went. */
static int print_once(const struct fls_options *options, const struct fls_redis_address *address,
                      bool *may_pass, char *error, size_t error_max)
{
    struct fls_report_query query = {.account = options->account,
                                     .day_given = options->day_given,
                                     .day_first = options->day_first,
                                     .day_last = options->day_last,
                                     .table = options->table,
                                     .order = (enum fls_counter)options->order,
                                     .top_n = options->top_n,
                                     .format = format_of(options->format)};
    struct fls_wire wire;
    int status = fls_wire_open(&wire, address, options->name);

    *may_pass = status == -EAGAIN || status == -EREMOTE;
    if (status) {
        snprintf(error, error_max, "%s", wire.failure);
        return -ECONNREFUSED;
    }
    status = fls_report_print(&wire, options->name, &query, stdout, error, error_max);
    if (status && !wire.context) {
        *may_pass = status == -EAGAIN || status == -EREMOTE;
        status = -EIO;
    }
    fls_wire_close(&wire);
    return status;
}

/* All is read before anything is printed, so an attempt that failed has printed nothing. */
static int print_view(const struct fls_options *options, const struct fls_redis_address *address,
                      char *error, size_t error_max)
{
    uint64_t end = fls_clock_ns() + PATIENCE_S * FLS_NS_PER_S;
    bool may_pass = false;
    int status = print_once(options, address, &may_pass, error, error_max);

    while (status && may_pass && fls_clock_ns() < end) {
        poll(NULL, 0, PAUSE_MS);
        status = print_once(options, address, &may_pass, error, error_max);
    }
    return status;
}

/* Reads the view at the URL and prints it, after it was brought up to the last commit of the state
 * if catch_up says so. 0 or -errno and a text. */
static int print_from(const struct fls_options *options, const char *url, bool catch_up,
                      char *error, size_t error_max)
{
    struct fls_redis_address address;
    int status = fls_redis_address_parse(url, &address, error, error_max);

    if (status)
        return status;
    if (catch_up)
        status = fls_catch_up(options->state, &address, options->name, error, error_max);
    if (status == 0)
        status = print_view(options, &address, error, error_max);
    fls_redis_address_fini(&address);
    return status;
}

/* The server of a run that goes on may end at any time: then what it left is read. */
static int print_from_private(const struct fls_options *options, char *error, size_t error_max)
{
    struct fls_private_redis redis;
    int status;

    if (fls_private_redis_find(&redis, options->state) == 0) {
        status = print_from(options, redis.url, false, error, error_max);
        fls_private_redis_stop(&redis);
        if (status != -ECONNREFUSED && status != -EIO)
            return status;
    }
    status = fls_private_redis_start_aside(&redis, options->state, error, error_max);
    if (status)
        return status;
    status = print_from(options, redis.url, true, error, error_max);
    fls_private_redis_stop(&redis);
    return status;
}

int fls_report_command(const struct fls_options *options)
{
    char error[FLS_REPORT_ERROR_MAX];
    int status;

    signal(SIGPIPE, SIG_IGN);
    status = options->redis ? print_from(options, options->redis, false, error, sizeof(error))
                            : print_from_private(options, error, sizeof(error));
    if (status == -EPIPE)
        return EXIT_SUCCESS; /* a pager or `head` that has seen enough */
    if (status)
        fls_log_error("%s", error);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}

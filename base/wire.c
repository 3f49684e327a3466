#include "base/wire.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/redis_cluster.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITE_SZ 32768U /* commands go out so many bytes at a time, or where replies are read */

int fls_wire_open(struct fls_wire *wire, const struct fls_redis_address *address, const char *name)
{
    *wire = (struct fls_wire){0};
    wire->context = fls_redis_connect_home(address, name, wire->failure, sizeof(wire->failure));
    if (!wire->context)
        return errno ? -errno : -ECONNREFUSED;
    fls_wire_set_timeout(wire, fls_redis_timeout(address));
    return 0;
}

void fls_wire_set_timeout(struct fls_wire *wire, struct timeval timeout)
{
    redisSetTimeout(wire->context, timeout);
    wire->timeout_ns = (uint64_t)timeout.tv_sec * FLS_NS_PER_S + (uint64_t)timeout.tv_usec * 1000;
}

static void hang_up(struct fls_wire *wire)
{
    redisFree(wire->context);
    wire->context = NULL;
    wire->pending = 0;
    wire->pending_sz = 0;
    wire->unwritten_sz = 0;
}

void fls_wire_close(struct fls_wire *wire)
{
    hang_up(wire);
    free(wire->argv);
    free(wire->argv_sz);
    wire->argv = NULL;
    wire->argv_sz = NULL;
    wire->argv_max = wire->argv_sz_max = 0;
}

int fls_wire_fail(struct fls_wire *wire, int error, const char *format, ...)
{
    va_list arguments;

    fls_assert(error < 0);
    va_start(arguments, format);
    vsnprintf(wire->failure, sizeof(wire->failure), format, arguments);
    va_end(arguments);
    hang_up(wire);
    return error;
}

static int fail_connection(struct fls_wire *wire)
{
    char why[sizeof(wire->failure)];
    int error = fls_redis_connection_error(wire->context, why, sizeof(why));

    return fls_wire_fail(wire, error, "%s", why);
}

static int fail_reply(struct fls_wire *wire, const redisReply *reply)
{
    char why[sizeof(wire->failure)];
    int error = fls_redis_error(reply->str, why, sizeof(why));

    return fls_wire_fail(wire, error, "%s", why);
}

void fls_wire_command(struct fls_wire *wire, const char *name)
{
    wire->argc = 0;
    fls_wire_text(wire, name);
}

void fls_wire_argument(struct fls_wire *wire, struct fls_span argument)
{
    fls_array_reserve(wire->argv, wire->argv_max, (uint32_t)wire->argc + 1);
    fls_array_reserve(wire->argv_sz, wire->argv_sz_max, (uint32_t)wire->argc + 1);
    wire->argv[wire->argc] = (const char *)argument.at;
    wire->argv_sz[wire->argc++] = argument.sz;
}

void fls_wire_text(struct fls_wire *wire, const char *argument)
{
    fls_wire_argument(wire, fls_span_of(argument));
}

static int append(struct fls_wire *wire)
{
    size_t sz = 0;

    if (!wire->context)
        return -ENOTCONN;
    if (redisAppendCommandArgv(wire->context, wire->argc, wire->argv, wire->argv_sz) != REDIS_OK)
        return fls_wire_fail(wire, -ENOMEM, "out of memory for a command of Redis");
    wire->pending++;
    for (int i = 0; i < wire->argc; i++)
        sz += wire->argv_sz[i];
    wire->pending_sz += sz;
    wire->unwritten_sz += sz;
    return 0;
}

/* The reply of the oldest command, which is no error; NULL and *status. Each read has the timeout
 * already, as the socket's; here a server is told off that answers one command at a time. */
static redisReply *take(struct fls_wire *wire, uint64_t began_ns, int *status)
{
    void *got = NULL;
    redisReply *reply;

    errno = 0;
    if (redisGetReply(wire->context, &got) != REDIS_OK) {
        *status = fail_connection(wire);
        return NULL;
    }
    if (--wire->pending == 0)
        wire->pending_sz = 0;
    reply = got;
    *status = 0;
    if (reply->type == REDIS_REPLY_ERROR)
        *status = fail_reply(wire, reply);
    else if (wire->pending && fls_clock_ns() - began_ns > wire->timeout_ns)
        *status = fls_wire_fail(wire, -ETIMEDOUT, "Redis answers too slowly");
    if (!*status)
        return reply;
    freeReplyObject(reply);
    return NULL;
}

int fls_wire_flush(struct fls_wire *wire)
{
    uint64_t began_ns = fls_clock_ns();

    if (!wire->context)
        return -ENOTCONN;
    while (wire->pending) {
        int status;
        redisReply *reply = take(wire, began_ns, &status);

        if (!reply)
            return status;
        freeReplyObject(reply);
    }
    return 0;
}

/* Lets Redis have what was appended: it works on that while the next commands are made. */
static int write_out(struct fls_wire *wire)
{
    int is_done = 0;

    wire->unwritten_sz = 0;
    while (!is_done)
        if (redisBufferWrite(wire->context, &is_done) != REDIS_OK)
            return fail_connection(wire);
    return 0;
}

int fls_wire_send(struct fls_wire *wire)
{
    int status = append(wire);

    if (!status &&
        (wire->pending >= FLS_WIRE_PENDING_MAX || wire->pending_sz >= FLS_WIRE_PENDING_SZ))
        status = fls_wire_flush(wire);
    else if (!status && wire->unwritten_sz >= WRITE_SZ)
        status = write_out(wire);
    return status;
}

redisReply *fls_wire_ask(struct fls_wire *wire, int *status)
{
    uint64_t began_ns = fls_clock_ns();

    *status = append(wire);
    while (!*status && wire->pending > 1) {
        redisReply *reply = take(wire, began_ns, status);

        freeReplyObject(reply);
    }
    return *status ? NULL : take(wire, began_ns, status);
}

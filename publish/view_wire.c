#include "publish/view_wire.h"

#include "base/assert.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

int fls_wire_open(struct fls_wire *wire, const struct fls_redis_address *address)
{
    *wire = (struct fls_wire){0};
    wire->context = fls_redis_connect(address, wire->failure, sizeof(wire->failure));
    return wire->context ? 0 : -ECONNREFUSED;
}

void fls_wire_close(struct fls_wire *wire)
{
    redisFree(wire->context);
    wire->context = NULL;
    wire->pending = 0;
    wire->pending_sz = 0;
}

int fls_wire_fail(struct fls_wire *wire, int error, const char *format, ...)
{
    va_list arguments;

    fls_assert(error < 0);
    va_start(arguments, format);
    vsnprintf(wire->failure, sizeof(wire->failure), format, arguments);
    va_end(arguments);
    fls_wire_close(wire);
    return error;
}

/* hiredis tells a timeout by errno alone: what it read so far is of no use, as a late reply would
 * be taken for that of the next command. */
static int fail_connection(struct fls_wire *wire)
{
    int error = wire->context->err == REDIS_ERR_IO && errno ? -errno : -ECONNRESET;
    char why[sizeof(wire->context->errstr)];

    if (error == -EAGAIN || error == -EWOULDBLOCK)
        return fls_wire_fail(wire, -ETIMEDOUT, "Redis did not answer within %d s",
                             FLS_REDIS_TIMEOUT_S);
    snprintf(why, sizeof(why), "%s", wire->context->errstr);
    return fls_wire_fail(wire, error, "the connection to Redis is lost: %s", why);
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
    fls_assert(wire->argc < (int)FLS_WIRE_ARGUMENTS_MAX);
    wire->argv[wire->argc] = (const char *)argument.at;
    wire->argv_sz[wire->argc++] = argument.sz;
}

void fls_wire_text(struct fls_wire *wire, const char *argument)
{
    fls_wire_argument(wire, fls_span_of(argument));
}

static int append(struct fls_wire *wire)
{
    if (!wire->context)
        return -ENOTCONN;
    if (redisAppendCommandArgv(wire->context, wire->argc, wire->argv, wire->argv_sz) != REDIS_OK)
        return fls_wire_fail(wire, -ENOMEM, "out of memory for a command of Redis");
    wire->pending++;
    for (int i = 0; i < wire->argc; i++)
        wire->pending_sz += wire->argv_sz[i];
    return 0;
}

/* The reply of the oldest command, which is no error; NULL and *status. */
static redisReply *take(struct fls_wire *wire, int *status)
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
    if (reply->type == REDIS_REPLY_ERROR) {
        *status = fail_reply(wire, reply);
        freeReplyObject(reply);
        return NULL;
    }
    *status = 0;
    return reply;
}

int fls_wire_flush(struct fls_wire *wire)
{
    if (!wire->context)
        return -ENOTCONN;
    while (wire->pending) {
        int status;
        redisReply *reply = take(wire, &status);

        if (!reply)
            return status;
        freeReplyObject(reply);
    }
    return 0;
}

int fls_wire_send(struct fls_wire *wire)
{
    int status = append(wire);

    if (!status &&
        (wire->pending >= FLS_WIRE_PENDING_MAX || wire->pending_sz >= FLS_WIRE_PENDING_SZ))
        status = fls_wire_flush(wire);
    return status;
}

redisReply *fls_wire_ask(struct fls_wire *wire, int *status)
{
    *status = append(wire);
    while (!*status && wire->pending > 1) {
        redisReply *reply = take(wire, status);

        freeReplyObject(reply);
    }
    return *status ? NULL : take(wire, status);
}

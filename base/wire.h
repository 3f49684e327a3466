/* A connection to the home of a deployment (base/redis_cluster.h), that commands are pipelined on.
 * Every reply is checked: the first that is an error ends the connection, and with it a transaction
 * that was not yet executed. All that writes or reads the view does so through one of these. */
#pragma once

#include "base/redis.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLS_WIRE_PENDING_MAX                                                                       \
    512U                             /* commands sent before their replies are read: a few KiB of  \
                                        replies, which the socket's buffer holds */
#define FLS_WIRE_PENDING_SZ 1048576U /* bytes of commands, likewise */

struct fls_wire {
    redisContext *context; /* NULL once it failed */
    uint64_t timeout_ns;   /* of the replies that are waited for at a time */
    uint32_t pending;      /* commands whose replies are not read */
    size_t pending_sz;
    size_t unwritten_sz; /* bytes of commands since the last write */
    char failure[512];
    int argc; /* the command being made */
    const char **argv;
    size_t *argv_sz;
    uint32_t argv_max, argv_sz_max;
};

/* Connects to where the keys of the deployment `name` are. 0, or -errno and wire->failure. */
int fls_wire_open(struct fls_wire *wire, const struct fls_redis_address *address, const char *name);
/* Frees what the wire holds. Nothing for one that is closed. */
void fls_wire_close(struct fls_wire *wire);
/* How long replies are waited for from now on. */
void fls_wire_set_timeout(struct fls_wire *wire, struct timeval timeout);
/* Throws the connection away, keeps the words (printf), returns `error`. */
int fls_wire_fail(struct fls_wire *wire, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes a command: its name, then its arguments. Texts are not copied before send or ask. */
void fls_wire_command(struct fls_wire *wire, const char *name);
void fls_wire_argument(struct fls_wire *wire, struct fls_span argument);
void fls_wire_text(struct fls_wire *wire, const char *argument);
/* Sends the command off; its reply is read, and must be no error, some time later. 0 or -errno. */
int fls_wire_send(struct fls_wire *wire);
/* Reads the replies of all that was sent. 0 or -errno: of fls_redis_error, -ETIMEDOUT if they do
 * not come in time, or what became of the connection; -ENOTCONN for one that failed before. */
int fls_wire_flush(struct fls_wire *wire);
/* Sends the command and waits for its reply (to be freed), which is no error; NULL and *status. */
redisReply *fls_wire_ask(struct fls_wire *wire, int *status);

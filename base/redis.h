/* Where Redis is, and a connection to it. */
#pragma once

#include "base/span.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/time.h>

#define FLS_REDIS_TIMEOUT_MS 10000    /* of a connect, of a reply, and of those of a pipeline */
#define FLS_REDIS_PASSWORD_MAX 4096U  /* bytes of a password from a file, with its NUL */
#define FLS_REDIS_SOCKET_PATH_MAX 108 /* bytes of a unix socket's path, with its NUL (sun_path) */

struct fls_redis_address {
    char *unix_path; /* or NULL */
    char *host;      /* or NULL */
    int port;        /* 1..65535, 6379 unless given */
    int database;    /* 0 unless given */
    char *user;      /* or NULL */
    char *password;  /* or NULL */
    int timeout_ms;  /* 0: FLS_REDIS_TIMEOUT_MS */
};

/* Reads unix:///path[?db=N] or redis://[[user]:password@]host[:port][/db], with %XX escapes. A
 * password that the URL lacks comes from the file named by $FLOWLOG_REDIS_PASSWORD_FILE, or from
 * $FLOWLOG_REDIS_PASSWORD. 0, or -EINVAL and a text (never with the password in it). */
int fls_redis_address_parse(const char *url, struct fls_redis_address *address, char *error,
                            size_t error_max);
void fls_redis_address_fini(struct fls_redis_address *address);
/* The address for messages: without user and password. */
void fls_redis_address_text(const struct fls_redis_address *address, char *out, size_t out_max);
static inline struct timeval fls_redis_timeout(const struct fls_redis_address *address)
{
    int ms = address->timeout_ms ? address->timeout_ms : FLS_REDIS_TIMEOUT_MS;

    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
}

/* Connects, authenticates (where the server asks for it, or a user is given), selects the
 * database, with the address's timeout. NULL, errno, and a text that says what to do, on failure.
 * Free with redisFree. From then on the process ignores SIGPIPE: hiredis writes with write(). */
redisContext *fls_redis_connect(const struct fls_redis_address *address, char *error,
                                size_t error_max);
/* Writes what an error reply ("OOM command not allowed ...") means and what to do about it, and
 * returns -errno as redis_answers.def has it; -EIO for one that is not there. */
int fls_redis_error(const char *reply, char *out, size_t out_max);
/* The same for a connection on which the last call of hiredis failed, before which errno was 0:
 * -ETIMEDOUT for one that hangs. It is of no more use: a late reply would be taken for that of the
 * next command. */
int fls_redis_connection_error(const redisContext *context, char *out, size_t out_max);

/* The bytes of a string reply; valid as long as the reply. */
static inline struct fls_span fls_redis_span(const redisReply *reply)
{
    return (struct fls_span){(const uint8_t *)reply->str, (size_t)reply->len};
}

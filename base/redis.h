/* Where Redis is, and a connection to it. */
#pragma once

#include <hiredis/hiredis.h>
#include <stdbool.h>

#define FLS_REDIS_TIMEOUT_S 10 /* of a connect and of each reply */

struct fls_redis_address {
    char *unix_path; /* or NULL */
    char *host;      /* or NULL */
    int port;        /* 1..65535, 6379 unless given */
    int database;    /* 0 unless given */
    char *user;      /* or NULL */
    char *password;  /* or NULL */
};

/* Reads unix:///path[?db=N] or redis://[[user]:password@]host[:port][/db], with %XX escapes. A password
 * that the URL lacks comes from the file named by $FLOWLOG_REDIS_PASSWORD_FILE, or from
 * $FLOWLOG_REDIS_PASSWORD. 0, or -EINVAL and a text (never with the password in it). */
int fls_redis_address_parse(const char *url, struct fls_redis_address *address, char *error,
                            size_t error_max);
void fls_redis_address_fini(struct fls_redis_address *address);
/* The address for messages: without user and password. */
void fls_redis_address_text(const struct fls_redis_address *address, char *out, size_t out_max);
/* Connects, authenticates, selects the database, with FLS_REDIS_TIMEOUT_S. NULL, and a text that
 * says what to do, on failure. Free with redisFree. */
redisContext *fls_redis_connect(const struct fls_redis_address *address, char *error,
                                size_t error_max);

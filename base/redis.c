#include "base/redis.h"

#include "base/assert.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define UNIX_SCHEME "unix://"
#define TCP_SCHEME "redis://"
#define TLS_SCHEME "rediss://"
#define PORT_DEFAULT 6379

static int refuse(char *error, size_t error_max, const char *text)
{
    snprintf(error, error_max, "%s", text);
    return -EINVAL;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* The text with its %XX escapes undone, to be freed; NULL if one is broken or stands for NUL. */
static char *unescape(const char *at, size_t sz)
{
    char *text = malloc(sz + 1), *out = text;

    fls_assert(text);
    for (size_t i = 0; i < sz; i++) {
        int high, low;

        if (at[i] != '%') {
            *out++ = at[i];
            continue;
        }
        high = i + 2 < sz ? hex_digit(at[i + 1]) : -1;
        low = high >= 0 ? hex_digit(at[i + 2]) : -1;
        if (low < 0 || (high == 0 && low == 0)) {
            free(text);
            return NULL;
        }
        *out++ = (char)(high << 4 | low);
        i += 2;
    }
    *out = '\0';
    return text;
}

/* Plain digits, within the limits, to the end of the text; -1 for anything else. */
static int number(const char *at, size_t sz, int min, int max)
{
    long value = 0;

    if (sz == 0)
        return -1;
    for (size_t i = 0; i < sz; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        value = value * 10 + (at[i] - '0');
        if (value > max)
            return -1;
    }
    return value < min ? -1 : (int)value;
}

static int parse_unix(const char *at, struct fls_redis_address *address, char *error,
                      size_t error_max)
{
    const char *query = strchr(at, '?');
    size_t sz = query ? (size_t)(query - at) : strlen(at);

    if (at[0] != '/')
        return refuse(error, error_max,
                      "a unix socket is given by its whole path: unix:///path/to/redis.sock");
    address->unix_path = unescape(at, sz);
    if (!address->unix_path)
        return refuse(error, error_max, "the socket's path has a broken %XX escape");
    if (!query)
        return 0;
    if (strncmp(query, "?db=", 4) != 0)
        return refuse(error, error_max,
                      "after a socket's path only ?db=N can follow (write a ? of the path as %3F)");
    address->database = number(query + 4, strlen(query + 4), 0, INT_MAX);
    if (address->database < 0)
        return refuse(error, error_max, "the database (?db=N) is not a number");
    return 0;
}

static int parse_user(const char *at, size_t sz, struct fls_redis_address *address, char *error,
                      size_t error_max)
{
    const char *colon = memchr(at, ':', sz);
    size_t user_sz = colon ? (size_t)(colon - at) : sz;
    size_t password_sz = colon ? sz - user_sz - 1 : 0;

    if (user_sz) {
        address->user = unescape(at, user_sz);
        if (!address->user)
            return refuse(error, error_max, "the user has a broken %XX escape");
    }
    if (password_sz) {
        address->password = unescape(colon + 1, password_sz);
        if (!address->password)
            return refuse(error, error_max, "the password has a broken %XX escape");
    }
    return 0;
}

/* host, host:port, [IPv6] or [IPv6]:port */
static int parse_host(const char *at, size_t sz, struct fls_redis_address *address, char *error,
                      size_t error_max)
{
    const char *end = at + sz, *host = at, *host_end, *rest;

    if (sz && at[0] == '[') {
        host = at + 1;
        host_end = memchr(at, ']', sz);
        if (!host_end)
            return refuse(error, error_max, "the address in [ ] does not end");
        rest = host_end + 1;
    } else {
        host_end = memchr(at, ':', sz);
        if (!host_end)
            host_end = end;
        rest = host_end;
    }
    if (host_end == host)
        return refuse(error, error_max, "the host is missing: redis://host:port/db");
    address->host = unescape(host, (size_t)(host_end - host));
    if (!address->host)
        return refuse(error, error_max, "the host has a broken %XX escape");
    if (rest == end)
        return 0;
    address->port = *rest == ':' ? number(rest + 1, (size_t)(end - rest - 1), 1, 65535) : -1;
    if (address->port < 0)
        return refuse(error, error_max,
                      "the port is not a number from 1 to 65535 (an IPv6 address stands in [ ])");
    return 0;
}

static int parse_tcp(const char *at, struct fls_redis_address *address, char *error,
                     size_t error_max)
{
    size_t sz = strcspn(at, "/?#");
    const char *sign = memrchr(at, '@', sz), *host = sign ? sign + 1 : at, *rest = at + sz;
    int status = 0;

    if (sign)
        status = parse_user(at, (size_t)(sign - at), address, error, error_max);
    if (!status)
        status = parse_host(host, (size_t)(rest - host), address, error, error_max);
    if (status || rest[0] == '\0' || strcmp(rest, "/") == 0)
        return status;
    address->database = rest[0] == '/' ? number(rest + 1, strlen(rest + 1), 0, INT_MAX) : -1;
    if (address->database < 0) /* or a password that has one of these signs as it stands */
        return refuse(error, error_max,
                      "after the host only /N, the number of a database, can follow (in a "
                      "password write / as %2F, ? as %3F, # as %23)");
    return 0;
}

/* A password in a file ends at its first line's end: editors leave one there. */
static int password_from_file(const char *path, char **password, char *error, size_t error_max)
{
    char text[FLS_REDIS_PASSWORD_MAX];
    size_t sz = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && sz < sizeof(text) && (got = read(fd, text + sz, sizeof(text) - sz)) > 0)
        sz += (size_t)got;
    if (fd < 0 || got < 0) {
        snprintf(error, error_max, "$FLOWLOG_REDIS_PASSWORD_FILE: %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -EINVAL;
    }
    close(fd);
    if (sz == sizeof(text)) {
        explicit_bzero(text, sizeof(text));
        snprintf(error, error_max, "$FLOWLOG_REDIS_PASSWORD_FILE: %s holds more than %u bytes",
                 path, FLS_REDIS_PASSWORD_MAX - 1);
        return -EINVAL;
    }
    text[sz] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (text[0])
        *password = strdup(text);
    explicit_bzero(text, sizeof(text));
    return 0;
}

static int password_from_outside(char **password, char *error, size_t error_max)
{
    const char *path = getenv("FLOWLOG_REDIS_PASSWORD_FILE");
    const char *text = getenv("FLOWLOG_REDIS_PASSWORD");

    if (path && path[0])
        return password_from_file(path, password, error, error_max);
    if (text && text[0])
        *password = strdup(text);
    return 0;
}

int fls_redis_address_parse(const char *url, struct fls_redis_address *address, char *error,
                            size_t error_max)
{
    int status;

    *address = (struct fls_redis_address){.port = PORT_DEFAULT};
    if (strncasecmp(url, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0)
        status = parse_unix(url + strlen(UNIX_SCHEME), address, error, error_max);
    else if (strncasecmp(url, TCP_SCHEME, strlen(TCP_SCHEME)) == 0)
        status = parse_tcp(url + strlen(TCP_SCHEME), address, error, error_max);
    else if (strncasecmp(url, TLS_SCHEME, strlen(TLS_SCHEME)) == 0)
        status = refuse(error, error_max,
                        "rediss:// (TLS) is not supported: put a TLS tunnel in front of Redis and "
                        "give redis://");
    else
        status = refuse(error, error_max,
                        "a Redis is given as unix:///path[?db=N] or "
                        "redis://[[user]:password@]host[:port][/db]");
    if (!status && !address->password)
        status = password_from_outside(&address->password, error, error_max);
    if (status)
        fls_redis_address_fini(address);
    return status;
}

void fls_redis_address_fini(struct fls_redis_address *address)
{
    if (address->password)
        explicit_bzero(address->password, strlen(address->password));
    free(address->unix_path);
    free(address->host);
    free(address->user);
    free(address->password);
    *address = (struct fls_redis_address){0};
}

void fls_redis_address_text(const struct fls_redis_address *address, char *out, size_t out_max)
{
    if (address->unix_path)
        snprintf(out, out_max, address->database ? "unix://%s?db=%d" : "unix://%s",
                 address->unix_path, address->database);
    else
        snprintf(out, out_max,
                 strchr(address->host, ':') ? "redis://[%s]:%d/%d" : "redis://%s:%d/%d",
                 address->host, address->port, address->database);
}

static const struct answer {
    const char *begins;
    int error;
    const char *means;
} answers[] = {
#define ANSWER(begins, error, means) {begins, error, means},
#include "base/redis_answers.def"
#undef ANSWER
};

int fls_redis_error(const char *reply, char *out, size_t out_max)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        size_t sz = strlen(answers[i].begins);

        if (strncmp(answers[i].begins, reply, sz) == 0 && !isalnum((unsigned char)reply[sz])) {
            snprintf(out, out_max, "%s (%s)", answers[i].means, reply);
            return -answers[i].error;
        }
    }
    snprintf(out, out_max, "Redis answered: %s", reply);
    return -EIO;
}

/* hiredis tells a timeout by errno alone. */
int fls_redis_connection_error(const redisContext *context, char *out, size_t out_max)
{
    int error = context->err == REDIS_ERR_IO && errno ? errno : ECONNRESET;

    if (error == EAGAIN || error == EWOULDBLOCK || error == ETIMEDOUT) {
        snprintf(out, out_max,
                 "Redis does not answer: see whether it hangs, or the network on the way to it");
        return -ETIMEDOUT;
    }
    snprintf(out, out_max, "the connection to Redis is lost: %s", context->errstr);
    return -error;
}

/* A server that takes no more clients, or none from outside, says so, closes the connection and
 * waits for no command: then there is an answer where a command could not even be sent. */
static int refusal(redisContext *context, char *error, size_t error_max)
{
    int status = fls_redis_connection_error(context, error, error_max);
    char text[256];
    ssize_t got = recv(context->fd, text, sizeof(text) - 1, MSG_DONTWAIT);

    if (got <= 0 || text[0] != '-')
        return status;
    text[got] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    return fls_redis_error(text + 1, error, error_max);
}

/* One command of a new connection: 0, or -errno and a text. `wants_password` tells that the server
 * did not know who asks. */
static int ask(redisContext *context, int argc, const char **argv, bool *wants_password,
               char *error, size_t error_max)
{
    redisReply *reply;
    int status = 0;

    errno = 0;
    reply = redisCommandArgv(context, argc, argv, NULL);
    if (!reply)
        status = refusal(context, error, error_max);
    else if (reply->type == REDIS_REPLY_ERROR)
        status = fls_redis_error(reply->str, error, error_max);
    if (wants_password)
        *wants_password = reply && status && strncmp(reply->str, "NOAUTH", 6) == 0;
    freeReplyObject(reply);
    return status;
}

static int authenticate(redisContext *context, const struct fls_redis_address *address, char *error,
                        size_t error_max)
{
    const char *auth[] = {"AUTH", address->password, NULL};

    if (address->user) {
        auth[1] = address->user;
        auth[2] = address->password ? address->password : "";
    }
    return ask(context, address->user ? 3 : 2, auth, NULL, error, error_max);
}

static int greet(redisContext *context, const struct fls_redis_address *address, char *error,
                 size_t error_max)
{
    char database[16];
    const char *ping[] = {"PING"}, *select[] = {"SELECT", database};
    bool wants_password = false;
    int status = 0;

    if (address->user)
        status = authenticate(context, address, error, error_max);
    if (!status)
        status = ask(context, 1, ping, &wants_password, error, error_max);
    /* A password from the environment is no reason to fail where none is wanted. */
    if (wants_password && !address->user && address->password) {
        status = authenticate(context, address, error, error_max);
        if (!status)
            status = ask(context, 1, ping, NULL, error, error_max);
    }
    snprintf(database, sizeof(database), "%d", address->database);
    if (!status && address->database)
        status = ask(context, 2, select, NULL, error, error_max);
    return status;
}

/* NULL, with errno and a text, if nobody takes the connection. */
static redisContext *connect_to(const struct fls_redis_address *address, const char *where,
                                char *error, size_t error_max)
{
    struct timeval timeout = fls_redis_timeout(address);
    redisContext *context;
    int status;

    errno = 0;
    context = address->unix_path ? redisConnectUnixWithTimeout(address->unix_path, timeout)
                                 : redisConnectWithTimeout(address->host, address->port, timeout);
    if (context && !context->err)
        return context;
    status = context && context->err == REDIS_ERR_IO && errno ? errno : ECONNREFUSED;
    snprintf(error, error_max, "%s: %s: is Redis running there?", where,
             context ? context->errstr : "out of memory");
    redisFree(context);
    errno = status;
    return NULL;
}

redisContext *fls_redis_connect(const struct fls_redis_address *address, char *error,
                                size_t error_max)
{
    char where[512], why[512];
    redisContext *context;
    int status;

    signal(SIGPIPE, SIG_IGN);
    fls_redis_address_text(address, where, sizeof(where));
    if (address->unix_path && strlen(address->unix_path) >= FLS_REDIS_SOCKET_PATH_MAX) {
        snprintf(error, error_max, "%s: a socket's path has at most %d bytes: use a link to it",
                 where, FLS_REDIS_SOCKET_PATH_MAX - 1);
        errno = ENAMETOOLONG;
        return NULL;
    }
    context = connect_to(address, where, error, error_max);
    if (!context)
        return NULL;
    status = redisSetTimeout(context, fls_redis_timeout(address)) == REDIS_OK
                 ? greet(context, address, why, sizeof(why))
                 : fls_redis_connection_error(context, why, sizeof(why));
    if (status) {
        snprintf(error, error_max, "%s: %s", where, why);
        redisFree(context);
        errno = -status;
        return NULL;
    }
    return context;
}

/* Stands between a publisher and its redis-server (redis_server.h), counts the commands that come
 * through, and at one of them does what machines and networks do. */
#pragma once

#include "redis_server.h"

#include "base/assert.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum fault {
    FAULT_NONE,
    FAULT_HANG,       /* the command, and what follows, is never answered */
    FAULT_CLOSE,      /* the connection breaks before the command is carried out */
    FAULT_LOST_REPLY, /* or after it was: nobody knows */
    FAULT_HALF_REPLY, /* or in the middle of the reply */
    FAULT_HALF_HANGS, /* the rest of the reply never comes */
    FAULT_FLUSH,      /* somebody empties Redis before the command */
    FAULT_KILL,       /* the server is killed, and started again */
    FAULT_ANSWER,     /* the command is answered with proxy.answer, which the server never said */
    FAULT_CNT
};

#define PROXY_BUFFER_SZ 65536U
#define PROXY_BURST_MAX 2000     /* ms that the server may take for a reply */
#define PROXY_AT_EXEC UINT32_MAX /* not by number: at the end of a transaction */

struct proxy {
    char socket[128];
    int listener, stop_fd;
    _Atomic enum fault fault;
    _Atomic uint32_t at;   /* the number of the command, from 1 on */
    _Atomic uint32_t seen; /* commands since it was armed */
    _Atomic bool has_struck;
    char answer[128]; /* "-LOADING ...\r\n" */
    pthread_t thread;
    /* Of the requests' bytes: where the next line is looked for. */
    uint64_t skip;   /* bytes of a value still to pass */
    uint32_t values; /* of the command, still to come */
    char line[32];
    size_t line_sz;
};

static inline bool proxy_is_the_one(struct proxy *proxy, const char *command, size_t sz)
{
    static const char exec[] = "*1\r\n$4\r\nEXEC\r\n";
    bool is_exec = sz >= sizeof(exec) - 1 && memcmp(command, exec, sizeof(exec) - 1) == 0;

    if (proxy->fault == FAULT_NONE)
        return false;
    return proxy->at == PROXY_AT_EXEC ? is_exec : proxy->seen == proxy->at;
}

/* The bytes of the beginning that belong to commands before the one that the fault is for. Requests
 * are arrays of strings: "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n". */
static inline size_t proxy_count(struct proxy *proxy, const char *bytes, size_t sz, bool *strikes)
{
    *strikes = false;
    for (size_t i = 0; i < sz; i++) {
        if (proxy->skip) {
            proxy->skip--;
            continue;
        }
        if (proxy->values == 0 && proxy->line_sz == 0) {
            fls_assert(bytes[i] == '*');
            proxy->seen++;
            if (proxy_is_the_one(proxy, bytes + i, sz - i)) {
                *strikes = true;
                return i;
            }
        }
        fls_assert(proxy->line_sz < sizeof(proxy->line) - 1);
        proxy->line[proxy->line_sz++] = bytes[i];
        if (bytes[i] != '\n')
            continue;
        proxy->line[proxy->line_sz] = '\0';
        proxy->line_sz = 0;
        if (proxy->line[0] == '*') {
            proxy->values = (uint32_t)atoi(proxy->line + 1);
        } else {
            proxy->skip = strtoull(proxy->line + 1, NULL, 10) + 2;
            proxy->values--;
        }
    }
    return sz;
}

static inline void proxy_write(int to, const char *bytes, size_t sz)
{
    while (sz > 0) {
        ssize_t put = send(to, bytes, sz, MSG_NOSIGNAL);

        if (put <= 0)
            return; /* gone: the next read says so */
        bytes += put;
        sz -= (size_t)put;
    }
}

static inline bool proxy_wait(struct proxy *proxy, int fd)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = proxy->stop_fd, .events = POLLIN}};

    fls_assert(poll(fds, 2, -1) > 0);
    return fds[1].revents == 0;
}

/* Until the client gives up. */
static inline void proxy_hang(struct proxy *proxy, int client)
{
    char bytes[PROXY_BUFFER_SZ];

    while (proxy_wait(proxy, client) && read(client, bytes, sizeof(bytes)) > 0)
        ;
}

static inline void proxy_half_reply(struct proxy *proxy, int client, int server, bool hangs)
{
    char bytes[PROXY_BUFFER_SZ];
    struct pollfd replies = {.fd = server, .events = POLLIN};
    ssize_t sz = 0;

    if (poll(&replies, 1, PROXY_BURST_MAX) > 0)
        sz = read(server, bytes, sizeof(bytes));
    if (sz > 1)
        proxy_write(client, bytes, (size_t)sz / 2);
    if (hangs)
        proxy_hang(proxy, client);
}

static inline void proxy_flush(void)
{
    redisContext *other = redisConnectUnix(redis_address.unix_path);

    freeReplyObject(redisCommand(other, "FLUSHALL"));
    redisFree(other);
}

/* The server that is started here ends with this thread. */
static inline void proxy_kill(void)
{
    char error[256];

    kill(redis_server.pid, SIGKILL);
    waitpid(redis_server.pid, NULL, 0);
    if (fls_private_redis_restart(&redis_server, error, sizeof(error)))
        fls_assert(!"the server starts again");
}

/* True if the connection goes on. `rest` begins with the command. */
static inline bool proxy_strike(struct proxy *proxy, int client, int server, const char *rest,
                                size_t rest_sz)
{
    struct pollfd replies = {.fd = server, .events = POLLIN};
    enum fault fault = proxy->fault;

    proxy->fault = FAULT_NONE;
    proxy->has_struck = true;
    switch (fault) {
    case FAULT_HANG:
        proxy_hang(proxy, client);
        return false;
    case FAULT_LOST_REPLY:
        proxy_write(server, rest, rest_sz);
        poll(&replies, 1, PROXY_BURST_MAX);
        return false;
    case FAULT_HALF_REPLY:
    case FAULT_HALF_HANGS:
        proxy_write(server, rest, rest_sz);
        proxy_half_reply(proxy, client, server, fault == FAULT_HALF_HANGS);
        return false;
    case FAULT_FLUSH:
        proxy_flush();
        proxy_write(server, rest, rest_sz);
        return true;
    case FAULT_KILL:
        proxy_kill();
        return false;
    case FAULT_ANSWER:
        proxy_write(client, proxy->answer, strlen(proxy->answer));
        proxy_hang(proxy, client);
        return false;
    default:
        return false;
    }
}

static inline bool proxy_requests(struct proxy *proxy, int client, int server)
{
    char bytes[PROXY_BUFFER_SZ];
    ssize_t sz = read(client, bytes, sizeof(bytes));
    bool strikes;
    size_t before;

    if (sz <= 0)
        return false;
    before = proxy_count(proxy, bytes, (size_t)sz, &strikes);
    proxy_write(server, bytes, before);
    if (!strikes)
        return true;
    if (!proxy_strike(proxy, client, server, bytes + before, (size_t)sz - before))
        return false;
    /* what was passed on is counted as well: the fault is over */
    return proxy_count(proxy, bytes + before, (size_t)sz - before, &strikes) > 0;
}

static inline bool proxy_replies(int client, int server)
{
    char bytes[PROXY_BUFFER_SZ];
    ssize_t sz = read(server, bytes, sizeof(bytes));

    if (sz > 0)
        proxy_write(client, bytes, (size_t)sz);
    return sz > 0;
}

static inline int proxy_connect(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(address.sun_path, redis_address.unix_path);
    fls_assert(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline void proxy_serve(struct proxy *proxy, int client)
{
    int server = proxy_connect();
    bool is_open = server >= 0;

    proxy->skip = proxy->values = 0;
    proxy->line_sz = 0;
    while (is_open) {
        struct pollfd fds[3] = {{.fd = client, .events = POLLIN},
                                {.fd = server, .events = POLLIN},
                                {.fd = proxy->stop_fd, .events = POLLIN}};

        fls_assert(poll(fds, 3, -1) > 0);
        if (fds[2].revents)
            is_open = false;
        if (is_open && fds[1].revents)
            is_open = proxy_replies(client, server);
        if (is_open && fds[0].revents)
            is_open = proxy_requests(proxy, client, server);
    }
    if (server >= 0)
        close(server);
    close(client);
}

static inline void *proxy_main(void *argument)
{
    struct proxy *proxy = argument;

    while (proxy_wait(proxy, proxy->listener)) {
        int client = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);

        if (client >= 0)
            proxy_serve(proxy, client);
    }
    return NULL;
}

static inline void proxy_start(struct proxy *proxy)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(proxy, 0, sizeof(*proxy));
    snprintf(proxy->socket, sizeof(proxy->socket), "%s-proxy", redis_address.unix_path);
    strcpy(address.sun_path, proxy->socket);
    proxy->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    proxy->stop_fd = eventfd(0, EFD_CLOEXEC);
    fls_assert(bind(proxy->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    fls_assert(listen(proxy->listener, 8) == 0);
    fls_assert(pthread_create(&proxy->thread, NULL, proxy_main, proxy) == 0);
}

static inline void proxy_stop(struct proxy *proxy)
{
    fls_assert(eventfd_write(proxy->stop_fd, 1) == 0);
    pthread_join(proxy->thread, NULL);
    close(proxy->listener);
    close(proxy->stop_fd);
    unlink(proxy->socket);
}

/* The next fault: at command number `at`, counted from now on. */
static inline void proxy_arm(struct proxy *proxy, enum fault fault, uint32_t at)
{
    proxy->fault = FAULT_NONE;
    proxy->has_struck = false;
    proxy->seen = 0;
    proxy->at = at;
    proxy->fault = fault;
}

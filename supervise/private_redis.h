/* A redis-server of the program's own: on a unix socket in the state folder, nothing on the network, no
 * file left but view.rdb, gone when its starter is. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define FLS_PRIVATE_SOCKET "redis.sock" /* in the state folder */
#define FLS_PRIVATE_DUMP "view.rdb"     /* written when it stops, loaded when it starts */

struct fls_private_redis {
    pid_t pid;
    char url[128];    /* unix://... to connect to; short enough for a socket path of 107 bytes, by way of
                         /proc/self/fd/N where the state folder's own path is too long */
    int folder_fd;    /* the state folder */
};

/* Starts redis-server (found in PATH) and waits until it answers and has loaded. It gets its
 * parent's death signal, SIGTERM and SIGINT of the terminal do not reach it. 0, or -errno and a
 * text that says what to do. */
int fls_private_redis_start(struct fls_private_redis *redis, const char *state_folder, char *error,
                            size_t error_max);
/* Saves the view and ends the server; after some seconds by SIGKILL. Removes the socket. */
void fls_private_redis_stop(struct fls_private_redis *redis);

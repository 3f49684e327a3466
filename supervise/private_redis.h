/* A redis-server of the program's own: on a unix socket in the state folder, nothing on the
 * network, no file left but view.rdb, gone when its starter is. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FLS_PRIVATE_SOCKET "redis.sock" /* in the state folder */
#define FLS_PRIVATE_DUMP "view.rdb"     /* written when it stops, loaded when it starts */

#define FLS_PRIVATE_START_S 60 /* for a server to answer: it may have gigabytes to load */
#define FLS_PRIVATE_STOP_S 30  /* for it to save and end, then it is killed */
#define FLS_PRIVATE_WAIT_S 10  /* for the server of a run that was killed to end */

/* Deaths in a row, as it starts or without an epoch published in between, before a run gives up. */
#define FLS_PRIVATE_DEATHS_MAX 5U

struct fls_private_redis {
    pid_t pid;       /* 0: not started by us */
    char url[176];   /* unix://... to connect to; short enough for a socket path of 107 bytes, by
                        way of /proc/self/fd/N where the state folder's own path is too long: good
                        in this process and those it forks after */
    int folder_fd;   /* the state folder; -1 once stopped */
    int pidfd;       /* of the server, or -1 */
    bool saves;      /* view.rdb, when it stops */
    char socket[48]; /* its name in the state folder */
};

/* Starts redis-server (found in PATH) and waits until it answers and has loaded view.rdb, if there
 * is one (one that it cannot load is removed: the view is no truth). It gets its parent's death
 * signal; a terminal's Ctrl-C does not reach it. The caller holds the state folder's lock
 * (state/folder.h) and has one thread. 0, or -errno (-ECHILD: it ended at once) and a text that
 * says what to do. */
int fls_private_redis_start(struct fls_private_redis *redis, const char *state_folder, char *error,
                            size_t error_max);
/* Starts it again after it has ended by itself, which the caller has seen and waited for: under the
 * same URL, with the view.rdb of its last stop in order, if there is one. 0, or -errno and a text.
 */
int fls_private_redis_restart(struct fls_private_redis *redis, char *error, size_t error_max);
/* The same for a command that only reads, beside whatever else uses the state folder, without its
 * lock: with a socket of its own (redis-report-PID.sock), and it writes no file. */
int fls_private_redis_start_aside(struct fls_private_redis *redis, const char *state_folder,
                                  char *error, size_t error_max);
/* The server of a run that is going on: 0, and where it is, if one answers; -ENOENT if none does.
 * It may end at any time. */
int fls_private_redis_find(struct fls_private_redis *redis, const char *state_folder);
/* Ends a server that was started here, after it saved the view (not one aside), and after
 * FLS_PRIVATE_STOP_S by SIGKILL. Removes the socket, closes what the struct holds. Nothing for
 * one that is stopped already, or whose start failed. */
void fls_private_redis_stop(struct fls_private_redis *redis);

/* What the supervisor tells systemd (sd_notify(3)'s protocol: one datagram of NAME=VALUE lines to
 * the socket in $NOTIFY_SOCKET): that it is ready, that it stops, and, if the unit has a watchdog,
 * that all is well, only while every process makes progress. Does nothing where no systemd asks for
 * it. */
#pragma once

#include "supervise/watch.h"

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct fls_notify {
    int fd; /* -1: nobody listens */
    struct sockaddr_un address;
    socklen_t address_sz;
    uint64_t period_ns;          /* between two looks; 0: no watchdog */
    uint64_t next_ns;            /* of the next look */
    bool is_ready;               /* it was said */
    const struct fls_crew *crew; /* whose turns were seen last */
    uint64_t turns[FLS_PROCESSES_MAX];
};

/* Takes $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID out of the environment. */
void fls_notify_init(struct fls_notify *notify);
void fls_notify_fini(struct fls_notify *notify);
/* The first generation is at work. Later calls say nothing. */
void fls_notify_ready(struct fls_notify *notify);
void fls_notify_stopping(struct fls_notify *notify);
/* To be called often: feeds the watchdog when it is time to, and if all have made a turn since. */
void fls_notify_tick(struct fls_notify *notify, const struct fls_watch *watch);

#include "supervise/notify.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LOOKS_PER_PATIENCE 2U /* systemd advises to feed at half the time */

/* A path, or a name in the abstract namespace, which begins with '@'. */
static bool set_address(struct fls_notify *notify, const char *path)
{
    size_t sz = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || sz >= sizeof(notify->address.sun_path))
        return false;
    notify->address.sun_family = AF_UNIX;
    memcpy(notify->address.sun_path, path, sz + 1);
    if (path[0] == '@')
        notify->address.sun_path[0] = '\0';
    notify->address_sz = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sz);
    return true;
}

/* The watchdog may be meant for another process: then its pid is given. */
static uint64_t watchdog_ns(void)
{
    const char *patience = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

    if (!patience || (pid && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    return strtoull(patience, NULL, 10) * 1000;
}

void fls_notify_init(struct fls_notify *notify)
{
    const char *path = getenv("NOTIFY_SOCKET");

    *notify = (struct fls_notify){.fd = -1};
    if (path && set_address(notify, path))
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (path && notify->fd < 0)
        fls_log_warn("cannot tell the service manager how it is: $NOTIFY_SOCKET is no socket");
    if (notify->fd >= 0)
        notify->period_ns = watchdog_ns() / LOOKS_PER_PATIENCE;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void fls_notify_fini(struct fls_notify *notify)
{
    if (notify->fd >= 0)
        close(notify->fd);
    notify->fd = -1;
}

/* What cannot be sent is not sent again: the next one says more. */
static void tell(struct fls_notify *notify, const char *text)
{
    if (notify->fd >= 0)
        sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
               (const struct sockaddr *)&notify->address, notify->address_sz);
}

void fls_notify_ready(struct fls_notify *notify)
{
    if (!notify->is_ready)
        tell(notify, "READY=1");
    notify->is_ready = true;
}

void fls_notify_stopping(struct fls_notify *notify)
{
    tell(notify, "STOPPING=1");
}

/* Notes the turns of all processes; true if each has made one since the last time. */
static bool all_move(struct fls_notify *notify, const struct fls_watch *watch)
{
    bool is_same_crew = notify->crew == watch->crew, move = true;

    notify->crew = watch->crew;
    for (uint32_t i = 0; i < watch->crew->topology.process_cnt; i++) {
        uint64_t turns = fls_metric_get(&watch->metrics[i]->turns);

        move &= !is_same_crew || turns != notify->turns[i];
        notify->turns[i] = turns;
    }
    return move;
}

void fls_notify_tick(struct fls_notify *notify, const struct fls_watch *watch)
{
    uint64_t now_ns = fls_clock_ns();
    char text[160];

    if (notify->fd < 0 || notify->period_ns == 0 || now_ns < notify->next_ns)
        return;
    notify->next_ns = now_ns + notify->period_ns;
    if (!all_move(notify, watch))
        return; /* systemd ends the service when this lasts */
    snprintf(text, sizeof(text),
             "WATCHDOG=1\nSTATUS=epoch %" PRIu64 " is published; %" PRIu64 " objects done, %" PRIu64
             " failed",
             watch->totals.epoch_published, watch->dispatch->done_objects, watch->summary.failed);
    tell(notify, text);
}

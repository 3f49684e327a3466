#include "shm/bell.h"

#include "base/assert.h"
#include "shm/metrics.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

int fls_bell_create(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return fd < 0 ? -errno : fd;
}

void fls_bell_ring(int bell)
{
    uint64_t one = 1;
    ssize_t sz = write(bell, &one, sizeof(one));

    fls_assert(sz == sizeof(one) || errno == EAGAIN); /* EAGAIN: rung 2^64-2 times already */
}

void fls_bell_wait(int bell, int other_fd, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = bell, .events = POLLIN}, {.fd = other_fd, .events = POLLIN}};
    uint64_t rings;

    fls_metrics_turn();
    if (poll(fds, 2, timeout_ms) > 0 && (fds[0].revents & POLLIN)) {
        ssize_t sz = read(bell, &rings, sizeof(rings));

        fls_assert(sz == sizeof(rings) || errno == EAGAIN || errno == EINTR);
    }
}

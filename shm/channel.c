#include "shm/channel.h"

#include "base/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

int fls_channel_create(int ends[static 2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}

static int transmit(int end, const void *message, size_t sz, int fd, int flags)
{
    struct iovec part = {.iov_base = (void *)message, .iov_len = sz};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    fls_assert(sz > 0 && sz <= FLS_CHANNEL_MESSAGE_MAX);
    if (fd >= 0) {
        struct cmsghdr *rights = (struct cmsghdr *)control;

        header.msg_control = control;
        header.msg_controllen = sizeof(control);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(rights), &fd, sizeof(fd));
    }
    do
        sent = sendmsg(end, &header, MSG_NOSIGNAL | flags);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) /* a peer that went with messages of this end unread resets it, once */
        return errno == ECONNRESET ? -EPIPE : -errno;
    return 0;
}

int fls_channel_send(int end, const void *message, size_t sz, int fd)
{
    return transmit(end, message, sz, fd, 0);
}

int fls_channel_try(int end, const void *message, size_t sz, int fd)
{
    return transmit(end, message, sz, fd, MSG_DONTWAIT);
}

ssize_t fls_channel_receive(int end, void *message, size_t max, int *fd, int wait)
{
    struct iovec part = {.iov_base = message, .iov_len = max};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control)};
    ssize_t received;

    *fd = -1;
    do
        received = recvmsg(end, &header, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return errno == ECONNRESET ? 0 : -errno;
    fls_assert((header.msg_flags & MSG_TRUNC) == 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fd, CMSG_DATA(c), sizeof(*fd));
    if (header.msg_flags & MSG_CTRUNC) /* the kernel had no number for the descriptor */
        return -EMFILE;
    return received;
}

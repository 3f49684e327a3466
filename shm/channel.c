#include "shm/channel.h"

#include "base/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

int fls_channel_create(int ends[static 2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno;
}

static int transmit(int end, const void *message, size_t sz, const int *fds, uint32_t fd_cnt,
                    int flags)
{
    struct iovec part = {.iov_base = (void *)message, .iov_len = sz};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FLS_CHANNEL_FDS_MAX * sizeof(int))];
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    size_t fds_sz = fd_cnt * sizeof(*fds);
    ssize_t sent;

    fls_assert(sz > 0 && sz <= FLS_CHANNEL_MESSAGE_MAX && fd_cnt <= FLS_CHANNEL_FDS_MAX);
    if (fd_cnt > 0) {
        struct cmsghdr *rights = (struct cmsghdr *)control;

        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(fds_sz);
        memset(control, 0, header.msg_controllen);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(fds_sz);
        memcpy(CMSG_DATA(rights), fds, fds_sz);
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
    return transmit(end, message, sz, &fd, fd >= 0, 0);
}

int fls_channel_try(int end, const void *message, size_t sz, const int *fds, uint32_t fd_cnt)
{
    return transmit(end, message, sz, fds, fd_cnt, MSG_DONTWAIT);
}

static ssize_t receive(int end, void *message, size_t max, int *fds, uint32_t fd_max,
                       uint32_t *fd_cnt, int flags)
{
    struct iovec part = {.iov_base = message, .iov_len = max};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(FLS_CHANNEL_FDS_MAX * sizeof(int))];
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = CMSG_SPACE(fd_max * sizeof(*fds))};
    ssize_t received;

    *fd_cnt = 0;
    do
        received = recvmsg(end, &header, MSG_CMSG_CLOEXEC | flags);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return errno == ECONNRESET ? 0 : -errno;
    fls_assert((header.msg_flags & MSG_TRUNC) == 0);
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        *fd_cnt = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof(*fds));
        fls_assert(*fd_cnt <= fd_max);
        memcpy(fds, CMSG_DATA(c), *fd_cnt * sizeof(*fds));
    }
    if (header.msg_flags & MSG_CTRUNC) { /* the kernel had no number for a descriptor */
        while (*fd_cnt > 0)
            close(fds[--*fd_cnt]);
        return -EMFILE;
    }
    return received;
}

ssize_t fls_channel_receive(int end, void *message, size_t max, int *fd, int wait)
{
    uint32_t cnt;
    ssize_t sz = receive(end, message, max, fd, 1, &cnt, wait ? 0 : MSG_DONTWAIT);

    if (cnt == 0)
        *fd = -1;
    return sz;
}

ssize_t fls_channel_receive_all(int end, void *message, size_t max,
                                int fds[static FLS_CHANNEL_FDS_MAX], uint32_t *fd_cnt)
{
    return receive(end, message, max, fds, FLS_CHANNEL_FDS_MAX, fd_cnt, MSG_DONTWAIT);
}

#include "supervise/status_link.h"

#include "base/assert.h"
#include "shm/metrics.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static void __attribute__((format(printf, 3, 4)))
say(char *error, size_t error_max, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, error_max, format, arguments);
    va_end(arguments);
}

char fls_status_process_state(pid_t pid, uint64_t *memory_bytes)
{
    char path[40], text[1024], *at, state = 0;
    long long resident = 0;
    size_t sz;
    FILE *file;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = pid > 0 ? fopen(path, "re") : NULL;
    if (!file)
        return 0;
    sz = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[sz] = '\0';
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at)
        sscanf(at + 1,
               " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %*u "
               "%*u %lld",
               &state, &resident);
    if (memory_bytes)
        *memory_bytes = resident > 0 ? (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
    return state;
}

/* ---- connecting ---- */

static int no_run(int error, const char *state_folder, char *text, size_t text_max)
{
    if (error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR)
        say(text, text_max,
            "no run is alive on %s; `flowlog-stats run --state %s PATH...` starts one",
            state_folder, state_folder);
    else
        say(text, text_max, "%s/%s: %s", state_folder, FLS_STATUS_SOCKET, strerror(-error));
    return error;
}

/* A supervisor that is stopped, or busy for long, must not keep the command waiting. */
static int set_patience(int fd)
{
    struct timeval patience = {.tv_sec = FLS_STATUS_PATIENCE_S};

    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) != 0)
        return -errno;
    return 0;
}

static int connect_run(const char *state_folder, char *text, size_t text_max)
{
    struct sockaddr_un address;
    int folder = fls_status_address(state_folder, &address);
    int fd, error;

    if (folder < 0)
        return no_run(folder, state_folder, text, text_max);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    error = fd < 0 ? -errno : set_patience(fd);
    if (error == 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0)
        error = -errno;
    close(folder);
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return no_run(error, state_folder, text, text_max);
}

/* ---- receiving ---- */

/* Receives a message of exactly sz bytes and the descriptors that came along: their number, or
 * -errno. */
static int receive(int fd, void *message, size_t sz, int fds[static FLS_STATUS_PART_MAX])
{
    struct iovec part = {.iov_base = message, .iov_len = sz};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FLS_STATUS_PART_MAX)];
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control)};
    int fd_cnt = 0;
    ssize_t received;

    do
        received = recvmsg(fd, &header, MSG_CMSG_CLOEXEC);
    while (received < 0 && errno == EINTR);
    if (received < 0)
        return -errno;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        fd_cnt = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), (size_t)fd_cnt * sizeof(int));
    }
    if (header.msg_flags & MSG_CTRUNC || received != (ssize_t)sz || header.msg_flags & MSG_TRUNC) {
        for (int i = 0; i < fd_cnt; i++)
            close(fds[i]);
        if (header.msg_flags & MSG_CTRUNC)
            return -EMFILE;
        return received == 0 ? -ECONNRESET : -EPROTO;
    }
    return fd_cnt;
}

static int receive_hello(struct fls_status_link *link, int fd)
{
    int none[FLS_STATUS_PART_MAX];
    struct fls_status_hello *hello = &link->hello;
    int received = receive(fd, hello, sizeof(*hello), none);

    if (received != 0)
        return received < 0 ? received : -EPROTO;
    if (hello->magic != FLS_STATUS_MAGIC || hello->metrics_sz != sizeof(struct fls_metrics) ||
        hello->ingest_cnt < 1 || hello->ingest_cnt > FLS_INGEST_MAX || hello->aggregate_cnt < 1 ||
        hello->aggregate_cnt > FLS_AGGREGATE_MAX)
        return -EPROTO;
    link->process_cnt = hello->ingest_cnt + hello->aggregate_cnt + 1;
    link->ring_cnt = hello->ingest_cnt * hello->aggregate_cnt + hello->ingest_cnt;
    return 0;
}

/* A big pipeline has more rings than most shells let a program have descriptors. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* if not: too few descriptors are told when it comes to it */
}

static int receive_parts(struct fls_status_link *link, int fd)
{
    uint32_t all = link->process_cnt + 2 * link->ring_cnt;

    link->fds = calloc(all, sizeof(*link->fds));
    fls_assert(link->fds);
    raise_descriptor_limit();
    while (link->fd_cnt < all) {
        struct fls_status_part part;
        int fds[FLS_STATUS_PART_MAX];
        int cnt = receive(fd, &part, sizeof(part), fds);

        if (cnt < 0)
            return cnt;
        for (int i = 0; i < cnt; i++) {
            if (link->fd_cnt < all)
                link->fds[link->fd_cnt++] = fds[i];
            else
                close(fds[i]);
        }
        if (cnt == 0 || part.cnt != (uint32_t)cnt || part.first + part.cnt != link->fd_cnt)
            return -EPROTO;
    }
    return 0;
}

/* Gives the descriptors, which came in the topology's order, their places. */
static void wire(struct fls_status_link *link)
{
    uint32_t record_cnt = link->hello.ingest_cnt * link->hello.aggregate_cnt;

    link->metrics_fds = link->fds;
    link->rings = calloc(link->ring_cnt, sizeof(*link->rings));
    fls_assert(link->rings);
    for (uint32_t i = 0; i < link->ring_cnt; i++) {
        const int *fds = &link->fds[link->process_cnt + 2 * i];

        link->rings[i] = (struct fls_ring){.slot_cnt = i < record_cnt ? link->hello.record_slots
                                                                      : link->hello.result_slots,
                                           .head_fd = -1,
                                           .head_read_fd = fds[0],
                                           .tail_fd = -1,
                                           .tail_read_fd = fds[1]};
    }
}

static void say_failure(int error, int fd, const char *state_folder, char *text, size_t text_max)
{
    struct ucred peer = {0};
    socklen_t sz = sizeof(peer);
    char state;

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &sz);
    state = fls_status_process_state(peer.pid, NULL);
    if (error == -EAGAIN && (state == 'T' || state == 't'))
        say(text, text_max, "the run on %s is stopped; `kill -CONT %d` lets it go on", state_folder,
            (int)peer.pid);
    else if (error == -EAGAIN)
        say(text, text_max, "the run on %s (process %d) does not answer; try again", state_folder,
            (int)peer.pid);
    else if (error == -EMFILE)
        say(text, text_max, "too few descriptors for all rings of the run; raise `ulimit -n`");
    else if (error == -EPROTO)
        say(text, text_max, "the run on %s is of another version of this program", state_folder);
    else if (error == -ECONNRESET)
        say(text, text_max, "the run on %s has just ended", state_folder);
    else
        say(text, text_max, "%s/%s: %s", state_folder, FLS_STATUS_SOCKET, strerror(-error));
}

int fls_status_link_open(struct fls_status_link *link, const char *state_folder, char *error_text,
                         size_t error_max)
{
    int fd = connect_run(state_folder, error_text, error_max), error;

    *link = (struct fls_status_link){0};
    if (fd < 0)
        return fd;
    error = receive_hello(link, fd);
    if (error == 0)
        error = receive_parts(link, fd);
    if (error) {
        say_failure(error, fd, state_folder, error_text, error_max);
        fls_status_link_close(link);
    } else {
        wire(link);
    }
    close(fd);
    return error;
}

void fls_status_link_close(struct fls_status_link *link)
{
    for (uint32_t i = 0; i < link->fd_cnt; i++)
        close(link->fds[i]);
    free(link->fds);
    free(link->rings);
    *link = (struct fls_status_link){0};
}

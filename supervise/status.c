#include "supervise/status.h"

#include "base/log.h"
#include "shm/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define BACKLOG 8

int fls_status_address(const char *state_folder, struct sockaddr_un *address)
{
    int folder = open(state_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (folder < 0)
        return -errno;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof(address->sun_path), "/proc/self/fd/%d/%s", folder,
             FLS_STATUS_SOCKET);
    return folder;
}

static int bind_and_listen(int fd, int folder, const struct sockaddr_un *address)
{
    if (unlinkat(folder, FLS_STATUS_SOCKET, 0) != 0 && errno != ENOENT)
        return -errno;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0)
        return -errno;
    /* The folder is the user's alone; so is the socket, should somebody open the folder later. */
    if (fchmodat(folder, FLS_STATUS_SOCKET, S_IRUSR | S_IWUSR, 0) != 0)
        return -errno;
    return listen(fd, BACKLOG) == 0 ? 0 : -errno;
}

int fls_status_listen(const char *state_folder, char *error_text, size_t error_max)
{
    struct sockaddr_un address;
    int folder = fls_status_address(state_folder, &address);
    int fd = -1, error = folder < 0 ? folder : 0;

    if (error == 0) {
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        error = fd < 0 ? -errno : bind_and_listen(fd, folder, &address);
        close(folder);
    }
    if (error == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    snprintf(error_text, error_max, "%s/%s: %s", state_folder, FLS_STATUS_SOCKET, strerror(-error));
    return error;
}

void fls_status_unlisten(int listen_fd, const char *state_folder)
{
    int folder;

    if (listen_fd < 0)
        return;
    close(listen_fd);
    folder = open(state_folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    if (unlinkat(folder, FLS_STATUS_SOCKET, 0) != 0 && errno != ENOENT)
        fls_log_warn("%s/%s: cannot remove it: %s", state_folder, FLS_STATUS_SOCKET,
                     strerror(errno));
    close(folder);
}

/* ---- answering ---- */

/* What is on its way to one client. */
struct answer {
    int client;
    struct fls_status_part part;
    int fds[FLS_STATUS_PART_MAX];
    bool is_dropped; /* the client does not take it */
};

static void send_message(struct answer *answer, void *message, size_t sz, const int *fds,
                         uint32_t fd_cnt)
{
    struct iovec part = {.iov_base = message, .iov_len = sz};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FLS_STATUS_PART_MAX)] = {0};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (fd_cnt > 0) {
        struct cmsghdr *rights = (struct cmsghdr *)control;

        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_cnt);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof(int) * fd_cnt);
        memcpy(CMSG_DATA(rights), fds, sizeof(int) * fd_cnt);
    }
    do
        sent = sendmsg(answer->client, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    answer->is_dropped |= sent < 0;
}

static void flush_part(struct answer *answer)
{
    if (answer->part.cnt > 0 && !answer->is_dropped)
        send_message(answer, &answer->part, sizeof(answer->part), answer->fds, answer->part.cnt);
    answer->part.first += answer->part.cnt;
    answer->part.cnt = 0;
}

static void send_fd(struct answer *answer, int fd)
{
    answer->fds[answer->part.cnt++] = fd;
    if (answer->part.cnt == FLS_STATUS_PART_MAX)
        flush_part(answer);
}

static void send_ring(struct answer *answer, const struct fls_ring *ring)
{
    send_fd(answer, ring->head_read_fd);
    send_fd(answer, ring->tail_read_fd);
}

static void answer_client(int client, const struct fls_topology *topology,
                          const struct fls_status_totals *totals)
{
    struct answer answer = {.client = client};
    struct fls_status_hello hello = {.magic = FLS_STATUS_MAGIC,
                                     .ingest_cnt = topology->ingest_cnt,
                                     .aggregate_cnt = topology->aggregate_cnt,
                                     .record_slots = topology->record_rings[0].slot_cnt,
                                     .result_slots = topology->result_rings[0].slot_cnt,
                                     .metrics_sz = sizeof(struct fls_metrics),
                                     .supervisor_pid = getpid(),
                                     .totals = *totals};

    send_message(&answer, &hello, sizeof(hello), NULL, 0);
    for (uint32_t i = 0; i < topology->process_cnt; i++)
        send_fd(&answer, topology->metrics_read_fds[i]);
    for (uint32_t i = 0; i < topology->ingest_cnt * topology->aggregate_cnt; i++)
        send_ring(&answer, &topology->record_rings[i]);
    for (uint32_t i = 0; i < topology->ingest_cnt; i++)
        send_ring(&answer, &topology->result_rings[i]);
    flush_part(&answer);
}

void fls_status_answer(int listen_fd, const struct fls_topology *topology,
                       const struct fls_status_totals *totals)
{
    for (uint32_t i = 0; i < FLS_STATUS_CLIENTS_MAX; i++) {
        int client = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (client < 0)
            return; /* nobody there, or a descriptor short: the client comes again */
        answer_client(client, topology, totals);
        close(client); /* what was sent stays there for the client to read */
    }
}

/* The status command's end of the socket. */
#pragma once

#include "supervise/status.h"

/* What the supervisor handed out; all descriptors are read-only. */
struct fls_status_link {
    struct fls_status_hello hello;
    uint32_t process_cnt, ring_cnt, fd_cnt;
    int *fds;               /* as they came, fd_cnt of them */
    int *metrics_fds;       /* part of fds, by process */
    struct fls_ring *rings; /* record rings, then result rings; only the read descriptors are set */
};

/* 0, or -errno and a text that says what to do. */
int fls_status_link_open(struct fls_status_link *link, const char *state_folder, char *error,
                         size_t error_max);
void fls_status_link_close(struct fls_status_link *link);
/* The letter of /proc/PID/stat: what the process does; 0 if there is none. *memory_bytes: what is
 * resident; may be NULL. */
char fls_status_process_state(pid_t pid, uint64_t *memory_bytes);

/* A channel for what is not data of records: work handed out, objects done, segments, epochs
 * committed. A pair of SOCK_SEQPACKET sockets; each message is whole and may carry
 * descriptors, one as a rule. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FLS_CHANNEL_MESSAGE_MAX 16384U
#define FLS_CHANNEL_FDS_MAX 32U

/* Two connected ends (close-on-exec). 0 or -errno. */
int fls_channel_create(int ends[static 2]);
/* Sends a message and a copy of descriptor `fd` (-1: none). 0 or -errno (-EPIPE: the other end is
 * gone). Where there is no room, it waits. */
int fls_channel_send(int end, const void *message, size_t sz, int fd);
/* The same with any number of descriptors; where there is no room it answers -EAGAIN: two processes
 * that send to each other must not both wait. */
int fls_channel_try(int end, const void *message, size_t sz, const int *fds, uint32_t fd_cnt);
/* Receives a message of at most max bytes: its size (more than 0), 0 if the other end is gone,
 * -EAGAIN if there is none now and wait is 0, or -errno (-EMFILE: this process has too many files
 * open for the descriptor that came along; the message is lost). *fd is the descriptor that came
 * along (close-on-exec, the caller's) or -1. */
ssize_t fls_channel_receive(int end, void *message, size_t max, int *fd, int wait);
/* The same of a message with any number of descriptors, and does not wait. */
ssize_t fls_channel_receive_all(int end, void *message, size_t max,
                                int fds[static FLS_CHANNEL_FDS_MAX], uint32_t *fd_cnt);

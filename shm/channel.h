/* A channel for what is not data of records: work handed out, objects done, segments, epochs
 * committed. A pair of SOCK_SEQPACKET sockets; each message is whole and may carry one
 * descriptor. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define FLS_CHANNEL_MESSAGE_MAX 16384U

/* Two connected ends (close-on-exec). 0 or -errno. */
int fls_channel_create(int ends[static 2]);
/* Sends a message and a copy of descriptor `fd` (-1: none). 0 or -errno (-EPIPE: the other end is
 * gone). Where there is no room, send waits, and try answers -EAGAIN: two processes that send to
 * each other must not both wait. */
int fls_channel_send(int end, const void *message, size_t sz, int fd);
int fls_channel_try(int end, const void *message, size_t sz, int fd);
/* Receives a message of at most max bytes: its size (more than 0), 0 if the other end is gone,
 * -EAGAIN if there is none now and wait is 0, or -errno (-EMFILE: this process has too many files
 * open for the descriptor that came along; the message is lost). *fd is the descriptor that came
 * along (close-on-exec, the caller's) or -1. */
ssize_t fls_channel_receive(int end, void *message, size_t max, int *fd, int wait);

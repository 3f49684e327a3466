/* How an idle process is woken: an eventfd of its own that others ring. Ringing twice before it
 * wakes is one ring. A sleep has a limit, so a ring that is lost costs time, never the truth. */
#pragma once

#include <stdint.h>

#define FLS_SLEEP_MAX_MS 100

/* A descriptor (close-on-exec, non-blocking), or -errno. */
int fls_bell_create(void);
void fls_bell_ring(int bell);
/* Sleeps until somebody rings, other_fd (unless -1) can be read, or timeout_ms has passed. */
void fls_bell_wait(int bell, int other_fd, int timeout_ms);

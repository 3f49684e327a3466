/* Reading all of something from a file. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Reads `sz` bytes from `offset` on, also where a signal comes between. 0, -errno, or -EUCLEAN if
 * the file ends before. Safe in several threads with one descriptor. */
int fls_read_at(int fd, void *to, size_t sz, uint64_t offset);

/* Shared memory without a name: a memfd of fixed size, all of it allocated, size sealed. It lives
 * as long as somebody holds a descriptor or a map of it; a kill leaves nothing behind. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A new region of sz bytes (0 < sz), zeroed: its descriptor (close-on-exec), or -errno. `name`
 * shows up in /proc only. */
int fls_region_create(const char *name, size_t sz);
/* A second descriptor of the region that can only be read and mapped so, or -errno. */
int fls_region_reopen(int fd);
/* Maps the region; never NULL: who cannot map what it was handed ends by an assert. */
void *fls_region_map(int fd, size_t sz, bool writable);
void fls_region_unmap(const void *region, size_t sz);

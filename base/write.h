/* Writing all of something to a file. */
#pragma once

#include "base/span.h"

/* Writes on until all is written, also where a signal comes between. 0 or -errno. */
int fls_write(int fd, struct fls_span bytes);

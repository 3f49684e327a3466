#include "base/write.h"

#include <errno.h>
#include <unistd.h>

int fls_write(int fd, struct fls_span bytes)
{
    while (bytes.sz > 0) {
        ssize_t sz = write(fd, bytes.at, bytes.sz);

        if (sz < 0 && errno == EINTR)
            continue;
        if (sz < 0)
            return -errno;
        bytes.at += sz;
        bytes.sz -= (size_t)sz;
    }
    return 0;
}

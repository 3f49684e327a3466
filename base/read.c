#include "base/read.h"

#include <errno.h>
#include <sys/types.h>
#include <unistd.h>

int fls_read_at(int fd, void *to, size_t sz, uint64_t offset)
{
    for (uint8_t *at = to; sz > 0;) {
        ssize_t got = pread(fd, at, sz, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EUCLEAN;
        at += got;
        offset += (uint64_t)got;
        sz -= (size_t)got;
    }
    return 0;
}

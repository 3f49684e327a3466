#include "shm/region.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int fls_region_create(const char *name, size_t sz)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int error;

    if (fd < 0)
        return -errno;
    error = posix_fallocate(fd, 0, (off_t)sz);
    if (error == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        error = errno;
    if (error) {
        close(fd);
        return -error;
    }
    return fd;
}

int fls_region_reopen(int fd)
{
    char path[32];
    int reopened;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    reopened = open(path, O_RDONLY | O_CLOEXEC);
    return reopened < 0 ? -errno : reopened;
}

void *fls_region_map(int fd, size_t sz, bool writable)
{
    void *region = mmap(NULL, sz, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);

    fls_assert(region != MAP_FAILED);
    return region;
}

void fls_region_unmap(const void *region, size_t sz)
{
    fls_assert(munmap((void *)region, sz) == 0);
}

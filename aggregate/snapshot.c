#include "aggregate/snapshot.h"

#include "base/assert.h"
#include "base/log.h"
#include "shm/segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Noreturn void die(const char *what)
{
    fls_log_error("no memory for a snapshot: %s: %s", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static uint64_t encode_days(const struct fls_shard *shard, uint8_t *out)
{
    uint64_t size = 0;

    for (uint32_t i = 0; i < shard->day_cnt; i++)
        size += fls_segment_encode(&shard->days[i]->figures, &shard->names, out + size);
    return size;
}

int fls_snapshot_take(const struct fls_shard *shard, uint64_t *size)
{
    uint64_t bound = 0;
    uint8_t *out;
    int fd;

    *size = 0;
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        bound += fls_segment_bound(&shard->days[i]->figures, &shard->names);
    if (bound == 0)
        return -1;
    fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, (off_t)bound) != 0) /* sparse: only what is written is memory */
        die("memfd");
    out = mmap(NULL, bound, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (out == MAP_FAILED)
        die("mmap");
    *size = encode_days(shard, out);
    fls_assert(*size <= bound);
    munmap(out, bound);
    if (ftruncate(fd, (off_t)*size) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        die("seal");
    return fd;
}

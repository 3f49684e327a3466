#include "supervise/parcel.h"

#include "base/assert.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(sizeof(struct fls_work) + 2 * FLS_PATH_MAX + 8 <= FLS_CHANNEL_MESSAGE_MAX &&
                  FLS_WORKS_MAX <= FLS_CHANNEL_FDS_MAX,
              "there is room for one object of the longest texts, and for all descriptors");

void fls_parcel_begin(struct fls_parcel *parcel)
{
    parcel->sz = 0;
    parcel->cnt = parcel->fd_cnt = 0;
}

static uint32_t text_sz(const char *text)
{
    size_t sz = strlen(text) + 1;

    fls_assert(sz <= FLS_PATH_MAX);
    return (uint32_t)sz;
}

bool fls_parcel_has_room(const struct fls_parcel *parcel, const struct fls_input *input)
{
    return parcel->cnt < FLS_WORKS_MAX &&
           parcel->sz + fls_work_sz(text_sz(input->name), text_sz(input->path)) <=
               sizeof(parcel->message);
}

/* Opens the object and says what edition of it that is: it may have changed since it was found. */
static int open_object(const struct fls_input *input, struct fls_work *work)
{
    int fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat status;

    work->size = input->size;
    work->mtime_ns = input->mtime_ns;
    work->open_error = 0;
    if (fd < 0 || fstat(fd, &status) != 0) {
        work->open_error = errno;
    } else if (!S_ISREG(status.st_mode)) {
        work->open_error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
    } else {
        work->size = (uint64_t)status.st_size;
        work->mtime_ns = fls_timespec_ns(status.st_mtim);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

void fls_parcel_add(struct fls_parcel *parcel, const struct fls_input *input, uint32_t number)
{
    struct fls_work *work = (struct fls_work *)(void *)(parcel->message + parcel->sz);
    uint32_t name_sz = text_sz(input->name), path_sz = text_sz(input->path);
    int fd;

    fls_assert(fls_parcel_has_room(parcel, input));
    work->id = number;
    work->name_sz = name_sz;
    work->path_sz = path_sz;
    memcpy(work->texts, input->name, name_sz);
    memcpy(work->texts + name_sz, input->path, path_sz);
    fd = open_object(input, work);
    if (fd >= 0)
        parcel->fds[parcel->fd_cnt++] = fd;
    parcel->sz += fls_work_sz(name_sz, path_sz);
    parcel->cnt++;
}

int fls_parcel_send(struct fls_parcel *parcel, int channel)
{
    int error = fls_channel_try(channel, parcel->message, parcel->sz, parcel->fds, parcel->fd_cnt);

    for (uint32_t i = 0; i < parcel->fd_cnt; i++)
        close(parcel->fds[i]);
    return error;
}

#include "supervise/dispatch.h"

#include "base/array.h"
#include "base/assert.h"
#include "shm/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void fls_dispatch_init(struct fls_dispatch *dispatch, const struct fls_inputs *inputs)
{
    *dispatch = (struct fls_dispatch){.inputs = inputs};
}

void fls_dispatch_fini(struct fls_dispatch *dispatch)
{
    free(dispatch->redo);
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
        work->mtime_ns = status.st_mtim.tv_sec * INT64_C(1000000000) + status.st_mtim.tv_nsec;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* 0, -EAGAIN if the ingest's channel is full now, or another -errno: the ingest is gone. */
static int hand_out(struct fls_dispatch *dispatch, const struct fls_topology *topology,
                    uint32_t ingest, uint64_t item)
{
    static struct fls_work work; /* some kilobytes; this process has one thread */
    const struct fls_input *input = &dispatch->inputs->items[item];
    int fd, error;

    work.id = item;
    work.name_sz = (uint32_t)strlen(input->name) + 1;
    work.path_sz = (uint32_t)strlen(input->path) + 1;
    fls_assert(work.name_sz <= FLS_PATH_MAX && work.path_sz <= FLS_PATH_MAX);
    memcpy(work.texts, input->name, work.name_sz);
    memcpy(work.texts + work.name_sz, input->path, work.path_sz);
    fd = open_object(input, &work);
    error = fls_channel_try(topology->work_channels[ingest][0], &work, fls_work_sz(&work), fd);
    if (fd >= 0)
        close(fd);
    if (error)
        return error;
    dispatch->ahead_objects[ingest]++;
    dispatch->ahead_bytes[ingest] += input->size;
    return 0;
}

static bool has_room(const struct fls_dispatch *dispatch, uint32_t ingest)
{
    return dispatch->ahead_objects[ingest] < FLS_AHEAD_OBJECTS_MIN ||
           (dispatch->ahead_objects[ingest] < FLS_AHEAD_OBJECTS_MAX &&
            dispatch->ahead_bytes[ingest] < FLS_AHEAD_BYTES_MAX);
}

static bool has_more(const struct fls_dispatch *dispatch)
{
    return !dispatch->has_stopped &&
           (dispatch->redo_cnt > 0 || dispatch->next < dispatch->inputs->cnt);
}

/* The ingest with the least work ahead that has room, -1 if none has. */
static int choose_ingest(const struct fls_dispatch *dispatch, uint32_t ingest_cnt)
{
    int chosen = -1;

    for (uint32_t i = 0; i < ingest_cnt; i++)
        if (has_room(dispatch, i) &&
            (chosen < 0 || dispatch->ahead_objects[i] < dispatch->ahead_objects[chosen]))
            chosen = (int)i;
    return chosen;
}

bool fls_dispatch_hand_out(struct fls_dispatch *dispatch, const struct fls_topology *topology)
{
    int ingest;

    while (has_more(dispatch) && (ingest = choose_ingest(dispatch, topology->ingest_cnt)) >= 0) {
        bool is_redo = dispatch->redo_cnt > 0;
        uint64_t item = is_redo ? dispatch->redo[dispatch->redo_cnt - 1] : dispatch->next;
        int error = hand_out(dispatch, topology, (uint32_t)ingest, item);

        if (error)
            return error == -EAGAIN; /* what the ingest takes now makes room */
        if (is_redo)
            dispatch->redo_cnt--;
        else
            dispatch->next++;
    }
    return true;
}

void fls_dispatch_take_done(struct fls_dispatch *dispatch, const struct fls_topology *topology,
                            uint32_t number, uint64_t asked_epoch)
{
    struct fls_done done;
    int fd;

    while (fls_channel_receive(topology->work_channels[number][0], &done, sizeof(done), &fd, 0) ==
           sizeof(done)) {
        fls_assert(done.object_id < dispatch->inputs->cnt && dispatch->ahead_objects[number] > 0);
        dispatch->ahead_objects[number]--;
        dispatch->ahead_bytes[number] -= dispatch->inputs->items[done.object_id].size;
        dispatch->done_objects++;
        dispatch->done_bytes += dispatch->inputs->items[done.object_id].size;
        if (done.epoch > asked_epoch)
            dispatch->open_epoch_objects++;
    }
}

void fls_dispatch_redo(struct fls_dispatch *dispatch, uint64_t object_id)
{
    fls_assert(object_id < dispatch->inputs->cnt);
    fls_array_reserve(dispatch->redo, dispatch->redo_max, dispatch->redo_cnt + 1);
    dispatch->redo[dispatch->redo_cnt++] = object_id;
    dispatch->done_objects--;
    dispatch->done_bytes -= dispatch->inputs->items[object_id].size;
}

bool fls_dispatch_is_idle(const struct fls_dispatch *dispatch)
{
    if (has_more(dispatch))
        return false;
    for (uint32_t i = 0; i < FLS_INGEST_MAX; i++)
        if (dispatch->ahead_objects[i] > 0)
            return false;
    return true;
}

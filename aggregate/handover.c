#include "aggregate/handover.h"

#include "aggregate/snapshot.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "shm/bell.h"
#include "shm/channel.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool tell_gone(int error)
{
    fls_log_error("publish is gone: %s", strerror(-error));
    return false;
}

static void take_answer(struct fls_handover *handover, const struct fls_segment_taken *taken)
{
    fls_assert(handover->cnt > 0 && taken->size == handover->sizes[0]);
    if (handover->fds[0] >= 0)
        close(handover->fds[0]);
    handover->cnt--;
    memmove(&handover->sizes[0], &handover->sizes[1], handover->cnt * sizeof(handover->sizes[0]));
    memmove(&handover->fds[0], &handover->fds[1], handover->cnt * sizeof(handover->fds[0]));
}

/* Takes the answers that have come. False if publish is gone. */
static bool take_answers(struct fls_handover *handover)
{
    struct fls_segment_taken taken;
    ssize_t sz;
    int fd;

    while (handover->cnt > 0 && (sz = fls_channel_receive(handover->channel, &taken, sizeof(taken),
                                                          &fd, 0)) != -EAGAIN) {
        if (sz <= 0)
            return tell_gone(sz ? (int)sz : -EPIPE);
        fls_assert(sz == sizeof(taken) && fd < 0);
        take_answer(handover, &taken);
    }
    return true;
}

bool fls_handover_settle(struct fls_handover *handover, uint32_t cnt_max)
{
    uint64_t begin_ns;
    bool is_there = take_answers(handover);

    if (handover->cnt <= cnt_max || !is_there)
        return is_there;
    begin_ns = fls_clock_ns();
    fls_metric_set(&handover->metrics->output_to, 1);
    while (handover->cnt > cnt_max && is_there) {
        fls_bell_wait(handover->bell, handover->channel, FLS_SLEEP_MAX_MS);
        is_there = take_answers(handover);
    }
    fls_metric_set(&handover->metrics->output_to, 0);
    fls_metric_add(&handover->metrics->wait_output_ns, fls_clock_ns() - begin_ns);
    return is_there;
}

uint64_t fls_handover_bytes(const struct fls_handover *handover)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < handover->cnt; i++)
        sum += handover->sizes[i];
    return sum;
}

bool fls_handover_send(struct fls_handover *handover, struct fls_shard *shard, uint64_t epoch,
                       bool is_last)
{
    struct fls_segment_ready ready = {.epoch = epoch, .is_last = is_last};
    int error, fd = fls_snapshot_take(shard, &ready.size);

    fls_assert(handover->cnt < FLS_SEGMENTS_IN_FLIGHT_MAX);
    handover->sizes[handover->cnt] = ready.size;
    handover->fds[handover->cnt++] = fd;
    fls_metric_add(&handover->metrics->segments, 1);
    error = fls_channel_send(handover->channel, &ready, sizeof(ready), fd);
    if (error)
        return tell_gone(error);
    fls_bell_ring(handover->publish_bell);
    return true;
}

#include "supervise/dispatch.h"

#include "base/assert.h"
#include "shm/channel.h"
#include "supervise/parcel.h"

#include <errno.h>
#include <string.h>

void fls_dispatch_init(struct fls_dispatch *dispatch)
{
    *dispatch = (struct fls_dispatch){.turn = FLS_TURN_FRESH, .alone = FLS_JOB_NONE};
}

void fls_dispatch_fini(struct fls_dispatch *dispatch)
{
    fls_job_queue_fini(&dispatch->fresh);
    fls_job_queue_fini(&dispatch->redo);
    fls_job_queue_fini(&dispatch->suspects);
    fls_job_queue_fini(&dispatch->read);
    fls_jobs_fini(&dispatch->jobs);
}

bool fls_dispatch_add(struct fls_dispatch *dispatch, const struct fls_input *input)
{
    if (fls_jobs_find(&dispatch->jobs, input->name) != FLS_JOB_NONE)
        return false;
    fls_job_queue_push(&dispatch->fresh, fls_jobs_add(&dispatch->jobs, input));
    dispatch->objects++;
    dispatch->bytes += input->size;
    return true;
}

static struct fls_job *job_of(struct fls_dispatch *dispatch, uint64_t object_id)
{
    fls_assert(object_id < dispatch->jobs.cnt && dispatch->jobs.at[object_id].input.path);
    return &dispatch->jobs.at[object_id];
}

/* ---- handing out ---- */

static bool has_room(const struct fls_lane *lane)
{
    return lane->cnt < FLS_AHEAD_OBJECTS_MIN ||
           (lane->cnt < FLS_AHEAD_OBJECTS_MAX && lane->bytes < FLS_AHEAD_BYTES_MAX);
}

/* What is to be read apart waits for what is ahead to be read to its end. */
bool fls_dispatch_may_get_more(const struct fls_dispatch *dispatch)
{
    return dispatch->turn == FLS_TURN_FRESH && dispatch->redo.cnt == 0 &&
           dispatch->suspects.cnt == 0;
}

/* The queue that this turn hands out from, NULL if it has nothing more. */
static struct fls_job_queue *open_queue(struct fls_dispatch *dispatch)
{
    struct fls_job_queue *queue = &dispatch->fresh;

    if (dispatch->has_stopped)
        return NULL;
    if (dispatch->turn == FLS_TURN_REDO)
        queue = &dispatch->redo;
    else if (dispatch->turn == FLS_TURN_ALONE)
        return dispatch->alone == FLS_JOB_NONE ? &dispatch->suspects : NULL;
    else if (!fls_dispatch_may_get_more(dispatch))
        return NULL;
    return queue->cnt > 0 ? queue : NULL;
}

/* The ingest with the least work ahead that has room, -1 if none has. */
static int choose_ingest(const struct fls_dispatch *dispatch, uint32_t ingest_cnt)
{
    int chosen = -1;

    for (uint32_t i = 0; i < ingest_cnt; i++)
        if (has_room(&dispatch->lanes[i]) &&
            (chosen < 0 || dispatch->lanes[i].cnt < dispatch->lanes[chosen].cnt))
            chosen = (int)i;
    return chosen;
}

static void put_ahead(struct fls_dispatch *dispatch, uint32_t ingest, uint32_t number)
{
    struct fls_job *job = &dispatch->jobs.at[number];
    struct fls_lane *lane = &dispatch->lanes[ingest];

    job->state = FLS_JOB_AHEAD;
    lane->jobs[lane->cnt++] = number;
    lane->bytes += job->input.size;
    if (dispatch->turn == FLS_TURN_ALONE)
        dispatch->alone = number;
}

/* The last cnt jobs of the lane were not handed out after all. */
static void take_back(struct fls_dispatch *dispatch, uint32_t ingest, struct fls_job_queue *queue,
                      uint32_t cnt)
{
    struct fls_lane *lane = &dispatch->lanes[ingest];

    for (; cnt > 0; cnt--) {
        uint32_t number = lane->jobs[--lane->cnt];

        lane->bytes -= dispatch->jobs.at[number].input.size;
        dispatch->jobs.at[number].state = FLS_JOB_WAITING;
        fls_job_queue_push_front(queue, number);
    }
    dispatch->alone = FLS_JOB_NONE;
}

/* Fills a parcel with what this ingest gets now: objects are dealt out one by one, and those that
 * follow one another go together. */
static void fill_parcel(struct fls_dispatch *dispatch, uint32_t ingest_cnt, int ingest,
                        struct fls_parcel *parcel)
{
    struct fls_job_queue *queue;

    fls_parcel_begin(parcel);
    while ((queue = open_queue(dispatch)) && choose_ingest(dispatch, ingest_cnt) == ingest) {
        uint32_t number = fls_job_queue_front(queue);
        const struct fls_input *input = &dispatch->jobs.at[number].input;

        if (!fls_parcel_has_room(parcel, input))
            break;
        fls_parcel_add(parcel, input, number);
        put_ahead(dispatch, (uint32_t)ingest, fls_job_queue_pop(queue));
    }
}

bool fls_dispatch_hand_out(struct fls_dispatch *dispatch, const struct fls_topology *topology)
{
    static struct fls_parcel parcel; /* 16 KiB; this process has one thread */
    struct fls_job_queue *queue;
    int ingest;

    while ((queue = open_queue(dispatch)) &&
           (ingest = choose_ingest(dispatch, topology->ingest_cnt)) >= 0) {
        int error;

        fill_parcel(dispatch, topology->ingest_cnt, ingest, &parcel);
        error = fls_parcel_send(&parcel, topology->work_channels[ingest][0]);
        if (error) {
            take_back(dispatch, (uint32_t)ingest, queue, parcel.cnt);
            return error == -EAGAIN; /* what the ingest takes now makes room */
        }
    }
    return true;
}

/* ---- what became of it ---- */

/* Nearly always the oldest one; an object that could not be opened is done with at once. */
static void leave_lane(struct fls_lane *lane, uint32_t number, uint64_t size)
{
    uint32_t at = 0;

    while (at < lane->cnt && lane->jobs[at] != number)
        at++;
    fls_assert(at < lane->cnt);
    lane->cnt--;
    memmove(&lane->jobs[at], &lane->jobs[at + 1], (lane->cnt - at) * sizeof(lane->jobs[0]));
    lane->bytes -= size;
}

static void end_job(struct fls_dispatch *dispatch, struct fls_lane *lane,
                    const struct fls_done *done, uint64_t asked_epoch)
{
    struct fls_job *job = job_of(dispatch, done->object_id);

    leave_lane(lane, (uint32_t)done->object_id, job->input.size);
    job->state = FLS_JOB_READ;
    job->epoch = done->epoch;
    fls_job_queue_push(&dispatch->read, (uint32_t)done->object_id);
    dispatch->done_objects++;
    dispatch->done_bytes += job->input.size;
    if (done->epoch > asked_epoch) {
        dispatch->open_epoch_objects++;
        dispatch->wants_epoch |= done->wants_epoch != 0;
    }
}

void fls_dispatch_take_done(struct fls_dispatch *dispatch, const struct fls_topology *topology,
                            uint32_t number, uint64_t asked_epoch)
{
    struct fls_done dones[FLS_DONES_MAX];
    ssize_t sz;
    int fd;

    while ((sz = fls_channel_receive(topology->work_channels[number][0], dones, sizeof(dones), &fd,
                                     0)) > 0) {
        fls_assert((size_t)sz % sizeof(dones[0]) == 0);
        for (size_t i = 0; i < (size_t)sz / sizeof(dones[0]); i++)
            end_job(dispatch, &dispatch->lanes[number], &dones[i], asked_epoch);
    }
}

static void wait_again(struct fls_dispatch *dispatch, struct fls_job *job)
{
    if (job->state == FLS_JOB_READ) {
        dispatch->done_objects--;
        dispatch->done_bytes -= job->input.size;
    }
    job->state = FLS_JOB_WAITING;
}

void fls_dispatch_redo(struct fls_dispatch *dispatch, uint64_t object_id)
{
    struct fls_job *job = job_of(dispatch, object_id);

    fls_assert(job->state == FLS_JOB_READ);
    wait_again(dispatch, job);
    fls_job_queue_push(&dispatch->redo, (uint32_t)object_id);
}

bool fls_dispatch_fail(struct fls_dispatch *dispatch, uint64_t object_id)
{
    struct fls_job *job = job_of(dispatch, object_id);
    bool is_new = !job->has_failed;

    job->has_failed = true;
    return is_new;
}

void fls_dispatch_end_epoch(struct fls_dispatch *dispatch, uint64_t epoch)
{
    for (uint32_t left = dispatch->read.cnt; left > 0; left--) {
        uint32_t number = fls_job_queue_pop(&dispatch->read);
        const struct fls_job *job = &dispatch->jobs.at[number];

        if (job->state != FLS_JOB_READ)
            continue; /* to be read again */
        if (job->epoch <= epoch)
            fls_jobs_remove(&dispatch->jobs, number);
        else
            fls_job_queue_push(&dispatch->read, number);
    }
}

/* ---- turns ---- */

bool fls_dispatch_is_idle(struct fls_dispatch *dispatch)
{
    if (open_queue(dispatch))
        return false;
    for (uint32_t i = 0; i < FLS_INGEST_MAX; i++)
        if (dispatch->lanes[i].cnt > 0)
            return false;
    return true;
}

bool fls_dispatch_next_turn(struct fls_dispatch *dispatch)
{
    dispatch->alone = FLS_JOB_NONE;
    if (dispatch->redo.cnt > 0)
        dispatch->turn = FLS_TURN_REDO;
    else if (dispatch->suspects.cnt > 0)
        dispatch->turn = FLS_TURN_ALONE;
    else
        dispatch->turn = FLS_TURN_FRESH;
    return open_queue(dispatch) != NULL;
}

/* ---- deaths ---- */

void fls_dispatch_note_begun(struct fls_dispatch *dispatch, uint32_t number, uint64_t next_id)
{
    struct fls_lane *lane = &dispatch->lanes[number];

    lane->begun = 0;
    for (uint32_t i = 0; i < lane->cnt; i++)
        if (lane->jobs[i] + 1ULL == next_id)
            lane->begun = i + 1;
}

/* One that died between two objects, or told nothing, is taken to have been about the next one. */
static uint32_t begun_cnt(const struct fls_lane *lane)
{
    return lane->begun == 0 && lane->cnt > 0 ? 1 : lane->begun;
}

static void blame_ingest(struct fls_dispatch *dispatch, const struct fls_lane *lane)
{
    uint32_t begun = begun_cnt(lane);

    if (begun > 0)
        dispatch->jobs.at[lane->jobs[begun - 1]].deaths++;
}

static void blame_all_begun(struct fls_dispatch *dispatch)
{
    for (uint32_t i = 0; i < FLS_INGEST_MAX; i++)
        for (uint32_t k = 0; k < begun_cnt(&dispatch->lanes[i]); k++)
            dispatch->jobs.at[dispatch->lanes[i].jobs[k]].deaths++;
    for (uint32_t i = 0; i < dispatch->jobs.cnt; i++)
        if (dispatch->jobs.at[i].state == FLS_JOB_READ)
            dispatch->jobs.at[i].deaths++;
}

void fls_dispatch_blame(struct fls_dispatch *dispatch, uint32_t number)
{
    if (number == FLS_INGEST_MAX)
        blame_all_begun(dispatch);
    else
        blame_ingest(dispatch, &dispatch->lanes[number]);
}

/* 0 or -errno. */
static int recover_job(struct fls_dispatch *dispatch, struct fls_ledger *ledger, uint32_t number)
{
    struct fls_job *job = &dispatch->jobs.at[number];
    uint64_t size;
    int64_t mtime_ns;
    int status = fls_ledger_find(ledger, job->input.name, &size, &mtime_ns);

    if (status < 0)
        return status;
    if (status == 1) { /* its commit was the last thing that was done */
        if (job->state == FLS_JOB_AHEAD) {
            dispatch->done_objects++;
            dispatch->done_bytes += job->input.size;
        }
        fls_jobs_remove(&dispatch->jobs, number);
        return 0;
    }
    wait_again(dispatch, job);
    if (job->deaths >= FLS_SUSPECT_DEATHS)
        fls_job_queue_push(&dispatch->suspects, number);
    else
        fls_job_queue_push_front(&dispatch->fresh, number);
    return 0;
}

int fls_dispatch_recover(struct fls_dispatch *dispatch, struct fls_ledger *ledger)
{
    int status = 0;

    for (uint32_t i = dispatch->jobs.cnt; i-- > 0 && status == 0;)
        if (dispatch->jobs.at[i].state != FLS_JOB_WAITING)
            status = recover_job(dispatch, ledger, i);
    for (uint32_t i = 0; i < FLS_INGEST_MAX; i++)
        dispatch->lanes[i] = (struct fls_lane){.cnt = 0};
    fls_job_queue_fini(&dispatch->read);
    dispatch->open_epoch_objects = 0;
    dispatch->wants_epoch = false;
    dispatch->turn = FLS_TURN_FRESH;
    dispatch->alone = FLS_JOB_NONE;
    return status;
}

void fls_dispatch_give_up(struct fls_dispatch *dispatch)
{
    struct fls_job *job = job_of(dispatch, dispatch->alone);

    if (job->state == FLS_JOB_AHEAD) {
        dispatch->done_objects++;
        dispatch->done_bytes += job->input.size;
    }
    fls_jobs_remove(&dispatch->jobs, dispatch->alone);
    dispatch->alone = FLS_JOB_NONE;
}

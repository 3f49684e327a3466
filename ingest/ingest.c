#include "ingest/ingest.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "ingest/parse.h"
#include "ingest/route.h"
#include "shm/bell.h"
#include "shm/channel.h"
#include "shm/control.h"
#include "shm/message.h"
#include "shm/result.h"
#include "shm/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long an object may go on once the run is to stop; then it is given up and read anew by the
 * next run. */
#define STOP_PATIENCE_NS (3 * FLS_NS_PER_S)

struct ingest {
    const struct fls_ingest_links *links;
    const struct fls_control *control;
    struct fls_metrics *metrics;
    struct fls_reader *reader;
    struct fls_text *text;
    struct fls_router router;
    struct fls_producer results;
    struct fls_parser parser;
    struct fls_batch *batch;
    struct fls_object queue[FLS_READER_OBJECTS_MAX]; /* a ring: objects the reader was given */
    uint32_t queue_first, queue_cnt;
    struct fls_result *result; /* of the object being read */
    uint8_t *accounts, *encoded;
    size_t accounts_max, encoded_max;
    struct fls_done dones[FLS_DONES_MAX]; /* that the supervisor was not told of yet */
    uint32_t done_cnt;
    uint64_t epoch; /* of this run, being read */
    uint64_t stop_seen_ns;
    bool has_more_work; /* the work channel is open */
};

/* An object that takes long must not keep a stop waiting. */
static bool must_give_up(struct ingest *in)
{
    if (!fls_control_stopping(in->control))
        return false;
    if (in->stop_seen_ns == 0)
        in->stop_seen_ns = fls_clock_ns();
    return fls_clock_ns() - in->stop_seen_ns > STOP_PATIENCE_NS;
}

/* Parses what the window holds and pushes it; returns the bytes done with. */
static size_t parse_window(struct ingest *in, struct fls_span window, bool is_last)
{
    size_t done = 0, sz;

    do {
        struct fls_span rest = {window.at + done, window.sz - done};
        uint32_t pushed;

        sz = fls_parser_step(&in->parser, rest, is_last, in->batch);
        pushed = fls_router_push(&in->router, in->batch, rest.at);
        in->result->has_pushed |= pushed > 0;
        fls_metric_add(&in->metrics->records, pushed);
        done += sz;
    } while (sz > 0);
    return done;
}

static void fail(struct ingest *in, const char *why)
{
    in->result->status = FLS_RESULT_FAILED;
    snprintf(in->result->failure, sizeof(in->result->failure), "%s", why);
}

/* Reads the oldest object to its end, or to where it fails. */
static void read_text(struct ingest *in)
{
    struct fls_result *result = in->result;
    uint64_t bytes_seen = 0, read_seen = 0, lines_seen = 0;
    enum fls_text_status status;

    do {
        struct fls_span window;

        status = fls_text_read(in->text, &window);
        if (status == FLS_TEXT_FAILED) {
            fail(in, fls_text_failure(in->text));
            return;
        }
        if (must_give_up(in)) {
            result->status = FLS_RESULT_ABANDONED;
            return;
        }
        fls_metrics_turn();
        fls_text_consume(in->text, parse_window(in, window, status == FLS_TEXT_END));
        if (fls_quota_excess(&in->router.quota)) {
            fail(in, fls_quota_excess(&in->router.quota));
            return;
        }
        fls_metric_add(&in->metrics->bytes, fls_text_bytes(in->text) - bytes_seen);
        fls_metric_add(&in->metrics->bytes_read, fls_text_bytes_read(in->text) - read_seen);
        fls_metric_add(&in->metrics->lines, in->parser.counts.lines - lines_seen);
        bytes_seen = fls_text_bytes(in->text);
        read_seen = fls_text_bytes_read(in->text);
        lines_seen = in->parser.counts.lines;
    } while (status == FLS_TEXT_MORE);
    result->status = FLS_RESULT_COUNTED;
    result->trailing = fls_text_trailing(in->text);
}

/* Account-ids are open text: an object may be full of long ones. */
static void refuse_accounts(struct fls_result *result)
{
    if (result->status == FLS_RESULT_COUNTED) {
        result->status = FLS_RESULT_FAILED;
        snprintf(result->failure, sizeof(result->failure), "its account-ids are more than %u MiB",
                 FLS_RESULT_ACCOUNTS_SZ_MAX >> 20);
    }
}

static void collect_accounts(struct ingest *in)
{
    const struct fls_account_tally *tally = &in->router.tally;
    size_t sz = 0;

    for (uint32_t i = 0; i < tally->touched_cnt; i++) {
        uint32_t symbol = tally->touched[i];
        struct fls_span account = symbol ? fls_dictionary_text(&in->router.interner.symbols, symbol)
                                         : FLS_SPAN("unknown");

        if (!fls_result_add_account(&in->accounts, &sz, &in->accounts_max, account,
                                    &tally->lines[symbol])) {
            refuse_accounts(in->result);
            return;
        }
    }
    in->result->account_cnt = tally->touched_cnt;
    in->result->accounts = (struct fls_span){in->accounts, sz};
}

/* Publish has no use for a result before the barrier behind it: it is handed over with others. */
static void push_result(struct ingest *in, enum fls_kind kind, uint32_t number,
                        struct fls_span payload)
{
    fls_metric_add(&in->metrics->wait_output_ns,
                   fls_message_put(&in->results, kind, number, payload));
}

/* Tells the supervisor what is done with. False if it is gone. */
static bool tell_done(struct ingest *in)
{
    size_t sz = in->done_cnt * sizeof(in->dones[0]);
    int error;

    if (in->done_cnt == 0)
        return true;
    in->done_cnt = 0;
    error = fls_channel_send(in->links->work_channel, in->dones, sz, -1);
    /* -EPIPE: the supervisor closed the channel, wanting no more; it is not the end of the run */
    return error == 0 || error == -EPIPE;
}

/* Before it sleeps for lack of work, and before a barrier: the others may have nothing to do. False
 * if the supervisor is gone. */
static bool hand_over(struct ingest *in)
{
    fls_router_flush(&in->router);
    fls_producer_flush(&in->results);
    return tell_done(in);
}

/* Tells publish what became of the object, and the supervisor that it is done with: of `left` ones
 * that were taken, it is not told of each one by itself. False if it is gone. */
static bool send_result(struct ingest *in, uint32_t left)
{
    bool is_full = fls_interner_is_full(&in->router.interner);
    size_t sz = fls_result_encode(in->result, &in->encoded, &in->encoded_max);

    push_result(in, FLS_KIND_RESULT, 0, (struct fls_span){in->encoded, sz});
    fls_metric_add(&in->metrics->objects, 1);
    in->dones[in->done_cnt++] = (struct fls_done){
        .object_id = in->result->object.id, .epoch = in->epoch, .wants_epoch = is_full};
    return in->done_cnt < left && in->done_cnt < FLS_DONES_MAX ? true : tell_done(in);
}

static void collect_lines(struct ingest *in)
{
    struct fls_result *result = in->result;

    result->counts = in->parser.counts;
    result->counts.bytes = fls_text_bytes(in->text);
    result->counts.bytes_read = fls_text_bytes_read(in->text);
    memcpy(result->sample_cnt, in->parser.sample_cnt, sizeof(result->sample_cnt));
    for (int i = 0; i < FLS_REASON_CNT; i++)
        memcpy(result->samples[i], in->parser.samples[i],
               result->sample_cnt[i] * sizeof(result->samples[i][0]));
    collect_accounts(in);
}

/* Reads the oldest object and tells everybody. False if the supervisor is gone. */
static bool read_object(struct ingest *in)
{
    bool is_told;

    fls_metric_set(&in->metrics->object, in->queue[in->queue_first].id + 1);
    fls_result_begin(in->result, &in->queue[in->queue_first]);
    fls_router_begin_object(&in->router);
    fls_parser_begin(&in->parser);
    fls_text_begin(in->text, in->reader);
    read_text(in);
    collect_lines(in);
    is_told = send_result(in, in->queue_cnt - 1);
    fls_reader_finish(in->reader);
    in->queue_first = (in->queue_first + 1) % FLS_READER_OBJECTS_MAX;
    in->queue_cnt--;
    return is_told;
}

/* An object that the supervisor could not open has failed already. */
static bool fail_unopened(struct ingest *in, const struct fls_object *object, int open_error)
{
    char why[FLS_FAILURE_TEXT_MAX];

    fls_result_begin(in->result, object);
    snprintf(why, sizeof(why), "cannot be opened: %s", strerror(open_error));
    fail(in, why);
    return send_result(in, in->queue_cnt);
}

static void unpack_work(const struct fls_work *work, struct fls_object *object)
{
    fls_assert(work->name_sz <= FLS_PATH_MAX && work->path_sz <= FLS_PATH_MAX);
    object->id = work->id;
    object->size = work->size;
    object->mtime_ns = work->mtime_ns;
    memcpy(object->name, work->texts, work->name_sz);
    memcpy(object->path, work->texts + work->name_sz, work->path_sz);
}

static bool take_object(struct ingest *in, const struct fls_work *work, int fd)
{
    struct fls_object *object =
        &in->queue[(in->queue_first + in->queue_cnt) % FLS_READER_OBJECTS_MAX];

    unpack_work(work, object);
    if (work->open_error)
        return fail_unopened(in, object, (int)work->open_error);
    in->queue_cnt++;
    fls_reader_add(in->reader, fd, object->size, object->mtime_ns);
    if (fls_metric_get(&in->metrics->first_ns) == 0)
        fls_metric_set(&in->metrics->first_ns, fls_clock_ns());
    return true;
}

/* The objects of a message, with their descriptors. False if the supervisor is gone. */
static bool take_objects(struct ingest *in, const uint8_t *message, size_t sz, const int *fds,
                         uint32_t fd_cnt)
{
    bool is_told = true;

    while (sz > 0) {
        const struct fls_work *work = (const struct fls_work *)(const void *)message;
        bool has_fd = work->open_error == 0;
        size_t work_sz;

        fls_assert(sz >= sizeof(*work));
        work_sz = fls_work_sz(work->name_sz, work->path_sz);
        fls_assert(work_sz <= sz && fd_cnt >= has_fd);
        is_told &= take_object(in, work, has_fd ? *fds : -1);
        message += work_sz;
        sz -= work_sz;
        fds += has_fd;
        fd_cnt -= has_fd;
    }
    fls_assert(fd_cnt == 0);
    return is_told;
}

static bool has_room(const struct ingest *in)
{
    return fls_reader_room(in->reader) >= FLS_WORKS_MAX;
}

/* Takes the objects that the supervisor has handed out, as many as the reader has room for. False
 * if one of them could not be taken: it must not look as if it had been read. */
static bool take_work(struct ingest *in)
{
    _Alignas(struct fls_work) uint8_t message[FLS_CHANNEL_MESSAGE_MAX];
    int fds[FLS_CHANNEL_FDS_MAX];
    uint32_t fd_cnt;

    while (in->has_more_work && has_room(in)) {
        ssize_t sz = fls_channel_receive_all(in->links->work_channel, message, sizeof(message), fds,
                                             &fd_cnt);

        if (sz == -EAGAIN)
            return true;
        if (sz < 0) {
            fls_log_error("cannot take work: %s", strerror((int)-sz));
            return false;
        }
        in->has_more_work = sz > 0 && take_objects(in, message, (size_t)sz, fds, fd_cnt);
    }
    return true;
}

/* The supervisor is told before: what is done with of an epoch it knows before publish has it. */
static bool push_barriers(struct ingest *in, bool is_last)
{
    bool is_told = hand_over(in);

    fls_router_barrier(&in->router, is_last);
    push_result(in, FLS_KIND_BARRIER, is_last ? FLS_BARRIER_LAST : 0, FLS_SPAN(""));
    fls_producer_flush(&in->results);
    fls_metric_set(&in->metrics->epoch, ++in->epoch);
    return is_told;
}

/* Work that there is no room for does not wake it. False if the supervisor is gone. */
static bool sleep_until_work(struct ingest *in)
{
    int channel = has_room(in) ? in->links->work_channel : -1;
    uint64_t begin_ns = fls_clock_ns();

    if (!hand_over(in))
        return false;
    fls_metric_set(&in->metrics->input_from, 1);
    fls_bell_wait(in->links->bell, channel, FLS_SLEEP_MAX_MS);
    fls_metric_set(&in->metrics->input_from, 0);
    fls_metric_add(&in->metrics->wait_input_ns, fls_clock_ns() - begin_ns);
    return true;
}

/* Objects not begun when the run stops are left to the next run. */
static void drop_queue(struct ingest *in)
{
    for (; in->queue_cnt > 0; in->queue_cnt--)
        fls_reader_finish(in->reader);
}

static int work(struct ingest *in)
{
    bool is_heard = true;

    while (is_heard && take_work(in)) {
        if (fls_control_stopping(in->control))
            drop_queue(in);
        while (is_heard && in->epoch <= fls_control_epoch_wanted(in->control))
            is_heard = push_barriers(in, false);
        if (!is_heard)
            break;
        if (in->queue_cnt > 0 && !fls_interner_is_full(&in->router.interner))
            is_heard = read_object(in);
        else if (in->queue_cnt > 0 || in->has_more_work)
            is_heard = sleep_until_work(in);
        else
            return push_barriers(in, true) ? EXIT_SUCCESS : FLS_EXIT_AGAIN;
    }
    return FLS_EXIT_AGAIN;
}

static int open_reader(struct ingest *in)
{
    char reason[256];
    int error = fls_reader_new(&in->reader, in->links->io, reason, sizeof(reason));

    if (error)
        fls_log_error("cannot read: %s", reason);
    else if (reason[0] && in->links->tells_fallback)
        fls_log_warn("reading with pread: %s", reason);
    return error;
}

/* From here on hostile bytes can do no more than spoil what is counted of them. */
static void enter_sandbox(const struct ingest *in)
{
    char missing[FLS_SANDBOX_MISSING_MAX];

    fls_sandbox_enter(&(struct fls_sandbox){.role = FLS_SANDBOX_INGEST}, missing);
    if (missing[0] && in->links->tells_fallback)
        fls_log_warn("the processes keep rights that they do not need: this kernel or container "
                     "lacks %s",
                     missing);
}

int fls_ingest_main(const struct fls_ingest_links *links)
{
    struct ingest in = {.links = links, .epoch = 1, .has_more_work = true};
    int status = EXIT_FAILURE;

    in.control = fls_control_map(links->control_fd, false);
    in.metrics = fls_metrics_join(links->metrics_fd);
    fls_metric_set(&in.metrics->epoch, in.epoch);
    in.batch = malloc(sizeof(*in.batch));
    in.result = calloc(1, sizeof(*in.result));
    fls_assert(in.batch && in.result);
    fls_parser_init(&in.parser, &links->headerless);
    fls_router_init(&in.router, links->rings, links->ring_cnt, in.metrics);
    fls_producer_join(&in.results, links->result_ring);
    if (open_reader(&in) == 0) {
        if (fls_text_new(&in.text, links->inflate) == 0) {
            enter_sandbox(&in);
            status = work(&in);
        }
        fls_text_free(in.text);
        fls_reader_free(in.reader);
    }
    fls_router_fini(&in.router);
    fls_producer_leave(&in.results);
    free(in.batch);
    free(in.result);
    free(in.accounts);
    free(in.encoded);
    return status;
}

/* The publish role in a process of its own; the test plays the ingests, aggregators and supervisor
 * around it, with real rings and channels. */
#include "epochs.h"
#include "redis_server.h"

#include "base/keys.h"
#include "publish/publish.h"
#include "shm/bell.h"
#include "shm/channel.h"
#include "shm/message.h"
#include "shm/metrics.h"
#include "shm/work.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#define DAY 20454U /* 2026-01-01 */
#define INGESTS 2U
#define RING_SLOTS 1024U

/* ---- the stage ---- */

struct stage {
    struct fls_ring rings[INGESTS];
    struct fls_producer producers[INGESTS];
    int bells[INGESTS + 1];
    int segments[EPOCH_SHARDS][2]; /* [0] of publish */
    int news[2];                   /* [1] of publish */
    int metrics_fd;
    uint64_t epoch; /* in the making */
    uint64_t seed;
    struct model model;
    pid_t pid;
};

static void run_publish(const struct stage *stage, const struct fls_redis_address *where)
{
    int channels[EPOCH_SHARDS], log_fd;
    struct fls_publish_links links = {.ingest_cnt = INGESTS,
                                      .result_rings = stage->rings,
                                      .shard_cnt = EPOCH_SHARDS,
                                      .segment_channels = channels,
                                      .bell = stage->bells[INGESTS],
                                      .news_channel = stage->news[1],
                                      .metrics_fd = stage->metrics_fd,
                                      .state_folder = scratch,
                                      .redis = where,
                                      .name = "n",
                                      .top_k = 10,
                                      .keep_days = 35,
                                      .day_bytes_max = UINT64_MAX};

    for (uint32_t i = 0; i < EPOCH_SHARDS; i++) {
        channels[i] = stage->segments[i][0];
        close(stage->segments[i][1]);
    }
    close(stage->news[0]);
    log_fd = open(scratch_path("log"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (log_fd < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        _exit(99);
    exit(fls_publish_main(&links));
}

static struct stage *begin(uint64_t seed, const struct fls_redis_address *where)
{
    struct stage *stage = calloc(1, sizeof(*stage));

    assert_non_null(stage);
    stage->seed = seed;
    stage->epoch = 1;
    for (uint32_t i = 0; i <= INGESTS; i++)
        assert_true((stage->bells[i] = fls_bell_create()) >= 0);
    for (uint32_t i = 0; i < INGESTS; i++) {
        assert_int_equal(
            fls_ring_create(&stage->rings[i], RING_SLOTS, stage->bells[i], stage->bells[INGESTS]),
            0);
        fls_producer_join(&stage->producers[i], &stage->rings[i]);
    }
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        assert_int_equal(fls_channel_create(stage->segments[i]), 0);
    assert_int_equal(fls_channel_create(stage->news), 0);
    assert_true((stage->metrics_fd = fls_metrics_create()) >= 0);
    fflush(NULL);
    stage->pid = fork();
    assert_true(stage->pid >= 0);
    if (stage->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves nobody behind */
        run_publish(stage, where);
    }
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        close(stage->segments[i][0]);
    close(stage->news[1]);
    return stage;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Waits for the role to end, and frees all but the model. */
static int end(struct stage *stage)
{
    int status;

    assert_int_equal(waitpid(stage->pid, &status, 0), stage->pid);
    for (uint32_t i = 0; i < INGESTS; i++) {
        fls_producer_leave(&stage->producers[i]);
        fls_ring_close(&stage->rings[i]);
    }
    for (uint32_t i = 0; i <= INGESTS; i++)
        close(stage->bells[i]);
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        close_fd(&stage->segments[i][1]);
    close_fd(&stage->news[0]);
    close(stage->metrics_fd);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void leave(struct stage *stage)
{
    model_fini(&stage->model);
    free(stage);
}

static void tell_object(struct stage *stage, uint32_t ingest, unsigned number,
                        enum fls_result_status status, bool has_pushed)
{
    uint8_t *buffer = NULL;
    size_t max = 0, sz;

    sz = fls_result_encode(make_result(number, status, has_pushed), &buffer, &max);
    fls_message_write(&stage->producers[ingest], FLS_KIND_RESULT, 0, (struct fls_span){buffer, sz});
    free(buffer);
}

static void push_barrier(struct stage *stage, uint32_t ingest, bool is_last)
{
    fls_message_write(&stage->producers[ingest], FLS_KIND_BARRIER, is_last ? FLS_BARRIER_LAST : 0,
                      FLS_SPAN(""));
}

static void send_segment(struct stage *stage, uint32_t shard, uint64_t size, int fd, bool is_last)
{
    struct fls_segment_ready ready = {stage->epoch, size, is_last};

    assert_int_equal(fls_channel_send(stage->segments[shard][1], &ready, sizeof(ready), fd), 0);
    fls_bell_ring(stage->bells[INGESTS]);
    if (fd >= 0)
        close(fd);
}

static void expect_answer(struct stage *stage, uint32_t shard, uint64_t size)
{
    struct fls_segment_taken taken;
    int fd;

    assert_int_equal(fls_channel_receive(stage->segments[shard][1], &taken, sizeof(taken), &fd, 1),
                     sizeof(taken));
    assert_int_equal(taken.size, size);
}

static void expect_no_answer(struct stage *stage, uint32_t shard)
{
    struct fls_segment_taken taken;
    int fd;

    assert_int_equal(fls_channel_receive(stage->segments[shard][1], &taken, sizeof(taken), &fd, 0),
                     -EAGAIN);
}

static const uint32_t days_of_segments[] = {DAY, DAY + 1, FLS_DAY_UNKNOWN};

/* What a shard hands over in the middle of an epoch. */
static void spill(struct stage *stage, uint32_t record_cnt, bool counts)
{
    uint64_t sizes[EPOCH_SHARDS];
    int fds[EPOCH_SHARDS];

    random_segments(&stage->seed, days_of_segments, 3, record_cnt, counts ? &stage->model : NULL,
                    fds, sizes);
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++) {
        send_segment(stage, i, sizes[i], fds[i], false);
        if (i % 2)
            expect_answer(stage, i, sizes[i]);
    }
    for (uint32_t i = 0; i < EPOCH_SHARDS; i += 2)
        expect_answer(stage, i, sizes[i]);
}

/* What the aggregators counted in the epoch; what does not count is not added to the model. */
static void hand_over(struct stage *stage, uint32_t record_cnt, bool counts)
{
    uint64_t sizes[EPOCH_SHARDS];
    int fds[EPOCH_SHARDS];

    random_segments(&stage->seed, days_of_segments, 3, record_cnt, counts ? &stage->model : NULL,
                    fds, sizes);
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        send_segment(stage, i, sizes[i], fds[i], true);
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        expect_answer(stage, i, sizes[i]);
    stage->epoch++;
}

static struct fls_news *next_news(struct stage *stage)
{
    static struct fls_news news;
    ssize_t sz;
    int fd;

    sz = fls_channel_receive(stage->news[0], &news, sizeof(news), &fd, 1);
    assert_int_equal(sz, fls_news_sz(&news));
    return &news;
}

static void expect_object(struct stage *stage, enum fls_news_kind kind, uint64_t number)
{
    const struct fls_news *news = next_news(stage);
    char text[64];

    assert_int_equal(news->kind, kind);
    assert_int_equal(news->object_id, number);
    sprintf(text, "/logs/object-%llu: cut off", (unsigned long long)number);
    if (kind == FLS_NEWS_FAILED)
        assert_string_equal(news->text, text);
}

static void expect_end(struct stage *stage, enum fls_news_kind kind, uint64_t objects,
                       uint64_t published)
{
    const struct fls_news *news = next_news(stage);

    assert_int_equal(news->kind, kind);
    assert_int_equal(news->epoch, stage->epoch - 1);
    assert_int_equal(news->objects, objects);
    assert_int_equal(news->published, published);
}

static void end_all_rings(struct stage *stage)
{
    for (uint32_t i = 0; i < INGESTS; i++)
        push_barrier(stage, i, true);
    hand_over(stage, 0, true);
}

/* The state holds the model at this epoch. */
static void expect_state(struct stage *stage, uint64_t epoch)
{
    struct state s;

    open_state(&s, 35);
    assert_int_equal(s.commit.epoch, epoch);
    assert_int_equal(s.commit.days.cnt, stage->model.day_cnt);
    for (uint32_t i = 0; i < stage->model.day_cnt; i++) {
        struct fls_parts parts;

        open_parts(&s, stage->model.days[i].day, &parts);
        expect_day(&parts.merged, &stage->model.days[i]);
        fls_parts_close(&parts);
    }
    close_state(&s);
}

static void expect_redis(const char *epoch)
{
    redisReply *reply = redis_ask("GET flowlog:{n}:epoch");

    assert_string_equal(reply->type == REDIS_REPLY_STRING ? reply->str : "none", epoch);
    freeReplyObject(reply);
}

static void expect_log(const char *expected)
{
    static char log[65536];

    log[scratch_read("log", log, sizeof(log) - 1)] = 0;
    if (expected == NULL)
        assert_string_equal(log, "");
    else if (strstr(log, expected) == NULL)
        fail_msg("the log lacks \"%s\":\n%s", expected, log);
}

/* ---- tests ---- */

/* What stands behind an ingest's barrier is of the next epoch, however far ahead the ingest is. */
static void commits_epoch_after_epoch(void **unused)
{
    struct stage *stage = begin(1, &redis_address);

    (void)unused;
    for (unsigned i = 1; i <= 6; i++) { /* ingest 0 is done with all its epochs at once */
        tell_object(stage, 0, i, FLS_RESULT_COUNTED, false);
        push_barrier(stage, 0, i == 6);
    }
    for (unsigned i = 1; i <= 8; i++) { /* ingest 1 goes on longer */
        tell_object(stage, 1, 100 + i, FLS_RESULT_COUNTED, false);
        tell_object(stage, 1, 200 + i, FLS_RESULT_COUNTED, false);
        push_barrier(stage, 1, i == 8);
        hand_over(stage, 20, true);
        expect_end(stage, FLS_NEWS_COMMITTED, i <= 6 ? 3 : 2, i);
        if (i < 8)
            expect_redis((const char[]){(char)('0' + i), 0});
    }
    assert_int_equal(end(stage), 0);
    expect_redis("8");
    expect_state(stage, 8);
    expect_log(NULL);
    leave(stage);
}

static void damaged_epochs_are_done_again(void **unused)
{
    struct stage *stage = begin(2, &redis_address);

    (void)unused;
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, false);
    tell_object(stage, 0, 2, FLS_RESULT_FAILED, true);
    tell_object(stage, 0, 3, FLS_RESULT_COUNTED, false);
    tell_object(stage, 0, 4, FLS_RESULT_FAILED, false);
    tell_object(stage, 0, 5, FLS_RESULT_ABANDONED, false);
    push_barrier(stage, 0, false);
    push_barrier(stage, 1, false);
    hand_over(stage, 30, false);
    expect_object(stage, FLS_NEWS_REDO, 1);
    expect_object(stage, FLS_NEWS_FAILED, 2);
    expect_object(stage, FLS_NEWS_REDO, 3);
    expect_object(stage, FLS_NEWS_FAILED, 4);
    expect_end(stage, FLS_NEWS_DISCARDED, 0, 1); /* the failures are committed */
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, false);
    tell_object(stage, 0, 6, FLS_RESULT_FAILED, false); /* nothing pushed: no damage */
    push_barrier(stage, 0, false);
    tell_object(stage, 1, 3, FLS_RESULT_COUNTED, false);
    push_barrier(stage, 1, false);
    hand_over(stage, 30, true);
    expect_object(stage, FLS_NEWS_FAILED, 6);
    expect_end(stage, FLS_NEWS_COMMITTED, 2, 2);
    end_all_rings(stage);
    expect_end(stage, FLS_NEWS_COMMITTED, 0, 2);
    assert_int_equal(end(stage), 0);
    expect_redis("2");
    expect_state(stage, 2);
    leave(stage);
}

static uint32_t count_segment_files(void)
{
    DIR *folder = opendir(scratch_path("segments"));
    uint32_t cnt = 0;

    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        cnt += entry->d_name[0] != '.';
    closedir(folder);
    return cnt;
}

/* Segments come at any time of an epoch, any number from each shard, and are answered while nothing
 * else is known of the epoch. */
static void takes_segments_at_any_time(void **unused)
{
    struct stage *stage = begin(11, &redis_address);

    (void)unused;
    for (unsigned epoch = 1; epoch <= 4; epoch++) {
        spill(stage, 30, true);
        tell_object(stage, 0, 10 * epoch, FLS_RESULT_COUNTED, true);
        spill(stage, 0, true);
        spill(stage, 30, true);
        push_barrier(stage, 0, epoch == 4);
        spill(stage, 30, true);
        push_barrier(stage, 1, epoch == 4);
        spill(stage, 1, true);
        hand_over(stage, epoch % 2 ? 30 : 0, true);
        expect_end(stage, FLS_NEWS_COMMITTED, 1, epoch);
    }
    assert_int_equal(end(stage), 0);
    assert_int_equal(count_segment_files(), 4);
    expect_redis("4");
    expect_state(stage, 4);
    expect_log(NULL);
    leave(stage);
}

/* A shard that is through with an epoch may hand over rows of the next one: they are not taken
 * before all other shards are through as well. */
static void segments_of_the_next_epoch_wait(void **unused)
{
    struct stage *stage = begin(12, &redis_address);
    uint64_t sizes[2][EPOCH_SHARDS];
    int fds[2][EPOCH_SHARDS];

    (void)unused;
    for (int i = 0; i < 2; i++)
        random_segments(&stage->seed, days_of_segments, 3, 40, &stage->model, fds[i], sizes[i]);
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, true);
    push_barrier(stage, 0, false);
    push_barrier(stage, 1, false);
    send_segment(stage, 0, sizes[0][0], fds[0][0], true);
    expect_answer(stage, 0, sizes[0][0]);
    stage->epoch++;
    send_segment(stage, 0, sizes[1][0], fds[1][0], false); /* shard 0 is ahead */
    stage->epoch--;
    for (uint32_t i = 1; i < EPOCH_SHARDS; i++) {
        send_segment(stage, i, sizes[0][i], fds[0][i], false);
        expect_answer(stage, i, sizes[0][i]);
        expect_no_answer(stage, 0);
        send_segment(stage, i, 0, -1, true);
        expect_answer(stage, i, 0);
    }
    stage->epoch++;
    expect_end(stage, FLS_NEWS_COMMITTED, 1, 1);
    expect_answer(stage, 0, sizes[1][0]);
    for (uint32_t i = 1; i < EPOCH_SHARDS; i++) {
        send_segment(stage, i, sizes[1][i], fds[1][i], false);
        expect_answer(stage, i, sizes[1][i]);
    }
    tell_object(stage, 0, 2, FLS_RESULT_COUNTED, true);
    end_all_rings(stage);
    expect_end(stage, FLS_NEWS_COMMITTED, 1, 2);
    assert_int_equal(end(stage), 0);
    expect_state(stage, 2);
    leave(stage);
}

/* What was written of an epoch that proves damaged late goes, and nothing of it counts. */
static void damaged_epochs_leave_no_rows(void **unused)
{
    struct stage *stage = begin(13, &redis_address);

    (void)unused;
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, true);
    spill(stage, 50, false);
    spill(stage, 50, false);
    tell_object(stage, 1, 2, FLS_RESULT_FAILED, true);
    spill(stage, 50, false);
    push_barrier(stage, 0, false);
    push_barrier(stage, 1, false);
    hand_over(stage, 50, false);
    expect_object(stage, FLS_NEWS_REDO, 1);
    expect_object(stage, FLS_NEWS_FAILED, 2);
    expect_end(stage, FLS_NEWS_DISCARDED, 0, 1);
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, true);
    spill(stage, 50, true);
    end_all_rings(stage);
    expect_end(stage, FLS_NEWS_COMMITTED, 1, 2);
    assert_int_equal(end(stage), 0);
    assert_int_equal(count_segment_files(), 1);
    expect_state(stage, 2);
    leave(stage);
}

/* Bytes behind the last member are told, and the object counts. */
static void trailing_bytes_are_told(void **unused)
{
    struct stage *stage = begin(9, &redis_address);
    struct fls_result *result = make_result(1, FLS_RESULT_COUNTED, false);
    uint8_t *buffer = NULL;
    size_t max = 0, sz;

    (void)unused;
    result->trailing = 7;
    sz = fls_result_encode(result, &buffer, &max);
    fls_message_write(&stage->producers[0], FLS_KIND_RESULT, 0, (struct fls_span){buffer, sz});
    free(buffer);
    end_all_rings(stage);
    expect_object(stage, FLS_NEWS_WARNING, 1);
    expect_end(stage, FLS_NEWS_COMMITTED, 1, 1);
    assert_int_equal(end(stage), 0);
    leave(stage);
}

/* The run stops while an object is read: what was whole is told, nothing is committed. */
static void abandoned_objects_damage_too(void **unused)
{
    struct stage *stage = begin(3, &redis_address);

    (void)unused;
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, false);
    tell_object(stage, 1, 2, FLS_RESULT_ABANDONED, true);
    push_barrier(stage, 0, true);
    push_barrier(stage, 1, true);
    hand_over(stage, 30, false);
    expect_object(stage, FLS_NEWS_REDO, 1);
    expect_end(stage, FLS_NEWS_DISCARDED, 0, 0);
    assert_int_equal(end(stage), 0);
    expect_redis("none");
    expect_state(stage, 0);
    leave(stage);
}

static void without_redis_all_is_committed(void **unused)
{
    struct fls_redis_address nowhere = {.unix_path = (char *)"/nonexistent/redis.sock"};
    struct stage *stage = begin(4, &nowhere);
    struct model model;

    (void)unused;
    for (unsigned i = 1; i <= 3; i++) {
        tell_object(stage, 0, i, FLS_RESULT_COUNTED, false);
        push_barrier(stage, 0, false);
        push_barrier(stage, 1, false);
        hand_over(stage, 20, true);
        expect_end(stage, FLS_NEWS_COMMITTED, 1, 0);
    }
    end_all_rings(stage);
    expect_end(stage, FLS_NEWS_COMMITTED, 0, 0);
    assert_int_equal(end(stage), 1);
    expect_log("cannot publish now");
    expect_log("everything is committed, but it is not published");
    expect_log("the next run publishes it");
    expect_state(stage, 3);
    expect_redis("none");
    model = stage->model;
    free(stage);
    stage = begin(5, &redis_address); /* the next run */
    stage->model = model;
    end_all_rings(stage);
    expect_end(stage, FLS_NEWS_COMMITTED, 0, 3);
    assert_int_equal(end(stage), 0);
    expect_redis("3");
    expect_state(stage, 3);
    leave(stage);
}

/* Redis goes, and comes back while the last epoch is offered to it again: the run has come to a
 * good end, of which the supervisor hears. */
static void redis_that_is_back_in_time(void **unused)
{
    char path[SCRATCH_PATH_MAX + 256];
    struct fls_redis_address where = {.unix_path = strcpy(path, scratch_path("redis"))};
    const struct fls_news *news;
    struct stage *stage;

    (void)unused;
    assert_int_equal(symlink(redis_address.unix_path, path), 0);
    stage = begin(10, &where);
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, false);
    push_barrier(stage, 0, false);
    push_barrier(stage, 1, false);
    hand_over(stage, 20, true);
    expect_end(stage, FLS_NEWS_COMMITTED, 1, 1);
    assert_int_equal(unlink(path), 0);
    redis_tell("CLIENT KILL TYPE normal SKIPME yes");
    tell_object(stage, 0, 2, FLS_RESULT_COUNTED, false);
    push_barrier(stage, 0, true);
    push_barrier(stage, 1, true);
    hand_over(stage, 20, true);
    expect_end(stage, FLS_NEWS_COMMITTED, 1, 0);
    expect_redis("1");
    assert_int_equal(symlink(redis_address.unix_path, path), 0);
    news = next_news(stage);
    assert_int_equal(news->kind, FLS_NEWS_COMMITTED);
    assert_int_equal(news->objects, 0);
    assert_int_equal(news->published, 2);
    assert_int_equal(end(stage), 0);
    expect_log("cannot publish now");
    expect_redis("2");
    expect_state(stage, 2);
    leave(stage);
}

static void neighbours_that_die_end_it(void **unused)
{
    struct stage *stage = begin(6, &redis_address);

    (void)unused;
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, false);
    push_barrier(stage, 0, false);
    push_barrier(stage, 1, false);
    close_fd(&stage->segments[0][1]); /* an aggregator dies */
    assert_int_equal(end(stage), FLS_EXIT_AGAIN);
    expect_log("aggregate 0 is gone");
    expect_state(stage, 0);
    free(stage);
    stage = begin(7, &redis_address);
    close_fd(&stage->news[0]); /* the supervisor does */
    tell_object(stage, 0, 1, FLS_RESULT_COUNTED, false);
    push_barrier(stage, 0, false);
    push_barrier(stage, 1, false);
    hand_over(stage, 20, true);
    assert_int_equal(end(stage), FLS_EXIT_AGAIN);
    expect_log("the supervisor is gone");
    expect_state(stage, 1); /* what was committed stays so */
    leave(stage);
}

static void damaged_state_is_told(void **unused)
{
    struct stage *stage;

    (void)unused;
    scratch_write("state.db", "no database, but a text that is long enough to be one", 50);
    stage = begin(8, &redis_address);
    assert_int_equal(end(stage), 1);
    expect_log("cannot use the state");
    leave(stage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, redis_scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(commits_epoch_after_epoch),    TEST(damaged_epochs_are_done_again),
        TEST(abandoned_objects_damage_too), TEST(without_redis_all_is_committed),
        TEST(neighbours_that_die_end_it),   TEST(damaged_state_is_told),
        TEST(trailing_bytes_are_told),      TEST(redis_that_is_back_in_time),
        TEST(takes_segments_at_any_time),   TEST(segments_of_the_next_epoch_wait),
        TEST(damaged_epochs_leave_no_rows),
    };

    return cmocka_run_group_tests(tests, redis_setup, redis_teardown);
}

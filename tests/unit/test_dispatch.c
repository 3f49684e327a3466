/* Handing out: turns, deaths, and what comes back; the test plays the ingests and publish. */
#include "scratch.h"

#include "base/array.h"
#include "shm/channel.h"
#include "supervise/dispatch.h"

#include <sys/stat.h>
#include <unistd.h>

#define OBJECTS 6U

struct stage {
    struct fls_topology topology;
    struct fls_dispatch dispatch;
    char path[OBJECTS][64];
};

static void stage_begin(struct stage *stage, uint32_t ingest_cnt)
{
    assert_int_equal(fls_topology_create(&stage->topology, ingest_cnt, 1), 0);
    fls_dispatch_init(&stage->dispatch);
    for (uint32_t i = 0; i < OBJECTS; i++) {
        struct fls_input input = {.size = 10 + i};

        snprintf(stage->path[i], sizeof(stage->path[i]), "%u.log", i);
        scratch_write(stage->path[i], "0123456789", 10);
        input.path = malloc(2 * sizeof(stage->path[i]));
        assert_non_null(input.path);
        strcpy(input.path, scratch_path(stage->path[i]));
        input.name = input.path + strlen(input.path) + 1;
        sprintf(input.name, "object %u", i);
        assert_true(fls_dispatch_add(&stage->dispatch, &input));
        assert_false(fls_dispatch_add(&stage->dispatch, &input)); /* it is there */
    }
}

static void stage_end(struct stage *stage)
{
    fls_dispatch_fini(&stage->dispatch);
    fls_topology_close(&stage->topology);
}

/* The work tells of its object, and the descriptor is one of it. */
static void assert_text(const struct stage *stage, const struct fls_work *work, int fd)
{
    const struct fls_input *input = &stage->dispatch.jobs.at[work->id].input;
    struct stat by_path, by_fd;

    assert_int_equal(work->size, 10);
    assert_string_equal(work->texts, input->name);
    assert_string_equal(work->texts + work->name_sz, input->path);
    assert_int_equal(stat(input->path, &by_path), 0);
    assert_int_equal(fstat(fd, &by_fd), 0);
    assert_int_equal(by_path.st_ino, by_fd.st_ino);
}

/* What the ingest was handed, as text "012"; the numbers of objects are those of their jobs here.
 */
static const char *handed(struct stage *stage, uint32_t ingest)
{
    static _Alignas(struct fls_work) uint8_t message[FLS_CHANNEL_MESSAGE_MAX];
    static char text[OBJECTS + 1];
    uint32_t cnt = 0, fd_cnt;
    int fds[FLS_CHANNEL_FDS_MAX];
    ssize_t sz;

    while ((sz = fls_channel_receive_all(stage->topology.work_channels[ingest][1], message,
                                         sizeof(message), fds, &fd_cnt)) > 0) {
        uint32_t fd = 0;

        for (size_t at = 0; at < (size_t)sz;) {
            struct fls_work *work = (struct fls_work *)(void *)(message + at);

            assert_text(stage, work, fds[fd]);
            assert_int_equal(work->open_error, 0);
            close(fds[fd++]);
            text[cnt++] = (char)('0' + work->id);
            at += fls_work_sz(work->name_sz, work->path_sz);
        }
        assert_int_equal(fd, fd_cnt);
    }
    text[cnt] = 0;
    return text;
}

static const char *hand_out(struct stage *stage, uint32_t ingest)
{
    assert_true(fls_dispatch_hand_out(&stage->dispatch, &stage->topology));
    return handed(stage, ingest);
}

/* The ingest has read these, in this epoch, and tells of all at once. */
static void read_all(struct stage *stage, uint32_t ingest, const char *objects, uint64_t epoch)
{
    struct fls_done dones[OBJECTS];
    uint32_t cnt = 0;

    for (; *objects; objects++)
        dones[cnt++] = (struct fls_done){.object_id = (uint64_t)(*objects - '0'), .epoch = epoch};
    assert_int_equal(fls_channel_send(stage->topology.work_channels[ingest][1], dones,
                                      cnt * sizeof(dones[0]), -1),
                     0);
    fls_dispatch_take_done(&stage->dispatch, &stage->topology, ingest, epoch - 1);
}

static void what_is_counted_leaves(void **unused)
{
    struct stage stage;

    (void)unused;
    stage_begin(&stage, 1);
    assert_string_equal(hand_out(&stage, 0), "012345");
    read_all(&stage, 0, "012", 1);
    read_all(&stage, 0, "34", 2);
    assert_int_equal(stage.dispatch.done_objects, 5);
    assert_true(fls_dispatch_fail(&stage.dispatch, 1));
    assert_false(fls_dispatch_fail(&stage.dispatch, 1)); /* was told */
    fls_dispatch_end_epoch(&stage.dispatch, 1);
    assert_int_equal(stage.dispatch.jobs.held, 3);
    assert_false(fls_dispatch_is_idle(&stage.dispatch)); /* 5 is being read */
    read_all(&stage, 0, "5", 2);
    assert_true(fls_dispatch_is_idle(&stage.dispatch));
    fls_dispatch_end_epoch(&stage.dispatch, 2);
    assert_int_equal(stage.dispatch.jobs.held, 0);
    assert_false(fls_dispatch_next_turn(&stage.dispatch));
    stage_end(&stage);
}

/* What does not fit into the channel now is handed out later, in the same order. */
static void full_channels_are_tried_again(void **unused)
{
    static uint8_t filling[FLS_CHANNEL_MESSAGE_MAX], taken[FLS_CHANNEL_MESSAGE_MAX];
    struct stage stage;
    int cnt = 0, fd;

    (void)unused;
    stage_begin(&stage, 1);
    while (fls_channel_try(stage.topology.work_channels[0][0], filling, sizeof(filling), NULL, 0) ==
           0)
        cnt++;
    assert_true(fls_dispatch_hand_out(&stage.dispatch, &stage.topology));
    assert_int_equal(stage.dispatch.fresh.cnt, OBJECTS);
    assert_true(stage.dispatch.lanes[0].cnt == 0 && stage.dispatch.lanes[0].bytes == 0);
    assert_int_equal(stage.dispatch.jobs.at[0].state, FLS_JOB_WAITING);
    for (; cnt > 0; cnt--)
        assert_int_equal(
            fls_channel_receive(stage.topology.work_channels[0][1], taken, sizeof(taken), &fd, 0),
            sizeof(taken));
    assert_string_equal(hand_out(&stage, 0), "012345");
    stage_end(&stage);
}

static void spoilt_objects_are_read_apart(void **unused)
{
    struct stage stage;

    (void)unused;
    stage_begin(&stage, 1);
    assert_string_equal(hand_out(&stage, 0), "012345");
    read_all(&stage, 0, "012", 1);
    fls_dispatch_redo(&stage.dispatch, 0);
    fls_dispatch_redo(&stage.dispatch, 2);
    fls_dispatch_end_epoch(&stage.dispatch, 1);   /* 1 was the damaged one */
    assert_string_equal(hand_out(&stage, 0), ""); /* what is ahead comes first */
    assert_false(fls_dispatch_may_get_more(&stage.dispatch));
    read_all(&stage, 0, "345", 2);
    assert_true(fls_dispatch_is_idle(&stage.dispatch));
    fls_dispatch_end_epoch(&stage.dispatch, 2);
    assert_true(fls_dispatch_next_turn(&stage.dispatch));
    assert_int_equal(stage.dispatch.turn, FLS_TURN_REDO);
    assert_string_equal(hand_out(&stage, 0), "02");
    assert_int_equal(stage.dispatch.done_objects, 4);
    read_all(&stage, 0, "02", 3);
    fls_dispatch_end_epoch(&stage.dispatch, 3);
    assert_int_equal(stage.dispatch.jobs.held, 0);
    assert_int_equal(stage.dispatch.done_objects, 6);
    stage_end(&stage);
}

static struct fls_ledger *ledger_with(const char *name)
{
    struct fls_object object = {.size = 10};
    struct fls_line_counts counts = {.lines = 1};
    struct fls_ledger *ledger;
    char text[256];

    snprintf(object.name, sizeof(object.name), "%s", name);
    assert_int_equal(fls_ledger_open(&ledger, scratch, false, text, sizeof(text)), 0);
    assert_int_equal(fls_ledger_begin(ledger), 0);
    assert_int_equal(fls_ledger_add_object(ledger, &object, &counts), 0);
    assert_int_equal(fls_ledger_commit(ledger, 1), 0);
    return ledger;
}

static void suspects_are_read_alone(void **unused)
{
    struct stage stage;
    struct fls_ledger *ledger = ledger_with("object 1"); /* whose news was lost */

    (void)unused;
    stage_begin(&stage, 2);
    assert_string_equal(hand_out(&stage, 0), "024");
    assert_string_equal(handed(&stage, 1), "135");
    read_all(&stage, 1, "1", 1);
    fls_dispatch_blame(&stage.dispatch, 0);
    assert_int_equal(fls_dispatch_recover(&stage.dispatch, ledger), 0);
    assert_int_equal(stage.dispatch.jobs.held, 5);
    assert_string_equal(hand_out(&stage, 0), "035"); /* in order again, without 1 */
    assert_string_equal(handed(&stage, 1), "24");
    read_all(&stage, 1, "2", 1);
    fls_dispatch_blame(&stage.dispatch, FLS_INGEST_MAX); /* 0 and 4 are open, 2 was read */
    assert_int_equal(fls_dispatch_recover(&stage.dispatch, ledger), 0);
    assert_string_equal(hand_out(&stage, 0), ""); /* 0 first, alone */
    assert_true(fls_dispatch_next_turn(&stage.dispatch));
    assert_int_equal(stage.dispatch.turn, FLS_TURN_ALONE);
    assert_string_equal(hand_out(&stage, 0), "0");
    assert_string_equal(handed(&stage, 1), "");
    fls_dispatch_give_up(&stage.dispatch);
    assert_int_equal(fls_dispatch_recover(&stage.dispatch, ledger), 0);
    assert_true(fls_dispatch_next_turn(&stage.dispatch));
    assert_string_equal(hand_out(&stage, 0), "24");
    assert_string_equal(handed(&stage, 1), "35");
    stage_end(&stage);
    fls_ledger_close(ledger);
}

static void assert_deaths(const struct stage *stage, const char *deaths)
{
    for (uint32_t i = 0; i < OBJECTS; i++)
        assert_int_equal(stage->dispatch.jobs.at[i].deaths, deaths[i] - '0');
}

/* Ingest 0 told of 0, and is done with 2 besides, before it read 4. */
static void what_is_done_and_not_told_is_not_blamed(void **unused)
{
    struct stage stage;

    (void)unused;
    stage_begin(&stage, 2);
    assert_string_equal(hand_out(&stage, 0), "024");
    assert_string_equal(handed(&stage, 1), "135");
    read_all(&stage, 0, "0", 1);
    fls_dispatch_note_begun(&stage.dispatch, 0, 4 + 1);
    fls_dispatch_blame(&stage.dispatch, 0);
    assert_deaths(&stage, "000010");
    fls_dispatch_note_begun(&stage.dispatch, 0, 2 + 1);
    fls_dispatch_note_begun(&stage.dispatch, 1, 3 + 1);
    fls_dispatch_blame(&stage.dispatch, FLS_INGEST_MAX); /* all that has records in the epoch */
    assert_deaths(&stage, "111110");
    fls_dispatch_note_begun(&stage.dispatch, 0, 5 + 1); /* that is not its own */
    fls_dispatch_note_begun(&stage.dispatch, 1, 0);
    fls_dispatch_blame(&stage.dispatch, 0);
    fls_dispatch_blame(&stage.dispatch, 1);
    assert_deaths(&stage, "122110"); /* the ones that they would read next */
    stage_end(&stage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_counted_leaves),
        TEST(full_channels_are_tried_again),
        TEST(spoilt_objects_are_read_apart),
        TEST(suspects_are_read_alone),
        TEST(what_is_done_and_not_told_is_not_blamed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

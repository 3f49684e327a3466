/* Handing out: turns, deaths, and what comes back; the test plays the ingests and publish. */
#include "scratch.h"

#include "base/array.h"
#include "shm/channel.h"
#include "supervise/dispatch.h"

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

/* What the ingest was handed, as text "012"; the numbers of objects are those of their jobs here.
 */
static const char *handed(struct stage *stage, uint32_t ingest)
{
    static struct fls_work work;
    static char text[OBJECTS + 1];
    uint32_t cnt = 0;
    int fd;

    while (fls_channel_receive(stage->topology.work_channels[ingest][1], &work, sizeof(work), &fd,
                               0) > 0) {
        assert_true(fd >= 0 && work.size == 10 && work.open_error == 0);
        close(fd);
        text[cnt++] = (char)('0' + work.id);
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
        TEST(spoilt_objects_are_read_apart),
        TEST(suspects_are_read_alone),
        TEST(what_is_done_and_not_told_is_not_blamed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Status from end to end: a supervisor process with real rings and pages answers, the command looks
 * and says who waits for whom. */
#include "scratch.h"

#include "supervise/status.h"

#include "base/clock.h"
#include "shm/bell.h"
#include "shm/metrics.h"
#include "shm/region.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* Nothing is to be left in the folder. */
static int tear_down(void **state)
{
    scratch[scratch_sz] = '\0';
    if (rmdir(scratch) == 0)
        return 0;
    scratch_teardown(state);
    return -1;
}

/* ---- processes ---- */

/* A process that only is there, until killed. */
static pid_t fork_idle(void)
{
    pid_t parent = getpid(), pid = fork();

    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent)
        pause();
    _exit(0);
}

static void end(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void stop(pid_t pid)
{
    int status;

    kill(pid, SIGSTOP);
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
}

struct stage {
    struct fls_topology topology;
    struct fls_status_totals totals;
    struct fls_metrics *metrics[FLS_PROCESSES_MAX];
    pid_t pids[FLS_PROCESSES_MAX];
    pid_t supervisor;
    int listen_fd;
};

static void stage_init(struct stage *stage, uint32_t ingest_cnt, uint32_t aggregate_cnt)
{
    char error[8192];

    *stage = (struct stage){.totals = {.begin_ns = fls_clock_ns() - 3 * FLS_NS_PER_S,
                                       .objects = 5,
                                       .objects_all = 12,
                                       .objects_failed = 1,
                                       .bytes = 1000,
                                       .bytes_all = 5000,
                                       .epoch_open = 2,
                                       .epoch_open_ns = fls_clock_ns() - 2 * FLS_NS_PER_S,
                                       .epoch_committed = 1,
                                       .epoch_committed_ns = fls_clock_ns() - FLS_NS_PER_S,
                                       .epoch_published = 41}};
    assert_int_equal(fls_topology_create(&stage->topology, ingest_cnt, aggregate_cnt), 0);
    stage->listen_fd = fls_status_listen(scratch, error, sizeof(error));
    assert_true(stage->listen_fd >= 0);
    for (uint32_t i = 0; i < stage->topology.process_cnt; i++) {
        stage->metrics[i] = fls_metrics_map(stage->topology.metrics_fds[i], true);
        fls_metric_set(&stage->metrics[i]->epoch, 2);
    }
}

static void stage_fork_roles(struct stage *stage)
{
    for (uint32_t i = 0; i < stage->topology.process_cnt; i++) {
        stage->pids[i] = fork_idle();
        fls_metric_set(&stage->metrics[i]->pid, (uint32_t)stage->pids[i]);
    }
}

/* Stands in for the supervisor: answers until killed, and counts a record of every process at each
 * answer and each millisecond. */
static void stage_fork_supervisor(struct stage *stage)
{
    pid_t parent = getpid();

    stage->supervisor = fork();
    assert_true(stage->supervisor >= 0);
    if (stage->supervisor > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent) {
        struct pollfd fd = {.fd = stage->listen_fd, .events = POLLIN};

        if (poll(&fd, 1, 1) > 0)
            fls_status_answer(stage->listen_fd, &stage->topology, &stage->totals);
        for (uint32_t i = 0; i < stage->topology.process_cnt; i++)
            fls_metric_add(&stage->metrics[i]->records, 1);
    }
    _exit(0);
}

static void stage_fini(struct stage *stage)
{
    if (stage->supervisor)
        end(stage->supervisor);
    for (uint32_t i = 0; i < stage->topology.process_cnt; i++) {
        if (stage->pids[i])
            end(stage->pids[i]);
        fls_region_unmap(stage->metrics[i], FLS_METRICS_SZ);
    }
    fls_topology_close(&stage->topology);
    fls_status_unlisten(stage->listen_fd, scratch);
}

/* ---- what the command prints ---- */

static char *print(enum fls_format format)
{
    char *text = NULL;
    size_t sz;
    FILE *out = open_memstream(&text, &sz);

    assert_non_null(out);
    assert_int_equal(fls_status_print(scratch, format, out), 0);
    assert_int_equal(fclose(out), 0);
    return text;
}

static json_t *print_json(void)
{
    char *text = print(FLS_FORMAT_JSON);
    json_t *root = json_loads(text, 0, NULL);

    assert_non_null(root);
    free(text);
    return root;
}

static int64_t number_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static double real_at(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    assert_true(json_is_number(value));
    return json_number_value(value);
}

static const char *text_at(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));

    assert_non_null(text);
    return text;
}

static json_t *process_at(const json_t *root, uint32_t number)
{
    json_t *process = json_array_get(json_object_get(root, "processes"), number);

    assert_true(json_is_object(process));
    return process;
}

static json_t *ring_at(const json_t *root, uint32_t number)
{
    json_t *ring = json_array_get(json_object_get(root, "rings"), number);

    assert_true(json_is_object(ring));
    return ring;
}

static void assert_name(const json_t *name, const char *role, int number)
{
    assert_string_equal(text_at(name, "role"), role);
    assert_int_equal(number_at(name, "number"), number);
}

static void assert_waits(const json_t *root, uint32_t process, const char *role, int number,
                         const char *why)
{
    const json_t *waits_for = json_object_get(process_at(root, process), "waits_for");

    if (!why) {
        assert_true(json_is_null(waits_for));
        return;
    }
    assert_string_equal(text_at(process_at(root, process), "state"), "waiting");
    assert_name(waits_for, role, number);
    assert_string_equal(text_at(waits_for, "why"), why);
}

/* ---- rings ---- */

static void fill(struct fls_ring *ring, uint32_t cnt)
{
    struct fls_producer producer;

    fls_producer_join(&producer, ring);
    for (uint32_t i = 0; i < cnt; i++)
        assert_non_null(fls_producer_next(&producer));
    fls_producer_flush(&producer);
    fls_producer_leave(&producer);
}

/* 2 ingests, 2 aggregates: ingest 0 stands before the full ring of aggregate 1, which is stopped;
 * ingest 1 has no work; aggregate 0 waits for ingest 0; publish waits for ingest 0's barrier, since
 * ingest 1 has come to it. */
static void stage_jam(struct stage *stage)
{
    stage_init(stage, 2, 2);
    stage_fork_roles(stage);
    fill(&stage->topology.record_rings[1], FLS_RECORD_RING_SLOTS);
    fill(&stage->topology.record_rings[2], 100);
    fls_metric_set(&stage->metrics[0]->output_to, 2);
    fls_metric_set(&stage->metrics[1]->input_from, 1);
    fls_metric_set(&stage->metrics[1]->epoch, 2);
    fls_metric_set(&stage->metrics[2]->input_from, 1);
    fls_metric_set(&stage->metrics[2]->rows, 77);
    fls_metric_set(&stage->metrics[2]->table_bytes, 8192);
    fls_metric_set(&stage->metrics[4]->input_from, 1);
    fls_metric_set(&stage->metrics[4]->epoch, 1);
    fls_metric_set(&stage->metrics[0]->epoch, 1);
    stop(stage->pids[3]);
    stage_fork_supervisor(stage);
}

static void assert_totals(const json_t *root, const struct stage *stage)
{
    const json_t *objects = json_object_get(root, "objects");
    const json_t *epoch = json_object_get(root, "epoch");

    assert_int_equal(number_at(root, "schema"), 1);
    assert_int_equal(number_at(json_object_get(root, "supervisor"), "pid"), stage->supervisor);
    assert_string_equal(text_at(json_object_get(root, "supervisor"), "state"), "working");
    assert_int_equal(number_at(objects, "done"), 5);
    assert_int_equal(number_at(objects, "all"), 12);
    assert_int_equal(number_at(objects, "failed"), 1);
    assert_int_equal(number_at(json_object_get(root, "bytes"), "all"), 5000);
    assert_int_equal(number_at(epoch, "open"), 2);
    assert_int_equal(number_at(epoch, "committed"), 1);
    assert_int_equal(number_at(epoch, "published"), 41);
    assert_true(real_at(epoch, "open_s") >= 2 && real_at(epoch, "committed_s") >= 1);
    assert_true(real_at(epoch, "open_s") > real_at(epoch, "committed_s"));
    assert_true(real_at(root, "running_s") >= 3);
    assert_true(real_at(root, "sample_s") >= 0.5);
}

static void test_json_says_who_waits_for_whom(void **state)
{
    struct stage stage;
    json_t *root;

    (void)state;
    stage_jam(&stage);
    root = print_json();
    assert_totals(root, &stage);
    assert_int_equal(json_array_size(json_object_get(root, "processes")), 5);
    assert_name(process_at(root, 3), "aggregate", 1);
    assert_name(process_at(root, 4), "publish", 0);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(number_at(process_at(root, i), "pid"), stage.pids[i]);
    assert_waits(root, 0, "aggregate", 1, "ring full");
    assert_waits(root, 1, "supervisor", 0, "no work");
    assert_waits(root, 2, "ingest", 0, "ring empty");
    assert_waits(root, 3, NULL, 0, NULL);
    assert_string_equal(text_at(process_at(root, 3), "state"), "stopped");
    assert_waits(root, 4, "ingest", 0, "barrier");
    assert_int_equal(number_at(process_at(root, 2), "rows"), 77);
    assert_int_equal(number_at(process_at(root, 2), "table_bytes"), 8192);
    assert_true(number_at(process_at(root, 0), "records_per_s") > 0);
    assert_true(number_at(process_at(root, 0), "memory_bytes") > 0);
    assert_true(real_at(process_at(root, 0), "cpu_percent") < 2);
    /* the wait that goes on has not been added up anywhere yet */
    assert_true(real_at(json_object_get(process_at(root, 0), "time"), "output") == 1);
    assert_true(real_at(json_object_get(process_at(root, 0), "time"), "work") == 0);
    json_decref(root);
    stage_fini(&stage);
}

static void test_json_shows_the_rings(void **state)
{
    struct stage stage;
    struct fls_consumer consumer;
    json_t *root;

    (void)state;
    stage_jam(&stage);
    fls_consumer_join(&consumer, &stage.topology.record_rings[0]);
    assert_true(fls_consumer_will_wait(&consumer));
    root = print_json();
    assert_int_equal(json_array_size(json_object_get(root, "rings")), 6);
    assert_name(json_object_get(ring_at(root, 0), "from"), "ingest", 0);
    assert_name(json_object_get(ring_at(root, 0), "to"), "aggregate", 0);
    assert_true(json_is_true(json_object_get(ring_at(root, 0), "consumer_sleeps")));
    assert_int_equal(number_at(ring_at(root, 0), "filled"), 0);
    assert_int_equal(number_at(ring_at(root, 1), "filled"), FLS_RECORD_RING_SLOTS);
    assert_int_equal(number_at(ring_at(root, 1), "slots"), FLS_RECORD_RING_SLOTS);
    assert_true(real_at(ring_at(root, 1), "filled_percent") == 100);
    assert_true(json_is_false(json_object_get(ring_at(root, 1), "consumer_sleeps")));
    assert_name(json_object_get(ring_at(root, 2), "from"), "ingest", 1);
    assert_int_equal(number_at(ring_at(root, 2), "filled"), 100);
    assert_name(json_object_get(ring_at(root, 5), "from"), "ingest", 1);
    assert_name(json_object_get(ring_at(root, 5), "to"), "publish", 0);
    assert_int_equal(number_at(ring_at(root, 5), "slots"), FLS_RESULT_RING_SLOTS);
    json_decref(root);
    fls_consumer_leave(&consumer);
    stage_fini(&stage);
}

static void test_publish_between_epochs(void **state)
{
    struct stage stage;
    json_t *root;

    (void)state;
    stage_init(&stage, 1, 2);
    stage_fork_roles(&stage);
    stage_fork_supervisor(&stage);
    /* all is read, one aggregate has handed its segment over */
    fls_metric_set(&stage.metrics[3]->epoch, 1);
    fls_metric_set(&stage.metrics[2]->epoch, 1);
    root = print_json();
    assert_waits(root, 3, "aggregate", 1, "segment");
    json_decref(root);
    fls_metric_set(&stage.metrics[2]->epoch, 2);
    root = print_json();
    assert_waits(root, 3, NULL, 0, NULL);
    assert_string_equal(text_at(process_at(root, 3), "state"), "committing");
    assert_string_equal(text_at(process_at(root, 0), "state"), "working");
    json_decref(root);
    stage_fini(&stage);
}

static void test_processes_come_and_go(void **state)
{
    struct stage stage;
    json_t *root;

    (void)state;
    stage_init(&stage, 1, 1);
    stage.totals.epoch_committed_ns = stage.totals.epoch_committed = 0;
    stage.pids[0] = fork_idle();
    fls_metric_set(&stage.metrics[0]->pid, (uint32_t)stage.pids[0]);
    end(stage.pids[0]);
    stage.pids[0] = 0;
    stage_fork_supervisor(&stage);
    root = print_json();
    assert_string_equal(text_at(process_at(root, 0), "state"), "ended");
    assert_string_equal(text_at(process_at(root, 1), "state"), "starting");
    assert_true(json_is_null(json_object_get(json_object_get(root, "epoch"), "committed_s")));
    json_decref(root);
    stage_fini(&stage);
}

static void test_text_says_it_in_words(void **state)
{
    struct stage stage;
    char *text;

    (void)state;
    stage_jam(&stage);
    text = print(FLS_FORMAT_TEXT);
    assert_non_null(strstr(text, "objects  5 of 12, 1 failed; 1,000 B of 5,000 B read\n"));
    assert_non_null(strstr(text, "epoch    2 open for 2."));
    assert_non_null(strstr(text, "; Redis shows epoch 41\n"));
    assert_non_null(strstr(text, "ingest 0 -> aggregate 1         8,192    100.0"));
    assert_non_null(strstr(text,
                           "\ningest 0 waits for aggregate 1 (its ring is full)\n"
                           "ingest 1 waits for work\n"
                           "aggregate 0 waits for ingest 0 (its ring is empty)\n"
                           "aggregate 1 is stopped (signal)\n"
                           "publish waits for ingest 0 (it has not come to the epoch's end)\n"));
    free(text);
    stage_fini(&stage);
}

/* ---- the socket ---- */

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int at = fls_status_address(path, &address);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    assert_true(at >= 0 && fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(at);
    return fd;
}

/* Everything fits into the socket's buffer, so whoever does not read costs the supervisor nothing;
 * the same thread answers here, so that it would hang if it waited. */
static void test_client_that_never_reads(void **state)
{
    struct stage stage;
    int clients[8];
    json_t *root;

    (void)state;
    stage_init(&stage, 4, 4);
    for (int i = 0; i < 8; i++)
        clients[i] = connect_to(scratch);
    for (int i = 0; i < 3; i++)
        fls_status_answer(stage.listen_fd, &stage.topology, &stage.totals);
    stage_fork_supervisor(&stage);
    root = print_json();
    assert_int_equal(json_array_size(json_object_get(root, "rings")), 20);
    json_decref(root);
    for (int i = 0; i < 8; i++)
        close(clients[i]);
    stage_fini(&stage);
}

static void test_client_that_has_gone(void **state)
{
    struct stage stage;

    (void)state;
    stage_init(&stage, 1, 1);
    close(connect_to(scratch));
    fls_status_answer(stage.listen_fd, &stage.topology, &stage.totals);
    fls_status_answer(stage.listen_fd, &stage.topology, &stage.totals); /* nobody */
    stage_fini(&stage);
}

/* The largest pipeline there can be has 8,449 descriptors to hand out. Its rings would take 2 GB:
 * here all of them are the same one. */
static void test_largest_topology(void **state)
{
    static struct fls_ring rings[FLS_INGEST_MAX * FLS_AGGREGATE_MAX];
    struct rlimit limit;
    struct stage stage;
    struct fls_topology small;
    json_t *root;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < 10000)
        skip();
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    stage_init(&stage, 1, 1);
    small = stage.topology;
    stage.topology.ingest_cnt = FLS_INGEST_MAX;
    stage.topology.aggregate_cnt = FLS_AGGREGATE_MAX;
    stage.topology.process_cnt = FLS_PROCESSES_MAX;
    for (uint32_t i = 0; i < FLS_INGEST_MAX * FLS_AGGREGATE_MAX; i++)
        rings[i] = small.record_rings[0];
    for (uint32_t i = 0; i < FLS_PROCESSES_MAX; i++) {
        stage.topology.metrics_read_fds[i] = small.metrics_read_fds[0];
        stage.metrics[i] = stage.metrics[0];
    }
    stage.topology.record_rings = stage.topology.result_rings = rings;
    stage_fork_supervisor(&stage);
    root = print_json();
    assert_int_equal(json_array_size(json_object_get(root, "processes")), 129);
    assert_int_equal(json_array_size(json_object_get(root, "rings")), 64 * 64 + 64);
    json_decref(root);
    stage.topology = small;
    stage.metrics[1] = fls_metrics_map(small.metrics_fds[1], true);
    stage.metrics[2] = fls_metrics_map(small.metrics_fds[2], true);
    stage_fini(&stage);
}

static void assert_no_run(void)
{
    FILE *out = tmpfile();

    assert_non_null(out);
    assert_int_equal(fls_status_print(scratch, FLS_FORMAT_JSON, out), 1);
    assert_int_equal(ftell(out), 0);
    fclose(out);
}

static void test_no_run_alive(void **state)
{
    char error[8192];
    int fd;

    (void)state;
    assert_no_run();
    fd = fls_status_listen(scratch, error, sizeof(error));
    assert_true(fd >= 0);
    close(fd); /* killed: the socket's file stays */
    assert_no_run();
    fd = fls_status_listen(scratch, error, sizeof(error));
    assert_true(fd >= 0);
    fls_status_unlisten(fd, scratch);
    assert_no_run();
    assert_int_equal(rmdir(scratch), 0);
    assert_no_run(); /* not even the folder */
    assert_int_equal(mkdir(scratch, 0700), 0);
}

/* A supervisor that dies before it answers. */
static void test_run_ends_meanwhile(void **state)
{
    char error[8192];
    int fd;
    pid_t pid;

    (void)state;
    fd = fls_status_listen(scratch, error, sizeof(error));
    assert_true(fd >= 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};

        poll(&wait, 1, 10000);
        _exit(0);
    }
    close(fd);
    assert_no_run();
    end(pid);
    fd = fls_status_listen(scratch, error, sizeof(error));
    fls_status_unlisten(fd, scratch);
}

static void test_permissions_and_long_paths(void **state)
{
    static const char name[] = "/a-folder-whose-path-does-not-fit-into-the-address-of-a-socket-"
                               "since-it-has-more-than-one-hundred-and-seven-bytes";
    char error[8192], path[8192];
    struct stat status;
    int fd;

    (void)state;
    strcat(scratch, name);
    assert_int_equal(mkdir(scratch, 0700), 0);
    fd = fls_status_listen(scratch, error, sizeof(error));
    assert_true(fd >= 0);
    snprintf(path, sizeof(path), "%s/%s", scratch, FLS_STATUS_SOCKET);
    assert_int_equal(lstat(path, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0777, 0600);
    close(connect_to(scratch));
    fls_status_unlisten(fd, scratch);
    assert_int_equal(lstat(path, &status), -1);
    assert_int_equal(rmdir(scratch), 0);
    assert_int_equal(fls_status_listen(scratch, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, FLS_STATUS_SOCKET));
}

/* What is handed out can be read, and nothing else. */
static void test_descriptors_are_read_only(void **state)
{
    struct stage stage;
    char message[sizeof(struct fls_status_hello)];
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * FLS_STATUS_PART_MAX)];
    struct iovec part = {.iov_base = message, .iov_len = sizeof(message)};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    struct cmsghdr *rights;
    int fds[7], client;

    (void)state;
    stage_init(&stage, 1, 1);
    client = connect_to(scratch);
    fls_status_answer(stage.listen_fd, &stage.topology, &stage.totals);
    assert_int_equal(recvmsg(client, &header, 0), sizeof(message));
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    assert_int_equal(recvmsg(client, &header, MSG_CMSG_CLOEXEC), sizeof(struct fls_status_part));
    rights = CMSG_FIRSTHDR(&header);
    assert_non_null(rights);
    assert_int_equal(rights->cmsg_len, CMSG_LEN(sizeof(fds))); /* 3 pages, 2 rings of 2 halves */
    memcpy(fds, CMSG_DATA(rights), sizeof(fds));
    for (int i = 0; i < 7; i++) {
        assert_int_equal(fcntl(fds[i], F_GETFL) & O_ACCMODE, O_RDONLY);
        close(fds[i]);
    }
    assert_int_equal(recv(client, message, sizeof(message), 0), 0); /* that was all */
    close(client);
    stage_fini(&stage);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_json_says_who_waits_for_whom),
        TEST(test_json_shows_the_rings),
        TEST(test_publish_between_epochs),
        TEST(test_processes_come_and_go),
        TEST(test_text_says_it_in_words),
        TEST(test_client_that_never_reads),
        TEST(test_client_that_has_gone),
        TEST(test_largest_topology),
        TEST(test_no_run_alive),
        TEST(test_run_ends_meanwhile),
        TEST(test_permissions_and_long_paths),
        TEST(test_descriptors_are_read_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

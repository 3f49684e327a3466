/* The private redis-server: what it leaves behind, what it survives, who may see it. */
#include "scratch.h"

#include "base/clock.h"
#include "base/redis.h"
#include "supervise/private_redis.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

/* The names in the folder, in order, with a blank after each. */
static const char *files(void)
{
    static char names[1024];
    struct dirent **entries;
    int cnt = scandir(scratch, &entries, NULL, alphasort);

    names[0] = '\0';
    assert_true(cnt >= 0);
    for (int i = 0; i < cnt; i++) {
        if (entries[i]->d_name[0] != '.') {
            strcat(names, entries[i]->d_name);
            strcat(names, " ");
        }
        free(entries[i]);
    }
    free(entries);
    return names;
}

static void start(struct fls_private_redis *server)
{
    char error[512] = "";
    int status = fls_private_redis_start(server, scratch, error, sizeof(error));

    if (status)
        fail_msg("%d: %s", status, error);
}

static void start_aside(struct fls_private_redis *server)
{
    char error[512] = "";
    int status = fls_private_redis_start_aside(server, scratch, error, sizeof(error));

    if (status)
        fail_msg("%d: %s", status, error);
}

static redisContext *connect_to(const struct fls_private_redis *server)
{
    struct fls_redis_address address;
    char error[512] = "";
    redisContext *context;

    assert_int_equal(fls_redis_address_parse(server->url, &address, error, sizeof(error)), 0);
    context = fls_redis_connect(&address, error, sizeof(error));
    if (!context)
        fail_msg("%s", error);
    fls_redis_address_fini(&address);
    return context;
}

/* hiredis's formats */
static void command(const struct fls_private_redis *server, const char *expected,
                    const char *format, ...)
{
    redisContext *context = connect_to(server);
    va_list arguments;
    redisReply *reply;

    va_start(arguments, format);
    reply = redisvCommand(context, format, arguments);
    va_end(arguments);
    assert_non_null(reply);
    if (expected)
        assert_string_equal(reply->str, expected);
    else
        assert_int_equal(reply->type, REDIS_REPLY_NIL);
    freeReplyObject(reply);
    redisFree(context);
}

/* Waits for the end of a process that is not a child. */
static void wait_for_end_of(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    struct pollfd process = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    assert_int_equal(poll(&process, 1, 20000), 1);
    close(fd);
}

/* ---- Tests ---- */

static void keeps_the_view_and_nothing_else(void **state)
{
    struct fls_private_redis server;
    struct stat about;

    (void)state;
    start(&server);
    assert_string_equal(files(), "redis.sock ");
    assert_int_equal(stat(scratch_path("redis.sock"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0700);
    command(&server, "OK", "SET a 1");
    fls_private_redis_stop(&server);
    assert_string_equal(files(), "view.rdb ");
    assert_int_equal(stat(scratch_path("view.rdb"), &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    fls_private_redis_stop(&server); /* nothing */
    start(&server);
    command(&server, "1", "GET a");
    fls_private_redis_stop(&server);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child */
}

static void listens_on_its_socket_only(void **state)
{
    struct fls_private_redis server;
    redisContext *context;
    redisReply *reply;

    (void)state;
    start(&server);
    context = connect_to(&server);
    reply = redisCommand(context, "CONFIG GET port");
    assert_string_equal(reply->element[1]->str, "0");
    freeReplyObject(reply);
    reply = redisCommand(context, "CONFIG GET save");
    assert_string_equal(reply->element[1]->str, "");
    freeReplyObject(reply);
    redisFree(context);
    assert_int_equal(getsid(server.pid), server.pid); /* not of our terminal */
    fls_private_redis_stop(&server);
}

/* Neither a blocked or ignored SIGTERM nor our descriptors are passed on. */
static void inherits_nothing(void **state)
{
    struct fls_private_redis server;
    int pipe_ends[2], status;
    char path[64], byte;
    sigset_t term, old;

    (void)state;
    assert_int_equal(pipe(pipe_ends), 0); /* without O_CLOEXEC */
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, &old);
    signal(SIGTERM, SIG_IGN);
    start(&server);
    close(pipe_ends[1]);
    assert_int_equal(read(pipe_ends[0], &byte, 1), 0); /* nobody else holds its other end */
    close(pipe_ends[0]);
    for (int fd = 0; fd < 3; fd++) {
        char target[64] = "";

        snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)server.pid, fd);
        assert_true(readlink(path, target, sizeof(target) - 1) > 0);
        assert_non_null(strstr(target, fd ? "/memfd:redis-server" : "/dev/null"));
    }
    kill(server.pid, SIGTERM);
    assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
    assert_true(WIFEXITED(status));
    assert_string_equal(files(), ""); /* it removed its socket, and did not save */
    fls_private_redis_stop(&server);  /* somebody else took its status: no matter */
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

static void ends_with_its_starter(void **state)
{
    struct fls_private_redis server;
    int ends[2];
    pid_t child, pid;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        char error[512];

        if (fls_private_redis_start(&server, scratch, error, sizeof(error)) != 0 ||
            write(ends[1], &server.pid, sizeof(server.pid)) != sizeof(server.pid))
            _exit(1);
        pause();
    }
    assert_int_equal(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
    kill(child, SIGKILL);
    /* A new one waits for the old one's end, which would remove its socket else. */
    assert_int_equal(waitpid(child, NULL, 0), child);
    start(&server);
    command(&server, "PONG", "PING");
    wait_for_end_of(pid);
    assert_string_equal(files(), "redis.sock ");
    fls_private_redis_stop(&server);
    close(ends[0]);
    close(ends[1]);
}

static void cleans_up_after_a_killed_one(void **state)
{
    struct fls_private_redis server;

    (void)state;
    start(&server);
    command(&server, "OK", "SET a 1");
    kill(server.pid, SIGKILL);
    wait_for_end_of(server.pid);
    assert_string_equal(files(), "redis.sock ");
    fls_private_redis_stop(&server);
    assert_string_equal(files(), "");
    scratch_write("redis.sock", "", 0);
    scratch_write("temp-123.rdb", "half", 4);
    scratch_write("temp-x.rdb", "not ours", 8);
    scratch_write("redis-report-2147483647.sock", "", 0);
    start(&server);
    command(&server, NULL, "GET a");
    assert_string_equal(files(), "redis.sock temp-x.rdb ");
    fls_private_redis_stop(&server);
    assert_string_equal(files(), "temp-x.rdb view.rdb ");
}

static void does_without_a_corrupt_view(void **state)
{
    static const char *const texts[] = {"", "no rdb at all", "REDIS0010\xfa\x09redis-ver\x06"};
    struct fls_private_redis server, aside;

    (void)state;
    for (int i = 0; i < 3; i++) {
        scratch_write(FLS_PRIVATE_DUMP, texts[i], strlen(texts[i]));
        start_aside(&aside);
        command(&aside, NULL, "GET a");
        fls_private_redis_stop(&aside);
        assert_string_equal(files(), "view.rdb "); /* left as it is */
        start(&server);
        command(&server, "OK", "SET a 1");
        fls_private_redis_stop(&server);
        assert_string_equal(files(), "view.rdb ");
        start(&server);
        command(&server, "1", "GET a");
        fls_private_redis_stop(&server);
    }
}

static void works_in_long_paths(void **state)
{
    struct fls_private_redis server, found;
    char name[101], path[4096];

    (void)state;
    memset(name, 'd', 100);
    name[100] = '\0';
    for (int i = 0; i < 5; i++) {
        snprintf(path, sizeof(path), "%.3900s/%s", scratch, name);
        assert_int_equal(mkdir(path, 0700), 0);
        strcpy(scratch, path);
    }
    start(&server);
    assert_non_null(strstr(server.url, "/proc/self/fd/"));
    command(&server, "OK", "SET a 1");
    assert_int_equal(fls_private_redis_find(&found, scratch), 0);
    command(&found, "1", "GET a");
    fls_private_redis_stop(&found);
    fls_private_redis_stop(&server);
    start_aside(&server);
    command(&server, "1", "GET a");
    fls_private_redis_stop(&server);
    assert_string_equal(files(), "view.rdb ");
}

static void works_in_odd_paths(void **state)
{
    struct fls_private_redis server;

    (void)state;
    strcat(scratch, "/a b%20?#ä");
    assert_int_equal(mkdir(scratch, 0700), 0);
    start(&server);
    command(&server, "OK", "SET a 1");
    fls_private_redis_stop(&server);
}

static void readers_hurt_nobody(void **state)
{
    struct fls_private_redis server, first, found;
    int ends[2], back[2];
    int status;
    char byte = 0;
    pid_t child;

    (void)state;
    assert_int_equal(fls_private_redis_find(&found, scratch), -ENOENT);
    start(&server);
    command(&server, "OK", "SET a 1");
    fls_private_redis_stop(&server);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(back), 0);
    child = fork(); /* a second reader */
    if (child == 0) {
        char error[512];

        status = fls_private_redis_start_aside(&first, scratch, error, sizeof(error));
        if (write(ends[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            status = 1;
        command(&first, "1", "GET a");
        fls_private_redis_stop(&first);
        _exit(status ? 1 : 0);
    }
    start_aside(&first);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_int_equal(fls_private_redis_find(&found, scratch), -ENOENT);
    start(&server); /* a run beside both */
    command(&first, "1", "GET a");
    command(&first, "OK", "SET a 2"); /* its own */
    command(&server, "1", "GET a");
    command(&server, "OK", "SET a 3");
    fls_private_redis_stop(&first);
    assert_int_equal(write(back[1], &byte, 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(fls_private_redis_find(&found, scratch), 0);
    command(&found, "3", "GET a");
    fls_private_redis_stop(&found); /* not the server that it found */
    command(&server, "3", "GET a");
    assert_string_equal(files(), "redis.sock view.rdb ");
    fls_private_redis_stop(&server);
    assert_string_equal(files(), "view.rdb ");
    start(&server);
    command(&server, "3", "GET a");
    fls_private_redis_stop(&server);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(back[i]);
    }
}

static void says_what_is_missing(void **state)
{
    struct fls_private_redis server;
    char error[512] = "", *path = strdup(getenv("PATH"));

    (void)state;
    setenv("PATH", scratch, 1);
    assert_int_equal(fls_private_redis_start(&server, scratch, error, sizeof(error)), -ENOENT);
    assert_non_null(strstr(error, "not installed"));
    assert_string_equal(files(), "");
    setenv("PATH", path, 1);
    free(path);
    assert_int_equal(fls_private_redis_start(&server, "/nonexistent", error, sizeof(error)),
                     -ENOENT);
    assert_non_null(strstr(error, "/nonexistent"));
    fls_private_redis_stop(&server);
}

/* Where a password is in the environment for another Redis, the private one is still reached. */
static void minds_no_password(void **state)
{
    struct fls_private_redis server;

    (void)state;
    setenv("FLOWLOG_REDIS_PASSWORD", "for another", 1);
    start(&server);
    command(&server, "PONG", "PING");
    fls_private_redis_stop(&server);
    unsetenv("FLOWLOG_REDIS_PASSWORD");
}

static void authenticates(void **state)
{
    struct fls_private_redis server;
    struct fls_redis_address address;
    char error[512] = "";

    (void)state;
    start(&server);
    command(&server, "OK", "ACL SETUSER me on >secret ~* +@all");
    command(&server, "OK", "CONFIG SET requirepass word");
    assert_int_equal(fls_redis_address_parse(server.url, &address, error, sizeof(error)), 0);
    assert_null(fls_redis_connect(&address, error, sizeof(error)));
    assert_non_null(strstr(error, "FLOWLOG_REDIS_PASSWORD"));
    address.password = strdup("wrong");
    assert_null(fls_redis_connect(&address, error, sizeof(error)));
    assert_null(strstr(error, "wrong "));
    free(address.password);
    address.password = strdup("word");
    redisFree(fls_redis_connect(&address, error, sizeof(error)));
    address.user = strdup("me");
    assert_null(fls_redis_connect(&address, error, sizeof(error)));
    free(address.password);
    address.password = strdup("secret");
    for (int database = 0; database < 2; database++) {
        redisContext *context;

        address.database = database;
        context = fls_redis_connect(&address, error, sizeof(error));
        assert_true((context != NULL) == (database == 0)); /* it has only one */
        redisFree(context);
    }
    fls_redis_address_fini(&address);
    kill(server.pid, SIGTERM); /* our stop has no password */
    fls_private_redis_stop(&server);
    assert_string_equal(files(), "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_view_and_nothing_else),
        TEST(listens_on_its_socket_only),
        TEST(inherits_nothing),
        TEST(ends_with_its_starter),
        TEST(cleans_up_after_a_killed_one),
        TEST(does_without_a_corrupt_view),
        TEST(works_in_long_paths),
        TEST(works_in_odd_paths),
        TEST(readers_hurt_nobody),
        TEST(says_what_is_missing),
        TEST(minds_no_password),
        TEST(authenticates),
    };

    unsetenv("FLOWLOG_REDIS_PASSWORD_FILE");
    unsetenv("FLOWLOG_REDIS_PASSWORD");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

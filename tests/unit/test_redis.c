/* URLs of Redis, passwords from outside, and what error replies mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/redis_cluster.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct expected {
    const char *url, *unix_path, *host;
    int port, database;
    const char *user, *password, *text;
};

static void expect_text(const char *got, const char *expected)
{
    if (!expected)
        assert_null(got);
    else
        assert_string_equal(got ? got : "(null)", expected);
}

static void reads_urls(void **state)
{
    static const struct expected good[] = {
        {"unix:///run/redis.sock", "/run/redis.sock", NULL, 6379, 0, NULL, NULL,
         "unix:///run/redis.sock"},
        {"unix:///a%20b%3fc?db=12", "/a b?c", NULL, 6379, 12, NULL, NULL, "unix:///a b?c?db=12"},
        {"redis://h", NULL, "h", 6379, 0, NULL, NULL, "redis://h:6379/0"},
        {"REDIS://h/", NULL, "h", 6379, 0, NULL, NULL, "redis://h:6379/0"},
        {"redis://h:1/3", NULL, "h", 1, 3, NULL, NULL, "redis://h:1/3"},
        {"redis://[::1]:65535/15", NULL, "::1", 65535, 15, NULL, NULL, "redis://[::1]:65535/15"},
        {"redis://[fe80::1]", NULL, "fe80::1", 6379, 0, NULL, NULL, "redis://[fe80::1]:6379/0"},
        {"redis://:secret@h", NULL, "h", 6379, 0, NULL, "secret", "redis://h:6379/0"},
        {"redis://me:p%40ss%2F%3a@h:7", NULL, "h", 7, 0, "me", "p@ss/:", "redis://h:7/0"},
        {"redis://me:a:b@c@h", NULL, "h", 6379, 0, "me", "a:b@c", "redis://h:6379/0"},
        {"redis://me@h", NULL, "h", 6379, 0, "me", NULL, "redis://h:6379/0"},
        {"redis://me:@h", NULL, "h", 6379, 0, "me", NULL, "redis://h:6379/0"},
    };
    char error[256], text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct fls_redis_address got;

        assert_int_equal(fls_redis_address_parse(good[i].url, &got, error, sizeof(error)), 0);
        expect_text(got.unix_path, good[i].unix_path);
        expect_text(got.host, good[i].host);
        expect_text(got.user, good[i].user);
        expect_text(got.password, good[i].password);
        assert_int_equal(got.port, good[i].port);
        assert_int_equal(got.database, good[i].database);
        fls_redis_address_text(&got, text, sizeof(text));
        assert_string_equal(text, good[i].text);
        fls_redis_address_fini(&got);
    }
}

static void refuses_urls(void **state)
{
    static const char *const bad[] = {
        "",
        "localhost:6379",
        "/run/redis.sock",
        "rediss://:secret@h",
        "http://h",
        "unix://run/redis.sock",
        "unix://",
        "unix:///a%2",
        "unix:///a%00b",
        "unix:///a?db=",
        "unix:///a?db=-1",
        "unix:///a?db=1x",
        "unix:///a?db=99999999999",
        "unix:///a?database=1",
        "redis://",
        "redis://:6379",
        "redis://h:",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:6379x",
        "redis://h:+1",
        "redis://::1",
        "redis://[::1",
        "redis://[::1]6379",
        "redis://h/x",
        "redis://h/1/2",
        "redis://h?db=1",
        "redis://:secret@",
        "redis://:secret%@h",
        "redis://:secret%0@h",
        "redis://:secret%zz@h",
        "redis://:secret/@h",
        "redis://:secret#1@h",
        "redis://:sec?secret@h:1",
        "redis://secret%:x@h",
    };
    struct fls_redis_address got;
    char error[256];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        error[0] = '\0';
        if (fls_redis_address_parse(bad[i], &got, error, sizeof(error)) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
        assert_true(error[0] != '\0');
        assert_null(strstr(error, "secret"));
        assert_null(got.host);
        assert_null(got.password);
    }
}

static void expect_password(const char *url, const char *password)
{
    struct fls_redis_address got;
    char error[256];

    assert_int_equal(fls_redis_address_parse(url, &got, error, sizeof(error)), 0);
    expect_text(got.password, password);
    fls_redis_address_fini(&got);
}

static void write_file(const char *path, const char *text, size_t sz)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, sz, file), sz);
    fclose(file);
}

static void takes_passwords_from_outside(void **state)
{
    char path[] = "/tmp/test_redis.XXXXXX", error[512];
    static char large[FLS_REDIS_PASSWORD_MAX];
    struct fls_redis_address got;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    setenv("FLOWLOG_REDIS_PASSWORD", "from env", 1);
    expect_password("redis://h", "from env");
    expect_password("unix:///s", "from env");
    expect_password("redis://:own@h", "own");
    setenv("FLOWLOG_REDIS_PASSWORD_FILE", path, 1);
    expect_password("redis://h", NULL); /* an empty file is no password */
    write_file(path, "from file\r\nand more", 19);
    expect_password("redis://h", "from file");
    memset(large, 'x', sizeof(large));
    write_file(path, large, sizeof(large) - 1);
    assert_int_equal(fls_redis_address_parse("redis://h", &got, error, sizeof(error)), 0);
    assert_int_equal(strlen(got.password), sizeof(large) - 1);
    fls_redis_address_fini(&got);
    write_file(path, large, sizeof(large));
    assert_int_equal(fls_redis_address_parse("redis://h", &got, error, sizeof(error)), -EINVAL);
    unlink(path);
    assert_int_equal(fls_redis_address_parse("redis://h", &got, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, path));
    unsetenv("FLOWLOG_REDIS_PASSWORD_FILE");
    unsetenv("FLOWLOG_REDIS_PASSWORD");
}

static void explains_replies(void **state)
{
    static const struct {
        const char *reply;
        int error;
    } cases[] = {{"LOADING Redis is loading the dataset in memory", -EAGAIN},
                 {"BUSY Redis is busy running a script.", -EAGAIN},
                 {"MASTERDOWN Link with MASTER is down", -EAGAIN},
                 {"TRYAGAIN Multiple keys request during rehashing of slot", -EAGAIN},
                 {"ASK 3999 127.0.0.1:6381", -EAGAIN},
                 {"CLUSTERDOWN Hash slot not served", -EAGAIN},
                 {"ERR max number of clients reached", -EAGAIN},
                 {"MOVED 3999 127.0.0.1:6381", -EREMOTE},
                 {"READONLY You can't write against a read only replica.", -EROFS},
                 {"MISCONF Redis is configured to save RDB snapshots", -EROFS},
                 {"NOREPLICAS Not enough good replicas to write.", -EROFS},
                 {"OOM command not allowed when used memory > 'maxmemory'.", -ENOMEM},
                 {"NOAUTH Authentication required.", -EACCES},
                 {"WRONGPASS invalid username-password pair or user is disabled.", -EACCES},
                 {"NOPERM this user has no permissions", -EACCES},
                 {"DENIED Redis is running in protected mode", -EACCES},
                 {"EXECABORT Transaction discarded because of previous errors.", -ECANCELED},
                 {"CROSSSLOT Keys in request don't hash to the same slot", -EPROTO},
                 {"ERR SELECT is not allowed in cluster mode", -EINVAL},
                 {"ERR DB index is out of range", -EINVAL},
                 {"ERR unknown command 'UNLINK'", -EPROTO},
                 {"BUSY", -EAGAIN},
                 {"OOMX", -EIO},
                 {"BUSYGROUP Consumer Group name already exists", -EIO},
                 {"ERR no such key", -EIO},
                 {"", -EIO}};
    char text[512];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fls_redis_error(cases[i].reply, text, sizeof(text)), cases[i].error);
        assert_non_null(strstr(text, cases[i].reply));
    }
}

static void reads_where_keys_have_moved(void **state)
{
    static const struct {
        const char *reply, *host;
        int port;
    } cases[] = {{"MOVED 3999 127.0.0.1:6381", "127.0.0.1", 6381},
                 {"MOVED 0 ::1:6381", "::1", 6381},
                 {"MOVED 16383 fe80::1%eth0:1", "fe80::1%eth0", 1},
                 {"MOVED 3999 node-1.example:65535", "node-1.example", 65535},
                 {"MOVED 3999 :6381", "", 6381}, /* the host that said it */
                 {"MOVED 3999 h:6381 and=more", "h", 6381},
                 {"MOVED 3999 ?:6381", NULL, 0},
                 {"MOVED 3999 h:0", NULL, 0},
                 {"MOVED 3999 h:65536", NULL, 0},
                 {"MOVED 3999 h:", NULL, 0},
                 {"MOVED 3999 h:1x", NULL, 0},
                 {"MOVED 3999 h", NULL, 0},
                 {"MOVED 3999", NULL, 0},
                 {"MOVED", NULL, 0},
                 {"ASK 3999 h:6381", NULL, 0}};
    char long_host[600] = "MOVED 1 ", host[FLS_REDIS_HOST_MAX];
    int port;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_read = fls_redis_moved(cases[i].reply, host, &port);

        if (is_read != (cases[i].host != NULL))
            fail_msg("%s", cases[i].reply);
        if (!is_read)
            continue;
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
    }
    memset(long_host + 8, 'h', FLS_REDIS_HOST_MAX);
    strcpy(long_host + 8 + FLS_REDIS_HOST_MAX, ":1");
    assert_false(fls_redis_moved(long_host, host, &port));
    strcpy(long_host + 8 + FLS_REDIS_HOST_MAX - 1, ":1");
    assert_true(fls_redis_moved(long_host, host, &port));
    assert_int_equal(strlen(host), FLS_REDIS_HOST_MAX - 1);
}

static void says_why_it_cannot_connect(void **state)
{
    char path[200], error[512] = "";
    char missing[] = "/nonexistent/redis.sock";
    struct fls_redis_address nowhere = {.unix_path = missing};

    (void)state;
    assert_null(fls_redis_connect(&nowhere, error, sizeof(error)));
    assert_non_null(strstr(error, "/nonexistent/redis.sock"));
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[FLS_REDIS_SOCKET_PATH_MAX] = '\0';
    nowhere.unix_path = path;
    assert_null(fls_redis_connect(&nowhere, error, sizeof(error)));
    assert_non_null(strstr(error, "107"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_urls),
        cmocka_unit_test(refuses_urls),
        cmocka_unit_test(takes_passwords_from_outside),
        cmocka_unit_test(explains_replies),
        cmocka_unit_test(reads_where_keys_have_moved),
        cmocka_unit_test(says_why_it_cannot_connect),
    };

    unsetenv("FLOWLOG_REDIS_PASSWORD_FILE");
    unsetenv("FLOWLOG_REDIS_PASSWORD");
    return cmocka_run_group_tests(tests, NULL, NULL);
}

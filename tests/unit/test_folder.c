/* The state folder: its default, making it, and the lock on it across processes. */
#include "scratch.h"

#include "state/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/wait.h>

static char error[1024];

static void test_default(void **state)
{
    char *folder;

    (void)state;
    setenv("XDG_STATE_HOME", "/x/state", 1);
    setenv("HOME", "/home/someone", 1);
    folder = fls_folder_default();
    assert_string_equal(folder, "/x/state/flowlog-stats");
    free(folder);
    setenv("XDG_STATE_HOME", "relative", 1);
    folder = fls_folder_default();
    assert_string_equal(folder, "/home/someone/.local/state/flowlog-stats");
    free(folder);
    unsetenv("XDG_STATE_HOME");
    folder = fls_folder_default();
    assert_string_equal(folder, "/home/someone/.local/state/flowlog-stats");
    free(folder);
    unsetenv("HOME");
    assert_null(fls_folder_default());
}

static void test_create(void **state)
{
    struct stat found;
    char path[SCRATCH_PATH_MAX + 256], *long_path;

    (void)state;
    assert_int_equal(fls_folder_create(scratch_path("a//b/c/"), error, sizeof(error)), 0);
    assert_int_equal(stat(scratch_path("a/b/c"), &found), 0);
    assert_int_equal(found.st_mode & 0777, 0700);
    assert_int_equal(fls_folder_create(scratch_path("a/b/c"), error, sizeof(error)), 0);
    scratch_write("file", "", 0);
    assert_int_equal(fls_folder_create(scratch_path("file"), error, sizeof(error)), -ENOTDIR);
    assert_non_null(strstr(error, "--state"));
    assert_int_equal(fls_folder_create(scratch_path("file/below"), error, sizeof(error)), -ENOTDIR);
    assert_int_equal(fls_folder_create("", error, sizeof(error)), -ENOENT);
    long_path = malloc(8192);
    memset(long_path, 'x', 8191);
    long_path[8191] = '\0';
    assert_int_equal(fls_folder_create(long_path, error, sizeof(error)), -ENAMETOOLONG);
    free(long_path);
    /* By a relative path as well. */
    assert_int_equal(chdir(scratch), 0);
    assert_int_equal(fls_folder_create("r/s", error, sizeof(error)), 0);
    snprintf(path, sizeof(path), "%s/r/s", scratch);
    assert_int_equal(stat(path, &found), 0);
    assert_int_equal(chdir("/"), 0);
}

/* In a process of its own: 0 if it could take the lock, else 1 with the text in the file `said`. */
static int lock_elsewhere(void)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        int fd = fls_folder_lock(scratch, error, sizeof(error));

        if (fd == -EWOULDBLOCK) {
            FILE *said = fopen(scratch_path("said"), "w");

            fputs(error, said);
            fclose(said);
        }
        _exit(fd >= 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void test_lock(void **state)
{
    char said[1024] = "", pid[32];
    int fd = fls_folder_lock(scratch, error, sizeof(error));

    (void)state;
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(lock_elsewhere(), 1);
    scratch_read("said", said, sizeof(said) - 1);
    snprintf(pid, sizeof(pid), "process %d", (int)getpid());
    assert_non_null(strstr(said, pid));
    assert_non_null(strstr(said, "--state"));
    /* Also within the process: another open file is another holder. */
    assert_int_equal(fls_folder_lock(scratch, error, sizeof(error)), -EWOULDBLOCK);
    close(fd);
    assert_int_equal(lock_elsewhere(), 0);
    /* A shorter pid leaves nothing of the longer text of an earlier holder. */
    scratch_write("lock", "123456789012\n", 13);
    fd = fls_folder_lock(scratch, error, sizeof(error));
    assert_true(fd >= 0);
    memset(said, 0, sizeof(said));
    scratch_read("lock", said, sizeof(said) - 1);
    assert_int_equal(atoi(said), getpid());
    close(fd);
}

/* The lock is taken by a process that dies, and held on by a child of it, until hold[1] is closed.
 */
static void lock_and_die(int hold[2])
{
    int status;
    char byte;
    pid_t holder;

    assert_int_equal(pipe(hold), 0);
    holder = fork();
    assert_true(holder >= 0);
    if (holder == 0) {
        int fd = fls_folder_lock(scratch, error, sizeof(error));

        close(hold[1]);
        if (fd < 0)
            _exit(1);
        if (fork() == 0)
            _exit(read(hold[0], &byte, 1) == 0 ? 0 : 1); /* until the test lets it go */
        _exit(0);
    }
    close(hold[0]);
    assert_int_equal(waitpid(holder, &status, 0), holder);
    assert_int_equal(status, 0);
}

static bool is_asleep(pid_t pid)
{
    char path[64], name[64], state;
    FILE *file;
    int fields;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    assert_non_null(file);
    fields = fscanf(file, "%*d (%63[^)]) %c", name, &state);
    fclose(file);
    assert_int_equal(fields, 2);
    assert_int_not_equal(state, 'Z'); /* it has not waited at all */
    return state == 'S';
}

/* Who comes just after a supervisor was killed waits for its last role. */
static void test_lock_waits_for_the_dead(void **state)
{
    int hold[2], status;
    pid_t waiter;

    (void)state;
    lock_and_die(hold);
    waiter = fork();
    assert_true(waiter >= 0);
    if (waiter == 0) {
        close(hold[1]);
        _exit(fls_folder_lock(scratch, error, sizeof(error)) >= 0 ? 0 : 1);
    }
    while (!is_asleep(waiter))
        sched_yield();
    close(hold[1]);
    assert_int_equal(waitpid(waiter, &status, 0), waiter);
    assert_int_equal(status, 0);
}

/* But not for ever, and says why. */
static void test_lock_inherited(void **state)
{
    int hold[2], status;
    char said[1024] = "";

    (void)state;
    lock_and_die(hold);
    assert_int_equal(lock_elsewhere(), 1);
    scratch_read("said", said, sizeof(said) - 1);
    assert_non_null(strstr(said, "dead"));
    close(hold[1]);
    /* Free as soon as the last holder is gone, which is not a child that could be waited for. */
    status = open(scratch_path("lock"), O_RDWR | O_CLOEXEC);
    assert_true(status >= 0);
    assert_int_equal(flock(status, LOCK_EX), 0);
    close(status);
    assert_int_equal(lock_elsewhere(), 0);
}

static void test_lock_fails(void **state)
{
    (void)state;
    assert_int_equal(fls_folder_lock(scratch_path("none"), error, sizeof(error)), -ENOENT);
    assert_int_equal(symlink("elsewhere", scratch_path("lock")), 0);
    assert_int_equal(fls_folder_lock(scratch, error, sizeof(error)), -ELOOP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_default),        TEST(test_create),
        TEST(test_lock),           TEST(test_lock_waits_for_the_dead),
        TEST(test_lock_inherited), TEST(test_lock_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "state/folder.h"

#include "base/assert.h"
#include "base/clock.h"
#include "state/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define PID_TEXT_MAX 16U /* bytes of "PID\n" with its NUL */
#define WAIT_TICK_MS 10  /* between two looks at a lock whose holder is dead */

__attribute__((format(printf, 4, 5))) static int
folder_fail(int number, char *error, size_t error_max, const char *format, ...)
{
    va_list arguments;

    fls_assert(number > 0);
    va_start(arguments, format);
    vsnprintf(error, error_max, format, arguments);
    va_end(arguments);
    return -number;
}

char *fls_folder_default(void)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *folder = NULL;
    int sz = -1;

    /* A relative $XDG_STATE_HOME is to be ignored, by the XDG Base Directory Specification. */
    if (state != NULL && state[0] == '/')
        sz = asprintf(&folder, "%s/flowlog-stats", state);
    else if (home != NULL && home[0] != '\0')
        sz = asprintf(&folder, "%s/.local/state/flowlog-stats", home);
    return sz < 0 ? NULL : folder;
}

/* Makes the name of a new folder survive a crash: it stands in the folder above. */
static int folder_sync_parent(const char *folder)
{
    char parent[PATH_MAX];
    char *slash;
    int fd, status;

    fls_assert(strlen(folder) < sizeof(parent));
    strcpy(parent, folder);
    slash = strrchr(parent, '/');
    if (slash == NULL)
        strcpy(parent, ".");
    else
        slash[slash == parent] = '\0'; /* the parent of /x is / */
    fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : -errno; /* may be passed but not read: nothing to sync by */
    status = fsync(fd) != 0 && errno != EINVAL ? -errno : 0; /* EINVAL: needs no sync there */
    close(fd);
    return status;
}

static int folder_make(const char *folder)
{
    int status;

    if (mkdir(folder, FOLDER_MODE) == 0)
        return folder_sync_parent(folder);
    status = -errno;
    /* What exists need not answer EEXIST where the folder above must not be written. */
    return access(folder, F_OK) == 0 ? 0 : status;
}

int fls_folder_create(const char *folder, char *error, size_t error_max)
{
    char path[PATH_MAX];
    struct stat found;

    if (folder[0] == '\0' || strlen(folder) >= sizeof(path))
        return folder_fail(folder[0] == '\0' ? ENOENT : ENAMETOOLONG, error, error_max,
                           "the name of the state folder is %s: choose another with --state",
                           folder[0] == '\0' ? "empty" : "too long");
    strcpy(path, folder);
    for (size_t sz = strlen(path); sz > 1 && path[sz - 1] == '/'; sz--)
        path[sz - 1] = '\0';
    for (char *slash = path; slash != NULL;) {
        int status;

        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        status = folder_make(path);
        if (status != 0)
            return folder_fail(-status, error, error_max, "%s: cannot be created: %s (%s)", path,
                               strerror(-status), fls_advice_for_errno(-status));
        if (slash != NULL)
            *slash = '/';
    }
    if (stat(path, &found) != 0)
        return folder_fail(errno, error, error_max, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return folder_fail(ENOTDIR, error, error_max,
                           "%s: is not a folder (choose a state folder with --state)", path);
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return folder_fail(errno, error, error_max, "%s: cannot be written: %s (%s)", path,
                           strerror(errno), fls_advice_for_errno(errno));
    return 0;
}

/* The pid of who holds the lock, as far as the file tells: a holder writes it just after it got the
 * lock. 0 if it does not tell. */
static pid_t folder_holder(int fd)
{
    char text[PID_TEXT_MAX];
    ssize_t sz = pread(fd, text, sizeof(text) - 1, 0);
    long pid;

    text[sz > 0 ? sz : 0] = '\0';
    pid = strtol(text, NULL, 10);
    return pid > 0 && pid <= INT_MAX ? (pid_t)pid : 0;
}

static bool is_dead(pid_t pid)
{
    return pid && kill(pid, 0) != 0 && errno == ESRCH;
}

static int folder_name_holder(int fd, const char *folder, char *error, size_t error_max)
{
    pid_t pid = folder_holder(fd);

    if (pid == 0)
        return folder_fail(EWOULDBLOCK, error, error_max,
                           "%s: in use by another flowlog-stats: wait for it to end, or choose "
                           "another state folder with --state",
                           folder);
    if (is_dead(pid))
        return folder_fail(EWOULDBLOCK, error, error_max,
                           "%s: processes of flowlog-stats %d, which is dead, are still ending: "
                           "try again in a moment, or choose another state folder with --state",
                           folder, (int)pid);
    return folder_fail(EWOULDBLOCK, error, error_max,
                       "%s: in use by flowlog-stats, process %d: wait for it to end, stop it "
                       "(kill %d), or choose another state folder with --state",
                       folder, (int)pid, (int)pid);
}

/* Takes the lock; waits for it only if its holder is dead. 0 or -errno. */
static int folder_wait(int fd)
{
    uint64_t end_ns = fls_clock_ns() + FLS_FOLDER_WAIT_S * FLS_NS_PER_S;

    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK)
            return -errno;
        if (!is_dead(folder_holder(fd)) || fls_clock_ns() > end_ns)
            return -EWOULDBLOCK;
        poll(NULL, 0, WAIT_TICK_MS);
    }
    return 0;
}

static int folder_write_pid(int fd)
{
    char text[PID_TEXT_MAX];
    int sz = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    ssize_t written;

    if (ftruncate(fd, 0) != 0)
        return -errno;
    written = pwrite(fd, text, (size_t)sz, 0);
    if (written < 0)
        return -errno;
    return written == sz ? 0 : -ENOSPC;
}

int fls_folder_lock(const char *folder, char *error, size_t error_max)
{
    char path[PATH_MAX];
    int fd, status;

    if ((size_t)snprintf(path, sizeof(path), "%s/lock", folder) >= sizeof(path))
        return folder_fail(ENAMETOOLONG, error, error_max,
                           "the name of the state folder is too long: choose another with --state");
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return folder_fail(errno, error, error_max, "%s: cannot be opened: %s (%s)", path,
                           strerror(errno), fls_advice_for_errno(errno));
    status = folder_wait(fd);
    if (status != 0) {
        status = status == -EWOULDBLOCK
                     ? folder_name_holder(fd, folder, error, error_max)
                     : folder_fail(-status, error, error_max, "%s: cannot be locked: %s (%s)", path,
                                   strerror(-status), fls_advice_for_errno(-status));
        close(fd);
        return status;
    }
    status = folder_write_pid(fd);
    if (status != 0) {
        close(fd);
        return folder_fail(-status, error, error_max, "%s: cannot be written: %s (%s)", path,
                           strerror(-status), fls_advice_for_errno(-status));
    }
    return fd;
}

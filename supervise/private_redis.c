#include "supervise/private_redis.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/redis.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ASIDE "redis-report-"
#define POLL_FIRST_MS 1  /* between two looks at a server that starts; twice as long each time */
#define POLL_LAST_MS 100 /* up to this */
/* Members of a hash or sorted set that Redis keeps as a list, which it walks for each one that is
 * added: with its own 512 and 128 that is half of what staging costs it, for a tenth less memory.
 * The options' names are those that servers of all ages know. */
#define LIST_ENTRIES_MAX "64"
#define LOG_TAIL_SZ 2048 /* bytes of the server's output that are looked at when it fails */

/* ---- The folder ---- */

/* Short paths as they are, so that people can use the URL as well. */
static void make_url(struct fls_private_redis *redis, const char *state_folder)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-";
    size_t sz = strlen(state_folder) + 1 + strlen(redis->socket);

    if (state_folder[0] == '/' && sz < FLS_REDIS_SOCKET_PATH_MAX &&
        strspn(state_folder, plain) == strlen(state_folder))
        snprintf(redis->url, sizeof(redis->url), "unix://%s/%s", state_folder, redis->socket);
    else
        snprintf(redis->url, sizeof(redis->url), "unix:///proc/self/fd/%d/%s", redis->folder_fd,
                 redis->socket);
}

static int open_folder(struct fls_private_redis *redis, const char *state_folder, const char *name,
                       char *error, size_t error_max)
{
    int status;

    *redis = (struct fls_private_redis){.pidfd = -1};
    snprintf(redis->socket, sizeof(redis->socket), "%s", name);
    redis->folder_fd = open(state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (redis->folder_fd < 0) {
        status = -errno;
        snprintf(error, error_max, "%s: %s", state_folder, strerror(errno));
        return status;
    }
    make_url(redis, state_folder);
    return 0;
}

static void close_all(struct fls_private_redis *redis)
{
    if (redis->pidfd >= 0)
        close(redis->pidfd);
    if (redis->folder_fd >= 0)
        close(redis->folder_fd);
    redis->pidfd = -1;
    redis->folder_fd = -1;
    redis->pid = 0;
}

/* The server of a run holds a lock on the folder itself as long as it lives: a run that was killed
 * may be gone a little before its server, which removes the socket as it ends, by name. */
static int lock_folder(int folder_fd, char *error, size_t error_max)
{
    uint64_t end = fls_clock_ns() + FLS_PRIVATE_WAIT_S * FLS_NS_PER_S;

    while (flock(folder_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            int status = -errno;

            snprintf(error, error_max, "the state folder cannot be locked: %s", strerror(errno));
            return status;
        }
        if (fls_clock_ns() > end) {
            snprintf(error, error_max,
                     "the private redis-server of an earlier run still uses the state folder: end "
                     "it, or give another Redis (--redis)");
            return -EWOULDBLOCK;
        }
        poll(NULL, 0, POLL_LAST_MS);
    }
    return 0;
}

/* The number between the two texts, or 0 if the name is not made so. */
static pid_t number_in_name(const char *name, const char *before, const char *after)
{
    char *end;
    long number;

    if (strncmp(name, before, strlen(before)) != 0)
        return 0;
    number = strtol(name + strlen(before), &end, 10);
    return strcmp(end, after) == 0 && number > 0 && number <= INT32_MAX ? (pid_t)number : 0;
}

/* Removes what servers that were killed have left: sockets of commands that are gone, and, for who
 * holds the lock, halves of view.rdb. */
static void clean_folder(int folder_fd, bool is_locked)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *entry;

    if (!folder) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(folder))) {
        pid_t owner = number_in_name(entry->d_name, ASIDE, ".sock");
        bool is_dead = owner && kill(owner, 0) != 0 && errno == ESRCH;

        if (is_dead || (is_locked && number_in_name(entry->d_name, "temp-", ".rdb")))
            unlinkat(folder_fd, entry->d_name, 0);
    }
    closedir(folder);
    if (is_locked)
        unlinkat(folder_fd, FLS_PRIVATE_SOCKET, 0);
}

/* ---- The server's process ---- */

/* What the new process needs; made before the fork. */
struct launch {
    pid_t parent;
    int folder_fd;
    int output_fd; /* a memory file */
    int report_fd; /* a pipe that exec closes; else the errno comes through it */
    const char *socket;
    const char *dump;
};

static void keep_descriptors(const struct launch *launch)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int first = STDERR_FILENO + 1;
    /* Low numbers, so that all others can be closed: rings, the ledger, ... are not its matter.
     * The folder's descriptor goes on holding the lock. */
    int kept[] = {null_fd, launch->output_fd, launch->folder_fd, launch->report_fd};

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        kept[i] = fcntl(kept[i], F_DUPFD_CLOEXEC, first + 2); /* above the numbers they go to */
    dup2(kept[0], STDIN_FILENO);
    dup2(kept[1], STDOUT_FILENO);
    dup2(kept[1], STDERR_FILENO);
    dup2(kept[2], first);
    dup3(kept[3], first + 1, O_CLOEXEC);
    close_range((unsigned)first + 2, ~0U, 0);
}

static _Noreturn void become_server(const struct launch *launch)
{
    const int folder_fd = STDERR_FILENO + 1, report_fd = STDERR_FILENO + 2;
    const char *const words[] = {"redis-server",
                                 "--port",
                                 "0",
                                 "--unixsocket",
                                 launch->socket,
                                 "--unixsocketperm",
                                 "700",
                                 "--save",
                                 "",
                                 "--appendonly",
                                 "no",
                                 "--rdbcompression", /* a run waits for its last save */
                                 "no",
                                 "--hash-max-ziplist-entries",
                                 LIST_ENTRIES_MAX,
                                 "--zset-max-ziplist-entries",
                                 LIST_ENTRIES_MAX,
                                 "--dbfilename",
                                 launch->dump,
                                 "--daemonize",
                                 "no",
                                 "--databases",
                                 "1",
                                 "--loglevel",
                                 "warning",
                                 "--logfile",
                                 "",
                                 "--timeout",
                                 "0",
                                 NULL};
    struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigset_t none;
    int error;

    /* All that it could inherit: a blocked SIGTERM would be one that never reaches it. */
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &by_default, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid(); /* a session of its own: the terminal's signals go to ours */
    /* SIGTERM, as it removes its socket then; it saves nothing. If the parent died before prctl,
     * no signal will come. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != launch->parent)
        _exit(1);
    umask(077);
    keep_descriptors(launch);
    if (fchdir(folder_fd) == 0) {
        execvp("redis-server", (char *const *)words);
        /* the same program under the name that Debian's package redis-tools has it by */
        if (errno == ENOENT)
            execvp("redis-check-rdb", (char *const *)words);
    }
    error = errno;
    if (write(report_fd, &error, sizeof(error)) < 0)
        _exit(2);
    _exit(1);
}

static int launch_server(struct fls_private_redis *redis, const char *dump, int output_fd)
{
    struct launch launch = {.parent = getpid(),
                            .folder_fd = redis->folder_fd,
                            .output_fd = output_fd,
                            .socket = redis->socket,
                            .dump = dump};
    int ends[2], error = 0;
    ssize_t got;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return -errno;
    launch.report_fd = ends[1];
    redis->pid = fork();
    if (redis->pid == 0)
        become_server(&launch);
    if (redis->pid < 0)
        error = errno;
    close(ends[1]);
    if (!error) {
        redis->pidfd = pidfd_open(redis->pid, 0);
        if (redis->pidfd < 0)
            error = errno;
        do {
            got = read(ends[0], &error, sizeof(error));
        } while (got < 0 && errno == EINTR);
    }
    close(ends[0]);
    return -error;
}

static bool wait_for_end(const struct fls_private_redis *redis, int timeout_ms)
{
    uint64_t now = fls_clock_ns(), end = now + (uint64_t)timeout_ms * FLS_NS_PER_MS;
    struct pollfd process = {.fd = redis->pidfd, .events = POLLIN};

    for (; now < end; now = fls_clock_ns()) {
        if (poll(&process, 1, (int)((end - now) / FLS_NS_PER_MS) + 1) > 0)
            return true;
    }
    return false;
}

/* Ends it for sure and takes its status (which somebody else may have taken). */
static void reap(struct fls_private_redis *redis)
{
    if (redis->pidfd >= 0) {
        pidfd_send_signal(redis->pidfd, SIGKILL, NULL, 0);
        close(redis->pidfd);
        redis->pidfd = -1;
    } else if (redis->pid > 0) {
        kill(redis->pid, SIGKILL);
    }
    while (redis->pid > 0 && waitpid(redis->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    redis->pid = 0;
}

/* ---- Talking to it ---- */

/* A connection once it answers and has loaded: until then PING is an error. No password: it has
 * none, whatever the environment holds. */
static redisContext *connect_to(struct fls_private_redis *redis)
{
    const struct fls_redis_address address = {.unix_path = redis->url + strlen("unix://")};
    char error[256];

    return fls_redis_connect(&address, error, sizeof(error));
}

static bool answers(struct fls_private_redis *redis)
{
    redisContext *context = connect_to(redis);

    redisFree(context);
    return context != NULL;
}

static int wait_for_answer(struct fls_private_redis *redis)
{
    uint64_t end = fls_clock_ns() + FLS_PRIVATE_START_S * FLS_NS_PER_S;
    int pause_ms = POLL_FIRST_MS;

    while (!answers(redis)) {
        if (wait_for_end(redis, pause_ms))
            return -ECHILD;
        if (fls_clock_ns() > end)
            return -ETIMEDOUT;
        pause_ms = pause_ms * 2 < POLL_LAST_MS ? pause_ms * 2 : POLL_LAST_MS;
    }
    return 0;
}

/* ---- Start and stop ---- */

/* The last line that it wrote, which is why it ended. */
static void last_words(int output_fd, char *out, size_t out_max)
{
    char text[LOG_TAIL_SZ + 1];
    off_t sz = lseek(output_fd, 0, SEEK_END);
    ssize_t got = pread(output_fd, text, LOG_TAIL_SZ, sz > LOG_TAIL_SZ ? sz - LOG_TAIL_SZ : 0);
    char *line;

    text[got > 0 ? got : 0] = '\0';
    for (size_t end = strlen(text); end && (text[end - 1] == '\n' || text[end - 1] == '\r'); end--)
        text[end - 1] = '\0';
    line = text[0] ? strrchr(text, '\n') : NULL;
    snprintf(out, out_max, "%.*s", (int)out_max - 1,
             line      ? line + 1
             : text[0] ? text
                       : "it said nothing");
}

static int start_once(struct fls_private_redis *redis, const char *dump, char *error,
                      size_t error_max)
{
    int output_fd = memfd_create("redis-server output", MFD_CLOEXEC);
    int status = output_fd < 0 ? -errno : launch_server(redis, dump, output_fd);
    char words[256];

    if (status == -ENOENT) {
        snprintf(error, error_max,
                 "redis-server is not installed: install it (Debian: apt-get install redis-tools), "
                 "or give the address of a Redis (--redis)");
    } else if (status) {
        snprintf(error, error_max, "redis-server cannot be started: %s", strerror(-status));
    } else {
        status = wait_for_answer(redis);
        if (status) {
            last_words(output_fd, words, sizeof(words));
            snprintf(error, error_max, "the private redis-server %s: %s",
                     status == -ETIMEDOUT ? "does not answer" : "ended at once", words);
        }
    }
    if (output_fd >= 0)
        close(output_fd);
    if (status)
        reap(redis);
    return status;
}

/* Where view.rdb cannot be loaded, without it: it is a cache. */
static int start_with_dump(struct fls_private_redis *redis, char *error, size_t error_max)
{
    int status = start_once(redis, FLS_PRIVATE_DUMP, error, error_max);

    if (status == -ECHILD && unlinkat(redis->folder_fd, FLS_PRIVATE_DUMP, 0) == 0) {
        fls_log_warn("the private redis-server cannot load its %s: it starts without",
                     FLS_PRIVATE_DUMP);
        status = start_once(redis, FLS_PRIVATE_DUMP, error, error_max);
    }
    return status;
}

int fls_private_redis_start(struct fls_private_redis *redis, const char *state_folder, char *error,
                            size_t error_max)
{
    int status = open_folder(redis, state_folder, FLS_PRIVATE_SOCKET, error, error_max);

    if (status)
        return status;
    redis->saves = true;
    status = lock_folder(redis->folder_fd, error, error_max);
    if (!status) {
        clean_folder(redis->folder_fd, true);
        status = start_with_dump(redis, error, error_max);
    }
    if (status)
        close_all(redis);
    return status;
}

int fls_private_redis_restart(struct fls_private_redis *redis, char *error, size_t error_max)
{
    fls_assert(redis->folder_fd >= 0 && redis->saves);
    if (redis->pidfd >= 0)
        close(redis->pidfd);
    redis->pidfd = -1;
    redis->pid = 0;
    clean_folder(redis->folder_fd, true);
    return start_with_dump(redis, error, error_max);
}

/* A view.rdb that cannot be loaded is left for a run to remove. */
int fls_private_redis_start_aside(struct fls_private_redis *redis, const char *state_folder,
                                  char *error, size_t error_max)
{
    char socket[sizeof(redis->socket)], no_dump[sizeof(redis->socket)];
    int status;

    snprintf(socket, sizeof(socket), ASIDE "%d.sock", (int)getpid());
    snprintf(no_dump, sizeof(no_dump), ASIDE "%d.rdb", (int)getpid()); /* never written */
    status = open_folder(redis, state_folder, socket, error, error_max);
    if (status)
        return status;
    clean_folder(redis->folder_fd, false);
    status = start_once(redis, FLS_PRIVATE_DUMP, error, error_max);
    if (status == -ECHILD && faccessat(redis->folder_fd, FLS_PRIVATE_DUMP, F_OK, 0) == 0)
        status = start_once(redis, no_dump, error, error_max);
    if (status) {
        unlinkat(redis->folder_fd, redis->socket, 0);
        close_all(redis);
    }
    return status;
}

int fls_private_redis_find(struct fls_private_redis *redis, const char *state_folder)
{
    char error[256];

    if (open_folder(redis, state_folder, FLS_PRIVATE_SOCKET, error, sizeof(error)) != 0)
        return -ENOENT;
    if (answers(redis))
        return 0;
    close_all(redis);
    return -ENOENT;
}

/* One that shuts down closes the connection instead of an answer. */
static bool shut_down(redisContext *context, const char *how, char *why, size_t why_max)
{
    redisReply *reply = redisCommand(context, "SHUTDOWN %s", how);

    if (reply)
        snprintf(why, why_max, "%s", reply->type == REDIS_REPLY_ERROR ? reply->str : "");
    freeReplyObject(reply);
    return !reply;
}

static void ask_to_end(struct fls_private_redis *redis)
{
    redisContext *context = connect_to(redis);
    char why[256];

    if (!context)
        return;
    if (!shut_down(context, redis->saves ? "SAVE" : "NOSAVE", why, sizeof(why))) {
        fls_log_warn("the private redis-server cannot save its view: %s", why);
        shut_down(context, "NOSAVE", why, sizeof(why));
    }
    redisFree(context);
}

void fls_private_redis_stop(struct fls_private_redis *redis)
{
    char half[32];
    pid_t pid = redis->pid;

    if (pid > 0) {
        ask_to_end(redis);
        wait_for_end(redis, FLS_PRIVATE_STOP_S * 1000);
        reap(redis);
        snprintf(half, sizeof(half), "temp-%d.rdb", (int)pid);
        unlinkat(redis->folder_fd, half, 0);
        unlinkat(redis->folder_fd, redis->socket, 0);
        flock(redis->folder_fd, LOCK_UN); /* forked processes may still hold the descriptor */
    }
    close_all(redis);
}

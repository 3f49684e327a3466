/* What a role can do that somebody else has taken over: each attempt in a process of its own, after
 * it has entered the sandbox as the role does. And what the role does itself still works there. */
#include "scratch.h"

#include "ask_ring.h"
#include "dies.h"

#include "base/sandbox.h"
#include "ingest/reader.h"
#include "ingest/reader_uring.h"
#include "shm/channel.h"
#include "state/ledger.h"
#include "state/segments.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const char secret[] = "not for you";
static char missing[FLS_SANDBOX_MISSING_MAX];

/*   above/  state/ inside
 *           secret
 *           new, which is not there */
static char above_path[SCRATCH_PATH_MAX], state_folder[SCRATCH_PATH_MAX + 8];
static char secret_path[SCRATCH_PATH_MAX + 8], new_path[SCRATCH_PATH_MAX + 8];
static char inside_path[SCRATCH_PATH_MAX + 16], round_path[SCRATCH_PATH_MAX + 32];

/* ---- roles ---- */

static struct fls_redis_address by_socket = {.unix_path = (char *)"/nowhere/redis.sock"};
static struct fls_redis_address by_host = {.host = (char *)"localhost", .port = 6379};

static void enter(enum fls_sandbox_role role, const struct fls_redis_address *redis)
{
    struct fls_sandbox sandbox = {.role = role};

    if (role == FLS_SANDBOX_PUBLISH) {
        sandbox.folder = state_folder;
        sandbox.redis = redis;
    }
    fls_sandbox_enter(&sandbox, missing);
}

static int setup(void **state)
{
    if (scratch_setup(state) != 0)
        return -1;
    strcpy(above_path, scratch);
    snprintf(state_folder, sizeof(state_folder), "%s/state", scratch);
    snprintf(secret_path, sizeof(secret_path), "%s/secret", scratch);
    snprintf(new_path, sizeof(new_path), "%s/new", scratch);
    snprintf(inside_path, sizeof(inside_path), "%s/inside", state_folder);
    snprintf(round_path, sizeof(round_path), "%s/../secret", state_folder);
    if (mkdir(state_folder, 0700) != 0)
        return -1;
    scratch_write("secret", secret, sizeof(secret));
    return 0;
}

/* Skips where a lock that the test is about is missing. */
static void need(const char *lock)
{
    pid_t child;
    int status;

    if (!FLS_SANDBOX_IS_BUILT) {
        print_message("built with a sanitizer\n");
        skip();
    }
    child = fork();
    if (child == 0) {
        enter(FLS_SANDBOX_INGEST, NULL);
        _exit(strstr(missing, lock) != NULL);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        print_message("this kernel lacks %s\n", lock);
        skip();
    }
}

/* Names that nobody knows are passed over, so they are not to be misspelt. */
static void every_call_is_known(void **state)
{
    static const char *const names[] = {
#define ALLOWED(roles, name, condition, why) #name,
#define REFUSED(roles, name, condition, error, why) #name,
#include "base/syscalls.def"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (seccomp_syscall_resolve_name(names[i]) == __NR_SCMP_ERROR)
            fail_msg("%s", names[i]);
}

/* ---- attempts by a system call ---- */

#define KILLED 0 /* it ends the process, by SIGSYS */

struct attempt {
    const char *name;
    int outcome; /* KILLED, or the errno of a call that is refused */
    long number, arguments[6];
};

/* The parent sees: SIGSYS, or the errno as the status, or 0 if it was done. */
static int end_of(const struct attempt *attempt, enum fls_sandbox_role role,
                  const struct fls_redis_address *redis)
{
    const long *a = attempt->arguments;
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGSYS, SIG_DFL);
        enter(role, redis);
        if (syscall(attempt->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0)
            _exit(errno);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void check_attempts(const struct attempt *attempts, size_t cnt, enum fls_sandbox_role role,
                           const struct fls_redis_address *redis)
{
    for (size_t i = 0; i < cnt; i++) {
        int status = end_of(&attempts[i], role, redis);

        if (attempts[i].outcome == KILLED && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS))
            fail_msg("%s: not killed, wait status %#x", attempts[i].name, (unsigned)status);
        if (attempts[i].outcome != KILLED &&
            !(WIFEXITED(status) && WEXITSTATUS(status) == attempts[i].outcome))
            fail_msg("%s: not refused, wait status %#x", attempts[i].name, (unsigned)status);
    }
}

#define CHECK(attempts, role, redis)                                                               \
    check_attempts(attempts, sizeof(attempts) / sizeof((attempts)[0]), role, redis)
#define TRY(outcome, name, ...)                                                                    \
    {                                                                                              \
#name, outcome, SYS_##name,                                                                \
        {                                                                                          \
            __VA_ARGS__                                                                            \
        }                                                                                          \
    }

/* How glibc starts a thread. */
#define THREAD                                                                                     \
    (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |            \
     CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

/* Nobody may do these. */
static void check_common(enum fls_sandbox_role role, const struct fls_redis_address *redis)
{
    static struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = 1};
    char *none[] = {NULL}, *argv[] = {(char *)"true", NULL};
    const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    char page[1];
    struct iovec part = {page, 1};
    long parent = getpid();
    struct attempt attempts[] = {
        TRY(KILLED, execve, (long)"/bin/true", (long)argv, (long)none),
        TRY(KILLED, execveat, AT_FDCWD, (long)"/bin/true", (long)argv, (long)none, 0),
        TRY(KILLED, clone, SIGCHLD),
        TRY(KILLED, clone, CLONE_VM | CLONE_VFORK | SIGCHLD),
        TRY(KILLED, clone, THREAD & ~CLONE_THREAD),
        TRY(KILLED, clone, THREAD & ~(CLONE_THREAD | CLONE_VM | CLONE_SIGHAND)),
        TRY(KILLED, clone, THREAD | SIGCHLD),
        TRY(KILLED, clone, THREAD | CLONE_UNTRACED),
        TRY(KILLED, clone, THREAD | CLONE_NEWUSER),
        TRY(role == FLS_SANDBOX_PUBLISH ? ENOSYS : KILLED, clone3, 0, 0),
        TRY(KILLED, ptrace, 16 /* PTRACE_ATTACH */, parent),
        TRY(KILLED, process_vm_readv, parent, (long)&part, 1, (long)&part, 1),
        TRY(KILLED, process_vm_writev, parent, (long)&part, 1, (long)&part, 1),
        TRY(KILLED, kill, parent, SIGCONT),
        TRY(KILLED, tgkill, parent, parent, SIGCONT),
        TRY(KILLED, tkill, parent, SIGCONT),
        TRY(KILLED, pidfd_open, parent),
        TRY(KILLED, prlimit64, parent, RLIMIT_CORE, (long)&limit),
        TRY(KILLED, prctl, PR_SET_DUMPABLE, 1),
        TRY(KILLED, io_uring_setup, 8, (long)page),
        TRY(KILLED, io_uring_register, 3, IORING_REGISTER_BUFFERS),
        TRY(KILLED, mprotect, (long)page & -4096, 4096, PROT_READ | PROT_EXEC),
        TRY(KILLED, personality, 0x0400000 /* READ_IMPLIES_EXEC */),
        TRY(KILLED, openat2, AT_FDCWD, (long)secret_path, 0, 0),
        TRY(KILLED, open_by_handle_at, AT_FDCWD, 0, 0),
        TRY(KILLED, linkat, AT_FDCWD, (long)secret_path, AT_FDCWD, (long)inside_path),
        TRY(KILLED, symlinkat, (long)secret_path, AT_FDCWD, (long)inside_path),
        TRY(KILLED, mount, 0, 0, 0, 0, 0),
        TRY(KILLED, unshare, CLONE_NEWUSER),
        TRY(KILLED, setns, 3, 0),
        TRY(KILLED, chroot, (long)"/"),
        TRY(KILLED, bpf, 0, 0, 0),
        TRY(KILLED, perf_event_open, 0),
        TRY(KILLED, userfaultfd, 0),
        TRY(KILLED, setuid, 0),
        TRY(KILLED, listen, 0, 1),
        TRY(KILLED, accept4, 0, 0, 0, 0),
        TRY(KILLED, reboot, 0),
        TRY(ENOTTY, ioctl, 0, 0x5412 /* TIOCSTI */, (long)page),
#ifdef __x86_64__
        TRY(KILLED, open, (long)secret_path, O_RDONLY),
        TRY(KILLED, fork, 0),
        TRY(KILLED, vfork, 0),
        {"a call of x32", KILLED, SYS_getpid | 0x40000000, {0}},
#endif
    };
    struct attempt abroad[] = {
        TRY(KILLED, socket, AF_INET, SOCK_STREAM, 0),
        TRY(KILLED, socket, AF_NETLINK, SOCK_RAW, 0),
        TRY(KILLED, bind, 0, (long)&there, sizeof(there)),
    };

    struct attempt to_start[] = {
        TRY(KILLED, clone, THREAD),
        TRY(KILLED, set_robust_list, 0, 0),
    };

    CHECK(attempts, role, redis);
    if (redis != &by_host)
        CHECK(abroad, role, redis);
    if (role != FLS_SANDBOX_PUBLISH)
        CHECK(to_start, role, redis);
}

static void an_ingest_cannot(void **state)
{
    static struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = 1};
    struct attempt attempts[] = {
        TRY(KILLED, openat, AT_FDCWD, (long)secret_path, O_RDONLY),
        TRY(KILLED, openat, AT_FDCWD, (long)"/dev/null", O_RDONLY),
        TRY(KILLED, openat, AT_FDCWD, (long)new_path, O_RDWR | O_CREAT, 0600),
        TRY(KILLED, unlinkat, AT_FDCWD, (long)secret_path, 0),
        TRY(KILLED, renameat2, AT_FDCWD, (long)secret_path, AT_FDCWD, (long)new_path, 0),
        TRY(KILLED, getdents64, 0, 0, 0),
        TRY(KILLED, socket, AF_UNIX, SOCK_STREAM, 0),
        TRY(KILLED, socketpair, AF_UNIX, SOCK_STREAM, 0, 0),
        TRY(KILLED, connect, 0, (long)&there, sizeof(there)),
        TRY(KILLED, mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        TRY(KILLED, memfd_create, (long)"", 0),
        TRY(KILLED, fcntl, 0, F_SETOWN, getpid()),
        TRY(KILLED, flock, 0, 8 /* LOCK_UN */),
        TRY(KILLED, ftruncate, 0, 0),
        TRY(EACCES, newfstatat, AT_FDCWD, (long)secret_path, (long)&there, 0),
        TRY(EACCES, statx, AT_FDCWD, (long)secret_path, 0, 0, (long)&there),
    };

    (void)state;
    need("seccomp");
    check_common(FLS_SANDBOX_INGEST, NULL);
    CHECK(attempts, FLS_SANDBOX_INGEST, NULL);
}

static void an_aggregate_cannot(void **state)
{
    struct attempt attempts[] = {
        TRY(KILLED, openat, AT_FDCWD, (long)secret_path, O_RDONLY),
        TRY(KILLED, unlinkat, AT_FDCWD, (long)secret_path, 0),
        TRY(KILLED, socket, AF_UNIX, SOCK_STREAM, 0),
        TRY(KILLED, connect, 0, 0, 0),
        TRY(KILLED, mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
        TRY(KILLED, io_uring_enter, 0, 0, 0, 0, 0, 0),
        TRY(KILLED, fcntl, 0, F_SETOWN, getpid()),
        TRY(KILLED, flock, 0, 8 /* LOCK_UN */),
    };

    (void)state;
    need("seccomp");
    check_common(FLS_SANDBOX_AGGREGATE, NULL);
    CHECK(attempts, FLS_SANDBOX_AGGREGATE, NULL);
}

/* What is wrong with files is Landlock's. */
static void check_files(const struct fls_redis_address *redis)
{
    struct attempt attempts[] = {
        TRY(EACCES, openat, AT_FDCWD, (long)secret_path, O_RDONLY),
        TRY(EACCES, openat, AT_FDCWD, (long)round_path, O_RDONLY),
        TRY(EACCES, openat, AT_FDCWD, (long)secret_path, O_WRONLY | O_TRUNC),
        TRY(EACCES, openat, AT_FDCWD, (long)new_path, O_RDWR | O_CREAT, 0600),
        TRY(EACCES, openat, AT_FDCWD, (long)above_path, O_RDONLY | O_DIRECTORY),
        TRY(EACCES, openat, AT_FDCWD, (long)"/proc/self/mem", O_RDWR),
        TRY(EACCES, openat, AT_FDCWD, (long)"/proc/self/environ", O_RDONLY),
        TRY(EACCES, openat, AT_FDCWD, (long)"/dev/urandom", O_WRONLY),
        TRY(EACCES, unlinkat, AT_FDCWD, (long)secret_path, 0),
        TRY(EACCES, mkdirat, AT_FDCWD, (long)new_path, 0700),
        TRY(EACCES, renameat2, AT_FDCWD, (long)secret_path, AT_FDCWD, (long)inside_path, 0),
    };
    struct attempt system_files[] = {
        TRY(EACCES, openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY),
    };

    CHECK(attempts, FLS_SANDBOX_PUBLISH, redis);
    if (redis != &by_host) /* its resolver reads there */
        CHECK(system_files, FLS_SANDBOX_PUBLISH, redis);
}

static void a_publish_cannot(void **state)
{
    struct attempt attempts[] = {
        TRY(KILLED, memfd_create, (long)"", 0),
        TRY(KILLED, io_uring_enter, 0, 0, 0, 0, 0, 0),
        TRY(EACCES, mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
    };

    (void)state;
    need("seccomp");
    check_common(FLS_SANDBOX_PUBLISH, &by_socket);
    check_common(FLS_SANDBOX_PUBLISH, &by_host);
    CHECK(attempts, FLS_SANDBOX_PUBLISH, &by_socket);
}

static void a_publish_cannot_leave_its_folder(void **state)
{
    (void)state;
    need("Landlock");
    check_files(&by_socket);
    check_files(&by_host);
}

/* ---- attempts through the ring ---- */

static struct fls_uring *make_ring(void)
{
    struct fls_uring *uring;

    if (fls_uring_new(&uring) != 0) {
        print_message("this kernel has no io_uring that can be restricted\n");
        skip();
    }
    return uring;
}

static int open_by_ring(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    struct io_uring_cqe *cqe;

    io_uring_prep_openat(sqe, AT_FDCWD, secret_path, O_RDONLY, 0);
    if (io_uring_submit_and_wait(ring, 1) < 0 || io_uring_wait_cqe(ring, &cqe) != 0)
        return 0;
    return cqe->res;
}

/* All other requests: tests/unit/test_reader.c. */
static void an_ingest_cannot_by_its_ring(void **state)
{
    static const unsigned requests[] = {
        IORING_OP_OPENAT, IORING_OP_OPENAT2,  IORING_OP_CONNECT,  IORING_OP_SOCKET,
        IORING_OP_WRITE,  IORING_OP_UNLINKAT, IORING_OP_RENAMEAT, IORING_OP_SENDMSG,
    };
    struct fls_uring *uring;
    pid_t child;

    (void)state;
    need("seccomp");
    uring = make_ring();
    child = fork();
    if (child == 0) {
        struct io_uring *ring = fls_uring_ring(uring);
        int fd = open(secret_path, O_RDONLY);

        enter(FLS_SANDBOX_INGEST, NULL);
        if (open_by_ring(ring) != -EACCES)
            _exit(1);
        for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
            for (unsigned flags = 0; flags <= IOSQE_FIXED_FILE; flags += IOSQE_FIXED_FILE)
                if (ask_ring(ring, requests[i], flags, 0) != -EACCES)
                    _exit(2);
        /* even what it holds is to be registered first */
        if (ask_ring(ring, IORING_OP_READ, 0, fd) != -EACCES)
            _exit(3);
        syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_BUFFERS, NULL, 0);
        _exit(4);
    }
    fls_uring_free(uring);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* A ring that was not restricted: the second lock holds as well. */
static void landlock_holds_for_rings(void **state)
{
    struct io_uring ring;
    pid_t child;

    (void)state;
    need("Landlock");
    if (io_uring_queue_init(8, &ring, 0) != 0)
        skip();
    child = fork();
    if (child == 0) {
        enter(FLS_SANDBOX_INGEST, NULL);
        _exit(open_by_ring(&ring) != -EACCES);
    }
    assert_ends_well(child);
    io_uring_queue_exit(&ring);
}

/* ---- what still works ---- */

/* Objects that are handed over in the sandbox are read. */
static void read_handed_over(enum fls_io io)
{
    int channel[2], fd = open(secret_path, O_RDONLY);
    char reason[200], byte = 1;
    pid_t child;

    assert_int_equal(fls_channel_create(channel), 0);
    child = fork();
    if (child == 0) {
        struct fls_reader *reader;
        struct fls_span block;

        close(fd);
        if (fls_reader_new(&reader, io, reason, sizeof(reason)) != 0)
            _exit(1);
        enter(FLS_SANDBOX_INGEST, NULL);
        for (int i = 0; i < 100; i++) {
            if (fls_channel_receive(channel[1], &byte, 1, &fd, 1) != 1 || fd < 0)
                _exit(2);
            fls_reader_add(reader, fd, sizeof(secret), 0);
            if (fls_reader_next(reader, &block) != 1 || block.sz != sizeof(secret) ||
                memcmp(block.at, secret, sizeof(secret)) != 0)
                _exit(3);
            fls_reader_finish(reader);
        }
        fls_reader_free(reader);
        exit(0);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(fls_channel_send(channel[0], &byte, 1, fd), 0);
    assert_ends_well(child);
    close(fd);
    close(channel[0]);
    close(channel[1]);
}

static void an_ingest_reads_what_it_is_handed(void **state)
{
    (void)state;
    read_handed_over(FLS_IO_AUTO);
    read_handed_over(FLS_IO_PREAD);
}

static void an_aggregate_hands_over_a_segment(void **state)
{
    int channel[2], fd;
    char byte = 1;
    pid_t child;

    (void)state;
    assert_int_equal(fls_channel_create(channel), 0);
    child = fork();
    if (child == 0) {
        enter(FLS_SANDBOX_AGGREGATE, NULL);
        fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0 || ftruncate(fd, 1 << 20) != 0 || pwrite(fd, secret, 5, 0) != 5 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SEAL) != 0)
            _exit(1);
        exit(fls_channel_send(channel[1], &byte, 1, fd) != 0);
    }
    assert_ends_well(child);
    assert_int_equal(fls_channel_receive(channel[0], &byte, 1, &fd, 1), 1);
    assert_true(fd >= 0);
    close(fd);
    close(channel[0]);
    close(channel[1]);
}

static int ask_database(const char *path, const char *text)
{
    sqlite3 *database;
    int code = sqlite3_open(path, &database);

    if (code == SQLITE_OK)
        code = sqlite3_exec(database, text, NULL, NULL, NULL);
    sqlite3_close(database);
    return code;
}

/* Also what SQLite writes beside its database when its memory does not do. */
static void a_publish_writes_its_state(void **state)
{
    pid_t child;

    (void)state;
    child = fork();
    if (child == 0) {
        struct fls_span pieces = {(const uint8_t *)secret, sizeof(secret)};
        struct fls_segments segments;
        struct fls_ledger *ledger;
        char error[512];

        enter(FLS_SANDBOX_PUBLISH, &by_socket);
        if (fls_ledger_open(&ledger, state_folder, false, error, sizeof(error)) != 0)
            _exit(1);
        if (fls_segments_open(&segments, state_folder) != 0 ||
            fls_segments_write(&segments, 1, &pieces, 1) != 0 ||
            fls_segments_retain(&segments, NULL, 0) != 0)
            _exit(2);
        if (ask_database(scratch_path("state/other.db"),
                         "PRAGMA temp_store=FILE; PRAGMA cache_size=1;"
                         "CREATE TEMP TABLE t(b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                         "SELECT i + 1 FROM n WHERE i < 2000) "
                         "INSERT INTO t SELECT randomblob(1000) FROM n;"
                         "CREATE TABLE o AS SELECT * FROM t ORDER BY b") != SQLITE_OK)
            _exit(3);
        fls_segments_close(&segments);
        fls_ledger_close(ledger);
        exit(0);
    }
    assert_ends_well(child);
}

static void become_another_user(void)
{
    if (getuid() == 0 && setuid(65534) != 0) /* root may have as many processes as it likes */
        _exit(99);
}

static void *use_memory(void *sum)
{
    for (size_t sz = 1; sz < 1U << 26; sz *= 2) {
        char *text = malloc(sz);

        text[sz - 1] = 1;
        *(size_t *)sum += (size_t)text[sz - 1];
        free(text);
    }
    return sum;
}

static void *open_secret(void *unused)
{
    (void)unused;
    _exit(open(secret_path, O_RDONLY) >= 0 ? 1 : errno == EACCES ? 0 : 2);
}

static void *fork_it(void *unused)
{
    signal(SIGSYS, SIG_DFL);
    fork();
    return unused;
}

#define THREADS 4

/* Several at a time, and again when these have ended. */
static void start_threads(void *(*work)(void *))
{
    pthread_t threads[THREADS];
    size_t sums[THREADS] = {0};

    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < THREADS; i++)
            if (pthread_create(&threads[i], NULL, work, &sums[i]) != 0)
                _exit(3);
        for (int i = 0; i < THREADS; i++)
            if (pthread_join(threads[i], NULL) != 0)
                _exit(4);
    }
    for (int i = 0; i < THREADS; i++)
        if (sums[i] != 2 * 26)
            _exit(5);
}

static void a_publish_starts_threads(void **state)
{
    pid_t child;

    (void)state;
    need("seccomp");
    for (int i = 0; i < 2; i++) {
        child = fork();
        if (child == 0) {
            become_another_user();
            enter(FLS_SANDBOX_PUBLISH, i ? &by_host : &by_socket);
            start_threads(use_memory);
            exit(0);
        }
        assert_ends_well(child);
    }
}

/* What holds for the process holds for them. */
static void threads_of_a_publish_cannot(void **state)
{
    pid_t child;
    int status;

    (void)state;
    need("seccomp");
    child = fork();
    if (child == 0) {
        enter(FLS_SANDBOX_PUBLISH, &by_socket);
        start_threads(fork_it);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    need("Landlock");
    child = fork();
    if (child == 0) {
        enter(FLS_SANDBOX_PUBLISH, &by_socket);
        start_threads(open_secret);
        _exit(3);
    }
    assert_ends_well(child);
}

static int listen_on_loopback(struct sockaddr_in *where)
{
    socklen_t sz = sizeof(*where);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    *where = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)where, sz), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)where, &sz), 0);
    return fd;
}

/* Names are looked up again with each connection, also such as there are not. */
static void a_publish_connects_by_name(void **state)
{
    struct sockaddr_in where;
    int listener = listen_on_loopback(&where);
    pid_t child;

    (void)state;
    child = fork();
    if (child == 0) {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
        int fd;

        enter(FLS_SANDBOX_PUBLISH, &by_host);
        for (int family = 0; family < 2; family++) {
            hints.ai_family = family ? AF_UNSPEC : AF_INET;
            if (getaddrinfo("localhost", "6379", &hints, &found) != 0)
                _exit(1);
            freeaddrinfo(found);
        }
        fd = socket(AF_INET, SOCK_STREAM, 0);
        _exit(fd < 0 || connect(fd, (struct sockaddr *)&where, sizeof(where)) != 0 ? 2 : 0);
    }
    assert_ends_well(child);
    close(listener);
}

static int compare_numbers(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(uint32_t));
}

/* libc's own ways, long and short, to the end of the process. */
static void use_libc(void *role)
{
    uint32_t *numbers, seed = 1;
    char *text = NULL;

    enter(*(enum fls_sandbox_role *)role, &by_socket);
    for (size_t sz = 1; sz < 1U << 28; sz *= 2) {
        text = realloc(text, sz);
        text[sz - 1] = 1;
    }
    free(text);
    numbers = calloc(1U << 20, sizeof(*numbers));
    for (size_t i = 0; i < 1U << 20; i++)
        numbers[i] = seed = seed * 1664525 + 1013904223;
    qsort(numbers, 1U << 20, sizeof(*numbers), compare_numbers);
    fprintf(stderr, "%f %s %d\n", (double)numbers[0], strerror(EACCES), isatty(STDERR_FILENO));
    numbers += 2;
    __asm__("" : "+r"(numbers)); /* the compiler would see it coming */
    free(numbers);               /* glibc says what is wrong and aborts */
}

static void a_failed_assertion_ends_by_sigabrt(void **state)
{
    enum fls_sandbox_role role;

    (void)state;
    if (!FLS_SANDBOX_IS_BUILT)
        skip(); /* a sanitizer has its own way to end */
    for (role = FLS_SANDBOX_INGEST; role <= FLS_SANDBOX_PUBLISH; role++)
        assert_dies(use_libc, &role, SIGABRT);
}

static void prints_and_ends(void **state)
{
    (void)state;
    for (enum fls_sandbox_role role = FLS_SANDBOX_INGEST; role <= FLS_SANDBOX_PUBLISH; role++) {
        pid_t child = fork();

        if (child == 0) {
            if (!freopen("/dev/null", "w", stdout))
                _exit(1);
            enter(role, &by_socket);
            printf("%d\n", (int)getpid());
            exit(0);
        }
        assert_ends_well(child);
    }
}

static void no_core_and_no_new_privileges(void **state)
{
    pid_t child;

    (void)state;
    if (!FLS_SANDBOX_IS_BUILT)
        skip();
    child = fork();
    if (child == 0) {
        struct rlimit limit;

        fls_sandbox_begin();
        getrlimit(RLIMIT_CORE, &limit);
        _exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0 ||
              limit.rlim_max > 1);
    }
    assert_ends_well(child);
}

/* ---- a kernel that lacks something ---- */

#define ANY_ARGUMENT UINT32_MAX

/* Calls of this number, with this first argument, fail from here on. */
static void forbid(int call, uint32_t argument, int error)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, argument, 0, argument != ANY_ARGUMENT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        _exit(99);
}

/* It is told, and Landlock holds alone. */
static void goes_on_without_seccomp(void **state)
{
    pid_t child;

    (void)state;
    need("Landlock");
    need("seccomp");
    child = fork();
    if (child == 0) {
        forbid(SYS_seccomp, ANY_ARGUMENT, ENOSYS);
        forbid(SYS_prctl, PR_SET_SECCOMP, EINVAL);
        enter(FLS_SANDBOX_INGEST, NULL);
        if (strstr(missing, "seccomp") == NULL || strstr(missing, "Landlock") != NULL)
            _exit(1);
        _exit(open(secret_path, O_RDONLY) >= 0 || errno != EACCES ? 2 : 0);
    }
    assert_ends_well(child);
}

/* Where there is no filter to tell processes from threads, there are neither. */
static void starts_nothing_without_seccomp(void **state)
{
    (void)state;
    need("seccomp");
    for (enum fls_sandbox_role role = FLS_SANDBOX_AGGREGATE; role <= FLS_SANDBOX_PUBLISH; role++) {
        pid_t child = fork();

        if (child == 0) {
            pthread_t thread;

            become_another_user();
            forbid(SYS_seccomp, ANY_ARGUMENT, ENOSYS);
            forbid(SYS_prctl, PR_SET_SECCOMP, EINVAL);
            enter(role, &by_socket);
            if (fork() >= 0 || errno != EAGAIN)
                _exit(1);
            _exit(pthread_create(&thread, NULL, use_memory, NULL) == EAGAIN ? 0 : 2);
        }
        assert_ends_well(child);
    }
}

static void goes_on_without_landlock(void **state)
{
    static const int errors[] = {ENOSYS, EOPNOTSUPP, EPERM};

    (void)state;
    need("seccomp");
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        int status;
        pid_t child = fork();

        if (child == 0) {
            signal(SIGSYS, SIG_DFL);
            forbid(SYS_landlock_create_ruleset, ANY_ARGUMENT, errors[i]);
            enter(FLS_SANDBOX_INGEST, NULL);
            if (strstr(missing, "Landlock") == NULL || strstr(missing, "seccomp") != NULL)
                _exit(2);
            _exit(open(secret_path, O_RDONLY) >= 0 ? 3 : 4);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_is_known),
        cmocka_unit_test(an_ingest_cannot),
        cmocka_unit_test(an_ingest_cannot_by_its_ring),
        cmocka_unit_test(landlock_holds_for_rings),
        cmocka_unit_test(an_aggregate_cannot),
        cmocka_unit_test(a_publish_cannot),
        cmocka_unit_test(a_publish_cannot_leave_its_folder),
        cmocka_unit_test(an_ingest_reads_what_it_is_handed),
        cmocka_unit_test(an_aggregate_hands_over_a_segment),
        cmocka_unit_test(a_publish_writes_its_state),
        cmocka_unit_test(a_publish_starts_threads),
        cmocka_unit_test(threads_of_a_publish_cannot),
        cmocka_unit_test(a_publish_connects_by_name),
        cmocka_unit_test(a_failed_assertion_ends_by_sigabrt),
        cmocka_unit_test(prints_and_ends),
        cmocka_unit_test(no_core_and_no_new_privileges),
        cmocka_unit_test(goes_on_without_seccomp),
        cmocka_unit_test(starts_nothing_without_seccomp),
        cmocka_unit_test(goes_on_without_landlock),
    };

    return cmocka_run_group_tests(tests, setup, scratch_teardown);
}

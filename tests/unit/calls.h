/* The calls that the program, and SQLite in it, makes on the files of one folder: counted,
 * recorded, made to fail, or the end of the process. They are this program's own functions here, in
 * the place of the C library's. Nothing is synced in truth, which no test could see. */
#pragma once

#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define CALLS_MAX 16384U
#define CALLS_DATA_SZ (256UL << 20) /* of address space; what is not used takes no memory */
#define CALLS_PATH_MAX 64U          /* of a path below the folder, with its NUL */
#define CALLS_ENDED 9               /* exit status of a process that came to calls.end_at */

enum call_kind {
    CALL_OPEN, /* of what is there already */
    CALL_CREATE,
    CALL_MKDIR,
    CALL_WRITE,
    CALL_TRUNCATE,
    CALL_SYNC,
    CALL_RENAME,
    CALL_UNLINK,
    CALL_READ,
    CALL_MAP,
    CALL_MEMORY, /* malloc and its like, maps of no file: only where a test passes them on */
    CALL_MARK,   /* none: something that the test noted */
    CALL_KIND_CNT
};

#define CALLS_WRITING                                                                              \
    (1U << CALL_CREATE | 1U << CALL_MKDIR | 1U << CALL_WRITE | 1U << CALL_TRUNCATE |               \
     1U << CALL_SYNC | 1U << CALL_RENAME | 1U << CALL_UNLINK)
#define CALLS_ALL (CALLS_WRITING | 1U << CALL_OPEN | 1U << CALL_READ | 1U << CALL_MAP)

struct call {
    enum call_kind kind;
    char path[CALLS_PATH_MAX]; /* below the folder; "" is that itself */
    char to[CALLS_PATH_MAX];   /* of a rename */
    uint64_t at;               /* of a write; the new size; a mark's number */
    size_t sz, data;           /* of what is written, and where it stands among the data */
};

/* Shared with the processes that were forked after calls_init. */
struct call_log {
    uint32_t cnt; /* all calls of the kinds that are counted */
    uint32_t failed;
    uint64_t bytes[CALL_KIND_CNT]; /* read, written, mapped */
    uint32_t call_cnt;             /* calls recorded: those that changed something, and marks */
    struct call calls[CALLS_MAX];
    size_t data_sz;
    uint8_t data[CALLS_DATA_SZ];
};

static struct {
    char folder[SCRATCH_PATH_MAX]; /* "": nothing is looked at */
    bool is_recording;
    unsigned kinds;   /* that count: bits 1 << enum call_kind */
    const char *only; /* the one path whose calls count, or NULL */
    uint32_t fail_at; /* the call that fails, counted from 1; 0: none */
    bool lasts;       /* and all that follow fail, too */
    int number;       /* its errno; 0: a write that stops halfway */
    uint32_t end_at;  /* the call that the process does not live to make; 0: none */
    struct call_log *log;
} calls;

static inline void calls_init(const char *folder)
{
    if (calls.log == NULL)
        calls.log = mmap(NULL, sizeof(*calls.log), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(calls.log != MAP_FAILED);
    snprintf(calls.folder, sizeof(calls.folder), "%s", folder);
}

/* Begins anew: nothing counted, recorded, failing. */
static inline void calls_reset(void)
{
    calls.log->cnt = calls.log->failed = calls.log->call_cnt = 0;
    memset(calls.log->bytes, 0, sizeof(calls.log->bytes));
    calls.log->data_sz = 0;
    calls.is_recording = calls.lasts = false;
    calls.kinds = calls.fail_at = calls.end_at = 0;
    calls.number = 0;
    calls.only = NULL;
}

/* True if the call is to fail, with errno as it is then. */
static inline bool calls_take(enum call_kind kind, const char *path)
{
    if (!(calls.kinds & 1U << kind) || (calls.only != NULL && strcmp(calls.only, path) != 0))
        return false;
    calls.log->cnt++;
    if (calls.log->cnt == calls.end_at)
        _exit(CALLS_ENDED);
    if (calls.fail_at == 0 || calls.log->cnt < calls.fail_at ||
        (calls.log->cnt > calls.fail_at && !calls.lasts))
        return false;
    calls.log->failed++;
    errno = calls.number;
    return true;
}

/* ---- which file ---- */

/* The path below the folder, or false: it is elsewhere. */
static inline bool calls_below(const char *path, char below[static CALLS_PATH_MAX])
{
    size_t sz = strlen(calls.folder);

    if (sz == 0 || strncmp(path, calls.folder, sz) != 0 || (path[sz] != '/' && path[sz] != '\0'))
        return false;
    path += sz + (path[sz] == '/');
    if (strlen(path) >= CALLS_PATH_MAX)
        return false;
    strcpy(below, path);
    return true;
}

static inline bool calls_of_fd(int fd, char below[static CALLS_PATH_MAX])
{
    char link[64], path[SCRATCH_PATH_MAX];
    ssize_t sz;

    if (calls.folder[0] == '\0' || fd < 0)
        return false;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    sz = readlink(link, path, sizeof(path) - 1);
    if (sz < 0)
        return false;
    path[sz] = '\0';
    return calls_below(path, below);
}

static inline bool calls_of_path(int folder_fd, const char *path, char below[static CALLS_PATH_MAX])
{
    size_t sz;

    if (path[0] == '/')
        return calls_below(path, below);
    if (folder_fd == AT_FDCWD || !calls_of_fd(folder_fd, below))
        return false;
    sz = strlen(below);
    if (sz > 0)
        below[sz++] = '/';
    snprintf(below + sz, CALLS_PATH_MAX - sz, "%s", path);
    return true;
}

/* ---- recording ---- */

static inline void calls_record(enum call_kind kind, const char *path, const char *to, uint64_t at,
                                const void *bytes, size_t sz)
{
    struct call_log *log = calls.log;
    struct call *call;

    if (!calls.is_recording)
        return;
    if (log->call_cnt == CALLS_MAX || sz > CALLS_DATA_SZ - log->data_sz)
        abort();
    call = &log->calls[log->call_cnt++];
    *call = (struct call){.kind = kind, .at = at, .sz = sz, .data = log->data_sz};
    strcpy(call->path, path);
    strcpy(call->to, to);
    if (sz > 0)
        memcpy(log->data + log->data_sz, bytes, sz);
    log->data_sz += sz;
}

static inline void calls_mark(uint64_t number)
{
    calls_record(CALL_MARK, "", "", number, NULL, 0);
}

/* ---- the calls ---- */

static inline int calls_open(int folder_fd, const char *path, int flags, mode_t mode)
{
    char below[CALLS_PATH_MAX];
    bool is_new;
    int fd;

    if (calls.folder[0] == '\0' || !calls_of_path(folder_fd, path, below))
        return (int)syscall(SYS_openat, folder_fd, path, flags, mode);
    is_new = (flags & O_CREAT) && faccessat(folder_fd, path, F_OK, 0) != 0;
    if (calls_take(is_new ? CALL_CREATE : CALL_OPEN, below))
        return -1;
    fd = (int)syscall(SYS_openat, folder_fd, path, flags, mode);
    if (fd >= 0 && is_new)
        calls_record(CALL_CREATE, below, "", 0, NULL, 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        calls_record(CALL_TRUNCATE, below, "", 0, NULL, 0);
    return fd;
}

#define CALLS_OPEN_MODE(flags, mode)                                                               \
    mode_t mode = 0;                                                                               \
    if ((flags)&O_CREAT) {                                                                         \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode = va_arg(arguments, mode_t);                                                          \
        va_end(arguments);                                                                         \
    }

int open(const char *path, int flags, ...)
{
    CALLS_OPEN_MODE(flags, mode)
    return calls_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    CALLS_OPEN_MODE(flags, mode)
    return calls_open(AT_FDCWD, path, flags, mode);
}

int openat(int folder_fd, const char *path, int flags, ...)
{
    CALLS_OPEN_MODE(flags, mode)
    return calls_open(folder_fd, path, flags, mode);
}

int mkdirat(int folder_fd, const char *path, mode_t mode)
{
    char below[CALLS_PATH_MAX];
    bool is_ours = calls_of_path(folder_fd, path, below);
    int status;

    if (is_ours && calls_take(CALL_MKDIR, below))
        return -1;
    status = (int)syscall(SYS_mkdirat, folder_fd, path, mode);
    if (is_ours && status == 0)
        calls_record(CALL_MKDIR, below, "", 0, NULL, 0);
    return status;
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

/* `at` -1: where the file stands. */
static inline ssize_t calls_write(int fd, const struct iovec *pieces, int cnt, off_t at)
{
    char below[CALLS_PATH_MAX];
    struct iovec half;
    bool is_ours = calls_of_fd(fd, below);
    off_t begin = at >= 0 ? at : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t sz, rest;

    if (is_ours && calls_take(CALL_WRITE, below)) {
        if (calls.number != 0)
            return -1;
        half = (struct iovec){pieces[0].iov_base, (pieces[0].iov_len + 1) / 2};
        pieces = &half;
        cnt = 1;
    }
    sz = at >= 0 ? syscall(SYS_pwritev, fd, pieces, cnt, at, 0)
                 : syscall(SYS_writev, fd, pieces, cnt);
    if (!is_ours || sz < 0)
        return sz;
    calls.log->bytes[CALL_WRITE] += (uint64_t)sz;
    rest = sz;
    for (int i = 0; i < cnt && rest > 0; i++) {
        size_t piece_sz = pieces[i].iov_len < (size_t)rest ? pieces[i].iov_len : (size_t)rest;

        calls_record(CALL_WRITE, below, "", (uint64_t)begin, pieces[i].iov_base, piece_sz);
        begin += (off_t)piece_sz;
        rest -= (ssize_t)piece_sz;
    }
    return sz;
}

ssize_t write(int fd, const void *bytes, size_t sz)
{
    if (calls.folder[0] == '\0')
        return syscall(SYS_write, fd, bytes, sz);
    return calls_write(fd, &(struct iovec){(void *)(uintptr_t)bytes, sz}, 1, -1);
}

ssize_t writev(int fd, const struct iovec *pieces, int cnt)
{
    return calls_write(fd, pieces, cnt, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t sz, off_t at)
{
    return calls_write(fd, &(struct iovec){(void *)(uintptr_t)bytes, sz}, 1, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t sz, off64_t at)
{
    return calls_write(fd, &(struct iovec){(void *)(uintptr_t)bytes, sz}, 1, at);
}

int ftruncate(int fd, off_t size)
{
    char below[CALLS_PATH_MAX];
    bool is_ours = calls_of_fd(fd, below);
    int status;

    if (is_ours && calls_take(CALL_TRUNCATE, below))
        return -1;
    status = (int)syscall(SYS_ftruncate, fd, size);
    if (is_ours && status == 0)
        calls_record(CALL_TRUNCATE, below, "", (uint64_t)size, NULL, 0);
    return status;
}

int ftruncate64(int fd, off64_t size)
{
    return ftruncate(fd, size);
}

int fsync(int fd)
{
    char below[CALLS_PATH_MAX];

    if (!calls_of_fd(fd, below))
        return 0;
    if (calls_take(CALL_SYNC, below))
        return -1;
    calls_record(CALL_SYNC, below, "", 0, NULL, 0);
    return 0;
}

int fdatasync(int fd)
{
    return fsync(fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char below[CALLS_PATH_MAX], below_to[CALLS_PATH_MAX];
    bool is_ours = calls_of_path(from_fd, from, below) && calls_of_path(to_fd, to, below_to);
    int status;

    if (is_ours && calls_take(CALL_RENAME, below))
        return -1;
    status = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    if (is_ours && status == 0)
        calls_record(CALL_RENAME, below, below_to, 0, NULL, 0);
    return status;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int unlinkat(int folder_fd, const char *path, int flags)
{
    char below[CALLS_PATH_MAX];
    bool is_ours = calls_of_path(folder_fd, path, below);
    int status;

    if (is_ours && calls_take(CALL_UNLINK, below))
        return -1;
    status = (int)syscall(SYS_unlinkat, folder_fd, path, flags);
    if (is_ours && status == 0)
        calls_record(CALL_UNLINK, below, "", 0, NULL, 0);
    return status;
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

/* `at` -1: where the file stands. */
static inline ssize_t calls_read(int fd, void *bytes, size_t max, off_t at)
{
    char below[CALLS_PATH_MAX];
    bool is_ours = calls_of_fd(fd, below);
    ssize_t sz;

    if (is_ours && calls_take(CALL_READ, below))
        return -1;
    sz = at >= 0 ? syscall(SYS_pread64, fd, bytes, max, at) : syscall(SYS_read, fd, bytes, max);
    if (is_ours && sz > 0)
        calls.log->bytes[CALL_READ] += (uint64_t)sz;
    return sz;
}

ssize_t read(int fd, void *bytes, size_t max)
{
    return calls_read(fd, bytes, max, -1);
}

ssize_t pread(int fd, void *bytes, size_t max, off_t at)
{
    return calls_read(fd, bytes, max, at);
}

ssize_t pread64(int fd, void *bytes, size_t max, off64_t at)
{
    return calls_read(fd, bytes, max, at);
}

static inline void *calls_map(void *at, size_t sz, int protection, int flags, int fd, off_t offset)
{
    char below[CALLS_PATH_MAX];

    if (fd < 0 ? calls_take(CALL_MEMORY, "")
               : calls_of_fd(fd, below) && calls_take(CALL_MAP, below))
        return MAP_FAILED;
    if (fd >= 0 && calls_of_fd(fd, below))
        calls.log->bytes[CALL_MAP] += sz;
    return (void *)syscall(SYS_mmap, at, sz, protection, flags, fd, offset);
}

void *mmap(void *at, size_t sz, int protection, int flags, int fd, off_t offset)
{
    return calls_map(at, sz, protection, flags, fd, offset);
}

void *mmap64(void *at, size_t sz, int protection, int flags, int fd, off64_t offset)
{
    return calls_map(at, sz, protection, flags, fd, offset);
}

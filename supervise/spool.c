#include "supervise/spool.h"

#include "base/assert.h"
#include "base/write.h"
#include "supervise/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SPOOL_BLOCK_SZ 1048576U        /* bytes of standard input read at once */
#define SPOOL_TEMPORARY "incoming.tmp" /* the holder of the state folder is the only writer */
#define SPOOL_PREFIX "stdin:"
#define HASH_TEXT_MAX 33 /* bytes of an XXH3-128 in hex digits, with its NUL */

static bool spool_path(const struct fls_scan *scan, const char *file,
                       char path[static FLS_PATH_MAX])
{
    return (size_t)snprintf(path, FLS_PATH_MAX, "%s/%s", scan->setup->spool_folder, file) <
           FLS_PATH_MAX;
}

/* As read, but -1 with EINTR when the scan is to end, however long nothing comes. */
static ssize_t spool_read(const struct fls_scan *scan, int from, uint8_t *block)
{
    struct pollfd fds[] = {{.fd = scan->setup->stop_fd, .events = POLLIN},
                           {.fd = from, .events = POLLIN}};

    if (poll(fds, 2, -1) < 0)
        return -1;
    if (fds[0].revents) {
        errno = EINTR;
        return -1;
    }
    return read(from, block, SPOOL_BLOCK_SZ);
}

/* 0 or -errno; `is_write` tells which side failed. */
static int spool_copy(const struct fls_scan *scan, int from, int to,
                      char hash[static HASH_TEXT_MAX], bool *is_write)
{
    uint8_t *block = malloc(SPOOL_BLOCK_SZ);
    XXH3_state_t *sum = XXH3_createState();
    ssize_t sz = block == NULL || sum == NULL ? -1 : 1;
    int status = sz < 0 ? -ENOMEM : 0;

    *is_write = false;
    if (status == 0)
        XXH3_128bits_reset(sum);
    while (status == 0 && sz > 0) {
        sz = spool_read(scan, from, block);
        if (sz < 0) {
            status = -errno;
        } else {
            XXH3_128bits_update(sum, block, (size_t)sz);
            status = fls_write(to, (struct fls_span){block, (size_t)sz});
            *is_write = status != 0;
        }
    }
    if (status == 0) {
        XXH128_hash_t digest = XXH3_128bits_digest(sum);

        snprintf(hash, HASH_TEXT_MAX, "%016llx%016llx", (unsigned long long)digest.high64,
                 (unsigned long long)digest.low64);
    }
    XXH3_freeState(sum);
    free(block);
    return status;
}

/* Gives the spooled file its name and adds it, or removes it if its content is counted. */
static int spool_keep(struct fls_scan *scan, const char *temporary, const char *hash)
{
    char name[sizeof(SPOOL_PREFIX) + HASH_TEXT_MAX], file[HASH_TEXT_MAX + 4], path[FLS_PATH_MAX];
    struct stat found;
    uint64_t size;
    int64_t mtime_ns;
    int status = 0;

    snprintf(name, sizeof(name), SPOOL_PREFIX "%s", hash);
    snprintf(file, sizeof(file), "%s.log", hash);
    if (scan->setup->ledger != NULL)
        status = fls_ledger_find(scan->setup->ledger, name, &size, &mtime_ns);
    if (status == 1)
        scan->inputs->already_counted++;
    if (status != 0) {
        unlink(temporary);
        return status < 0 ? status : 0;
    }
    if (!spool_path(scan, file, path))
        errno = ENAMETOOLONG;
    else if (rename(temporary, path) == 0 && stat(path, &found) == 0)
        return fls_inputs_add(scan->inputs, path, name, &found);
    fls_scan_unreadable(scan, temporary, strerror(errno));
    unlink(temporary);
    return 0;
}

static void spool_unwritable(struct fls_scan *scan, const char *path, int number)
{
    char text[FLS_SCAN_SHOWN_MAX], why[FLS_SCAN_SHOWN_MAX + 256];

    snprintf(
        why, sizeof(why),
        "its copy in %s cannot be written: %s (make room there, or choose another state folder "
        "with --state)",
        fls_scan_shown(scan->setup->spool_folder, text), strerror(number));
    fls_scan_unreadable(scan, path, why);
}

int fls_spool_add(struct fls_scan *scan, int from, const char *path)
{
    char temporary[FLS_PATH_MAX], hash[HASH_TEXT_MAX];
    bool is_write;
    int to = -1, status;

    fls_assert(scan->setup->spool_folder != NULL);
    if (!spool_path(scan, SPOOL_TEMPORARY, temporary))
        errno = ENAMETOOLONG;
    else if (mkdir(scan->setup->spool_folder, 0700) == 0 || errno == EEXIST)
        to = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (to < 0) {
        spool_unwritable(scan, path, errno);
        return 0;
    }
    status = spool_copy(scan, from, to, hash, &is_write);
    if (close(to) != 0 && status == 0) {
        status = -errno;
        is_write = true;
    }
    if (status == 0)
        return spool_keep(scan, temporary, hash);
    unlink(temporary);
    if (status == -EINTR || status == -ENOMEM)
        return status;
    if (is_write)
        spool_unwritable(scan, path, -status);
    else
        fls_scan_unreadable(scan, path, strerror(-status));
    return 0;
}

int fls_spool_add_fifo(struct fls_scan *scan, const char *path)
{
    /* open would wait for a writer, deaf to stop_fd; poll waits for the first one as well */
    int status, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fcntl(fd, F_SETFL, O_RDONLY) != 0) {
        fls_scan_unreadable(scan, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 0;
    }
    status = fls_spool_add(scan, fd, path);
    close(fd);
    return status;
}

int fls_spool_sweep(struct fls_scan *scan)
{
    DIR *stream = opendir(scan->setup->spool_folder);
    const struct dirent *entry;
    int status = 0;

    if (stream == NULL)
        return 0; /* nothing was spooled, or the next spooling says what is wrong */
    while (status >= 0 && (entry = readdir(stream)) != NULL) {
        char name[sizeof(SPOOL_PREFIX) + NAME_MAX];
        size_t sz = strlen(entry->d_name);
        uint64_t size;
        int64_t mtime_ns;

        if (sz != HASH_TEXT_MAX - 1 + 4 || strcmp(entry->d_name + sz - 4, ".log") != 0)
            continue;
        snprintf(name, sizeof(name), SPOOL_PREFIX "%.*s", HASH_TEXT_MAX - 1, entry->d_name);
        status = fls_ledger_find(scan->setup->ledger, name, &size, &mtime_ns);
        if (status == 1)
            unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
    return status < 0 ? status : 0;
}

int fls_spool_pass_by(struct fls_scan *scan)
{
    char *real =
        scan->setup->spool_folder == NULL ? NULL : realpath(scan->setup->spool_folder, NULL);
    int status = real == NULL ? 0 : fls_string_set_add(&scan->walk.seen, real);

    if (status != 1)
        free(real);
    return status < 0 ? status : 0;
}

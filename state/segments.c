#include "state/segments.h"

#include "base/assert.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <xxhash.h>

#define SEGMENT_NAME_MAX 32U  /* bytes of NUMBER.seg.tmp with its NUL: 20 digits at most */
#define SEGMENT_PIECES_MAX 64 /* pieces that one write hands to the kernel */

/* The last bytes of every file, numbers little-endian. The magic comes last, so that a file cut
 * anywhere ends in something else:
 *
 *      0        8        16       24
 *      | size   | XXH3   | magic  |     size and sum of the content, all that stands before
 */
struct trailer {
    uint64_t size, sum;
    char magic[8];
};
_Static_assert(sizeof(struct trailer) == 24, "the trailer has no holes");

static const char magic[8] = {'F', 'L', 'S', 'S', 'E', 'G', '1', '\n'};

static void segment_name(char name[static SEGMENT_NAME_MAX], uint64_t number, const char *suffix)
{
    snprintf(name, SEGMENT_NAME_MAX, "%llu.seg%s", (unsigned long long)number, suffix);
}

int fls_segments_open(struct fls_segments *segments, const char *state_folder)
{
    int status = 0;
    int above = open(state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    segments->folder_fd = -1;
    if (above < 0)
        return -errno;
    if (mkdirat(above, "segments", 0700) == 0) {
        if (fsync(above) != 0)
            status = -errno;
    } else if (errno != EEXIST) {
        status = -errno;
    }
    if (status == 0) {
        segments->folder_fd = openat(above, "segments", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (segments->folder_fd < 0)
            status = -errno;
    }
    close(above);
    return status;
}

void fls_segments_close(struct fls_segments *segments)
{
    if (segments->folder_fd >= 0)
        close(segments->folder_fd);
    segments->folder_fd = -1;
}

/* Writes all of the pieces; writev may stop anywhere. Changes the array. */
static int pieces_write(int fd, struct iovec *pieces, int cnt)
{
    while (cnt > 0) {
        ssize_t sz = writev(fd, pieces, cnt);

        if (sz < 0 && errno == EINTR)
            continue;
        if (sz < 0)
            return -errno;
        while (cnt > 0 && (size_t)sz >= pieces->iov_len) {
            sz -= (ssize_t)pieces->iov_len;
            pieces++;
            cnt--;
        }
        if (cnt > 0) {
            pieces->iov_base = (char *)pieces->iov_base + sz;
            pieces->iov_len -= (size_t)sz;
        }
    }
    return 0;
}

static int content_write(int fd, const struct fls_span *pieces, uint32_t piece_cnt,
                         XXH3_state_t *sum, uint64_t *size)
{
    struct iovec batch[SEGMENT_PIECES_MAX];

    *size = 0;
    for (uint32_t i = 0; i < piece_cnt;) {
        int cnt = 0, status;

        for (; i < piece_cnt && cnt < SEGMENT_PIECES_MAX; i++) {
            if (pieces[i].sz == 0)
                continue;
            XXH3_64bits_update(sum, pieces[i].at, pieces[i].sz);
            *size += pieces[i].sz;
            batch[cnt].iov_base = (void *)(uintptr_t)pieces[i].at;
            batch[cnt++].iov_len = pieces[i].sz;
        }
        status = pieces_write(fd, batch, cnt);
        if (status != 0)
            return status;
    }
    return 0;
}

static int file_write(int fd, const struct fls_span *pieces, uint32_t piece_cnt)
{
    XXH3_state_t *sum = XXH3_createState();
    struct trailer trailer;
    uint64_t size;
    int status;

    if (sum == NULL)
        return -ENOMEM;
    XXH3_64bits_reset(sum);
    status = content_write(fd, pieces, piece_cnt, sum, &size);
    if (status == 0) {
        trailer.size = htole64(size);
        trailer.sum = htole64(XXH3_64bits_digest(sum));
        memcpy(trailer.magic, magic, sizeof(magic));
        status = pieces_write(fd, &(struct iovec){&trailer, sizeof(trailer)}, 1);
    }
    XXH3_freeState(sum);
    if (status == 0 && fdatasync(fd) != 0)
        status = -errno;
    return status;
}

int fls_segments_write(struct fls_segments *segments, uint64_t number,
                       const struct fls_span *pieces, uint32_t piece_cnt)
{
    char name[SEGMENT_NAME_MAX], temporary[SEGMENT_NAME_MAX];
    int fd, status;

    segment_name(name, number, "");
    segment_name(temporary, number, ".tmp");
    fd = openat(segments->folder_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        status = -errno;
    } else {
        status = file_write(fd, pieces, piece_cnt);
        if (close(fd) != 0 && status == 0)
            status = -errno; /* some network file systems first say here that the disk is full */
    }
    if (status == 0 && renameat(segments->folder_fd, temporary, segments->folder_fd, name) != 0)
        status = -errno;
    if (status == 0 && fsync(segments->folder_fd) != 0)
        status = -errno;
    if (status != 0) {
        unlinkat(segments->folder_fd, temporary, 0);
        unlinkat(segments->folder_fd, name, 0); /* also one that an interrupted commit left */
    }
    return status;
}

static bool trailer_is_right(const uint8_t *file, size_t sz, int check_sum)
{
    struct trailer trailer;
    size_t content_sz = sz - sizeof(trailer);

    memcpy(&trailer, file + content_sz, sizeof(trailer));
    if (memcmp(trailer.magic, magic, sizeof(magic)) != 0 || le64toh(trailer.size) != content_sz)
        return false;
    return !check_sum || le64toh(trailer.sum) == XXH3_64bits(file, content_sz);
}

int fls_segments_map(struct fls_segments *segments, uint64_t number, int check_sum,
                     struct fls_span *content)
{
    char name[SEGMENT_NAME_MAX];
    struct stat found;
    void *file = MAP_FAILED;
    int fd, status = 0;

    *content = (struct fls_span){NULL, 0};
    segment_name(name, number, "");
    /* O_NONBLOCK: something else of that name, a FIFO say, is an error and not a wait. */
    fd = openat(segments->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &found) != 0)
        status = -errno;
    else if (!S_ISREG(found.st_mode) || (uint64_t)found.st_size < sizeof(struct trailer))
        status = -EUCLEAN;
    if (status == 0) {
        file = mmap(NULL, (size_t)found.st_size, PROT_READ, MAP_SHARED, fd, 0);
        if (file == MAP_FAILED)
            status = -errno;
    }
    close(fd);
    if (status != 0)
        return status;
    if (!trailer_is_right(file, (size_t)found.st_size, check_sum)) {
        munmap(file, (size_t)found.st_size);
        return -EUCLEAN;
    }
    *content = (struct fls_span){file, (size_t)found.st_size - sizeof(struct trailer)};
    return 0;
}

void fls_segments_unmap(struct fls_span content)
{
    int status;

    if (content.at == NULL)
        return;
    status = munmap((void *)(uintptr_t)content.at, content.sz + sizeof(struct trailer));
    fls_assert(status == 0);
}

static int number_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

    return (left > right) - (left < right);
}

static bool name_is_retained(const char *name, const uint64_t *numbers, size_t cnt)
{
    char canonical[SEGMENT_NAME_MAX];
    uint64_t number;

    errno = 0;
    number = strtoull(name, NULL, 10);
    if (errno != 0)
        return false;
    segment_name(canonical, number, "");
    return cnt > 0 && strcmp(name, canonical) == 0 &&
           bsearch(&number, numbers, cnt, sizeof(*numbers), number_compare) != NULL;
}

int fls_segments_retain(struct fls_segments *segments, const uint64_t *numbers, size_t cnt)
{
    int status = 0;
    int fd = openat(segments->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (folder == NULL) {
        status = -errno;
        if (fd >= 0)
            close(fd);
        return status;
    }
    for (size_t i = 1; i < cnt; i++)
        fls_assert(numbers[i - 1] < numbers[i]);
    while (errno = 0, (entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
            name_is_retained(entry->d_name, numbers, cnt))
            continue;
        /* A folder (EISDIR) is none of ours. */
        if (unlinkat(segments->folder_fd, entry->d_name, 0) != 0 && errno != ENOENT &&
            errno != EISDIR && status == 0)
            status = -errno;
    }
    if (errno != 0 && status == 0)
        status = -errno;
    closedir(folder);
    return status;
}

#include "state/segments.h"

#include "base/assert.h"
#include "base/read.h"
#include "base/write.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SEGMENT_NAME_MAX 32U /* bytes of NUMBER.seg.tmp with its NUL: 20 digits at most */
/* Bytes that are read or summed, and then summed or written: still in the cache. And the page cache
 * takes small pages for small writes, which a virtual machine is likelier to have at hand than huge
 * ones. */
#define PIECE_SZ ((size_t)64 << 10)
/* Bytes that are sent to the disk together while more is written, so that the sync at the end finds
 * little left to wait for; a small file is left to that. */
#define EARLY_SZ ((uint64_t)8 << 20)

/* The last bytes of every file, numbers little-endian. The magic comes last, so that a file cut
 * anywhere ends in something else:
 *
 *      0        8        16       24
 *      | size   | number | magic  |     size of the content, all that stands before; the file's own
 *                                       number
 */
struct trailer {
    uint64_t size, number;
    char magic[8];
};
_Static_assert(sizeof(struct trailer) == 24, "the trailer has no holes");

static const char magic[8] = {'F', 'L', 'S', 'S', 'E', 'G', '2', '\n'};

static void segment_name(char name[static SEGMENT_NAME_MAX], uint64_t number, const char *suffix)
{
    snprintf(name, SEGMENT_NAME_MAX, "%llu.seg%s", (unsigned long long)number, suffix);
}

static int folder_open(const char *state_folder, int *folder_fd)
{
    int status = 0;
    int above = open(state_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (above < 0)
        return -errno;
    if (mkdirat(above, "segments", 0700) == 0) {
        if (fsync(above) != 0)
            status = -errno;
    } else if (errno != EEXIST) {
        status = -errno;
    }
    if (status == 0) {
        *folder_fd = openat(above, "segments", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (*folder_fd < 0)
            status = -errno;
    }
    close(above);
    return status;
}

int fls_segments_open(struct fls_segments *segments, const char *state_folder)
{
    int status = -ENOMEM;

    *segments = (struct fls_segments){.folder_fd = -1};
    if (asprintf(&segments->path, "%s/segments", state_folder) < 0)
        segments->path = NULL;
    else
        status = folder_open(state_folder, &segments->folder_fd);
    if (status != 0)
        fls_segments_close(segments);
    return status;
}

void fls_segments_close(struct fls_segments *segments)
{
    if (segments->folder_fd >= 0)
        close(segments->folder_fd);
    free(segments->path);
    *segments = (struct fls_segments){.folder_fd = -1};
}

/* Under both names: also what an interrupted commit left. */
static void file_remove(const struct fls_segment_file *file)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(name, file->number, ".tmp");
    unlinkat(file->segments->folder_fd, name, 0);
    segment_name(name, file->number, "");
    unlinkat(file->segments->folder_fd, name, 0);
}

int fls_segments_begin(struct fls_segments *segments, uint64_t number,
                       struct fls_segment_file *file)
{
    char name[SEGMENT_NAME_MAX];

    *file = (struct fls_segment_file){.segments = segments, .number = number};
    segment_name(name, number, ".tmp");
    file->fd = openat(segments->folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file->fd < 0) {
        int error = errno;

        file_remove(file);
        return -error;
    }
    file->part_sum = XXH3_createState();
    fls_assert(file->part_sum != NULL);
    XXH3_64bits_reset(file->part_sum);
    return 0;
}

/* Promises nothing and tells of no error: fls_segments_finish syncs. */
static void write_early(struct fls_segment_file *file)
{
    if (file->size - file->early_size < EARLY_SZ)
        return;
    sync_file_range(file->fd, (off_t)file->early_size, (off_t)(file->size - file->early_size),
                    SYNC_FILE_RANGE_WRITE);
    file->early_size = file->size;
}

int fls_segments_append(struct fls_segment_file *file, struct fls_span content)
{
    int status = 0;

    while (content.sz > 0 && status == 0) {
        struct fls_span piece = {content.at, content.sz < PIECE_SZ ? content.sz : PIECE_SZ};

        XXH3_64bits_update(file->part_sum, piece.at, piece.sz);
        status = fls_write(file->fd, piece);
        file->size += piece.sz;
        write_early(file);
        content.at += piece.sz;
        content.sz -= piece.sz;
    }
    return status;
}

struct fls_part fls_segments_end_part(struct fls_segment_file *file, uint32_t day)
{
    struct fls_part part = {.segment = file->number,
                            .day = day,
                            .offset = file->part_offset,
                            .size = file->size - file->part_offset,
                            .sum = XXH3_64bits_digest(file->part_sum)};

    XXH3_64bits_reset(file->part_sum);
    file->part_offset = file->size;
    return part;
}

static int trailer_write(struct fls_segment_file *file)
{
    struct trailer trailer = {.size = htole64(file->size), .number = htole64(file->number)};
    int status;

    memcpy(trailer.magic, magic, sizeof(magic));
    status = fls_write(file->fd, (struct fls_span){(const uint8_t *)&trailer, sizeof(trailer)});
    if (status == 0 && fdatasync(file->fd) != 0)
        status = -errno;
    return status;
}

static int file_close(struct fls_segment_file *file)
{
    int status = close(file->fd) == 0 ? 0 : -errno;

    file->fd = -1;
    XXH3_freeState(file->part_sum);
    file->part_sum = NULL;
    return status;
}

void fls_segments_abandon(struct fls_segment_file *file)
{
    file_close(file);
    file_remove(file);
}

int fls_segments_finish(struct fls_segment_file *file)
{
    int folder_fd = file->segments->folder_fd;
    char name[SEGMENT_NAME_MAX], temporary[SEGMENT_NAME_MAX];
    int status = trailer_write(file), closed = file_close(file);

    segment_name(name, file->number, "");
    segment_name(temporary, file->number, ".tmp");
    if (status == 0)
        status = closed; /* some network file systems first say here that the disk is full */
    if (status == 0 && renameat(folder_fd, temporary, folder_fd, name) != 0)
        status = -errno;
    if (status == 0 && fsync(folder_fd) != 0)
        status = -errno;
    if (status != 0)
        file_remove(file);
    else
        file->segments->last_written = file->number;
    return status;
}

int fls_segments_write(struct fls_segments *segments, uint64_t number,
                       const struct fls_span *pieces, uint32_t piece_cnt)
{
    struct fls_segment_file file;
    int status = fls_segments_begin(segments, number, &file);

    if (status != 0)
        return status;
    for (uint32_t i = 0; i < piece_cnt && status == 0; i++)
        status = fls_segments_append(&file, pieces[i]);
    if (status == 0)
        return fls_segments_finish(&file);
    fls_segments_abandon(&file);
    return status;
}

uint64_t fls_segments_sum(struct fls_span bytes)
{
    return XXH3_64bits(bytes.at, bytes.sz);
}

/* 0 if the file is whole and holds the part; -EUCLEAN, -errno. */
static int file_check(int fd, const struct fls_part *part)
{
    struct trailer trailer;
    struct stat found;
    uint64_t content_sz;
    int status;

    if (fstat(fd, &found) != 0)
        return -errno;
    if (!S_ISREG(found.st_mode) || (uint64_t)found.st_size < sizeof(trailer))
        return -EUCLEAN;
    content_sz = (uint64_t)found.st_size - sizeof(trailer);
    status = fls_read_at(fd, &trailer, sizeof(trailer), content_sz);
    if (status != 0)
        return status;
    if (memcmp(trailer.magic, magic, sizeof(magic)) != 0 || le64toh(trailer.size) != content_sz ||
        le64toh(trailer.number) != part->segment)
        return -EUCLEAN;
    return part->size == 0 || part->offset > content_sz || part->size > content_sz - part->offset
               ? -EUCLEAN
               : 0;
}

static int part_check(int fd, const struct fls_part *part, uint8_t *piece, XXH3_state_t *sum)
{
    int status = 0;

    XXH3_64bits_reset(sum);
    for (uint64_t at = 0, sz; at < part->size && status == 0; at += sz) {
        sz = part->size - at < PIECE_SZ ? part->size - at : PIECE_SZ;
        status = fls_read_at(fd, piece, sz, part->offset + at);
        XXH3_64bits_update(sum, piece, sz);
    }
    return status == 0 && XXH3_64bits_digest(sum) != part->sum ? -EUCLEAN : status;
}

int fls_segments_check(int fd, const struct fls_part *part)
{
    int status = file_check(fd, part);
    XXH3_state_t *sum;
    uint8_t *piece;

    if (status != 0)
        return status;
    sum = XXH3_createState();
    piece = malloc(PIECE_SZ);
    fls_assert(sum != NULL && piece != NULL);
    status = part_check(fd, part, piece, sum);
    free(piece);
    XXH3_freeState(sum);
    return status;
}

int fls_segments_open_file(struct fls_segments *segments, uint64_t number, int *fd)
{
    char name[SEGMENT_NAME_MAX];

    segment_name(name, number, "");
    /* O_NONBLOCK: something else of that name, a FIFO say, is an error and not a wait. */
    *fd = openat(segments->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    return *fd < 0 ? -errno : 0;
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

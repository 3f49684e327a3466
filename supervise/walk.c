#include "supervise/walk.h"

#include "supervise/object_name.h"
#include "supervise/scan.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Folders to be read. */

/* Takes the path over, also when it fails. */
static int heap_push(struct fls_folder_heap *heap, char *path)
{
    size_t i = heap->cnt;

    if (heap->cnt == heap->max) {
        size_t max = heap->max == 0 ? 64 : heap->max * 2;
        char **larger = realloc(heap->paths, max * sizeof(*larger));

        if (larger == NULL) {
            free(path);
            return -ENOMEM;
        }
        heap->paths = larger;
        heap->max = max;
    }
    for (; i > 0 && strcmp(path, heap->paths[(i - 1) / 2]) < 0; i = (i - 1) / 2)
        heap->paths[i] = heap->paths[(i - 1) / 2];
    heap->paths[i] = path;
    heap->cnt++;
    return 0;
}

static char *heap_pop(struct fls_folder_heap *heap)
{
    char *top = heap->paths[0], *last = heap->paths[--heap->cnt];
    size_t i = 0;

    for (size_t child = 1; child < heap->cnt; child = 2 * i + 1) {
        if (child + 1 < heap->cnt && strcmp(heap->paths[child + 1], heap->paths[child]) < 0)
            child++;
        if (strcmp(last, heap->paths[child]) <= 0)
            break;
        heap->paths[i] = heap->paths[child];
        i = child;
    }
    heap->paths[i] = last;
    return top;
}

/* What folders hold. */

/* The folder's path with one '/' at its end. */
int fls_walk_add(struct fls_scan *scan, const char *path)
{
    size_t sz = strlen(path);
    char *folder = malloc(sz + 2);

    if (folder == NULL)
        return -ENOMEM;
    while (sz > 0 && path[sz - 1] == '/')
        sz--;
    memcpy(folder, path, sz);
    folder[sz] = '/';
    folder[sz + 1] = '\0';
    return heap_push(&scan->walk.folders, folder);
}

/* A folder being read. */
struct folder {
    const char *path, *real; /* the path with a '/' at its end */
    int fd;
};

static int folder_add_file(struct fls_scan *scan, const struct folder *folder, const char *path,
                           bool is_link, const struct stat *found)
{
    char name[FLS_PATH_MAX];
    bool named;

    if (is_link || fls_object_aws_name_sz(fls_object_file(path)) != 0) {
        named = fls_object_name(path, name);
    } else {
        /* Its real path, without asking the system about each of its folders again. */
        int sz =
            snprintf(name, sizeof(name), "%s/%s",
                     strcmp(folder->real, "/") == 0 ? "" : folder->real, fls_object_file(path));

        named = (size_t)sz < sizeof(name);
        errno = ENAMETOOLONG;
    }
    if (!named) {
        fls_scan_unreadable(scan, path, strerror(errno));
        return 0;
    }
    return fls_inputs_add(scan->inputs, path, name, found);
}

static int folder_consider(struct fls_scan *scan, const struct folder *folder,
                           const struct dirent *entry)
{
    bool is_object = fls_object_has_suffix(entry->d_name);
    bool may_be_folder =
        entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
    char path[FLS_PATH_MAX];
    struct stat found;

    if (entry->d_name[0] == '.' || !(is_object || may_be_folder))
        return 0;
    if ((size_t)snprintf(path, sizeof(path), "%s%s", folder->path, entry->d_name) >= sizeof(path)) {
        fls_scan_unreadable(scan, path, "its path is too long");
        return 0;
    }
    if (entry->d_type == DT_DIR)
        return fls_walk_add(scan, path);
    if (fstatat(folder->fd, entry->d_name, &found, 0) != 0) {
        fls_scan_unreadable(scan, path, strerror(errno));
        return 0;
    }
    if (S_ISDIR(found.st_mode))
        return fls_walk_add(scan, path);
    if (!is_object)
        return 0;
    if (S_ISREG(found.st_mode))
        return folder_add_file(scan, folder, path, entry->d_type != DT_REG, &found);
    fls_scan_unreadable(scan, path, "it is not a file");
    return 0;
}

static int folder_read_entries(struct fls_scan *scan, DIR *stream, const struct folder *folder)
{
    int status = 0;

    while (status == 0) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(stream);
        if (entry != NULL)
            status = folder_consider(scan, folder, entry);
        else if (errno != 0)
            fls_scan_unreadable(scan, folder->path, strerror(errno));
        if (entry == NULL)
            break;
    }
    return status;
}

/* Reads a folder unless it was read under a smaller path. Folders come in order of their paths, so
 * that what a folder holds is found under its smallest path, whatever links lead there. */
static int folder_read(struct fls_scan *scan, const char *path)
{
    char *real = realpath(path, NULL);
    DIR *stream = real == NULL ? NULL : opendir(path);
    int status;

    if (stream == NULL) {
        fls_scan_unreadable(scan, path, strerror(errno));
        free(real);
        return 0;
    }
    status = fls_string_set_add(&scan->walk.seen, real);
    if (status == 1 && scan->setup->enter_folder)
        scan->setup->enter_folder(scan->setup->context, path);
    if (status == 1)
        status = folder_read_entries(scan, stream, &(struct folder){path, real, dirfd(stream)});
    else
        free(real); /* the set has none of it */
    closedir(stream);
    return status;
}

static bool is_to_stop(const struct fls_scan *scan)
{
    struct pollfd stop = {.fd = scan->setup->stop_fd, .events = POLLIN};

    return poll(&stop, 1, 0) > 0;
}

int fls_walk_all(struct fls_scan *scan)
{
    int status = 0;

    while (status == 0 && scan->walk.folders.cnt > 0) {
        char *path = heap_pop(&scan->walk.folders);

        status = is_to_stop(scan) ? -EINTR : folder_read(scan, path);
        free(path);
    }
    return status;
}

void fls_walk_fini(struct fls_walk *walk)
{
    for (size_t i = 0; i < walk->folders.cnt; i++)
        free(walk->folders.paths[i]);
    free(walk->folders.paths);
    for (size_t i = 0; i < walk->seen.max; i++)
        free((char *)(uintptr_t)walk->seen.slots[i]);
    free(walk->seen.slots);
}

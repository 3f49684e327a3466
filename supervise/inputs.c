#include "supervise/inputs.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/visible.h"

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

#define NAMED_MAX 10U           /* problems of one kind that are named; the others are counted */
#define SPOOL_BLOCK_SZ 1048576U /* bytes of standard input read at once */
#define SET_FIRST_CNT 1024U     /* slots of a set at first: a power of two */
#define ITEMS_FIRST_CNT 1024U
#define SHOWN_MAX FLS_PATH_MAX /* bytes of a path for people, with its NUL; longer ones are cut */
#define STDIN_PATH "-"

static const char *const object_suffix[] = {".log", ".gz", ".zst", ".parquet"};

/* A set of strings that live elsewhere: open addressing, at most half full. */
struct string_set {
    const char **slots;
    size_t cnt, max;
};

/* Folders still to be read, a heap with the smallest path on top. The paths end in '/', so that one
 * sorts as the paths of what is in it do: "a-b/" before "a/". */
struct folder_heap {
    char **paths;
    size_t cnt, max;
};

struct scan {
    struct fls_inputs *inputs;
    struct fls_ledger *ledger;
    const char *spool_folder;
    int stop_fd; /* becomes readable when the scan is to end; -1: never */
    struct folder_heap folders;
    struct string_set seen;  /* real paths of folders read, owned */
    struct string_set names; /* of the items that are kept */
    const char *previous;    /* path of the last item kept */
    bool stdin_is_read;
};

/* Names of objects. */

/* Takes one or more bytes of the kinds given off the text: d digits, a lower-case letters, A
 * upper-case letters, or the byte itself. Answers how many. */
static size_t take(const char **text, const char *kinds)
{
    const char *at = *text;
    size_t sz;

    for (;; at++) {
        bool digit = *at >= '0' && *at <= '9', lower = *at >= 'a' && *at <= 'z';
        bool upper = *at >= 'A' && *at <= 'Z';

        if (!((digit && strchr(kinds, 'd')) || (lower && strchr(kinds, 'a')) ||
              (upper && strchr(kinds, 'A')) || (*at == '-' && strchr(kinds, '-'))))
            break;
    }
    sz = (size_t)(at - *text);
    *text = at;
    return sz;
}

static bool take_word(const char **text, const char *word)
{
    size_t sz = strlen(word);

    if (strncmp(*text, word, sz) != 0)
        return false;
    *text += sz;
    return true;
}

/* Two digits of a number in first..last. */
static bool take_two(const char **text, int first, int last)
{
    const char *at = *text;
    int number;

    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return false;
    number = (at[0] - '0') * 10 + at[1] - '0';
    *text += 2;
    return number >= first && number <= last;
}

/* Bytes of the file name that are AWS's name of the object: ACCOUNT (12 digits) _vpcflowlogs_
 * REGION _ FLOWLOGID (fl- and digits or letters) _ YYYYMMDDTHHMMZ _ HASH, before .log, .log.gz or
 * .log.zst; 0 if the file name has another form. */
static size_t aws_name_sz(const char *file)
{
    const char *at = file;
    size_t sz;

    if (take(&at, "d") != 12 || !take_word(&at, "_vpcflowlogs_") || take(&at, "ad-") == 0 ||
        !take_word(&at, "_fl-") || take(&at, "ad") == 0 || !take_word(&at, "_") ||
        !take_two(&at, 0, 99) || !take_two(&at, 0, 99) || !take_two(&at, 1, 12) ||
        !take_two(&at, 1, 31) || !take_word(&at, "T") || !take_two(&at, 0, 23) ||
        !take_two(&at, 0, 59) || !take_word(&at, "Z_") || take(&at, "adA") == 0)
        return 0;
    sz = (size_t)(at - file);
    if (strcmp(at, ".log") == 0 || strcmp(at, ".log.gz") == 0 || strcmp(at, ".log.zst") == 0)
        return sz;
    return 0;
}

static const char *file_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* AWS's name of the file, NULL-terminated, if it has one (which is shorter than a path). */
static bool aws_name(const char *path, char name[static FLS_PATH_MAX])
{
    const char *file = file_of(path);
    size_t sz = aws_name_sz(file);

    if (sz == 0 || sz >= FLS_PATH_MAX)
        return false;
    memmove(name, file, sz);
    name[sz] = '\0';
    return true;
}

bool fls_object_name(const char *path, char name[static FLS_PATH_MAX])
{
    _Static_assert(FLS_PATH_MAX >= PATH_MAX, "realpath writes up to PATH_MAX bytes");
    if (aws_name(path, name))
        return true;
    if (realpath(path, name) == NULL)
        return false;
    aws_name(name, name); /* a link to an object of AWS is that object */
    return true;
}

/* Problems, told to the user. */

/* The path as one line for people. */
static const char *shown(const char *path, char text[static SHOWN_MAX])
{
    fls_visible(fls_span_of(path), text, SHOWN_MAX);
    return text;
}

static void scan_unreadable(struct scan *scan, const char *path, const char *why)
{
    char text[SHOWN_MAX];

    if (scan->inputs->unreadable++ < NAMED_MAX)
        fls_log_warn("%s: cannot be read: %s", shown(path, text), why);
}

static void scan_changed(struct scan *scan, const char *path)
{
    char text[SHOWN_MAX];

    if (scan->inputs->changed++ < NAMED_MAX)
        fls_log_warn("%s: was counted before and has changed since: not counted again",
                     shown(path, text));
}

static bool is_to_stop(const struct scan *scan)
{
    struct pollfd stop = {.fd = scan->stop_fd, .events = POLLIN};

    return poll(&stop, 1, 0) > 0;
}

static void tell_the_rest(uint64_t cnt, const char *what)
{
    if (cnt > NAMED_MAX)
        fls_log_warn("and %llu more %s", (unsigned long long)(cnt - NAMED_MAX), what);
}

/* Sets. */

static const char **set_slot(const struct string_set *set, const char *text)
{
    size_t i = (size_t)XXH3_64bits(text, strlen(text)) & (set->max - 1);

    while (set->slots[i] != NULL && strcmp(set->slots[i], text) != 0)
        i = (i + 1) & (set->max - 1);
    return &set->slots[i];
}

static int set_grow(struct string_set *set)
{
    struct string_set larger = {.cnt = set->cnt, .max = set->max ? set->max * 2 : SET_FIRST_CNT};

    larger.slots = calloc(larger.max, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < set->max; i++)
        if (set->slots[i] != NULL)
            *set_slot(&larger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
    return 0;
}

/* 1 if the text is new, 0 if it is there, -ENOMEM. */
static int set_add(struct string_set *set, const char *text)
{
    const char **slot;

    if (set->cnt * 2 >= set->max && set_grow(set) != 0)
        return -ENOMEM;
    slot = set_slot(set, text);
    if (*slot != NULL)
        return 0;
    *slot = text;
    set->cnt++;
    return 1;
}

/* Folders to be read. */

/* Takes the path over, also when it fails. */
static int heap_push(struct folder_heap *heap, char *path)
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

static char *heap_pop(struct folder_heap *heap)
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

/* Items. */

/* One block of memory for both texts: the path, and the name behind it. */
static int items_add(struct fls_inputs *inputs, const char *path, const char *name,
                     const struct stat *found)
{
    size_t path_sz = strlen(path) + 1, name_sz = strlen(name) + 1;
    struct fls_input *item;

    if (inputs->cnt == inputs->max) {
        uint64_t max = inputs->max == 0 ? ITEMS_FIRST_CNT : inputs->max * 2;
        struct fls_input *larger = realloc(inputs->items, max * sizeof(*larger));

        if (larger == NULL)
            return -ENOMEM;
        inputs->items = larger;
        inputs->max = max;
    }
    item = &inputs->items[inputs->cnt];
    item->path = malloc(path_sz + name_sz);
    if (item->path == NULL)
        return -ENOMEM;
    item->name = item->path + path_sz;
    memcpy(item->path, path, path_sz);
    memcpy(item->name, name, name_sz);
    item->size = (uint64_t)found->st_size;
    item->mtime_ns = (int64_t)found->st_mtim.tv_sec * 1000000000 + found->st_mtim.tv_nsec;
    inputs->cnt++;
    return 0;
}

static int item_compare(const void *a, const void *b)
{
    return strcmp(((const struct fls_input *)a)->path, ((const struct fls_input *)b)->path);
}

/* Whether the item stays: 1, 0 or -errno. They are asked in order of path. */

static int item_is_new_path(struct scan *scan, const struct fls_input *item)
{
    bool is_new = scan->previous == NULL || strcmp(scan->previous, item->path) != 0;

    if (is_new)
        scan->previous = item->path;
    return is_new;
}

static int item_is_new_name(struct scan *scan, const struct fls_input *item)
{
    int status = set_add(&scan->names, item->name);

    if (status == 0)
        scan->inputs->duplicates++;
    return status;
}

static int item_is_uncounted(struct scan *scan, const struct fls_input *item)
{
    uint64_t size;
    int64_t mtime_ns;
    int status = fls_ledger_find(scan->ledger, item->name, &size, &mtime_ns);

    if (status <= 0)
        return status == 0 ? 1 : status;
    scan->inputs->already_counted++;
    if (size != item->size || mtime_ns != item->mtime_ns)
        scan_changed(scan, item->path);
    return 0;
}

/* Drops the items that are not to stay. After an error those not asked about are kept. */
static int items_filter(struct scan *scan,
                        int (*is_wanted)(struct scan *, const struct fls_input *))
{
    struct fls_inputs *inputs = scan->inputs;
    uint64_t kept = 0;
    int status = 0;

    for (uint64_t i = 0; i < inputs->cnt; i++) {
        if (status >= 0)
            status = is_wanted(scan, &inputs->items[i]);
        if (status != 0)
            inputs->items[kept++] = inputs->items[i];
        else
            free(inputs->items[i].path);
    }
    inputs->cnt = kept;
    return status < 0 ? status : 0;
}

static int items_drop_counted(struct scan *scan)
{
    int status = fls_ledger_begin_reading(scan->ledger);

    if (status != 0)
        return status;
    status = items_filter(scan, item_is_uncounted);
    fls_ledger_end_reading(scan->ledger);
    return status;
}

/* Sorts, keeps one of each name, and drops those that are counted. */
static int items_choose(struct scan *scan)
{
    struct fls_inputs *inputs = scan->inputs;
    int status;

    if (inputs->cnt > 0)
        qsort(inputs->items, inputs->cnt, sizeof(*inputs->items), item_compare);
    status = items_filter(scan, item_is_new_path);
    if (status == 0)
        status = items_filter(scan, item_is_new_name);
    if (status == 0 && scan->ledger != NULL)
        status = items_drop_counted(scan);
    for (uint64_t i = 0; i < inputs->cnt; i++)
        inputs->bytes += inputs->items[i].size;
    return status;
}

/* Folders. */

static bool has_object_suffix(const char *file)
{
    size_t sz = strlen(file);

    for (size_t i = 0; i < sizeof(object_suffix) / sizeof(object_suffix[0]); i++) {
        size_t suffix_sz = strlen(object_suffix[i]);

        if (sz >= suffix_sz && strcmp(file + sz - suffix_sz, object_suffix[i]) == 0)
            return true;
    }
    return false;
}

/* The folder's path with one '/' at its end. */
static int scan_push_folder(struct scan *scan, const char *path)
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
    return heap_push(&scan->folders, folder);
}

/* A folder being read. */
struct folder {
    const char *path, *real; /* the path with a '/' at its end */
    int fd;
};

static int folder_add_file(struct scan *scan, const struct folder *folder, const char *path,
                           bool is_link, const struct stat *found)
{
    char name[FLS_PATH_MAX];
    bool named;

    if (is_link || aws_name_sz(file_of(path)) != 0) {
        named = fls_object_name(path, name);
    } else {
        /* Its real path, without asking the system about each of its folders again. */
        int sz = snprintf(name, sizeof(name), "%s/%s",
                          strcmp(folder->real, "/") == 0 ? "" : folder->real, file_of(path));

        named = (size_t)sz < sizeof(name);
        errno = ENAMETOOLONG;
    }
    if (!named) {
        scan_unreadable(scan, path, strerror(errno));
        return 0;
    }
    return items_add(scan->inputs, path, name, found);
}

static int folder_consider(struct scan *scan, const struct folder *folder,
                           const struct dirent *entry)
{
    bool is_object = has_object_suffix(entry->d_name);
    bool may_be_folder =
        entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN;
    char path[FLS_PATH_MAX];
    struct stat found;

    if (entry->d_name[0] == '.' || !(is_object || may_be_folder))
        return 0;
    if ((size_t)snprintf(path, sizeof(path), "%s%s", folder->path, entry->d_name) >= sizeof(path)) {
        scan_unreadable(scan, path, "its path is too long");
        return 0;
    }
    if (entry->d_type == DT_DIR)
        return scan_push_folder(scan, path);
    if (fstatat(folder->fd, entry->d_name, &found, 0) != 0) {
        scan_unreadable(scan, path, strerror(errno));
        return 0;
    }
    if (S_ISDIR(found.st_mode))
        return scan_push_folder(scan, path);
    if (!is_object)
        return 0;
    if (S_ISREG(found.st_mode))
        return folder_add_file(scan, folder, path, entry->d_type != DT_REG, &found);
    scan_unreadable(scan, path, "it is not a file");
    return 0;
}

static int folder_read_entries(struct scan *scan, DIR *stream, const struct folder *folder)
{
    int status = 0;

    while (status == 0) {
        const struct dirent *entry;

        errno = 0;
        entry = readdir(stream);
        if (entry != NULL)
            status = folder_consider(scan, folder, entry);
        else if (errno != 0)
            scan_unreadable(scan, folder->path, strerror(errno));
        if (entry == NULL)
            break;
    }
    return status;
}

/* Reads a folder unless it was read under a smaller path. Folders come in order of their paths, so
 * that what a folder holds is found under its smallest path, whatever links lead there. */
static int folder_read(struct scan *scan, const char *path)
{
    char *real = realpath(path, NULL);
    DIR *stream = real == NULL ? NULL : opendir(path);
    int status;

    if (stream == NULL) {
        scan_unreadable(scan, path, strerror(errno));
        free(real);
        return 0;
    }
    status = set_add(&scan->seen, real);
    if (status == 1)
        status = folder_read_entries(scan, stream, &(struct folder){path, real, dirfd(stream)});
    else
        free(real); /* the set has none of it */
    closedir(stream);
    return status;
}

static int scan_folders(struct scan *scan)
{
    int status = 0;

    while (status == 0 && scan->folders.cnt > 0) {
        char *path = heap_pop(&scan->folders);

        status = is_to_stop(scan) ? -EINTR : folder_read(scan, path);
        free(path);
    }
    return status;
}

/* Standard input and FIFOs: what they bring is copied to a file, whose name is the sum of its
 * bytes. */

#define SPOOL_TEMPORARY "incoming.tmp" /* the holder of the state folder is the only writer */
#define SPOOL_PREFIX "stdin:"
#define HASH_TEXT_MAX 33 /* bytes of an XXH3-128 in hex digits, with its NUL */

static bool spool_path(const struct scan *scan, const char *file, char path[static FLS_PATH_MAX])
{
    return (size_t)snprintf(path, FLS_PATH_MAX, "%s/%s", scan->spool_folder, file) < FLS_PATH_MAX;
}

static int write_all(int fd, const uint8_t *bytes, size_t sz)
{
    while (sz > 0) {
        ssize_t written = write(fd, bytes, sz);

        if (written < 0)
            return -errno;
        bytes += written;
        sz -= (size_t)written;
    }
    return 0;
}

/* As read, but -1 with EINTR when the scan is to end, however long nothing comes. */
static ssize_t spool_read(const struct scan *scan, int from, uint8_t *block)
{
    struct pollfd fds[] = {{.fd = scan->stop_fd, .events = POLLIN}, {.fd = from, .events = POLLIN}};

    if (poll(fds, 2, -1) < 0)
        return -1;
    if (fds[0].revents) {
        errno = EINTR;
        return -1;
    }
    return read(from, block, SPOOL_BLOCK_SZ);
}

/* 0 or -errno; `is_write` tells which side failed. */
static int spool_copy(const struct scan *scan, int from, int to, char hash[static HASH_TEXT_MAX],
                      bool *is_write)
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
            status = write_all(to, block, (size_t)sz);
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
static int spool_keep(struct scan *scan, const char *temporary, const char *hash)
{
    char name[sizeof(SPOOL_PREFIX) + HASH_TEXT_MAX], file[HASH_TEXT_MAX + 4], path[FLS_PATH_MAX];
    struct stat found;
    uint64_t size;
    int64_t mtime_ns;
    int status = 0;

    snprintf(name, sizeof(name), SPOOL_PREFIX "%s", hash);
    snprintf(file, sizeof(file), "%s.log", hash);
    if (scan->ledger != NULL)
        status = fls_ledger_find(scan->ledger, name, &size, &mtime_ns);
    if (status == 1)
        scan->inputs->already_counted++;
    if (status != 0) {
        unlink(temporary);
        return status < 0 ? status : 0;
    }
    if (!spool_path(scan, file, path))
        errno = ENAMETOOLONG;
    else if (rename(temporary, path) == 0 && stat(path, &found) == 0)
        return items_add(scan->inputs, path, name, &found);
    scan_unreadable(scan, temporary, strerror(errno));
    unlink(temporary);
    return 0;
}

static void spool_unwritable(struct scan *scan, const char *path, int number)
{
    char text[SHOWN_MAX], why[SHOWN_MAX + 256];

    snprintf(
        why, sizeof(why),
        "its copy in %s cannot be written: %s (make room there, or choose another state folder "
        "with --state)",
        shown(scan->spool_folder, text), strerror(number));
    scan_unreadable(scan, path, why);
}

/* Spools what the descriptor brings, which is closed by the caller. */
static int scan_spool(struct scan *scan, int from, const char *path)
{
    char temporary[FLS_PATH_MAX], hash[HASH_TEXT_MAX];
    bool is_write;
    int to = -1, status;

    fls_assert(scan->spool_folder != NULL);
    if (!spool_path(scan, SPOOL_TEMPORARY, temporary))
        errno = ENAMETOOLONG;
    else if (mkdir(scan->spool_folder, 0700) == 0 || errno == EEXIST)
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
        scan_unreadable(scan, path, strerror(-status));
    return 0;
}

/* Removes spooled files that are counted by now. */
static int spool_sweep(struct scan *scan)
{
    DIR *stream = opendir(scan->spool_folder);
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
        status = fls_ledger_find(scan->ledger, name, &size, &mtime_ns);
        if (status == 1)
            unlinkat(dirfd(stream), entry->d_name, 0);
    }
    closedir(stream);
    return status < 0 ? status : 0;
}

/* The spool may lie under a folder that is read: what is in it is no object a second time. */
static int spool_pass_by(struct scan *scan)
{
    char *real = scan->spool_folder == NULL ? NULL : realpath(scan->spool_folder, NULL);
    int status = real == NULL ? 0 : set_add(&scan->seen, real);

    if (status != 1)
        free(real);
    return status < 0 ? status : 0;
}

/* What the user named. */

static int scan_fifo(struct scan *scan, const char *path)
{
    /* open would wait for a writer, deaf to stop_fd; poll waits for the first one as well */
    int status, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 || fcntl(fd, F_SETFL, O_RDONLY) != 0) {
        scan_unreadable(scan, path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return 0;
    }
    status = scan_spool(scan, fd, path);
    close(fd);
    return status;
}

static int scan_named(struct scan *scan, const char *path)
{
    char name[FLS_PATH_MAX];
    struct stat found;

    if (strcmp(path, STDIN_PATH) == 0) {
        bool again = scan->stdin_is_read; /* it would now be empty */

        scan->stdin_is_read = true;
        return again ? 0 : scan_spool(scan, STDIN_FILENO, path);
    }
    if (stat(path, &found) != 0) {
        scan_unreadable(scan, path, strerror(errno));
        return 0;
    }
    if (S_ISDIR(found.st_mode))
        return scan_push_folder(scan, path);
    if (S_ISFIFO(found.st_mode))
        return scan_fifo(scan, path);
    if (!S_ISREG(found.st_mode))
        scan_unreadable(scan, path, "it is neither a file nor a folder");
    else if (!fls_object_name(path, name))
        scan_unreadable(scan, path, strerror(errno));
    else
        return items_add(scan->inputs, path, name, &found);
    return 0;
}

static void scan_fini(struct scan *scan)
{
    for (size_t i = 0; i < scan->folders.cnt; i++)
        free(scan->folders.paths[i]);
    free(scan->folders.paths);
    for (size_t i = 0; i < scan->seen.max; i++)
        free((char *)(uintptr_t)scan->seen.slots[i]);
    free(scan->seen.slots);
    free(scan->names.slots);
}

int fls_inputs_scan(struct fls_inputs *inputs, char *const *paths, int path_cnt,
                    struct fls_ledger *ledger, const char *spool_folder, int stop_fd)
{
    struct scan scan = {
        .inputs = inputs, .ledger = ledger, .spool_folder = spool_folder, .stop_fd = stop_fd};
    int status = 0;

    *inputs = (struct fls_inputs){0};
    if (ledger != NULL && spool_folder != NULL)
        status = spool_sweep(&scan);
    for (int i = 0; i < path_cnt && status == 0; i++)
        status = scan_named(&scan, paths[i]);
    if (status == 0)
        status = spool_pass_by(&scan);
    if (status == 0)
        status = scan_folders(&scan);
    if (status == 0)
        status = items_choose(&scan);
    scan_fini(&scan);
    tell_the_rest(inputs->unreadable, "cannot be read");
    tell_the_rest(inputs->changed, "have changed since they were counted");
    return status;
}

void fls_inputs_fini(struct fls_inputs *inputs)
{
    for (uint64_t i = 0; i < inputs->cnt; i++)
        free(inputs->items[i].path);
    free(inputs->items);
    *inputs = (struct fls_inputs){0};
}

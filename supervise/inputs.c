#include "supervise/inputs.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/visible.h"
#include "supervise/object_name.h"
#include "supervise/scan.h"
#include "supervise/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAMED_MAX 10U /* problems of one kind that are named; the others are counted */
#define ITEMS_FIRST_CNT 1024U
#define STDIN_PATH "-"
#define LINKS_MAX 36 /* two numbers in hex, ':', NUL */

/* Problems, told to the user. */

const char *fls_scan_shown(const char *path, char text[static FLS_SCAN_SHOWN_MAX])
{
    fls_visible(fls_span_of(path), text, FLS_SCAN_SHOWN_MAX);
    return text;
}

void fls_scan_unreadable(struct fls_scan *scan, const char *path, const char *why)
{
    char text[FLS_SCAN_SHOWN_MAX];

    if (scan->inputs->unreadable++ < NAMED_MAX && !scan->setup->is_quiet)
        fls_log_warn("%s: cannot be read: %s", fls_scan_shown(path, text), why);
}

static void scan_changed(struct fls_scan *scan, const char *path)
{
    char text[FLS_SCAN_SHOWN_MAX];

    if (scan->inputs->changed++ < NAMED_MAX && !scan->setup->is_quiet)
        fls_log_warn("%s: was counted before and has changed since: not counted again",
                     fls_scan_shown(path, text));
}

static void tell_the_rest(const struct fls_scan *scan, uint64_t cnt, const char *what)
{
    if (cnt > NAMED_MAX && !scan->setup->is_quiet)
        fls_log_warn("and %llu more %s", (unsigned long long)(cnt - NAMED_MAX), what);
}

/* Items. */

/* The same text for all names of one file; returns its size with its NUL. */
static size_t links_of(const struct stat *found, char links[static LINKS_MAX])
{
    return (size_t)snprintf(links, LINKS_MAX, "%llx:%llx", (unsigned long long)found->st_dev,
                            (unsigned long long)found->st_ino) +
           1;
}

/* One block of memory for all texts: the path, the name, and the links behind it. */
int fls_inputs_add(struct fls_inputs *inputs, const char *path, const char *name,
                   const struct stat *found)
{
    char links[LINKS_MAX] = "";
    size_t links_sz = found->st_nlink > 1 ? links_of(found, links) : 1;
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
    item->path = malloc(path_sz + name_sz + links_sz);
    if (item->path == NULL)
        return -ENOMEM;
    item->name = item->path + path_sz;
    memcpy(item->path, path, path_sz);
    item->links = item->name + name_sz;
    memcpy(item->name, name, name_sz);
    memcpy(item->links, links, links_sz);
    item->size = (uint64_t)found->st_size;
    item->mtime_ns = fls_timespec_ns(found->st_mtim);
    inputs->cnt++;
    return 0;
}

static int item_compare(const void *a, const void *b)
{
    return strcmp(((const struct fls_input *)a)->path, ((const struct fls_input *)b)->path);
}

/* Whether the item stays: 1, 0 or -errno. They are asked in order of path. */

static int item_is_new_path(struct fls_scan *scan, const struct fls_input *item)
{
    bool is_new = scan->previous == NULL || strcmp(scan->previous, item->path) != 0;

    if (is_new)
        scan->previous = item->path;
    return is_new;
}

static int item_is_new_name(struct fls_scan *scan, const struct fls_input *item)
{
    int status = fls_string_set_add(&scan->names, item->name);

    if (status == 0)
        scan->inputs->duplicates++;
    return status;
}

static int item_has_not_failed(struct fls_scan *scan, const struct fls_input *item)
{
    struct fls_ledger_failure failure;
    int status = fls_ledger_find_failure(scan->setup->ledger, item->name, &failure);

    if (status <= 0)
        return status == 0 ? 1 : status;
    if (failure.size != item->size || failure.mtime_ns != item->mtime_ns)
        return 1;
    scan->inputs->quarantined += failure.is_quarantined;
    return !failure.is_quarantined && !scan->setup->skips_failed;
}

static bool is_real_path(const char *name)
{
    return name[0] == '/';
}

/* Links that are called as AWS calls objects are these objects, each of them. */
static int item_notes_links(struct fls_scan *scan, const struct fls_input *item)
{
    if (item->links[0] == '\0' || is_real_path(item->name))
        return 1;
    int status = fls_string_set_add(&scan->links, item->links);

    return status < 0 ? status : 1;
}

/* Any other link is the same file once more. */
static int item_is_new_file(struct fls_scan *scan, const struct fls_input *item)
{
    if (item->links[0] == '\0' || !is_real_path(item->name))
        return 1;
    int status = fls_string_set_add(&scan->links, item->links);

    if (status == 0)
        scan->inputs->duplicates++;
    return status;
}

static int item_is_uncounted(struct fls_scan *scan, const struct fls_input *item)
{
    uint64_t size;
    int64_t mtime_ns;
    int status = fls_ledger_find(scan->setup->ledger, item->name, &size, &mtime_ns);

    if (status <= 0)
        return status == 0 ? item_has_not_failed(scan, item) : status;
    scan->inputs->already_counted++;
    if (size != item->size || mtime_ns != item->mtime_ns)
        scan_changed(scan, item->path);
    return 0;
}

/* Drops the items that are not to stay. After an error those not asked about are kept. */
static int items_filter(struct fls_scan *scan,
                        int (*is_wanted)(struct fls_scan *, const struct fls_input *))
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

static int items_drop_counted(struct fls_scan *scan)
{
    int status = fls_ledger_begin_reading(scan->setup->ledger);

    if (status != 0)
        return status;
    status = items_filter(scan, item_is_uncounted);
    fls_ledger_end_reading(scan->setup->ledger);
    return status;
}

/* Sorts, keeps one of each name, and drops those that are counted. */
static int items_choose(struct fls_scan *scan)
{
    struct fls_inputs *inputs = scan->inputs;
    int status;

    if (inputs->cnt > 0)
        qsort(inputs->items, inputs->cnt, sizeof(*inputs->items), item_compare);
    status = items_filter(scan, item_is_new_path);
    if (status == 0)
        status = items_filter(scan, item_is_new_name);
    if (status == 0)
        status = items_filter(scan, item_notes_links);
    if (status == 0)
        status = items_filter(scan, item_is_new_file);
    if (status == 0 && scan->setup->ledger != NULL)
        status = items_drop_counted(scan);
    for (uint64_t i = 0; i < inputs->cnt; i++)
        inputs->bytes += inputs->items[i].size;
    return status;
}

/* What the user named. */

static int scan_named(struct fls_scan *scan, const char *path)
{
    char name[FLS_PATH_MAX];
    struct stat found;

    if (strcmp(path, STDIN_PATH) == 0) {
        bool again = scan->stdin_is_read; /* it would now be empty */

        scan->stdin_is_read = true;
        return again ? 0 : fls_spool_add(scan, STDIN_FILENO, path);
    }
    if (stat(path, &found) != 0) {
        fls_scan_unreadable(scan, path, strerror(errno));
        return 0;
    }
    if (S_ISDIR(found.st_mode))
        return fls_walk_add(scan, path);
    if (S_ISFIFO(found.st_mode))
        return fls_spool_add_fifo(scan, path);
    if (!S_ISREG(found.st_mode))
        fls_scan_unreadable(scan, path, "it is neither a file nor a folder");
    else if (!fls_object_name(path, name))
        fls_scan_unreadable(scan, path, strerror(errno));
    else
        return fls_inputs_add(scan->inputs, path, name, &found);
    return 0;
}

int fls_inputs_scan(struct fls_inputs *inputs, char *const *paths, int path_cnt,
                    const struct fls_scan_setup *setup)
{
    struct fls_scan scan = {.inputs = inputs, .setup = setup};
    int status = 0;

    *inputs = (struct fls_inputs){0};
    if (setup->ledger != NULL && setup->spool_folder != NULL)
        status = fls_spool_sweep(&scan);
    for (int i = 0; i < path_cnt && status == 0; i++)
        status = scan_named(&scan, paths[i]);
    if (status == 0)
        status = fls_spool_pass_by(&scan);
    if (status == 0)
        status = fls_walk_all(&scan);
    if (status == 0)
        status = items_choose(&scan);
    fls_walk_fini(&scan.walk);
    free(scan.names.slots);
    free(scan.links.slots);
    tell_the_rest(&scan, inputs->unreadable, "cannot be read");
    tell_the_rest(&scan, inputs->changed, "have changed since they were counted");
    return status;
}

void fls_inputs_fini(struct fls_inputs *inputs)
{
    for (uint64_t i = 0; i < inputs->cnt; i++)
        free(inputs->items[i].path);
    free(inputs->items);
    *inputs = (struct fls_inputs){0};
}

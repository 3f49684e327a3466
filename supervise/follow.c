#include "supervise/follow.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "supervise/object_name.h"
#include "supervise/open_ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_SZ (64U << 10) /* read at once */
#define WATCHED (IN_CREATE | IN_MOVED_TO | IN_CLOSE_WRITE)

/* A path that may be an object, or a folder, to be looked at. */
struct candidate {
    char *path;         /* owned */
    uint64_t settle_ns; /* how long it is to be left alone */
};

struct fls_follow {
    const struct fls_options *options;
    struct fls_dispatch *dispatch;
    int signal_fd;
    int inotify_fd; /* -1: there is none */
    char **folders; /* by watch: the path with a '/' at its end, or NULL */
    uint32_t folder_max;
    struct candidate *candidates;
    uint32_t candidate_cnt, candidate_max;
    uint32_t sorted_cnt; /* the first ones, in order of path, each once */
    uint64_t next_look_ns, next_scan_ns;
    bool is_short_of_watches; /* the user was told */
};

struct fls_follow *fls_follow_new(const struct fls_options *options, struct fls_dispatch *dispatch,
                                  int signal_fd)
{
    struct fls_follow *follow = fls_array_new(1, sizeof(*follow));

    follow->options = options;
    follow->dispatch = dispatch;
    follow->signal_fd = signal_fd;
    follow->next_scan_ns = fls_clock_ns() + FLS_RESCAN_NS;
    /* A lease that is broken in the moment that it is held (see is_being_written) sends it. */
    signal(SIGIO, SIG_IGN);
    follow->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (follow->inotify_fd < 0)
        fls_log_warn("no inotify (%s): new objects are found by scans only", strerror(errno));
    return follow;
}

void fls_follow_free(struct fls_follow *follow)
{
    if (follow == NULL)
        return;
    if (follow->inotify_fd >= 0)
        close(follow->inotify_fd);
    for (uint32_t i = 0; i < follow->folder_max; i++)
        free(follow->folders[i]);
    free(follow->folders);
    for (uint32_t i = 0; i < follow->candidate_cnt; i++)
        free(follow->candidates[i].path);
    free(follow->candidates);
    free(follow);
}

int fls_follow_fd(const struct fls_follow *follow)
{
    return follow ? follow->inotify_fd : -1;
}

/* ---- folders ---- */

static void remember_folder(struct fls_follow *follow, uint32_t watch, const char *path)
{
    uint32_t old_max = follow->folder_max;

    fls_array_reserve(follow->folders, follow->folder_max, (size_t)watch + 1);
    for (uint32_t i = old_max; i < follow->folder_max; i++)
        follow->folders[i] = NULL;
    free(follow->folders[watch]); /* the folder was known under another path */
    follow->folders[watch] = path ? strdup(path) : NULL;
    fls_assert(!path || follow->folders[watch]);
}

void fls_follow_enter_folder(void *context, const char *path)
{
    struct fls_follow *follow = context;
    int watch;

    if (follow->inotify_fd < 0)
        return;
    watch = inotify_add_watch(follow->inotify_fd, path, WATCHED | IN_ONLYDIR);
    if (watch >= 0) {
        remember_folder(follow, (uint32_t)watch, path);
    } else if (errno == ENOSPC && !follow->is_short_of_watches) {
        follow->is_short_of_watches = true;
        fls_log_warn("not all folders can be watched (raise fs.inotify.max_user_watches): what is "
                     "new in the others is found by scans only");
    }
}

/* ---- candidates ---- */

/* Takes the path over. */
static void add_candidate(struct fls_follow *follow, char *path, uint64_t settle_ns)
{
    fls_array_reserve(follow->candidates, follow->candidate_max, (size_t)follow->candidate_cnt + 1);
    follow->candidates[follow->candidate_cnt++] =
        (struct candidate){.path = path, .settle_ns = settle_ns};
}

static void take_event(struct fls_follow *follow, const struct inotify_event *event)
{
    const char *folder;
    char *path;

    if (event->mask & IN_Q_OVERFLOW) {
        follow->next_scan_ns = 0;
        return;
    }
    if (event->wd < 0 || (uint32_t)event->wd >= follow->folder_max)
        return;
    if (event->mask & IN_IGNORED) {
        remember_folder(follow, (uint32_t)event->wd, NULL);
        return;
    }
    folder = follow->folders[event->wd];
    if (folder == NULL || event->len == 0 || event->name[0] == '.')
        return;
    if (!(event->mask & IN_ISDIR) && !fls_object_has_suffix(event->name))
        return;
    fls_assert(asprintf(&path, "%s%s", folder, event->name) > 0);
    add_candidate(follow, path,
                  event->mask & IN_ISDIR    ? 0
                  : event->mask & IN_CREATE ? FLS_SETTLE_OPEN_NS
                                            : FLS_SETTLE_NS);
}

static void take_events(struct fls_follow *follow)
{
    _Alignas(struct inotify_event) static char events[EVENTS_SZ]; /* one thread */
    ssize_t sz;

    while ((sz = read(follow->inotify_fd, events, sizeof(events))) > 0) {
        const struct inotify_event *event;

        for (char *at = events; at < events + sz; at += sizeof(*event) + event->len) {
            event = (const struct inotify_event *)at;
            take_event(follow, event);
        }
    }
}

/* ---- is it ready? ---- */

/* A read lease is granted only where no process has the file open for writing. Where leases are not
 * to be had (another owner, a network file system), nobody knows. */
static bool is_being_written(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    bool is_written;

    if (fd < 0)
        return false; /* reading it will say what is wrong */
    is_written = fcntl(fd, F_SETLEASE, F_RDLCK) != 0 && errno == EAGAIN;
    fcntl(fd, F_SETLEASE, F_UNLCK);
    close(fd);
    return is_written;
}

static uint64_t ns_since_change(const struct stat *status)
{
    struct timespec now;
    int64_t ns;

    clock_gettime(CLOCK_REALTIME, &now);
    ns = (now.tv_sec - status->st_ctim.tv_sec) * (int64_t)FLS_NS_PER_S +
         (now.tv_nsec - status->st_ctim.tv_nsec);
    return ns < 0 ? 0 : (uint64_t)ns;
}

enum readiness { IS_READY, IS_NOT_READY, IS_GONE };

/* A clock that was set back makes a change lie in the future: such an object waits for the clock.
 */
static enum readiness look_at(const char *path, uint64_t settle_ns)
{
    struct stat status;

    if (stat(path, &status) != 0)
        return IS_GONE;
    if (S_ISDIR(status.st_mode))
        return IS_READY;
    if (ns_since_change(&status) < settle_ns || is_being_written(path))
        return IS_NOT_READY;
    return IS_READY;
}

static int candidate_compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    int order = strcmp(x->path, y->path);

    if (order != 0)
        return order;
    return x->settle_ns < y->settle_ns ? -1 : x->settle_ns > y->settle_ns;
}

/* Of several about one path, the one with the least patience stays: its writer has closed it. */
static void sort_candidates(struct fls_follow *follow)
{
    uint32_t kept = 0;

    qsort(follow->candidates, follow->candidate_cnt, sizeof(*follow->candidates),
          candidate_compare);
    for (uint32_t i = 0; i < follow->candidate_cnt; i++) {
        if (kept > 0 && strcmp(follow->candidates[kept - 1].path, follow->candidates[i].path) == 0)
            free(follow->candidates[i].path);
        else
            follow->candidates[kept++] = follow->candidates[i];
    }
    follow->candidate_cnt = follow->sorted_cnt = kept;
}

static bool is_candidate(const struct fls_follow *follow, const char *path)
{
    uint32_t low = 0, high = follow->sorted_cnt;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        int order = strcmp(path, follow->candidates[middle].path);

        if (order == 0)
            return true;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

void fls_follow_take(struct fls_follow *follow, struct fls_inputs *inputs)
{
    for (uint64_t i = 0; i < inputs->cnt; i++) {
        struct fls_input *item = &inputs->items[i];

        if (is_candidate(follow, item->path))
            free(item->path);
        else if (look_at(item->path, FLS_SETTLE_NS) == IS_NOT_READY)
            add_candidate(follow, item->path, FLS_SETTLE_NS);
        else if (!fls_dispatch_add(follow->dispatch, item))
            free(item->path);
    }
    inputs->cnt = 0;
}

/* ---- scans ---- */

/* Gives what is to be counted under the paths to the dispatch. */
static int scan(struct fls_follow *follow, char *const *paths, uint32_t path_cnt, bool is_quiet)
{
    struct fls_scan_setup setup = {.stop_fd = follow->signal_fd,
                                   .is_quiet = is_quiet,
                                   .skips_failed = true,
                                   .enter_folder = fls_follow_enter_folder,
                                   .context = follow};
    struct fls_inputs found;
    int status = fls_ledger_open_or_tell(&setup.ledger, follow->options->state, true);

    if (status)
        return status;
    status = fls_inputs_scan(&found, paths, (int)path_cnt, &setup);
    if (status == 0) {
        fls_follow_take(follow, &found);
    } else if (status == -EINTR) {
        /* A signal is to be taken first. What is found by now holds also what is counted; the next
         * scan finds it all. */
        follow->next_scan_ns = 0;
        status = 0;
    } else {
        fls_log_error("cannot list the objects: %s", strerror(-status));
    }
    fls_inputs_fini(&found);
    fls_ledger_close(setup.ledger);
    return status;
}

static int look_at_candidates(struct fls_follow *follow)
{
    uint32_t kept = 0, ready = 0;
    char **paths;
    int status = 0;

    sort_candidates(follow);
    paths = fls_array_new(follow->candidate_cnt, sizeof(*paths));
    for (uint32_t i = 0; i < follow->candidate_cnt; i++) {
        struct candidate *candidate = &follow->candidates[i];
        enum readiness readiness = look_at(candidate->path, candidate->settle_ns);

        if (readiness == IS_NOT_READY)
            follow->candidates[kept++] = *candidate;
        else if (readiness == IS_READY)
            paths[ready++] = candidate->path;
        else
            free(candidate->path);
    }
    follow->candidate_cnt = follow->sorted_cnt = kept;
    if (ready > 0)
        status = scan(follow, paths, ready, false);
    for (uint32_t i = 0; i < ready; i++)
        free(paths[i]);
    free(paths);
    return status;
}

/* Standard input and FIFOs were read when the run began. */
static bool is_scanned_again(const char *path)
{
    struct stat status;

    return strcmp(path, "-") != 0 && (stat(path, &status) != 0 || !S_ISFIFO(status.st_mode));
}

static int scan_everything(struct fls_follow *follow)
{
    const struct fls_options *options = follow->options;
    char **paths = fls_array_new((size_t)options->path_cnt, sizeof(*paths));
    uint64_t begin_ns = fls_clock_ns(), took_ns;
    uint32_t cnt = 0;
    int status;

    for (int i = 0; i < options->path_cnt; i++)
        if (is_scanned_again(options->paths[i]))
            paths[cnt++] = options->paths[i];
    sort_candidates(follow);
    follow->next_scan_ns = UINT64_MAX;
    status = scan(follow, paths, cnt, true);
    free(paths);
    took_ns = fls_clock_ns() - begin_ns;
    if (follow->next_scan_ns != 0)
        follow->next_scan_ns = begin_ns + took_ns + FLS_RESCAN_NS + took_ns * FLS_RESCAN_TIMES;
    return status;
}

int fls_follow_step(struct fls_follow *follow)
{
    uint64_t now_ns = fls_clock_ns();
    int status = 0;

    take_events(follow);
    if (now_ns >= follow->next_scan_ns)
        status = scan_everything(follow);
    if (status == 0 && follow->candidate_cnt > 0 && now_ns >= follow->next_look_ns) {
        status = look_at_candidates(follow);
        follow->next_look_ns = now_ns + FLS_FOLLOW_TICK_NS;
    }
    return status;
}

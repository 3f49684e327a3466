/* New objects as they appear: `run --follow`. inotify says where to look, and a scan of everything,
 * now and then, finds what it could not tell of. An object is taken when nobody is writing it any
 * more: no writer has it open, and it has been left alone for a while. */
#pragma once

#include "supervise/dispatch.h"
#include "supervise/options.h"

/* How long an object is left alone before it is taken: since its last change (its ctime, which no
 * copy of old times sets back), and, where inotify told that it was made and not that its writer
 * has closed it, longer. */
#define FLS_SETTLE_NS (2 * FLS_NS_PER_S)
#define FLS_SETTLE_OPEN_NS (60 * FLS_NS_PER_S)
/* Between two scans of everything: at least this long, and this many times what the last one took.
 */
#define FLS_RESCAN_NS (10 * FLS_NS_PER_S)
#define FLS_RESCAN_TIMES 20U
#define FLS_FOLLOW_TICK_NS                                                                         \
    (200 * FLS_NS_PER_MS) /* between two looks at objects that may be ready */

struct fls_follow;

/* Never fails for lack of inotify: then there are only scans, which the user is told. */
struct fls_follow *fls_follow_new(const struct fls_options *options, struct fls_dispatch *dispatch,
                                  int signal_fd);
void fls_follow_free(struct fls_follow *follow);
/* For fls_scan_setup: a folder that is about to be read; context: the follow. */
void fls_follow_enter_folder(void *context, const char *path);
/* What a scan found: gives it to the dispatch, or keeps it until it is ready. Takes the items out
 * of the inputs. */
void fls_follow_take(struct fls_follow *follow, struct fls_inputs *inputs);
/* A descriptor to poll for reading; -1 if there is none (follow may be NULL). */
int fls_follow_fd(const struct fls_follow *follow);
/* Takes what has come, and looks at what may be ready: a short turn, but for the scan of
 * everything. 0, or -errno (memory, ledger), which was told. */
int fls_follow_step(struct fls_follow *follow);

/* Which objects are there, and which of them are not counted yet. The local file system is the
 * first implementation. */
#pragma once

#include "base/object.h"
#include "state/ledger.h"

#include <stdbool.h>

struct fls_inputs {
    struct fls_input *items; /* in order of work; see fls_inputs_scan */
    uint64_t cnt, max;
    uint64_t bytes;           /* sum of their sizes */
    uint64_t already_counted; /* found, but in the ledger; the changed ones are among them */
    uint64_t duplicates;      /* found twice under different paths: the smallest path is kept; but
                                 of hard links the names that are AWS's, each an object */
    uint64_t changed; /* counted, but size or time differs now: named to the user, not counted */
    uint64_t quarantined; /* found, but in quarantine */
    uint64_t unreadable;  /* folders, named files, and things in folders called like objects,
                             that could not be read: named to the user */
};

/* How a scan is made. All 0 and NULL but stop_fd: what is not counted, told loudly. */
struct fls_scan_setup {
    struct fls_ledger *ledger; /* NULL: what is found is all new */
    const char *spool_folder;  /* for standard input and FIFOs; NULL: they are not expected */
    int stop_fd;               /* becomes readable when the scan is to end; -1: never */
    bool is_quiet;             /* problems are counted, but not told */
    bool skips_failed;         /* objects that failed as they are now are left out */
    /* Called with each folder's path, a '/' at its end, before it is read; may be NULL. */
    void (*enter_folder)(void *context, const char *path);
    void *context;
};

struct fls_input {
    char *name, *path; /* as struct fls_object has them, one block of memory; owned by the list */
    char *links;       /* in that block as well: what tells the file from all others, if it has
                          several names (hard links), else "" */
    uint64_t size;
    int64_t mtime_ns;
};

/* Finds the objects under the paths that the ledger does not hold. Objects in quarantine are left
 * out until they change. Folders are walked to any depth (symbolic links followed, each folder read
 * once, under its smallest path); in them, names that end in .log, .gz, .zst or .parquet are
 * objects, hidden files and folders are passed by; a file that is named is always one.
 * `-` is standard input and, like a named FIFO, is spooled into `spool_folder` first and known by
 * its content: name "stdin:HASH" (XXH3-128), path HASH.log in that folder, which a later scan
 * removes once the ledger holds the name. Only the holder of the state folder's lock scans. The
 * items come in bytewise order of path (deterministic; neighbours on disk). Problems with one input
 * are told by fls_log_warn (the first of each kind by name) and counted, and stop nothing else. 0,
 * or -errno (memory, ledger, -EINTR: stop_fd became readable); to be ended by
 * fls_inputs_fini either way. */
int fls_inputs_scan(struct fls_inputs *inputs, char *const *paths, int path_cnt,
                    const struct fls_scan_setup *setup);
void fls_inputs_fini(struct fls_inputs *inputs);

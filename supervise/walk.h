/* The folders of a scan: each is read once, under its smallest path. */
#pragma once

#include "supervise/string_set.h"

#include <stddef.h>

struct fls_scan;

/* Folders still to be read, a heap with the smallest path on top. The paths end in '/', so that one
 * sorts as the paths of what is in it do: "a-b/" before "a/". */
struct fls_folder_heap {
    char **paths;
    size_t cnt, max;
};

/* All 0 at first. */
struct fls_walk {
    struct fls_folder_heap folders;
    struct fls_string_set seen; /* real paths of folders read, owned */
};

/* The folder is to be read. 0 or -ENOMEM. */
int fls_walk_add(struct fls_scan *scan, const char *path);
/* Reads the folders and those in them, and adds the objects to the scan's inputs. What cannot be
 * read is told by fls_scan_unreadable. 0, -ENOMEM, or -EINTR when the scan is to end. */
int fls_walk_all(struct fls_scan *scan);
void fls_walk_fini(struct fls_walk *walk);

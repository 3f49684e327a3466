/* One scan for inputs, as its files share it: inputs.c takes what the user named and chooses what
 * stays, walk.c reads folders, spool.c standard input and FIFOs. */
#pragma once

#include "supervise/inputs.h"
#include "supervise/string_set.h"
#include "supervise/walk.h"

#include <stdbool.h>
#include <sys/stat.h>

#define FLS_SCAN_SHOWN_MAX FLS_PATH_MAX /* bytes of fls_scan_shown, with its NUL; cut if longer */

struct fls_scan {
    struct fls_inputs *inputs;
    const struct fls_scan_setup *setup;
    struct fls_walk walk;
    struct fls_string_set names; /* of the items that are kept */
    struct fls_string_set links; /* likewise, of files that have several names */
    const char *previous;        /* path of the last item kept */
    bool stdin_is_read;
};

/* The path as one line for people. */
const char *fls_scan_shown(const char *path, char text[static FLS_SCAN_SHOWN_MAX]);
/* Tells the user (the first ones by name), and counts. */
void fls_scan_unreadable(struct fls_scan *scan, const char *path, const char *why);
/* Adds an object, whether it will stay or not; both texts are copied. 0 or -ENOMEM. */
int fls_inputs_add(struct fls_inputs *inputs, const char *path, const char *name,
                   const struct stat *found);

/* The state folder: who holds it. Files in it: lock, state.db (ledger.h), segments/ (segments.h),
 * spool/ (standard input), redis.sock and view.rdb (the private Redis), status.sock. */
#pragma once

#include <stddef.h>

/* $XDG_STATE_HOME/flowlog-stats, else $HOME/.local/state/flowlog-stats; NULL if neither is set. To
 * be freed. */
char *fls_folder_default(void);
/* Creates the folder (mode 0700, with its parents). 0, or -errno and a text. */
int fls_folder_create(const char *folder, char *error, size_t error_max);
/* How long the roles of a supervisor that was killed may take to be gone, too. */
#define FLS_FOLDER_WAIT_S 3U

/* Takes the lock that keeps a second supervisor out: a descriptor that every role inherits, so that
 * the lock is free when the last of them is dead, for which it waits if its holder is; or
 * -EWOULDBLOCK (a text with the pid of the holder) or -errno. The file holds the pid for people to
 * look at; the flock decides. */
int fls_folder_lock(const char *folder, char *error, size_t error_max);

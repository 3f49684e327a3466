/* The command `quarantine`: objects that killed their readers, and taking them out again. */
#pragma once

#include "supervise/options.h"

/* The exit status: 0, or 1 if the state cannot be read, which is said on stderr. May be used while
 * a run is going on. */
int fls_quarantine_command(const struct fls_options *options);

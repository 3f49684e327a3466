/* The command `run`: counts every object that is not counted yet, then ends. */
#pragma once

#include "supervise/options.h"

#define FLS_EXIT_OBJECTS_FAILED 2 /* the run went well, but some objects did not count */

/* The exit status: 0, FLS_EXIT_OBJECTS_FAILED, 128 + the signal that stopped it, or 1. */
int fls_run(const struct fls_options *options);

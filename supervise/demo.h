/* The command `demo`: a day of generated logs of several accounts through the pipeline, and the
 * report of it. */
#pragma once

#include "supervise/options.h"

/* The exit status of the first step that fails, or 0. */
int fls_demo(const struct fls_options *options);

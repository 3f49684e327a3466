/* The command `report`: finds the Redis that holds the view, or starts a private one on what the
 * last run left, and prints the report from it. */
#pragma once

#include "supervise/options.h"

/* The exit status: 0, or 1 after a message that says what to do. */
int fls_report_command(const struct fls_options *options);

/* Deterministic flow logs in AWS's folders and names: the command `generate`. */
#pragma once

#include "supervise/options.h"

/* Writes options->objects objects of options->records lines each under options->out, as the
 * options of the command `generate` say, with one process per core. The text of an object follows
 * from the options alone; its compressed bytes also from the version of zlib or libzstd. The days
 * are those from 2026-01-01 on. Existing objects of the same name are replaced, each at once. 0, or
 * -errno after it was said on stderr which file could not be written and why. */
int fls_generate(const struct fls_options *options);

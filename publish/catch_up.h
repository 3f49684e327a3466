/* Publishing without a run: brings a Redis up to the last commit of a state, for a reader. Changes
 * nothing of the state, and may go on beside a run. */
#pragma once

#include "base/redis.h"

#include <stddef.h>

/* 0 (also if the state holds nothing, or Redis the last commit already), or -errno and a text. */
int fls_catch_up(const char *state_folder, const struct fls_redis_address *redis, const char *name,
                 char *error, size_t error_max);

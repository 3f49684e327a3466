/* A shard's epoch in a sealed memfd, ready to be handed to publish: the parts of its days, one
 * after the other (shm/part_format.h). */
#pragma once

#include "aggregate/shard.h"

/* The descriptor of the memfd (sealed against any change, to be closed by the caller) and its
 * size; -1 and 0 if nothing was counted. The shard's epoch is closed before. Memory that cannot be
 * had ends the process. */
int fls_snapshot_take(const struct fls_shard *shard, uint64_t *size);

/* A shard's epoch in a sealed memfd, ready to be handed to publish: the parts of its days, one
 * after the other (shm/part_format.h). */
#pragma once

#include "aggregate/shard.h"

/* The descriptor of the memfd (sealed against any change, to be closed by the caller) and its
 * size; -1 and 0 if nothing was counted. The tables that are sums of others are summed on the way,
 * and each is forgotten when it is written, so nothing may be done with the shard then but
 * fls_shard_clear or fls_shard_release. Memory that cannot be had ends the process. */
int fls_snapshot_take(struct fls_shard *shard, uint64_t *size);

/* Tables of a shard that are sums of others. */
#pragma once

#include "aggregate/shard.h"

/* Adds to a table of an account on one day what other tables of it bring to it. Adds nothing to a
 * table that is counted in only. */
void fls_derive(struct fls_shard *shard, struct fls_shard_account *account,
                enum fls_table_id table);

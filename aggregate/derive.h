/* Tables of a shard that are sums of others. */
#pragma once

#include "aggregate/shard.h"

/* Adds what cnt rows of a table of an account on one day, all of one chunk, bring to other tables
 * of it. Nothing, if the table is summed into no other. */
void fls_derive(struct fls_shard *shard, struct fls_shard_account *account, enum fls_table_id table,
                const struct fls_tally_row *rows, uint32_t cnt);
/* Conversations are no sources there: they are summed as they come in order, so that most of an
 * account's that have one source follow one another. Adds `row`, whose source has that number, to
 * the row of its source, which is returned: `open`, the one that the account's conversation before
 * was added to (NULL: none), or a new one. So a source has a row for each time it comes. */
struct fls_tally_row *fls_derive_source(struct fls_shard *shard, struct fls_shard_account *account,
                                        struct fls_tally_row *open, uint32_t source,
                                        const struct fls_tally_row *row);

/* Which rows of a table are published: of each scope all of them where a table has few keys, else
 * the union of its top K by bytes, by packets, by flows and by rejected; ties go to the key whose
 * text is smaller. */
#pragma once

#include "base/day.h"

/* For whom rows are chosen: a day's scopes, or some of them. */
struct fls_top_scopes {
    const uint32_t *of_account; /* by symbol: number of the scope, below cnt, or FLS_TOP_NONE */
    uint32_t organisation;      /* likewise */
    uint32_t cnt;
};

#define FLS_TOP_NONE UINT32_MAX /* nothing is chosen for this one */

/* Rows of one table that were chosen, grouped by scope. */
struct fls_choice {
    uint32_t *rows;     /* row numbers; those of scope s are rows[first[s]..first[s + 1]) */
    uint32_t *first;    /* scopes->cnt + 1 of them */
    uint64_t *distinct; /* by scope: number of keys, published or not */
};

/* Chooses among the table's rows. top_k is at least 1. */
void fls_top_choose(struct fls_choice *choice, const struct fls_table *table, enum fls_table_id id,
                    const struct fls_names *names, const struct fls_top_scopes *scopes,
                    uint32_t top_k);
/* Adds to bytes[], by scope, what choosing the table's rows of the scope takes at most. */
void fls_top_add_bytes(uint64_t *bytes, const struct fls_table *table, enum fls_table_id id,
                       const struct fls_top_scopes *scopes, uint32_t top_k);
void fls_choice_fini(struct fls_choice *choice);

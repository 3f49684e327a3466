/* Which rows of a table are published: of each scope all of them where a table has few keys, else
 * the union of its top K by bytes, by packets, by flows and by rejected; ties go to the key whose
 * text is smaller. */
#pragma once

#include "base/day.h"

/* Rows of one table that were chosen, grouped by scope. */
struct fls_choice {
    uint32_t *rows;     /* row numbers; those of scope s are rows[first[s]..first[s + 1]) */
    uint32_t *first;    /* scope_cnt + 1 of them */
    uint64_t *distinct; /* by scope: number of keys, published or not */
};

/* Chooses among the table's rows. `scopes` maps a row's key.scope (a symbol) to 0..scope_cnt - 1;
 * the organisation is scope_cnt - 1. top_k is at least 1. */
void fls_top_choose(struct fls_choice *choice, const struct fls_table *table, enum fls_table_id id,
                    const struct fls_names *names, const uint32_t *scopes, uint32_t scope_cnt,
                    uint32_t top_k);
void fls_choice_fini(struct fls_choice *choice);

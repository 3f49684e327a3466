/* Which rows of a table are published: of each scope all of them where a table has few keys, else
 * the union of its top K by bytes, by packets, by flows and by rejected; ties go to the key whose
 * text is smaller. Rows come in one pass, in order, and those chosen so far are kept. */
#pragma once

#include "base/tables.h"
#include "publish/merge.h"
#include "shm/part_row.h"

/* For whom rows are chosen: a day's scopes, or some of them. */
struct fls_top_scopes {
    const uint32_t *of_account; /* by symbol: number of the scope, below cnt, or FLS_TOP_NONE */
    uint32_t organisation;      /* likewise */
    uint32_t cnt;
};

#define FLS_TOP_NONE UINT32_MAX /* nothing is chosen for this one */
#define FLS_TOP_RANKINGS 4U

struct fls_chosen {
    uint64_t prefix; /* of the key's text, if the scope is cut */
    struct fls_part_key key;
    struct fls_counters counters; /* what the key brought to the scope */
};

/* What was chosen for a scope. One cache line: by far the most rows of a large table are compared
 * with it, and pass by. */
struct fls_top_scope {
    uint64_t least[FLS_TOP_RANKINGS]; /* a row that is below all of them has no chance */
    uint64_t distinct;                /* number of keys, chosen or not */
    struct fls_chosen *rows;          /* all, in any order; until the end, if the scope is cut:
                                         a heap of top_k for each ranking, the worst one on top */
    uint32_t row_cnt, row_max;
    bool is_cut;
};
_Static_assert(sizeof(struct fls_top_scope) == 64, "one cache line");

/* The choice among one table's rows. On cache lines of its own: each may be another thread's. */
struct fls_top {
    _Alignas(64) const struct fls_span *symbols; /* of the day */
    enum fls_table_key kind;
    const struct fls_top_scopes *scopes;
    uint32_t top_k;
    uint32_t whole_max;             /* scopes with at most so many rows are chosen whole */
    struct fls_top_scope *by_scope; /* scopes->cnt of them */
    /* The key at hand, and the sum of its accounts so far: */
    struct fls_part_key key;
    struct fls_counters sum;
    uint64_t prefix; /* of its text, if it was needed */
    bool has_key, has_prefix;
};

/* Begins a choice; top_k is at least 1. `day` and `scopes` stay until its end. */
void fls_top_init(struct fls_top *top, enum fls_table_id table, const struct fls_merge_day *day,
                  const struct fls_top_scopes *scopes, uint32_t top_k);
/* The next row of an account, in the order of fls_merge_next. */
void fls_top_add(struct fls_top *top, const struct fls_part_row *row);
/* After the last row: by_scope has what was chosen. */
void fls_top_finish(struct fls_top *top);
void fls_top_fini(struct fls_top *top);
/* What choosing takes at most for a scope that has so many keys in the table; and for scopes (at
 * least 1) that have so many in all. */
uint64_t fls_top_bytes(enum fls_table_id table, uint64_t distinct, uint32_t top_k);
uint64_t fls_top_bytes_most(enum fls_table_id table, uint32_t scope_cnt, uint64_t key_cnt,
                            uint32_t top_k);

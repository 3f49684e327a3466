/* The rows of a table key by key: each key's rows together, with their sum, which is the
 * organisation's row. Takes memory for the rows of one key: one for each account at most. */
#pragma once

#include "publish/merge.h"

struct fls_merge_keys {
    struct fls_merge merge;    /* merge.is_torn: a part was found to be damaged, as in merge.h */
    struct fls_part_row *rows; /* of the key, by account; as long as no other key is read */
    uint32_t row_cnt, row_max;
    struct fls_counters sum;  /* of these rows */
    struct fls_part_row next; /* the first row of the key behind it */
    bool has_next;
};

void fls_merge_keys_begin(struct fls_merge_keys *keys, const struct fls_merge_day *day,
                          enum fls_table_id table);
/* The next key. False at the end, or where a part is damaged. */
bool fls_merge_keys_next(struct fls_merge_keys *keys);
void fls_merge_keys_end(struct fls_merge_keys *keys);

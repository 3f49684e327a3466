#include "publish/merge_keys.h"

#include "base/array.h"

#include <stdlib.h>

void fls_merge_keys_begin(struct fls_merge_keys *keys, const struct fls_merge_day *day,
                          enum fls_table_id table)
{
    *keys = (struct fls_merge_keys){.row_cnt = 0};
    fls_merge_begin(&keys->merge, day, table);
    keys->has_next = fls_merge_next(&keys->merge, &keys->next);
}

static void take_row(struct fls_merge_keys *keys)
{
    fls_array_reserve(keys->rows, keys->row_max, keys->row_cnt + 1);
    keys->rows[keys->row_cnt++] = keys->next;
    fls_counters_add(&keys->sum, &keys->next.counters);
    keys->has_next = fls_merge_next(&keys->merge, &keys->next);
}

bool fls_merge_keys_next(struct fls_merge_keys *keys)
{
    keys->row_cnt = 0;
    keys->sum = (struct fls_counters){{0}};
    if (!keys->has_next)
        return false;
    do
        take_row(keys);
    while (keys->has_next && fls_part_key_compare(&keys->rows[0].key, &keys->next.key) == 0);
    return true;
}

void fls_merge_keys_end(struct fls_merge_keys *keys)
{
    fls_merge_end(&keys->merge);
    free(keys->rows);
}

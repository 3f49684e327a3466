#include "publish/compact.h"

#include "base/array.h"
#include "base/calendar.h"
#include "base/log.h"
#include "publish/evict.h"
#include "publish/merge_keys.h"
#include "publish/uniques.h"
#include "shm/part_writer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A day on its way from its parts to one. */
struct rewriting {
    const struct fls_merge_day *day;
    const struct fls_evict *evict;
    struct fls_segment_file file;
    struct fls_part_writer writer;
    struct fls_counters max_errors[FLS_TABLE_CNT];
    struct fls_uniques **gone; /* by account: addresses that gave way, or NULL */
};

static int append(void *context, struct fls_span bytes)
{
    return fls_segments_append(context, bytes);
}

/* ---- addresses that gave way ---- */

static struct fls_uniques *gone_of(struct rewriting *to, uint32_t account)
{
    if (to->gone[account] == NULL)
        to->gone[account] = fls_array_new(1, sizeof(*to->gone[account]));
    return to->gone[account];
}

static void add_gone(void *context, uint32_t account, const struct fls_uniques *gone)
{
    fls_uniques_merge(gone_of(context, account), gone);
}

static void count_gone(struct rewriting *to, enum fls_table_id table,
                       const struct fls_merge_keys *keys)
{
    bool is_source = table == FLS_TABLE_SOURCE_ADDRESS;
    struct fls_uniques_address last = {.is_there = false};

    if (!is_source && table != FLS_TABLE_DESTINATION_ADDRESS)
        return;
    for (uint32_t i = 0; i < keys->row_cnt; i++)
        fls_uniques_add(gone_of(to, keys->rows[i].account), &keys->rows[i], is_source, &last);
}

/* ---- rows ---- */

/* False if a part is damaged; so below. */
static bool copy_table(struct rewriting *to, enum fls_table_id table)
{
    struct fls_merge merge;
    struct fls_part_row row;

    fls_merge_begin(&merge, to->day, table);
    while (to->writer.error == 0 && fls_merge_next(&merge, &row))
        fls_part_put(&to->writer, table, &row);
    fls_merge_end(&merge);
    return !merge.is_torn;
}

static bool sift_table(struct rewriting *to, enum fls_table_id table)
{
    struct fls_merge_keys keys;

    fls_merge_keys_begin(&keys, to->day, table);
    while (to->writer.error == 0 && fls_merge_keys_next(&keys)) {
        if (fls_evict_has(to->evict, table, &keys.sum)) {
            count_gone(to, table, &keys);
            continue;
        }
        for (uint32_t i = 0; i < keys.row_cnt; i++)
            fls_part_put(&to->writer, table, &keys.rows[i]);
    }
    fls_merge_keys_end(&keys);
    return !keys.merge.is_torn;
}

static bool write_tables(struct rewriting *to)
{
    bool is_whole = fls_merge_gone(to->day, add_gone, to);

    for (int i = FLS_TABLE_CNT - 1; i >= 0 && is_whole; i--)
        is_whole = to->evict->tables[i] ? sift_table(to, (enum fls_table_id)i)
                                        : copy_table(to, (enum fls_table_id)i);
    return is_whole;
}

/* ---- the part ---- */

/* Writes the part to the file, which is begun. 0, -errno of the file, or -EUCLEAN. */
static int write_part(struct rewriting *to)
{
    struct fls_part_names names = {.symbols = to->day->symbols,
                                   .symbol_cnt = to->day->symbol_cnt,
                                   .max_errors = to->max_errors};
    uint64_t size;
    bool is_whole;
    int error;

    to->gone = fls_array_new(to->day->symbol_cnt, sizeof(struct fls_uniques *));
    names.gone = to->gone;
    memcpy(to->max_errors, to->day->max_errors, sizeof(to->max_errors));
    fls_evict_raise(to->evict, to->max_errors);
    fls_part_begin(&to->writer, to->day->day,
                   (struct fls_part_sink){.write = append, .context = &to->file});
    is_whole = write_tables(to);
    error = fls_part_finish(&to->writer, &names, &size);
    for (uint32_t i = 0; i < to->day->symbol_cnt; i++)
        free(to->gone[i]);
    free(to->gone);
    return is_whole ? error : -EUCLEAN;
}

static int parts_failed(struct fls_commit *commit, const struct fls_parts *parts, int error)
{
    snprintf(commit->failure, sizeof(commit->failure), "%s", parts->failure);
    return error;
}

/* Writes the file and names it in the ledger; *size is that of the part. */
static int rewrite(struct fls_commit *commit, struct fls_parts *parts,
                   const struct fls_evict *evict, uint64_t *size)
{
    struct rewriting to = {.day = &parts->merged, .evict = evict};
    struct fls_part part;
    int error = fls_segments_begin(commit->segments, commit->next_segment, &to.file);

    if (error)
        return fls_commit_segments_failed(commit, error);
    error = write_part(&to);
    part = fls_segments_end_part(&to.file, to.day->day);
    *size = part.size;
    if (error) {
        fls_segments_abandon(&to.file);
        return error == -EUCLEAN ? parts_failed(commit, parts, fls_parts_tell_torn(parts))
                                 : fls_commit_segments_failed(commit, error);
    }
    error = fls_segments_finish(&to.file);
    return error ? fls_commit_segments_failed(commit, error)
                 : fls_commit_replace_day(commit, &part);
}

/* ---- rounds ---- */

/* A day that stays too large, since nothing of it may go, is left as it is, or it would be
 * rewritten for each part that it gets. */
static bool is_of_use(const struct fls_parts *parts, const struct fls_evict *evict,
                      uint64_t bytes_max)
{
    return evict->gives_way || evict->size <= bytes_max ||
           parts->merged.part_cnt > FLS_DAY_PARTS_MAX;
}

static void tell_once(struct fls_commit *commit, uint32_t day, uint64_t bytes_max)
{
    char text[FLS_DAY_TEXT_MAX];

    if (commit->has_told)
        return;
    commit->has_told = true;
    fls_day_format(day, text);
    fls_log_warn("the figures of %s take more than %llu MiB: the smallest keys of its largest "
                 "tables give way, and reports say how large the error is",
                 text, (unsigned long long)(bytes_max >> 20));
}

/* *again: the day came down, and not to what it may have; it may come down further. */
static int rewrite_once(struct fls_commit *commit, struct fls_parts *parts, uint64_t bytes_max,
                        bool *again)
{
    struct fls_evict evict = {.size = 0};
    uint64_t size = 0;
    int error = 0;

    if (parts->bytes > bytes_max && !fls_evict_begin(&evict, &parts->merged, bytes_max))
        error = parts_failed(commit, parts, fls_parts_tell_torn(parts));
    else if (is_of_use(parts, &evict, bytes_max))
        error = rewrite(commit, parts, &evict, &size);
    if (error == 0 && evict.gives_way)
        tell_once(commit, parts->merged.day, bytes_max);
    *again = evict.gives_way && size > bytes_max;
    fls_evict_end(&evict);
    return error;
}

static int open_again(struct fls_commit *commit, struct fls_parts *parts)
{
    uint64_t new_segment = parts->new_segment;
    uint32_t day = parts->merged.day;
    int error;

    fls_parts_close(parts);
    error = fls_parts_open(parts, commit->ledger, commit->segments, day, new_segment);
    return error ? parts_failed(commit, parts, error) : 0;
}

int fls_compact_day(struct fls_commit *commit, struct fls_parts *parts, uint64_t bytes_max)
{
    bool again;
    int error = rewrite_once(commit, parts, bytes_max, &again);

    while (error == 0 && again) {
        error = open_again(commit, parts);
        if (error == 0)
            error = rewrite_once(commit, parts, bytes_max, &again);
    }
    return error;
}

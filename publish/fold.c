#include "publish/fold.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "shm/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fls_fold_init(struct fls_fold *fold, struct fls_ledger *ledger, struct fls_segments *segments)
{
    *fold = (struct fls_fold){.ledger = ledger, .segments = segments};
}

static void day_free(struct fls_fold_day *day)
{
    fls_day_fini(&day->figures);
    fls_names_fini(&day->names);
    free(day->flows_before);
    free(day);
}

void fls_fold_fini(struct fls_fold *fold)
{
    for (uint32_t i = 0; i < fold->day_cnt; i++)
        day_free(fold->days[i]);
    free(fold->days);
    fls_dictionary_fini(&fold->verified);
}

static void free_at(struct fls_fold *fold, uint32_t place)
{
    day_free(fold->days[place]);
    fold->days[place] = fold->days[--fold->day_cnt];
}

static struct fls_fold_day *find_day(struct fls_fold *fold, uint32_t day)
{
    for (uint32_t i = 0; i < fold->day_cnt; i++)
        if (fold->days[i]->figures.day == day)
            return fold->days[i];
    return NULL;
}

static struct fls_fold_day *new_day(struct fls_fold *fold, uint32_t day)
{
    struct fls_fold_day *added = calloc(1, sizeof(*added));

    fls_assert(added != NULL);
    if (fold->day_cnt == fold->day_max) {
        fold->day_max = fold->day_max ? fold->day_max * 2 : 16;
        fold->days = realloc(fold->days, fold->day_max * sizeof(struct fls_fold_day *));
        fls_assert(fold->days != NULL);
    }
    added->figures.day = day;
    fls_names_clear(&added->names);
    fold->days[fold->day_cnt++] = added;
    return added;
}

/* A segment file's checksum is looked at once in the life of the process. */
static bool is_first_use(struct fls_fold *fold, uint64_t segment)
{
    struct fls_span number = {(const uint8_t *)&segment, sizeof(segment)};
    bool is_new;

    fls_dictionary_intern_hashed(&fold->verified, number, fls_dictionary_hash(number), &is_new);
    return is_new;
}

static int add_part(struct fls_fold *fold, struct fls_fold_day *day, const struct fls_part *part)
{
    struct fls_span content, bytes;
    bool is_good;
    int error = fls_segments_map(fold->segments, part->segment,
                                 is_first_use(fold, part->segment), &content);

    if (error) {
        snprintf(fold->failure, sizeof(fold->failure), "segment %llu: %s",
                 (unsigned long long)part->segment, strerror(-error));
        return error;
    }
    is_good = part->offset <= content.sz && part->size <= content.sz - part->offset;
    bytes = (struct fls_span){content.at + part->offset, part->size};
    is_good = is_good && fls_segment_add(bytes, &day->figures, &day->names);
    fls_segments_unmap(content);
    if (!is_good)
        snprintf(fold->failure, sizeof(fold->failure), "segment %llu is damaged",
                 (unsigned long long)part->segment);
    return is_good ? 0 : -1;
}

static void remember_flows(struct fls_fold_day *day)
{
    const struct fls_table *totals = &day->figures.tables[FLS_TABLE_TOTALS];

    if (totals->row_cnt > day->flows_before_cnt) {
        day->flows_before = realloc(day->flows_before, totals->row_cnt * sizeof(uint64_t));
        fls_assert(day->flows_before != NULL);
    }
    day->flows_before_cnt = totals->row_cnt;
    for (uint32_t i = 0; i < totals->row_cnt; i++)
        day->flows_before[i] = totals->rows[i].counters.value[FLS_FLOWS];
}

bool fls_fold_has_changed(const struct fls_fold_day *day, uint32_t totals_row)
{
    uint64_t flows =
        day->figures.tables[FLS_TABLE_TOTALS].rows[totals_row].counters.value[FLS_FLOWS];

    return totals_row >= day->flows_before_cnt || flows != day->flows_before[totals_row] ||
           flows == FLS_COUNTER_MAX;
}

struct folding {
    struct fls_fold *fold;
    struct fls_fold_day *day;
    uint64_t new_segment;
    bool has_reached_new;
};

static int fold_part(void *context, const struct fls_part *part)
{
    struct folding *f = context;

    if (part->segment <= f->day->last_segment)
        return 0;
    if (part->segment >= f->new_segment && !f->has_reached_new) {
        remember_flows(f->day);
        f->has_reached_new = true;
    }
    if (add_part(f->fold, f->day, part))
        return 1;
    f->day->part_cnt++;
    return 0;
}

static int highest_segment(void *context, const struct fls_part *part)
{
    uint64_t *highest = context;

    if (part->segment > *highest)
        *highest = part->segment;
    return 0;
}

struct fls_fold_day *fls_fold_get(struct fls_fold *fold, uint32_t day, uint64_t new_segment)
{
    struct fls_fold_day *found = find_day(fold, day);
    struct folding f = {.fold = fold, .new_segment = new_segment};
    uint64_t highest = 0;
    int status;

    f.day = found ? found : new_day(fold, day);
    fold->failure[0] = 0;
    status = fls_ledger_each_part(fold->ledger, &day, fold_part, &f);
    if (!f.has_reached_new)
        remember_flows(f.day);
    if (status == 0)
        status = fls_ledger_each_part(fold->ledger, &day, highest_segment, &highest);
    if (status) {
        if (fold->failure[0] == 0)
            snprintf(fold->failure, sizeof(fold->failure), "%s",
                     fls_ledger_failure(fold->ledger));
        fls_fold_forget(fold, day);
        return NULL;
    }
    f.day->last_segment = highest;
    f.day->in_use = true;
    return f.day;
}

void fls_fold_was_compacted(struct fls_fold_day *day, uint64_t segment)
{
    day->last_segment = segment;
    day->part_cnt = 1;
}

void fls_fold_forget(struct fls_fold *fold, uint32_t day)
{
    for (uint32_t i = 0; i < fold->day_cnt; i++) {
        if (fold->days[i]->figures.day != day)
            continue;
        free_at(fold, i);
        return;
    }
}

void fls_fold_trim_rows(struct fls_fold *fold)
{
    while (fold->day_cnt > 0 && fls_fold_rows(fold) > FLS_FOLD_ROWS_MAX)
        free_at(fold, 0);
}

void fls_fold_trim(struct fls_fold *fold)
{
    for (uint32_t i = 0; i < fold->day_cnt;) {
        if (fold->days[i]->in_use)
            fold->days[i++]->in_use = false;
        else
            free_at(fold, i);
    }
}

uint64_t fls_fold_rows(const struct fls_fold *fold)
{
    uint64_t rows = 0;

    for (uint32_t i = 0; i < fold->day_cnt; i++)
        rows += fls_day_rows(&fold->days[i]->figures);
    return rows;
}

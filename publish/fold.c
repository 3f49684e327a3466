#include "publish/fold.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/calendar.h"
#include "base/log.h"
#include "publish/evict.h"
#include "shm/metrics.h"
#include "shm/segment.h"
#include "state/advice.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fls_fold_init(struct fls_fold *fold, struct fls_ledger *ledger, struct fls_segments *segments,
                   uint64_t bytes_max)
{
    *fold = (struct fls_fold){.ledger = ledger, .segments = segments, .bytes_max = bytes_max};
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
}

static void free_at(struct fls_fold *fold, uint32_t place)
{
    fold->rows -= fold->days[place]->rows;
    fold->bytes -= fold->days[place]->bytes;
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
    fls_array_reserve(fold->days, fold->day_max, fold->day_cnt + 1);
    added->figures.day = day;
    fls_names_clear(&added->names);
    fold->days[fold->day_cnt++] = added;
    return added;
}

static int part_failed(struct fls_fold *fold, uint64_t segment, int error)
{
    const char *what = strerror(-error), *advice = fls_advice_for_errno(-error);

    if (error == -EUCLEAN || error == -ENOENT) {
        what = error == -EUCLEAN ? "is damaged" : "is missing";
        advice = fls_advice_damaged;
    } else if (error == -EPROTO) {
        what = "was written by a newer flowlog-stats";
        advice = fls_advice_newer;
    }
    snprintf(fold->failure, sizeof(fold->failure), "%s/%llu.seg: %s (%s)", fold->segments->path,
             (unsigned long long)segment, what, advice);
    return error;
}

/* ---- keeping within the limit ---- */

/* An empty table makes room at once for what this part of the limit holds of its rows. */
#define RESERVE_SHARE 16U
#define RESERVE_ROW_SZ (sizeof(struct fls_row) + 4 * sizeof(uint64_t)) /* with up to 4 slots */

struct making_room {
    struct fls_fold *fold;
    struct fls_fold_day *day;
};

/* What the day takes once it has what is needed. */
static uint64_t used_then(const struct fls_fold_day *day, const struct fls_segment_need *need)
{
    const struct fls_table *table = &day->figures.tables[need->table];
    const struct fls_dictionary *ipv6 = &day->names.ipv6;

    return fls_evict_used(&day->figures, &day->names) + need->beside_sz +
           fls_table_used(table, need->row_cnt) - fls_table_used(table, 0) +
           fls_dictionary_used(ipv6, need->ipv6_cnt, need->ipv6_cnt * 16ULL) -
           fls_dictionary_used(ipv6, 0, 0);
}

/* Frees a day other than this one, of those that the epoch does not use if there is one. */
static bool free_another(struct fls_fold *fold, const struct fls_fold_day *than)
{
    uint32_t place = fold->day_cnt;

    for (uint32_t i = fold->day_cnt; i-- > 0;)
        if (fold->days[i] != than &&
            (place == fold->day_cnt || !fold->days[i]->in_use || fold->days[place]->in_use))
            place = i;
    if (place == fold->day_cnt)
        return false;
    free_at(fold, place);
    return true;
}

static void tell_once(struct fls_fold *fold, uint32_t day)
{
    char text[FLS_DAY_TEXT_MAX];

    if (fold->has_told)
        return;
    fold->has_told = true;
    fls_day_format(day, text);
    fls_log_warn("the figures of %s do not fit into %llu MiB: the smallest rows of its largest "
                 "tables give way, and reports say how large the error is",
                 text, (unsigned long long)(fold->bytes_max >> 20));
}

static bool make_room(void *context, const struct fls_segment_need *need)
{
    struct making_room *m = context;
    struct fls_fold *fold = m->fold;
    bool are_renumbered = false;

    while (used_then(m->day, need) + fold->bytes - m->day->bytes > fold->bytes_max) {
        struct fls_evicted evicted;

        if (free_another(fold, m->day))
            continue;
        if (!fls_evict_round(&m->day->figures, &m->day->names, &evicted))
            break; /* nothing is left that may */
        are_renumbered |= evicted.are_ipv6_renumbered;
        tell_once(fold, m->day->figures.day);
        fls_metrics_turn();
    }
    return are_renumbered;
}

static int add_part(struct fls_fold *fold, struct fls_fold_day *day, const struct fls_part *part)
{
    struct making_room context = {fold, day};
    const struct fls_segment_room room = {.make = make_room,
                                          .context = &context,
                                          .reserve_max =
                                              fold->bytes_max / RESERVE_SHARE / RESERVE_ROW_SZ};
    struct fls_span bytes;
    int error = fls_segments_map(fold->segments, part, &bytes);

    if (error)
        return part_failed(fold, part->segment, error);
    if (fls_segment_layout(bytes) > FLS_SEGMENT_LAYOUT)
        error = -EPROTO;
    else if (!fls_segment_add(bytes, &day->figures, &day->names, &room))
        error = -EUCLEAN;
    fls_segments_unmap(bytes);
    return error ? part_failed(fold, part->segment, error) : 0;
}

static void remember(struct fls_fold_day *day)
{
    const struct fls_table *totals = &day->figures.tables[FLS_TABLE_TOTALS];

    if (totals->row_cnt > day->flows_before_cnt) {
        day->flows_before = realloc(day->flows_before, totals->row_cnt * sizeof(uint64_t));
        fls_assert(day->flows_before != NULL);
    }
    day->flows_before_cnt = totals->row_cnt;
    for (uint32_t i = 0; i < totals->row_cnt; i++)
        day->flows_before[i] = totals->rows[i].counters.value[FLS_FLOWS];
    memcpy(day->errors_before, day->figures.max_errors, sizeof(day->errors_before));
}

/* Rows that gave way are none of those that were published: since the new segments, or when the day
 * was put together again, which may let go other rows than the time before. */
static bool has_given_way_anew(const struct fls_fold_day *day)
{
    static const struct fls_counters none[FLS_TABLE_CNT];
    const struct fls_counters *before = day->was_put_together ? none : day->errors_before;

    return memcmp(before, day->figures.max_errors, sizeof(day->errors_before)) != 0;
}

bool fls_fold_has_changed(const struct fls_fold_day *day, uint32_t totals_row)
{
    uint64_t flows =
        day->figures.tables[FLS_TABLE_TOTALS].rows[totals_row].counters.value[FLS_FLOWS];

    return totals_row >= day->flows_before_cnt || flows != day->flows_before[totals_row] ||
           flows == FLS_COUNTER_MAX || has_given_way_anew(day);
}

struct folding {
    struct fls_fold *fold;
    struct fls_fold_day *day;
    uint64_t new_segment, last_added;
    bool has_reached_new;
};

static int fold_part(void *context, const struct fls_part *part)
{
    struct folding *f = context;

    if (part->segment <= f->day->last_segment)
        return 0;
    if (part->segment >= f->new_segment && !f->has_reached_new) {
        remember(f->day);
        f->has_reached_new = true;
    }
    if (add_part(f->fold, f->day, part))
        return 1;
    f->day->segment_cnt += part->segment != f->last_added;
    f->last_added = part->segment;
    fls_metrics_turn();
    return 0;
}

static int highest_segment(void *context, const struct fls_part *part)
{
    uint64_t *highest = context;

    if (part->segment > *highest)
        *highest = part->segment;
    return 0;
}

static void update_sums(struct fls_fold *fold, struct fls_fold_day *day)
{
    uint64_t rows = fls_day_rows(&day->figures);
    uint64_t bytes = fls_evict_used(&day->figures, &day->names);

    fold->rows += rows - day->rows;
    fold->bytes += bytes - day->bytes;
    day->rows = rows;
    day->bytes = bytes;
}

struct fls_fold_day *fls_fold_get(struct fls_fold *fold, uint32_t day, uint64_t new_segment)
{
    struct fls_fold_day *found = find_day(fold, day);
    struct folding f = {.fold = fold, .new_segment = new_segment};
    uint64_t highest = 0;
    int status;

    f.day = found ? found : new_day(fold, day);
    if (found == NULL || found->new_segment != new_segment)
        f.day->was_put_together = found == NULL;
    /* asked for again: what the new segments added may stand in the sums already */
    f.has_reached_new = found && found->new_segment == new_segment;
    fold->failure[0] = 0;
    status = fls_ledger_each_part(fold->ledger, &day, fold_part, &f);
    if (!f.has_reached_new)
        remember(f.day);
    if (status == 0)
        status = fls_ledger_each_part(fold->ledger, &day, highest_segment, &highest);
    if (status) {
        if (fold->failure[0] == 0)
            snprintf(fold->failure, sizeof(fold->failure), "%s", fls_ledger_failure(fold->ledger));
        fls_fold_forget(fold, day);
        return NULL;
    }
    f.day->last_segment = highest;
    f.day->new_segment = new_segment;
    update_sums(fold, f.day);
    f.day->in_use = true;
    return f.day;
}

void fls_fold_was_compacted(struct fls_fold_day *day, uint64_t segment)
{
    day->last_segment = segment;
    day->segment_cnt = 1;
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

void fls_fold_trim_bytes(struct fls_fold *fold)
{
    while (fold->day_cnt > 0 && fold->bytes > fold->bytes_max)
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

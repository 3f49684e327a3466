#include "publish/commit.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/pages.h"
#include "shm/segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the days held ---- */

static void *grown(void *array, size_t cnt, size_t sz)
{
    array = realloc(array, cnt * sz);
    fls_assert(array != NULL);
    return array;
}

static uint32_t place_of_day(const struct fls_commit *commit, uint32_t day)
{
    uint32_t place = 0;

    while (place < commit->day_cnt && commit->days[place] < day)
        place++;
    return place;
}

static bool holds_day(const struct fls_commit *commit, uint32_t day)
{
    uint32_t place = place_of_day(commit, day);

    return place < commit->day_cnt && commit->days[place] == day;
}

static void add_day(struct fls_commit *commit, uint32_t day)
{
    uint32_t place = place_of_day(commit, day);

    if (place < commit->day_cnt && commit->days[place] == day)
        return;
    if (commit->day_cnt == commit->day_max) {
        commit->day_max = commit->day_max ? commit->day_max * 2 : 64;
        commit->days = grown(commit->days, commit->day_max, sizeof(*commit->days));
    }
    memmove(commit->days + place + 1, commit->days + place,
            (commit->day_cnt - place) * sizeof(*commit->days));
    commit->days[place] = day;
    commit->day_cnt++;
}

static void note_day(struct fls_commit *commit, uint32_t **array, uint32_t *cnt, uint32_t day)
{
    for (uint32_t i = 0; i < *cnt; i++)
        if ((*array)[i] == day)
            return;
    if (*cnt == commit->array_max) {
        commit->array_max *= 2;
        commit->touched = grown(commit->touched, commit->array_max, sizeof(uint32_t));
        commit->dropped = grown(commit->dropped, commit->array_max, sizeof(uint32_t));
    }
    (*array)[(*cnt)++] = day;
}

/* The newest keep_days days stay, and the unknown one, which is not among their number. */
static void drop_old_days(struct fls_commit *commit)
{
    uint32_t known = commit->day_cnt, drop;

    if (known > 0 && commit->days[known - 1] == FLS_DAY_UNKNOWN)
        known--;
    if (known <= commit->keep_days)
        return;
    drop = known - commit->keep_days;
    for (uint32_t i = 0; i < drop; i++)
        note_day(commit, &commit->dropped, &commit->dropped_cnt, commit->days[i]);
    memmove(commit->days, commit->days + drop, (commit->day_cnt - drop) * sizeof(*commit->days));
    commit->day_cnt -= drop;
}

static int note_part(void *context, const struct fls_part *part)
{
    add_day(context, part->day);
    return 0;
}

/* ---- segment files ---- */

struct numbers {
    uint64_t *at;
    size_t cnt, max;
};

static int note_segment(void *context, uint64_t segment)
{
    struct numbers *numbers = context;

    if (numbers->cnt == numbers->max) {
        numbers->max = numbers->max ? numbers->max * 2 : 256;
        numbers->at = grown(numbers->at, numbers->max, sizeof(*numbers->at));
    }
    numbers->at[numbers->cnt++] = segment;
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static int ledger_failed(struct fls_commit *commit, int error)
{
    snprintf(commit->failure, sizeof(commit->failure), "%s", fls_ledger_failure(commit->ledger));
    return error;
}

int fls_commit_clean(struct fls_commit *commit)
{
    struct numbers numbers = {0};
    int error = fls_ledger_each_segment(commit->ledger, note_segment, &numbers);

    if (numbers.cnt > 0)
        qsort(numbers.at, numbers.cnt, sizeof(*numbers.at), compare_numbers);
    if (error == 0)
        error = fls_segments_retain(commit->segments, numbers.at, numbers.cnt);
    if (error)
        snprintf(commit->failure, sizeof(commit->failure), "segments: %s", strerror(-error));
    free(numbers.at);
    return error;
}

int fls_commit_init(struct fls_commit *commit, struct fls_ledger *ledger,
                    struct fls_segments *segments, uint32_t keep_days)
{
    int error;

    *commit = (struct fls_commit){
        .ledger = ledger, .segments = segments, .keep_days = keep_days, .array_max = 64};
    commit->touched = grown(NULL, commit->array_max, sizeof(uint32_t));
    commit->dropped = grown(NULL, commit->array_max, sizeof(uint32_t));
    error = fls_ledger_epoch(ledger, &commit->epoch, &commit->next_segment);
    if (error == 0)
        error = fls_ledger_each_part(ledger, NULL, note_part, commit);
    if (error)
        return ledger_failed(commit, error);
    return 0;
}

void fls_commit_fini(struct fls_commit *commit)
{
    free(commit->days);
    free(commit->touched);
    free(commit->dropped);
}

/* Makes the days of the segments known, and forgets those that are too old. */
static void note_days(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    uint32_t day;
    struct fls_span part;

    for (uint32_t i = 0; i < epoch->shard_cnt; i++)
        for (struct fls_span rest = epoch->segments[i].content;
             fls_segment_next(&rest, &day, &part);) {
            fls_assert(part.sz > 0);
            add_day(commit, day);
        }
    drop_old_days(commit);
}

static int write_segment(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    struct fls_span *pieces = grown(NULL, epoch->shard_cnt, sizeof(*pieces));
    uint32_t piece_cnt = 0;
    int error = 0;

    for (uint32_t i = 0; i < epoch->shard_cnt; i++)
        if (epoch->segments[i].content.sz > 0)
            pieces[piece_cnt++] = epoch->segments[i].content;
    if (piece_cnt > 0)
        error = fls_segments_write(commit->segments, commit->new_segment, pieces, piece_cnt);
    if (error)
        snprintf(commit->failure, sizeof(commit->failure), "cannot write segment %llu: %s",
                 (unsigned long long)commit->new_segment, strerror(-error));
    free(pieces);
    return error;
}

/* ---- the ledger's transaction ---- */

static int add_parts(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    struct fls_part added = {.segment = commit->new_segment};
    struct fls_span part;
    uint32_t day;
    int error = 0;

    for (uint32_t i = 0; i < epoch->shard_cnt; i++)
        for (struct fls_span rest = epoch->segments[i].content;
             error == 0 && fls_segment_next(&rest, &day, &part);
             added.offset += part.sz) {
            if (!holds_day(commit, day))
                continue;
            added.day = day;
            added.size = part.sz;
            note_day(commit, &commit->touched, &commit->touched_cnt, day);
            error = fls_ledger_add_part(commit->ledger, &added);
        }
    for (uint32_t i = 0; i < commit->dropped_cnt && error == 0; i++)
        error = fls_ledger_drop_day(commit->ledger, commit->dropped[i]);
    return error;
}

static int add_lines(struct fls_commit *commit, const struct fls_result *result)
{
    struct fls_span accounts = result->accounts, account;
    struct fls_account_lines lines;
    int error = fls_ledger_add_object(commit->ledger, &result->object, &result->counts);

    while (error == 0 && fls_result_next_account(&accounts, &account, &lines))
        error = fls_ledger_add_account(commit->ledger, account, &lines);
    for (int reason = 0; reason < FLS_REASON_CNT; reason++)
        for (uint32_t i = 0; error == 0 && i < result->sample_cnt[reason]; i++)
            error = fls_ledger_add_sample(commit->ledger, (enum fls_reason)reason,
                                          result->object.name, &result->samples[reason][i]);
    return error;
}

static int add_results(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    struct fls_result *result = grown(NULL, 1, sizeof(*result));
    int error = 0;

    for (uint32_t i = 0; i < epoch->result_cnt && error == 0; i++) {
        fls_epoch_result(epoch, i, result);
        if (result->status == FLS_RESULT_FAILED)
            error = fls_ledger_add_failed(commit->ledger, &result->object, result->failure);
        else if (result->status == FLS_RESULT_COUNTED && !epoch->is_damaged)
            error = add_lines(commit, result);
    }
    free(result);
    return error;
}

static int transact(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    int error = fls_ledger_begin(commit->ledger);

    if (error)
        return ledger_failed(commit, error);
    if (!epoch->is_damaged)
        error = add_parts(commit, epoch);
    if (error == 0)
        error = add_results(commit, epoch);
    if (error == 0)
        error = fls_ledger_commit(commit->ledger, commit->epoch + 1);
    if (error == 0)
        return 0;
    ledger_failed(commit, error);
    fls_ledger_rollback(commit->ledger);
    return error;
}

int fls_commit_epoch(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    int error = 0;

    commit->touched_cnt = commit->dropped_cnt = 0;
    commit->new_segment = commit->next_segment;
    if (!epoch->is_damaged) {
        note_days(commit, epoch);
        error = write_segment(commit, epoch);
    }
    if (error == 0)
        error = transact(commit, epoch);
    if (error)
        return error;
    commit->epoch++;
    commit->made_cnt++;
    commit->next_segment++;
    if (commit->dropped_cnt > 0)
        fls_commit_clean(commit); /* what cannot be removed now is at the next start */
    return 0;
}

int fls_commit_compact(struct fls_commit *commit, struct fls_fold_day *day)
{
    uint64_t bound = fls_segment_bound(&day->figures, &day->names);
    struct fls_part part = {.segment = commit->next_segment, .day = day->figures.day};
    uint8_t *bytes;
    int error;

    bound = (bound + FLS_PAGE_SZ - 1) / FLS_PAGE_SZ * FLS_PAGE_SZ;
    bytes = fls_pages_resize(NULL, 0, bound);
    part.size = fls_segment_encode(&day->figures, &day->names, bytes);
    error = fls_segments_write(commit->segments, part.segment,
                               &(struct fls_span){bytes, part.size}, 1);
    fls_pages_resize(bytes, bound, 0);
    if (error == 0)
        error = fls_ledger_begin(commit->ledger);
    if (error)
        return error;
    error = fls_ledger_drop_day(commit->ledger, part.day);
    if (error == 0)
        error = fls_ledger_add_part(commit->ledger, &part);
    if (error == 0)
        error = fls_ledger_commit(commit->ledger, commit->epoch);
    if (error) {
        fls_ledger_rollback(commit->ledger);
        return error;
    }
    commit->next_segment++;
    fls_fold_was_compacted(day, part.segment);
    return fls_commit_clean(commit);
}

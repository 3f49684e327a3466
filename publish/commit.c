#include "publish/commit.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/calendar.h"
#include "base/counters.h"
#include "shm/part_reader.h"
#include "state/advice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the days held ---- */

static void append_day(struct fls_day_list *list, uint32_t day)
{
    fls_array_reserve(list->at, list->max, list->cnt + 1);
    list->at[list->cnt++] = day;
}

/* Puts days that were appended in any order in theirs. */
static void order_days(struct fls_day_list *list)
{
    uint32_t cnt = 0;

    if (list->cnt == 0)
        return;
    qsort(list->at, list->cnt, sizeof(*list->at), fls_array_compare_u32);
    for (uint32_t i = 0; i < list->cnt; i++)
        if (i == 0 || list->at[i] != list->at[i - 1])
            list->at[cnt++] = list->at[i];
    list->cnt = cnt;
}

/* The days that are held: from oldest to newest, and the unknown one. */
struct held {
    uint32_t oldest, newest;
};

static const struct held held_all = {0, FLS_DAY_MAX};

static bool is_held(const struct held *held, uint32_t day)
{
    return day == FLS_DAY_UNKNOWN || (day >= held->oldest && day <= held->newest);
}

/* Of the list the newest keep_days days. Days still to come are bogus, and must not push the true
 * ones out: they have a number of their own, of which the nearest are held. */
static struct held choose_held(const struct fls_commit *commit, const struct fls_day_list *list)
{
    uint32_t last = fls_day_last_to_come(), come = 0, known = list->cnt;
    struct held held = held_all;

    if (known > 0 && list->at[known - 1] == FLS_DAY_UNKNOWN)
        known--;
    while (come < known && list->at[come] <= last)
        come++;
    if (come > commit->keep_days)
        held.oldest = list->at[come - commit->keep_days];
    if (known - come > commit->keep_days)
        held.newest = list->at[come + commit->keep_days - 1];
    return held;
}

/* Parts are by day. */
static int note_part(void *context, const struct fls_part *part)
{
    struct fls_day_list *days = context;

    if (days->cnt == 0 || days->at[days->cnt - 1] != part->day)
        append_day(days, part->day);
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

    fls_array_reserve(numbers->at, numbers->max, numbers->cnt + 1);
    numbers->at[numbers->cnt++] = segment;
    return 0;
}

static int ledger_failed(struct fls_commit *commit, int error)
{
    snprintf(commit->failure, sizeof(commit->failure), "%s", fls_ledger_failure(commit->ledger));
    return error;
}

int fls_commit_segments_failed(struct fls_commit *commit, int error)
{
    snprintf(commit->failure, sizeof(commit->failure), "%s: %s (%s)", commit->segments->path,
             strerror(-error), fls_advice_for_errno(-error));
    return error;
}

int fls_commit_clean(struct fls_commit *commit)
{
    struct numbers numbers = {0};
    int error;

    if (!commit->has_unused_segments || commit->is_read_only || commit->is_uncertain)
        return 0;
    error = fls_ledger_each_segment(commit->ledger, note_segment, &numbers); /* ascending */
    if (error) {
        ledger_failed(commit, error);
    } else {
        error = fls_segments_retain(commit->segments, numbers.at, numbers.cnt);
        if (error)
            fls_commit_segments_failed(commit, error);
    }
    free(numbers.at);
    commit->has_unused_segments = error != 0;
    return error;
}

int fls_commit_init(struct fls_commit *commit, struct fls_ledger *ledger,
                    struct fls_segments *segments, uint32_t keep_days)
{
    int error;

    fls_assert(keep_days >= 1);
    *commit = (struct fls_commit){.ledger = ledger,
                                  .segments = segments,
                                  .keep_days = keep_days,
                                  .has_unused_segments = true};
    error = fls_ledger_identity(ledger, commit->identity);
    if (error == 0)
        error = fls_ledger_epoch(ledger, &commit->epoch, &commit->next_segment);
    if (error == 0)
        error = fls_ledger_each_part(ledger, NULL, note_part, &commit->days);
    if (error)
        return ledger_failed(commit, error);
    return 0;
}

int fls_commit_settle(struct fls_commit *commit, uint32_t top_k)
{
    /* What the ledger shows may be no more than what a process wrote that was killed, or that
     * failed to sync it: a power cut would bring back what stood there before, and the files that
     * go with that. A transaction of our own syncs it, or overwrites it. */
    int error = fls_ledger_set_top_k(commit->ledger, top_k);

    return error ? ledger_failed(commit, error) : fls_commit_clean(commit);
}

void fls_commit_fini(struct fls_commit *commit)
{
    free(commit->days.at);
    free(commit->touched.at);
    free(commit->dropped.at);
}

/* ---- an epoch's segments ---- */

static int write_part(struct fls_commit *commit, struct fls_epoch *epoch, uint32_t day,
                      struct fls_span content)
{
    int error;

    if (!epoch->has_file) {
        error = fls_segments_begin(commit->segments, commit->next_segment, &epoch->file);
        if (error)
            return error;
        epoch->has_file = true;
    }
    fls_assert(epoch->file.number == commit->next_segment);
    error = fls_segments_append(&epoch->file, content);
    if (error)
        return error;
    fls_array_reserve(epoch->parts, epoch->part_max, epoch->part_cnt + 1);
    epoch->parts[epoch->part_cnt++] = fls_segments_end_part(&epoch->file, day);
    return 0;
}

/* Of a damaged epoch nothing is to be kept; and a day that would not be held now will not be so at
 * the commit, whatever else the epoch adds. */
static int write_segment(struct fls_commit *commit, struct fls_epoch *epoch,
                         struct fls_span segment)
{
    const struct held held = choose_held(commit, &commit->days);
    struct fls_span part;
    uint32_t day;
    int error = 0;

    while (error == 0 && !epoch->is_damaged && fls_part_take_last(&segment, &day, &part)) {
        fls_assert(part.sz > 0);
        if (is_held(&held, day))
            error = write_part(commit, epoch, day, part);
    }
    return error;
}

int fls_commit_add_segment(struct fls_commit *commit, struct fls_epoch *epoch, int fd,
                           uint64_t size)
{
    struct fls_span segment = {.sz = size};
    void *content;
    int error = 0;

    if (size > 0) {
        fls_assert(fd >= 0);
        content = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        fls_assert(content != MAP_FAILED);
        segment.at = content;
        error = write_segment(commit, epoch, segment);
        munmap(content, size);
    }
    if (fd >= 0)
        close(fd);
    return error ? fls_commit_segments_failed(commit, error) : 0;
}

/* ---- what an epoch changes ---- */

struct change {
    const struct fls_epoch *epoch;
    struct held held; /* other days are not held any more, whether the epoch adds to them or not */
    struct fls_day_list days, touched, dropped;
};

static void change_init(struct change *change, const struct fls_commit *commit,
                        const struct fls_epoch *epoch)
{
    struct fls_day_list added = {0};

    *change = (struct change){.epoch = epoch};
    for (uint32_t i = 0; i < epoch->part_cnt && !epoch->is_damaged; i++)
        append_day(&added, epoch->parts[i].day);
    for (uint32_t i = 0; i < commit->days.cnt; i++)
        append_day(&change->days, commit->days.at[i]);
    order_days(&added);
    for (uint32_t i = 0; i < added.cnt; i++)
        append_day(&change->days, added.at[i]);
    order_days(&change->days);
    change->held = epoch->is_damaged ? held_all : choose_held(commit, &change->days);
    for (uint32_t i = 0; i < added.cnt; i++)
        if (is_held(&change->held, added.at[i]))
            append_day(&change->touched, added.at[i]);
    for (uint32_t i = 0; i < commit->days.cnt; i++)
        if (!is_held(&change->held, commit->days.at[i]))
            append_day(&change->dropped, commit->days.at[i]);
    free(added.at);
}

static void change_fini(struct change *change)
{
    free(change->days.at);
    free(change->touched.at);
    free(change->dropped.at);
}

static void replace_days(struct fls_day_list *to, struct fls_day_list *from)
{
    struct fls_day_list old = *to;

    *to = *from;
    *from = old;
}

/* The ledger holds the change now. */
static void change_apply(struct change *change, struct fls_commit *commit)
{
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < change->days.cnt; i++)
        if (is_held(&change->held, change->days.at[i]))
            change->days.at[cnt++] = change->days.at[i];
    change->days.cnt = cnt;
    replace_days(&commit->days, &change->days);
    replace_days(&commit->touched, &change->touched);
    replace_days(&commit->dropped, &change->dropped);
    commit->is_own = true;
    commit->is_uncertain = false;
    commit->has_unused_segments |= commit->dropped.cnt > 0;
    commit->new_segment = commit->next_segment++;
    commit->epoch++;
}

/* Makes the epoch's file durable, if any of its days is held; else it goes when the epoch does. */
static int finish_file(struct fls_commit *commit, struct fls_epoch *epoch,
                       const struct change *change)
{
    int error;

    if (epoch->is_damaged || change->touched.cnt == 0)
        return 0;
    error = fls_segments_finish(&epoch->file);
    epoch->has_file = false;
    return error ? fls_commit_segments_failed(commit, error) : 0;
}

/* ---- the ledger's transaction ---- */

static int add_parts(struct fls_commit *commit, const struct change *change)
{
    const struct fls_epoch *epoch = change->epoch;
    int error = 0;

    for (uint32_t i = 0; i < epoch->part_cnt && error == 0; i++)
        if (is_held(&change->held, epoch->parts[i].day))
            error = fls_ledger_add_part(commit->ledger, &epoch->parts[i]);
    for (uint32_t i = 0; i < change->dropped.cnt && error == 0; i++)
        error = fls_ledger_drop_day(commit->ledger, change->dropped.at[i]);
    return error;
}

/* Lines of one account that the ledger has not got yet: objects that follow one another are of the
 * same account as a rule, and a row is dear. */
struct account_run {
    struct fls_span account;
    struct fls_account_lines lines;
    bool is_begun;
};

static int end_run(struct fls_commit *commit, struct account_run *run)
{
    bool is_begun = run->is_begun;

    run->is_begun = false;
    return is_begun ? fls_ledger_add_account(commit->ledger, run->account, &run->lines) : 0;
}

/* The account's text stays until the run is ended. */
static int add_account(struct fls_commit *commit, struct account_run *run, struct fls_span account,
                       const struct fls_account_lines *lines)
{
    if (!run->is_begun || !fls_span_equal(run->account, account)) {
        int error = end_run(commit, run);

        *run = (struct account_run){.account = account, .lines = *lines, .is_begun = true};
        return error;
    }
    run->lines.records = fls_counter_add(run->lines.records, lines->records);
    run->lines.nodata = fls_counter_add(run->lines.nodata, lines->nodata);
    run->lines.skipdata = fls_counter_add(run->lines.skipdata, lines->skipdata);
    return 0;
}

static int add_lines(struct fls_commit *commit, struct account_run *run,
                     const struct fls_result *result)
{
    struct fls_span accounts = result->accounts, account;
    struct fls_account_lines lines;
    int error = fls_ledger_add_object(commit->ledger, &result->object, &result->counts);

    while (error == 0 && fls_result_next_account(&accounts, &account, &lines))
        error = add_account(commit, run, account, &lines);
    for (int reason = 0; reason < FLS_REASON_CNT; reason++)
        for (uint32_t i = 0; error == 0 && i < result->sample_cnt[reason]; i++)
            error = fls_ledger_add_sample(commit->ledger, (enum fls_reason)reason,
                                          result->object.name, &result->samples[reason][i]);
    return error;
}

static int add_results(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    struct fls_result *result = malloc(sizeof(*result));
    struct account_run run = {.is_begun = false};
    int error = 0;

    fls_assert(result != NULL);
    for (uint32_t i = 0; i < epoch->result_cnt && error == 0; i++) {
        fls_epoch_result(epoch, i, result);
        if (result->status == FLS_RESULT_FAILED)
            error = fls_ledger_add_failed(commit->ledger, &result->object, result->failure);
        else if (result->status == FLS_RESULT_COUNTED && !epoch->is_damaged)
            error = add_lines(commit, &run, result);
    }
    free(result);
    return error ? error : end_run(commit, &run);
}

/* The ledger's transaction failed. What it wrote may stand on the disk all the same, and count
 * after a crash, until another commit is made: the file that it names stays as it is until then. */
static int give_up(struct fls_commit *commit, int error)
{
    ledger_failed(commit, error);
    fls_ledger_rollback(commit->ledger);
    commit->next_segment++;
    commit->has_unused_segments = true;
    commit->is_uncertain = true;
    return error;
}

static int transact(struct fls_commit *commit, const struct change *change)
{
    int error = fls_ledger_begin(commit->ledger);

    if (error)
        return ledger_failed(commit, error);
    if (!change->epoch->is_damaged)
        error = add_parts(commit, change);
    if (error == 0)
        error = add_results(commit, change->epoch);
    if (error == 0)
        error = fls_ledger_commit(commit->ledger, commit->epoch + 1);
    return error ? give_up(commit, error) : 0;
}

/* True if all that the epoch brings is objects that failed just so before: the ledger says that
 * already. */
static bool changes_nothing(struct fls_commit *commit, const struct fls_epoch *epoch)
{
    struct fls_result *result;
    bool is_known = true;

    if (epoch->failed_cnt == 0 || (epoch->counted_cnt > 0 && !epoch->is_damaged))
        return false;
    result = malloc(sizeof(*result));
    fls_assert(result != NULL);
    for (uint32_t i = 0; i < epoch->result_cnt && is_known; i++) {
        fls_epoch_result(epoch, i, result);
        if (result->status == FLS_RESULT_FAILED) /* an error shows again, and is told, below */
            is_known =
                fls_ledger_find_failed(commit->ledger, &result->object, result->failure) == 1;
    }
    free(result);
    return is_known;
}

int fls_commit_epoch(struct fls_commit *commit, struct fls_epoch *epoch)
{
    struct change change;
    int error;

    if (changes_nothing(commit, epoch))
        return 0;
    change_init(&change, commit, epoch);
    error = finish_file(commit, epoch, &change);
    if (error == 0)
        error = transact(commit, &change);
    if (error == 0)
        change_apply(&change, commit);
    change_fini(&change);
    return error;
}

int fls_commit_replace_day(struct fls_commit *commit, const struct fls_part *part)
{
    int error = fls_ledger_begin(commit->ledger);

    fls_assert(part->segment == commit->next_segment);
    commit->has_unused_segments = true;
    if (error)
        return ledger_failed(commit, error);
    error = fls_ledger_drop_day(commit->ledger, part->day);
    if (error == 0)
        error = fls_ledger_add_part(commit->ledger, part);
    if (error == 0)
        error = fls_ledger_commit(commit->ledger, commit->epoch);
    if (error)
        return give_up(commit, error);
    commit->next_segment++;
    commit->is_uncertain = false;
    return 0;
}

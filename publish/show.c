#include "publish/show.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/printable.h"
#include "publish/compact.h"
#include "publish/present.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPEATS_MAX 3 /* of an attempt whose Redis went elsewhere meanwhile */

/* The view's picture of the input, with the texts that it owns. */
struct input {
    struct fls_view_input view;
    struct fls_view_failed *failed;
    struct fls_view_lines *lines;
    struct fls_view_sample *samples;
    const char **accounts;
    uint32_t failed_max, lines_max, sample_max, account_max;
};

static char *printable(const char *text)
{
    return fls_printable_string(fls_span_of(text));
}

static int add_failed(void *context, const char *name, const char *path, const char *reason)
{
    struct input *in = context;

    (void)name;
    fls_array_reserve(in->failed, in->failed_max, in->view.failed_cnt + 1);
    in->failed[in->view.failed_cnt++] =
        (struct fls_view_failed){.object = printable(path), .reason = printable(reason)};
    return 0;
}

static int add_account(void *context, struct fls_span account,
                       const struct fls_account_lines *lines)
{
    struct input *in = context;
    char *text = fls_printable_string(account);

    fls_array_reserve(in->lines, in->lines_max, in->view.lines_cnt + 1);
    in->lines[in->view.lines_cnt++] = (struct fls_view_lines){.account = text, .lines = *lines};
    if (lines->records == 0)
        return 0;
    fls_array_reserve(in->accounts, in->account_max, in->view.account_cnt + 1);
    in->accounts[in->view.account_cnt++] = text;
    return 0;
}

static int add_sample(void *context, enum fls_reason reason, const char *name,
                      const struct fls_sample *sample)
{
    struct input *in = context;
    uint32_t number = 0;
    char *object = printable(name), *text;

    if (in->view.sample_cnt > 0 && in->samples[in->view.sample_cnt - 1].reason == reason)
        number = in->samples[in->view.sample_cnt - 1].number + 1;
    fls_assert(
        asprintf(&text, "%s:%llu: %s", object, (unsigned long long)sample->line, sample->text) > 0);
    free(object);
    fls_array_reserve(in->samples, in->sample_max, in->view.sample_cnt + 1);
    in->samples[in->view.sample_cnt++] =
        (struct fls_view_sample){.reason = reason, .number = number, .text = text};
    return 0;
}

static void input_fini(struct input *in)
{
    for (uint32_t i = 0; i < in->view.failed_cnt; i++) {
        free((char *)in->failed[i].object);
        free((char *)in->failed[i].reason);
    }
    for (uint32_t i = 0; i < in->view.lines_cnt; i++)
        free((char *)in->lines[i].account);
    for (uint32_t i = 0; i < in->view.sample_cnt; i++)
        free((char *)in->samples[i].text);
    free(in->failed);
    free(in->lines);
    free(in->samples);
    free(in->accounts);
}

static int read_ledger(struct input *in, struct fls_ledger *ledger)
{
    int error = fls_ledger_input(ledger, &in->view.objects, &in->view.counts);

    if (error == 0)
        error = fls_ledger_each_failed(ledger, add_failed, in);
    if (error == 0)
        error = fls_ledger_each_account(ledger, add_account, in);
    if (error == 0)
        error = fls_ledger_each_sample(ledger, add_sample, in);
    return error;
}

static int failed(struct fls_show *show, int error, const char *why)
{
    snprintf(show->failure, sizeof(show->failure), "%s", why);
    return error;
}

static int put_input(struct fls_show *show, const struct fls_commit *commit)
{
    struct input in = {.view = {.days = commit->days.at,
                                .day_cnt = commit->days.cnt,
                                .top_k = show->top_k,
                                .ledger = commit->identity}};
    int error = read_ledger(&in, commit->ledger);

    if (error) {
        failed(show, error, fls_ledger_failure(commit->ledger));
    } else {
        in.view.failed = in.failed;
        in.view.lines = in.lines;
        in.view.samples = in.samples;
        in.view.accounts = in.accounts;
        error = fls_view_put_input(show->view, &in.view);
        if (error)
            failed(show, error, fls_view_failure(show->view));
    }
    input_fini(&in);
    return error;
}

static int open_day(struct fls_show *show, const struct fls_commit *commit, uint32_t day,
                    struct fls_parts *parts)
{
    int error = fls_parts_open(parts, commit->ledger, commit->segments, day, commit->new_segment);

    return error ? failed(show, -EUCLEAN, parts->failure) : 0;
}

/* Rewrites the day if it is too large, and opens it again. If it cannot be rewritten now, it is
 * shown as it is, and the next epoch tries again. */
static int keep_within_limit(struct fls_show *show, struct fls_commit *commit, uint32_t day,
                             struct fls_parts *parts)
{
    if (commit->is_read_only || parts->bytes <= show->day_bytes_max)
        return 0;
    fls_compact_day(commit, parts, show->day_bytes_max);
    fls_parts_close(parts);
    return open_day(show, commit, day, parts);
}

static int present_day(struct fls_show *show, struct fls_parts *parts, bool only_changed)
{
    int error = fls_present_day(show->view, parts, show->top_k, only_changed,
                                show->day_bytes_max / FLS_SHOW_SHARE);

    if (error)
        failed(show, error, parts->failure[0] ? parts->failure : fls_view_failure(show->view));
    return error;
}

static int put_day(struct fls_show *show, struct fls_commit *commit, uint32_t day,
                   bool only_changed)
{
    struct fls_parts parts;
    int error = open_day(show, commit, day, &parts);

    if (error == 0)
        error = keep_within_limit(show, commit, day, &parts);
    if (error)
        return error;
    error = present_day(show, &parts, only_changed);
    if (error == 0 && parts.merged.part_cnt > FLS_DAY_PARTS_MAX && !commit->is_read_only)
        fls_compact_day(commit, &parts, show->day_bytes_max); /* else with the next epoch */
    fls_parts_close(&parts);
    return error;
}

static int put_days(struct fls_show *show, struct fls_commit *commit, bool afresh)
{
    const struct fls_day_list *days = afresh ? &commit->days : &commit->touched;
    int error = 0;

    for (uint32_t i = 0; i < days->cnt && error == 0; i++)
        error = put_day(show, commit, days->at[i], !afresh);
    for (uint32_t i = 0; i < commit->dropped.cnt && error == 0; i++) {
        error = fls_view_drop_day(show->view, commit->dropped.at[i]);
        if (error)
            failed(show, error, fls_view_failure(show->view));
    }
    return error;
}

/* What Redis holds is of this state and cut at this K. */
static bool holds_ours(const struct fls_show *show, const struct fls_commit *commit)
{
    return strcmp(show->held.ledger, commit->identity) == 0 && show->held.top_k == show->top_k;
}

static bool is_current(const struct fls_show *show, const struct fls_commit *commit)
{
    if (commit->epoch == 0 && show->held.epoch == 0)
        return true; /* neither holds anything */
    return holds_ours(show, commit) && show->held.epoch == commit->epoch;
}

static int publish(struct fls_show *show, struct fls_commit *commit)
{
    bool afresh =
        !commit->is_own || !holds_ours(show, commit) || show->held.epoch + 1 != commit->epoch;
    int error = fls_view_begin(show->view, afresh);

    if (error)
        return failed(show, error, fls_view_failure(show->view));
    error = put_input(show, commit);
    if (error == 0)
        error = put_days(show, commit, afresh);
    if (error)
        return error;
    error = fls_view_commit(show->view, commit->epoch);
    if (error)
        return failed(show, error, fls_view_failure(show->view));
    show->held = (struct fls_view_held){.epoch = commit->epoch, .top_k = show->top_k};
    snprintf(show->held.ledger, sizeof(show->held.ledger), "%s", commit->identity);
    return 0;
}

static int connect_view(struct fls_show *show)
{
    int error =
        fls_view_open(&show->view, show->address, show->name, show->failure, sizeof(show->failure));

    if (error)
        return error;
    error = fls_view_hold(show->view, &show->held);
    return error ? failed(show, error, fls_view_failure(show->view)) : 0;
}

static int bring_up(struct fls_show *show, struct fls_commit *commit)
{
    int error = 0;

    if (show->view == NULL)
        error = connect_view(show);
    if (error == 0 && !is_current(show, commit))
        error = publish(show, commit);
    if (error)
        fls_show_fini(show);
    return error;
}

/* Redis may have been restarted or emptied since the last commit, or its keys have moved to another
 * node: a new connection finds what there is now. */
static bool is_elsewhere(int error, bool was_connected)
{
    if (error == -EREMOTE)
        return true;
    return was_connected && (error == -ENODATA || error == -ECONNRESET || error == -EPIPE);
}

static int attempt(struct fls_show *show, struct fls_commit *commit)
{
    uint64_t began_ns = fls_clock_ns(), pause_ns;
    bool was_connected = show->view != NULL;
    int error = bring_up(show, commit);

    for (int i = 0; i < REPEATS_MAX && is_elsewhere(error, was_connected); i++)
        error = bring_up(show, commit);
    pause_ns = (fls_clock_ns() - began_ns) * FLS_SHOW_PAUSE_FACTOR;
    if (pause_ns > FLS_SHOW_PAUSE_MAX_S * FLS_NS_PER_S)
        pause_ns = FLS_SHOW_PAUSE_MAX_S * FLS_NS_PER_S;
    show->next_ns = error ? fls_clock_ns() + pause_ns : 0;
    return error;
}

/* What publishing does for the state by the way: parts and segment files must not become more and
 * more while Redis is away. A day that cannot be read is told once it is to be published. */
static void rewrite_touched(struct fls_show *show, struct fls_commit *commit)
{
    if (commit->is_read_only || !commit->is_own || show->rewritten_epoch == commit->epoch)
        return;
    show->rewritten_epoch = commit->epoch;
    for (uint32_t i = 0; i < commit->touched.cnt; i++) {
        struct fls_parts parts;

        if (fls_parts_open(&parts, commit->ledger, commit->segments, commit->touched.at[i],
                           commit->new_segment))
            continue;
        if (parts.merged.part_cnt > FLS_DAY_PARTS_MAX || parts.bytes > show->day_bytes_max)
            fls_compact_day(commit, &parts, show->day_bytes_max);
        fls_parts_close(&parts);
    }
}

int fls_show_commit(struct fls_show *show, struct fls_commit *commit, bool now)
{
    if (show->error != -ESTALE && (now || fls_clock_ns() >= show->next_ns))
        show->error = attempt(show, commit);
    show->is_current = show->error == 0;
    if (!show->is_current)
        rewrite_touched(show, commit);
    fls_commit_clean(commit); /* what cannot be removed now is tried again */
    return show->error;
}

void fls_show_check(struct fls_show *show)
{
    int error = show->view ? fls_view_check_incarnation(show->view) : 0;

    if (error == 0)
        return;
    failed(show, error, fls_view_failure(show->view));
    fls_show_fini(show);
    show->is_current = false;
    if (error == -ESTALE)
        show->error = error;
}

void fls_show_fini(struct fls_show *show)
{
    if (show->view)
        fls_view_close(show->view);
    show->view = NULL;
}

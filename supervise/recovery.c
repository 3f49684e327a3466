#include "supervise/recovery.h"

#include "base/log.h"
#include "supervise/open_ledger.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* An epoch of its own, so that Redis shows it. */
static int commit_quarantined(struct fls_ledger *ledger, const struct fls_object *object,
                              const char *reason)
{
    uint64_t epoch, next_segment;
    int error = fls_ledger_epoch(ledger, &epoch, &next_segment);

    if (error == 0)
        error = fls_ledger_begin(ledger);
    if (error)
        return error;
    error = fls_ledger_add_quarantined(ledger, object, reason);
    if (error == 0)
        error = fls_ledger_commit(ledger, epoch + 1);
    if (error)
        fls_ledger_rollback(ledger);
    return error;
}

static void say_why(const struct fls_end *end, char reason[static FLS_FAILURE_TEXT_MAX])
{
    if (WIFSIGNALED(end->status))
        snprintf(reason, FLS_FAILURE_TEXT_MAX,
                 "in quarantine: read alone, it killed %s by signal %d (%s)",
                 fls_role_name(end->role), WTERMSIG(end->status), strsignal(WTERMSIG(end->status)));
    else
        snprintf(reason, FLS_FAILURE_TEXT_MAX, "in quarantine: read alone, %s had no memory for it",
                 fls_role_name(end->role));
}

/* It is given up also if its commit was the last thing that was done: it is counted then. */
static int quarantine(struct fls_dispatch *dispatch, struct fls_ledger *ledger,
                      const struct fls_end *end, char told[static FLS_RECOVERY_TEXT_MAX])
{
    static struct fls_object object; /* some kilobytes; this process has one thread */
    const struct fls_input *input = &dispatch->jobs.at[dispatch->alone].input;
    char reason[FLS_FAILURE_TEXT_MAX];
    uint64_t size;
    int64_t mtime_ns;
    int status = fls_ledger_find(ledger, input->name, &size, &mtime_ns);

    if (status != 0)
        return status < 0 ? status : 0;
    say_why(end, reason);
    object.size = input->size;
    object.mtime_ns = input->mtime_ns;
    snprintf(object.name, sizeof(object.name), "%s", input->name);
    snprintf(object.path, sizeof(object.path), "%s", input->path);
    status = commit_quarantined(ledger, &object, reason);
    if (status == 0) {
        snprintf(told, FLS_RECOVERY_TEXT_MAX, "%s: %s", object.path, reason);
        fls_dispatch_give_up(dispatch);
    }
    return status;
}

int fls_recover(const struct fls_options *options, struct fls_dispatch *dispatch,
                const struct fls_end *end, char told[static FLS_RECOVERY_TEXT_MAX], uint64_t *epoch)
{
    uint64_t next_segment;
    bool is_fault = fls_end_is_fault(end);
    struct fls_ledger *ledger;
    int status = fls_ledger_open_or_tell(&ledger, options->state, false);

    told[0] = 0;
    if (status)
        return status;
    if (is_fault && dispatch->alone != FLS_JOB_NONE)
        status = quarantine(dispatch, ledger, end, told);
    else if (is_fault)
        fls_dispatch_blame(dispatch, end->role == FLS_ROLE_INGEST ? end->number : FLS_INGEST_MAX);
    if (status == 0)
        status = fls_dispatch_recover(dispatch, ledger);
    if (status == 0)
        status = fls_ledger_epoch(ledger, epoch, &next_segment);
    if (status)
        fls_log_error("%s", fls_ledger_failure(ledger));
    fls_ledger_close(ledger);
    return status;
}

uint32_t fls_recovery_pause_ms(uint32_t deaths)
{
    uint32_t pause_ms = FLS_PAUSE_FIRST_MS;

    if (deaths <= 1)
        return 0;
    for (; deaths > 2 && pause_ms < FLS_PAUSE_LAST_MS; deaths--)
        pause_ms *= 2;
    return pause_ms < FLS_PAUSE_LAST_MS ? pause_ms : FLS_PAUSE_LAST_MS;
}

#include "publish/catch_up.h"

#include "publish/show.h"
#include "state/advice.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* All days that the ledger names stay: nothing is committed here. */
#define KEEP_ALL UINT32_MAX
/* A run beside may compact a day meanwhile and remove files that the commit read here still names:
 * the next attempt reads a newer commit. */
#define ATTEMPTS 3

static int publish_from(struct fls_ledger *ledger, struct fls_segments *segments,
                        struct fls_show *show, char *error, size_t error_max)
{
    struct fls_commit commit;
    int status = fls_commit_init(&commit, ledger, segments, KEEP_ALL);

    if (status) {
        snprintf(error, error_max, "%s", commit.failure);
        fls_commit_fini(&commit);
        return status;
    }
    commit.is_read_only = true;
    status = fls_show_commit(show, &commit, true);
    if (status)
        snprintf(error, error_max, "%s", show->failure);
    fls_commit_fini(&commit);
    return status;
}

static int catch_up_from(struct fls_ledger *ledger, const char *state_folder, struct fls_show *show,
                         char *error, size_t error_max)
{
    struct fls_segments segments;
    uint64_t epoch = 0, next_segment;
    int status = fls_ledger_epoch(ledger, &epoch, &next_segment);

    if (status == 0)
        status = fls_ledger_top_k(ledger, &show->top_k);
    if (status)
        snprintf(error, error_max, "%s", fls_ledger_failure(ledger));
    if (status || epoch == 0)
        return status;
    status = fls_segments_open(&segments, state_folder);
    if (status) {
        snprintf(error, error_max, "%s/segments: %s (%s)", state_folder, strerror(-status),
                 fls_advice_for_errno(-status));
        return status;
    }
    status = publish_from(ledger, &segments, show, error, error_max);
    fls_segments_close(&segments);
    return status;
}

/* All reading sees one commit, whatever a run adds beside. */
static int attempt(struct fls_ledger *ledger, const char *state_folder, struct fls_show *show,
                   char *error, size_t error_max)
{
    int status = fls_ledger_begin_reading(ledger);

    if (status) {
        snprintf(error, error_max, "%s", fls_ledger_failure(ledger));
        return status;
    }
    status = catch_up_from(ledger, state_folder, show, error, error_max);
    fls_ledger_end_reading(ledger);
    return status;
}

int fls_catch_up(const char *state_folder, const struct fls_redis_address *redis, const char *name,
                 char *error, size_t error_max)
{
    struct fls_show show = {.address = redis, .name = name, .day_bytes_max = FLS_DAY_BYTES_MAX};
    struct fls_ledger *ledger;
    int status = fls_ledger_open(&ledger, state_folder, true, error, error_max);

    if (status)
        return status == -ENOENT ? 0 : status;
    status = -EUCLEAN;
    for (int i = 0; i < ATTEMPTS && status == -EUCLEAN; i++)
        status = attempt(ledger, state_folder, &show, error, error_max);
    fls_show_fini(&show);
    fls_ledger_close(ledger);
    return status;
}

#include "state/ledger_private.h"

#include "base/assert.h"

#include <string.h>

int fls_ledger_set_top_k(struct fls_ledger *ledger, uint32_t top_k)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_WRITE_TOP_K);

    fls_assert(ledger->phase == FLS_LEDGER_IDLE);
    fls_ledger_bind_number(statement, 1, top_k);
    return fls_ledger_run(ledger, FLS_SQL_WRITE_TOP_K);
}

/* Where nothing has failed, an object that counts need not be looked for there. */
static int ledger_look_for_failed(struct fls_ledger *ledger)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_HAS_FAILED);
    int status = fls_ledger_step(ledger, statement);

    fls_ledger_end(statement);
    ledger->may_have_failed = status == 1;
    return status < 0 ? status : 0;
}

int fls_ledger_begin(struct fls_ledger *ledger)
{
    uint64_t next_segment;
    int status;

    fls_assert(!ledger->read_only && ledger->phase == FLS_LEDGER_IDLE);
    status = fls_ledger_run(ledger, FLS_SQL_BEGIN);
    if (status != 0)
        return status;
    ledger->phase = FLS_LEDGER_OPEN;
    ledger->objects = 0;
    ledger->next_segment = 0;
    ledger->counts = (struct fls_line_counts){0};
    status = fls_ledger_epoch(ledger, &ledger->epoch, &next_segment);
    if (status == 0)
        status = ledger_look_for_failed(ledger);
    if (status != 0)
        ledger->phase = FLS_LEDGER_BROKEN;
    return status;
}

static void counts_add(struct fls_line_counts *to, const struct fls_line_counts *from)
{
    struct fls_line_counts added = *from;
    struct fls_ledger_sum sums[FLS_LEDGER_SUM_CNT], additions[FLS_LEDGER_SUM_CNT];
    uint64_t none = 0;

    fls_ledger_list_sums(sums, &none, to);
    fls_ledger_list_sums(additions, &none, &added);
    for (int i = 1; i < FLS_LEDGER_SUM_CNT; i++)
        *sums[i].value = fls_counter_add(*sums[i].value, *additions[i].value);
}

static int ledger_drop_failed(struct fls_ledger *ledger, const char *name)
{
    fls_ledger_bind_name(fls_ledger_statement(ledger, FLS_SQL_DROP_FAILED), 1, name);
    return fls_ledger_run(ledger, FLS_SQL_DROP_FAILED);
}

int fls_ledger_add_object(struct fls_ledger *ledger, const struct fls_object *object,
                          const struct fls_line_counts *counts)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_ADD_OBJECT);
    int status;

    fls_assert(ledger->phase == FLS_LEDGER_OPEN);
    fls_ledger_bind_name(statement, 1, object->name);
    fls_ledger_bind_number(statement, 2, object->size);
    sqlite3_bind_int64(statement, 3, object->mtime_ns);
    status = fls_ledger_run(ledger, FLS_SQL_ADD_OBJECT);
    if (status == 0 && ledger->may_have_failed)
        status = ledger_drop_failed(ledger, object->name);
    if (status != 0)
        return status;
    ledger->objects++;
    counts_add(&ledger->counts, counts);
    return 0;
}

int fls_ledger_add_account(struct fls_ledger *ledger, struct fls_span account,
                           const struct fls_account_lines *lines)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_ADD_ACCOUNT);

    fls_assert(ledger->phase == FLS_LEDGER_OPEN);
    fls_ledger_bind_bytes(statement, 1, account.at, account.sz);
    fls_ledger_bind_number(statement, 2, lines->records);
    fls_ledger_bind_number(statement, 3, lines->nodata);
    fls_ledger_bind_number(statement, 4, lines->skipdata);
    return fls_ledger_run(ledger, FLS_SQL_ADD_ACCOUNT);
}

int fls_ledger_add_sample(struct fls_ledger *ledger, enum fls_reason reason, const char *name,
                          const struct fls_sample *sample)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_ADD_SAMPLE);
    int status;

    fls_assert(ledger->phase == FLS_LEDGER_OPEN && reason < FLS_REASON_CNT);
    fls_ledger_bind_word(statement, 1, fls_reason_name[reason]);
    fls_ledger_bind_name(statement, 2, name);
    fls_ledger_bind_number(statement, 3, sample->line);
    fls_ledger_bind_bytes(statement, 4, sample->text, strnlen(sample->text, sizeof(sample->text)));
    status = fls_ledger_run(ledger, FLS_SQL_ADD_SAMPLE);
    if (status != 0)
        return status;
    fls_ledger_bind_word(fls_ledger_statement(ledger, FLS_SQL_CUT_SAMPLES), 1,
                         fls_reason_name[reason]);
    return fls_ledger_run(ledger, FLS_SQL_CUT_SAMPLES);
}

static int add_failure(struct fls_ledger *ledger, const struct fls_object *object,
                       const char *reason, bool is_quarantined)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_ADD_FAILED);
    uint64_t size;
    int64_t mtime_ns;
    int status;

    fls_assert(ledger->phase == FLS_LEDGER_OPEN);
    status = fls_ledger_find(ledger, object->name, &size, &mtime_ns);
    fls_assert(status != 1); /* an object that counts cannot fail any more */
    if (status != 0)
        return status;
    fls_ledger_bind_failed(statement, object, reason);
    fls_ledger_bind_number(statement, 6, is_quarantined);
    ledger->may_have_failed = true;
    return fls_ledger_run(ledger, FLS_SQL_ADD_FAILED);
}

int fls_ledger_add_failed(struct fls_ledger *ledger, const struct fls_object *object,
                          const char *reason)
{
    return add_failure(ledger, object, reason, false);
}

int fls_ledger_add_quarantined(struct fls_ledger *ledger, const struct fls_object *object,
                               const char *reason)
{
    return add_failure(ledger, object, reason, true);
}

int fls_ledger_release_quarantined(struct fls_ledger *ledger)
{
    int status;

    fls_assert(!ledger->read_only && ledger->phase == FLS_LEDGER_IDLE);
    status = fls_ledger_run(ledger, FLS_SQL_DROP_QUARANTINED);
    return status == 0 ? sqlite3_changes(ledger->database) : status;
}

int fls_ledger_add_part(struct fls_ledger *ledger, const struct fls_part *part)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_ADD_PART);

    fls_assert(ledger->phase == FLS_LEDGER_OPEN);
    fls_ledger_bind_number(statement, 1, part->day);
    fls_ledger_bind_number(statement, 2, part->segment);
    fls_ledger_bind_number(statement, 3, part->offset);
    fls_ledger_bind_number(statement, 4, part->size);
    sqlite3_bind_int64(statement, 5, (sqlite3_int64)part->sum);
    if (part->segment >= ledger->next_segment)
        ledger->next_segment = part->segment + 1;
    return fls_ledger_run(ledger, FLS_SQL_ADD_PART);
}

int fls_ledger_drop_day(struct fls_ledger *ledger, uint32_t day)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_DROP_DAY);

    fls_assert(ledger->phase == FLS_LEDGER_OPEN);
    fls_ledger_bind_number(statement, 1, day);
    return fls_ledger_run(ledger, FLS_SQL_DROP_DAY);
}

static int ledger_write_sums(struct fls_ledger *ledger)
{
    struct fls_ledger_sum sums[FLS_LEDGER_SUM_CNT];

    fls_ledger_list_sums(sums, &ledger->objects, &ledger->counts);
    for (int i = 0; i < FLS_LEDGER_SUM_CNT; i++) {
        sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_ADD_SUM);
        int status;

        fls_ledger_bind_word(statement, 1, sums[i].name);
        fls_ledger_bind_number(statement, 2, *sums[i].value);
        status = fls_ledger_run(ledger, FLS_SQL_ADD_SUM);
        if (status != 0)
            return status;
    }
    return 0;
}

int fls_ledger_commit(struct fls_ledger *ledger, uint64_t epoch)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_WRITE_MANIFEST);
    int status;

    fls_assert(ledger->phase == FLS_LEDGER_OPEN && epoch >= ledger->epoch);
    status = ledger_write_sums(ledger);
    if (status != 0)
        return status;
    fls_ledger_bind_number(statement, 1, epoch);
    fls_ledger_bind_number(statement, 2, ledger->next_segment);
    status = fls_ledger_run(ledger, FLS_SQL_WRITE_MANIFEST);
    if (status == 0)
        status = fls_ledger_run(ledger, FLS_SQL_COMMIT);
    if (status == 0)
        ledger->phase = FLS_LEDGER_IDLE;
    return status;
}

void fls_ledger_rollback(struct fls_ledger *ledger)
{
    char failure[FLS_LEDGER_FAILURE_MAX];

    memcpy(failure, ledger->failure, sizeof(failure));
    /* After some errors SQLite has rolled back by itself. A rollback that fails here (no memory,
     * a broken disk) still leaves nothing behind: nothing of it is in the database before its
     * commit. */
    if (ledger->phase != FLS_LEDGER_IDLE && !sqlite3_get_autocommit(ledger->database))
        fls_ledger_run(ledger, FLS_SQL_ROLLBACK);
    memcpy(ledger->failure, failure, sizeof(failure)); /* why it was rolled back says more */
    ledger->phase = FLS_LEDGER_IDLE;
}

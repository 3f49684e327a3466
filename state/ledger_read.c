#include "state/ledger_private.h"

#include "base/assert.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int fls_ledger_begin_reading(struct fls_ledger *ledger)
{
    int status;

    fls_assert(ledger->phase == FLS_LEDGER_IDLE);
    status = fls_ledger_run(ledger, FLS_SQL_BEGIN_READING);
    if (status == 0)
        ledger->phase = FLS_LEDGER_READING;
    return status;
}

void fls_ledger_end_reading(struct fls_ledger *ledger)
{
    fls_assert(ledger->phase == FLS_LEDGER_READING);
    fls_ledger_rollback(ledger);
}

int fls_ledger_find(struct fls_ledger *ledger, const char *name, uint64_t *size, int64_t *mtime_ns)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_FIND_OBJECT);
    int status;

    fls_ledger_bind_name(statement, 1, name);
    status = fls_ledger_step(ledger, statement);
    if (status == 1) {
        *size = fls_ledger_column_number(statement, 0);
        *mtime_ns = sqlite3_column_int64(statement, 1);
    }
    fls_ledger_end(statement);
    return status;
}

int fls_ledger_find_failed(struct fls_ledger *ledger, const struct fls_object *object,
                           const char *reason)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_FIND_FAILED);
    int status;

    fls_ledger_bind_failed(statement, object, reason);
    status = fls_ledger_step(ledger, statement);
    fls_ledger_end(statement);
    return status;
}

int fls_ledger_find_failure(struct fls_ledger *ledger, const char *name,
                            struct fls_ledger_failure *failure)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_FIND_FAILURE);
    int status;

    fls_ledger_bind_name(statement, 1, name);
    status = fls_ledger_step(ledger, statement);
    if (status == 1) {
        failure->size = fls_ledger_column_number(statement, 0);
        failure->mtime_ns = sqlite3_column_int64(statement, 1);
        failure->is_quarantined = fls_ledger_column_number(statement, 2) != 0;
    }
    fls_ledger_end(statement);
    return status;
}

static int lacks_manifest(struct fls_ledger *ledger)
{
    return fls_ledger_refuse(
        ledger, EUCLEAN,
        "lacks its manifest: the file is damaged; move the state folder away, or "
        "choose another with --state, and count again");
}

int fls_ledger_epoch(struct fls_ledger *ledger, uint64_t *epoch, uint64_t *next_segment)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_MANIFEST);
    int status = fls_ledger_step(ledger, statement);

    if (status == 1) {
        *epoch = fls_ledger_column_number(statement, 0);
        *next_segment = fls_ledger_column_number(statement, 1);
    }
    fls_ledger_end(statement);
    if (status == 0)
        return lacks_manifest(ledger);
    return status < 0 ? status : 0;
}

int fls_ledger_top_k(struct fls_ledger *ledger, uint32_t *top_k)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_TOP_K);
    int status = fls_ledger_step(ledger, statement);

    if (status == 1)
        *top_k = (uint32_t)fls_ledger_column_number(statement, 0);
    fls_ledger_end(statement);
    if (status == 0)
        return lacks_manifest(ledger);
    return status < 0 ? status : 0;
}

int fls_ledger_identity(struct fls_ledger *ledger, char identity[static FLS_LEDGER_IDENTITY_MAX])
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_IDENTITY);
    int status = fls_ledger_step(ledger, statement);
    const char *text = status == 1 ? fls_ledger_column_text(statement, 0) : "";

    if (text == NULL)
        status = fls_ledger_fail(ledger);
    else
        snprintf(identity, FLS_LEDGER_IDENTITY_MAX, "%s", text);
    fls_ledger_end(statement);
    if (status == 0)
        return lacks_manifest(ledger);
    return status < 0 ? status : 0;
}

int fls_ledger_input(struct fls_ledger *ledger, uint64_t *objects, struct fls_line_counts *counts)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_SUMS);
    struct fls_ledger_sum sums[FLS_LEDGER_SUM_CNT];
    int status;

    *objects = 0;
    *counts = (struct fls_line_counts){0};
    fls_ledger_list_sums(sums, objects, counts);
    while ((status = fls_ledger_step(ledger, statement)) == 1) {
        const char *name = fls_ledger_column_text(statement, 0);
        int i = 0;

        while (name != NULL && i < FLS_LEDGER_SUM_CNT && strcmp(sums[i].name, name) != 0)
            i++;
        if (name == NULL || i == FLS_LEDGER_SUM_CNT) {
            status = name == NULL
                         ? fls_ledger_fail(ledger)
                         : fls_ledger_refuse(ledger, EPROTO,
                                             "holds a sum that this flowlog-stats does not know: "
                                             "use the newer one that wrote it");
            break;
        }
        *sums[i].value = fls_ledger_column_number(statement, 1);
    }
    fls_ledger_end(statement);
    return status;
}

static int each_failure(struct fls_ledger *ledger, enum fls_ledger_statement id,
                        int (*each)(void *context, const char *name, const char *path,
                                    const char *reason),
                        void *context)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, id);
    int status;

    while ((status = fls_ledger_step(ledger, statement)) == 1) {
        const char *name = fls_ledger_column_text(statement, 0),
                   *path = fls_ledger_column_text(statement, 1);
        const char *reason = fls_ledger_column_text(statement, 2);

        if (name == NULL || path == NULL || reason == NULL)
            status = fls_ledger_fail(ledger);
        else
            status = each(context, name, path, reason);
        if (status != 0)
            break;
    }
    fls_ledger_end(statement);
    return status;
}

int fls_ledger_each_failed(struct fls_ledger *ledger,
                           int (*each)(void *context, const char *name, const char *path,
                                       const char *reason),
                           void *context)
{
    return each_failure(ledger, FLS_SQL_READ_FAILED, each, context);
}

int fls_ledger_each_quarantined(struct fls_ledger *ledger,
                                int (*each)(void *context, const char *name, const char *path,
                                            const char *reason),
                                void *context)
{
    return each_failure(ledger, FLS_SQL_READ_QUARANTINED, each, context);
}

int fls_ledger_each_account(struct fls_ledger *ledger,
                            int (*each)(void *context, struct fls_span account,
                                        const struct fls_account_lines *lines),
                            void *context)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_ACCOUNTS);
    int status;

    while ((status = fls_ledger_step(ledger, statement)) == 1) {
        const struct fls_account_lines lines = {fls_ledger_column_number(statement, 1),
                                                fls_ledger_column_number(statement, 2),
                                                fls_ledger_column_number(statement, 3)};
        const char *account = fls_ledger_column_text(statement, 0);

        if (account == NULL)
            status = fls_ledger_fail(ledger);
        else
            status = each(context,
                          (struct fls_span){(const uint8_t *)account,
                                            (size_t)sqlite3_column_bytes(statement, 0)},
                          &lines);
        if (status != 0)
            break;
    }
    fls_ledger_end(statement);
    return status;
}

static int each_sample_of(struct fls_ledger *ledger, enum fls_reason reason,
                          int (*each)(void *context, enum fls_reason reason, const char *name,
                                      const struct fls_sample *sample),
                          void *context)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_SAMPLES);
    int status;

    fls_ledger_bind_word(statement, 1, fls_reason_name[reason]);
    while ((status = fls_ledger_step(ledger, statement)) == 1) {
        const char *name = fls_ledger_column_text(statement, 0),
                   *text = fls_ledger_column_text(statement, 2);
        struct fls_sample sample = {.line = fls_ledger_column_number(statement, 1)};

        if (name == NULL || text == NULL) {
            status = fls_ledger_fail(ledger);
        } else {
            snprintf(sample.text, sizeof(sample.text), "%s", text);
            status = each(context, reason, name, &sample);
        }
        if (status != 0)
            break;
    }
    fls_ledger_end(statement);
    return status;
}

int fls_ledger_each_sample(struct fls_ledger *ledger,
                           int (*each)(void *context, enum fls_reason reason, const char *name,
                                       const struct fls_sample *sample),
                           void *context)
{
    int status = 0;

    for (int i = 0; i < FLS_REASON_CNT && status == 0; i++)
        status = each_sample_of(ledger, (enum fls_reason)i, each, context);
    return status;
}

int fls_ledger_each_part(struct fls_ledger *ledger, const uint32_t *day,
                         int (*each)(void *context, const struct fls_part *part), void *context)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_PARTS);
    int status;

    fls_ledger_bind_number(statement, 1, day == NULL ? 0 : *day);
    fls_ledger_bind_number(statement, 2, day == NULL ? UINT32_MAX : *day);
    while ((status = fls_ledger_step(ledger, statement)) == 1) {
        const struct fls_part part = {.day = (uint32_t)fls_ledger_column_number(statement, 0),
                                      .segment = fls_ledger_column_number(statement, 1),
                                      .offset = fls_ledger_column_number(statement, 2),
                                      .size = fls_ledger_column_number(statement, 3),
                                      .sum = (uint64_t)sqlite3_column_int64(statement, 4)};

        status = each(context, &part);
        if (status != 0)
            break;
    }
    fls_ledger_end(statement);
    return status;
}

int fls_ledger_each_segment(struct fls_ledger *ledger, int (*each)(void *context, uint64_t segment),
                            void *context)
{
    sqlite3_stmt *statement = fls_ledger_statement(ledger, FLS_SQL_READ_SEGMENTS);
    int status;

    while ((status = fls_ledger_step(ledger, statement)) == 1) {
        status = each(context, fls_ledger_column_number(statement, 0));
        if (status != 0)
            break;
    }
    fls_ledger_end(statement);
    return status;
}

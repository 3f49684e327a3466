/* The SQL of the ledger: its tables, and its statements with what is bound to them and read from
 * them. A statement is bound, stepped, and always ended, so that none holds a snapshot of the
 * database. Only for the files of the ledger. */
#pragma once

#include "state/ledger.h"

#include <sqlite3.h>

enum fls_ledger_statement {
    FLS_SQL_FIND_OBJECT,
    FLS_SQL_FIND_FAILED,
    FLS_SQL_FIND_FAILURE,
    FLS_SQL_HAS_FAILED,
    FLS_SQL_READ_MANIFEST,
    FLS_SQL_READ_IDENTITY,
    FLS_SQL_READ_TOP_K,
    FLS_SQL_READ_SUMS,
    FLS_SQL_READ_FAILED,
    FLS_SQL_READ_QUARANTINED,
    FLS_SQL_READ_ACCOUNTS,
    FLS_SQL_READ_SAMPLES,
    FLS_SQL_READ_PARTS,
    FLS_SQL_READ_SEGMENTS,
    FLS_SQL_ADD_OBJECT,
    FLS_SQL_ADD_SUM,
    FLS_SQL_ADD_ACCOUNT,
    FLS_SQL_ADD_SAMPLE,
    FLS_SQL_CUT_SAMPLES,
    FLS_SQL_ADD_FAILED,
    FLS_SQL_DROP_FAILED,
    FLS_SQL_DROP_QUARANTINED,
    FLS_SQL_ADD_PART,
    FLS_SQL_DROP_DAY,
    FLS_SQL_WRITE_MANIFEST,
    FLS_SQL_WRITE_TOP_K,
    FLS_SQL_BEGIN,
    FLS_SQL_BEGIN_READING,
    FLS_SQL_COMMIT,
    FLS_SQL_ROLLBACK,
    FLS_SQL_CNT
};

/* Makes the tables of an empty database. */
extern const char fls_ledger_schema[];

/* Prepares all statements. 0, or -errno: -EUCLEAN, a table is missing. */
int fls_ledger_prepare(struct fls_ledger *ledger);
/* The statement, which is not in use. */
sqlite3_stmt *fls_ledger_statement(struct fls_ledger *ledger, enum fls_ledger_statement id);

/* Places count from 1. Bytes, names and words must stay until the statement has ended. */
void fls_ledger_bind_number(sqlite3_stmt *statement, int place, uint64_t number); /* ..2^63-1 */
void fls_ledger_bind_bytes(sqlite3_stmt *statement, int place, const void *bytes, size_t sz);
void fls_ledger_bind_name(sqlite3_stmt *statement, int place, const char *name); /* as bytes */
void fls_ledger_bind_word(sqlite3_stmt *statement, int place, const char *word); /* as text */
/* An object that failed, for this reason, at places 1 to 5: path, name, reason, size, time. */
void fls_ledger_bind_failed(sqlite3_stmt *statement, const struct fls_object *object,
                            const char *reason);

/* 1 with a row, 0 without, -errno. */
int fls_ledger_step(struct fls_ledger *ledger, sqlite3_stmt *statement);
void fls_ledger_end(sqlite3_stmt *statement);
/* Steps and ends one that answers with no row. 0 or -errno. */
int fls_ledger_run(struct fls_ledger *ledger, enum fls_ledger_statement id);

/* Of the row; columns count from 0. */
uint64_t fls_ledger_column_number(sqlite3_stmt *statement, int column);
/* The bytes with a NUL behind them, until the next step; NULL if memory ran out. */
const char *fls_ledger_column_text(sqlite3_stmt *statement, int column);

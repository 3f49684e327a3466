#include "state/ledger_private.h"

#include "base/assert.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

/* Names, paths and accounts are bytes that need not be UTF-8, so they are BLOBs (which SQLite
 * compares bytewise). Reasons and sums are known by their names, so that adding one needs no new
 * layout. */
const char fls_ledger_schema[] =
    "CREATE TABLE objects(name BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE sums(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE failed(path BLOB NOT NULL, name BLOB NOT NULL UNIQUE, reason BLOB NOT NULL,"
    " size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, quarantined INTEGER NOT NULL,"
    " PRIMARY KEY(path, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE accounts(account BLOB PRIMARY KEY, records INTEGER NOT NULL,"
    " nodata INTEGER NOT NULL, skipdata INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE samples(reason TEXT NOT NULL, name BLOB NOT NULL, line INTEGER NOT NULL,"
    " text BLOB NOT NULL, PRIMARY KEY(reason, name, line)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE parts(day INTEGER NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL,"
    " size INTEGER NOT NULL, sum INTEGER NOT NULL, PRIMARY KEY(day, segment, offset))"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE manifest(id INTEGER PRIMARY KEY CHECK(id = 1), epoch INTEGER NOT NULL,"
    " next_segment INTEGER NOT NULL, identity TEXT NOT NULL, top_k INTEGER NOT NULL,"
    " starts INTEGER NOT NULL) STRICT;"
    "INSERT INTO manifest VALUES(1, 0, 1, lower(hex(randomblob(16))), 0, 0);"
    "PRAGMA user_version=" STRINGIFY(FLS_LEDGER_LAYOUT) ";";

static const char *const statement_text[FLS_SQL_CNT] = {
    [FLS_SQL_FIND_FAILED] = "SELECT 1 FROM failed WHERE path = ?1 AND name = ?2 AND reason = ?3"
                            " AND size = ?4 AND mtime_ns = ?5",
    [FLS_SQL_FIND_FAILURE] = "SELECT size, mtime_ns, quarantined FROM failed WHERE name = ?1",
    [FLS_SQL_HAS_FAILED] = "SELECT 1 FROM failed LIMIT 1",
    [FLS_SQL_FIND_OBJECT] = "SELECT size, mtime_ns FROM objects WHERE name = ?1",
    [FLS_SQL_READ_MANIFEST] = "SELECT epoch, next_segment FROM manifest",
    [FLS_SQL_READ_IDENTITY] = "SELECT identity FROM manifest",
    [FLS_SQL_READ_TOP_K] = "SELECT top_k FROM manifest",
    [FLS_SQL_READ_SUMS] = "SELECT name, value FROM sums",
    [FLS_SQL_READ_FAILED] = "SELECT name, path, reason FROM failed ORDER BY path, name",
    [FLS_SQL_READ_QUARANTINED] =
        "SELECT name, path, reason FROM failed WHERE quarantined ORDER BY path, name",
    [FLS_SQL_READ_ACCOUNTS] =
        "SELECT account, records, nodata, skipdata FROM accounts ORDER BY account",
    [FLS_SQL_READ_SAMPLES] =
        "SELECT name, line, text FROM samples WHERE reason = ?1 ORDER BY name, line",
    [FLS_SQL_READ_PARTS] =
        "SELECT day, segment, offset, size, sum FROM parts WHERE day BETWEEN ?1 AND ?2"
        " ORDER BY day, segment, offset",
    [FLS_SQL_READ_SEGMENTS] = "SELECT DISTINCT segment FROM parts ORDER BY segment",
    [FLS_SQL_ADD_OBJECT] = "INSERT INTO objects VALUES(?1, ?2, ?3)",
    [FLS_SQL_ADD_SUM] = "INSERT INTO sums VALUES(?1, ?2)"
                        " ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
    [FLS_SQL_ADD_ACCOUNT] =
        "INSERT INTO accounts VALUES(?1, ?2, ?3, ?4) ON CONFLICT(account) DO UPDATE"
        " SET records = records + excluded.records, nodata = nodata + excluded.nodata,"
        " skipdata = skipdata + excluded.skipdata",
    [FLS_SQL_ADD_SAMPLE] = "INSERT OR REPLACE INTO samples VALUES(?1, ?2, ?3, ?4)",
    [FLS_SQL_CUT_SAMPLES] =
        "DELETE FROM samples WHERE reason = ?1 AND (name, line) NOT IN (SELECT name,"
        " line FROM samples WHERE reason = ?1 ORDER BY name, line"
        " LIMIT " STRINGIFY(FLS_SAMPLES_PER_REASON) ")",
    [FLS_SQL_ADD_FAILED] = "INSERT OR REPLACE INTO failed VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    [FLS_SQL_DROP_FAILED] = "DELETE FROM failed WHERE name = ?1",
    [FLS_SQL_DROP_QUARANTINED] = "DELETE FROM failed WHERE quarantined",
    [FLS_SQL_ADD_PART] = "INSERT INTO parts VALUES(?1, ?2, ?3, ?4, ?5)",
    [FLS_SQL_DROP_DAY] = "DELETE FROM parts WHERE day = ?1",
    [FLS_SQL_WRITE_MANIFEST] =
        "UPDATE manifest SET epoch = ?1, next_segment = max(next_segment, ?2)",
    /* counting makes it write, also if K stays as it is */
    [FLS_SQL_WRITE_TOP_K] = "UPDATE manifest SET top_k = ?1, starts = starts + 1",
    [FLS_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [FLS_SQL_BEGIN_READING] = "BEGIN",
    [FLS_SQL_COMMIT] = "COMMIT",
    [FLS_SQL_ROLLBACK] = "ROLLBACK",
};

int fls_ledger_prepare(struct fls_ledger *ledger)
{
    for (int i = 0; i < FLS_SQL_CNT; i++) {
        int code = sqlite3_prepare_v3(ledger->database, statement_text[i], -1,
                                      SQLITE_PREPARE_PERSISTENT, &ledger->statements[i], NULL);

        if (code == SQLITE_ERROR) /* a table or column is missing */
            return fls_ledger_refuse(
                ledger, EUCLEAN,
                "lacks a table: the file is damaged; move the state folder away, or "
                "choose another with --state, and count again");
        if (code != SQLITE_OK)
            return fls_ledger_fail(ledger);
    }
    return 0;
}

sqlite3_stmt *fls_ledger_statement(struct fls_ledger *ledger, enum fls_ledger_statement id)
{
    fls_assert(
        !sqlite3_stmt_busy(ledger->statements[id])); /* a callback came back to its own loop */
    return ledger->statements[id];
}

void fls_ledger_bind_number(sqlite3_stmt *statement, int place, uint64_t number)
{
    int code;

    fls_assert(number <= INT64_MAX);
    code = sqlite3_bind_int64(statement, place, (sqlite3_int64)number);
    fls_assert(code == SQLITE_OK);
}

void fls_ledger_bind_bytes(sqlite3_stmt *statement, int place, const void *bytes, size_t sz)
{
    int code;

    fls_assert(sz <= INT_MAX);
    code = sz == 0 ? sqlite3_bind_zeroblob(statement, place, 0)
                   : sqlite3_bind_blob(statement, place, bytes, (int)sz, SQLITE_STATIC);
    fls_assert(code == SQLITE_OK);
}

void fls_ledger_bind_name(sqlite3_stmt *statement, int place, const char *name)
{
    fls_ledger_bind_bytes(statement, place, name, strlen(name));
}

void fls_ledger_bind_word(sqlite3_stmt *statement, int place, const char *word)
{
    int code = sqlite3_bind_text(statement, place, word, -1, SQLITE_STATIC);

    fls_assert(code == SQLITE_OK);
}

void fls_ledger_bind_failed(sqlite3_stmt *statement, const struct fls_object *object,
                            const char *reason)
{
    fls_ledger_bind_name(statement, 1, object->path);
    fls_ledger_bind_name(statement, 2, object->name);
    fls_ledger_bind_name(statement, 3, reason);
    fls_ledger_bind_number(statement, 4, object->size);
    sqlite3_bind_int64(statement, 5, object->mtime_ns);
}

int fls_ledger_step(struct fls_ledger *ledger, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : fls_ledger_fail(ledger);
}

void fls_ledger_end(sqlite3_stmt *statement)
{
    sqlite3_reset(statement); /* answers with the code of the last step, which was handled there */
    sqlite3_clear_bindings(statement);
}

int fls_ledger_run(struct fls_ledger *ledger, enum fls_ledger_statement id)
{
    int status = fls_ledger_step(ledger, ledger->statements[id]);

    fls_ledger_end(ledger->statements[id]);
    fls_assert(status <= 0);
    return status;
}

uint64_t fls_ledger_column_number(sqlite3_stmt *statement, int column)
{
    sqlite3_int64 number = sqlite3_column_int64(statement, column);

    return number < 0 ? 0 : (uint64_t)number; /* only a damaged file holds a negative one */
}

const char *fls_ledger_column_text(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_bytes(statement, column) == 0)
        return "";
    return (const char *)sqlite3_column_text(statement, column);
}

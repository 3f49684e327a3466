#include "state/ledger.h"

#include "base/assert.h"

#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_MAX_MS 10000      /* how long to wait for another connection */
#define DATABASE_PATH_MAX 500U /* SQLite's limit is 512 bytes, with "-wal" and the like */
#define WAL_KEPT_SZ "67108864" /* a larger WAL is cut to this after a checkpoint */
#define CACHE_KIB "16384"      /* pages of the database kept in memory */
#define FAILURE_TEXT_MAX 1024U
#define STRINGIFY_(x) #x
#define STRINGIFY(x) STRINGIFY_(x)

/* Names, paths and accounts are bytes that need not be UTF-8, so they are BLOBs (which SQLite
 * compares bytewise). Reasons and sums are known by their names, so that adding one needs no new
 * layout. */
static const char schema[] =
    "CREATE TABLE objects(name BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE sums(name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE failed(path BLOB NOT NULL, name BLOB NOT NULL UNIQUE, reason BLOB NOT NULL,"
    " PRIMARY KEY(path, name)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE accounts(account BLOB PRIMARY KEY, records INTEGER NOT NULL,"
    " nodata INTEGER NOT NULL, skipdata INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE samples(reason TEXT NOT NULL, name BLOB NOT NULL, line INTEGER NOT NULL,"
    " text BLOB NOT NULL, PRIMARY KEY(reason, name, line)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE parts(day INTEGER NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL,"
    " size INTEGER NOT NULL, PRIMARY KEY(day, segment, offset)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE manifest(id INTEGER PRIMARY KEY CHECK(id = 1), epoch INTEGER NOT NULL,"
    " next_segment INTEGER NOT NULL, identity TEXT NOT NULL, top_k INTEGER NOT NULL) STRICT;"
    "INSERT INTO manifest VALUES(1, 0, 1, lower(hex(randomblob(16))), 0);"
    "PRAGMA user_version=" STRINGIFY(FLS_LEDGER_LAYOUT) ";";

enum statement {
    FIND_OBJECT,
    READ_MANIFEST,
    READ_IDENTITY,
    READ_TOP_K,
    READ_SUMS,
    READ_FAILED,
    READ_ACCOUNTS,
    READ_SAMPLES,
    READ_PARTS,
    READ_SEGMENTS,
    ADD_OBJECT,
    ADD_SUM,
    ADD_ACCOUNT,
    ADD_SAMPLE,
    CUT_SAMPLES,
    ADD_FAILED,
    DROP_FAILED,
    ADD_PART,
    DROP_DAY,
    WRITE_MANIFEST,
    WRITE_TOP_K,
    BEGIN,
    BEGIN_READING,
    COMMIT,
    ROLLBACK,
    STATEMENT_CNT
};

static const char *const statement_text[STATEMENT_CNT] = {
    [FIND_OBJECT] = "SELECT size, mtime_ns FROM objects WHERE name = ?1",
    [READ_MANIFEST] = "SELECT epoch, next_segment FROM manifest",
    [READ_IDENTITY] = "SELECT identity FROM manifest",
    [READ_TOP_K] = "SELECT top_k FROM manifest",
    [READ_SUMS] = "SELECT name, value FROM sums",
    [READ_FAILED] = "SELECT name, path, reason FROM failed ORDER BY path, name",
    [READ_ACCOUNTS] = "SELECT account, records, nodata, skipdata FROM accounts ORDER BY account",
    [READ_SAMPLES] = "SELECT name, line, text FROM samples WHERE reason = ?1 ORDER BY name, line",
    [READ_PARTS] = "SELECT day, segment, offset, size FROM parts WHERE day BETWEEN ?1 AND ?2"
                   " ORDER BY day, segment, offset",
    [READ_SEGMENTS] = "SELECT DISTINCT segment FROM parts ORDER BY segment",
    [ADD_OBJECT] = "INSERT INTO objects VALUES(?1, ?2, ?3)",
    [ADD_SUM] = "INSERT INTO sums VALUES(?1, ?2)"
                " ON CONFLICT(name) DO UPDATE SET value = value + excluded.value",
    [ADD_ACCOUNT] = "INSERT INTO accounts VALUES(?1, ?2, ?3, ?4) ON CONFLICT(account) DO UPDATE"
                    " SET records = records + excluded.records, nodata = nodata + excluded.nodata,"
                    " skipdata = skipdata + excluded.skipdata",
    [ADD_SAMPLE] = "INSERT OR REPLACE INTO samples VALUES(?1, ?2, ?3, ?4)",
    [CUT_SAMPLES] = "DELETE FROM samples WHERE reason = ?1 AND (name, line) NOT IN (SELECT name,"
                    " line FROM samples WHERE reason = ?1 ORDER BY name, line"
                    " LIMIT " STRINGIFY(FLS_SAMPLES_PER_REASON) ")",
    [ADD_FAILED] = "INSERT OR REPLACE INTO failed VALUES(?1, ?2, ?3)",
    [DROP_FAILED] = "DELETE FROM failed WHERE name = ?1",
    [ADD_PART] = "INSERT INTO parts VALUES(?1, ?2, ?3, ?4)",
    [DROP_DAY] = "DELETE FROM parts WHERE day = ?1",
    [WRITE_MANIFEST] = "UPDATE manifest SET epoch = ?1, next_segment = max(next_segment, ?2)",
    [WRITE_TOP_K] = "UPDATE manifest SET top_k = ?1",
    [BEGIN] = "BEGIN IMMEDIATE",
    [BEGIN_READING] = "BEGIN",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
};

enum phase {
    PHASE_IDLE,
    PHASE_READING,
    PHASE_OPEN,  /* between begin and commit */
    PHASE_BROKEN /* something of the commit failed: only rollback may follow */
};

struct fls_ledger {
    sqlite3 *database;
    sqlite3_stmt *statements[STATEMENT_CNT];
    char *path; /* of state.db, real */
    bool read_only;
    enum phase phase;
    uint64_t epoch; /* as the commit that is open found it */
    /* What the open commit adds to the sums and the manifest. */
    uint64_t objects, next_segment;
    struct fls_line_counts counts;
    char failure[FAILURE_TEXT_MAX];
};

/* What a sum of the table `sums` is called and where it stands. */
struct sum {
    const char *name;
    uint64_t *value;
};

#define SUM_CNT (8 + FLS_REASON_CNT)

static void sums_list(struct sum sums[static SUM_CNT], uint64_t *objects,
                      struct fls_line_counts *counts)
{
    const struct sum fixed[] = {{"objects", objects},          {"bytes_read", &counts->bytes_read},
                                {"bytes", &counts->bytes},     {"lines", &counts->lines},
                                {"headers", &counts->headers}, {"records", &counts->records},
                                {"nodata", &counts->nodata},   {"skipdata", &counts->skipdata}};

    _Static_assert(sizeof(fixed) / sizeof(fixed[0]) + FLS_REASON_CNT == SUM_CNT, "all are listed");
    memcpy(sums, fixed, sizeof(fixed));
    /* Malformed lines stand under their reason's own name, which is none of the fixed ones. */
    for (int i = 0; i < FLS_REASON_CNT; i++)
        sums[SUM_CNT - FLS_REASON_CNT + i] =
            (struct sum){fls_reason_name[i], &counts->malformed[i]};
}

/* Failures. */

/* What a failure that the system named means for the user. */
static int failure_of_system(int number, const char **advice)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        *advice = "make room there and run again: all that was committed is safe";
        return -number;
    case EACCES:
    case EPERM:
    case EROFS:
        *advice = "the state folder must be writable; choose another with --state";
        return -number;
    default:
        *advice = "check the disk that holds the state folder and run again";
        return -EIO;
    }
}

static int failure_of_code(int code, int number, const char **advice)
{
    switch (code) {
    case SQLITE_FULL:
        return failure_of_system(ENOSPC, advice);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return failure_of_system(EACCES, advice);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        *advice = "the file is damaged: move the state folder away, or choose another with "
                  "--state, and count again";
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        *advice = "another program keeps it locked: end that program and run again";
        return -EBUSY;
    case SQLITE_NOMEM:
        *advice = "more memory is needed";
        return -ENOMEM;
    case SQLITE_CONSTRAINT:
        *advice = "it is there already";
        return -EEXIST;
    default:
        return failure_of_system(number, advice);
    }
}

/* The errno behind an SQLITE_IOERR: what the write-ahead log's file keeps, or the database's, since
 * sqlite3_system_errno may tell of what SQLite did afterwards. */
static int failure_number(sqlite3 *database)
{
    sqlite3_file *log = NULL;
    int number = 0;

    if (sqlite3_file_control(database, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log != NULL && log->pMethods != NULL)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &number);
    if (number == 0)
        sqlite3_file_control(database, "main", SQLITE_FCNTL_LAST_ERRNO, &number);
    return number != 0 ? number : sqlite3_system_errno(database);
}

/* Notes the failure that SQLite reported last; what a commit could not finish must be rolled back.
 */
static int ledger_fail(struct fls_ledger *ledger)
{
    int code = sqlite3_errcode(ledger->database) & 0xff;
    size_t sz = (size_t)snprintf(ledger->failure, sizeof(ledger->failure), "%s: %s", ledger->path,
                                 sqlite3_errmsg(ledger->database));
    int number = 0, status;
    const char *advice;

    fls_assert(code != SQLITE_MISUSE && code != SQLITE_RANGE);
    if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)
        number = failure_number(ledger->database);
    status = failure_of_code(code, number, &advice);
    if (sz < sizeof(ledger->failure))
        snprintf(ledger->failure + sz, sizeof(ledger->failure) - sz, "%s%s (%s)",
                 number != 0 ? ": " : "", number != 0 ? strerror(number) : "", advice);
    if (ledger->phase == PHASE_OPEN)
        ledger->phase = PHASE_BROKEN;
    return status;
}

const char *fls_ledger_failure(const struct fls_ledger *ledger)
{
    return ledger->failure;
}

/* Statements: bind, step, and always end, so that none holds a snapshot of the database. */

static sqlite3_stmt *ledger_statement(struct fls_ledger *ledger, enum statement id)
{
    fls_assert(
        !sqlite3_stmt_busy(ledger->statements[id])); /* a callback came back to its own loop */
    return ledger->statements[id];
}

static void bind_number(sqlite3_stmt *statement, int place, uint64_t number)
{
    int code;

    fls_assert(number <= INT64_MAX);
    code = sqlite3_bind_int64(statement, place, (sqlite3_int64)number);
    fls_assert(code == SQLITE_OK);
}

/* The bytes must stay until the statement has ended. */
static void bind_bytes(sqlite3_stmt *statement, int place, const void *bytes, size_t sz)
{
    int code;

    fls_assert(sz <= INT_MAX);
    code = sz == 0 ? sqlite3_bind_zeroblob(statement, place, 0)
                   : sqlite3_bind_blob(statement, place, bytes, (int)sz, SQLITE_STATIC);
    fls_assert(code == SQLITE_OK);
}

static void bind_name(sqlite3_stmt *statement, int place, const char *name)
{
    bind_bytes(statement, place, name, strlen(name));
}

static void bind_word(sqlite3_stmt *statement, int place, const char *word)
{
    int code = sqlite3_bind_text(statement, place, word, -1, SQLITE_STATIC);

    fls_assert(code == SQLITE_OK);
}

/* 1 with a row, 0 without, -errno. */
static int ledger_step(struct fls_ledger *ledger, sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);

    if (code == SQLITE_ROW)
        return 1;
    return code == SQLITE_DONE ? 0 : ledger_fail(ledger);
}

static void statement_end(sqlite3_stmt *statement)
{
    sqlite3_reset(statement); /* answers with the code of the last step, which was handled there */
    sqlite3_clear_bindings(statement);
}

static int ledger_run(struct fls_ledger *ledger, enum statement id)
{
    int status = ledger_step(ledger, ledger->statements[id]);

    statement_end(ledger->statements[id]);
    fls_assert(status <= 0);
    return status;
}

static uint64_t column_number(sqlite3_stmt *statement, int column)
{
    sqlite3_int64 number = sqlite3_column_int64(statement, column);

    return number < 0 ? 0 : (uint64_t)number; /* only a damaged file holds a negative one */
}

/* The bytes of a column with a NUL behind them; NULL if memory ran out. */
static const char *column_text(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_bytes(statement, column) == 0)
        return "";
    return (const char *)sqlite3_column_text(statement, column);
}

/* Opening. */

static const char nothing_counted[] = "not there or empty: nothing has been counted yet";

static int open_fail(struct fls_ledger *ledger, int number, const char *what)
{
    snprintf(ledger->failure, sizeof(ledger->failure), "%s: %s", ledger->path, what);
    return -number;
}

static int ledger_exec(struct fls_ledger *ledger, const char *text)
{
    return sqlite3_exec(ledger->database, text, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : ledger_fail(ledger);
}

/* The number that a query answers with. */
static int ledger_query(struct fls_ledger *ledger, const char *text, int64_t *number)
{
    sqlite3_stmt *statement;
    int status;

    if (sqlite3_prepare_v2(ledger->database, text, -1, &statement, NULL) != SQLITE_OK)
        return ledger_fail(ledger);
    status = ledger_step(ledger, statement);
    if (status == 1)
        *number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return status < 0 ? status : 0;
}

/* In one transaction: whoever is killed here leaves an empty database. On failure the connection is
 * closed, which rolls back. */
static int ledger_create(struct fls_ledger *ledger)
{
    int status = ledger_exec(ledger, "BEGIN IMMEDIATE");

    if (status == 0)
        status = ledger_exec(ledger, schema);
    return status == 0 ? ledger_exec(ledger, "COMMIT") : status;
}

/* 0 if it is this layout's, 1 if it is empty and may be written, -errno. Changes nothing. */
static int ledger_check_layout(struct fls_ledger *ledger)
{
    int64_t layout = 0, tables = 0;
    int status = ledger_query(ledger, "PRAGMA user_version", &layout);

    if (status == 0)
        status = ledger_query(ledger, "SELECT count(*) FROM sqlite_schema", &tables);
    if (status != 0)
        return status;
    if (layout > FLS_LEDGER_LAYOUT)
        return open_fail(ledger, EPROTO,
                         "written by a newer flowlog-stats: use that one, or choose another state "
                         "folder with --state");
    if (layout < 0 || (layout == 0 && tables != 0))
        return open_fail(ledger, EUCLEAN,
                         "is not a database of flowlog-stats: choose another state folder with "
                         "--state");
    if (layout == FLS_LEDGER_LAYOUT)
        return 0;
    if (ledger->read_only)
        return open_fail(ledger, ENOENT, nothing_counted);
    return 1;
}

static int ledger_prepare(struct fls_ledger *ledger)
{
    for (int i = 0; i < STATEMENT_CNT; i++) {
        int code = sqlite3_prepare_v3(ledger->database, statement_text[i], -1,
                                      SQLITE_PREPARE_PERSISTENT, &ledger->statements[i], NULL);

        if (code == SQLITE_ERROR) /* a table or column is missing */
            return open_fail(ledger, EUCLEAN,
                             "lacks a table: the file is damaged; move the state folder away, or "
                             "choose another with --state, and count again");
        if (code != SQLITE_OK)
            return ledger_fail(ledger);
    }
    return 0;
}

static int ledger_connect(struct fls_ledger *ledger)
{
    int flags =
        ledger->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int layout, status;

    if (sqlite3_open_v2(ledger->path, &ledger->database, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return ledger->database == NULL ? open_fail(ledger, ENOMEM, "no memory to open it")
                                        : ledger_fail(ledger);
    sqlite3_busy_timeout(ledger->database, BUSY_MAX_MS);
    layout = ledger_check_layout(ledger);
    if (layout < 0)
        return layout;
    status = ledger_exec(ledger, "PRAGMA cache_size=-" CACHE_KIB);
    if (status == 0 && !ledger->read_only)
        status = ledger_exec(ledger, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                                     "PRAGMA journal_size_limit=" WAL_KEPT_SZ);
    if (status == 0 && layout == 1)
        status = ledger_create(ledger);
    return status == 0 ? ledger_prepare(ledger) : status;
}

/* The real path of state.db: SQLite takes ones that begin with "file:" for something else, and has
 * a limit of its own. */
static int ledger_locate(struct fls_ledger *ledger, const char *folder)
{
    char real[PATH_MAX];

    if (realpath(folder, real) == NULL) {
        int number = errno;

        ledger->path = strdup(folder);
        return ledger->path == NULL
                   ? -ENOMEM
                   : open_fail(ledger, number,
                               number == ENOENT ? nothing_counted : strerror(number));
    }
    if (asprintf(&ledger->path, "%s/state.db", strcmp(real, "/") == 0 ? "" : real) < 0) {
        ledger->path = NULL;
        return -ENOMEM;
    }
    if (strlen(ledger->path) > DATABASE_PATH_MAX)
        return open_fail(ledger, ENAMETOOLONG,
                         "the path is too long for SQLite: choose another state folder with "
                         "--state");
    if (ledger->read_only && access(ledger->path, F_OK) != 0)
        return open_fail(ledger, errno, errno == ENOENT ? nothing_counted : strerror(errno));
    return 0;
}

int fls_ledger_open(struct fls_ledger **ledger, const char *folder, bool read_only, char *error,
                    size_t error_max)
{
    struct fls_ledger *new = calloc(1, sizeof(*new));
    int status = -ENOMEM;

    *ledger = NULL;
    if (new != NULL) {
        new->read_only = read_only;
        status = ledger_locate(new, folder);
        if (status == 0)
            status = ledger_connect(new);
        if (status == 0) {
            *ledger = new;
            return 0;
        }
    }
    snprintf(error, error_max, "%s",
             new == NULL || new->failure[0] == '\0' ? strerror(-status) : new->failure);
    fls_ledger_close(new);
    return status;
}

void fls_ledger_close(struct fls_ledger *ledger)
{
    int code;

    if (ledger == NULL)
        return;
    for (int i = 0; i < STATEMENT_CNT; i++)
        sqlite3_finalize(ledger->statements[i]);
    code = sqlite3_close(ledger->database);
    fls_assert(code == SQLITE_OK); /* it fails only while statements are left */
    free(ledger->path);
    free(ledger);
}

/* Reading. */

int fls_ledger_begin_reading(struct fls_ledger *ledger)
{
    int status;

    fls_assert(ledger->phase == PHASE_IDLE);
    status = ledger_run(ledger, BEGIN_READING);
    if (status == 0)
        ledger->phase = PHASE_READING;
    return status;
}

void fls_ledger_end_reading(struct fls_ledger *ledger)
{
    fls_assert(ledger->phase == PHASE_READING);
    fls_ledger_rollback(ledger);
}

int fls_ledger_find(struct fls_ledger *ledger, const char *name, uint64_t *size, int64_t *mtime_ns)
{
    sqlite3_stmt *statement = ledger_statement(ledger, FIND_OBJECT);
    int status;

    bind_name(statement, 1, name);
    status = ledger_step(ledger, statement);
    if (status == 1) {
        *size = column_number(statement, 0);
        *mtime_ns = sqlite3_column_int64(statement, 1);
    }
    statement_end(statement);
    return status;
}

static int lacks_manifest(struct fls_ledger *ledger)
{
    return open_fail(ledger, EUCLEAN,
                     "lacks its manifest: the file is damaged; move the state folder away, or "
                     "choose another with --state, and count again");
}

int fls_ledger_epoch(struct fls_ledger *ledger, uint64_t *epoch, uint64_t *next_segment)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_MANIFEST);
    int status = ledger_step(ledger, statement);

    if (status == 1) {
        *epoch = column_number(statement, 0);
        *next_segment = column_number(statement, 1);
    }
    statement_end(statement);
    if (status == 0)
        return lacks_manifest(ledger);
    return status < 0 ? status : 0;
}

int fls_ledger_top_k(struct fls_ledger *ledger, uint32_t *top_k)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_TOP_K);
    int status = ledger_step(ledger, statement);

    if (status == 1)
        *top_k = (uint32_t)column_number(statement, 0);
    statement_end(statement);
    if (status == 0)
        return lacks_manifest(ledger);
    return status < 0 ? status : 0;
}

int fls_ledger_set_top_k(struct fls_ledger *ledger, uint32_t top_k)
{
    sqlite3_stmt *statement = ledger_statement(ledger, WRITE_TOP_K);

    fls_assert(ledger->phase == PHASE_IDLE);
    bind_number(statement, 1, top_k);
    return ledger_run(ledger, WRITE_TOP_K);
}

int fls_ledger_identity(struct fls_ledger *ledger, char identity[static FLS_LEDGER_IDENTITY_MAX])
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_IDENTITY);
    int status = ledger_step(ledger, statement);
    const char *text = status == 1 ? column_text(statement, 0) : "";

    if (text == NULL)
        status = ledger_fail(ledger);
    else
        snprintf(identity, FLS_LEDGER_IDENTITY_MAX, "%s", text);
    statement_end(statement);
    if (status == 0)
        return lacks_manifest(ledger);
    return status < 0 ? status : 0;
}

int fls_ledger_input(struct fls_ledger *ledger, uint64_t *objects, struct fls_line_counts *counts)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_SUMS);
    struct sum sums[SUM_CNT];
    int status;

    *objects = 0;
    *counts = (struct fls_line_counts){0};
    sums_list(sums, objects, counts);
    while ((status = ledger_step(ledger, statement)) == 1) {
        const char *name = column_text(statement, 0);
        int i = 0;

        while (name != NULL && i < SUM_CNT && strcmp(sums[i].name, name) != 0)
            i++;
        if (name == NULL || i == SUM_CNT) {
            status = name == NULL ? ledger_fail(ledger)
                                  : open_fail(ledger, EPROTO,
                                              "holds a sum that this flowlog-stats does not know: "
                                              "use the newer one that wrote it");
            break;
        }
        *sums[i].value = column_number(statement, 1);
    }
    statement_end(statement);
    return status;
}

int fls_ledger_each_failed(struct fls_ledger *ledger,
                           int (*each)(void *context, const char *name, const char *path,
                                       const char *reason),
                           void *context)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_FAILED);
    int status;

    while ((status = ledger_step(ledger, statement)) == 1) {
        const char *name = column_text(statement, 0), *path = column_text(statement, 1);
        const char *reason = column_text(statement, 2);

        if (name == NULL || path == NULL || reason == NULL)
            status = ledger_fail(ledger);
        else
            status = each(context, name, path, reason);
        if (status != 0)
            break;
    }
    statement_end(statement);
    return status;
}

int fls_ledger_each_account(struct fls_ledger *ledger,
                            int (*each)(void *context, struct fls_span account,
                                        const struct fls_account_lines *lines),
                            void *context)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_ACCOUNTS);
    int status;

    while ((status = ledger_step(ledger, statement)) == 1) {
        const struct fls_account_lines lines = {
            column_number(statement, 1), column_number(statement, 2), column_number(statement, 3)};
        const char *account = column_text(statement, 0);

        if (account == NULL)
            status = ledger_fail(ledger);
        else
            status = each(context,
                          (struct fls_span){(const uint8_t *)account,
                                            (size_t)sqlite3_column_bytes(statement, 0)},
                          &lines);
        if (status != 0)
            break;
    }
    statement_end(statement);
    return status;
}

static int each_sample_of(struct fls_ledger *ledger, enum fls_reason reason,
                          int (*each)(void *context, enum fls_reason reason, const char *name,
                                      const struct fls_sample *sample),
                          void *context)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_SAMPLES);
    int status;

    bind_word(statement, 1, fls_reason_name[reason]);
    while ((status = ledger_step(ledger, statement)) == 1) {
        const char *name = column_text(statement, 0), *text = column_text(statement, 2);
        struct fls_sample sample = {.line = column_number(statement, 1)};

        if (name == NULL || text == NULL) {
            status = ledger_fail(ledger);
        } else {
            snprintf(sample.text, sizeof(sample.text), "%s", text);
            status = each(context, reason, name, &sample);
        }
        if (status != 0)
            break;
    }
    statement_end(statement);
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
    sqlite3_stmt *statement = ledger_statement(ledger, READ_PARTS);
    int status;

    bind_number(statement, 1, day == NULL ? 0 : *day);
    bind_number(statement, 2, day == NULL ? UINT32_MAX : *day);
    while ((status = ledger_step(ledger, statement)) == 1) {
        const struct fls_part part = {.day = (uint32_t)column_number(statement, 0),
                                      .segment = column_number(statement, 1),
                                      .offset = column_number(statement, 2),
                                      .size = column_number(statement, 3)};

        status = each(context, &part);
        if (status != 0)
            break;
    }
    statement_end(statement);
    return status;
}

int fls_ledger_each_segment(struct fls_ledger *ledger, int (*each)(void *context, uint64_t segment),
                            void *context)
{
    sqlite3_stmt *statement = ledger_statement(ledger, READ_SEGMENTS);
    int status;

    while ((status = ledger_step(ledger, statement)) == 1) {
        status = each(context, column_number(statement, 0));
        if (status != 0)
            break;
    }
    statement_end(statement);
    return status;
}

/* The commit. */

int fls_ledger_begin(struct fls_ledger *ledger)
{
    uint64_t next_segment;
    int status;

    fls_assert(!ledger->read_only && ledger->phase == PHASE_IDLE);
    status = ledger_run(ledger, BEGIN);
    if (status != 0)
        return status;
    ledger->phase = PHASE_OPEN;
    ledger->objects = 0;
    ledger->next_segment = 0;
    ledger->counts = (struct fls_line_counts){0};
    status = fls_ledger_epoch(ledger, &ledger->epoch, &next_segment);
    if (status != 0)
        ledger->phase = PHASE_BROKEN;
    return status;
}

static void counts_add(struct fls_line_counts *to, const struct fls_line_counts *from)
{
    struct fls_line_counts added = *from;
    struct sum sums[SUM_CNT], additions[SUM_CNT];
    uint64_t none = 0;

    sums_list(sums, &none, to);
    sums_list(additions, &none, &added);
    for (int i = 1; i < SUM_CNT; i++)
        *sums[i].value = fls_counter_add(*sums[i].value, *additions[i].value);
}

static int ledger_drop_failed(struct fls_ledger *ledger, const char *name)
{
    bind_name(ledger_statement(ledger, DROP_FAILED), 1, name);
    return ledger_run(ledger, DROP_FAILED);
}

int fls_ledger_add_object(struct fls_ledger *ledger, const struct fls_object *object,
                          const struct fls_line_counts *counts)
{
    sqlite3_stmt *statement = ledger_statement(ledger, ADD_OBJECT);
    int status;

    fls_assert(ledger->phase == PHASE_OPEN);
    bind_name(statement, 1, object->name);
    bind_number(statement, 2, object->size);
    sqlite3_bind_int64(statement, 3, object->mtime_ns);
    status = ledger_run(ledger, ADD_OBJECT);
    if (status == 0)
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
    sqlite3_stmt *statement = ledger_statement(ledger, ADD_ACCOUNT);

    fls_assert(ledger->phase == PHASE_OPEN);
    bind_bytes(statement, 1, account.at, account.sz);
    bind_number(statement, 2, lines->records);
    bind_number(statement, 3, lines->nodata);
    bind_number(statement, 4, lines->skipdata);
    return ledger_run(ledger, ADD_ACCOUNT);
}

int fls_ledger_add_sample(struct fls_ledger *ledger, enum fls_reason reason, const char *name,
                          const struct fls_sample *sample)
{
    sqlite3_stmt *statement = ledger_statement(ledger, ADD_SAMPLE);
    int status;

    fls_assert(ledger->phase == PHASE_OPEN && reason < FLS_REASON_CNT);
    bind_word(statement, 1, fls_reason_name[reason]);
    bind_name(statement, 2, name);
    bind_number(statement, 3, sample->line);
    bind_bytes(statement, 4, sample->text, strnlen(sample->text, sizeof(sample->text)));
    status = ledger_run(ledger, ADD_SAMPLE);
    if (status != 0)
        return status;
    bind_word(ledger_statement(ledger, CUT_SAMPLES), 1, fls_reason_name[reason]);
    return ledger_run(ledger, CUT_SAMPLES);
}

int fls_ledger_add_failed(struct fls_ledger *ledger, const struct fls_object *object,
                          const char *reason)
{
    sqlite3_stmt *statement = ledger_statement(ledger, ADD_FAILED);
    uint64_t size;
    int64_t mtime_ns;
    int status;

    fls_assert(ledger->phase == PHASE_OPEN);
    status = fls_ledger_find(ledger, object->name, &size, &mtime_ns);
    fls_assert(status != 1); /* an object that counts cannot fail any more */
    if (status != 0)
        return status;
    bind_name(statement, 1, object->path);
    bind_name(statement, 2, object->name);
    bind_name(statement, 3, reason);
    return ledger_run(ledger, ADD_FAILED);
}

int fls_ledger_add_part(struct fls_ledger *ledger, const struct fls_part *part)
{
    sqlite3_stmt *statement = ledger_statement(ledger, ADD_PART);

    fls_assert(ledger->phase == PHASE_OPEN);
    bind_number(statement, 1, part->day);
    bind_number(statement, 2, part->segment);
    bind_number(statement, 3, part->offset);
    bind_number(statement, 4, part->size);
    if (part->segment >= ledger->next_segment)
        ledger->next_segment = part->segment + 1;
    return ledger_run(ledger, ADD_PART);
}

int fls_ledger_drop_day(struct fls_ledger *ledger, uint32_t day)
{
    sqlite3_stmt *statement = ledger_statement(ledger, DROP_DAY);

    fls_assert(ledger->phase == PHASE_OPEN);
    bind_number(statement, 1, day);
    return ledger_run(ledger, DROP_DAY);
}

static int ledger_write_sums(struct fls_ledger *ledger)
{
    struct sum sums[SUM_CNT];

    sums_list(sums, &ledger->objects, &ledger->counts);
    for (int i = 0; i < SUM_CNT; i++) {
        sqlite3_stmt *statement = ledger_statement(ledger, ADD_SUM);
        int status;

        bind_word(statement, 1, sums[i].name);
        bind_number(statement, 2, *sums[i].value);
        status = ledger_run(ledger, ADD_SUM);
        if (status != 0)
            return status;
    }
    return 0;
}

int fls_ledger_commit(struct fls_ledger *ledger, uint64_t epoch)
{
    sqlite3_stmt *statement = ledger_statement(ledger, WRITE_MANIFEST);
    int status;

    fls_assert(ledger->phase == PHASE_OPEN && epoch >= ledger->epoch);
    status = ledger_write_sums(ledger);
    if (status != 0)
        return status;
    bind_number(statement, 1, epoch);
    bind_number(statement, 2, ledger->next_segment);
    status = ledger_run(ledger, WRITE_MANIFEST);
    if (status == 0)
        status = ledger_run(ledger, COMMIT);
    if (status == 0)
        ledger->phase = PHASE_IDLE;
    return status;
}

void fls_ledger_rollback(struct fls_ledger *ledger)
{
    char failure[FAILURE_TEXT_MAX];

    memcpy(failure, ledger->failure, sizeof(failure));
    /* After some errors SQLite has rolled back by itself. A rollback that fails here (no memory,
     * a broken disk) still leaves nothing behind: nothing of it is in the database before its
     * commit. */
    if (ledger->phase != PHASE_IDLE && !sqlite3_get_autocommit(ledger->database))
        ledger_run(ledger, ROLLBACK);
    memcpy(ledger->failure, failure, sizeof(failure)); /* why it was rolled back says more */
    ledger->phase = PHASE_IDLE;
}

#include "state/ledger_private.h"

#include "base/assert.h"

#include <dirent.h>
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

static const char nothing_counted[] = "not there or empty: nothing has been counted yet";

static int ledger_exec(struct fls_ledger *ledger, const char *text)
{
    return sqlite3_exec(ledger->database, text, NULL, NULL, NULL) == SQLITE_OK
               ? 0
               : fls_ledger_fail(ledger);
}

/* The number that a query answers with. */
static int ledger_query(struct fls_ledger *ledger, const char *text, int64_t *number)
{
    sqlite3_stmt *statement;
    int status;

    if (sqlite3_prepare_v2(ledger->database, text, -1, &statement, NULL) != SQLITE_OK)
        return fls_ledger_fail(ledger);
    status = fls_ledger_step(ledger, statement);
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
        status = ledger_exec(ledger, fls_ledger_schema);
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
        return fls_ledger_refuse(
            ledger, EPROTO,
            "written by a newer flowlog-stats: use that one, or choose another state "
            "folder with --state");
    if (layout > 0 && layout < FLS_LEDGER_LAYOUT)
        return fls_ledger_refuse(
            ledger, EPROTO,
            "written by an older flowlog-stats: use that one, or choose another state "
            "folder with --state and count again");
    if (layout < 0 || (layout == 0 && tables != 0))
        return fls_ledger_refuse(
            ledger, EUCLEAN,
            "is not a database of flowlog-stats: choose another state folder with "
            "--state");
    if (layout == FLS_LEDGER_LAYOUT)
        return 0;
    if (ledger->read_only)
        return fls_ledger_refuse(ledger, ENOENT, nothing_counted);
    return 1;
}

/* What SQLite has no memory for are customers' data as well: they stay in the state folder, the
 * only one that publish may write to (base/sandbox.h). */
static void ledger_spill_beside(const struct fls_ledger *ledger)
{
    int folder_sz = (int)(strrchr(ledger->path, '/') - ledger->path);

    sqlite3_free(sqlite3_temp_directory);
    sqlite3_temp_directory = sqlite3_mprintf("%.*s", folder_sz, ledger->path);
}

static int ledger_connect(struct fls_ledger *ledger)
{
    int flags =
        ledger->read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int layout, status;

    if (!ledger->read_only)
        ledger_spill_beside(ledger);
    fls_ledger_note_opens();
    if (sqlite3_open_v2(ledger->path, &ledger->database, flags | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK)
        return ledger->database == NULL ? fls_ledger_refuse(ledger, ENOMEM, "no memory to open it")
                                        : fls_ledger_fail(ledger);
    sqlite3_busy_timeout(ledger->database, BUSY_MAX_MS);
    layout = ledger_check_layout(ledger);
    if (layout < 0)
        return layout;
    status = ledger_exec(ledger, "PRAGMA cache_size=-" CACHE_KIB);
    if (status == 0 && !ledger->read_only)
        status = ledger_exec(ledger, "PRAGMA synchronous=FULL; PRAGMA journal_mode=WAL;"
                                     "PRAGMA journal_size_limit=" WAL_KEPT_SZ);
    if (status == 0 && layout == 1)
        status = ledger_create(ledger);
    return status == 0 ? fls_ledger_prepare(ledger) : status;
}

static bool has_segments(const char *folder)
{
    char path[PATH_MAX + sizeof("/segments")];
    const struct dirent *entry;
    bool is_found = false;
    DIR *stream;

    snprintf(path, sizeof(path), "%s/segments", folder);
    stream = opendir(path);
    while (stream != NULL && !is_found && (entry = readdir(stream)) != NULL) {
        size_t sz = strlen(entry->d_name);

        is_found = sz > 4 && strcmp(entry->d_name + sz - 4, ".seg") == 0;
    }
    if (stream != NULL)
        closedir(stream);
    return is_found;
}

/* The ledger is made before the first segment: where there are segments, one that is not there or
 * empty was lost, and a new one would let all of them be removed. */
static int ledger_check_lost(struct fls_ledger *ledger, const char *folder)
{
    struct stat found;

    if (stat(ledger->path, &found) == 0 ? found.st_size > 0 : errno != ENOENT)
        return 0;
    return has_segments(folder) ? fls_ledger_refuse(ledger, EUCLEAN,
                                                    "is gone or empty, but what it told of is "
                                                    "there: put it back; or move the state folder "
                                                    "away, or choose another with --state, and "
                                                    "count again")
                                : 0;
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
                   : fls_ledger_refuse(ledger, number,
                                       number == ENOENT ? nothing_counted : strerror(number));
    }
    if (asprintf(&ledger->path, "%s/state.db", strcmp(real, "/") == 0 ? "" : real) < 0) {
        ledger->path = NULL;
        return -ENOMEM;
    }
    if (strlen(ledger->path) > DATABASE_PATH_MAX)
        return fls_ledger_refuse(
            ledger, ENAMETOOLONG,
            "the path is too long for SQLite: choose another state folder with "
            "--state");
    if (ledger_check_lost(ledger, real) != 0)
        return -EUCLEAN;
    if (ledger->read_only && access(ledger->path, F_OK) != 0)
        return fls_ledger_refuse(ledger, errno,
                                 errno == ENOENT ? nothing_counted : strerror(errno));
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
    for (int i = 0; i < FLS_SQL_CNT; i++)
        sqlite3_finalize(ledger->statements[i]);
    code = sqlite3_close(ledger->database);
    fls_assert(code == SQLITE_OK); /* it fails only while statements are left */
    free(ledger->path);
    free(ledger);
}

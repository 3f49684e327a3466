#include "state/ledger_private.h"

#include "base/assert.h"
#include "state/advice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* What a failure that the system named is called by those who ask. */
static int failure_of_system(int number, const char **advice)
{
    *advice = fls_advice_for_errno(number);
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EACCES:
    case EPERM:
    case EROFS:
        return -number;
    default:
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
        *advice = fls_advice_damaged;
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        *advice = "another program keeps it locked: end that program and run again";
        return -EBUSY;
    case SQLITE_NOMEM:
        *advice = fls_advice_for_errno(ENOMEM);
        return -ENOMEM;
    case SQLITE_CONSTRAINT:
        *advice = "it is there already";
        return -EEXIST;
    default:
        return failure_of_system(number, advice);
    }
}

/* SQLite opens what it cannot create once more, to read it, and keeps the errno of that: none
 * there. Its first open is passed by here. */
static int create_number; /* of the last one that was to create a file; 0: it did */

static int open_noting(const char *path, int flags, int mode)
{
    int fd = open(path, flags, mode);

    if (flags & O_CREAT)
        create_number = fd < 0 ? errno : 0;
    return fd;
}

void fls_ledger_note_opens(void)
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

    if (vfs != NULL && vfs->iVersion >= 3)
        vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)open_noting);
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

int fls_ledger_fail(struct fls_ledger *ledger)
{
    int code = sqlite3_errcode(ledger->database) & 0xff;
    size_t sz = (size_t)snprintf(ledger->failure, sizeof(ledger->failure), "%s: %s", ledger->path,
                                 sqlite3_errmsg(ledger->database));
    int number = 0, status;
    const char *advice;

    fls_assert(code != SQLITE_MISUSE && code != SQLITE_RANGE);
    if (code == SQLITE_IOERR || code == SQLITE_CANTOPEN)
        number = failure_number(ledger->database);
    if (code == SQLITE_CANTOPEN && create_number != 0)
        number = create_number;
    status = failure_of_code(code, number, &advice);
    if (sz < sizeof(ledger->failure))
        snprintf(ledger->failure + sz, sizeof(ledger->failure) - sz, "%s%s (%s)",
                 number != 0 ? ": " : "", number != 0 ? strerror(number) : "", advice);
    if (ledger->phase == FLS_LEDGER_OPEN)
        ledger->phase = FLS_LEDGER_BROKEN;
    return status;
}

int fls_ledger_refuse(struct fls_ledger *ledger, int number, const char *what)
{
    snprintf(ledger->failure, sizeof(ledger->failure), "%s: %s", ledger->path, what);
    return -number;
}

const char *fls_ledger_failure(const struct fls_ledger *ledger)
{
    return ledger->failure;
}

/* What the files of the ledger share. Each has one job:
 *
 *   ledger.c             open and close
 *   ledger_failure.c     what went wrong, in words
 *   ledger_statements.c  tables and statements
 *   ledger_sums.c        which sums there are
 *   ledger_read.c        all that is read
 *   ledger_commit.c      all that is written */
#pragma once

#include "state/ledger.h"
#include "state/ledger_statements.h"

#include <sqlite3.h>

#define FLS_LEDGER_FAILURE_MAX 1024U /* bytes of fls_ledger_failure, with its NUL */

enum fls_ledger_phase {
    FLS_LEDGER_IDLE,
    FLS_LEDGER_READING,
    FLS_LEDGER_OPEN,  /* between begin and commit */
    FLS_LEDGER_BROKEN /* something of the commit failed: only rollback may follow */
};

struct fls_ledger {
    sqlite3 *database;
    sqlite3_stmt *statements[FLS_SQL_CNT];
    char *path; /* of state.db, real */
    bool read_only;
    enum fls_ledger_phase phase;
    uint64_t epoch; /* as the commit that is open found it */
    /* What the open commit adds to the sums and the manifest. */
    uint64_t objects, next_segment;
    bool may_have_failed; /* there are objects that do not count */
    struct fls_line_counts counts;
    char failure[FLS_LEDGER_FAILURE_MAX];
};

/* Notes the failure that SQLite reported last, and returns it as -errno; what a commit could not
 * finish must be rolled back. */
int fls_ledger_fail(struct fls_ledger *ledger);
/* To be called before a database is opened: what a failure of opening it says depends on it. */
void fls_ledger_note_opens(void);
/* Notes what is wrong with the file, and returns -number. */
int fls_ledger_refuse(struct fls_ledger *ledger, int number, const char *what);

/* What a sum of the table `sums` is called and where it stands. */
struct fls_ledger_sum {
    const char *name;
    uint64_t *value;
};

#define FLS_LEDGER_SUM_CNT (8 + FLS_REASON_CNT)

/* Lists the number of objects (first) and all of `counts`. */
void fls_ledger_list_sums(struct fls_ledger_sum sums[static FLS_LEDGER_SUM_CNT], uint64_t *objects,
                          struct fls_line_counts *counts);

/* The truth that survives a crash: which objects are counted, what their lines were, and which
 * parts of which segment files make up each day. One SQLite database (WAL, synchronous FULL) in the
 * state folder; one transaction for each commit.
 *
 * A connection belongs to the process that opened it: open after fork. One writer: the publisher.
 * The supervisor reads it before it forks the roles. */
#pragma once

#include "base/counters.h"
#include "base/object.h"
#include "base/span.h"
#include "state/part.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLS_LEDGER_IDENTITY_MAX 33 /* bytes of an identity: 32 hexadecimal digits and a NUL */
/* PRAGMA user_version; others are refused with a clear error, before anything is counted. Raised
 * with the layout of parts, too. */
#define FLS_LEDGER_LAYOUT 5

struct fls_ledger;

/* The edition of an object that failed. */
struct fls_ledger_failure {
    uint64_t size;
    int64_t mtime_ns;
    bool is_quarantined; /* it killed processes: it is not read again before it changes or somebody
                            asks for it */
};

/* Opens (creates, unless read_only) state.db in the folder. 0, or -errno (-ENOENT: read_only and
 * none there; -EPROTO: another layout; -EUCLEAN: damaged) and a text that says what to do. */
int fls_ledger_open(struct fls_ledger **ledger, const char *folder, bool read_only, char *error,
                    size_t error_max);
void fls_ledger_close(struct fls_ledger *ledger);
/* What went wrong last, in words. */
const char *fls_ledger_failure(const struct fls_ledger *ledger);

/* Between the two, all reading sees one commit, and costs less (a million finds: 1 s, not 4). No
 * commit may be begun in between. 0 or -errno. */
int fls_ledger_begin_reading(struct fls_ledger *ledger);
void fls_ledger_end_reading(struct fls_ledger *ledger);
/* 1 and the counted edition's size and time if an object of this name is counted, 0 if not, -errno.
 */
int fls_ledger_find(struct fls_ledger *ledger, const char *name, uint64_t *size, int64_t *mtime_ns);
/* 1 if this edition of the object is among the failed ones with this path and reason, 0 if not,
 * -errno. */
int fls_ledger_find_failed(struct fls_ledger *ledger, const struct fls_object *object,
                           const char *reason);
/* 1 and what is known if an object of this name does not count (now), 0 if not, -errno. */
int fls_ledger_find_failure(struct fls_ledger *ledger, const char *name,
                            struct fls_ledger_failure *failure);
/* The last committed epoch (0: none), and the number for the next segment file (larger than any
 * ever used). */
int fls_ledger_epoch(struct fls_ledger *ledger, uint64_t *epoch, uint64_t *next_segment);
/* What tells this ledger from all others: drawn at random when it was created. */
int fls_ledger_identity(struct fls_ledger *ledger, char identity[static FLS_LEDGER_IDENTITY_MAX]);
/* How many top rows of each table are published (0: nothing was yet), for whoever publishes the
 * last commit again. Set outside of a commit; when that answers 0, all that the ledger shows is on
 * the disk, whoever wrote it. */
int fls_ledger_top_k(struct fls_ledger *ledger, uint32_t *top_k);
int fls_ledger_set_top_k(struct fls_ledger *ledger, uint32_t top_k);
/* Sum over all counted objects. */
int fls_ledger_input(struct fls_ledger *ledger, uint64_t *objects, struct fls_line_counts *counts);

/* Each calls back in a stable order until the callback answers other than 0, which is returned;
 * texts and spans are valid during the call. */
int fls_ledger_each_failed(struct fls_ledger *ledger,
                           int (*each)(void *context, const char *name, const char *path,
                                       const char *reason),
                           void *context); /* by path, the quarantined ones among them */
int fls_ledger_each_quarantined(struct fls_ledger *ledger,
                                int (*each)(void *context, const char *name, const char *path,
                                            const char *reason),
                                void *context); /* by path */
int fls_ledger_each_account(struct fls_ledger *ledger,
                            int (*each)(void *context, struct fls_span account,
                                        const struct fls_account_lines *lines),
                            void *context); /* by account */
int fls_ledger_each_sample(
    struct fls_ledger *ledger,
    int (*each)(void *context, enum fls_reason reason, const char *name,
                const struct fls_sample *sample),
    void *context); /* by reason, object name, line; at most FLS_SAMPLES_PER_REASON of each */
int fls_ledger_each_part(struct fls_ledger *ledger, const uint32_t *day, /* NULL: of all days */
                         int (*each)(void *context, const struct fls_part *part),
                         void *context); /* by day, segment, offset */
int fls_ledger_each_segment(struct fls_ledger *ledger, int (*each)(void *context, uint64_t segment),
                            void *context); /* segment files that parts refer to */

/* A commit: begin, any of these in any order, then commit (or rollback). All -errno on failure,
 * after which only rollback may follow. */
int fls_ledger_begin(struct fls_ledger *ledger);
/* The object counts: it enters the ledger, its lines enter the sums; it leaves the failed ones.
 * -EEXIST if it counts already. */
int fls_ledger_add_object(struct fls_ledger *ledger, const struct fls_object *object,
                          const struct fls_line_counts *counts);
int fls_ledger_add_account(struct fls_ledger *ledger, struct fls_span account,
                           const struct fls_account_lines *lines);
/* Keeps the smallest (object name, line) FLS_SAMPLES_PER_REASON of the reason. */
int fls_ledger_add_sample(struct fls_ledger *ledger, enum fls_reason reason, const char *name,
                          const struct fls_sample *sample);
/* The object, which is none that counts, does not count (now): it is named among the failed ones.
 */
int fls_ledger_add_failed(struct fls_ledger *ledger, const struct fls_object *object,
                          const char *reason);
/* The same, and it is not to be read again: see struct fls_ledger_failure. */
int fls_ledger_add_quarantined(struct fls_ledger *ledger, const struct fls_object *object,
                               const char *reason);
/* Forgets the quarantined objects, so that the next scan finds them; not within a commit. Returns
 * how many there were, or -errno. */
int fls_ledger_release_quarantined(struct fls_ledger *ledger);
int fls_ledger_add_part(struct fls_ledger *ledger, const struct fls_part *part);
/* Forgets all parts of the day (it is older than what is kept, or is rewritten by new parts). */
int fls_ledger_drop_day(struct fls_ledger *ledger, uint32_t day);
/* `epoch` is not smaller than that of the last commit. */
int fls_ledger_commit(struct fls_ledger *ledger, uint64_t epoch);
void fls_ledger_rollback(struct fls_ledger *ledger);

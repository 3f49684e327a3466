/* Brings Redis up to the last commit: what the epoch changed, or everything where Redis holds
 * something else than the epoch before.
 *
 * A Redis that is away holds nobody up for long: an attempt ends by the timeout of its connection
 * (base/redis.h), and after one that failed there is none for FLS_SHOW_PAUSE_FACTOR times as long
 * as it took, at most FLS_SHOW_PAUSE_MAX_S. One that is refused at once is repeated at once; one
 * that hangs takes a seventh of the time. */
#pragma once

#include "publish/commit.h"
#include "publish/view.h"

#define FLS_SHOW_PAUSE_FACTOR 10U
#define FLS_SHOW_PAUSE_MAX_S 60U
#define FLS_DAY_BYTES_MAX (1536ULL << 20) /* unless said */
/* Choosing a day's rows takes this part of what its bytes may be, beside what is mapped of them. */
#define FLS_SHOW_SHARE 8U

struct fls_show {
    const struct fls_redis_address *address; /* not owned */
    const char *name;
    uint32_t top_k;
    uint64_t day_bytes_max;    /* of a day's parts: then it is rewritten, and keys give way */
    struct fls_view *view;     /* NULL: not connected */
    struct fls_view_held held; /* by Redis, as far as is known */
    bool is_current;           /* Redis took the last commit */
    int error;                 /* of the last attempt, or 0 */
    uint64_t next_ns;          /* before this there is no other attempt */
    uint64_t rewritten_epoch;  /* whose days were looked after, although it is not published */
    char failure[512];
};

/* Publishes the last commit: what it changed if Redis holds the commit before, else all. If the
 * last attempt failed, there may be none now, unless the caller insists (now): then the result is
 * that of the last one. 0, or -errno and show->failure; the next attempt makes it right again,
 * unless the error is -ESTALE: another publisher has the deployment, and it is left to that one.
 * Whatever becomes of it, the days that the commit touched that are too large, or of too many
 * parts, are rewritten, and files that are of no use removed. */
int fls_show_commit(struct fls_show *show, struct fls_commit *commit, bool now);
/* Looks whether Redis still holds what was published, for a publisher that has nothing to publish:
 * if not, is_current is false from then on. */
void fls_show_check(struct fls_show *show);
void fls_show_fini(struct fls_show *show);

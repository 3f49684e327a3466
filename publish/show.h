/* Brings Redis up to the last commit: what the epoch changed, or everything where Redis holds
 * something else than the epoch before. */
#pragma once

#include "publish/commit.h"
#include "publish/view.h"

struct fls_show {
    const struct fls_redis_address *address; /* not owned */
    const char *name;
    uint32_t top_k;
    struct fls_view *view;     /* NULL: not connected */
    struct fls_view_held held; /* by Redis, as far as is known */
    bool is_current;           /* Redis took the last commit */
    bool is_replaced;          /* another publisher has the deployment: it is left to that one */
    char failure[512];
};

/* Publishes the last commit: what it changed if Redis holds the commit before, else all. 0, or
 * -errno and show->failure; the next call makes it right again, unless the error is -ESTALE. */
int fls_show_commit(struct fls_show *show, struct fls_commit *commit, struct fls_fold *fold);
void fls_show_fini(struct fls_show *show);

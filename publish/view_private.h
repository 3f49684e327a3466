/* What the files of the view share. Each has one job:
 *
 *   view.c         open and close, what Redis holds, who is the publisher, begin and end of a cycle
 *   view_keys.c    the names of keys, published and staged
 *   view_batch.c   variadic commands in pieces
 *   view_sweep.c   scans of the deployment's keys
 *   view_scope.c   staging a scope, dropping a day
 *   view_input.c   staging the input
 *   view_commit.c  the transaction that swaps in what is staged
 *
 * How a cycle works. What is put is written to keys of its own beside the published ones,
 *
 *   flowlog:{NAME}:stage:INCARNATION:...   for   flowlog:{NAME}:...
 *
 * so that it takes as long as it takes and nobody sees it. The commit is one transaction: it
 * renames staged keys to published ones and sets the epoch. WATCH makes it fail if the incarnation
 * is no longer the one that fls_view_open took; and as the incarnation is a part of the staged
 * keys' names, a publisher that was replaced and does not know it yet cannot write into the keys
 * of its successor either, and removes none of them. */
#pragma once

#include "base/keys.h"
#include "base/wire.h"
#include "publish/view.h"
#include "publish/view_scopes.h"
#include "publish/view_text.h"

#define FLS_VIEW_STAGE "stage:"
#define FLS_VIEW_ACCOUNT_SCOPE "account:" /* begins the name of an account's scope */
#define FLS_VIEW_PAIRS_MAX 128U    /* members of one command: Redis gains nothing from more */
#define FLS_VIEW_SCRATCH_SZ 65536U /* bytes of these, unless one alone is longer */
#define FLS_VIEW_SLOTS_MAX 64U     /* keys of a scope: each has a bit in struct fls_view_staged */
#define FLS_VIEW_INPUT_KEY_CNT 6U

/* One of the keys that each scope may have. */
struct fls_view_slot {
    enum fls_redis_key key;
    int table; /* enum fls_table_id, or -1 */
};

struct fls_view {
    struct fls_wire wire;
    struct timeval timeout; /* of a pipeline's replies */
    char name[FLS_NAME_MAX + 1];
    size_t prefix_sz; /* of "flowlog:{NAME}:" */
    uint64_t incarnation;
    struct fls_view_slot slots[FLS_VIEW_SLOTS_MAX];
    unsigned slot_cnt;
    bool may_have_leftovers; /* of earlier publishers */

    bool in_cycle, afresh, input_is_put;
    uint32_t input_staged; /* a bit for each of fls_view_input_keys */
    uint32_t top_k;
    char ledger[FLS_VIEW_LEDGER_MAX];
    struct fls_view_scopes scopes;

    int batch_fixed;                   /* arguments that the variadic command begins with */
    struct fls_view_text scratch;      /* its members, */
    struct fls_view_text live, staged; /* and keys of it */
    uint8_t hll[FLS_HLL_SZ];
};

/* ---- view_keys.c ---- */

extern const struct fls_key_parts fls_view_no_parts;

/* Lists the keys of a scope in view->slots: once, at the opening. */
void fls_view_list_slots(struct fls_view *view);
/* The name of a published key, which stands in view->live until the next call. */
struct fls_span fls_view_live_key(struct fls_view *view, enum fls_redis_key key,
                                  struct fls_key_parts parts);
/* The name under which that key is staged, which stands in view->staged until the next call.
 * Changes view->live as well: it is that key's. */
struct fls_span fls_view_staged_key(struct fls_view *view, enum fls_redis_key key,
                                    struct fls_key_parts parts);
/* `account`: NULL for the organisation. */
struct fls_key_parts fls_view_slot_parts(const struct fls_view_slot *slot, uint32_t day,
                                         const char *account);

/* ---- view_batch.c: variadic commands in pieces ----
 *
 * start, then for each member room, what it consists of (in view->scratch), and fls_wire_argument;
 * then end. A command that has enough members is sent and goes on as another one of the same
 * beginning. 0 or -errno of the connection. */

/* `key` is nothing (sz 0) for a command that is all members; else it stays valid until the end. */
void fls_view_batch_start(struct fls_view *view, const char *command, struct fls_span key);
/* Makes room for `sz` bytes in the scratch and for two arguments. */
int fls_view_batch_room(struct fls_view *view, size_t sz);
/* Room and argument of a member, or of two that belong together, which are copied. */
int fls_view_batch_member(struct fls_view *view, struct fls_span member);
int fls_view_batch_pair(struct fls_view *view, struct fls_span field, struct fls_span value);
/* Sends what has members. */
int fls_view_batch_end(struct fls_view *view);

/* ---- view_sweep.c: scans of the deployment's keys, which end with a full pass ---- */

/* Removes what this and earlier incarnations have staged. */
int fls_view_remove_leftovers(struct fls_view *view);
/* Appends the published keys to `list`, all but the incarnation: of each the number of its bytes
 * (uint32_t, not aligned), then these. */
int fls_view_list_published(struct fls_view *view, struct fls_view_text *list);

/* ---- view_scope.c, view_input.c ---- */

/* Removes what is staged of the scope, which stays in the cycle; of the input. */
int fls_view_unstage_scope(struct fls_view *view, struct fls_view_staged *scope);
int fls_view_unstage_input(struct fls_view *view);
/* The keys that stand once for the deployment, staged by fls_view_put_input. */
extern const enum fls_redis_key fls_view_input_keys[FLS_VIEW_INPUT_KEY_CNT];

/* ---- view.c ---- */

/* A number that stands in a key that has no parts; 0 if there is none. */
int fls_view_get_number(struct fls_view *view, enum fls_redis_key key, uint64_t *number);
/* Ends a cycle whose incarnation is no longer the one that Redis holds, and the connection, and
 * returns -ESTALE; or -ENODATA: an older one, or none, says that Redis has lost what was written,
 * and nobody else is there. */
int fls_view_fail_stale(struct fls_view *view, uint64_t found);
/* Forgets the cycle: nothing is staged any more. */
void fls_view_end_cycle(struct fls_view *view);

#include "publish/view_private.h"

#include "base/assert.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define EXEC_COMMANDS_PER_S 20000U /* a transaction is given this much more time */

/* All commands of a transaction are counted, to hold its replies against. */
struct transaction {
    struct fls_view *view;
    size_t cnt;
    int status;
};

static void queue(struct transaction *transaction)
{
    if (!transaction->status)
        transaction->status = fls_wire_send(&transaction->view->wire);
    transaction->cnt++;
}

/* Renames the staged key; the published one is gone by then, as RENAME itself would free a large
 * one at once, while all wait. */
static void queue_rename(struct transaction *transaction, enum fls_redis_key key,
                         struct fls_key_parts parts)
{
    struct fls_view *view = transaction->view;
    struct fls_span staged = fls_view_staged_key(view, key, parts);

    fls_wire_command(&view->wire, "RENAME");
    fls_wire_argument(&view->wire, staged);
    fls_wire_argument(&view->wire, fls_view_text_since(&view->live, 0));
    queue(transaction);
}

static void queue_unlink_scope(struct transaction *transaction, const struct fls_view_staged *scope)
{
    struct fls_view *view = transaction->view;

    /* Room for all of them at once: pieces would be commands that nobody counts. */
    fls_view_batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (unsigned i = 0; i < view->slot_cnt; i++) {
        const struct fls_view_slot *slot = &view->slots[i];
        struct fls_span key = fls_view_live_key(
            view, slot->key, fls_view_slot_parts(slot, scope->day, scope->account));

        if (view->wire.argc > view->batch_fixed && view->scratch.max - view->scratch.sz < key.sz) {
            queue(transaction);
            fls_view_batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
        }
        fls_view_batch_member(view, key);
    }
    queue(transaction);
}

static void queue_scope(struct transaction *transaction, const struct fls_view_staged *scope)
{
    struct fls_view *view = transaction->view;
    const struct fls_key_parts of_day = {.day = scope->day};

    if (!view->afresh)
        queue_unlink_scope(transaction, scope);
    for (unsigned i = 0; i < view->slot_cnt; i++)
        if (scope->staged >> i & 1)
            queue_rename(transaction, view->slots[i].key,
                         fls_view_slot_parts(&view->slots[i], scope->day, scope->account));
    fls_view_text_reserve(&view->staged, (scope->account ? strlen(scope->account) : 0) + 32);
    view->staged.sz = 0;
    fls_view_text_put(&view->staged,
                      fls_span_of(scope->account ? FLS_VIEW_ACCOUNT_SCOPE : "organisation"));
    if (scope->account)
        fls_view_text_put(&view->staged, fls_span_of(scope->account));
    fls_wire_command(&view->wire, scope->staged ? "SADD" : "SREM");
    fls_wire_argument(&view->wire, fls_view_live_key(view, FLS_REDIS_SCOPES, of_day));
    fls_wire_argument(&view->wire, fls_view_text_since(&view->staged, 0));
    queue(transaction);
}

static void queue_input(struct transaction *transaction)
{
    struct fls_view *view = transaction->view;

    for (unsigned i = 0; i < FLS_VIEW_INPUT_KEY_CNT; i++) {
        fls_wire_command(&view->wire, "UNLINK");
        fls_wire_argument(&view->wire,
                          fls_view_live_key(view, fls_view_input_keys[i], fls_view_no_parts));
        queue(transaction);
        if (view->input_staged >> i & 1)
            queue_rename(transaction, fls_view_input_keys[i], fls_view_no_parts);
    }
}

static void queue_meta(struct transaction *transaction, uint64_t epoch)
{
    struct fls_view *view = transaction->view;
    char schema[FLS_VIEW_NUMBER_MAX], top_k[FLS_VIEW_NUMBER_MAX], number[FLS_VIEW_NUMBER_MAX];

    snprintf(schema, sizeof(schema), "%u", FLS_VIEW_SCHEMA);
    snprintf(top_k, sizeof(top_k), "%" PRIu32, view->top_k);
    snprintf(number, sizeof(number), "%" PRIu64, epoch);
    fls_wire_command(&view->wire, "HSET");
    fls_wire_argument(&view->wire, fls_view_live_key(view, FLS_REDIS_META, fls_view_no_parts));
    fls_wire_text(&view->wire, "schema");
    fls_wire_text(&view->wire, schema);
    if (view->input_is_put) {
        fls_wire_text(&view->wire, "top_k");
        fls_wire_text(&view->wire, top_k);
        fls_wire_text(&view->wire, "ledger");
        fls_wire_text(&view->wire, view->ledger);
    }
    queue(transaction);
    fls_wire_command(&view->wire, "SET");
    fls_wire_argument(&view->wire, fls_view_live_key(view, FLS_REDIS_EPOCH, fls_view_no_parts));
    fls_wire_text(&view->wire, number);
    queue(transaction);
}

/* Unlinks the keys of fls_view_list_published, and names one that never exists: while a cluster
 * moves the slot, the node that keys are moved from refuses that, and then the list may lack keys
 * that have left it already. */
static void queue_unlink_all(struct transaction *transaction, const struct fls_view_text *list)
{
    struct fls_view *view = transaction->view;
    char never[FLS_NAME_MAX + 32];
    uint32_t sz;

    snprintf(never, sizeof(never), "flowlog:{%s}:" FLS_VIEW_STAGE "0", view->name);
    fls_wire_command(&view->wire, "UNLINK");
    fls_wire_text(&view->wire, never);
    for (size_t at = 0; at < list->sz; at += sz) {
        memcpy(&sz, list->at + at, sizeof(sz));
        at += sizeof(sz);
        if (view->wire.argc == (int)FLS_VIEW_PAIRS_MAX) {
            queue(transaction);
            fls_wire_command(&view->wire, "UNLINK");
        }
        fls_wire_argument(&view->wire, (struct fls_span){(uint8_t *)list->at + at, sz});
    }
    queue(transaction);
}

/* EXEC does not roll back. An error within it (as when another client removed a staged key) leaves
 * a view that is no epoch's: better to have none, so that all is published again. */
static int check_results(struct fls_view *view, const redisReply *reply, size_t expected)
{
    char why[256] = "its results are not those of its commands";
    bool is_right = reply->type == REDIS_REPLY_ARRAY && reply->elements == expected;
    int status;

    for (size_t i = 0; is_right && i < reply->elements; i++)
        if (reply->element[i]->type == REDIS_REPLY_ERROR) {
            is_right = false;
            fls_redis_error(reply->element[i]->str, why, sizeof(why));
        }
    if (is_right)
        return 0;
    fls_wire_command(&view->wire, "UNLINK");
    fls_wire_argument(&view->wire, fls_view_live_key(view, FLS_REDIS_EPOCH, fls_view_no_parts));
    freeReplyObject(fls_wire_ask(&view->wire, &status));
    return fls_wire_fail(&view->wire, -EIO, "a transaction was carried out in part: %s", why);
}

static int execute(struct transaction *transaction)
{
    struct fls_view *view = transaction->view;
    struct timeval patience = view->timeout;
    redisReply *reply;
    int status = transaction->status;

    if (status)
        return status;
    patience.tv_sec += (time_t)(transaction->cnt / EXEC_COMMANDS_PER_S);
    fls_wire_set_timeout(&view->wire, patience);
    fls_wire_command(&view->wire, "EXEC");
    reply = fls_wire_ask(&view->wire, &status);
    if (!reply)
        return status;
    if (reply->type == REDIS_REPLY_NIL) {
        uint64_t found;

        status = fls_view_get_number(view, FLS_REDIS_INCARNATION, &found);
        status = status ? status : fls_view_fail_stale(view, found);
    } else {
        status = check_results(view, reply, transaction->cnt);
    }
    freeReplyObject(reply);
    if (!status)
        fls_wire_set_timeout(&view->wire, view->timeout);
    return status;
}

static int swap(struct fls_view *view, uint64_t epoch, const struct fls_view_text *published)
{
    struct transaction transaction = {.view = view};

    fls_wire_command(&view->wire, "WATCH");
    fls_wire_argument(&view->wire,
                      fls_view_live_key(view, FLS_REDIS_INCARNATION, fls_view_no_parts));
    transaction.status = fls_wire_send(&view->wire);
    if (!transaction.status)
        transaction.status = fls_view_check_incarnation(view);
    fls_wire_command(&view->wire, "MULTI");
    queue(&transaction);
    transaction.cnt = 0; /* MULTI is none of its own results */
    if (view->afresh)
        queue_unlink_all(&transaction, published);
    for (uint32_t i = 0; i < view->scopes.cnt && !transaction.status; i++)
        queue_scope(&transaction, &view->scopes.at[i]);
    if (view->input_is_put)
        queue_input(&transaction);
    queue_meta(&transaction, epoch);
    return execute(&transaction);
}

int fls_view_commit(struct fls_view *view, uint64_t epoch)
{
    struct fls_view_text published = {0};
    int status = fls_wire_flush(&view->wire);

    fls_assert(view->in_cycle);
    if (!status && view->afresh)
        status = fls_view_list_published(view, &published);
    if (!status)
        status = swap(view, epoch, &published);
    free(published.at);
    fls_view_end_cycle(view);
    return status;
}

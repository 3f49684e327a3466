#include "publish/view_private.h"

#include "base/assert.h"
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- Opening ---- */

static const char *line_of(const char *info, const char *name, char *out, size_t out_max)
{
    const char *at = strstr(info, name);

    snprintf(out, out_max, "%.*s", at ? (int)strcspn(at + strlen(name), "\r\n") : 0,
             at ? at + strlen(name) : "");
    return out;
}

/* The published keys carry no TTL, so only the policies that evict any key concern them. A server
 * that does not let us ask is none to warn of. */
static void warn_of_eviction(struct fls_view *view)
{
    static bool warned;
    redisReply *reply = redisCommand(view->wire.context, "INFO memory");
    char policy[64], limit[32];

    if (!warned && reply && reply->type == REDIS_REPLY_STRING &&
        strncmp(line_of(reply->str, "\nmaxmemory_policy:", policy, sizeof(policy)), "allkeys-",
                8) == 0 &&
        strcmp(line_of(reply->str, "\nmaxmemory:", limit, sizeof(limit)), "0") != 0) {
        warned = true;
        fls_log_warn("Redis may evict published figures (maxmemory-policy %s): give it noeviction "
                     "or a volatile- policy",
                     policy);
    }
    freeReplyObject(reply);
}

static int64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Where Redis has none, as after a FLUSHALL, incarnations begin at the time: one from before must
 * not come again while its publisher may still be there. */
static int take_over(struct fls_view *view)
{
    struct fls_span key = fls_view_live_key(view, FLS_REDIS_INCARNATION, fls_view_no_parts);
    char first[FLS_VIEW_NUMBER_MAX];
    redisReply *reply;
    int status;

    snprintf(first, sizeof(first), "%" PRId64, now_us());
    fls_wire_command(&view->wire, "SET");
    fls_wire_argument(&view->wire, key);
    fls_wire_text(&view->wire, first);
    fls_wire_text(&view->wire, "NX");
    status = fls_wire_send(&view->wire);
    if (status)
        return status;
    fls_wire_command(&view->wire, "INCR");
    fls_wire_argument(&view->wire, key);
    reply = fls_wire_ask(&view->wire, &status);
    if (reply)
        view->incarnation = (uint64_t)reply->integer;
    freeReplyObject(reply);
    return status;
}

int fls_view_open(struct fls_view **view, const struct fls_redis_address *address, const char *name,
                  char *error, size_t error_max)
{
    struct fls_view *made;
    int status;

    *view = NULL;
    if (!fls_name_is_valid(name)) {
        snprintf(error, error_max,
                 "a deployment's name has 1 to %u letters, digits, dots, underscores or dashes",
                 FLS_NAME_MAX);
        return -EINVAL;
    }
    made = calloc(1, sizeof(*made));
    fls_assert(made);
    strcpy(made->name, name);
    made->prefix_sz = strlen("flowlog:{}:") + strlen(name);
    made->may_have_leftovers = true;
    fls_view_text_reserve(&made->scratch, FLS_VIEW_SCRATCH_SZ);
    fls_view_list_slots(made);
    made->timeout = fls_redis_timeout(address);
    status = fls_wire_open(&made->wire, address, name);
    if (!status) {
        warn_of_eviction(made);
        status = take_over(made);
    }
    if (status) {
        snprintf(error, error_max, "%s", made->wire.failure);
        fls_view_close(made);
        return status;
    }
    *view = made;
    return 0;
}

static int discard(struct fls_view *view);

void fls_view_close(struct fls_view *view)
{
    if (!view)
        return;
    if (view->in_cycle && view->wire.context)
        discard(view);
    fls_wire_close(&view->wire);
    fls_view_scopes_clear(&view->scopes);
    free(view->scratch.at);
    free(view->live.at);
    free(view->staged.at);
    free(view);
}

const char *fls_view_failure(const struct fls_view *view)
{
    return view->wire.failure;
}

/* ---- What Redis holds ---- */

/* A number that stands in a string; 0 if there is none. */
static int ask_number(struct fls_view *view, uint64_t *number)
{
    int status;
    redisReply *reply = fls_wire_ask(&view->wire, &status);

    *number = reply && reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return status;
}

int fls_view_get_number(struct fls_view *view, enum fls_redis_key key, uint64_t *number)
{
    fls_wire_command(&view->wire, "GET");
    fls_wire_argument(&view->wire, fls_view_live_key(view, key, fls_view_no_parts));
    return ask_number(view, number);
}

/* Element `at` of a reply to HMGET; nothing (sz 0) if there is none. */
static struct fls_span element_of(const redisReply *reply, size_t at)
{
    if (reply->type != REDIS_REPLY_ARRAY || at >= reply->elements ||
        reply->element[at]->type != REDIS_REPLY_STRING)
        return (struct fls_span){(const uint8_t *)"", 0};
    return fls_redis_span(reply->element[at]);
}

int fls_view_hold(struct fls_view *view, struct fls_view_held *held)
{
    static const char *const fields[] = {"schema", "top_k", "ledger"};
    redisReply *reply;
    uint64_t schema;
    int status;

    *held = (struct fls_view_held){0};
    fls_wire_command(&view->wire, "HMGET");
    fls_wire_argument(&view->wire, fls_view_live_key(view, FLS_REDIS_META, fls_view_no_parts));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        fls_wire_text(&view->wire, fields[i]);
    reply = fls_wire_ask(&view->wire, &status);
    if (!reply)
        return status;
    schema = strtoull((const char *)element_of(reply, 0).at, NULL, 10);
    held->top_k = (uint32_t)strtoull((const char *)element_of(reply, 1).at, NULL, 10);
    snprintf(held->ledger, sizeof(held->ledger), "%s", (const char *)element_of(reply, 2).at);
    freeReplyObject(reply);
    if (schema == FLS_VIEW_SCHEMA)
        return fls_view_get_number(view, FLS_REDIS_EPOCH, &held->epoch);
    *held = (struct fls_view_held){0};
    return 0;
}

int fls_view_fail_stale(struct fls_view *view, uint64_t found)
{
    if (view->in_cycle)
        discard(view); /* whether that works or not */
    if (found < view->incarnation)
        return fls_wire_fail(&view->wire, -ENODATA,
                             "Redis has lost what was published (emptied, or an older copy)");
    return fls_wire_fail(&view->wire, -ESTALE,
                         "another publisher has taken over the name %s in this Redis", view->name);
}

int fls_view_check_incarnation(struct fls_view *view)
{
    uint64_t found;
    int status = fls_view_get_number(view, FLS_REDIS_INCARNATION, &found);

    return status || found == view->incarnation ? status : fls_view_fail_stale(view, found);
}

/* ---- A cycle ---- */

void fls_view_end_cycle(struct fls_view *view)
{
    view->in_cycle = false;
    view->input_is_put = false;
    view->input_staged = 0;
    fls_view_scopes_clear(&view->scopes);
}

/* Removes all that the cycle has staged, and ends it. */
static int discard(struct fls_view *view)
{
    int status = fls_view_unstage_input(view);

    for (uint32_t i = 0; i < view->scopes.cnt && !status; i++)
        status = fls_view_unstage_scope(view, &view->scopes.at[i]);
    fls_view_end_cycle(view);
    return status ? status : fls_wire_flush(&view->wire);
}

int fls_view_begin(struct fls_view *view, bool afresh)
{
    int status = fls_view_check_incarnation(view);

    if (!status && view->in_cycle)
        status = discard(view);
    fls_view_end_cycle(view);
    if (!status && view->may_have_leftovers) {
        status = fls_view_remove_leftovers(view);
        if (!status)
            status = fls_wire_flush(&view->wire);
        view->may_have_leftovers = status != 0;
    }
    view->in_cycle = true;
    view->afresh = afresh;
    return status;
}

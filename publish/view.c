#include "publish/view.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/keys.h"
#include "base/log.h"
#include "publish/view_hll.h"
#include "publish/view_scopes.h"
#include "publish/view_wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* How a cycle works. What is put is written to keys of its own beside the published ones,
 *
 *   flowlog:{NAME}:stage:INCARNATION:...   for   flowlog:{NAME}:...
 *
 * so that it takes as long as it takes and nobody sees it. The commit is one transaction: it
 * renames staged keys to published ones and sets the epoch. WATCH makes it fail if the incarnation
 * is no longer the one that fls_view_open took; and as the incarnation is a part of the staged
 * keys' names, a publisher that was replaced and does not know it yet cannot write into the keys
 * of its successor either, and removes none of them. */
#define STAGE "stage:"
#define PAIRS_MAX 128U      /* members of one command: Redis gains nothing from more */
#define SCRATCH_SZ 65536U   /* bytes of such a command's members, unless one alone is longer */
#define FIGURES_MAX 112U    /* bytes of distinct and FIGURES as text: six numbers of 19 digits */
#define NUMBER_MAX 24U      /* bytes of a number as text */
#define SCAN_COUNT "1000"   /* keys that the server looks at for each SCAN */
#define SCANS_MAX 10000000U /* SCANs of one pass: a bound, far above any server's keys */
#define EXEC_COMMANDS_PER_S 20000U /* a transaction is given this much more time */

/* The keys of a scope, each of which has a bit in struct fls_view_staged. */
#define SLOTS_MAX 64U

struct slot {
    enum fls_redis_key key;
    int table; /* enum fls_table_id, or -1 */
};

/* The keys that stand once for the deployment, staged by fls_view_put_input. */
static const enum fls_redis_key input_keys[] = {FLS_REDIS_INPUT, FLS_REDIS_FAILED,
                                                FLS_REDIS_LINES, FLS_REDIS_SAMPLES,
                                                FLS_REDIS_DAYS,  FLS_REDIS_ACCOUNTS};
#define INPUT_KEY_CNT (sizeof(input_keys) / sizeof(input_keys[0]))

struct text {
    char *at;
    size_t sz, max;
};

struct fls_view {
    struct fls_wire wire;
    char name[FLS_NAME_MAX + 1];
    size_t prefix_sz; /* of "flowlog:{NAME}:" */
    uint64_t incarnation;
    struct slot slots[SLOTS_MAX];
    unsigned slot_cnt;
    bool may_have_leftovers; /* of earlier publishers */

    bool in_cycle, afresh, input_is_put;
    uint32_t input_staged; /* a bit for each of input_keys */
    uint32_t top_k;
    char ledger[FLS_VIEW_LEDGER_MAX];
    struct fls_view_scopes scopes;

    const char *batch_command; /* the variadic command being filled, */
    int batch_fixed;           /* and how many arguments it begins with */
    struct text scratch;       /* its members, */
    struct text live, staged;  /* and keys of it */
    uint8_t hll[FLS_HLL_SZ];
};

/* ---- Texts ---- */

static void text_reserve(struct text *text, size_t sz)
{
    if (text->max >= sz)
        return;
    text->max = sz > 2 * text->max ? sz : 2 * text->max;
    text->at = realloc(text->at, text->max);
    fls_assert(text->at);
}

static void text_put(struct text *text, struct fls_span part)
{
    fls_assert(text->max - text->sz >= part.sz);
    memcpy(text->at + text->sz, part.at, part.sz);
    text->sz += part.sz;
}

static void text_put_number(struct text *text, uint64_t number)
{
    char digits[NUMBER_MAX];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    text_put(text, (struct fls_span){(uint8_t *)digits + at, sizeof(digits) - at});
}

static void text_put_figures(struct text *text, const struct fls_counters *counters)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        fls_assert(counters->value[i] <= FLS_COUNTER_MAX);
        if (i)
            text_put(text, FLS_SPAN(" "));
        text_put_number(text, counters->value[i]);
    }
}

/* What the scratch holds from `from` on. */
static struct fls_span text_since(const struct text *text, size_t from)
{
    return (struct fls_span){(const uint8_t *)text->at + from, text->sz - from};
}

/* ---- Keys ---- */

static struct fls_span live_key(struct fls_view *view, enum fls_redis_key key,
                                struct fls_key_parts parts)
{
    parts.name = view->name;
    view->live.sz = fls_key_format(view->live.at, view->live.max, key, &parts);
    if (view->live.sz >= view->live.max) {
        text_reserve(&view->live, view->live.sz + 1);
        fls_key_format(view->live.at, view->live.max, key, &parts);
    }
    return text_since(&view->live, 0);
}

/* Changes view->live as well: it is that key's. */
static struct fls_span staged_key(struct fls_view *view, enum fls_redis_key key,
                                  struct fls_key_parts parts)
{
    struct fls_span live = live_key(view, key, parts);

    text_reserve(&view->staged, live.sz + strlen(STAGE) + NUMBER_MAX);
    view->staged.sz = 0;
    text_put(&view->staged, (struct fls_span){live.at, view->prefix_sz});
    text_put(&view->staged, FLS_SPAN(STAGE));
    text_put_number(&view->staged, view->incarnation);
    text_put(&view->staged, FLS_SPAN(":"));
    text_put(&view->staged,
             (struct fls_span){live.at + view->prefix_sz, live.sz - view->prefix_sz});
    return text_since(&view->staged, 0);
}

static const struct fls_key_parts no_parts;

static struct fls_key_parts slot_parts(const struct slot *slot, uint32_t day, const char *account)
{
    return (struct fls_key_parts){.day = day,
                                  .account = account,
                                  .table = slot->table < 0 ? NULL : fls_tables[slot->table].name};
}

static unsigned slot_of(const struct fls_view *view, enum fls_redis_key key, int table)
{
    for (unsigned i = 0; i < view->slot_cnt; i++)
        if (view->slots[i].key == key && view->slots[i].table == table)
            return i;
    fls_assert(!"a key that no scope has");
    return 0;
}

static void add_slot(struct fls_view *view, enum fls_redis_key key, int table)
{
    fls_assert(view->slot_cnt < SLOTS_MAX);
    view->slots[view->slot_cnt++] = (struct slot){key, table};
}

static void list_slots(struct fls_view *view)
{
    add_slot(view, FLS_REDIS_FEW, -1);
    add_slot(view, FLS_REDIS_FACTS, -1);
    add_slot(view, FLS_REDIS_EXTERNAL_SOURCES, -1);
    add_slot(view, FLS_REDIS_OWN_ADDRESSES, -1);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_tables[i].size == FLS_SIZE_TOP) {
            add_slot(view, FLS_REDIS_TOP, i);
            add_slot(view, FLS_REDIS_TOP_BY_BYTES, i);
        }
}

/* ---- Variadic commands in pieces ----
 *
 * start, then for each member room, what it consists of, and argument; then end. A command that
 * has enough members is sent and goes on as another one of the same beginning. */

/* `key` is nothing (sz 0) for a command that is all members; else it stays valid until the end. */
static void batch_start(struct fls_view *view, const char *command, struct fls_span key)
{
    view->batch_command = command;
    fls_wire_command(&view->wire, command);
    if (key.sz)
        fls_wire_argument(&view->wire, key);
    view->batch_fixed = view->wire.argc;
    view->scratch.sz = 0;
}

static int batch_end(struct fls_view *view)
{
    return view->wire.argc > view->batch_fixed ? fls_wire_send(&view->wire) : 0;
}

/* Makes room for `sz` bytes in the scratch and for two arguments. */
static int batch_room(struct fls_view *view, size_t sz)
{
    bool is_full = view->wire.argc + 2 > view->batch_fixed + (int)(2 * PAIRS_MAX);
    int status = 0;

    if (is_full || view->scratch.max - view->scratch.sz < sz) {
        status = batch_end(view);
        view->wire.argc = view->batch_fixed;
        view->scratch.sz = 0;
        text_reserve(&view->scratch, sz > SCRATCH_SZ ? sz : SCRATCH_SZ);
    }
    return status;
}

static int batch_member(struct fls_view *view, struct fls_span member)
{
    int status = batch_room(view, member.sz);
    size_t from = view->scratch.sz;

    text_put(&view->scratch, member);
    fls_wire_argument(&view->wire, text_since(&view->scratch, from));
    return status;
}

static int batch_pair(struct fls_view *view, struct fls_span field, struct fls_span value)
{
    int status = batch_room(view, field.sz + value.sz);
    size_t from = view->scratch.sz;

    text_put(&view->scratch, field);
    fls_wire_argument(&view->wire, text_since(&view->scratch, from));
    from = view->scratch.sz;
    text_put(&view->scratch, value);
    fls_wire_argument(&view->wire, text_since(&view->scratch, from));
    return status;
}

static int batch_number(struct fls_view *view, struct fls_span field, uint64_t number)
{
    char digits[NUMBER_MAX];
    int sz = snprintf(digits, sizeof(digits), "%" PRIu64, number);

    return batch_pair(view, field, (struct fls_span){(uint8_t *)digits, (size_t)sz});
}

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
    struct fls_span key = live_key(view, FLS_REDIS_INCARNATION, no_parts);
    char first[NUMBER_MAX];
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
    text_reserve(&made->scratch, SCRATCH_SZ);
    list_slots(made);
    status = fls_wire_open(&made->wire, address);
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

static struct fls_span reply_span(const redisReply *reply)
{
    return (struct fls_span){(const uint8_t *)reply->str, (size_t)reply->len};
}

/* A number that stands in a string; 0 if there is none. */
static int ask_number(struct fls_view *view, uint64_t *number)
{
    int status;
    redisReply *reply = fls_wire_ask(&view->wire, &status);

    *number = reply && reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
    freeReplyObject(reply);
    return status;
}

static int get_number(struct fls_view *view, enum fls_redis_key key, uint64_t *number)
{
    fls_wire_command(&view->wire, "GET");
    fls_wire_argument(&view->wire, live_key(view, key, no_parts));
    return ask_number(view, number);
}

/* Element `at` of a reply to HMGET; nothing (sz 0) if there is none. */
static struct fls_span element_of(const redisReply *reply, size_t at)
{
    if (reply->type != REDIS_REPLY_ARRAY || at >= reply->elements ||
        reply->element[at]->type != REDIS_REPLY_STRING)
        return (struct fls_span){(const uint8_t *)"", 0};
    return reply_span(reply->element[at]);
}

int fls_view_hold(struct fls_view *view, struct fls_view_held *held)
{
    static const char *const fields[] = {"schema", "top_k", "ledger"};
    redisReply *reply;
    uint64_t schema;
    int status;

    *held = (struct fls_view_held){0};
    fls_wire_command(&view->wire, "HMGET");
    fls_wire_argument(&view->wire, live_key(view, FLS_REDIS_META, no_parts));
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
        return get_number(view, FLS_REDIS_EPOCH, &held->epoch);
    *held = (struct fls_view_held){0};
    return 0;
}

/* Ends a cycle whose incarnation is no longer the one that Redis holds. An older one, or none,
 * says that Redis has lost what was written: nobody else is there. */
static int fail_stale(struct fls_view *view, uint64_t found)
{
    if (view->in_cycle)
        discard(view); /* whether that works or not */
    if (found < view->incarnation)
        return fls_wire_fail(&view->wire, -ENODATA,
                             "Redis has lost what was published (emptied, or an older copy)");
    return fls_wire_fail(&view->wire, -ESTALE,
                         "another publisher has taken over the name %s in this Redis", view->name);
}

static int check_incarnation(struct fls_view *view)
{
    uint64_t found;
    int status = get_number(view, FLS_REDIS_INCARNATION, &found);

    return status || found == view->incarnation ? status : fail_stale(view, found);
}

/* ---- Scans of the deployment's keys, which end with a full pass ---- */

static redisReply *ask_scan(struct fls_view *view, const char *cursor, const char *pattern,
                            int *status)
{
    redisReply *reply;

    fls_wire_command(&view->wire, "SCAN");
    fls_wire_text(&view->wire, cursor);
    fls_wire_text(&view->wire, "MATCH");
    fls_wire_text(&view->wire, pattern);
    fls_wire_text(&view->wire, "COUNT");
    fls_wire_text(&view->wire, SCAN_COUNT);
    reply = fls_wire_ask(&view->wire, status);
    if (reply && (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
                  reply->element[1]->type != REDIS_REPLY_ARRAY)) {
        freeReplyObject(reply);
        *status = fls_wire_fail(&view->wire, -EPROTO, "Redis answered SCAN with something else");
        return NULL;
    }
    return reply;
}

/* Calls `each` for the keys of every reply. */
static int scan(struct fls_view *view, const char *what,
                int (*each)(struct fls_view *, redisReply *keys, struct text *), struct text *to)
{
    char pattern[FLS_NAME_MAX + 64], cursor[NUMBER_MAX] = "0";
    int status = 0;

    /* Nothing in a valid name means anything in a pattern. */
    snprintf(pattern, sizeof(pattern), "flowlog:{%s}:%s*", view->name, what);
    for (uint32_t i = 0; i < SCANS_MAX && !status; i++) {
        redisReply *reply = ask_scan(view, cursor, pattern, &status);

        if (!reply)
            return status;
        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        status = each(view, reply->element[1], to);
        freeReplyObject(reply);
        if (strcmp(cursor, "0") == 0)
            return status;
    }
    return status ? status : fls_wire_fail(&view->wire, -ELOOP, "SCAN of Redis finds no end");
}

/* Keys of later incarnations are not ours to remove. */
static int remove_leftovers(struct fls_view *view, redisReply *keys, struct text *unused)
{
    size_t stage_sz = view->prefix_sz + strlen(STAGE);
    int status = 0;

    (void)unused;
    batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (size_t i = 0; i < keys->elements && !status; i++)
        if (strtoull(keys->element[i]->str + stage_sz, NULL, 10) <= view->incarnation)
            status = batch_member(view, reply_span(keys->element[i]));
    return status ? status : batch_end(view);
}

/* Keeps the published keys in `list`, each with its NUL; the incarnation stays. */
static int list_published(struct fls_view *view, redisReply *keys, struct text *list)
{
    struct fls_span incarnation = live_key(view, FLS_REDIS_INCARNATION, no_parts);

    for (size_t i = 0; i < keys->elements; i++) {
        struct fls_span key = reply_span(keys->element[i]);

        if (fls_span_equal(key, incarnation) ||
            strncmp((const char *)key.at + view->prefix_sz, STAGE, strlen(STAGE)) == 0)
            continue;
        text_reserve(list, list->sz + key.sz + sizeof(uint32_t));
        text_put(list, (struct fls_span){(uint8_t *)&(uint32_t){(uint32_t)key.sz}, 4});
        text_put(list, key);
    }
    return 0;
}

/* ---- A cycle ---- */

static void end_cycle(struct fls_view *view)
{
    view->in_cycle = false;
    view->input_is_put = false;
    view->input_staged = 0;
    fls_view_scopes_clear(&view->scopes);
}

static int unstage_scope(struct fls_view *view, struct fls_view_staged *scope)
{
    int status = 0;

    batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (unsigned i = 0; i < view->slot_cnt && !status; i++)
        if (scope->staged >> i & 1)
            status = batch_member(
                view, staged_key(view, view->slots[i].key,
                                 slot_parts(&view->slots[i], scope->day, scope->account)));
    scope->staged = 0;
    return status ? status : batch_end(view);
}

static int unstage_input(struct fls_view *view)
{
    int status = 0;

    batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (unsigned i = 0; i < INPUT_KEY_CNT && !status; i++)
        if (view->input_staged >> i & 1)
            status = batch_member(view, staged_key(view, input_keys[i], no_parts));
    view->input_staged = 0;
    return status ? status : batch_end(view);
}

/* Removes all that the cycle has staged, and ends it. */
static int discard(struct fls_view *view)
{
    int status = unstage_input(view);

    for (uint32_t i = 0; i < view->scopes.cnt && !status; i++)
        status = unstage_scope(view, &view->scopes.at[i]);
    end_cycle(view);
    return status ? status : fls_wire_flush(&view->wire);
}

int fls_view_begin(struct fls_view *view, bool afresh)
{
    int status = check_incarnation(view);

    if (!status && view->in_cycle)
        status = discard(view);
    end_cycle(view);
    if (!status && view->may_have_leftovers) {
        status = scan(view, STAGE, remove_leftovers, NULL);
        if (!status)
            status = fls_wire_flush(&view->wire);
        view->may_have_leftovers = status != 0;
    }
    view->in_cycle = true;
    view->afresh = afresh;
    return status;
}

/* ---- Staging a scope ---- */

/* "TABLE|key" and FIGURES of the rows of all tables with few keys. */
static int stage_few(struct fls_view *view, const struct fls_view_table *table)
{
    struct fls_span name = fls_span_of(fls_tables[table->id].name);
    int status = 0;

    for (uint32_t i = 0; i < table->row_cnt && !status; i++) {
        const struct fls_view_row *row = &table->rows[i];
        size_t from;

        status = batch_room(view, name.sz + 1 + row->key.sz + FIGURES_MAX);
        from = view->scratch.sz;
        text_put(&view->scratch, name);
        text_put(&view->scratch, FLS_SPAN("|"));
        text_put(&view->scratch, row->key);
        fls_wire_argument(&view->wire, text_since(&view->scratch, from));
        from = view->scratch.sz;
        text_put_figures(&view->scratch, &row->counters);
        fls_wire_argument(&view->wire, text_since(&view->scratch, from));
    }
    return status;
}

static int stage_top(struct fls_view *view, const struct fls_view_table *table)
{
    int status = 0;

    for (uint32_t i = 0; i < table->row_cnt && !status; i++) {
        size_t from;

        status = batch_room(view, FIGURES_MAX);
        from = view->scratch.sz;
        fls_wire_argument(&view->wire, table->rows[i].key);
        text_put_figures(&view->scratch, &table->rows[i].counters);
        fls_wire_argument(&view->wire, text_since(&view->scratch, from));
    }
    return status;
}

static int stage_order(struct fls_view *view, const struct fls_view_table *table)
{
    int status = 0;

    for (uint32_t i = 0; i < table->row_cnt && !status; i++) {
        size_t from;

        status = batch_room(view, NUMBER_MAX);
        from = view->scratch.sz;
        text_put_number(&view->scratch, table->rows[i].counters.value[FLS_BYTES]);
        fls_wire_argument(&view->wire, text_since(&view->scratch, from));
        fls_wire_argument(&view->wire, table->rows[i].key);
    }
    return status;
}

static int stage_fact(struct fls_view *view, const struct fls_view_table *table)
{
    int status = batch_room(view, FIGURES_MAX + NUMBER_MAX);
    size_t from = view->scratch.sz;

    fls_wire_text(&view->wire, fls_tables[table->id].name);
    if (table->distinct_is_known)
        text_put_number(&view->scratch, table->distinct);
    else
        text_put(&view->scratch, FLS_SPAN("-"));
    text_put(&view->scratch, FLS_SPAN(" "));
    text_put_figures(&view->scratch, &table->max_error);
    fls_wire_argument(&view->wire, text_since(&view->scratch, from));
    return status;
}

/* The members of one key: of one table, or of all tables that share the key. */
static int stage_members(struct fls_view *view, const struct slot *slot,
                         const struct fls_view_table *table)
{
    fls_assert(table->id < FLS_TABLE_CNT);
    switch (slot->key) {
    case FLS_REDIS_FEW:
        return fls_tables[table->id].size == FLS_SIZE_FEW ? stage_few(view, table) : 0;
    case FLS_REDIS_FACTS:
        return stage_fact(view, table);
    case FLS_REDIS_TOP:
        return (int)table->id == slot->table ? stage_top(view, table) : 0;
    case FLS_REDIS_TOP_BY_BYTES:
        return (int)table->id == slot->table ? stage_order(view, table) : 0;
    default:
        return 0;
    }
}

static int stage_tables(struct fls_view *view, unsigned number, const struct fls_view_scope *scope)
{
    const struct slot *slot = &view->slots[number];
    bool is_order = slot->key == FLS_REDIS_TOP_BY_BYTES;
    int status = 0;

    batch_start(view, is_order ? "ZADD" : "HSET",
                staged_key(view, slot->key, slot_parts(slot, scope->day, scope->account)));
    for (uint32_t i = 0; i < scope->table_cnt && !status; i++)
        status = stage_members(view, slot, &scope->tables[i]);
    return status ? status : batch_end(view);
}

static int stage_hll(struct fls_view *view, unsigned number, const struct fls_view_scope *scope,
                     const uint8_t *dense)
{
    const struct slot *slot = &view->slots[number];
    struct fls_span value = {view->hll, fls_view_hll_encode(dense, view->hll)};

    fls_wire_command(&view->wire, "SET");
    fls_wire_argument(&view->wire,
                      staged_key(view, slot->key, slot_parts(slot, scope->day, scope->account)));
    fls_wire_argument(&view->wire, value);
    return fls_wire_send(&view->wire);
}

/* The slots that the scope fills, so that a commit renames only what exists. */
static uint64_t slots_filled(const struct fls_view *view, const struct fls_view_scope *scope)
{
    uint64_t filled = 0;

    for (uint32_t i = 0; i < scope->table_cnt; i++) {
        int id = (int)scope->tables[i].id;

        filled |= UINT64_C(1) << slot_of(view, FLS_REDIS_FACTS, -1);
        if (scope->tables[i].row_cnt == 0)
            continue;
        if (fls_tables[id].size == FLS_SIZE_FEW)
            filled |= UINT64_C(1) << slot_of(view, FLS_REDIS_FEW, -1);
        else
            filled |= UINT64_C(1) << slot_of(view, FLS_REDIS_TOP, id) |
                      UINT64_C(1) << slot_of(view, FLS_REDIS_TOP_BY_BYTES, id);
    }
    if (scope->external_sources)
        filled |= UINT64_C(1) << slot_of(view, FLS_REDIS_EXTERNAL_SOURCES, -1);
    if (scope->own_addresses)
        filled |= UINT64_C(1) << slot_of(view, FLS_REDIS_OWN_ADDRESSES, -1);
    return filled;
}

int fls_view_put_scope(struct fls_view *view, const struct fls_view_scope *scope)
{
    struct fls_view_staged *entry;
    int status = 0;

    fls_assert(view->in_cycle);
    entry = fls_view_scopes_get(&view->scopes, scope->day, scope->account);
    if (entry->staged)
        status = unstage_scope(view, entry);
    entry->staged = slots_filled(view, scope);
    for (unsigned i = 0; i < view->slot_cnt && !status; i++) {
        if (!(entry->staged >> i & 1))
            continue;
        if (view->slots[i].key == FLS_REDIS_EXTERNAL_SOURCES)
            status = stage_hll(view, i, scope, scope->external_sources);
        else if (view->slots[i].key == FLS_REDIS_OWN_ADDRESSES)
            status = stage_hll(view, i, scope, scope->own_addresses);
        else
            status = stage_tables(view, i, scope);
    }
    return status;
}

/* ---- Dropping a day ---- */

#define ACCOUNT_SCOPE "account:"

int fls_view_drop_day(struct fls_view *view, uint32_t day)
{
    redisReply *reply;
    int status = 0;

    fls_assert(view->in_cycle);
    for (uint32_t i = 0; i < view->scopes.cnt && !status; i++)
        if (view->scopes.at[i].day == day && view->scopes.at[i].staged)
            status = unstage_scope(view, &view->scopes.at[i]);
    if (status)
        return status;
    /* The scopes of a day change only by commits of this publisher, or of one that replaces it. */
    fls_wire_command(&view->wire, "SMEMBERS");
    fls_wire_argument(&view->wire,
                      live_key(view, FLS_REDIS_SCOPES, (struct fls_key_parts){.day = day}));
    reply = fls_wire_ask(&view->wire, &status);
    for (size_t i = 0; reply && i < reply->elements; i++) {
        const char *scope = reply->element[i]->str;
        bool is_account = strncmp(scope, ACCOUNT_SCOPE, strlen(ACCOUNT_SCOPE)) == 0;

        fls_view_scopes_get(&view->scopes, day, is_account ? scope + strlen(ACCOUNT_SCOPE) : NULL);
    }
    freeReplyObject(reply);
    return status;
}

/* ---- Staging the input ---- */

static int put_counts(struct fls_view *view, const struct fls_view_input *input)
{
    const struct fls_line_counts *counts = &input->counts;
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"objects", input->objects},  {"bytes_read", counts->bytes_read},
                  {"bytes", counts->bytes},     {"lines", counts->lines},
                  {"headers", counts->headers}, {"records", counts->records},
                  {"nodata", counts->nodata},   {"skipdata", counts->skipdata}};
    char name[64];
    int status = 0;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !status; i++)
        status = batch_number(view, fls_span_of(fields[i].name), fields[i].value);
    for (int i = 0; i < FLS_REASON_CNT && !status; i++) {
        snprintf(name, sizeof(name), "malformed:%s", fls_reason_name[i]);
        status = batch_number(view, fls_span_of(name), counts->malformed[i]);
    }
    return status;
}

static int put_failed(struct fls_view *view, const struct fls_view_input *input)
{
    int status = 0;

    for (uint32_t i = 0; i < input->failed_cnt && !status; i++)
        status = batch_pair(view, fls_span_of(input->failed[i].object),
                            fls_span_of(input->failed[i].reason));
    return status;
}

static int put_lines(struct fls_view *view, const struct fls_view_input *input)
{
    char text[3 * NUMBER_MAX];
    int status = 0;

    for (uint32_t i = 0; i < input->lines_cnt && !status; i++) {
        const struct fls_account_lines *lines = &input->lines[i].lines;

        snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64, lines->records,
                 lines->nodata, lines->skipdata);
        status = batch_pair(view, fls_span_of(input->lines[i].account), fls_span_of(text));
    }
    return status;
}

static int put_samples(struct fls_view *view, const struct fls_view_input *input)
{
    char name[64];
    int status = 0;

    for (uint32_t i = 0; i < input->sample_cnt && !status; i++) {
        fls_assert(input->samples[i].reason < FLS_REASON_CNT);
        snprintf(name, sizeof(name), "%s|%" PRIu32, fls_reason_name[input->samples[i].reason],
                 input->samples[i].number);
        status = batch_pair(view, fls_span_of(name), fls_span_of(input->samples[i].text));
    }
    return status;
}

static int put_days(struct fls_view *view, const struct fls_view_input *input)
{
    char day[FLS_DAY_TEXT_MAX], score[NUMBER_MAX];
    int status = 0;

    for (uint32_t i = 0; i < input->day_cnt && !status; i++) {
        fls_day_format(input->days[i], day);
        snprintf(score, sizeof(score), "%" PRIu32, input->days[i]);
        status = batch_pair(view, fls_span_of(input->days[i] == FLS_DAY_UNKNOWN ? "+inf" : score),
                            fls_span_of(day));
    }
    return status;
}

static int put_accounts(struct fls_view *view, const struct fls_view_input *input)
{
    int status = 0;

    for (uint32_t i = 0; i < input->account_cnt && !status; i++)
        status = batch_member(view, fls_span_of(input->accounts[i]));
    return status;
}

/* How the keys of input_keys are filled. */
static const struct {
    const char *command;
    int (*put)(struct fls_view *, const struct fls_view_input *);
} input_puts[INPUT_KEY_CNT] = {{"HSET", put_counts},  {"HSET", put_failed}, {"HSET", put_lines},
                               {"HSET", put_samples}, {"ZADD", put_days},   {"SADD", put_accounts}};

int fls_view_put_input(struct fls_view *view, const struct fls_view_input *input)
{
    const bool is_filled[INPUT_KEY_CNT] = {true,
                                           input->failed_cnt > 0,
                                           input->lines_cnt > 0,
                                           input->sample_cnt > 0,
                                           input->day_cnt > 0,
                                           input->account_cnt > 0};
    int status;

    fls_assert(view->in_cycle);
    status = unstage_input(view);
    for (unsigned i = 0; i < INPUT_KEY_CNT && !status; i++) {
        if (!is_filled[i])
            continue;
        view->input_staged |= 1U << i;
        batch_start(view, input_puts[i].command, staged_key(view, input_keys[i], no_parts));
        status = input_puts[i].put(view, input);
        if (!status)
            status = batch_end(view);
    }
    view->input_is_put = true;
    view->top_k = input->top_k;
    fls_assert(strlen(input->ledger) < sizeof(view->ledger));
    strcpy(view->ledger, input->ledger);
    return status;
}

/* ---- The commit ---- */

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
    struct fls_span staged = staged_key(view, key, parts);

    fls_wire_command(&view->wire, "RENAME");
    fls_wire_argument(&view->wire, staged);
    fls_wire_argument(&view->wire, text_since(&view->live, 0));
    queue(transaction);
}

static void queue_unlink_scope(struct transaction *transaction, const struct fls_view_staged *scope)
{
    struct fls_view *view = transaction->view;

    /* Room for all of them at once: pieces would be commands that nobody counts. */
    batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (unsigned i = 0; i < view->slot_cnt; i++) {
        const struct slot *slot = &view->slots[i];
        struct fls_span key =
            live_key(view, slot->key, slot_parts(slot, scope->day, scope->account));

        if (view->wire.argc > view->batch_fixed && view->scratch.max - view->scratch.sz < key.sz) {
            queue(transaction);
            batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
        }
        batch_member(view, key);
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
                         slot_parts(&view->slots[i], scope->day, scope->account));
    text_reserve(&view->staged, (scope->account ? strlen(scope->account) : 0) + 32);
    view->staged.sz = 0;
    text_put(&view->staged, fls_span_of(scope->account ? ACCOUNT_SCOPE : "organisation"));
    if (scope->account)
        text_put(&view->staged, fls_span_of(scope->account));
    fls_wire_command(&view->wire, scope->staged ? "SADD" : "SREM");
    fls_wire_argument(&view->wire, live_key(view, FLS_REDIS_SCOPES, of_day));
    fls_wire_argument(&view->wire, text_since(&view->staged, 0));
    queue(transaction);
}

static void queue_input(struct transaction *transaction)
{
    struct fls_view *view = transaction->view;

    for (unsigned i = 0; i < INPUT_KEY_CNT; i++) {
        fls_wire_command(&view->wire, "UNLINK");
        fls_wire_argument(&view->wire, live_key(view, input_keys[i], no_parts));
        queue(transaction);
        if (view->input_staged >> i & 1)
            queue_rename(transaction, input_keys[i], no_parts);
    }
}

static void queue_meta(struct transaction *transaction, uint64_t epoch)
{
    struct fls_view *view = transaction->view;
    char schema[NUMBER_MAX], top_k[NUMBER_MAX], number[NUMBER_MAX];

    snprintf(schema, sizeof(schema), "%u", FLS_VIEW_SCHEMA);
    snprintf(top_k, sizeof(top_k), "%" PRIu32, view->top_k);
    snprintf(number, sizeof(number), "%" PRIu64, epoch);
    fls_wire_command(&view->wire, "HSET");
    fls_wire_argument(&view->wire, live_key(view, FLS_REDIS_META, no_parts));
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
    fls_wire_argument(&view->wire, live_key(view, FLS_REDIS_EPOCH, no_parts));
    fls_wire_text(&view->wire, number);
    queue(transaction);
}

/* Unlinks the keys of list_published. */
static void queue_unlink_all(struct transaction *transaction, const struct text *list)
{
    struct fls_view *view = transaction->view;
    uint32_t sz;

    fls_wire_command(&view->wire, "UNLINK");
    for (size_t at = 0; at < list->sz; at += sz) {
        memcpy(&sz, list->at + at, sizeof(sz));
        at += sizeof(sz);
        if (view->wire.argc == (int)PAIRS_MAX) {
            queue(transaction);
            fls_wire_command(&view->wire, "UNLINK");
        }
        fls_wire_argument(&view->wire, (struct fls_span){(uint8_t *)list->at + at, sz});
    }
    if (view->wire.argc > 1)
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
    fls_wire_argument(&view->wire, live_key(view, FLS_REDIS_EPOCH, no_parts));
    freeReplyObject(fls_wire_ask(&view->wire, &status));
    return fls_wire_fail(&view->wire, -EIO, "a transaction was carried out in part: %s", why);
}

static int execute(struct transaction *transaction)
{
    struct fls_view *view = transaction->view;
    struct timeval patience = {.tv_sec = FLS_REDIS_TIMEOUT_S +
                                         (time_t)(transaction->cnt / EXEC_COMMANDS_PER_S)};
    redisReply *reply;
    int status = transaction->status;

    if (status)
        return status;
    redisSetTimeout(view->wire.context, patience);
    fls_wire_command(&view->wire, "EXEC");
    reply = fls_wire_ask(&view->wire, &status);
    if (!reply)
        return status;
    if (reply->type == REDIS_REPLY_NIL) {
        uint64_t found;

        status = get_number(view, FLS_REDIS_INCARNATION, &found);
        status = status ? status : fail_stale(view, found);
    } else {
        status = check_results(view, reply, transaction->cnt);
    }
    freeReplyObject(reply);
    if (!status)
        redisSetTimeout(view->wire.context, (struct timeval){.tv_sec = FLS_REDIS_TIMEOUT_S});
    return status;
}

static int swap(struct fls_view *view, uint64_t epoch, const struct text *published)
{
    struct transaction transaction = {.view = view};

    fls_wire_command(&view->wire, "WATCH");
    fls_wire_argument(&view->wire, live_key(view, FLS_REDIS_INCARNATION, no_parts));
    transaction.status = fls_wire_send(&view->wire);
    if (!transaction.status)
        transaction.status = check_incarnation(view);
    fls_wire_command(&view->wire, "MULTI");
    queue(&transaction);
    transaction.cnt = 0; /* MULTI is none of its own results */
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
    struct text published = {0};
    int status = fls_wire_flush(&view->wire);

    fls_assert(view->in_cycle);
    if (!status && view->afresh)
        status = scan(view, "", list_published, &published);
    if (!status)
        status = swap(view, epoch, &published);
    free(published.at);
    end_cycle(view);
    return status;
}

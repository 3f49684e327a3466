#include "publish/view_private.h"

#include "base/assert.h"
#include "publish/view_hll.h"

#define FIGURES_MAX 112U /* bytes of distinct and FIGURES as text: six numbers of 19 digits */

int fls_view_unstage_scope(struct fls_view *view, struct fls_view_staged *scope)
{
    int status = 0;

    fls_view_batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (unsigned i = 0; i < view->slot_cnt && !status; i++)
        if (scope->staged >> i & 1)
            status = fls_view_batch_member(
                view, fls_view_staged_key(
                          view, view->slots[i].key,
                          fls_view_slot_parts(&view->slots[i], scope->day, scope->account)));
    scope->staged = 0;
    return status ? status : fls_view_batch_end(view);
}

static void text_put_figures(struct fls_view_text *text, const struct fls_counters *counters)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        fls_assert(counters->value[i] <= FLS_COUNTER_MAX);
        if (i)
            fls_view_text_put(text, FLS_SPAN(" "));
        fls_view_text_put_number(text, counters->value[i]);
    }
}

static unsigned slot_of(const struct fls_view *view, enum fls_redis_key key, int table)
{
    for (unsigned i = 0; i < view->slot_cnt; i++)
        if (view->slots[i].key == key && view->slots[i].table == table)
            return i;
    fls_assert(!"a key that no scope has");
    return 0;
}

/* "TABLE|key" and FIGURES of the rows of all tables with few keys. */
static int stage_few(struct fls_view *view, const struct fls_view_table *table)
{
    struct fls_span name = fls_span_of(fls_tables[table->id].name);
    int status = 0;

    for (uint32_t i = 0; i < table->row_cnt && !status; i++) {
        const struct fls_view_row *row = &table->rows[i];
        size_t from;

        status = fls_view_batch_room(view, name.sz + 1 + row->key.sz + FIGURES_MAX);
        from = view->scratch.sz;
        fls_view_text_put(&view->scratch, name);
        fls_view_text_put(&view->scratch, FLS_SPAN("|"));
        fls_view_text_put(&view->scratch, row->key);
        fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
        from = view->scratch.sz;
        text_put_figures(&view->scratch, &row->counters);
        fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
    }
    return status;
}

static int stage_top(struct fls_view *view, const struct fls_view_table *table)
{
    int status = 0;

    for (uint32_t i = 0; i < table->row_cnt && !status; i++) {
        size_t from;

        status = fls_view_batch_room(view, FIGURES_MAX);
        from = view->scratch.sz;
        fls_wire_argument(&view->wire, table->rows[i].key);
        text_put_figures(&view->scratch, &table->rows[i].counters);
        fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
    }
    return status;
}

static int stage_order(struct fls_view *view, const struct fls_view_table *table)
{
    int status = 0;

    for (uint32_t i = 0; i < table->row_cnt && !status; i++) {
        size_t from;

        status = fls_view_batch_room(view, FLS_VIEW_NUMBER_MAX);
        from = view->scratch.sz;
        fls_view_text_put_number(&view->scratch, table->rows[i].counters.value[FLS_BYTES]);
        fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
        fls_wire_argument(&view->wire, table->rows[i].key);
    }
    return status;
}

static int stage_fact(struct fls_view *view, const struct fls_view_table *table)
{
    int status = fls_view_batch_room(view, FIGURES_MAX + FLS_VIEW_NUMBER_MAX);
    size_t from = view->scratch.sz;

    fls_wire_text(&view->wire, fls_tables[table->id].name);
    if (table->distinct_is_known)
        fls_view_text_put_number(&view->scratch, table->distinct);
    else
        fls_view_text_put(&view->scratch, FLS_SPAN("-"));
    fls_view_text_put(&view->scratch, FLS_SPAN(" "));
    text_put_figures(&view->scratch, &table->max_error);
    fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
    return status;
}

/* The members of one key: of one table, or of all tables that share the key. */
static int stage_members(struct fls_view *view, const struct fls_view_slot *slot,
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
    const struct fls_view_slot *slot = &view->slots[number];
    bool is_order = slot->key == FLS_REDIS_TOP_BY_BYTES;
    int status = 0;

    fls_view_batch_start(
        view, is_order ? "ZADD" : "HSET",
        fls_view_staged_key(view, slot->key,
                            fls_view_slot_parts(slot, scope->day, scope->account)));
    for (uint32_t i = 0; i < scope->table_cnt && !status; i++)
        status = stage_members(view, slot, &scope->tables[i]);
    return status ? status : fls_view_batch_end(view);
}

static int stage_hll(struct fls_view *view, unsigned number, const struct fls_view_scope *scope,
                     const uint8_t *dense)
{
    const struct fls_view_slot *slot = &view->slots[number];
    struct fls_span value = {view->hll, fls_view_hll_encode(dense, view->hll)};

    fls_wire_command(&view->wire, "SET");
    fls_wire_argument(&view->wire,
                      fls_view_staged_key(view, slot->key,
                                          fls_view_slot_parts(slot, scope->day, scope->account)));
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
        status = fls_view_unstage_scope(view, entry);
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

int fls_view_drop_day(struct fls_view *view, uint32_t day)
{
    redisReply *reply;
    int status = 0;

    fls_assert(view->in_cycle);
    for (uint32_t i = 0; i < view->scopes.cnt && !status; i++)
        if (view->scopes.at[i].day == day && view->scopes.at[i].staged)
            status = fls_view_unstage_scope(view, &view->scopes.at[i]);
    if (status)
        return status;
    /* The scopes of a day change only by commits of this publisher, or of one that replaces it. */
    fls_wire_command(&view->wire, "SMEMBERS");
    fls_wire_argument(
        &view->wire, fls_view_live_key(view, FLS_REDIS_SCOPES, (struct fls_key_parts){.day = day}));
    reply = fls_wire_ask(&view->wire, &status);
    for (size_t i = 0; reply && i < reply->elements; i++) {
        const char *scope = reply->element[i]->str;
        bool is_account =
            strncmp(scope, FLS_VIEW_ACCOUNT_SCOPE, strlen(FLS_VIEW_ACCOUNT_SCOPE)) == 0;

        fls_view_scopes_get(&view->scopes, day,
                            is_account ? scope + strlen(FLS_VIEW_ACCOUNT_SCOPE) : NULL);
    }
    freeReplyObject(reply);
    return status;
}

#include "publish/top.h"

#include "base/array.h"
#include "base/assert.h"
#include "publish/key_text.h"

#include <stdlib.h>
#include <string.h>

/* The counters that have a ranking; accepted has none (FIGURES). */
static const enum fls_counter ranked[FLS_TOP_RANKINGS] = {FLS_BYTES, FLS_PACKETS, FLS_FLOWS,
                                                          FLS_REJECTED};

/* Where as many rows are whole as are in a ranking, heaps are full from their beginning on. */
static uint32_t whole_max(enum fls_table_id table, uint32_t top_k)
{
    return fls_tables[table].size == FLS_SIZE_FEW && top_k < FLS_FEW_ROWS_MAX ? FLS_FEW_ROWS_MAX
                                                                              : top_k;
}

uint64_t fls_top_bytes(enum fls_table_id table, uint64_t distinct, uint32_t top_k)
{
    uint64_t whole = 2 * distinct; /* arrays grow by doubling */
    uint64_t heaps = (uint64_t)FLS_TOP_RANKINGS * top_k;

    if (distinct > whole_max(table, top_k)) {
        whole = 2ULL * whole_max(table, top_k);
        whole = whole > heaps ? whole : heaps;
    }
    return sizeof(struct fls_top_scope) + whole * sizeof(struct fls_chosen);
}

uint64_t fls_top_bytes_most(enum fls_table_id table, uint32_t scope_cnt, uint64_t key_cnt,
                            uint32_t top_k)
{
    uint64_t each = fls_top_bytes(table, UINT64_MAX, top_k);
    /* a scope that is cut has more keys than there are in a heap */
    uint64_t all = scope_cnt * sizeof(struct fls_top_scope) +
                   FLS_TOP_RANKINGS * key_cnt * sizeof(struct fls_chosen);

    return each < all / scope_cnt ? each * scope_cnt : all;
}

void fls_top_init(struct fls_top *top, enum fls_table_id table, const struct fls_merge_day *day,
                  const struct fls_top_scopes *scopes, uint32_t top_k)
{
    size_t sz = (scopes->cnt ? scopes->cnt : 1) * sizeof(*top->by_scope);

    fls_assert(top_k >= 1);
    *top = (struct fls_top){.symbols = day->symbols,
                            .kind = fls_tables[table].key,
                            .scopes = scopes,
                            .top_k = top_k,
                            .whole_max = whole_max(table, top_k),
                            .by_scope = aligned_alloc(sizeof(*top->by_scope), sz)};
    fls_assert(top->by_scope != NULL);
    memset(top->by_scope, 0, sz);
}

void fls_top_fini(struct fls_top *top)
{
    for (uint32_t i = 0; i < top->scopes->cnt; i++)
        free(top->by_scope[i].rows);
    free(top->by_scope);
}

/* ---- heaps ---- */

/* True if a ranks below b. */
static bool is_worse(const struct fls_top *top, enum fls_counter by, const struct fls_chosen *a,
                     const struct fls_chosen *b)
{
    if (a->counters.value[by] != b->counters.value[by])
        return a->counters.value[by] < b->counters.value[by];
    if (a->prefix != b->prefix)
        return a->prefix > b->prefix;
    return fls_key_text_compare(&a->key, &b->key, top->kind, top->symbols) > 0;
}

/* Puts the item in this place, or below it where it belongs; what stood there is replaced. */
static void place(const struct fls_top *top, enum fls_counter by, struct fls_chosen *heap,
                  uint32_t at, const struct fls_chosen *item)
{
    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child + 1 < top->top_k && is_worse(top, by, &heap[child + 1], &heap[child]))
            child++;
        if (child >= top->top_k || !is_worse(top, by, &heap[child], item))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = *item;
}

/* The row has a chance in at least one ranking. */
static void offer(const struct fls_top *top, struct fls_top_scope *scope,
                  const struct fls_chosen *row)
{
    for (uint32_t i = 0; i < FLS_TOP_RANKINGS; i++) {
        struct fls_chosen *heap = scope->rows + (size_t)i * top->top_k;
        enum fls_counter by = ranked[i];

        if (row->counters.value[by] < scope->least[i] || !is_worse(top, by, &heap[0], row))
            continue;
        place(top, by, heap, 0, row);
        scope->least[i] = heap[0].counters.value[by];
    }
}

/* The first top_k of the rows make the heaps, the others are offered. */
static void cut(const struct fls_top *top, struct fls_top_scope *scope)
{
    struct fls_chosen *rows = scope->rows;

    scope->rows = fls_array_new((size_t)FLS_TOP_RANKINGS * top->top_k, sizeof(*rows));
    scope->is_cut = true;
    for (uint32_t i = 0; i < scope->row_cnt; i++)
        rows[i].prefix = fls_key_text_prefix(&rows[i].key, top->kind, top->symbols);
    for (uint32_t i = 0; i < FLS_TOP_RANKINGS; i++) {
        struct fls_chosen *heap = scope->rows + (size_t)i * top->top_k;

        for (uint32_t at = top->top_k; at-- > 0;)
            place(top, ranked[i], heap, at, &rows[at]);
        scope->least[i] = heap[0].counters.value[ranked[i]];
    }
    for (uint32_t i = top->top_k; i < scope->row_cnt; i++)
        offer(top, scope, &rows[i]);
    free(rows);
}

/* ---- rows ---- */

static uint64_t prefix_of_key(struct fls_top *top, const struct fls_part_key *key)
{
    if (!top->has_prefix)
        top->prefix = fls_key_text_prefix(key, top->kind, top->symbols);
    top->has_prefix = true;
    return top->prefix;
}

static void keep(struct fls_top *top, struct fls_top_scope *scope, const struct fls_part_key *key,
                 const struct fls_counters *counters)
{
    struct fls_chosen row = {.key = *key, .counters = *counters};

    if (scope->row_cnt < top->whole_max) {
        fls_array_reserve(scope->rows, scope->row_max, scope->row_cnt + 1);
        scope->rows[scope->row_cnt++] = row;
        return;
    }
    if (!scope->is_cut)
        cut(top, scope);
    row.prefix = prefix_of_key(top, key);
    offer(top, scope, &row);
}

static inline void add_to(struct fls_top *top, uint32_t number, const struct fls_part_key *key,
                          const struct fls_counters *counters)
{
    struct fls_top_scope *scope = &top->by_scope[number];
    const uint64_t *value = counters->value;

    scope->distinct++;
    if (value[FLS_BYTES] >= scope->least[0] || value[FLS_PACKETS] >= scope->least[1] ||
        value[FLS_FLOWS] >= scope->least[2] || value[FLS_REJECTED] >= scope->least[3])
        keep(top, scope, key, counters);
}

/* All accounts of the key have come. */
static void end_key(struct fls_top *top)
{
    if (top->has_key && top->scopes->organisation != FLS_TOP_NONE)
        add_to(top, top->scopes->organisation, &top->key, &top->sum);
}

/* Conversations of one IPv4 source, which come one after the other, begin alike. */
static bool begins_alike(const struct fls_top *top, const struct fls_part_key *key)
{
    return top->kind == FLS_KEY_CONVERSATION && (key->flags | top->key.flags) == 0 &&
           key->a_low == top->key.a_low;
}

void fls_top_add(struct fls_top *top, const struct fls_part_row *row)
{
    uint32_t number = top->scopes->of_account[row->account];

    if (top->has_key && fls_part_key_compare(&top->key, &row->key) == 0) {
        fls_counters_add(&top->sum, &row->counters);
    } else {
        end_key(top);
        top->has_prefix = top->has_prefix && begins_alike(top, &row->key);
        top->has_key = true;
        top->key = row->key;
        top->sum = row->counters;
    }
    if (number != FLS_TOP_NONE)
        add_to(top, number, &row->key, &row->counters);
}

/* ---- the end ---- */

static int compare_keys(const void *a, const void *b)
{
    const struct fls_chosen *left = a, *right = b;

    return fls_part_key_compare(&left->key, &right->key);
}

/* The rows that are in any of the heaps, each once. */
static void unite(const struct fls_top *top, struct fls_top_scope *scope)
{
    size_t all = (size_t)FLS_TOP_RANKINGS * top->top_k, cnt = 0;

    qsort(scope->rows, all, sizeof(*scope->rows), compare_keys);
    for (size_t i = 0; i < all; i++)
        if (i == 0 || compare_keys(&scope->rows[i], &scope->rows[cnt - 1]) != 0)
            scope->rows[cnt++] = scope->rows[i];
    fls_assert(cnt <= UINT32_MAX);
    scope->row_cnt = (uint32_t)cnt;
    scope->rows = realloc(scope->rows, cnt * sizeof(*scope->rows));
    fls_assert(scope->rows != NULL);
}

void fls_top_finish(struct fls_top *top)
{
    end_key(top);
    for (uint32_t i = 0; i < top->scopes->cnt; i++)
        if (top->by_scope[i].is_cut)
            unite(top, &top->by_scope[i]);
}

#include "publish/top.h"

#include "base/array.h"
#include "base/assert.h"
#include "publish/key_text.h"

#include <stdlib.h>

/* The counters that have a ranking; accepted has none (FIGURES). */
static const enum fls_counter ranked[] = {FLS_BYTES, FLS_PACKETS, FLS_FLOWS, FLS_REJECTED};
#define RANKED_CNT 4U

struct candidate {
    uint64_t value;
    uint64_t prefix; /* of the key's text */
    uint32_t row;
};

/* The best K rows of a scope by one counter so far: a heap with the worst of them on top. */
struct heap {
    struct candidate *items;
    uint32_t cnt, max;
};

struct selection {
    const struct fls_table *table;
    const struct fls_names *names;
    enum fls_table_key kind;
    const struct fls_top_scopes *scopes;
    uint32_t top_k;
    uint32_t whole_max; /* scopes with at most so many rows are chosen whole */
    uint64_t *distinct; /* by scope */
    struct heap *heaps; /* by scope and ranking */
};

/* The numbers of the scopes that the row is of: up to 2. */
static uint32_t scopes_of(const struct fls_top_scopes *scopes, const struct fls_row *row,
                          uint32_t numbers[static 2])
{
    uint32_t all[2], all_cnt = fls_row_scopes(row, all), cnt = 0;

    for (uint32_t i = 0; i < all_cnt; i++) {
        uint32_t number =
            all[i] == FLS_SCOPE_ORGANISATION ? scopes->organisation : scopes->of_account[all[i]];

        if (number == FLS_TOP_NONE)
            continue;
        fls_assert(number < scopes->cnt);
        numbers[cnt++] = number;
    }
    return cnt;
}

/* True if a ranks below b. */
static bool is_worse(const struct selection *s, const struct candidate *a,
                     const struct candidate *b)
{
    if (a->value != b->value)
        return a->value < b->value;
    if (a->prefix != b->prefix)
        return a->prefix > b->prefix;
    return fls_key_text_compare(&s->table->rows[a->row].key, &s->table->rows[b->row].key, s->kind,
                                s->names) > 0;
}

static void sift_up(const struct selection *s, struct heap *heap, uint32_t at)
{
    while (at > 0) {
        uint32_t parent = (at - 1) / 2;
        struct candidate item = heap->items[at];

        if (!is_worse(s, &item, &heap->items[parent]))
            return;
        heap->items[at] = heap->items[parent];
        heap->items[parent] = item;
        at = parent;
    }
}

static void sift_down(const struct selection *s, struct heap *heap)
{
    uint32_t at = 0;

    for (;;) {
        uint32_t worst = at;
        struct candidate item = heap->items[at];

        for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < heap->cnt; child++)
            if (is_worse(s, &heap->items[child], &heap->items[worst]))
                worst = child;
        if (worst == at)
            return;
        heap->items[at] = heap->items[worst];
        heap->items[worst] = item;
        at = worst;
    }
}

static void offer(const struct selection *s, struct heap *heap, uint64_t value, uint32_t row)
{
    struct candidate item = {.value = value, .row = row};

    if (heap->cnt == s->top_k && value < heap->items[0].value)
        return; /* by far the most rows of a large table end here */
    item.prefix = fls_key_text_prefix(&s->table->rows[row].key, s->kind, s->names);
    if (heap->cnt == s->top_k) {
        if (!is_worse(s, &heap->items[0], &item))
            return;
        heap->items[0] = item;
        sift_down(s, heap);
        return;
    }
    fls_array_reserve(heap->items, heap->max, heap->cnt + 1);
    heap->items[heap->cnt] = item;
    sift_up(s, heap, heap->cnt++);
}

static void count_distinct(struct selection *s)
{
    for (uint32_t row = 0; row < s->table->row_cnt; row++) {
        uint32_t scopes[2], cnt = scopes_of(s->scopes, &s->table->rows[row], scopes);

        for (uint32_t i = 0; i < cnt; i++)
            s->distinct[scopes[i]]++;
    }
}

static bool is_whole(const struct selection *s, uint32_t scope)
{
    return s->distinct[scope] <= s->whole_max;
}

static void offer_row(struct selection *s, uint32_t scope, uint32_t row)
{
    for (uint32_t i = 0; i < RANKED_CNT; i++)
        offer(s, &s->heaps[scope * RANKED_CNT + i], s->table->rows[row].counters.value[ranked[i]],
              row);
}

static void offer_rows(struct selection *s)
{
    for (uint32_t row = 0; row < s->table->row_cnt; row++) {
        uint32_t scopes[2], cnt = scopes_of(s->scopes, &s->table->rows[row], scopes);

        for (uint32_t i = 0; i < cnt; i++)
            if (!is_whole(s, scopes[i]))
                offer_row(s, scopes[i], row);
    }
}

/* The union of a scope's heaps; returns the number of rows. */
static uint32_t unite(const struct selection *s, uint32_t scope, uint32_t *rows)
{
    uint32_t cnt = 0, distinct = 0;

    for (uint32_t i = 0; i < RANKED_CNT; i++) {
        const struct heap *heap = &s->heaps[scope * RANKED_CNT + i];

        for (uint32_t k = 0; k < heap->cnt; k++)
            rows[cnt++] = heap->items[k].row;
    }
    qsort(rows, cnt, sizeof(*rows), fls_array_compare_u32);
    for (uint32_t i = 0; i < cnt; i++)
        if (i == 0 || rows[i] != rows[i - 1])
            rows[distinct++] = rows[i];
    return distinct;
}

/* Lays out the choice: room for each scope first, then its rows, then the gaps closed. */
static void collect(const struct selection *s, struct fls_choice *choice)
{
    uint32_t *next = fls_array_new(s->scopes->cnt, sizeof(*next));
    uint64_t room = 0;
    uint32_t at = 0;

    for (uint32_t scope = 0; scope < s->scopes->cnt; scope++) {
        next[scope] = (uint32_t)room;
        choice->first[scope] = (uint32_t)room;
        room += is_whole(s, scope) ? s->distinct[scope] : (uint64_t)RANKED_CNT * s->top_k;
        fls_assert(room <= UINT32_MAX);
    }
    choice->rows = fls_array_new(room, sizeof(*choice->rows));
    for (uint32_t row = 0; row < s->table->row_cnt; row++) {
        uint32_t scopes[2], cnt = scopes_of(s->scopes, &s->table->rows[row], scopes);

        for (uint32_t i = 0; i < cnt; i++)
            if (is_whole(s, scopes[i]))
                choice->rows[next[scopes[i]]++] = row;
    }
    for (uint32_t scope = 0; scope < s->scopes->cnt; scope++) {
        uint32_t *rows = choice->rows + choice->first[scope];
        uint32_t cnt =
            is_whole(s, scope) ? next[scope] - choice->first[scope] : unite(s, scope, rows);

        memmove(choice->rows + at, rows, cnt * sizeof(*rows));
        choice->first[scope] = at;
        at += cnt;
    }
    choice->first[s->scopes->cnt] = at;
    free(next);
}

static uint32_t whole_max(enum fls_table_id id, uint32_t top_k)
{
    return fls_tables[id].size == FLS_SIZE_FEW ? FLS_FEW_ROWS_MAX : top_k;
}

void fls_top_add_bytes(uint64_t *bytes, const struct fls_table *table, enum fls_table_id id,
                       const struct fls_top_scopes *scopes, uint32_t top_k)
{
    struct selection s = {.table = table, .scopes = scopes};

    s.distinct = fls_array_new(scopes->cnt, sizeof(*s.distinct));
    count_distinct(&s);
    for (uint32_t scope = 0; scope < scopes->cnt; scope++) {
        uint64_t cnt = s.distinct[scope];

        if (cnt > whole_max(id, top_k)) /* arrays of candidates grow by doubling */
            cnt = (uint64_t)RANKED_CNT * top_k * (1 + 2 * sizeof(struct candidate) / 4);
        bytes[scope] += cnt * sizeof(uint32_t) + sizeof(*s.distinct);
    }
    free(s.distinct);
}

void fls_top_choose(struct fls_choice *choice, const struct fls_table *table, enum fls_table_id id,
                    const struct fls_names *names, const struct fls_top_scopes *scopes,
                    uint32_t top_k)
{
    struct selection s = {.table = table,
                          .names = names,
                          .kind = fls_tables[id].key,
                          .scopes = scopes,
                          .top_k = top_k,
                          .whole_max = whole_max(id, top_k)};

    fls_assert(top_k >= 1);
    s.distinct = fls_array_new(scopes->cnt, sizeof(*s.distinct));
    s.heaps = fls_array_new((size_t)scopes->cnt * RANKED_CNT, sizeof(*s.heaps));
    count_distinct(&s);
    offer_rows(&s);
    *choice = (struct fls_choice){.first = fls_array_new(scopes->cnt + 1, sizeof(*choice->first)),
                                  .distinct = s.distinct};
    collect(&s, choice);
    for (uint32_t i = 0; i < scopes->cnt * RANKED_CNT; i++)
        free(s.heaps[i].items);
    free(s.heaps);
}

void fls_choice_fini(struct fls_choice *choice)
{
    free(choice->rows);
    free(choice->first);
    free(choice->distinct);
    *choice = (struct fls_choice){0};
}

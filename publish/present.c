#include "publish/present.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/printable.h"
#include "base/threads.h"
#include "publish/key_text.h"
#include "publish/top.h"
#include "publish/uniques.h"
#include "shm/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Tables are read side by side. More threads would wait for the one that has the conversations,
 * most rows of all; and fewer rows are read before threads would have started. */
#define THREADS_MAX 4U
#define THREADS_ROWS_MIN (1U << 16)

#define TOTALS_ROOM_SZ 4096U /* of a part in a file: some hundred accounts */

/* The tables whose rows are addresses; what each counts is its own until both are read. */
enum { SOURCES, DESTINATIONS, ADDRESS_TABLE_CNT };
#define UNIQUES_SZ (ADDRESS_TABLE_CNT * sizeof(struct fls_uniques)) /* of a scope */

struct presentation {
    struct fls_view *view;
    const struct fls_merge_day *day;
    uint32_t top_k;
    uint64_t bytes_max; /* of a group of scopes, if it is more than one */
    unsigned thread_max;
    enum fls_table_id order[FLS_TABLE_CNT]; /* in which tables are read */
    uint32_t scope_cnt; /* the accounts that are presented and, last, the organisation */
    uint32_t *symbols;  /* by number of scope: symbol of the account */
    /* Of the group of scopes that is at hand: */
    uint32_t first, cnt;
    struct fls_top_scopes scopes; /* numbered from 0 within the group */
    uint32_t *of_account;         /* theirs */
    struct fls_top choices[FLS_TABLE_CNT];
    struct fls_uniques *uniques[ADDRESS_TABLE_CNT]; /* by number in the group; all at SOURCES,
                                                       after the last table */
    _Atomic bool is_torn;                           /* some table */
    struct fls_view_row *rows;                      /* of one scope */
    char *keys;                                     /* the texts that rows[] point to */
    size_t row_max, keys_max;
};

/* ---- scopes ---- */

/* Rows that gave way may be rows that were published, and all scopes show another error. */
static bool has_given_way_anew(const struct fls_parts *parts)
{
    const struct fls_merge_day *day = &parts->merged;

    for (uint32_t i = parts->first_new; i < day->part_cnt; i++)
        if (day->parts[i].reader.trailer.gave_way)
            return true;
    return false;
}

/* By symbol: whether the account has records in the new parts. False if one is damaged. */
static bool find_changed(const struct fls_parts *parts, bool *is_changed)
{
    const struct fls_merge_day *day = &parts->merged;

    for (uint32_t i = parts->first_new; i < day->part_cnt; i++) {
        const struct fls_merge_part *part = &day->parts[i];
        struct fls_part_cursor totals;
        uint8_t room[TOTALS_ROOM_SZ];

        fls_part_rows(&totals, &part->reader, FLS_TABLE_TOTALS, room, sizeof(room));
        while (fls_part_next(&totals))
            is_changed[part->numbers[totals.row.account]] = true;
        if (totals.is_torn)
            return false;
    }
    return true;
}

/* Every account has one row in the totals. */
static bool list_scopes(struct presentation *p, const bool *is_changed)
{
    struct fls_merge totals;
    struct fls_part_row row;
    uint32_t max = 0;

    fls_merge_begin(&totals, p->day, FLS_TABLE_TOTALS);
    while (fls_merge_next(&totals, &row)) {
        fls_array_reserve(p->symbols, max, p->scope_cnt + 1);
        if (is_changed == NULL || is_changed[row.account])
            p->symbols[p->scope_cnt++] = row.account;
    }
    p->scope_cnt += p->symbols != NULL; /* the organisation, if there is anything */
    fls_merge_end(&totals);
    return !totals.is_torn;
}

static bool choose_scopes(struct presentation *p, const struct fls_parts *parts, bool only_changed)
{
    bool *is_changed = NULL;
    bool is_whole = true;

    if (only_changed && !has_given_way_anew(parts)) {
        is_changed = fls_array_new(p->day->symbol_cnt, sizeof(*is_changed));
        is_whole = find_changed(parts, is_changed);
    }
    is_whole = is_whole && list_scopes(p, is_changed);
    free(is_changed);
    return is_whole;
}

static bool is_organisation(const struct presentation *p, uint32_t scope)
{
    return scope + 1 == p->scope_cnt;
}

/* ---- threads ---- */

static uint64_t row_cnt(const struct presentation *p, enum fls_table_id table)
{
    uint64_t cnt = 0;

    for (uint32_t i = 0; i < p->day->part_cnt; i++)
        cnt += p->day->parts[i].reader.trailer.row_cnt[table];
    return cnt;
}

/* The tables of the most rows first: the others fill the time until the last thread is done.
 * Returns the rows of all. */
static uint64_t order_tables(struct presentation *p)
{
    uint64_t all = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        uint64_t rows = row_cnt(p, (enum fls_table_id)i);
        int at = i;

        for (; at > 0 && row_cnt(p, p->order[at - 1]) < rows; at--)
            p->order[at] = p->order[at - 1];
        p->order[at] = (enum fls_table_id)i;
        all += rows;
    }
    return all;
}

/* What threads take in passing: the rows of a scope a second time, where they become heaps or are
 * sorted. */
static uint64_t bytes_in_passing(const struct presentation *p)
{
    uint64_t most = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        uint64_t bytes = fls_top_bytes((enum fls_table_id)i, UINT64_MAX, p->top_k);

        most = bytes > most ? bytes : most;
    }
    return THREADS_MAX * most;
}

/* Threads have to leave half of the memory to what is chosen. */
static void plan_threads(struct presentation *p)
{
    uint64_t bytes = bytes_in_passing(p);
    bool is_large = order_tables(p) >= THREADS_ROWS_MIN;

    p->thread_max = is_large && bytes <= p->bytes_max / 2 ? THREADS_MAX : 1;
    if (p->thread_max > 1)
        p->bytes_max -= bytes;
}

/* ---- groups ---- */

/* Makes the scopes first..first + cnt the group at hand. */
static void set_group(struct presentation *p, uint32_t first, uint32_t cnt)
{
    p->first = first;
    p->cnt = cnt;
    memset(p->of_account, 0xff, p->day->symbol_cnt * sizeof(*p->of_account)); /* FLS_TOP_NONE */
    p->scopes = (struct fls_top_scopes){
        .of_account = p->of_account, .organisation = FLS_TOP_NONE, .cnt = cnt};
    for (uint32_t i = 0; i < cnt; i++) {
        if (is_organisation(p, first + i))
            p->scopes.organisation = i;
        else
            p->of_account[p->symbols[first + i]] = i;
    }
}

/* What presenting all scopes at once takes at most; it usually fits. */
static uint64_t most_bytes(const struct presentation *p)
{
    uint64_t bytes = p->scope_cnt * UNIQUES_SZ;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        uint64_t rows = row_cnt(p, (enum fls_table_id)i);

        /* each is of an account, and may be a key of the organisation */
        bytes += fls_top_bytes_most((enum fls_table_id)i, p->scope_cnt, 2 * rows, p->top_k);
    }
    return bytes;
}

/* Of each scope of the group at hand: the number of its keys in the table. */
static bool count_keys(const struct presentation *p, enum fls_table_id table, uint64_t *distinct)
{
    struct fls_part_key last = {.flags = 0};
    struct fls_merge merge;
    struct fls_part_row row;
    bool has_last = false;

    memset(distinct, 0, p->cnt * sizeof(*distinct));
    fls_merge_begin(&merge, p->day, table);
    while (fls_merge_next(&merge, &row)) {
        if (p->of_account[row.account] != FLS_TOP_NONE)
            distinct[p->of_account[row.account]]++;
        if (!has_last || fls_part_key_compare(&last, &row.key) != 0)
            distinct[p->scopes.organisation]++;
        last = row.key;
        has_last = true;
    }
    fls_merge_end(&merge);
    return !merge.is_torn;
}

/* By number of scope: what presenting it takes. */
static bool sum_bytes(struct presentation *p, uint64_t *bytes)
{
    uint64_t *distinct = fls_array_new(p->scope_cnt, sizeof(*distinct));
    bool is_whole = true;

    set_group(p, 0, p->scope_cnt);
    for (uint32_t i = 0; i < p->scope_cnt; i++)
        bytes[i] = UNIQUES_SZ;
    for (int id = 0; id < FLS_TABLE_CNT && is_whole; id++) {
        is_whole = count_keys(p, (enum fls_table_id)id, distinct);
        for (uint32_t i = 0; i < p->scope_cnt; i++)
            bytes[i] += fls_top_bytes((enum fls_table_id)id, distinct[i], p->top_k);
    }
    free(distinct);
    return is_whole;
}

/* How many of the scopes from `first` on make a group. */
static uint32_t group_cnt(const struct presentation *p, const uint64_t *bytes, uint32_t first)
{
    uint64_t sum = bytes[first];
    uint32_t cnt = 1;

    while (first + cnt < p->scope_cnt && sum + bytes[first + cnt] <= p->bytes_max)
        sum += bytes[first + cnt++];
    return cnt;
}

/* ---- one pass over the day ---- */

/* Where unique addresses of the account are counted, NULL if nowhere. Those of the organisation are
 * those of all accounts, also of such that are not in the group. */
static struct fls_uniques *uniques_of(const struct presentation *p, int from, uint32_t account)
{
    uint32_t scope = p->of_account[account];

    if (scope == FLS_TOP_NONE)
        scope = p->scopes.organisation;
    return scope == FLS_TOP_NONE ? NULL : &p->uniques[from][scope];
}

static void add_gone(void *context, uint32_t account, const struct fls_uniques *gone)
{
    struct fls_uniques *uniques = uniques_of(context, SOURCES, account);

    if (uniques)
        fls_uniques_merge(uniques, gone);
}

/* Chooses among the table's rows, and counts its addresses. */
static void read_table(void *context, unsigned number)
{
    struct presentation *p = context;
    enum fls_table_id table = p->order[number];
    bool is_source = table == FLS_TABLE_SOURCE_ADDRESS;
    bool has_addresses = is_source || table == FLS_TABLE_DESTINATION_ADDRESS;
    struct fls_uniques_address last = {.is_there = false};
    struct fls_merge merge;
    struct fls_part_row row;

    if (p->is_torn)
        return;
    fls_merge_begin(&merge, p->day, table);
    while (fls_merge_next(&merge, &row)) {
        struct fls_uniques *uniques =
            has_addresses ? uniques_of(p, is_source ? SOURCES : DESTINATIONS, row.account) : NULL;

        fls_top_add(&p->choices[table], &row);
        if (uniques)
            fls_uniques_add(uniques, &row, is_source, &last);
    }
    fls_merge_end(&merge);
    fls_top_finish(&p->choices[table]);
    if (merge.is_torn)
        p->is_torn = true;
}

static void unite_uniques(struct presentation *p)
{
    uint32_t organisation = p->scopes.organisation;

    for (uint32_t i = 0; i < p->cnt; i++)
        fls_uniques_merge(&p->uniques[SOURCES][i], &p->uniques[DESTINATIONS][i]);
    for (uint32_t i = 0; i < p->cnt && organisation != FLS_TOP_NONE; i++)
        if (i != organisation)
            fls_uniques_merge(&p->uniques[SOURCES][organisation], &p->uniques[SOURCES][i]);
}

/* False if a part is damaged. */
static bool read_day(struct presentation *p)
{
    fls_threads_run(p->thread_max, FLS_TABLE_CNT, read_table, p);
    if (p->is_torn || !fls_merge_gone(p->day, add_gone, p))
        return false;
    unite_uniques(p);
    return true;
}

/* ---- one scope ---- */

/* Room for the texts of all rows of the scope, so that they stay where they are. */
static void make_room(struct presentation *p, uint32_t scope)
{
    size_t row_cnt = 0, keys_sz = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        const struct fls_top_scope *chosen = &p->choices[i].by_scope[scope];

        row_cnt += chosen->row_cnt;
        for (uint32_t k = 0; k < chosen->row_cnt; k++)
            keys_sz += fls_key_text_max(&chosen->rows[k].key, fls_tables[i].key, p->day->symbols);
    }
    fls_array_reserve(p->rows, p->row_max, row_cnt);
    fls_array_reserve(p->keys, p->keys_max, keys_sz);
}

/* The scope's tables that have rows, or may have had some that gave way; their rows and texts stand
 * in p->rows and p->keys. */
static uint32_t spell_tables(struct presentation *p, uint32_t scope,
                             struct fls_view_table tables[FLS_TABLE_CNT])
{
    struct fls_view_row *out = p->rows;
    uint32_t table_cnt = 0;
    char *text = p->keys;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        const struct fls_top_scope *chosen = &p->choices[i].by_scope[scope];
        bool gave_way = fls_merge_gave_way(p->day, (enum fls_table_id)i);

        if (chosen->row_cnt == 0 && !gave_way)
            continue;
        tables[table_cnt++] = (struct fls_view_table){.id = (enum fls_table_id)i,
                                                      .distinct = chosen->distinct,
                                                      .distinct_is_known = !gave_way,
                                                      .max_error = p->day->max_errors[i],
                                                      .row_cnt = chosen->row_cnt,
                                                      .rows = out};
        for (uint32_t k = 0; k < chosen->row_cnt; k++) {
            const struct fls_chosen *row = &chosen->rows[k];
            size_t sz = fls_key_text(&row->key, fls_tables[i].key, p->day->symbols, text);

            *out++ = (struct fls_view_row){.key = {(const uint8_t *)text, sz},
                                           .counters = row->counters};
            text += sz;
        }
    }
    return table_cnt;
}

static int put_scope(struct presentation *p, uint32_t scope)
{
    struct fls_view_table tables[FLS_TABLE_CNT];
    uint8_t external_sources[FLS_HLL_SZ], own_addresses[FLS_HLL_SZ];
    struct fls_view_scope put = {.day = p->day->day,
                                 .tables = tables,
                                 .external_sources = external_sources,
                                 .own_addresses = own_addresses};
    char *account = NULL;
    int error;

    make_room(p, scope);
    put.table_cnt = spell_tables(p, scope, tables);
    if (!is_organisation(p, p->first + scope))
        account = fls_printable_string(p->day->symbols[p->symbols[p->first + scope]]);
    put.account = account;
    fls_hll_encode(&p->uniques[SOURCES][scope].external_sources, external_sources);
    fls_hll_encode(&p->uniques[SOURCES][scope].own_addresses, own_addresses);
    fls_metrics_turn();
    error = fls_view_put_scope(p->view, &put);
    free(account);
    return error;
}

static int put_group(struct presentation *p, struct fls_parts *parts)
{
    int error = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_top_init(&p->choices[i], (enum fls_table_id)i, p->day, &p->scopes, p->top_k);
    for (int i = 0; i < ADDRESS_TABLE_CNT; i++)
        p->uniques[i] = fls_array_new(p->cnt, sizeof(*p->uniques[i]));
    if (!read_day(p))
        error = fls_parts_tell_torn(parts);
    for (uint32_t i = 0; i < p->cnt && error == 0; i++)
        error = put_scope(p, i);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_top_fini(&p->choices[i]);
    for (int i = 0; i < ADDRESS_TABLE_CNT; i++)
        free(p->uniques[i]);
    return error;
}

static int put_groups(struct presentation *p, struct fls_parts *parts)
{
    uint64_t *bytes = fls_array_new(p->scope_cnt, sizeof(*bytes));
    bool fit_all;
    int error = 0;

    plan_threads(p);
    fit_all = most_bytes(p) <= p->bytes_max;
    p->of_account = fls_array_new(p->day->symbol_cnt, sizeof(*p->of_account));
    if (!fit_all && !sum_bytes(p, bytes))
        error = fls_parts_tell_torn(parts);
    for (uint32_t first = 0; first < p->scope_cnt && error == 0; first += p->cnt) {
        set_group(p, first, fit_all ? p->scope_cnt : group_cnt(p, bytes, first));
        error = put_group(p, parts);
    }
    free(bytes);
    free(p->of_account);
    return error;
}

int fls_present_day(struct fls_view *view, struct fls_parts *parts, uint32_t top_k,
                    bool only_changed, uint64_t bytes_max)
{
    struct presentation p = {
        .view = view, .day = &parts->merged, .top_k = top_k, .bytes_max = bytes_max};
    int error = 0;

    if (!choose_scopes(&p, parts, only_changed))
        error = fls_parts_tell_torn(parts);
    else if (p.scope_cnt > 0)
        error = put_groups(&p, parts);
    free(p.symbols);
    free(p.rows);
    free(p.keys);
    return error;
}

#include "publish/present.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/printable.h"
#include "publish/key_text.h"
#include "publish/top.h"
#include "publish/uniques.h"
#include "shm/metrics.h"

#include <stdlib.h>
#include <string.h>

struct presentation {
    struct fls_view *view;
    const struct fls_fold_day *day;
    uint32_t top_k;
    bool only_changed;
    uint64_t bytes_max; /* of a group of scopes, if it is more than one */
    uint32_t symbol_cnt;
    uint32_t scope_cnt; /* the accounts and, last, the organisation */
    uint32_t *symbols;  /* by number of scope: symbol of the account */
    uint32_t *totals;   /* by number of scope: row in the totals */
    /* Of the group of scopes that is at hand: */
    uint32_t first, cnt;
    struct fls_top_scopes scopes; /* numbered from 0 within the group */
    uint32_t *of_account;         /* theirs */
    struct fls_choice choices[FLS_TABLE_CNT];
    struct fls_uniques *uniques; /* by number in the group */
    struct fls_uniques *all;     /* of the groups so far */
    struct fls_view_row *rows;   /* of one scope */
    char *keys;                  /* the texts that rows[] point to */
    size_t row_max, keys_max;
};

/* Every scope has one row in the totals. */
static void list_scopes(struct presentation *p)
{
    const struct fls_table *totals = &p->day->figures.tables[FLS_TABLE_TOTALS];
    uint32_t accounts = 0;

    p->symbols = fls_array_new(totals->row_cnt, sizeof(*p->symbols));
    p->totals = fls_array_new(totals->row_cnt, sizeof(*p->totals));
    p->scope_cnt = totals->row_cnt;
    for (uint32_t row = 0; row < totals->row_cnt; row++) {
        uint32_t symbol = totals->rows[row].key.scope;

        if (symbol == FLS_SCOPE_ORGANISATION) {
            p->totals[p->scope_cnt - 1] = row;
            continue;
        }
        p->symbols[accounts] = symbol;
        p->totals[accounts++] = row;
    }
    fls_assert(accounts + 1 == p->scope_cnt);
}

static bool is_organisation(const struct presentation *p, uint32_t scope)
{
    return scope + 1 == p->scope_cnt;
}

/* ---- groups ---- */

/* Makes the scopes first..first + cnt the group at hand. */
static void set_group(struct presentation *p, uint32_t first, uint32_t cnt)
{
    p->first = first;
    p->cnt = cnt;
    memset(p->of_account, 0xff, p->symbol_cnt * sizeof(*p->of_account)); /* FLS_TOP_NONE */
    p->scopes = (struct fls_top_scopes){
        .of_account = p->of_account, .organisation = FLS_TOP_NONE, .cnt = cnt};
    for (uint32_t i = 0; i < cnt; i++) {
        if (is_organisation(p, first + i))
            p->scopes.organisation = i;
        else
            p->of_account[p->symbols[first + i]] = i;
    }
}

/* By number of scope: what presenting it takes. */
static uint64_t *sum_bytes(struct presentation *p)
{
    uint64_t *bytes = fls_array_new(p->scope_cnt, sizeof(*bytes));

    set_group(p, 0, p->scope_cnt);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_top_add_bytes(bytes, &p->day->figures.tables[i], (enum fls_table_id)i, &p->scopes,
                          p->top_k);
    for (uint32_t scope = 0; scope < p->scope_cnt; scope++)
        bytes[scope] += sizeof(*p->uniques);
    return bytes;
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

static void count_table(struct presentation *p, enum fls_table_id id)
{
    const struct fls_table *table = &p->day->figures.tables[id];

    for (uint32_t row = 0; row < table->row_cnt; row++) {
        uint32_t account = fls_row_account(&table->rows[row]);

        if (account != FLS_SCOPE_ORGANISATION && p->of_account[account] != FLS_TOP_NONE)
            fls_uniques_add(&p->uniques[p->of_account[account]], &table->rows[row],
                            id == FLS_TABLE_SOURCE_ADDRESS, &p->day->names);
    }
}

/* Those of the organisation, which comes last, are those of all accounts. */
static void count_uniques(struct presentation *p)
{
    const struct fls_day *figures = &p->day->figures;

    count_table(p, FLS_TABLE_SOURCE_ADDRESS);
    count_table(p, FLS_TABLE_DESTINATION_ADDRESS);
    for (uint32_t i = 0; i < p->cnt; i++) {
        uint32_t symbol;

        if (is_organisation(p, p->first + i)) {
            p->uniques[i] = *p->all;
            return;
        }
        symbol = p->symbols[p->first + i];
        if (symbol < figures->gone_max && figures->gone[symbol])
            fls_uniques_merge(&p->uniques[i], figures->gone[symbol]);
        fls_uniques_merge(p->all, &p->uniques[i]);
    }
}

/* ---- one scope ---- */

/* Room for the texts of all rows of the scope, so that they stay where they are. */
static void make_room(struct presentation *p, uint32_t scope)
{
    size_t row_cnt = 0, keys_sz = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        const struct fls_choice *choice = &p->choices[i];

        for (uint32_t k = choice->first[scope]; k < choice->first[scope + 1]; k++, row_cnt++)
            keys_sz += fls_key_text_max(&p->day->figures.tables[i].rows[choice->rows[k]].key,
                                        fls_tables[i].key, &p->day->names);
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
        const struct fls_choice *choice = &p->choices[i];
        uint32_t row_cnt = choice->first[scope + 1] - choice->first[scope];

        bool gave_way = fls_day_gave_way(&p->day->figures, i);

        if (row_cnt == 0 && !gave_way)
            continue;
        tables[table_cnt++] = (struct fls_view_table){.id = (enum fls_table_id)i,
                                                      .distinct = choice->distinct[scope],
                                                      .distinct_is_known = !gave_way,
                                                      .max_error = p->day->figures.max_errors[i],
                                                      .row_cnt = row_cnt,
                                                      .rows = out};
        for (uint32_t k = choice->first[scope]; k < choice->first[scope + 1]; k++) {
            const struct fls_row *row = &p->day->figures.tables[i].rows[choice->rows[k]];
            size_t sz = fls_key_text(&row->key, fls_tables[i].key, &p->day->names, text);

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
    struct fls_view_scope put = {.day = p->day->figures.day,
                                 .tables = tables,
                                 .external_sources = external_sources,
                                 .own_addresses = own_addresses};
    char *account = NULL;
    int error;

    make_room(p, scope);
    put.table_cnt = spell_tables(p, scope, tables);
    if (!is_organisation(p, p->first + scope))
        account = fls_printable_string(
            fls_dictionary_text(&p->day->names.symbols, p->symbols[p->first + scope]));
    put.account = account;
    fls_hll_encode(&p->uniques[scope].external_sources, external_sources);
    fls_hll_encode(&p->uniques[scope].own_addresses, own_addresses);
    fls_metrics_turn();
    error = fls_view_put_scope(p->view, &put);
    free(account);
    return error;
}

static int put_group(struct presentation *p)
{
    int error = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_top_choose(&p->choices[i], &p->day->figures.tables[i], (enum fls_table_id)i,
                       &p->day->names, &p->scopes, p->top_k);
    p->uniques = fls_array_new(p->cnt, sizeof(*p->uniques));
    count_uniques(p);
    for (uint32_t i = 0; i < p->cnt && error == 0; i++)
        if (!p->only_changed || fls_fold_has_changed(p->day, p->totals[p->first + i]))
            error = put_scope(p, i);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_choice_fini(&p->choices[i]);
    free(p->uniques);
    return error;
}

int fls_present_day(struct fls_view *view, const struct fls_fold_day *day, uint32_t top_k,
                    bool only_changed, uint64_t bytes_max)
{
    struct presentation p = {.view = view,
                             .day = day,
                             .top_k = top_k,
                             .only_changed = only_changed,
                             .bytes_max = bytes_max,
                             .symbol_cnt = day->names.symbols.cnt};
    uint64_t *bytes;
    int error = 0;

    if (day->figures.tables[FLS_TABLE_TOTALS].row_cnt == 0)
        return 0;
    list_scopes(&p);
    p.of_account = fls_array_new(p.symbol_cnt, sizeof(*p.of_account));
    p.all = fls_array_new(1, sizeof(*p.all));
    bytes = sum_bytes(&p);
    for (uint32_t first = 0; first < p.scope_cnt && error == 0; first += p.cnt) {
        set_group(&p, first, group_cnt(&p, bytes, first));
        error = put_group(&p);
    }
    free(bytes);
    free(p.symbols);
    free(p.totals);
    free(p.of_account);
    free(p.all);
    free(p.rows);
    free(p.keys);
    return error;
}

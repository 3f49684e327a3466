#include "publish/present.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/printable.h"
#include "enrich/own.h"
#include "publish/key_text.h"
#include "publish/top.h"
#include "shm/metrics.h"

#include <stdlib.h>
#include <string.h>

struct presentation {
    struct fls_view *view;
    const struct fls_fold_day *day;
    uint32_t *scopes;   /* by symbol: number of the scope, UINT32_MAX if it is none */
    uint32_t scope_cnt; /* the accounts and, last, the organisation */
    uint32_t *symbols;  /* by number of scope: symbol of the account */
    uint32_t *totals;   /* by number of scope: row in the totals */
    struct fls_choice choices[FLS_TABLE_CNT];
    struct fls_uniques *uniques; /* by number of scope */
    struct fls_view_row *rows;
    char *keys; /* the texts that rows[] point to */
    size_t row_max, keys_max;
};

/* Every scope has one row in the totals. */
static void number_scopes(struct presentation *p)
{
    const struct fls_table *totals = &p->day->figures.tables[FLS_TABLE_TOTALS];
    uint32_t symbol_cnt = p->day->names.symbols.cnt, accounts = 0;

    p->scopes = fls_array_new(symbol_cnt, sizeof(*p->scopes));
    p->symbols = fls_array_new(totals->row_cnt, sizeof(*p->symbols));
    p->totals = fls_array_new(totals->row_cnt, sizeof(*p->totals));
    memset(p->scopes, 0xff, symbol_cnt * sizeof(*p->scopes));
    p->scope_cnt = totals->row_cnt;
    for (uint32_t row = 0; row < totals->row_cnt; row++) {
        uint32_t symbol = totals->rows[row].key.scope;

        if (symbol == FLS_SCOPE_ORGANISATION) {
            p->totals[p->scope_cnt - 1] = row;
            continue;
        }
        p->scopes[symbol] = accounts;
        p->symbols[accounts] = symbol;
        p->totals[accounts++] = row;
    }
    fls_assert(accounts + 1 == p->scope_cnt);
}

/* An address is own if its network is; an IPv6 address also if it was on the interface's side, and
 * it is external where it was on the far side. */
static void count_address(struct presentation *p, const struct fls_row *row, bool is_source)
{
    uint32_t scope = p->scopes[fls_row_account(row)];
    struct fls_uniques *uniques = &p->uniques[scope];
    bool is_ipv6 = row->key.flags & FLS_A_IS_IPV6;
    struct fls_ip ip = fls_key_address(row->key.a, is_ipv6, &p->day->names);
    bool is_own_network = fls_own_contains(&ip);
    char text[FLS_IP_TEXT_MAX];
    struct fls_span element = {(const uint8_t *)text, (size_t)fls_ip_format(&ip, text)};

    fls_assert(scope < p->scope_cnt);
    if (is_own_network || (row->marks & FLS_MARK_OWN_SIDE))
        fls_hll_add(&uniques->own_addresses, element);
    if (is_source && !is_own_network && (!is_ipv6 || (row->marks & FLS_MARK_FAR_SIDE)))
        fls_hll_add(&uniques->external_sources, element);
}

static void count_uniques(struct presentation *p)
{
    static const enum fls_table_id tables[] = {FLS_TABLE_SOURCE_ADDRESS,
                                               FLS_TABLE_DESTINATION_ADDRESS};

    p->uniques = fls_array_new(p->scope_cnt, sizeof(*p->uniques));
    for (int i = 0; i < 2; i++) {
        const struct fls_table *table = &p->day->figures.tables[tables[i]];

        for (uint32_t row = 0; row < table->row_cnt; row++)
            if (fls_row_account(&table->rows[row]) != FLS_SCOPE_ORGANISATION)
                count_address(p, &table->rows[row], tables[i] == FLS_TABLE_SOURCE_ADDRESS);
    }
    for (uint32_t scope = 0; scope + 1 < p->scope_cnt; scope++) {
        struct fls_uniques *all = &p->uniques[p->scope_cnt - 1];

        fls_hll_merge(&all->external_sources, &p->uniques[scope].external_sources);
        fls_hll_merge(&all->own_addresses, &p->uniques[scope].own_addresses);
    }
}

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

/* The scope's tables that have rows; their rows and texts stand in p->rows and p->keys. */
static uint32_t spell_tables(struct presentation *p, uint32_t scope,
                             struct fls_view_table tables[FLS_TABLE_CNT])
{
    struct fls_view_row *out = p->rows;
    uint32_t table_cnt = 0;
    char *text = p->keys;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        const struct fls_choice *choice = &p->choices[i];
        uint32_t row_cnt = choice->first[scope + 1] - choice->first[scope];

        if (row_cnt == 0)
            continue;
        tables[table_cnt++] = (struct fls_view_table){.id = (enum fls_table_id)i,
                                                      .distinct = choice->distinct[scope],
                                                      .distinct_is_known = true,
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
    if (scope + 1 < p->scope_cnt)
        account =
            fls_printable_string(fls_dictionary_text(&p->day->names.symbols, p->symbols[scope]));
    put.account = account;
    fls_hll_encode(&p->uniques[scope].external_sources, external_sources);
    fls_hll_encode(&p->uniques[scope].own_addresses, own_addresses);
    fls_metrics_turn();
    error = fls_view_put_scope(p->view, &put);
    free(account);
    return error;
}

static int put_scopes(struct presentation *p, bool only_changed)
{
    int error = 0;

    for (uint32_t scope = 0; scope < p->scope_cnt && error == 0; scope++)
        if (!only_changed || fls_fold_has_changed(p->day, p->totals[scope]))
            error = put_scope(p, scope);
    return error;
}

int fls_present_day(struct fls_view *view, const struct fls_fold_day *day, uint32_t top_k,
                    bool only_changed)
{
    struct presentation p = {.view = view, .day = day};
    int error;

    if (day->figures.tables[FLS_TABLE_TOTALS].row_cnt == 0)
        return 0;
    number_scopes(&p);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_top_choose(&p.choices[i], &day->figures.tables[i], (enum fls_table_id)i, &day->names,
                       p.scopes, p.scope_cnt, top_k);
    count_uniques(&p);
    error = put_scopes(&p, only_changed);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_choice_fini(&p.choices[i]);
    free(p.scopes);
    free(p.symbols);
    free(p.totals);
    free(p.uniques);
    free(p.rows);
    free(p.keys);
    return error;
}

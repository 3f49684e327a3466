/* A simple model of the figures of a day: what each key, spelled out with its texts, has. */
#pragma once

#include "base/day.h"

#include <stdlib.h>

#define FIGURES_KEY_MAX 32768

struct figures {
    struct fls_dictionary keys;
    struct figure {
        struct fls_counters counters;
        uint32_t marks;
    } * figures; /* by the key's number */
    uint32_t max;
};

/* A key under construction. */
struct figures_key {
    uint8_t bytes[FIGURES_KEY_MAX];
    size_t sz;
};

static inline void figures_put(struct figures_key *key, const void *from, size_t sz)
{
    uint32_t prefix = (uint32_t)sz;

    assert_true(key->sz + sizeof(prefix) + sz <= sizeof(key->bytes));
    memcpy(key->bytes + key->sz, &prefix, sizeof(prefix));
    if (sz)
        memcpy(key->bytes + key->sz + sizeof(prefix), from, sz);
    key->sz += sizeof(prefix) + sz;
}

static inline void figures_put_span(struct figures_key *key, struct fls_span text)
{
    figures_put(key, text.at, text.sz);
}

/* A key begins with its table and its scope: the account's text, or of the organisation. */
static inline void figures_begin(struct figures_key *key, int table, const struct fls_span *account)
{
    key->sz = 0;
    figures_put(key, &table, sizeof(table));
    figures_put(key, account ? "account" : "organisation", 3);
    figures_put_span(key, account ? *account : FLS_SPAN(""));
}

static inline struct figure *figures_at(struct figures *figures, const struct figures_key *key)
{
    uint32_t number = fls_dictionary_intern(&figures->keys, (struct fls_span){key->bytes, key->sz});

    if (number >= figures->max) {
        uint32_t max = number * 2 + 64;

        figures->figures = realloc(figures->figures, max * sizeof(struct figure));
        assert_non_null(figures->figures);
        memset(figures->figures + figures->max, 0, (max - figures->max) * sizeof(struct figure));
        figures->max = max;
    }
    return &figures->figures[number];
}

static inline void figures_add(struct figures *figures, const struct figures_key *key,
                               const struct fls_counters *more, uint32_t marks)
{
    struct figure *figure = figures_at(figures, key);

    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        uint64_t room = INT64_MAX - figure->counters.value[i];

        figure->counters.value[i] += more->value[i] < room ? more->value[i] : room;
    }
    figure->marks |= marks;
}

static inline void figures_clear(struct figures *figures)
{
    fls_dictionary_clear(&figures->keys);
    if (figures->figures)
        memset(figures->figures, 0, figures->max * sizeof(struct figure));
}

static inline void figures_fini(struct figures *figures)
{
    fls_dictionary_fini(&figures->keys);
    free(figures->figures);
    *figures = (struct figures){0};
}

static inline void figures_put_address(struct figures_key *key, const struct fls_names *names,
                                       uint32_t address, int is_ipv6)
{
    if (is_ipv6)
        figures_put_span(key, fls_dictionary_text(&names->ipv6, address));
    else
        figures_put(key, &address, sizeof(address));
}

/* The key of a row of a day; `absent` is how the scope of records without an account is called. */
static inline void figures_spell(struct figures_key *key, int table, const struct fls_row *row,
                                 const struct fls_names *names, struct fls_span absent)
{
    struct fls_span account = absent;

    if (row->key.scope != FLS_SCOPE_ORGANISATION && row->key.scope != FLS_SYMBOL_ABSENT)
        account = fls_dictionary_text(&names->symbols, row->key.scope);
    figures_begin(key, table, row->key.scope == FLS_SCOPE_ORGANISATION ? NULL : &account);
    switch (fls_tables[table].key) {
    case FLS_KEY_CONVERSATION:
        figures_put_address(key, names, row->key.a, row->key.flags & FLS_A_IS_IPV6);
        figures_put_address(key, names, row->key.b, row->key.flags & FLS_B_IS_IPV6);
        break;
    case FLS_KEY_ADDRESS:
        figures_put_address(key, names, row->key.a, row->key.flags & FLS_A_IS_IPV6);
        break;
    case FLS_KEY_ATTRIBUTE:
        figures_put_span(key, fls_dictionary_text(&names->symbols, row->key.a));
        break;
    default:
        figures_put(key, &row->key.a, sizeof(row->key.a));
    }
    figures_put(key, &row->key.protocol, 1);
    figures_put(key, &row->key.port, 2);
}

/* The row's figures in one of its scopes are those of the model. */
static inline void figures_check_row(const struct figures *figures, int table,
                                     const struct fls_row *row, uint32_t scope,
                                     const struct fls_names *names)
{
    const struct figure *figure;
    struct fls_row in_scope = *row;
    struct figures_key key;
    uint32_t number;

    in_scope.key.scope = scope;
    figures_spell(&key, table, &in_scope, names, FLS_SPAN(""));
    if (!fls_dictionary_find(&figures->keys, (struct fls_span){key.bytes, key.sz}, &number))
        fail_msg("a row of %s is not in the model", fls_tables[table].name);
    figure = &figures->figures[number];
    assert_memory_equal(&figure->counters, &row->counters, sizeof(row->counters));
    assert_int_equal(figure->marks, row->marks & FLS_MARKS_ALL);
}

/* The day has the figures of the model, no more and no less. */
static inline void figures_check(struct figures *figures, const struct fls_day *day,
                                 const struct fls_names *names)
{
    uint32_t row_cnt = 0;

    for (int t = 0; t < FLS_TABLE_CNT; t++)
        for (uint32_t i = 0; i < day->tables[t].row_cnt; i++) {
            const struct fls_row *row = &day->tables[t].rows[i];
            uint32_t scopes[2], cnt = fls_row_scopes(row, scopes);

            for (uint32_t k = 0; k < cnt; k++, row_cnt++)
                figures_check_row(figures, t, row, scopes[k], names);
            assert_ptr_equal(fls_table_find(&day->tables[t], &row->key, fls_key_hash(&row->key)),
                             row);
        }
    assert_int_equal(row_cnt, figures->keys.cnt);
}

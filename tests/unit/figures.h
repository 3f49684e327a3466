/* A simple model of the figures of a day: what each account and key, spelled out with their texts,
 * has; and the rows of a part, added to it. */
#pragma once

#include "base/dictionary.h"
#include "shm/part_reader.h"

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

/* A key under construction: of a row spelled out. Others may be any bytes. */
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

/* A key begins with its table and its account. */
static inline void figures_begin(struct figures_key *key, int table, struct fls_span account)
{
    key->sz = 0;
    figures_put(key, &table, sizeof(table));
    figures_put_span(key, account);
}

static inline struct fls_span figures_span(const struct figures_key *key)
{
    return (struct fls_span){key->bytes, key->sz};
}

static inline struct figure *figures_at(struct figures *figures, struct fls_span key)
{
    uint32_t number = fls_dictionary_intern(&figures->keys, key);

    if (number >= figures->max) {
        uint32_t max = number * 2 + 64;

        figures->figures = realloc(figures->figures, max * sizeof(struct figure));
        assert_non_null(figures->figures);
        memset(figures->figures + figures->max, 0, (max - figures->max) * sizeof(struct figure));
        figures->max = max;
    }
    return &figures->figures[number];
}

static inline void figures_add(struct figures *figures, struct fls_span key,
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

static inline void figures_put_address(struct figures_key *key, uint64_t high, uint64_t low,
                                       bool is_ipv6)
{
    uint8_t bytes[16];

    if (!is_ipv6) {
        assert_true(high == 0 && low <= UINT32_MAX);
        figures_put(key, &low, sizeof(uint32_t));
        return;
    }
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(high >> (56 - 8 * i));
        bytes[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    figures_put(key, bytes, sizeof(bytes));
}

/* The key of a row of a part. */
static inline void figures_spell(struct figures_key *key, int table,
                                 const struct fls_part_reader *reader,
                                 const struct fls_part_row *row)
{
    uint8_t protocol = fls_part_protocol(&row->key);
    uint16_t port = fls_part_port(&row->key);
    uint32_t number = (uint32_t)row->key.a_low;

    figures_begin(key, table, reader->symbols[row->account]);
    switch (fls_tables[table].key) {
    case FLS_KEY_CONVERSATION:
    case FLS_KEY_ADDRESS:
        figures_put_address(key, row->key.a_high, row->key.a_low, row->key.flags & FLS_A_IS_IPV6);
        if (fls_tables[table].key == FLS_KEY_CONVERSATION)
            figures_put_address(key, row->key.b_high, row->key.b_low,
                                row->key.flags & FLS_B_IS_IPV6);
        break;
    case FLS_KEY_ATTRIBUTE:
        figures_put_span(key, reader->symbols[number]);
        break;
    default:
        figures_put(key, &number, sizeof(number));
    }
    figures_put(key, &protocol, 1);
    figures_put(key, &port, 2);
}

/* Adds what the part has, which is whole and in order. */
static inline void figures_add_part(struct figures *figures, struct fls_span part)
{
    static struct figures_key key;
    struct fls_part_reader reader;

    assert_true(fls_part_open(&reader, fls_part_in_memory(part)));
    for (int t = 0; t < FLS_TABLE_CNT; t++) {
        struct fls_part_cursor cursor;
        struct fls_part_row last = {.account = 0};
        uint64_t cnt = 0;

        fls_part_rows(&cursor, &reader, (enum fls_table_id)t, NULL, 0);
        for (; fls_part_next(&cursor); cnt++) {
            assert_true(cnt == 0 || fls_part_row_compare(&last, &cursor.row) < 0);
            last = cursor.row;
            figures_spell(&key, t, &reader, &last);
            figures_add(figures, figures_span(&key), &last.counters, last.marks);
        }
        assert_false(cursor.is_torn);
        assert_int_equal(cnt, reader.trailer.row_cnt[t]);
    }
    fls_part_close(&reader);
}

/* Both have the same keys with the same figures. */
static inline void figures_expect_equal(const struct figures *a, const struct figures *b)
{
    assert_int_equal(a->keys.cnt, b->keys.cnt);
    for (uint32_t i = 0; i < a->keys.cnt; i++) {
        uint32_t number;

        assert_true(fls_dictionary_find(&b->keys, fls_dictionary_text(&a->keys, i), &number));
        assert_memory_equal(&a->figures[i], &b->figures[number], sizeof(struct figure));
    }
}

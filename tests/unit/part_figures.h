/* The rows of a part, added to the figures of a model. */
#pragma once

#include "figures.h"

#include "shm/part_reader.h"

static inline void figures_put_part_address(struct figures_key *key, uint64_t high, uint64_t low,
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

/* The key of a row of a part, as figures_spell has it. */
static inline void figures_spell_part(struct figures_key *key, int table,
                                      const struct fls_part_reader *reader,
                                      const struct fls_part_row *row)
{
    uint8_t protocol = fls_part_protocol(&row->key);
    uint16_t port = fls_part_port(&row->key);
    uint32_t number = (uint32_t)row->key.a_low;

    figures_begin(key, table, &reader->symbols[row->account]);
    switch (fls_tables[table].key) {
    case FLS_KEY_CONVERSATION:
    case FLS_KEY_ADDRESS:
        figures_put_part_address(key, row->key.a_high, row->key.a_low,
                                 row->key.flags & FLS_A_IS_IPV6);
        if (fls_tables[table].key == FLS_KEY_CONVERSATION)
            figures_put_part_address(key, row->key.b_high, row->key.b_low,
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

    assert_true(fls_part_open(&reader, part));
    for (int t = 0; t < FLS_TABLE_CNT; t++) {
        struct fls_part_cursor cursor;
        struct fls_part_row last = {.account = 0};
        uint64_t cnt = 0;

        for (fls_part_rows(&cursor, &reader, (enum fls_table_id)t); fls_part_next(&cursor); cnt++) {
            assert_true(cnt == 0 || fls_part_row_compare(&last, &cursor.row) < 0);
            last = cursor.row;
            figures_spell_part(&key, t, &reader, &last);
            figures_add(figures, &key, &last.counters, last.marks);
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

/* Rows of one day, collected in any order, and written as a part. */
#pragma once

#include "base/array.h"
#include "base/dictionary.h"
#include "base/hll.h"
#include "base/ip.h"
#include "shm/part_writer.h"

#include "scratch.h"

struct rows {
    struct fls_dictionary symbols; /* numbers in rows are of this one; 0 is the empty text */
    struct fls_part_row *at[FLS_TABLE_CNT];
    uint32_t cnt[FLS_TABLE_CNT], max[FLS_TABLE_CNT];
    struct fls_counters max_errors[FLS_TABLE_CNT];
    struct fls_uniques **gone; /* by symbol of the account */
    uint32_t gone_max;
};

static inline uint32_t rows_symbol(struct rows *rows, struct fls_span text)
{
    if (rows->symbols.cnt == 0)
        fls_dictionary_intern(&rows->symbols, FLS_SPAN(""));
    return fls_dictionary_intern(&rows->symbols, text);
}

static inline void rows_add(struct rows *rows, enum fls_table_id table,
                            const struct fls_part_row *row)
{
    fls_array_reserve(rows->at[table], rows->max[table], rows->cnt[table] + 1);
    rows->at[table][rows->cnt[table]++] = *row;
}

/* Addresses of the account that gave way. */
static inline struct fls_uniques *rows_gone(struct rows *rows, uint32_t account)
{
    uint32_t max = rows->gone_max;

    fls_array_reserve(rows->gone, rows->gone_max, account + 1);
    for (; max < rows->gone_max; max++)
        rows->gone[max] = NULL;
    if (rows->gone[account] == NULL)
        rows->gone[account] = fls_array_new(1, sizeof(**rows->gone));
    return rows->gone[account];
}

static inline void rows_fini(struct rows *rows)
{
    for (int id = 0; id < FLS_TABLE_CNT; id++)
        free(rows->at[id]);
    for (uint32_t i = 0; i < rows->gone_max; i++)
        free(rows->gone[i]);
    free(rows->gone);
    fls_dictionary_fini(&rows->symbols);
}

/* Spells the address as the first, or as the second of the key. */
static inline void key_set_address(struct fls_part_key *key, bool is_second, const char *text)
{
    uint64_t *high = is_second ? &key->b_high : &key->a_high;
    uint64_t *low = is_second ? &key->b_low : &key->a_low;
    struct fls_ip ip;
    uint32_t ipv4;

    assert_true(fls_ip_parse(fls_span_of(text), &ip));
    if (ip.is_ipv6) {
        key->flags |= is_second ? FLS_B_IS_IPV6 : FLS_A_IS_IPV6;
        fls_part_set_ipv6(high, low, ip.bytes);
        return;
    }
    memcpy(&ipv4, ip.bytes, 4);
    *low = __builtin_bswap32(ipv4);
}

/* ---- writing ---- */

static const struct rows *rows_being_sorted;

static inline int rows_compare_symbols(const void *a, const void *b)
{
    const struct fls_dictionary *symbols = &rows_being_sorted->symbols;

    return fls_span_order(fls_dictionary_text(symbols, *(const uint32_t *)a),
                          fls_dictionary_text(symbols, *(const uint32_t *)b));
}

static inline int rows_compare(const void *a, const void *b)
{
    return fls_part_row_compare(a, b);
}

/* numbers[]: where each symbol stands among the texts in ascending order. */
static inline void rows_order_symbols(const struct rows *rows, uint32_t *numbers,
                                      struct fls_span *texts)
{
    uint32_t cnt = rows->symbols.cnt, *order = malloc(cnt * sizeof(*order));

    assert_non_null(order);
    for (uint32_t i = 0; i < cnt; i++)
        order[i] = i;
    rows_being_sorted = rows;
    qsort(order, cnt, sizeof(*order), rows_compare_symbols);
    for (uint32_t i = 0; i < cnt; i++) {
        numbers[order[i]] = i;
        texts[i] = fls_dictionary_text(&rows->symbols, order[i]);
    }
    free(order);
}

/* Rows of the same key and account are written as their sum. */
static inline void rows_put_table(const struct rows *rows, enum fls_table_id table,
                                  const uint32_t *numbers, struct fls_part_writer *writer)
{
    uint32_t cnt = rows->cnt[table];
    struct fls_part_row *sorted = malloc((cnt + 1) * sizeof(*sorted));

    assert_non_null(sorted);
    for (uint32_t i = 0; i < cnt; i++) {
        sorted[i] = rows->at[table][i];
        sorted[i].account = numbers[sorted[i].account];
        if (fls_tables[table].key == FLS_KEY_ATTRIBUTE)
            sorted[i].key.a_low = numbers[sorted[i].key.a_low];
    }
    qsort(sorted, cnt, sizeof(*sorted), rows_compare);
    for (uint32_t i = 0; i < cnt; i++) {
        if (i + 1 < cnt && fls_part_row_compare(&sorted[i], &sorted[i + 1]) == 0) {
            fls_counters_add(&sorted[i + 1].counters, &sorted[i].counters);
            sorted[i + 1].marks |= sorted[i].marks;
            continue;
        }
        fls_part_put(writer, table, &sorted[i]);
    }
    free(sorted);
}

/* Returns the size of the part. */
static inline uint64_t rows_write(struct rows *rows, uint32_t day, struct fls_part_sink sink)
{
    uint32_t cnt = (rows_symbol(rows, FLS_SPAN("")), rows->symbols.cnt);
    uint32_t *numbers = calloc(cnt, sizeof(*numbers));
    struct fls_span *texts = calloc(cnt, sizeof(*texts));
    struct fls_uniques **gone = calloc(cnt, sizeof(*gone));
    struct fls_part_names names = {
        .symbols = texts, .symbol_cnt = cnt, .max_errors = rows->max_errors, .gone = gone};
    struct fls_part_writer writer;
    uint64_t size;

    assert_true(numbers && texts && gone);
    rows_order_symbols(rows, numbers, texts);
    for (uint32_t i = 0; i < rows->gone_max && i < cnt; i++)
        gone[numbers[i]] = rows->gone[i];
    fls_part_begin(&writer, day, sink);
    for (int id = FLS_TABLE_CNT - 1; id >= 0; id--)
        rows_put_table(rows, (enum fls_table_id)id, numbers, &writer);
    assert_int_equal(fls_part_finish(&writer, &names, &size), 0);
    free(numbers);
    free(texts);
    free(gone);
    return size;
}

/* A part in memory, to be freed. */
struct rows_part {
    uint8_t *at;
    size_t sz, max;
};

static inline int rows_sink(void *context, struct fls_span bytes)
{
    struct rows_part *part = context;

    fls_array_reserve(part->at, part->max, part->sz + bytes.sz);
    memcpy(part->at + part->sz, bytes.at, bytes.sz);
    part->sz += bytes.sz;
    return 0;
}

static inline struct rows_part rows_part(struct rows *rows, uint32_t day)
{
    struct rows_part part = {.sz = 0};

    uint64_t size = rows_write(rows, day, (struct fls_part_sink){rows_sink, &part});

    assert_int_equal(size, part.sz);
    return part;
}

#include "base/table.h"

#include "base/assert.h"
#include "base/pages.h"
#include "base/secret.h"

#include <string.h>

/* Tables start with one page of rows and grow by doubling. */
#define ROWS_FIRST (FLS_PAGE_SZ / sizeof(struct fls_row))

static size_t rows_sz(uint32_t row_max)
{
    return (size_t)row_max * sizeof(struct fls_row);
}

void fls_table_fini(struct fls_table *table)
{
    fls_pages_resize(table->rows, rows_sz(table->row_max), 0);
    fls_slots_fini(&table->slots);
    *table = (struct fls_table){0};
}

void fls_table_clear(struct fls_table *table)
{
    if (table->row_cnt == 0)
        return;
    fls_slots_clear(&table->slots);
    table->row_cnt = 0;
}

uint64_t fls_table_bytes(const struct fls_table *table)
{
    return rows_sz(table->row_max) + fls_slots_bytes(&table->slots);
}

/* One multiplication of 64 by 64 bits, folded: good enough for probing, and it cannot be aimed at
 * without knowing the secret words. */
uint32_t fls_key_hash(const struct fls_key *key)
{
    uint64_t words[2];
    unsigned __int128 product;
    uint64_t folded;

    memcpy(words, key, sizeof(words));
    product = (unsigned __int128)(words[0] ^ fls_secret[0]) * (words[1] ^ fls_secret[1]);
    folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    product = (unsigned __int128)(folded ^ fls_secret[2]) * fls_secret[3];
    folded = (uint64_t)product ^ (uint64_t)(product >> 64);
    return (uint32_t)(folded ^ (folded >> 32));
}

static bool key_equal(const struct fls_key *a, const struct fls_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* The slot of the key or the free one where it belongs; there is always a free one. */
static uint32_t find_slot(const struct fls_table *table, const struct fls_key *key, uint32_t hash)
{
    uint32_t at = hash & table->slots.mask;

    for (;; at = (at + 1) & table->slots.mask) {
        uint64_t slot = table->slots.at[at];

        if (slot == 0)
            return at;
        if (fls_slot_hash(slot) == hash && key_equal(&table->rows[fls_slot_number(slot)].key, key))
            return at;
    }
}

/* Memory of the first `cnt` rows of so many; large regions are in huge pages. */
static uint64_t touched_sz(uint64_t cnt, uint32_t row_max)
{
    uint64_t page = rows_sz(row_max) >= 2UL * FLS_HUGE_PAGE_SZ ? FLS_HUGE_PAGE_SZ : FLS_PAGE_SZ;

    return (cnt * sizeof(struct fls_row) + page - 1) / page * page;
}

uint64_t fls_table_used(const struct fls_table *table, uint32_t row_cnt)
{
    uint64_t cnt = (uint64_t)table->row_cnt + row_cnt;
    uint32_t row_max = table->row_max;

    if (cnt <= row_max)
        return touched_sz(cnt, row_max) + fls_slots_bytes(&table->slots);
    row_max = row_max ? row_max : ROWS_FIRST;
    while (row_max < cnt && row_max < FLS_TABLE_ROWS_MAX)
        row_max *= 2;
    return touched_sz(cnt, row_max) + fls_slots_bytes_of(row_max);
}

static void resize(struct fls_table *table, uint32_t row_max)
{
    fls_assert(table->row_max < FLS_TABLE_ROWS_MAX);
    table->rows = fls_pages_resize(table->rows, rows_sz(table->row_max), rows_sz(row_max));
    fls_slots_grow(&table->slots, row_max);
    table->row_max = row_max;
}

static void grow(struct fls_table *table)
{
    resize(table, table->row_max ? table->row_max * 2 : ROWS_FIRST);
}

void fls_table_reserve(struct fls_table *table, uint64_t row_cnt)
{
    uint32_t row_max = ROWS_FIRST;

    fls_assert(table->row_cnt == 0);
    while (row_max < row_cnt && row_max < FLS_TABLE_ROWS_MAX)
        row_max *= 2;
    if (row_max > table->row_max)
        resize(table, row_max);
}

struct fls_row *fls_table_find(const struct fls_table *table, const struct fls_key *key,
                               uint32_t hash)
{
    uint64_t slot;

    if (table->row_cnt == 0)
        return NULL;
    slot = table->slots.at[find_slot(table, key, hash)];
    return slot ? &table->rows[fls_slot_number(slot)] : NULL;
}

struct fls_row *fls_table_upsert(struct fls_table *table, const struct fls_key *key, uint32_t hash)
{
    struct fls_row *row;
    uint32_t at;

    if (table->row_cnt == table->row_max)
        grow(table);
    at = find_slot(table, key, hash);
    if (table->slots.at[at])
        return &table->rows[fls_slot_number(table->slots.at[at])];
    row = &table->rows[table->row_cnt];
    *row = (struct fls_row){.key = *key, .hash = hash};
    table->slots.at[at] = fls_slot_make(hash, table->row_cnt++);
    return row;
}

/* How many keys ahead a slot is asked for. */
#define AHEAD 16U

static void index_rows(struct fls_table *table)
{
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        if (i + AHEAD < table->row_cnt)
            fls_slots_prefetch(&table->slots, table->rows[i + AHEAD].hash);
        fls_slots_put(&table->slots, table->rows[i].hash, i);
    }
}

/* A quarter of its rows and more keep a table as large as it is, so that rows that go and rows that
 * come do not make it smaller and larger in turn. */
static void shrink(struct fls_table *table)
{
    uint32_t row_max = table->row_max;

    while (row_max > ROWS_FIRST && table->row_cnt <= row_max / 4)
        row_max /= 2;
    table->rows = fls_pages_resize(table->rows, rows_sz(table->row_max), rows_sz(row_max));
    fls_pages_release(table->rows, table->row_cnt * sizeof(struct fls_row), rows_sz(row_max));
    table->row_max = row_max;
    fls_slots_reset(&table->slots, row_max);
}

void fls_table_retain(struct fls_table *table, bool (*stays)(void *context, struct fls_row *row),
                      void *context)
{
    uint32_t kept = 0;

    if (table->row_max == 0)
        return;
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        if (!stays(context, &table->rows[i]))
            continue;
        table->rows[kept] = table->rows[i];
        table->rows[kept].hash = fls_key_hash(&table->rows[kept].key);
        kept++;
    }
    table->row_cnt = kept;
    shrink(table);
    index_rows(table);
}

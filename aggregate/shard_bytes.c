#include "aggregate/shard.h"

#include "aggregate/numbering.h"
#include "aggregate/order.h"
#include "base/pages.h"
#include "shm/part_writer.h"

/* Tables grow by doubling, so an index has at most four slots for each row. */
#define SLOTS_SZ_PER_ROW (4U * sizeof(uint64_t))
#define SMALL_TABLE_SZ (2U * FLS_PAGE_SZ)         /* rows and index */
#define ATTRIBUTE_TABLES (FLS_ATTRIBUTE_CNT + 1U) /* and the totals */
#define PROTOCOLS 256U

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t fls_shard_rows(const struct fls_shard *shard)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < shard->day_cnt; i++)
        sum += fls_day_rows(&shard->days[i]->figures);
    return sum;
}

uint64_t fls_shard_defined_bytes(const struct fls_shard *shard)
{
    uint64_t sum = fls_dictionary_bytes(&shard->names.symbols) +
                   fls_dictionary_bytes(&shard->attributes) + shard->use_max * sizeof(*shard->uses);

    for (uint32_t i = 0; i < shard->source_cnt; i++)
        sum += ((uint64_t)shard->sources[i].symbol_max + shard->sources[i].attribute_max) *
               sizeof(uint32_t);
    return sum;
}

uint64_t fls_shard_bytes(const struct fls_shard *shard)
{
    uint64_t sum = fls_shard_defined_bytes(shard) + fls_dictionary_bytes(&shard->names.ipv6) +
                   fls_dictionary_bytes(&shard->day_numbers);

    for (uint32_t i = 0; i < shard->day_max; i++)
        if (shard->days[i])
            sum += sizeof(struct fls_shard_day) + fls_day_bytes(&shard->days[i]->figures) +
                   fls_shard_by_attributes_sz(shard->days[i]->attributes_max);
    return sum;
}

/* ---- what closing takes ---- */

/* A table with `rows` rows, where `held` once were. Rows behind them are address space only. */
static uint64_t table_sz(const struct fls_table *table, uint64_t rows, uint64_t held)
{
    uint64_t rows_sz = larger(rows, held) * sizeof(struct fls_row);

    if (rows_sz == 0)
        return 0;
    return rows_sz + larger(rows * SLOTS_SZ_PER_ROW, fls_slots_bytes(&table->slots)) +
           (rows_sz < FLS_HUGE_PAGE_SZ ? SMALL_TABLE_SZ : FLS_HUGE_PAGE_SZ);
}

/* Rows that the others add to a table, at most. */
static uint64_t rows_to_come(const struct fls_shard *shard, const struct fls_day *day,
                             enum fls_table_id id)
{
    switch (id) {
    case FLS_TABLE_SOURCE_ADDRESS:
    case FLS_TABLE_DESTINATION_ADDRESS:
    case FLS_TABLE_SERVICE:
        return day->tables[FLS_TABLE_CONVERSATION].row_cnt;
    case FLS_TABLE_PROTOCOL: /* there is no account without a combination */
        return smaller(day->tables[FLS_TABLE_DESTINATION_PORT].row_cnt,
                       (uint64_t)shard->attributes.cnt * PROTOCOLS);
    default:
        return 0;
    }
}

/* Rows of a table when the day is complete, at most; what attributes add to theirs is not known by
 * table. */
static uint64_t rows_then(const struct fls_shard *shard, const struct fls_shard_day *day,
                          enum fls_table_id id)
{
    return day->figures.tables[id].row_cnt + rows_to_come(shard, &day->figures, id) +
           (fls_tables[id].key == FLS_KEY_ATTRIBUTE ? shard->attribute_rows : 0);
}

#define VARINT_SZ_MAX 5U  /* of 32 bits */
#define COUNTER_SZ_MAX 9U /* a varint of 63 bits */

/* Bytes of a row of a part, at most. */
static uint64_t part_row_sz(const struct fls_shard *shard, enum fls_table_key kind)
{
    uint64_t address_sz = shard->names.ipv6.cnt ? 16 : sizeof(uint32_t);
    uint64_t key_sz = kind == FLS_KEY_CONVERSATION ? 2 * address_sz + 3
                      : kind == FLS_KEY_ADDRESS    ? address_sz
                                                   : VARINT_SZ_MAX;

    return 2 + key_sz + VARINT_SZ_MAX + FLS_COUNTER_CNT * COUNTER_SZ_MAX;
}

/* What is behind the rows of a part, at most. */
static uint64_t part_end_sz(const struct fls_shard *shard)
{
    const struct fls_dictionary *symbols = &shard->names.symbols;

    return symbols->bytes_sz + symbols->cnt * (uint64_t)VARINT_SZ_MAX + FLS_PAGE_SZ;
}
static_assert(sizeof(struct fls_part_trailer) + sizeof("unknown") < FLS_PAGE_SZ, "room for both");

static uint64_t closing_day_sz(const struct fls_shard *shard, const struct fls_shard_day *day)
{
    uint64_t sum = part_end_sz(shard) + ATTRIBUTE_TABLES * SMALL_TABLE_SZ +
                   shard->attribute_rows * (sizeof(struct fls_row) + SLOTS_SZ_PER_ROW +
                                            part_row_sz(shard, FLS_KEY_ATTRIBUTE));

    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        const struct fls_table *table = &day->figures.tables[id];
        uint64_t rows = table->row_cnt + rows_to_come(shard, &day->figures, (enum fls_table_id)id);

        sum += table_sz(table, rows, day->row_high[id]) +
               rows * part_row_sz(shard, fls_tables[id].key);
    }
    return sum;
}

static uint64_t spare_day_sz(const struct fls_shard_day *day)
{
    uint64_t sum = 0;

    for (int id = 0; id < FLS_TABLE_CNT; id++)
        sum += table_sz(&day->figures.tables[id], 0, day->row_high[id]);
    return sum;
}

/* To number texts and addresses, and to sort the largest table. */
static uint64_t sorting_sz(const struct fls_shard *shard)
{
    uint64_t largest = 0;

    for (uint32_t i = 0; i < shard->day_cnt; i++)
        for (int id = 0; id < FLS_TABLE_CNT; id++)
            largest = larger(largest, rows_then(shard, shard->days[i], (enum fls_table_id)id));
    return fls_numbering_sz(shard->names.symbols.cnt, shard->names.ipv6.cnt) +
           fls_order_room_sz(largest) + FLS_PART_BUFFER_SZ;
}

uint64_t fls_shard_closing_bytes(const struct fls_shard *shard)
{
    uint64_t sum = fls_shard_defined_bytes(shard) + fls_dictionary_bytes(&shard->names.ipv6) +
                   fls_dictionary_bytes(&shard->day_numbers) + sorting_sz(shard);

    for (uint32_t i = 0; i < shard->day_max; i++) {
        if (shard->days[i] == NULL)
            continue;
        sum += sizeof(struct fls_shard_day) +
               fls_shard_by_attributes_sz(shard->days[i]->attributes_max) +
               (i < shard->day_cnt ? closing_day_sz(shard, shard->days[i])
                                   : spare_day_sz(shard->days[i]));
    }
    return sum;
}

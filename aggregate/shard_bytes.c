#include "aggregate/shard.h"

#include "base/pages.h"
#include "shm/segment.h"

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

static uint64_t closing_day_sz(const struct fls_shard *shard, const struct fls_shard_day *day)
{
    uint64_t sum = fls_segment_bound(&day->figures, &shard->names) +
                   shard->attribute_rows * (sizeof(struct fls_row) + SLOTS_SZ_PER_ROW) +
                   ATTRIBUTE_TABLES * SMALL_TABLE_SZ;
    uint64_t more_rows = shard->attribute_rows;

    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        const struct fls_table *table = &day->figures.tables[id];
        uint64_t more = rows_to_come(shard, &day->figures, (enum fls_table_id)id);

        sum += table_sz(table, table->row_cnt + more, day->row_high[id]);
        more_rows += more;
    }
    return sum + more_rows * FLS_SEGMENT_ROW_SZ_MAX;
}

static uint64_t spare_day_sz(const struct fls_shard_day *day)
{
    uint64_t sum = 0;

    for (int id = 0; id < FLS_TABLE_CNT; id++)
        sum += table_sz(&day->figures.tables[id], 0, day->row_high[id]);
    return sum;
}

/* Numbers of symbols and IPv6 addresses, old and new, while a day is written. */
static uint64_t renumbering_sz(const struct fls_shard *shard)
{
    return ((uint64_t)shard->names.symbols.cnt + shard->names.ipv6.cnt) * 2 * sizeof(uint32_t);
}

uint64_t fls_shard_closing_bytes(const struct fls_shard *shard)
{
    uint64_t sum = fls_shard_defined_bytes(shard) + fls_dictionary_bytes(&shard->names.ipv6) +
                   fls_dictionary_bytes(&shard->day_numbers) + renumbering_sz(shard);

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

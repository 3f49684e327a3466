#include "aggregate/numbering.h"
#include "aggregate/order.h"
#include "aggregate/shard.h"
#include "base/pages.h"
#include "shm/part_writer.h"

/* A batch that is counted before it is looked again adds no more flows than this. */
#define FLOWS_SPARE (1U << 24)

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

bool fls_shard_is_full(const struct fls_shard *shard)
{
    return shard->record_cnt > FLS_TALLY_FLOWS_MAX - FLOWS_SPARE;
}

uint64_t fls_shard_rows(const struct fls_shard *shard)
{
    uint64_t sum = 0;

    for (int table = 0; table < FLS_SHARD_TABLES; table++)
        sum += shard->pool.row_cnt[table];
    return sum;
}

uint64_t fls_shard_defined_bytes(const struct fls_shard *shard)
{
    uint64_t sum =
        fls_dictionary_bytes(&shard->symbols) + fls_dictionary_bytes(&shard->attributes) +
        shard->use_max * sizeof(*shard->uses) + shard->accounts_max * sizeof(*shard->accounts);

    for (uint32_t i = 0; i < shard->source_cnt; i++)
        sum += ((uint64_t)shard->sources[i].symbol_max + shard->sources[i].attribute_max) *
               sizeof(uint32_t);
    return sum;
}

uint64_t fls_shard_bytes(const struct fls_shard *shard)
{
    return fls_shard_defined_bytes(shard) + fls_addresses_bytes(&shard->ipv6) +
           fls_dictionary_bytes(&shard->day_numbers) + shard->day_max * sizeof(*shard->days) +
           shard->day_sz + fls_tally_pool_bytes(&shard->pool);
}

/* ---- what closing takes ---- */

#define VARINT_SZ_MAX 5U          /* of 32 bits */
#define COUNTER_SZ_MAX 9U         /* a varint of 63 bits */
#define PROTOCOL_ROWS (256U * 3U) /* of an account: accepted, rejected and neither of each */

/* Of all days. */
static uint64_t account_cnt(const struct fls_shard *shard)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < shard->day_cnt; i++)
        sum += shard->days[i]->account_cnt;
    return sum;
}

/* Bytes of a row of a part, at most. */
static uint64_t part_row_sz(const struct fls_shard *shard, enum fls_table_key kind)
{
    uint64_t address_sz = shard->ipv6.cnt ? 16 : sizeof(uint32_t);
    uint64_t key_sz = kind == FLS_KEY_CONVERSATION ? 2 * address_sz + 3
                      : kind == FLS_KEY_ADDRESS    ? address_sz
                                                   : VARINT_SZ_MAX;

    return 2 + key_sz + VARINT_SZ_MAX + 3 * VARINT_SZ_MAX + 2 * COUNTER_SZ_MAX;
}

/* What is behind the rows of a part, at most. */
static uint64_t part_end_sz(const struct fls_shard *shard)
{
    const struct fls_dictionary *symbols = &shard->symbols;

    return symbols->bytes_sz + symbols->cnt * (uint64_t)VARINT_SZ_MAX + FLS_PAGE_SZ;
}
static_assert(sizeof(struct fls_part_trailer) + sizeof("unknown") < FLS_PAGE_SZ, "room for both");

/* Rows that a table has when it is written, of all days, at most. */
static uint64_t rows_then(const struct fls_shard *shard, enum fls_table_id table)
{
    const uint64_t *row_cnt = shard->pool.row_cnt;

    switch (table) {
    case FLS_TABLE_SOURCE_ADDRESS:
    case FLS_TABLE_DESTINATION_ADDRESS:
    case FLS_TABLE_DESTINATION_PORT:
    case FLS_TABLE_SERVICE:
        return row_cnt[table] + row_cnt[FLS_TABLE_CONVERSATION];
    case FLS_TABLE_PROTOCOL:
        return row_cnt[table] + smaller(rows_then(shard, FLS_TABLE_DESTINATION_PORT),
                                        account_cnt(shard) * PROTOCOL_ROWS);
    default:
        return row_cnt[table];
    }
}

static uint64_t parts_sz(const struct fls_shard *shard)
{
    uint64_t sum = shard->day_cnt * (part_end_sz(shard) +
                                     shard->attribute_rows * part_row_sz(shard, FLS_KEY_ATTRIBUTE));

    for (int table = 0; table < FLS_SHARD_TABLES; table++)
        sum +=
            rows_then(shard, (enum fls_table_id)table) * part_row_sz(shard, fls_tables[table].key);
    return sum;
}

/* What a table takes more until it has all its rows. Its index has 4/3 slots at least for each row
 * that was counted, and grows to 8/3 slots at most for each of all. */
static uint64_t more_sz(const struct fls_shard *shard, enum fls_table_id table, uint64_t tables)
{
    uint64_t counted = shard->pool.row_cnt[table], more = rows_then(shard, table) - counted;

    return fls_tally_more_sz(more, tables) + (more ? counted * 4 / 3 * sizeof(uint32_t) : 0);
}

/* What sorting a table takes beside its rows, whose chunks it makes use of: all but those that are
 * not full, and the one that is at hand. */
static uint64_t order_sz(uint64_t rows, uint64_t account_cnt)
{
    uint64_t sz = fls_order_sz(rows), scattered = (account_cnt + 1) * FLS_TALLY_CHUNK_ROWS;

    return sz - (rows > scattered ? (rows - scattered) * sizeof(struct fls_tally_row) : 0);
}

/* What is summed is there before it is written. Tables are sorted one after the other, and each is
 * forgotten when it is written. */
static uint64_t sorting_sz(const struct fls_shard *shard)
{
    uint64_t sorting = fls_order_room_sz(shard->attributes.cnt), sums = 0;
    uint64_t tables = account_cnt(shard);

    for (int table = 0; table < FLS_SHARD_TABLES; table++) {
        uint64_t rows = rows_then(shard, (enum fls_table_id)table);

        sums += more_sz(shard, (enum fls_table_id)table, tables);
        sorting = larger(sorting, order_sz(rows, tables));
    }
    return sums + sorting + FLS_HUGE_PAGE_SZ;
}

uint64_t fls_shard_closing_bytes(const struct fls_shard *shard)
{
    return fls_shard_bytes(shard) + parts_sz(shard) + sorting_sz(shard) +
           fls_numbering_sz(shard->symbols.cnt, shard->ipv6.cnt) + FLS_PART_BUFFER_SZ;
}

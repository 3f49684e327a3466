#include "aggregate/derive.h"

#include "aggregate/update.h"

#define MARKS_OF_A (FLS_MARKS_ALL << FLS_TALLY_A_MARKS_SHIFT)

/* ---- the key to which a row adds; a and rest, b is 0 ---- */

struct key {
    uint32_t a, rest; /* with marks */
};

/* The marks and the flag of a are where an address has them. */
static struct key source_of(const struct fls_tally_row *row)
{
    uint32_t flag = row->rest & FLS_A_IS_IPV6 << FLS_TALLY_FLAGS_SHIFT;

    return (struct key){.a = row->a, .rest = flag | (row->rest & MARKS_OF_A)};
}

static struct key destination_of(const struct fls_tally_row *row)
{
    uint32_t flags = row->rest >> FLS_TALLY_FLAGS_SHIFT;
    uint32_t marks = row->rest >> FLS_TALLY_B_MARKS_SHIFT & FLS_MARKS_ALL;

    return (struct key){.a = row->b,
                        .rest = (flags & FLS_B_IS_IPV6 ? FLS_A_IS_IPV6 : 0U)
                                    << FLS_TALLY_FLAGS_SHIFT |
                                marks << FLS_TALLY_A_MARKS_SHIFT};
}

static struct key service_of(const struct fls_tally_row *row)
{
    return (struct key){.rest = row->rest & FLS_TALLY_PLACE};
}

static struct key protocol_of(const struct fls_tally_row *row)
{
    return (struct key){.rest = row->rest & FLS_TALLY_PLACE & ~0xffffU};
}

/* ---- all rows ---- */

static void add_rows(struct fls_tally_pool *pool, struct fls_tally *to,
                     const struct fls_tally_row *rows, uint32_t cnt,
                     struct key (*key_of)(const struct fls_tally_row *row))
{
    struct fls_updates updates;

    updates.pool = pool;
    updates.cnt = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        struct key key = key_of(&rows[i]);

        if (updates.cnt == FLS_UPDATES_MAX)
            fls_updates_carry_out(&updates);
        fls_updates_plan(&updates, to, key.a, 0, key.rest, &rows[i]);
    }
    fls_updates_carry_out(&updates);
}

struct fls_tally_row *fls_derive_source(struct fls_shard *shard, struct fls_shard_account *account,
                                        struct fls_tally_row *open, uint32_t source,
                                        const struct fls_tally_row *row)
{
    struct key key = source_of(row);

    if (open == NULL || open->a != source || (open->rest ^ key.rest) & FLS_TALLY_KEY)
        open = fls_tally_append(&account->tables[FLS_TABLE_SOURCE_ADDRESS], &shard->pool, source, 0,
                                key.rest);
    fls_tally_add(open, row, key.rest & ~FLS_TALLY_KEY);
    return open;
}

void fls_derive(struct fls_shard *shard, struct fls_shard_account *account, enum fls_table_id table,
                const struct fls_tally_row *rows, uint32_t cnt)
{
    struct fls_tally_pool *pool = &shard->pool;
    struct fls_tally *tables = account->tables;

    switch (table) {
    case FLS_TABLE_CONVERSATION:
        add_rows(pool, &tables[FLS_TABLE_DESTINATION_ADDRESS], rows, cnt, destination_of);
        add_rows(pool, &tables[FLS_TABLE_SERVICE], rows, cnt, service_of);
        return;
    case FLS_TABLE_DESTINATION_PORT:
        add_rows(pool, &tables[FLS_TABLE_PROTOCOL], rows, cnt, protocol_of);
        return;
    default:
        return;
    }
}

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
                     const struct fls_tally *from,
                     struct key (*key_of)(const struct fls_tally_row *row))
{
    struct fls_updates updates;

    updates.pool = pool;
    updates.cnt = 0;
    for (uint32_t i = 0; i < from->row_cnt; i++) {
        const struct fls_tally_row *row = fls_tally_row(from, i);
        struct key key = key_of(row);

        if (updates.cnt == FLS_UPDATES_MAX)
            fls_updates_carry_out(&updates);
        fls_updates_plan(&updates, to, key.a, 0, key.rest, row);
    }
    fls_updates_carry_out(&updates);
}

void fls_derive(struct fls_shard *shard, struct fls_shard_account *account, enum fls_table_id table)
{
    struct fls_tally *to = &account->tables[table];
    const struct fls_tally *conversations = &account->tables[FLS_TABLE_CONVERSATION];

    switch (table) {
    case FLS_TABLE_SOURCE_ADDRESS:
        add_rows(&shard->pool, to, conversations, source_of);
        return;
    case FLS_TABLE_DESTINATION_ADDRESS:
        add_rows(&shard->pool, to, conversations, destination_of);
        return;
    case FLS_TABLE_SERVICE:
        add_rows(&shard->pool, to, conversations, service_of);
        return;
    case FLS_TABLE_PROTOCOL:
        add_rows(&shard->pool, to, &account->tables[FLS_TABLE_DESTINATION_PORT], protocol_of);
        return;
    default:
        return;
    }
}

#include "aggregate/derive.h"

#include "aggregate/update.h"

#include <string.h>

/* ---- the key to which a row adds; a and rest, b is 0 ---- */

struct key {
    uint32_t a, rest; /* with sides */
};

/* The sides and the flag of a are where an address has them. */
static struct key source_of(const struct fls_tally_row *row)
{
    uint32_t flag = FLS_A_IS_IPV6 << FLS_TALLY_FLAGS_SHIFT;

    return (struct key){.a = row->a,
                        .rest = row->rest & (flag | FLS_TALLY_ACTION | FLS_TALLY_SIDES)};
}

static struct key destination_of(const struct fls_tally_row *row)
{
    uint32_t flag = fls_tally_flags(row) & FLS_B_IS_IPV6 ? FLS_A_IS_IPV6 : 0;

    return (struct key){.a = row->b,
                        .rest = flag << FLS_TALLY_FLAGS_SHIFT | (row->rest & FLS_TALLY_ACTION) |
                                fls_tally_turn(row->rest & FLS_TALLY_SIDES)};
}

/* ---- addresses ---- */

static void add_destinations(struct fls_tally_pool *pool, struct fls_tally *to,
                             const struct fls_tally_row *rows, uint32_t cnt)
{
    struct fls_updates updates;

    updates.pool = pool;
    updates.cnt = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        struct key key = destination_of(&rows[i]);

        if (updates.cnt == FLS_UPDATES_MAX)
            fls_updates_carry_out(&updates);
        fls_updates_plan(&updates, to, key.a, 0, key.rest, &rows[i]);
    }
    fls_updates_carry_out(&updates);
}

/* ---- places: there are few, so most rows of a chunk add to one that was there before ---- */

#define PLACES 512U

/* What rows add to the keys that were met last; one that meets another in its place gives way. */
struct places {
    struct fls_tally *to;
    struct fls_tally_row at[PLACES]; /* no flows: it is free */
    struct fls_tally_row gone[FLS_UPDATES_MAX];
    struct fls_updates updates; /* of those that are gone */
};

static void let_go(struct places *places, const struct fls_tally_row *sum)
{
    struct fls_tally_row *gone;

    if (places->updates.cnt == FLS_UPDATES_MAX)
        fls_updates_carry_out(&places->updates);
    gone = &places->gone[places->updates.cnt];
    *gone = *sum;
    fls_updates_plan(&places->updates, places->to, 0, 0, gone->rest, gone);
}

static void add_to_place(struct places *places, uint32_t rest, const struct fls_tally_row *row)
{
    struct fls_tally_row *sum = &places->at[(rest ^ rest >> 16 ^ rest >> 20) % PLACES];

    if (sum->rest != rest || sum->flows == 0) {
        if (sum->flows > 0)
            let_go(places, sum);
        *sum = (struct fls_tally_row){.rest = rest};
    }
    fls_tally_add(sum, row, 0);
}

/* Of the rows those that have all bits of `only`; `mask` is what of their place is the key. */
static void add_places(struct fls_tally_pool *pool, struct fls_tally *to,
                       const struct fls_tally_row *rows, uint32_t cnt, uint32_t only, uint32_t mask)
{
    struct places places;

    places.to = to;
    places.updates.pool = pool;
    places.updates.cnt = 0;
    memset(places.at, 0, sizeof(places.at));
    for (uint32_t i = 0; i < cnt; i++)
        if ((rows[i].rest & only) == only)
            add_to_place(&places, rows[i].rest & (mask | FLS_TALLY_ACTION), &rows[i]);
    for (uint32_t i = 0; i < PLACES; i++)
        if (places.at[i].flows > 0)
            let_go(&places, &places.at[i]);
    fls_updates_carry_out(&places.updates);
}

/* ---- all tables ---- */

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
        add_destinations(pool, &tables[FLS_TABLE_DESTINATION_ADDRESS], rows, cnt);
        add_places(pool, &tables[FLS_TABLE_SERVICE], rows, cnt, 0, FLS_PART_PLACE);
        add_places(pool, &tables[FLS_TABLE_DESTINATION_PORT], rows, cnt, FLS_TALLY_TO_SERVICE,
                   FLS_PART_PLACE);
        return;
    case FLS_TABLE_DESTINATION_PORT:
        add_places(pool, &tables[FLS_TABLE_PROTOCOL], rows, cnt, 0, FLS_PART_PROTOCOL);
        return;
    default:
        return;
    }
}

#include "publish/evict.h"

#include "base/assert.h"
#include "publish/smallest.h"
#include "publish/uniques.h"

/* The dictionary of IPv6 addresses is looked through after a round if it takes more than one of so
 * many parts of the memory. */
#define IPV6_SHARE 8U

uint64_t fls_evict_used(const struct fls_day *day, const struct fls_names *names)
{
    return fls_day_used(day) + fls_dictionary_used(&names->symbols, 0, 0) +
           fls_dictionary_used(&names->ipv6, 0, 0);
}

/* FLS_TABLE_CNT if none may give way. */
static int largest_table(const struct fls_day *day)
{
    uint64_t most = 0;
    int largest = FLS_TABLE_CNT;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        uint64_t used = fls_table_used(&day->tables[i], 0);

        if (fls_tables[i].size != FLS_SIZE_TOP || used <= most ||
            day->tables[i].row_cnt <= FLS_EVICT_ROWS_MIN)
            continue;
        most = used;
        largest = i;
    }
    return largest;
}

/* ---- rows that go ---- */

struct round {
    struct fls_smallest smallest;
    struct fls_day *day;
    const struct fls_names *names;
    bool is_source, is_address;
    bool has_ipv6; /* among the rows that went */
};

/* Rows of an account are what unique addresses are counted from: the organisation's are theirs. */
static void count_gone(struct round *round, const struct fls_row *row)
{
    uint32_t account = fls_row_account(row);

    if (account != FLS_SCOPE_ORGANISATION)
        fls_uniques_add(fls_day_gone(round->day, account), row, round->is_source, round->names);
}

static bool stays(void *context, struct fls_row *row)
{
    struct round *round = context;

    if (!fls_smallest_has(&round->smallest, row))
        return true;
    round->has_ipv6 |= row->key.flags != 0;
    if (round->is_address)
        count_gone(round, row);
    return false;
}

static void raise_error(struct fls_counters *max_error, const struct fls_counters *largest)
{
    fls_counters_add(max_error, largest);
    if (max_error->value[FLS_FLOWS] == 0)
        max_error->value[FLS_FLOWS] = 1; /* so that it shows: see fls_day_gave_way */
}

/* ---- IPv6 addresses that no row has any more ---- */

static bool has_ipv6_keys(int table)
{
    return fls_tables[table].key == FLS_KEY_ADDRESS ||
           fls_tables[table].key == FLS_KEY_CONVERSATION;
}

static void keep_addresses(struct fls_dictionary *ipv6, const struct fls_table *table)
{
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        const struct fls_key *key = &table->rows[i].key;

        if (key->flags & FLS_A_IS_IPV6)
            fls_dictionary_keep(ipv6, key->a);
        if (key->flags & FLS_B_IS_IPV6)
            fls_dictionary_keep(ipv6, key->b);
    }
}

static bool renumber_row(void *context, struct fls_row *row)
{
    const struct fls_dictionary *ipv6 = context;

    if (row->key.flags & FLS_A_IS_IPV6)
        row->key.a = fls_dictionary_moved(ipv6, row->key.a);
    if (row->key.flags & FLS_B_IS_IPV6)
        row->key.b = fls_dictionary_moved(ipv6, row->key.b);
    return true;
}

static void forget_addresses(struct fls_day *day, struct fls_dictionary *ipv6)
{
    fls_dictionary_retain_begin(ipv6);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (has_ipv6_keys(i))
            keep_addresses(ipv6, &day->tables[i]);
    fls_dictionary_retain_renumber(ipv6);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (has_ipv6_keys(i))
            fls_table_retain(&day->tables[i], renumber_row, ipv6);
    fls_dictionary_retain_end(ipv6);
}

bool fls_evict_round(struct fls_day *day, struct fls_names *names, struct fls_evicted *evicted)
{
    int id = largest_table(day);
    struct round round = {.day = day,
                          .names = names,
                          .is_source = id == FLS_TABLE_SOURCE_ADDRESS,
                          .is_address = id == FLS_TABLE_SOURCE_ADDRESS ||
                                        id == FLS_TABLE_DESTINATION_ADDRESS};

    if (id == FLS_TABLE_CNT)
        return false;
    fls_smallest_find(&round.smallest, &day->tables[id]);
    fls_table_retain(&day->tables[id], stays, &round);
    raise_error(&day->max_errors[id], &round.smallest.largest);
    *evicted = (struct fls_evicted){.table = (enum fls_table_id)id, .row_cnt = round.smallest.cnt};
    if (round.has_ipv6 &&
        fls_dictionary_used(&names->ipv6, 0, 0) > fls_evict_used(day, names) / IPV6_SHARE) {
        forget_addresses(day, &names->ipv6);
        evicted->are_ipv6_renumbered = true;
    }
    return true;
}

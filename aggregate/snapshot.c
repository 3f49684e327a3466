#include "aggregate/snapshot.h"

#include "aggregate/derive.h"
#include "aggregate/numbering.h"
#include "aggregate/order.h"
#include "base/array.h"
#include "base/log.h"
#include "base/write.h"
#include "shm/part_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct account {
    uint32_t number; /* of its text in the part */
    struct fls_shard_account *tables;
    struct fls_tally_row *source; /* that the conversations being written are summed in, or NULL */
};

/* A day that is being written. */
struct writing {
    struct fls_shard *shard;
    struct fls_shard_day *day;
    struct fls_numbering numbering;
    struct account *accounts; /* day->account_cnt of them, by number */
    enum fls_table_id table;  /* whose rows are being moved, */
    uint32_t account;         /* and of which account */
    struct fls_order order;
    struct fls_part_writer part;
};

static _Noreturn void die(const char *what)
{
    fls_log_error("no memory for a snapshot: %s: %s", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ---- rows in order ---- */

static uint32_t rank_of(const struct fls_numbering *numbering, uint32_t address, bool is_ipv6)
{
    return is_ipv6 ? numbering->ipv6_ranks[address] : address;
}

static void spell_address(const struct writing *w, uint32_t rank, bool is_ipv6, uint64_t *high,
                          uint64_t *low)
{
    const struct fls_addresses *ipv6 = &w->shard->ipv6;

    if (is_ipv6) {
        fls_part_set_ipv6(high, low, fls_addresses_bytes_of(ipv6, w->numbering.ipv6_numbers[rank]));
        return;
    }
    *high = 0;
    *low = rank;
}

/* Keys of ports and protocols have no address: in their order, the place is the first. */
static bool is_of_places(enum fls_table_id table)
{
    return fls_tables[table].key == FLS_KEY_PORT || fls_tables[table].key == FLS_KEY_PROTOCOL;
}

/* Sets all of the key. */
static void spell_key(const struct writing *w, enum fls_table_id table,
                      const struct fls_order_row *row, struct fls_part_key *key)
{
    key->flags = fls_tally_flags(&row->row);
    if (is_of_places(table)) {
        key->place = row->row.a;
        key->a_high = key->a_low = key->b_high = key->b_low = 0;
        return;
    }
    key->place = row->row.rest & FLS_PART_PLACE;
    spell_address(w, row->row.a, key->flags & FLS_A_IS_IPV6, &key->a_high, &key->a_low);
    spell_address(w, row->row.b, key->flags & FLS_B_IS_IPV6, &key->b_high, &key->b_low);
}

static void add_figures(struct fls_part_row *to, const struct fls_tally_row *from)
{
    const struct fls_counters more = fls_tally_counters(from);

    fls_counters_add(&to->counters, &more);
}

static bool is_same_key(const struct fls_order_entry *a, const struct fls_order_entry *b)
{
    return a->key == b->key && fls_order_place(a) == fls_order_place(b);
}

/* ---- tables of attributes, and the totals ---- */

/* An entry for each combination with records on the day: the text of its attribute (0 in the
 * totals), then the account. */
static uint32_t gather_combinations(const struct writing *w, struct fls_order_entry *entries,
                                    int attribute)
{
    const struct fls_shard_day *day = w->day;
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < day->attributes_max && i < w->shard->attributes.cnt; i++) {
        const uint32_t *symbols = fls_shard_symbols(w->shard, i);
        uint64_t text = 0;

        if (day->by_attributes[i].value[FLS_FLOWS] == 0 ||
            (attribute >= 0 && symbols[attribute] == FLS_SYMBOL_ABSENT))
            continue;
        if (attribute >= 0)
            text = w->numbering.symbols[symbols[attribute]];
        entries[cnt++] = (struct fls_order_entry){
            .key = text << 32 | w->numbering.symbols[symbols[FLS_ATTRIBUTE_ACCOUNT]], .tail = i};
    }
    return cnt;
}

/* `attribute` is -1 for the totals. */
static void write_combinations(struct writing *w, enum fls_table_id table, int attribute)
{
    const struct fls_order_entry *sorted;
    uint32_t cnt;

    fls_order_reserve(&w->order, w->shard->attributes.cnt);
    cnt = gather_combinations(w, w->order.room, attribute);
    sorted = fls_order_sort(w->order.room, cnt);
    for (uint32_t i = 0, next; i < cnt; i = next) {
        struct fls_part_row row = {.key = {.a_low = sorted[i].key >> 32},
                                   .account = (uint32_t)sorted[i].key};

        for (next = i; next < cnt && is_same_key(&sorted[i], &sorted[next]); next++)
            fls_counters_add(&row.counters,
                             &w->day->by_attributes[fls_order_number(&sorted[next])]);
        fls_part_put(&w->part, table, &row);
    }
}

/* ---- tables of accounts ---- */

static struct fls_order_way way_of(const struct writing *w, const struct fls_tally_row *row)
{
    uint32_t flags = fls_tally_flags(row);

    if (is_of_places(w->table))
        return (struct fls_order_way){.a = row->rest & FLS_PART_PLACE};
    return (struct fls_order_way){.flags = flags,
                                  .a = rank_of(&w->numbering, row->a, flags & FLS_A_IS_IPV6),
                                  .b = rank_of(&w->numbering, row->b, flags & FLS_B_IS_IPV6)};
}

static void sample_rows(struct writing *w)
{
    for (uint32_t i = 0; i < w->day->account_cnt; i++) {
        const struct fls_tally *tally = &w->accounts[i].tables->tables[w->table];

        for (uint64_t k = 0; k < tally->row_cnt; k += w->order.stride) {
            struct fls_order_way way = way_of(w, fls_tally_row(tally, (uint32_t)k));

            fls_order_sample(&w->order, &way);
        }
    }
}

static void move_row(struct writing *w, const struct fls_order_way *way,
                     const struct fls_tally_row *row)
{
    struct fls_order_row *to = fls_order_put(&w->order, way->bucket);

    to->row = *row;
    to->row.a = way->a;
    to->row.b = way->b;
    if (is_of_places(w->table)) /* it is in a */
        to->row.rest &= ~FLS_PART_PLACE;
    to->account = w->account;
}

/* Other tables are summed from rows here, where they are at hand. */
static void move_rows(void *context, const struct fls_tally_row *rows, uint32_t cnt)
{
    struct fls_order_way ways[FLS_ORDER_FIND_MAX];
    struct writing *w = context;

    fls_derive(w->shard, w->accounts[w->account].tables, w->table, rows, cnt);
    for (uint32_t first = 0; first < cnt; first += FLS_ORDER_FIND_MAX) {
        uint32_t left = cnt - first, turn = left < FLS_ORDER_FIND_MAX ? left : FLS_ORDER_FIND_MAX;

        for (uint32_t i = 0; i < turn; i++)
            ways[i] = way_of(w, &rows[first + i]);
        fls_order_find(&w->order, ways, turn);
        for (uint32_t i = 0; i < turn; i++)
            move_row(w, &ways[i], &rows[first + i]);
    }
}

static uint64_t count_rows(const struct writing *w, enum fls_table_id table)
{
    uint64_t cnt = 0;

    for (uint32_t i = 0; i < w->day->account_cnt; i++)
        cnt += w->accounts[i].tables->tables[table].row_cnt;
    return cnt;
}

/* All rows of a table, of which nothing is left in the accounts' tables. */
static void gather_rows(struct writing *w, enum fls_table_id table)
{
    w->table = table;
    fls_order_begin(&w->order, count_rows(w, table), w->day->account_cnt);
    sample_rows(w);
    fls_order_split(&w->order);
    for (w->account = 0; w->account < w->day->account_cnt; w->account++)
        fls_tally_drain(&w->accounts[w->account].tables->tables[table], &w->shard->pool, move_rows,
                        w);
    fls_order_gathered(&w->order);
}

static void sum_source(struct writing *w, const struct fls_order_row *from)
{
    struct account *account = &w->accounts[from->account];
    bool is_ipv6 = fls_tally_flags(&from->row) & FLS_A_IS_IPV6;
    uint32_t source = is_ipv6 ? w->numbering.ipv6_numbers[from->row.a] : from->row.a;

    account->source =
        fls_derive_source(w->shard, account->tables, account->source, source, &from->row);
}

static uint32_t marks_of(enum fls_table_id table, const struct fls_order_row *row)
{
    if (fls_tables[table].key != FLS_KEY_ADDRESS)
        return 0;
    return fls_tally_marks(&row->row);
}

/* Sets all of the row: this is done for each one, and zeroing it before takes longer. */
static void spell_row(const struct writing *w, enum fls_table_id table,
                      const struct fls_order_row *from, struct fls_part_row *row)
{
    spell_key(w, table, from, &row->key);
    row->account = w->accounts[from->account].number;
    row->marks = marks_of(table, from);
    row->counters = fls_tally_counters(&from->row);
}

/* How many rows ahead one is asked for: the order leads all over the bucket. */
#define AHEAD 16U

/* A key's rows by what became of its records, and of a conversation by whose the port is, are one;
 * so are those of records without an account and those of an account that is called "unknown". */
static void write_bucket(struct writing *w, enum fls_table_id table, uint32_t number)
{
    const struct fls_order_bucket *bucket = &w->order.buckets[number];
    struct fls_part_row row;
    uint64_t cnt;
    const struct fls_order_entry *sorted = fls_order_take(&w->order, number, &cnt);

    for (uint64_t i = 0; i < cnt; i++) {
        const struct fls_order_row *from = fls_order_row(bucket, &sorted[i]);

        if (i + AHEAD < cnt)
            fls_prefetch(fls_order_row(bucket, &sorted[i + AHEAD]));
        if (table == FLS_TABLE_CONVERSATION)
            sum_source(w, from);
        if (i > 0 && is_same_key(&sorted[i - 1], &sorted[i]) &&
            row.account == w->accounts[from->account].number) {
            add_figures(&row, &from->row);
            row.marks |= marks_of(table, from);
            continue;
        }
        if (i > 0)
            fls_part_put(&w->part, table, &row);
        spell_row(w, table, from, &row);
    }
    if (cnt > 0)
        fls_part_put(&w->part, table, &row);
    fls_order_give(&w->order, number);
}

static void write_table(struct writing *w, enum fls_table_id table)
{
    gather_rows(w, table);
    for (uint32_t i = 0; i < w->order.bucket_cnt; i++)
        write_bucket(w, table, i);
}

/* ---- days ---- */

static int write_piece(void *context, struct fls_span bytes)
{
    return fls_write(*(const int *)context, bytes);
}

static int account_compare(const void *a, const void *b)
{
    const struct account *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

/* The day's accounts in the order of their texts; no conversation is looked up any more. */
static void begin_day(struct writing *w, struct fls_shard_day *day)
{
    uint32_t cnt = 0;

    w->day = day;
    fls_numbering_begin_day(&w->numbering, w->shard, day);
    w->accounts = fls_array_new(day->account_cnt, sizeof(*w->accounts));
    for (uint32_t i = 0; i < day->account_max; i++) {
        struct fls_shard_account *account = day->accounts[i];

        if (account == NULL)
            continue;
        fls_tally_drop_index(&account->tables[FLS_TABLE_CONVERSATION], &w->shard->pool);
        fls_tally_drop_index(&account->tables[FLS_TABLE_SOURCE_ADDRESS], &w->shard->pool);
        w->accounts[cnt++] = (struct account){w->numbering.symbols[account->symbol], account, NULL};
    }
    qsort(w->accounts, cnt, sizeof(*w->accounts), account_compare);
}

/* In the order of a part: what is a sum of other tables comes when these were moved. */
static void write_tables(struct writing *w)
{
    for (int i = FLS_ATTRIBUTE_CNT - 1; i >= 0; i--)
        write_combinations(w, (enum fls_table_id)fls_attribute_table[i], i);
    for (int table = FLS_SHARD_TABLES - 1; table > FLS_TABLE_TOTALS; table--)
        write_table(w, (enum fls_table_id)table);
    write_combinations(w, FLS_TABLE_TOTALS, -1);
}

static uint64_t write_day(struct writing *w, struct fls_shard_day *day, int fd)
{
    struct fls_part_names names;
    uint64_t size;
    int error;

    begin_day(w, day);
    fls_part_begin(&w->part, day->day, (struct fls_part_sink){write_piece, &fd});
    write_tables(w);
    names =
        (struct fls_part_names){.symbols = w->numbering.texts, .symbol_cnt = w->numbering.text_cnt};
    error = fls_part_finish(&w->part, &names, &size);
    if (error) {
        errno = -error;
        die("write");
    }
    free(w->accounts);
    return size;
}

/* While the kernel holds a page of the file on its own account, as when it moves pages together, it
 * refuses; but only after it has waited for 0.15 s. */
#define SEAL_TRIES 64U

static void seal(int fd)
{
    uint32_t tries = 0;

    while (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        if (errno != EBUSY || ++tries == SEAL_TRIES)
            die("seal");
}

int fls_snapshot_take(struct fls_shard *shard, uint64_t *size)
{
    struct writing w = {.shard = shard, .order = {.pool = &shard->pool}};
    int fd;

    *size = 0;
    if (shard->day_cnt == 0)
        return -1;
    fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        die("memfd");
    fls_numbering_init(&w.numbering, shard);
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        *size += write_day(&w, shard->days[i], fd);
    fls_order_fini(&w.order);
    fls_numbering_fini(&w.numbering);
    seal(fd);
    return fd;
}

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

/* Where a number of an entry leads: to row number % FLS_TALLY_CHUNK_ROWS of a chunk. */
struct chunk {
    const struct fls_tally_row *rows;
    uint32_t account; /* number of its text in the part */
};

struct account {
    uint32_t number; /* of its text in the part */
    struct fls_shard_account *tables;
};

/* A day that is being written. */
struct writing {
    struct fls_shard *shard;
    struct fls_shard_day *day;
    struct fls_numbering numbering;
    struct account *accounts; /* day->account_cnt of them, by number */
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
    const struct fls_dictionary *ipv6 = &w->shard->ipv6;

    if (is_ipv6)
        fls_part_set_ipv6(high, low, fls_dictionary_text(ipv6, w->numbering.ipv6_numbers[rank]).at);
    else
        *low = rank;
}

/* Keys of ports and protocols have no address: their place is in the entry's key instead. */
static bool is_of_places(enum fls_table_id table)
{
    return fls_tables[table].key == FLS_KEY_PORT || fls_tables[table].key == FLS_KEY_PROTOCOL;
}

static struct fls_part_key spell_key(const struct writing *w, enum fls_table_id table,
                                     const struct fls_order_entry *entry, uint32_t flags)
{
    struct fls_part_key key = {.flags = flags, .place = fls_order_place(entry)};

    if (is_of_places(table)) {
        key.place = (uint32_t)entry->key;
        return key;
    }
    spell_address(w, (uint32_t)(entry->key >> 32), flags & FLS_A_IS_IPV6, &key.a_high, &key.a_low);
    spell_address(w, (uint32_t)entry->key, flags & FLS_B_IS_IPV6, &key.b_high, &key.b_low);
    return key;
}

static void add_figures(struct fls_part_row *to, const struct fls_tally_row *from)
{
    const struct fls_counters more = {.value = {[FLS_FLOWS] = from->flows,
                                                [FLS_PACKETS] = from->packets,
                                                [FLS_BYTES] = from->bytes,
                                                [FLS_ACCEPTED] = from->accepted,
                                                [FLS_REJECTED] = from->rejected}};

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

        if (day->by_attributes[i].flows == 0 ||
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
            add_figures(&row, &w->day->by_attributes[fls_order_number(&sorted[next])]);
        fls_part_put(&w->part, table, &row);
    }
}

/* ---- tables of accounts ---- */

/* The chunks of a table of all accounts; sets how many rows they have. */
static struct chunk *gather_chunks(const struct writing *w, enum fls_table_id table,
                                   uint64_t *row_cnt)
{
    struct chunk *chunks;
    uint64_t cnt = 0;

    *row_cnt = 0;
    for (uint32_t i = 0; i < w->day->account_cnt; i++) {
        uint32_t rows = w->accounts[i].tables->tables[table].row_cnt;

        cnt += (rows + FLS_TALLY_CHUNK_ROWS - 1) / FLS_TALLY_CHUNK_ROWS;
        *row_cnt += rows;
    }
    chunks = fls_array_new(cnt, sizeof(*chunks));
    cnt = 0;
    for (uint32_t i = 0; i < w->day->account_cnt; i++) {
        const struct fls_tally *tally = &w->accounts[i].tables->tables[table];

        for (uint32_t first = 0; first < tally->row_cnt; first += FLS_TALLY_CHUNK_ROWS)
            chunks[cnt++] = (struct chunk){fls_tally_row(tally, first), w->accounts[i].number};
    }
    return chunks;
}

static struct fls_order_entry entry_of(const struct fls_numbering *numbering,
                                       enum fls_table_id table, const struct fls_tally_row *row,
                                       uint64_t number)
{
    uint32_t flags = row->rest >> FLS_TALLY_FLAGS_SHIFT;
    uint64_t a = rank_of(numbering, row->a, flags & FLS_A_IS_IPV6);
    uint64_t b = rank_of(numbering, row->b, flags & FLS_B_IS_IPV6);
    uint64_t place = row->rest & FLS_TALLY_PLACE;

    if (is_of_places(table))
        return (struct fls_order_entry){.key = place, .tail = number};
    return (struct fls_order_entry){.key = a << 32 | b,
                                    .tail = place << FLS_ORDER_NUMBER_BITS | number};
}

/* An entry for each row with these flags, or for a sample of the rows; those of an account come
 * before those of a later one. */
static void gather_rows(struct writing *w, enum fls_table_id table, uint32_t flags, uint64_t stride,
                        void (*put)(struct fls_order *order, struct fls_order_entry entry))
{
    uint64_t base = 0;

    for (uint32_t i = 0; i < w->day->account_cnt; i++) {
        const struct fls_tally *tally = &w->accounts[i].tables->tables[table];

        for (uint64_t k = 0; k < tally->row_cnt; k += stride) {
            const struct fls_tally_row *row = fls_tally_row(tally, (uint32_t)k);

            if ((row->rest & FLS_TALLY_KEY) >> FLS_TALLY_FLAGS_SHIFT == flags)
                put(&w->order, entry_of(&w->numbering, table, row, base + k));
        }
        base += (tally->row_cnt + FLS_TALLY_CHUNK_ROWS - 1) / FLS_TALLY_CHUNK_ROWS *
                (uint64_t)FLS_TALLY_CHUNK_ROWS;
    }
}

static const struct fls_tally_row *row_of(const struct chunk *chunks,
                                          const struct fls_order_entry *entry)
{
    uint64_t number = fls_order_number(entry);

    return &chunks[number / FLS_TALLY_CHUNK_ROWS].rows[number % FLS_TALLY_CHUNK_ROWS];
}

static uint32_t account_of(const struct chunk *chunks, const struct fls_order_entry *entry)
{
    return chunks[fls_order_number(entry) / FLS_TALLY_CHUNK_ROWS].account;
}

/* How many rows ahead one is asked for, both of its ends: the order leads all over the table. */
#define AHEAD 24U

static void prefetch_row(const struct chunk *chunks, const struct fls_order_entry *entry)
{
    const struct fls_tally_row *row = row_of(chunks, entry);

    fls_prefetch(row);
    fls_prefetch(&row->rest);
}

/* Accounts have a key once, but for records without an account and those of an account that is
 * called "unknown": their rows are one. */
static void write_sorted(struct writing *w, enum fls_table_id table, uint32_t flags,
                         const struct chunk *chunks, const struct fls_order_entry *sorted,
                         uint64_t cnt)
{
    for (uint64_t i = 0, next; i < cnt; i = next) {
        struct fls_part_row row = {.key = spell_key(w, table, &sorted[i], flags),
                                   .account = account_of(chunks, &sorted[i])};

        if (i + AHEAD < cnt)
            prefetch_row(chunks, &sorted[i + AHEAD]);
        next = i;
        do {
            const struct fls_tally_row *from = row_of(chunks, &sorted[next++]);

            add_figures(&row, from);
            if (fls_tables[table].key == FLS_KEY_ADDRESS)
                row.marks |= from->rest >> FLS_TALLY_A_MARKS_SHIFT & FLS_MARKS_ALL;
        } while (next < cnt && is_same_key(&sorted[i], &sorted[next]) &&
                 account_of(chunks, &sorted[next]) == row.account);
        fls_part_put(&w->part, table, &row);
    }
}

static uint32_t flags_seen(const struct writing *w, enum fls_table_id table)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < w->day->account_cnt; i++)
        seen |= w->accounts[i].tables->tables[table].flags_seen;
    return seen;
}

static void write_rows(struct writing *w, enum fls_table_id table)
{
    uint64_t row_cnt;
    struct chunk *chunks = gather_chunks(w, table, &row_cnt);
    uint32_t seen = flags_seen(w, table);

    for (uint32_t flags = 0; flags <= (FLS_A_IS_IPV6 | FLS_B_IS_IPV6); flags++) {
        if (!(seen >> flags & 1))
            continue;
        fls_order_begin(&w->order, row_cnt, w->day->account_cnt);
        gather_rows(w, table, flags, w->order.stride, fls_order_sample);
        fls_order_split(&w->order);
        gather_rows(w, table, flags, 1, fls_order_put);
        fls_order_gathered(&w->order);
        for (uint32_t i = 0; i < w->order.bucket_cnt; i++) {
            uint64_t cnt;
            const struct fls_order_entry *sorted = fls_order_take(&w->order, i, &cnt);

            write_sorted(w, table, flags, chunks, sorted, cnt);
        }
    }
    free(chunks);
}

/* What is written is not needed any more, but for what other tables are summed from. */
static void write_table(struct writing *w, enum fls_table_id table)
{
    for (uint32_t i = 0; i < w->day->account_cnt; i++) {
        fls_derive(w->shard, w->accounts[i].tables, table);
        fls_tally_drop_index(&w->accounts[i].tables->tables[table], &w->shard->pool);
    }
    write_rows(w, table);
    for (uint32_t i = 0; i < w->day->account_cnt; i++)
        fls_tally_fini(&w->accounts[i].tables->tables[table], &w->shard->pool);
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

/* The day's accounts in the order of their texts; nothing is looked up by their counted keys any
 * more. */
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
        fls_tally_drop_index(&account->tables[FLS_TABLE_DESTINATION_PORT], &w->shard->pool);
        w->accounts[cnt++] = (struct account){w->numbering.symbols[account->symbol], account};
    }
    qsort(w->accounts, cnt, sizeof(*w->accounts), account_compare);
}

static void write_tables(struct writing *w)
{
    write_combinations(w, FLS_TABLE_TOTALS, -1);
    for (int table = FLS_TABLE_TOTALS + 1; table < FLS_SHARD_TABLES; table++)
        write_table(w, (enum fls_table_id)table);
    for (int i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        write_combinations(w, (enum fls_table_id)fls_attribute_table[i], i);
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
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        die("seal");
    return fd;
}

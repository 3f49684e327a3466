#include "aggregate/snapshot.h"

#include "aggregate/numbering.h"
#include "aggregate/order.h"
#include "base/log.h"
#include "shm/part_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* A day that is being written. */
struct writing {
    const struct fls_shard *shard;
    struct fls_numbering numbering;
    struct fls_order_entry *entries; /* room to sort any table */
    struct fls_part_writer part;
};

static _Noreturn void die(const char *what)
{
    fls_log_error("no memory for a snapshot: %s: %s", what, strerror(errno));
    exit(EXIT_FAILURE);
}

/* ---- rows in order ---- */

/* A number that sorts as an address does among its kind. */
static uint64_t rank_of(const struct fls_numbering *numbering, uint32_t address, bool is_ipv6)
{
    return is_ipv6 ? numbering->ipv6[address] : address;
}

/* flags 2 bits, a 32, b 32, place 24, account 32. */
static struct fls_order_entry entry_of(const struct writing *w, enum fls_table_key kind,
                                       const struct fls_key *key, uint32_t number)
{
    const struct fls_numbering *numbering = &w->numbering;
    uint64_t place = fls_part_place(key->protocol, key->port);
    uint64_t a = kind == FLS_KEY_ATTRIBUTE ? numbering->symbols[key->a]
                                           : rank_of(numbering, key->a, key->flags & FLS_A_IS_IPV6);
    uint64_t b = rank_of(numbering, key->b, key->flags & FLS_B_IS_IPV6);

    return (struct fls_order_entry){.high = (uint64_t)key->flags << 62 | a << 30 | b >> 2,
                                    .low = b << 62 | place << 32 | numbering->symbols[key->scope],
                                    .number = number};
}

static void spell_address(const struct fls_shard *shard, uint32_t address, bool is_ipv6,
                          uint64_t *high, uint64_t *low)
{
    if (is_ipv6)
        fls_part_set_ipv6(high, low, fls_dictionary_text(&shard->names.ipv6, address).at);
    else
        *low = address;
}

static struct fls_part_row spell_row(const struct writing *w, enum fls_table_key kind,
                                     const struct fls_row *row)
{
    const struct fls_key *key = &row->key;
    struct fls_part_row spelled = {
        .key = {.flags = key->flags, .place = fls_part_place(key->protocol, key->port)},
        .account = w->numbering.symbols[key->scope],
        .marks = row->marks,
        .counters = row->counters};

    if (kind == FLS_KEY_ATTRIBUTE) {
        spelled.key.a_low = w->numbering.symbols[key->a];
        return spelled;
    }
    spell_address(w->shard, key->a, key->flags & FLS_A_IS_IPV6, &spelled.key.a_high,
                  &spelled.key.a_low);
    spell_address(w->shard, key->b, key->flags & FLS_B_IS_IPV6, &spelled.key.b_high,
                  &spelled.key.b_low);
    return spelled;
}

static bool is_same(const struct fls_order_entry *a, const struct fls_order_entry *b)
{
    return a->high == b->high && a->low == b->low;
}

/* How many rows ahead one is asked for: the order leads all over the table. */
#define AHEAD 16U

/* Equal are only a row without an account and one of an account that is called "unknown". */
static void write_table(struct writing *w, const struct fls_table *table, enum fls_table_id id)
{
    enum fls_table_key kind = fls_tables[id].key;
    const struct fls_order_entry *sorted;

    for (uint32_t i = 0; i < table->row_cnt; i++)
        w->entries[i] = entry_of(w, kind, &table->rows[i].key, i);
    sorted = fls_order_sort(w->entries, table->row_cnt);
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        struct fls_part_row row = spell_row(w, kind, &table->rows[sorted[i].number]);

        if (i + AHEAD < table->row_cnt)
            __builtin_prefetch(&table->rows[sorted[i + AHEAD].number]);
        while (i + 1 < table->row_cnt && is_same(&sorted[i], &sorted[i + 1])) {
            const struct fls_row *other = &table->rows[sorted[++i].number];

            fls_counters_add(&row.counters, &other->counters);
            row.marks |= other->marks;
        }
        fls_part_put(&w->part, id, &row);
    }
}

/* ---- days ---- */

static int write_piece(void *context, struct fls_span bytes)
{
    int fd = *(const int *)context;

    while (bytes.sz > 0) {
        ssize_t sz = write(fd, bytes.at, bytes.sz);

        if (sz < 0 && errno != EINTR)
            return -errno;
        if (sz > 0)
            bytes = (struct fls_span){bytes.at + sz, bytes.sz - (size_t)sz};
    }
    return 0;
}

static uint64_t write_day(struct writing *w, const struct fls_shard_day *day, int fd)
{
    struct fls_part_names names;
    uint64_t size;
    int error;

    fls_numbering_begin_day(&w->numbering, w->shard, day);
    fls_part_begin(&w->part, day->figures.day, (struct fls_part_sink){write_piece, &fd});
    for (int id = 0; id < FLS_TABLE_CNT; id++)
        write_table(w, &day->figures.tables[id], (enum fls_table_id)id);
    names =
        (struct fls_part_names){.symbols = w->numbering.texts, .symbol_cnt = w->numbering.text_cnt};
    error = fls_part_finish(&w->part, &names, &size);
    if (error) {
        errno = -error;
        die("write");
    }
    return size;
}

static uint32_t largest_table(const struct fls_shard *shard)
{
    uint32_t largest = 0;

    for (uint32_t i = 0; i < shard->day_cnt; i++)
        for (int id = 0; id < FLS_TABLE_CNT; id++)
            if (shard->days[i]->figures.tables[id].row_cnt > largest)
                largest = shard->days[i]->figures.tables[id].row_cnt;
    return largest;
}

int fls_snapshot_take(const struct fls_shard *shard, uint64_t *size)
{
    struct writing w = {.shard = shard};
    uint32_t largest = largest_table(shard);
    int fd;

    *size = 0;
    if (shard->day_cnt == 0)
        return -1;
    fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        die("memfd");
    fls_numbering_init(&w.numbering, shard);
    w.entries = fls_order_room(largest);
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        *size += write_day(&w, shard->days[i], fd);
    fls_order_room_free(w.entries, largest);
    fls_numbering_fini(&w.numbering);
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        die("seal");
    return fd;
}

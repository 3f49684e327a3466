#include "shm/part_writer.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

#define FLS_INLINE static inline __attribute__((always_inline))

FLS_INLINE uint8_t *put(uint8_t *out, const void *from, size_t sz)
{
    memcpy(out, from, sz);
    return out + sz;
}

/* Below this the bytes of a varint are written together: that of random sizes costs a branch that
 * is not foreseen. */
#define TOGETHER_MAX (1ULL << 56)

/* The 7 bits of each of 8 bytes. */
static uint64_t spread(uint64_t value)
{
    value = (value & 0xfffffff) | (value & 0xfffffffULL << 28) << 4;
    value = (value & 0x3fff00003fff) | (value & 0x3fff00003fffULL << 14) << 2;
    return (value & 0x7f007f007f007f) | (value & 0x7f007f007f007fULL << 7) << 1;
}

/* Up to 10 bytes may be written, whatever the value takes. */
FLS_INLINE uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    if (value < 0x80) {
        *out = (uint8_t)value;
        return out + 1;
    }
    if (value < TOGETHER_MAX) {
        unsigned more = (63U - (unsigned)__builtin_clzll(value)) / 7; /* bytes before the last */
        uint64_t bytes = spread(value) | (0x8080808080808080 & ((1ULL << 8 * more) - 1));

        put(out, &bytes, sizeof(bytes));
        return out + more + 1;
    }
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

/* ---- the buffer ---- */

static void flush(struct fls_part_writer *writer)
{
    if (writer->error == 0 && writer->used > 0)
        writer->error = writer->sink.write(writer->sink.context,
                                           (struct fls_span){writer->buffer, writer->used});
    writer->written += writer->used;
    writer->used = 0;
}

/* Room for so many bytes at once. */
static uint8_t *room(struct fls_part_writer *writer, uint32_t sz)
{
    if (FLS_PART_BUFFER_SZ - writer->used < sz)
        flush(writer);
    return writer->buffer + writer->used;
}

static void used_to(struct fls_part_writer *writer, const uint8_t *end)
{
    writer->used = (uint32_t)(end - writer->buffer);
}

static void put_bytes(struct fls_part_writer *writer, const void *from, size_t sz)
{
    const uint8_t *at = from;

    while (sz > 0) {
        uint32_t piece = FLS_PART_BUFFER_SZ - writer->used;

        if (piece > sz)
            piece = (uint32_t)sz;
        if (piece == 0) {
            flush(writer);
            continue;
        }
        memcpy(writer->buffer + writer->used, at, piece);
        writer->used += piece;
        at += piece;
        sz -= piece;
    }
}

static void put_number(struct fls_part_writer *writer, uint64_t value)
{
    used_to(writer, put_varint(room(writer, 10), value));
}

/* ---- rows ---- */

void fls_part_begin(struct fls_part_writer *writer, uint32_t day, struct fls_part_sink sink)
{
    *writer = (struct fls_part_writer){
        .sink = sink,
        .trailer = {.day = day, .layout = FLS_PART_LAYOUT, .magic = FLS_PART_MAGIC},
        .table = FLS_TABLE_CNT - 1,
        .buffer = malloc(FLS_PART_BUFFER_SZ)};
    fls_assert(writer->buffer != NULL);
}

/* All down to `next`, which is not. */
static void end_tables(struct fls_part_writer *writer, int next)
{
    for (int i = (int)writer->table; i > next; i--)
        writer->trailer.end[i] = writer->written + writer->used;
}

static void next_table(struct fls_part_writer *writer, enum fls_table_id table)
{
    fls_assert(table < writer->table);
    end_tables(writer, (int)table);
    writer->table = table;
    writer->has_last = false;
    writer->last_key = (struct fls_part_key){.flags = 0};
}

FLS_INLINE uint8_t *put_address(uint8_t *out, uint64_t high, uint64_t low, bool is_ipv6)
{
    if (!is_ipv6)
        return put(out, &low, sizeof(uint32_t));
    fls_part_get_ipv6(out, high, low);
    return out + 16;
}

FLS_INLINE uint8_t *put_place(uint8_t *out, const struct fls_part_key *key)
{
    return put(out, &key->place, 3); /* port, protocol */
}

FLS_INLINE uint8_t *put_key(uint8_t *out, const struct fls_part_key *key, enum fls_table_key kind,
                            bool same_a)
{
    uint8_t *end;

    switch (kind) {
    case FLS_KEY_NONE:
        return out;
    case FLS_KEY_MINUTE:
        return put(out, &key->a_low, sizeof(uint32_t));
    case FLS_KEY_PROTOCOL:
        *out++ = fls_part_protocol(key);
        return out;
    case FLS_KEY_ADDRESS:
        return put_address(out, key->a_high, key->a_low, key->flags & FLS_A_IS_IPV6);
    case FLS_KEY_PORT:
        return put_place(out, key);
    case FLS_KEY_CONVERSATION:
        end = put_address(out, key->a_high, key->a_low, key->flags & FLS_A_IS_IPV6);
        out = put_address(same_a ? out : end, key->b_high, key->b_low, key->flags & FLS_B_IS_IPV6);
        return put_place(out, key);
    case FLS_KEY_ATTRIBUTE:
        return put_varint(out, key->a_low);
    }
    fls_assert(!"a kind of key");
    return out;
}

FLS_INLINE uint8_t flags_of_counters(const uint64_t value[FLS_COUNTER_CNT])
{
    uint64_t flows = value[FLS_FLOWS], accepted = value[FLS_ACCEPTED],
             rejected = value[FLS_REJECTED];

    if (((flows ^ accepted) | rejected) == 0)
        return FLS_ROW_ALL_ACCEPTED;
    return ((flows ^ rejected) | accepted) == 0 ? FLS_ROW_ALL_REJECTED : 0;
}

FLS_INLINE uint8_t *put_counters(uint8_t *out, const uint64_t value[FLS_COUNTER_CNT], uint8_t flags)
{
    out = put_varint(out, value[FLS_FLOWS]);
    out = put_varint(out, value[FLS_PACKETS]);
    out = put_varint(out, value[FLS_BYTES]);
    if (flags & (FLS_ROW_ALL_ACCEPTED | FLS_ROW_ALL_REJECTED))
        return out;
    out = put_varint(out, value[FLS_ACCEPTED]);
    return put_varint(out, value[FLS_REJECTED]);
}

FLS_INLINE bool has_same_a(const struct fls_part_key *a, const struct fls_part_key *b)
{
    return ((a->flags ^ b->flags) | (a->a_high ^ b->a_high) | (a->a_low ^ b->a_low)) == 0;
}

/* What of the row is as in the one before; it is behind that one. */
FLS_INLINE uint8_t flags_of_row(const struct fls_part_writer *writer,
                                const struct fls_part_row *row, enum fls_table_key kind)
{
    uint8_t flags =
        (uint8_t)(flags_of_counters(row->counters.value) | row->marks << FLS_ROW_MARKS_SHIFT);

    if (row->key.flags != writer->last_key.flags)
        flags |= FLS_ROW_FLAGS;
    if (!writer->has_last)
        return flags;
    if (fls_part_key_is_before(&writer->last_key, &row->key, kind)) {
        if (row->account == writer->last_account)
            flags |= FLS_ROW_SAME_ACCOUNT;
        if (kind == FLS_KEY_CONVERSATION && has_same_a(&writer->last_key, &row->key))
            flags |= FLS_ROW_SAME_A;
        return flags;
    }
    fls_assert(!fls_part_key_is_before(&row->key, &writer->last_key, kind) &&
               writer->last_account < row->account);
    return flags | FLS_ROW_SAME_KEY;
}

FLS_INLINE void note_symbol(struct fls_part_writer *writer, uint32_t symbol)
{
    if (symbol > writer->symbol_max)
        writer->symbol_max = symbol;
}

/* Compiled for each kind of key. */
FLS_INLINE void put_row_of(struct fls_part_writer *writer, const struct fls_part_row *row,
                           enum fls_table_key kind)
{
    uint8_t *out = room(writer, FLS_PART_ROW_SZ_MAX), *end, flags;

    fls_assert(fls_part_row_is_sound(row, kind, writer->trailer.day));
    flags = flags_of_row(writer, row, kind);
    *out++ = flags;
    if (flags & FLS_ROW_FLAGS)
        *out++ = (uint8_t)row->key.flags;
    if (!(flags & FLS_ROW_SAME_KEY))
        out = put_key(out, &row->key, kind, flags & FLS_ROW_SAME_A);
    end = put_varint(out, row->account);
    out = flags & FLS_ROW_SAME_ACCOUNT ? out : end;
    used_to(writer, put_counters(out, row->counters.value, flags));
    note_symbol(writer, row->account);
    if (kind == FLS_KEY_ATTRIBUTE)
        note_symbol(writer, (uint32_t)row->key.a_low);
    writer->last_key = row->key;
    writer->last_account = row->account;
    writer->has_last = true;
}

void fls_part_put(struct fls_part_writer *writer, enum fls_table_id table,
                  const struct fls_part_row *row)
{
    if (table != writer->table)
        next_table(writer, table);
    writer->trailer.row_cnt[table]++;
    switch (fls_tables[table].key) {
    case FLS_KEY_NONE:
        return put_row_of(writer, row, FLS_KEY_NONE);
    case FLS_KEY_MINUTE:
        return put_row_of(writer, row, FLS_KEY_MINUTE);
    case FLS_KEY_PROTOCOL:
        return put_row_of(writer, row, FLS_KEY_PROTOCOL);
    case FLS_KEY_ADDRESS:
        return put_row_of(writer, row, FLS_KEY_ADDRESS);
    case FLS_KEY_PORT:
        return put_row_of(writer, row, FLS_KEY_PORT);
    case FLS_KEY_CONVERSATION:
        return put_row_of(writer, row, FLS_KEY_CONVERSATION);
    case FLS_KEY_ATTRIBUTE:
        return put_row_of(writer, row, FLS_KEY_ATTRIBUTE);
    }
}

/* ---- what stands behind them ---- */

static void put_texts(struct fls_part_writer *writer, const struct fls_part_names *names)
{
    fls_assert(names->symbol_cnt > writer->symbol_max && names->symbols[0].sz == 0);
    for (uint32_t i = 0; i < names->symbol_cnt; i++) {
        fls_assert(i == 0 || fls_span_order(names->symbols[i - 1], names->symbols[i]) < 0);
        put_number(writer, names->symbols[i].sz);
        put_bytes(writer, names->symbols[i].at, names->symbols[i].sz);
    }
    writer->trailer.symbol_cnt = names->symbol_cnt;
    writer->trailer.texts_end = writer->written + writer->used;
}

static void put_hll(struct fls_part_writer *writer, const struct fls_hll *hll)
{
    uint32_t cnt = 0, next = 0;

    for (uint32_t i = 0; i < FLS_HLL_REGISTERS; i++)
        cnt += hll->registers[i] != 0;
    put_number(writer, cnt);
    for (uint32_t i = 0; i < FLS_HLL_REGISTERS; i++) {
        if (hll->registers[i] == 0)
            continue;
        put_number(writer, i - next);
        put_bytes(writer, &hll->registers[i], 1);
        next = i + 1;
    }
}

static void put_gone(struct fls_part_writer *writer, const struct fls_part_names *names)
{
    for (int i = 0; names->max_errors && i < FLS_TABLE_CNT; i++)
        if (names->max_errors[i].value[FLS_FLOWS] > 0)
            writer->trailer.gave_way |= 1U << i;
    if (writer->trailer.gave_way == 0)
        return;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        for (int k = 0; writer->trailer.gave_way >> i & 1 && k < FLS_COUNTER_CNT; k++)
            put_number(writer, names->max_errors[i].value[k]);
    fls_assert(names->gone == NULL || names->gone[0] == NULL);
    for (uint32_t i = 0; names->gone && i < names->symbol_cnt; i++) {
        if (names->gone[i] == NULL)
            continue;
        put_number(writer, i);
        put_hll(writer, &names->gone[i]->external_sources);
        put_hll(writer, &names->gone[i]->own_addresses);
    }
}

int fls_part_finish(struct fls_part_writer *writer, const struct fls_part_names *names,
                    uint64_t *size)
{
    end_tables(writer, -1);
    put_texts(writer, names);
    put_gone(writer, names);
    writer->trailer.size = writer->written + writer->used + sizeof(writer->trailer);
    put_bytes(writer, &writer->trailer, sizeof(writer->trailer));
    flush(writer);
    free(writer->buffer);
    writer->buffer = NULL;
    *size = writer->trailer.size;
    return writer->error;
}

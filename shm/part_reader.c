#include "shm/part_reader.h"

#include "base/assert.h"
#include "base/calendar.h"

#include <stdlib.h>
#include <string.h>

/* ---- a part as a whole ---- */

static bool take_trailer(const struct fls_part_place *bytes, struct fls_part_trailer *trailer)
{
    struct fls_part_place last;

    if (bytes->sz < sizeof(*trailer))
        return false;
    last = fls_part_place_between(bytes, bytes->sz - sizeof(*trailer), bytes->sz);
    return fls_part_place_copy(&last, trailer) == 0 && trailer->magic == FLS_PART_MAGIC;
}

uint32_t fls_part_layout(struct fls_part_place bytes)
{
    struct fls_part_trailer trailer;

    return take_trailer(&bytes, &trailer) ? trailer.layout : 0;
}

/* Tables stand one after the other, then texts, then what gave way. */
static bool is_sound(const struct fls_part_trailer *trailer, uint64_t sz)
{
    uint64_t before = 0, end = trailer->size - sizeof(*trailer);

    if (trailer->layout != FLS_PART_LAYOUT || trailer->size < sizeof(*trailer) ||
        trailer->size > sz || (trailer->day > FLS_DAY_MAX && trailer->day != FLS_DAY_UNKNOWN) ||
        trailer->symbol_cnt == 0 || trailer->gave_way >> FLS_TABLE_CNT || trailer->reserved)
        return false;
    for (int i = FLS_TABLE_CNT - 1; i >= 0; before = trailer->end[i--])
        if (trailer->end[i] < before || trailer->row_cnt[i] > trailer->end[i] - before)
            return false;
    return trailer->texts_end >= before && trailer->texts_end <= end &&
           trailer->symbol_cnt <= trailer->texts_end - before;
}

bool fls_part_take_last(struct fls_span *parts, uint32_t *day, struct fls_span *part)
{
    const struct fls_part_place all = fls_part_in_memory(*parts);
    struct fls_part_trailer trailer;

    if (parts->sz == 0)
        return false;
    *part = (struct fls_span){parts->at, 0};
    if (!take_trailer(&all, &trailer) || !is_sound(&trailer, parts->sz))
        return true;
    *day = trailer.day;
    parts->sz -= trailer.size;
    *part = (struct fls_span){parts->at + parts->sz, trailer.size};
    return true;
}

/* ---- numbers and bytes ---- */

/* Of what tables lost, which stands behind the texts. */
#define ERRORS_SZ_MAX ((uint64_t)FLS_TABLE_CNT * FLS_COUNTER_CNT * 10U)

/* Reads on; what stands behind the end reads as 0 and sets is_torn. */
struct source {
    const uint8_t *at, *end;
    bool is_torn;
};

static uint64_t take_varint(struct source *from)
{
    uint64_t value = 0;

    for (unsigned shift = 0; shift < 64 && from->at < from->end; shift += 7) {
        uint8_t byte = *from->at++;

        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return value;
    }
    from->is_torn = true;
    return 0;
}

static bool take_texts(struct source *from, struct fls_span *symbols, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        uint64_t sz = take_varint(from);

        if (from->is_torn || sz > (size_t)(from->end - from->at) || (i == 0 && sz > 0))
            return false;
        symbols[i] = (struct fls_span){from->at, sz};
        from->at += sz;
        if (i > 0 && fls_span_order(symbols[i - 1], symbols[i]) >= 0)
            return false;
    }
    return from->at == from->end;
}

static bool take_errors(struct source *from, struct fls_part_reader *reader)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        uint64_t *value = reader->max_errors[i].value;

        if (!(reader->trailer.gave_way >> i & 1))
            continue;
        for (int k = 0; k < FLS_COUNTER_CNT; k++) {
            value[k] = take_varint(from);
            from->is_torn |= value[k] > FLS_COUNTER_MAX;
        }
        from->is_torn |= value[FLS_FLOWS] == 0;
    }
    return !from->is_torn;
}

/* What `begin` is in memory: the part itself, or a copy that is the reader's. NULL if it cannot be
 * read. */
static const uint8_t *texts_in_memory(struct fls_part_reader *reader, uint64_t begin, uint64_t end)
{
    const struct fls_part_place place = fls_part_place_between(&reader->part, begin, end);

    if (place.at)
        return place.at;
    reader->texts = malloc(place.sz);
    fls_assert(reader->texts != NULL);
    return fls_part_place_copy(&place, reader->texts) == 0 ? reader->texts : NULL;
}

/* Texts, errors, and where the addresses stand that gave way. */
static bool open_texts(struct fls_part_reader *reader)
{
    const struct fls_part_trailer *trailer = &reader->trailer;
    uint64_t begin = trailer->end[0], texts_sz = trailer->texts_end - begin;
    uint64_t end = trailer->size - sizeof(*trailer);
    uint64_t errors_sz = end - trailer->texts_end;
    struct source texts = {.at = NULL}, errors;

    if (errors_sz > ERRORS_SZ_MAX)
        errors_sz = ERRORS_SZ_MAX;
    texts.at = texts_in_memory(reader, begin, trailer->texts_end + errors_sz);
    if (texts.at == NULL)
        return false;
    texts.end = texts.at + texts_sz;
    errors = (struct source){.at = texts.end, .end = texts.end + errors_sz};
    if (!take_texts(&texts, reader->symbols, trailer->symbol_cnt))
        return false;
    if (trailer->gave_way ? !take_errors(&errors, reader) : errors_sz > 0)
        return false;
    reader->gone = fls_part_place_between(
        &reader->part, trailer->texts_end + (uint64_t)(errors.at - texts.end), end);
    return true;
}

bool fls_part_open(struct fls_part_reader *reader, struct fls_part_place part)
{
    *reader = (struct fls_part_reader){.part = part};
    if (!take_trailer(&part, &reader->trailer) || !is_sound(&reader->trailer, part.sz) ||
        reader->trailer.size != part.sz)
        return false;
    reader->symbols = malloc(reader->trailer.symbol_cnt * sizeof(*reader->symbols));
    fls_assert(reader->symbols != NULL);
    if (open_texts(reader))
        return true;
    fls_part_close(reader);
    return false;
}

void fls_part_close(struct fls_part_reader *reader)
{
    free(reader->symbols);
    free(reader->texts);
    *reader = (struct fls_part_reader){.part = {.at = NULL}};
}

/* ---- rows ----
 *
 * Behind the rows there is at least the trailer, which is larger than a row, or as many bytes of 0:
 * so the bytes of a row are read without looking for the end, which is looked for when it is read.
 */

#define FLS_INLINE static inline __attribute__((always_inline))

FLS_INLINE uint64_t next_varint(const uint8_t **at)
{
    const uint8_t *from = *at;
    uint64_t value = *from++;

    if (value >= 0x80) {
        value &= 0x7f;
        for (unsigned shift = 7; shift < 64; shift += 7) {
            uint8_t byte = *from++;

            value |= (uint64_t)(byte & 0x7f) << shift;
            if (byte < 0x80)
                break;
        }
    }
    *at = from;
    return value;
}

FLS_INLINE uint32_t next_u32(const uint8_t **at)
{
    uint32_t value;

    memcpy(&value, *at, sizeof(value));
    *at += sizeof(value);
    return value;
}

FLS_INLINE void next_address(const uint8_t **at, uint64_t *high, uint64_t *low, bool is_ipv6)
{
    *high = 0;
    if (!is_ipv6) {
        *low = next_u32(at);
        return;
    }
    fls_part_set_ipv6(high, low, *at);
    *at += 16;
}

FLS_INLINE void next_place(const uint8_t **at, struct fls_part_key *key)
{
    key->place = next_u32(at) & 0xffffff; /* port, protocol; and a byte of what follows */
    *at -= 1;
}

FLS_INLINE void next_key(const uint8_t **at, struct fls_part_key *key, enum fls_table_key kind,
                         bool same_a)
{
    switch (kind) {
    case FLS_KEY_NONE:
        return;
    case FLS_KEY_MINUTE:
        key->a_low = next_u32(at);
        return;
    case FLS_KEY_PROTOCOL:
        key->place = fls_part_place(*(*at)++, 0);
        return;
    case FLS_KEY_ADDRESS:
        next_address(at, &key->a_high, &key->a_low, key->flags & FLS_A_IS_IPV6);
        return;
    case FLS_KEY_PORT:
        next_place(at, key);
        return;
    case FLS_KEY_CONVERSATION:
        if (!same_a)
            next_address(at, &key->a_high, &key->a_low, key->flags & FLS_A_IS_IPV6);
        next_address(at, &key->b_high, &key->b_low, key->flags & FLS_B_IS_IPV6);
        next_place(at, key);
        return;
    case FLS_KEY_ATTRIBUTE:
        key->a_low = next_varint(at);
        return;
    }
    fls_assert(!"a kind of key");
}

FLS_INLINE void next_counters(const uint8_t **at, uint64_t value[FLS_COUNTER_CNT], uint8_t flags)
{
    value[FLS_FLOWS] = next_varint(at);
    value[FLS_PACKETS] = next_varint(at);
    value[FLS_BYTES] = next_varint(at);
    value[FLS_ACCEPTED] = flags & FLS_ROW_ALL_ACCEPTED ? value[FLS_FLOWS] : 0;
    value[FLS_REJECTED] = flags & FLS_ROW_ALL_REJECTED ? value[FLS_FLOWS] : 0;
    if (!(flags & (FLS_ROW_ALL_ACCEPTED | FLS_ROW_ALL_REJECTED))) {
        value[FLS_ACCEPTED] = next_varint(at);
        value[FLS_REJECTED] = next_varint(at);
    }
}

void fls_part_rows(struct fls_part_cursor *cursor, const struct fls_part_reader *reader,
                   enum fls_table_id table, uint8_t *room, size_t room_sz)
{
    const struct fls_part_trailer *trailer = &reader->trailer;
    const struct fls_part_place place = fls_part_place_between(
        &reader->part, fls_part_table_begin(trailer, table), trailer->end[table]);

    fls_assert(place.at || room_sz >= FLS_PART_ROW_ROOM_MIN);
    *cursor =
        (struct fls_part_cursor){.reader = reader, .table = table, .left = trailer->row_cnt[table]};
    fls_part_bytes_begin(&cursor->bytes, &place, room, room_sz);
    cursor->is_torn = cursor->left == 0 && place.sz > 0;
}

#define ROW_ALL_OF_ONE_ACTION (FLS_ROW_ALL_ACCEPTED | FLS_ROW_ALL_REJECTED)
#define ROW_SAME (FLS_ROW_SAME_A | FLS_ROW_SAME_KEY | FLS_ROW_SAME_ACCOUNT)

/* What the first byte repeats is there, and means the same as it did. */
FLS_INLINE bool are_flags_sound(uint8_t flags, enum fls_table_key kind, bool is_first_row)
{
    if (is_first_row && flags & ROW_SAME)
        return false;
    if (flags & FLS_ROW_SAME_A && kind != FLS_KEY_CONVERSATION)
        return false;
    if (flags & FLS_ROW_MARKS && kind != FLS_KEY_ADDRESS)
        return false;
    return (flags & ROW_ALL_OF_ONE_ACTION) != ROW_ALL_OF_ONE_ACTION &&
           !(flags & FLS_ROW_FLAGS && flags & (FLS_ROW_SAME_A | FLS_ROW_SAME_KEY));
}

/* Numbers that mean something; what their bytes cannot say otherwise is not looked at. */
FLS_INLINE bool is_key_sound(const struct fls_part_cursor *cursor, const struct fls_part_key *key,
                             enum fls_table_key kind)
{
    const struct fls_part_trailer *trailer = &cursor->reader->trailer;

    if (key->flags & ~fls_part_key_flags(kind))
        return false;
    if (kind == FLS_KEY_MINUTE)
        return key->a_low != FLS_MINUTE_UNKNOWN &&
               fls_day_of_minute((uint32_t)key->a_low) == trailer->day;
    return kind != FLS_KEY_ATTRIBUTE || (key->a_low > 0 && key->a_low < trailer->symbol_cnt);
}

FLS_INLINE bool are_counters_sound(const uint64_t value[FLS_COUNTER_CNT])
{
    return (value[FLS_FLOWS] | value[FLS_PACKETS] | value[FLS_BYTES] | value[FLS_ACCEPTED] |
            value[FLS_REJECTED]) <= FLS_COUNTER_MAX;
}

FLS_INLINE uint32_t number_of(const struct fls_part_cursor *cursor, uint64_t symbol)
{
    return cursor->numbers ? cursor->numbers[symbol] : (uint32_t)symbol;
}

/* The key that is not as in the row before, from these bytes on: false if no writer puts it there.
 * It is made beside the row: what was just written in pieces is slow to be copied as a whole. */
FLS_INLINE bool take_key(struct fls_part_cursor *cursor, const uint8_t **at, uint8_t flags,
                         enum fls_table_key kind, bool is_first_row)
{
    struct fls_part_key key = cursor->row.key;
    bool is_sound;

    if (flags & FLS_ROW_FLAGS)
        key.flags = *(*at)++;
    next_key(at, &key, kind, flags & FLS_ROW_SAME_A);
    is_sound = is_key_sound(cursor, &key, kind);
    if (kind == FLS_KEY_ATTRIBUTE && is_sound)
        key.a_low = number_of(cursor, key.a_low);
    is_sound = is_sound && (is_first_row || fls_part_key_is_before(&cursor->row.key, &key, kind));
    cursor->row.key = key;
    return is_sound;
}

/* Reads a row over the one before. True if it is one that a writer makes there (the same as
 * fls_part_row_is_sound, and in order). Compiled for each kind of key. */
FLS_INLINE bool take_row_of(struct fls_part_cursor *cursor, enum fls_table_key kind)
{
    struct fls_part_row *row = &cursor->row;
    bool is_first_row = cursor->left == cursor->reader->trailer.row_cnt[cursor->table];
    const uint32_t account_before = row->account;
    const uint8_t *at = cursor->bytes.at;
    uint8_t flags = *at++;
    bool same_key = flags & FLS_ROW_SAME_KEY;

    if (!are_flags_sound(flags, kind, is_first_row) ||
        (!same_key && !take_key(cursor, &at, flags, kind, is_first_row)))
        return false;
    if (!(flags & FLS_ROW_SAME_ACCOUNT)) {
        uint64_t account = next_varint(&at);

        if (account == 0 || account >= cursor->reader->trailer.symbol_cnt)
            return false;
        row->account = number_of(cursor, account);
    }
    row->marks = (flags & FLS_ROW_MARKS) >> FLS_ROW_MARKS_SHIFT;
    next_counters(&at, row->counters.value, flags);
    cursor->bytes.at = at;
    return are_counters_sound(row->counters.value) && (!same_key || account_before < row->account);
}

static bool take_row(struct fls_part_cursor *cursor)
{
    switch (fls_tables[cursor->table].key) {
    case FLS_KEY_NONE:
        return take_row_of(cursor, FLS_KEY_NONE);
    case FLS_KEY_MINUTE:
        return take_row_of(cursor, FLS_KEY_MINUTE);
    case FLS_KEY_PROTOCOL:
        return take_row_of(cursor, FLS_KEY_PROTOCOL);
    case FLS_KEY_ADDRESS:
        return take_row_of(cursor, FLS_KEY_ADDRESS);
    case FLS_KEY_PORT:
        return take_row_of(cursor, FLS_KEY_PORT);
    case FLS_KEY_CONVERSATION:
        return take_row_of(cursor, FLS_KEY_CONVERSATION);
    case FLS_KEY_ATTRIBUTE:
        return take_row_of(cursor, FLS_KEY_ATTRIBUTE);
    }
    return false;
}

bool fls_part_next(struct fls_part_cursor *cursor)
{
    struct fls_part_bytes *bytes = &cursor->bytes;

    if (cursor->left == 0 || cursor->is_torn)
        return false;
    cursor->is_torn = !fls_part_bytes_need(bytes, FLS_PART_ROW_SZ_MAX) || bytes->at >= bytes->end ||
                      !take_row(cursor) || bytes->at > bytes->end ||
                      (cursor->left == 1 && !fls_part_bytes_are_read(bytes));
    cursor->left--;
    return !cursor->is_torn;
}

/* ---- what gave way ---- */

static void take_hll(struct source *from, struct fls_hll *hll)
{
    uint64_t cnt = take_varint(from), at = 0;

    for (uint64_t i = 0; i < cnt && !from->is_torn; i++, at++) {
        uint64_t zeros = take_varint(from);
        uint8_t rank = from->at < from->end ? *from->at++ : 0;

        from->is_torn |= zeros >= FLS_HLL_REGISTERS - at || rank == 0 || rank > FLS_HLL_RANK_MAX;
        if (from->is_torn)
            return;
        at += zeros;
        if (rank > hll->registers[at])
            hll->registers[at] = rank;
    }
}

void fls_part_gone(struct fls_part_gone *gone, const struct fls_part_reader *reader, uint8_t *room,
                   size_t room_sz)
{
    fls_assert(reader->gone.at || room_sz >= FLS_PART_GONE_ROOM_MIN);
    *gone = (struct fls_part_gone){.symbol_cnt = reader->trailer.symbol_cnt};
    fls_part_bytes_begin(&gone->bytes, &reader->gone, room, room_sz);
}

bool fls_part_next_gone(struct fls_part_gone *gone, uint32_t *account, struct fls_uniques *uniques)
{
    struct source from;
    uint64_t number;

    if (gone->is_torn || fls_part_bytes_are_read(&gone->bytes))
        return false;
    gone->is_torn = !fls_part_bytes_need(&gone->bytes, FLS_PART_GONE_SZ_MAX);
    from = (struct source){.at = gone->bytes.at, .end = gone->bytes.end};
    number = take_varint(&from);
    from.is_torn |= number == 0 || number >= gone->symbol_cnt;
    take_hll(&from, &uniques->external_sources);
    take_hll(&from, &uniques->own_addresses);
    gone->bytes.at = from.at;
    gone->is_torn |= from.is_torn;
    *account = (uint32_t)number;
    return !gone->is_torn;
}

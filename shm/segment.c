#include "shm/segment.h"

#include "base/assert.h"
#include "base/calendar.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "numbers of a segment are copied as they stand");

#define ROW_KEY_FLAGS 0x03U
#define ROW_MARKS_SHIFT 2U
#define ROW_ALL_ACCEPTED 0x10U
#define ROW_ALL_REJECTED 0x20U
#define VARINT_SZ_MAX 10U
#define ROW_SZ_MIN 5U /* flags, account, flows, packets, bytes */
/* flags, account, a and b as 32 bits or varints, port, protocol, five counters */
#define ROW_SZ_MAX (1U + 5U + 5U + 4U + 2U + 1U + FLS_COUNTER_CNT * VARINT_SZ_MAX)

static uint8_t *put(uint8_t *out, const void *from, size_t sz)
{
    memcpy(out, from, sz);
    return out + sz;
}

static uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *out++ = (uint8_t)(value | 0x80);
    *out++ = (uint8_t)value;
    return out;
}

/* ---- writing ---- */

/* Numbers of the dictionaries that the rows use, and what they are called in the part. */
struct renumbering {
    uint32_t *symbols, *ipv6;           /* by old number: new number, NONE if not used */
    uint32_t *used_symbols, *used_ipv6; /* by new number: old number */
    uint32_t symbol_cnt, ipv6_cnt;
};

#define NONE UINT32_MAX

static uint32_t *new_array(uint32_t cnt, uint32_t value)
{
    uint32_t *array = malloc((cnt ? cnt : 1) * sizeof(*array));

    fls_assert(array != NULL);
    for (uint32_t i = 0; i < cnt; i++)
        array[i] = value;
    return array;
}

static void renumber(uint32_t *by_old, uint32_t *used, uint32_t *cnt, uint32_t number)
{
    if (by_old[number] != NONE)
        return;
    by_old[number] = *cnt;
    used[(*cnt)++] = number;
}

static void collect_row(struct renumbering *r, const struct fls_row *row, enum fls_table_key key)
{
    renumber(r->symbols, r->used_symbols, &r->symbol_cnt, fls_row_account(row));
    if (key == FLS_KEY_ATTRIBUTE)
        renumber(r->symbols, r->used_symbols, &r->symbol_cnt, row->key.a);
    if (row->key.flags & FLS_A_IS_IPV6)
        renumber(r->ipv6, r->used_ipv6, &r->ipv6_cnt, row->key.a);
    if (row->key.flags & FLS_B_IS_IPV6)
        renumber(r->ipv6, r->used_ipv6, &r->ipv6_cnt, row->key.b);
}

static void renumbering_init(struct renumbering *r, const struct fls_day *day,
                             const struct fls_names *names)
{
    *r = (struct renumbering){.symbols = new_array(names->symbols.cnt, NONE),
                              .ipv6 = new_array(names->ipv6.cnt, NONE),
                              .used_symbols = new_array(names->symbols.cnt, NONE),
                              .used_ipv6 = new_array(names->ipv6.cnt, NONE)};
    renumber(r->symbols, r->used_symbols, &r->symbol_cnt, FLS_SYMBOL_ABSENT);
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        const struct fls_table *table = &day->tables[i];

        for (uint32_t row = 0; row < table->row_cnt; row++)
            if (fls_row_account(&table->rows[row]) != FLS_SCOPE_ORGANISATION)
                collect_row(r, &table->rows[row], fls_tables[i].key);
    }
}

static void renumbering_fini(struct renumbering *r)
{
    free(r->symbols);
    free(r->ipv6);
    free(r->used_symbols);
    free(r->used_ipv6);
}

static uint8_t *put_address(uint8_t *out, const struct renumbering *r, uint32_t address,
                            bool is_ipv6)
{
    uint32_t number = is_ipv6 ? r->ipv6[address] : address;

    return put(out, &number, sizeof(number));
}

static uint8_t *put_key(uint8_t *out, const struct renumbering *r, const struct fls_key *key,
                        enum fls_table_key kind)
{
    switch (kind) {
    case FLS_KEY_NONE:
        return out;
    case FLS_KEY_MINUTE:
        return put(out, &key->a, sizeof(key->a));
    case FLS_KEY_PROTOCOL:
        return put(out, &key->protocol, 1);
    case FLS_KEY_ADDRESS:
        return put_address(out, r, key->a, key->flags & FLS_A_IS_IPV6);
    case FLS_KEY_PORT:
        out = put(out, &key->protocol, 1);
        return put(out, &key->port, 2);
    case FLS_KEY_CONVERSATION:
        out = put_address(out, r, key->a, key->flags & FLS_A_IS_IPV6);
        out = put_address(out, r, key->b, key->flags & FLS_B_IS_IPV6);
        out = put(out, &key->protocol, 1);
        return put(out, &key->port, 2);
    case FLS_KEY_ATTRIBUTE:
        return put_varint(out, r->symbols[key->a]);
    }
    fls_assert(!"a kind of key");
    return out;
}

static uint8_t *put_row(uint8_t *out, const struct renumbering *r, const struct fls_row *row,
                        enum fls_table_key kind)
{
    const uint64_t *value = row->counters.value;
    uint8_t flags = (uint8_t)(row->key.flags | (row->marks & FLS_MARKS_ALL) << ROW_MARKS_SHIFT);

    if (value[FLS_ACCEPTED] == value[FLS_FLOWS] && value[FLS_REJECTED] == 0)
        flags |= ROW_ALL_ACCEPTED;
    else if (value[FLS_REJECTED] == value[FLS_FLOWS] && value[FLS_ACCEPTED] == 0)
        flags |= ROW_ALL_REJECTED;
    *out++ = flags;
    out = put_varint(out, r->symbols[fls_row_account(row)]);
    out = put_key(out, r, &row->key, kind);
    out = put_varint(out, value[FLS_FLOWS]);
    out = put_varint(out, value[FLS_PACKETS]);
    out = put_varint(out, value[FLS_BYTES]);
    if (flags & (ROW_ALL_ACCEPTED | ROW_ALL_REJECTED))
        return out;
    out = put_varint(out, value[FLS_ACCEPTED]);
    return put_varint(out, value[FLS_REJECTED]);
}

static uint8_t *put_names(uint8_t *out, const struct renumbering *r, const struct fls_names *names)
{
    for (uint32_t i = 0; i < r->symbol_cnt; i++) {
        struct fls_span text = fls_dictionary_text(&names->symbols, r->used_symbols[i]);

        out = put_varint(out, text.sz);
        if (text.sz)
            out = put(out, text.at, text.sz);
    }
    for (uint32_t i = 0; i < r->ipv6_cnt; i++)
        out = put(out, fls_dictionary_text(&names->ipv6, r->used_ipv6[i]).at, 16);
    return out;
}

static uint8_t *put_table(uint8_t *out, const struct renumbering *r, const struct fls_table *table,
                          enum fls_table_key kind, uint32_t *row_cnt)
{
    *row_cnt = 0;
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        if (fls_row_account(&table->rows[i]) == FLS_SCOPE_ORGANISATION)
            continue;
        out = put_row(out, r, &table->rows[i], kind);
        ++*row_cnt;
    }
    return out;
}

uint64_t fls_segment_bound(const struct fls_day *day, const struct fls_names *names)
{
    return FLS_PART_HEADER_SZ + names->symbols.bytes_sz +
           (uint64_t)names->symbols.cnt * VARINT_SZ_MAX + names->ipv6.cnt * 16ULL +
           fls_day_rows(day) * ROW_SZ_MAX;
}

uint64_t fls_segment_encode(const struct fls_day *day, const struct fls_names *names, uint8_t *out)
{
    uint32_t header[FLS_PART_HEADER_SZ / 4] = {FLS_SEGMENT_MAGIC, FLS_SEGMENT_LAYOUT};
    struct renumbering r;
    uint8_t *end = out + FLS_PART_HEADER_SZ;
    uint64_t size;

    renumbering_init(&r, day, names);
    end = put_names(end, &r, names);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        end = put_table(end, &r, &day->tables[i], fls_tables[i].key, &header[8 + i]);
    size = (uint64_t)(end - out);
    memcpy(&header[2], &size, sizeof(size));
    header[4] = day->day;
    header[6] = r.symbol_cnt;
    header[7] = r.ipv6_cnt;
    memcpy(out, header, sizeof(header));
    renumbering_fini(&r);
    return size;
}

/* ---- reading ---- */

bool fls_segment_next(struct fls_span *segment, uint32_t *day, struct fls_span *part)
{
    uint32_t header[6];
    uint64_t size;

    if (segment->sz == 0)
        return false;
    *part = (struct fls_span){segment->at, 0};
    if (segment->sz < FLS_PART_HEADER_SZ)
        return true;
    memcpy(header, segment->at, sizeof(header));
    memcpy(&size, &header[2], sizeof(size));
    if (header[0] != FLS_SEGMENT_MAGIC || header[1] != FLS_SEGMENT_LAYOUT ||
        size < FLS_PART_HEADER_SZ || size > segment->sz ||
        (header[4] > FLS_DAY_MAX && header[4] != FLS_DAY_UNKNOWN))
        return true;
    *day = header[4];
    part->sz = size;
    segment->at += size;
    segment->sz -= size;
    return true;
}

/* Reads on; what stands behind the end reads as 0 and sets is_torn. */
struct cursor {
    const uint8_t *at, *end;
    bool is_torn;
};

static void take(struct cursor *from, void *to, size_t sz)
{
    if ((size_t)(from->end - from->at) < sz) {
        from->is_torn = true;
        memset(to, 0, sz);
        return;
    }
    memcpy(to, from->at, sz);
    from->at += sz;
}

static uint64_t take_varint(struct cursor *from)
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

/* A part's own numbers, and the ones of the dictionaries it is added to. */
struct translation {
    uint32_t *symbols, *ipv6;
    uint32_t symbol_cnt, ipv6_cnt;
    uint32_t unknown; /* the scope of records without an account */
    uint32_t day;
};

static void take_names(struct cursor *from, struct translation *t, struct fls_names *names)
{
    for (uint32_t i = 0; i < t->symbol_cnt && !from->is_torn; i++) {
        uint64_t sz = take_varint(from);

        /* The empty text is the absent one: a scope of that name would be united with `unknown`. */
        if ((i == 0) != (sz == 0) || sz > (size_t)(from->end - from->at) || sz > UINT32_MAX) {
            from->is_torn = true;
            return;
        }
        t->symbols[i] = fls_dictionary_intern(&names->symbols, (struct fls_span){from->at, sz});
        from->at += sz;
    }
    for (uint32_t i = 0; i < t->ipv6_cnt && !from->is_torn; i++) {
        uint8_t address[16];

        take(from, address, sizeof(address));
        t->ipv6[i] = fls_dictionary_intern(&names->ipv6, (struct fls_span){address, 16});
    }
    t->unknown = fls_dictionary_intern(&names->symbols, FLS_SPAN("unknown"));
}

static uint32_t translate(struct cursor *from, const uint32_t *numbers, uint32_t cnt,
                          uint64_t number)
{
    if (number < cnt)
        return numbers[number];
    from->is_torn = true;
    return 0;
}

static uint32_t take_address(struct cursor *from, const struct translation *t, bool is_ipv6)
{
    uint32_t address;

    take(from, &address, sizeof(address));
    return is_ipv6 ? translate(from, t->ipv6, t->ipv6_cnt, address) : address;
}

static void take_key(struct cursor *from, const struct translation *t, struct fls_key *key,
                     enum fls_table_key kind)
{
    switch (kind) {
    case FLS_KEY_NONE:
        return;
    case FLS_KEY_MINUTE:
        take(from, &key->a, sizeof(key->a));
        from->is_torn |= key->a == FLS_MINUTE_UNKNOWN || fls_day_of_minute(key->a) != t->day;
        return;
    case FLS_KEY_PROTOCOL:
        take(from, &key->protocol, 1);
        return;
    case FLS_KEY_ADDRESS:
        key->a = take_address(from, t, key->flags & FLS_A_IS_IPV6);
        return;
    case FLS_KEY_PORT:
        take(from, &key->protocol, 1);
        take(from, &key->port, 2);
        return;
    case FLS_KEY_CONVERSATION:
        key->a = take_address(from, t, key->flags & FLS_A_IS_IPV6);
        key->b = take_address(from, t, key->flags & FLS_B_IS_IPV6);
        take(from, &key->protocol, 1);
        take(from, &key->port, 2);
        return;
    case FLS_KEY_ATTRIBUTE:
        key->a = translate(from, t->symbols, t->symbol_cnt, take_varint(from));
        return;
    }
    fls_assert(!"a kind of key");
}

/* The bits that a row's first byte may have; others would name IPv6 addresses that are none. */
static unsigned flags_of(enum fls_table_key kind)
{
    unsigned flags = FLS_MARKS_ALL << ROW_MARKS_SHIFT | ROW_ALL_ACCEPTED | ROW_ALL_REJECTED;

    if (kind == FLS_KEY_ADDRESS)
        return flags | FLS_A_IS_IPV6;
    return kind == FLS_KEY_CONVERSATION ? flags | FLS_A_IS_IPV6 | FLS_B_IS_IPV6 : flags;
}

static void take_row(struct cursor *from, const struct translation *t, struct fls_row *row,
                     enum fls_table_key kind)
{
    uint64_t *value = row->counters.value;
    uint64_t scope;
    uint8_t flags;

    *row = (struct fls_row){0};
    take(from, &flags, 1);
    from->is_torn |= (flags & ~flags_of(kind)) != 0;
    row->key.flags = flags & ROW_KEY_FLAGS;
    row->marks = flags >> ROW_MARKS_SHIFT & FLS_MARKS_ALL;
    scope = take_varint(from);
    row->key.scope = scope == 0 ? t->unknown : translate(from, t->symbols, t->symbol_cnt, scope);
    take_key(from, t, &row->key, kind);
    value[FLS_FLOWS] = take_varint(from);
    value[FLS_PACKETS] = take_varint(from);
    value[FLS_BYTES] = take_varint(from);
    value[FLS_ACCEPTED] = flags & ROW_ALL_ACCEPTED ? value[FLS_FLOWS] : 0;
    value[FLS_REJECTED] = flags & ROW_ALL_REJECTED ? value[FLS_FLOWS] : 0;
    if (!(flags & (ROW_ALL_ACCEPTED | ROW_ALL_REJECTED))) {
        value[FLS_ACCEPTED] = take_varint(from);
        value[FLS_REJECTED] = take_varint(from);
    }
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        from->is_torn |= value[i] > FLS_COUNTER_MAX;
}

/* Rows looked up together, so that many lookups are under way before the first is needed. */
#define BATCH 32U

static void prefetch(const struct fls_table *table, struct fls_row *rows, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++) {
        rows[i].hash = fls_key_hash(&rows[i].key);
        fls_table_prefetch_slot(table, rows[i].hash);
    }
    for (uint32_t i = 0; i < cnt; i++)
        fls_table_prefetch_row(table, rows[i].hash);
}

static void add_row(struct fls_table *table, const struct fls_row *from)
{
    struct fls_row *row = fls_table_upsert(table, &from->key, from->hash);

    fls_counters_add(&row->counters, &from->counters);
    row->marks |= from->marks;
}

/* A second account has the key: the sole one gets a row of its own, as it is now. Returns the row
 * of the organisation, which may have moved. */
static struct fls_row *end_sole(struct fls_table *table, struct fls_row *row)
{
    ptrdiff_t number = row - table->rows;
    struct fls_row own = *row;

    row->marks &= FLS_MARKS_ALL;
    own.key.scope = fls_row_account(&own);
    own.marks &= FLS_MARKS_ALL;
    own.hash = fls_key_hash(&own.key);
    add_row(table, &own);
    return &table->rows[number];
}

/* Adds to the organisation's row of the key; true if that stands for the account's row, too. */
static bool add_to_organisation(struct fls_table *table, const struct fls_row *from,
                                uint32_t account)
{
    uint32_t row_cnt = table->row_cnt;
    struct fls_row *row = fls_table_upsert(table, &from->key, from->hash);
    bool is_shared = true;

    if (table->row_cnt != row_cnt) {
        fls_assert(account < FLS_SOLE_ACCOUNT_MAX);
        row->marks = (account + 1) << FLS_SOLE_SHIFT;
    } else if (fls_row_account(row) != account) {
        if (row->marks >> FLS_SOLE_SHIFT)
            row = end_sole(table, row);
        is_shared = false;
    }
    fls_counters_add(&row->counters, &from->counters);
    row->marks |= from->marks;
    return is_shared;
}

/* Adds account rows of a table whose keys mostly have one account each. */
static void add_mostly_sole(struct fls_table *table, struct fls_row *rows, uint32_t cnt)
{
    struct fls_row of_organisation[BATCH];
    uint32_t own_cnt = 0;

    for (uint32_t i = 0; i < cnt; i++) {
        of_organisation[i] = rows[i];
        of_organisation[i].key.scope = FLS_SCOPE_ORGANISATION;
    }
    prefetch(table, of_organisation, cnt);
    for (uint32_t i = 0; i < cnt; i++)
        if (!add_to_organisation(table, &of_organisation[i], rows[i].key.scope))
            rows[own_cnt++] = rows[i];
    prefetch(table, rows, own_cnt);
    for (uint32_t i = 0; i < own_cnt; i++)
        add_row(table, &rows[i]);
}

/* Adds account rows, and the same to the organisation. */
static void add_both(struct fls_table *table, const struct fls_row *rows, uint32_t cnt)
{
    struct fls_row both[2 * BATCH];

    for (uint32_t i = 0; i < cnt; i++) {
        both[i] = both[cnt + i] = rows[i];
        both[cnt + i].key.scope = FLS_SCOPE_ORGANISATION;
    }
    prefetch(table, both, 2 * cnt);
    for (uint32_t i = 0; i < 2 * cnt; i++)
        add_row(table, &both[i]);
}

static void add_table(struct cursor *from, const struct translation *t, struct fls_table *table,
                      enum fls_table_key kind, uint32_t row_cnt)
{
    bool is_mostly_sole = kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION;
    struct fls_row rows[BATCH];

    if (row_cnt > (size_t)(from->end - from->at) / ROW_SZ_MIN) {
        from->is_torn = true; /* before memory is taken for them */
        return;
    }
    if (table->row_cnt == 0 && row_cnt > 0)
        fls_table_reserve(table, row_cnt);
    for (uint32_t done = 0; done < row_cnt && !from->is_torn;) {
        uint32_t cnt = row_cnt - done < BATCH ? row_cnt - done : BATCH;

        for (uint32_t i = 0; i < cnt; i++)
            take_row(from, t, &rows[i], kind);
        if (from->is_torn)
            return;
        if (is_mostly_sole)
            add_mostly_sole(table, rows, cnt);
        else
            add_both(table, rows, cnt);
        done += cnt;
    }
}

bool fls_segment_add(struct fls_span part, struct fls_day *day, struct fls_names *names)
{
    uint32_t header[FLS_PART_HEADER_SZ / 4];
    struct cursor from;
    struct translation t;

    if (part.sz < FLS_PART_HEADER_SZ)
        return false;
    memcpy(header, part.at, sizeof(header));
    if (header[0] != FLS_SEGMENT_MAGIC || header[1] != FLS_SEGMENT_LAYOUT ||
        header[4] != day->day || header[6] > part.sz || header[7] > part.sz)
        return false;
    from = (struct cursor){.at = part.at + FLS_PART_HEADER_SZ, .end = part.at + part.sz};
    t = (struct translation){.symbols = new_array(header[6], 0),
                             .ipv6 = new_array(header[7], 0),
                             .symbol_cnt = header[6],
                             .ipv6_cnt = header[7],
                             .day = day->day};
    take_names(&from, &t, names);
    for (int i = 0; i < FLS_TABLE_CNT && !from.is_torn; i++)
        add_table(&from, &t, &day->tables[i], fls_tables[i].key, header[8 + i]);
    free(t.symbols);
    free(t.ipv6);
    return !from.is_torn && from.at == from.end;
}

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
#define ROW_OF_ORGANISATION_ALONE 0x40U
#define ROW_OF_ACCOUNT_ALONE 0x80U
#define VARINT_SZ_MAX 10U
#define ROW_SZ_MIN 5U /* flags, account, flows, packets, bytes */
#define ERROR_SZ_MAX (FLS_COUNTER_CNT * VARINT_SZ_MAX)
#define HLL_SZ_MAX (VARINT_SZ_MAX + FLS_HLL_REGISTERS * 3U) /* a gap of 2 bytes, a rank */
#define GONE_SZ_MAX (VARINT_SZ_MAX + 2U * HLL_SZ_MAX)

_Static_assert(FLS_TABLE_CNT <= 32, "a bit for each table that gave way");

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

static void forget_numbers(uint32_t *numbers, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++)
        numbers[i] = NONE;
}

static void renumber(uint32_t *by_old, uint32_t *used, uint32_t *cnt, uint32_t number)
{
    if (by_old[number] != NONE)
        return;
    by_old[number] = *cnt;
    used[(*cnt)++] = number;
}

static bool is_of_account(const struct fls_row *row)
{
    return fls_row_account(row) != FLS_SCOPE_ORGANISATION;
}

static void collect_row(struct renumbering *r, const struct fls_row *row, enum fls_table_key key)
{
    if (is_of_account(row))
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
            if (is_of_account(&table->rows[row]) || fls_day_gave_way(day, i))
                collect_row(r, &table->rows[row], fls_tables[i].key);
    }
    for (uint32_t account = 0; account < day->gone_max; account++)
        if (day->gone[account])
            renumber(r->symbols, r->used_symbols, &r->symbol_cnt, account);
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
                        enum fls_table_key kind, unsigned alone)
{
    const uint64_t *value = row->counters.value;
    uint8_t flags =
        (uint8_t)(row->key.flags | (row->marks & FLS_MARKS_ALL) << ROW_MARKS_SHIFT | alone);

    if (value[FLS_ACCEPTED] == value[FLS_FLOWS] && value[FLS_REJECTED] == 0)
        flags |= ROW_ALL_ACCEPTED;
    else if (value[FLS_REJECTED] == value[FLS_FLOWS] && value[FLS_ACCEPTED] == 0)
        flags |= ROW_ALL_REJECTED;
    *out++ = flags;
    out = put_varint(out, is_of_account(row) ? r->symbols[fls_row_account(row)] : 0);
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

static uint8_t *put_hll(uint8_t *out, const struct fls_hll *hll)
{
    uint32_t cnt = 0, next = 0;

    for (uint32_t i = 0; i < FLS_HLL_REGISTERS; i++)
        cnt += hll->registers[i] != 0;
    out = put_varint(out, cnt);
    for (uint32_t i = 0; i < FLS_HLL_REGISTERS; i++) {
        if (hll->registers[i] == 0)
            continue;
        out = put_varint(out, i - next);
        *out++ = hll->registers[i];
        next = i + 1;
    }
    return out;
}

/* Which tables gave way, a bit for each. */
static uint32_t gave_way(const struct fls_day *day)
{
    uint32_t tables = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        tables |= (uint32_t)fls_day_gave_way(day, i) << i;
    return tables;
}

static uint8_t *put_gone(uint8_t *out, const struct renumbering *r, const struct fls_day *day)
{
    if (gave_way(day) == 0)
        return out;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        for (int k = 0; fls_day_gave_way(day, i) && k < FLS_COUNTER_CNT; k++)
            out = put_varint(out, day->max_errors[i].value[k]);
    out = put_varint(out, day->gone_cnt);
    for (uint32_t account = 0; account < day->gone_max; account++) {
        if (day->gone[account] == NULL)
            continue;
        out = put_varint(out, r->symbols[account]);
        out = put_hll(out, &day->gone[account]->external_sources);
        out = put_hll(out, &day->gone[account]->own_addresses);
    }
    return out;
}

/* The organisation's rows are sums of what its accounts have, and need not be written. */
static uint8_t *put_exact(uint8_t *out, const struct renumbering *r, const struct fls_table *table,
                          enum fls_table_key kind, uint32_t *row_cnt)
{
    *row_cnt = 0;
    for (uint32_t i = 0; i < table->row_cnt; i++) {
        if (!is_of_account(&table->rows[i]))
            continue;
        out = put_row(out, r, &table->rows[i], kind, 0);
        ++*row_cnt;
    }
    return out;
}

/* Where rows gave way they are more than these sums, and each row is written as it stands: those of
 * the organisation first (some of which stand for an account as well), as add_alone needs them. */
static uint8_t *put_inexact(uint8_t *out, const struct renumbering *r,
                            const struct fls_table *table, enum fls_table_key kind,
                            uint32_t *row_cnt)
{
    for (uint32_t i = 0; i < table->row_cnt; i++)
        if (table->rows[i].key.scope == FLS_SCOPE_ORGANISATION)
            out = put_row(out, r, &table->rows[i], kind,
                          is_of_account(&table->rows[i]) ? 0 : ROW_OF_ORGANISATION_ALONE);
    for (uint32_t i = 0; i < table->row_cnt; i++)
        if (table->rows[i].key.scope != FLS_SCOPE_ORGANISATION)
            out = put_row(out, r, &table->rows[i], kind, ROW_OF_ACCOUNT_ALONE);
    *row_cnt = table->row_cnt;
    return out;
}

uint64_t fls_segment_bound(const struct fls_day *day, const struct fls_names *names)
{
    return FLS_PART_HEADER_SZ + names->symbols.bytes_sz +
           (uint64_t)names->symbols.cnt * VARINT_SZ_MAX + names->ipv6.cnt * 16ULL +
           FLS_TABLE_CNT * ERROR_SZ_MAX + VARINT_SZ_MAX + (uint64_t)day->gone_cnt * GONE_SZ_MAX +
           fls_day_rows(day) * FLS_SEGMENT_ROW_SZ_MAX;
}

uint64_t fls_segment_encode(const struct fls_day *day, const struct fls_names *names, uint8_t *out)
{
    uint32_t header[FLS_PART_HEADER_SZ / 4] = {FLS_SEGMENT_MAGIC, FLS_SEGMENT_LAYOUT};
    struct renumbering r;
    uint8_t *end = out + FLS_PART_HEADER_SZ;
    uint64_t size;

    renumbering_init(&r, day, names);
    end = put_names(end, &r, names);
    end = put_gone(end, &r, day);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        end = (fls_day_gave_way(day, i) ? put_inexact : put_exact)(
            end, &r, &day->tables[i], fls_tables[i].key, &header[8 + i]);
    size = (uint64_t)(end - out);
    memcpy(&header[2], &size, sizeof(size));
    header[4] = day->day;
    header[5] = gave_way(day);
    header[6] = r.symbol_cnt;
    header[7] = r.ipv6_cnt;
    memcpy(out, header, sizeof(header));
    renumbering_fini(&r);
    return size;
}

/* ---- reading ---- */

uint32_t fls_segment_layout(struct fls_span part)
{
    uint32_t header[2];

    if (part.sz < sizeof(header))
        return 0;
    memcpy(header, part.at, sizeof(header));
    return header[0] == FLS_SEGMENT_MAGIC ? header[1] : 0;
}

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
    struct fls_names *names;
    uint32_t *symbols, *ipv6;  /* of addresses: NONE if not interned yet, or not any more */
    const uint8_t *ipv6_texts; /* 16 bytes each, in the part */
    uint32_t symbol_cnt, ipv6_cnt;
    uint32_t unknown;  /* the scope of records without an account */
    uint32_t gave_way; /* tables of which the part's rows stand each for itself */
    uint32_t day;
};

static void take_names(struct cursor *from, struct translation *t)
{
    for (uint32_t i = 0; i < t->symbol_cnt && !from->is_torn; i++) {
        uint64_t sz = take_varint(from);

        /* The empty text is the absent one: a scope of that name would be united with `unknown`. */
        if ((i == 0) != (sz == 0) || sz > (size_t)(from->end - from->at) || sz > UINT32_MAX) {
            from->is_torn = true;
            return;
        }
        t->symbols[i] = fls_dictionary_intern(&t->names->symbols, (struct fls_span){from->at, sz});
        from->at += sz;
    }
    t->unknown = fls_dictionary_intern(&t->names->symbols, FLS_SPAN("unknown"));
    t->ipv6_texts = from->at;
    if (t->ipv6_cnt > (size_t)(from->end - from->at) / 16)
        from->is_torn = true;
    else
        from->at += (size_t)t->ipv6_cnt * 16;
}

static uint32_t translate(struct cursor *from, const uint32_t *numbers, uint32_t cnt,
                          uint64_t number)
{
    if (number < cnt)
        return numbers[number];
    from->is_torn = true;
    return 0;
}

/* Addresses are interned when a row has them, so that those of rows that gave way can leave the
 * dictionary in the middle of a part. */
static uint32_t translate_ipv6(struct cursor *from, const struct translation *t, uint32_t number)
{
    if (number >= t->ipv6_cnt) {
        from->is_torn = true;
        return 0;
    }
    if (t->ipv6[number] == NONE)
        t->ipv6[number] = fls_dictionary_intern(
            &t->names->ipv6, (struct fls_span){t->ipv6_texts + (size_t)number * 16, 16});
    return t->ipv6[number];
}

static uint32_t take_address(struct cursor *from, const struct translation *t, bool is_ipv6)
{
    uint32_t address;

    take(from, &address, sizeof(address));
    return is_ipv6 ? translate_ipv6(from, t, address) : address;
}

static uint32_t take_account(struct cursor *from, const struct translation *t)
{
    uint64_t number = take_varint(from);

    return number == 0 ? t->unknown : translate(from, t->symbols, t->symbol_cnt, number);
}

static void take_hll(struct cursor *from, struct fls_hll *hll)
{
    uint64_t cnt = take_varint(from), at = 0;

    for (uint64_t i = 0; i < cnt && !from->is_torn; i++, at++) {
        uint8_t rank;

        at += take_varint(from) % (FLS_HLL_REGISTERS + 1);
        take(from, &rank, 1);
        from->is_torn |= at >= FLS_HLL_REGISTERS || rank == 0 || rank > FLS_HLL_RANK_MAX;
        if (!from->is_torn && rank > hll->registers[at])
            hll->registers[at] = rank;
    }
}

static void take_error(struct cursor *from, struct fls_counters *max_error)
{
    struct fls_counters more;

    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        more.value[i] = take_varint(from);
        from->is_torn |= more.value[i] > FLS_COUNTER_MAX;
    }
    from->is_torn |= more.value[FLS_FLOWS] == 0;
    if (!from->is_torn)
        fls_counters_add(max_error, &more);
}

/* What rows of the part gave way before it was written. */
static void take_gone(struct cursor *from, const struct translation *t, struct fls_day *day)
{
    uint64_t cnt;

    if (t->gave_way == 0)
        return;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (t->gave_way >> i & 1)
            take_error(from, &day->max_errors[i]);
    cnt = take_varint(from);
    for (uint64_t i = 0; i < cnt && !from->is_torn; i++) {
        struct fls_uniques *gone = fls_day_gone(day, take_account(from, t));

        take_hll(from, &gone->external_sources);
        take_hll(from, &gone->own_addresses);
    }
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

/* Returns whether the row is of one scope alone: ROW_OF_*_ALONE or 0. */
static unsigned take_row(struct cursor *from, const struct translation *t, struct fls_row *row,
                         enum fls_table_id id)
{
    enum fls_table_key kind = fls_tables[id].key;
    unsigned may_be = t->gave_way >> id & 1 ? ROW_OF_ORGANISATION_ALONE | ROW_OF_ACCOUNT_ALONE : 0;
    uint64_t *value = row->counters.value;
    uint8_t flags;

    *row = (struct fls_row){0};
    take(from, &flags, 1);
    from->is_torn |= (flags & ~(flags_of(kind) | may_be)) != 0;
    row->key.flags = flags & ROW_KEY_FLAGS;
    row->marks = flags >> ROW_MARKS_SHIFT & FLS_MARKS_ALL;
    row->key.scope = take_account(from, t);
    if (flags & ROW_OF_ORGANISATION_ALONE)
        row->key.scope = FLS_SCOPE_ORGANISATION;
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
    return flags & may_be;
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

static struct fls_row *add_row(struct fls_table *table, const struct fls_row *from)
{
    struct fls_row *row = fls_table_upsert(table, &from->key, from->hash);

    fls_counters_add(&row->counters, &from->counters);
    row->marks |= from->marks;
    return row;
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

/* ---- rows of tables that gave way ----
 *
 * Of each row that an account has, the organisation has one as well, with counters that are not
 * smaller: rows are added to both; a round of eviction lets a row go by its counters alone, and all
 * that are smaller with it (publish/smallest.h); and what follows keeps it so. Therefore a key
 * without a row of the organisation has no row at all, and where it comes up again its sole account
 * may share a new row: there is no other one of that account. */

static void raise(struct fls_counters *to, const struct fls_counters *least)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        if (to->value[i] < least->value[i])
            to->value[i] = least->value[i];
}

static void add_to_organisation_alone(struct fls_table *table, const struct fls_row *from)
{
    struct fls_row *row = fls_table_upsert(table, &from->key, from->hash);

    if (row->marks >> FLS_SOLE_SHIFT)
        row = end_sole(table, row);
    fls_counters_add(&row->counters, &from->counters);
    row->marks |= from->marks;
}

/* The organisation's row is a sum that has the account's in it already. If it gave way since it was
 * added, then what the account has is what is known of the organisation. */
static void add_to_account_alone(struct fls_table *table, const struct fls_row *from,
                                 struct fls_row of_organisation, bool may_be_sole)
{
    uint32_t account = from->key.scope, row_cnt = table->row_cnt, number;
    struct fls_row *row = fls_table_upsert(table, &of_organisation.key, of_organisation.hash), *own;

    if (table->row_cnt != row_cnt && may_be_sole) {
        fls_assert(account < FLS_SOLE_ACCOUNT_MAX);
        row->marks = (account + 1) << FLS_SOLE_SHIFT;
    } else if (row->marks >> FLS_SOLE_SHIFT && fls_row_account(row) != account) {
        row = end_sole(table, row);
    }
    row->marks |= from->marks;
    if (row->marks >> FLS_SOLE_SHIFT) {
        fls_counters_add(&row->counters, &from->counters);
        return;
    }
    number = (uint32_t)(row - table->rows);
    own = add_row(table, from);
    raise(&table->rows[number].counters, &own->counters);
}

/* Adds rows as a day wrote them that gave way. */
static void add_inexact(struct fls_table *table, struct fls_row *rows, const unsigned *alone,
                        uint32_t cnt, bool may_be_sole)
{
    struct fls_row of_organisation[BATCH];

    for (uint32_t i = 0; i < cnt; i++) {
        of_organisation[i] = rows[i];
        of_organisation[i].key.scope = FLS_SCOPE_ORGANISATION;
    }
    prefetch(table, of_organisation, cnt);
    prefetch(table, rows, cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        if (alone[i] & ROW_OF_ORGANISATION_ALONE)
            add_to_organisation_alone(table, &rows[i]);
        else if (alone[i] & ROW_OF_ACCOUNT_ALONE)
            add_to_account_alone(table, &rows[i], of_organisation[i], may_be_sole);
        else if (may_be_sole)
            add_mostly_sole(table, &rows[i], 1);
        else
            add_both(table, &rows[i], 1);
    }
}

/* ---- tables ---- */

/* New rows that adding one can make: its own, the organisation's, and that of an account which was
 * the sole one. */
#define NEW_ROWS_MAX 3U

struct adding {
    struct cursor from;
    struct translation t;
    struct fls_day *day;
    const struct fls_segment_room *room; /* NULL: there is no limit */
};

static uint64_t translation_sz(const struct translation *t)
{
    return ((uint64_t)t->symbol_cnt + t->ipv6_cnt) * sizeof(uint32_t);
}

/* Before rows are added: the limit is looked at, and rows may go. */
static void make_room(struct adding *a, enum fls_table_id id)
{
    struct fls_segment_need need = {.table = id,
                                    .row_cnt = NEW_ROWS_MAX * BATCH,
                                    .ipv6_cnt = 2 * BATCH,
                                    .beside_sz = translation_sz(&a->t),
                                    .read_to = a->from.at};

    if (a->room == NULL)
        return;
    if (a->t.ipv6_cnt == 0)
        need.ipv6_cnt = 0;
    if (a->room->make(a->room->context, &need))
        forget_numbers(a->t.ipv6, a->t.ipv6_cnt);
}

static void reserve(struct adding *a, struct fls_table *table, uint32_t row_cnt)
{
    uint64_t max = a->room ? a->room->reserve_max : UINT64_MAX;

    if (table->row_cnt == 0 && row_cnt > 0)
        fls_table_reserve(table, row_cnt < max ? row_cnt : max);
}

static void add_table(struct adding *a, enum fls_table_id id, uint32_t row_cnt)
{
    struct fls_table *table = &a->day->tables[id];
    enum fls_table_key kind = fls_tables[id].key;
    bool may_be_sole = kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION;
    struct fls_row rows[BATCH];
    unsigned alone[BATCH];

    if (row_cnt > (size_t)(a->from.end - a->from.at) / ROW_SZ_MIN) {
        a->from.is_torn = true; /* before memory is taken for them */
        return;
    }
    reserve(a, table, row_cnt);
    for (uint32_t done = 0; done < row_cnt && !a->from.is_torn;) {
        uint32_t cnt = row_cnt - done < BATCH ? row_cnt - done : BATCH;

        make_room(a, id);
        for (uint32_t i = 0; i < cnt; i++)
            alone[i] = take_row(&a->from, &a->t, &rows[i], id);
        if (a->from.is_torn)
            return;
        if (a->t.gave_way >> id & 1)
            add_inexact(table, rows, alone, cnt, may_be_sole);
        else if (may_be_sole)
            add_mostly_sole(table, rows, cnt);
        else
            add_both(table, rows, cnt);
        done += cnt;
    }
}

bool fls_segment_add(struct fls_span part, struct fls_day *day, struct fls_names *names,
                     const struct fls_segment_room *room)
{
    uint32_t header[FLS_PART_HEADER_SZ / 4];
    struct adding a = {.day = day, .room = room};

    if (part.sz < FLS_PART_HEADER_SZ)
        return false;
    memcpy(header, part.at, sizeof(header));
    if (header[0] != FLS_SEGMENT_MAGIC || header[1] != FLS_SEGMENT_LAYOUT ||
        header[4] != day->day || header[5] >> FLS_TABLE_CNT || header[6] > part.sz ||
        header[7] > part.sz)
        return false;
    a.from = (struct cursor){.at = part.at + FLS_PART_HEADER_SZ, .end = part.at + part.sz};
    a.t = (struct translation){.names = names,
                               .symbols = new_array(header[6], 0),
                               .ipv6 = new_array(header[7], NONE),
                               .symbol_cnt = header[6],
                               .ipv6_cnt = header[7],
                               .gave_way = header[5],
                               .day = day->day};
    take_names(&a.from, &a.t);
    if (!a.from.is_torn)
        take_gone(&a.from, &a.t, day);
    for (int i = 0; i < FLS_TABLE_CNT && !a.from.is_torn; i++)
        add_table(&a, (enum fls_table_id)i, header[8 + i]);
    free(a.t.symbols);
    free(a.t.ipv6);
    return !a.from.is_torn && a.from.at == a.from.end;
}

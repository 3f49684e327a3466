/* Parts: days there and back, torn and damaged; what is no part is not written. Parts made by hand
 * are refused in test_part_refused.c. */
#include "scratch.h"

#include "dies.h"
#include "plain_part.h"

#define SYMBOLS_MAX 48U
#define PARTS_MAX 8
#define SPELLED_SZ (4 + 4 * 8 + 4 + 4)

static uint64_t seed = 31;

static uint32_t any(uint32_t cnt)
{
    return (uint32_t)(scratch_random(&seed) % cnt);
}

/* ---- the order, a second time: as bytes ---- */

static uint8_t *spell_number(uint8_t *out, uint64_t value, unsigned sz)
{
    for (unsigned i = 0; i < sz; i++)
        out[i] = (uint8_t)(value >> (8 * (sz - 1 - i)));
    return out + sz;
}

static void spell(uint8_t out[SPELLED_SZ], const struct fls_part_row *row)
{
    out = spell_number(out, row->key.flags, 4);
    out = spell_number(out, row->key.a_high, 8);
    out = spell_number(out, row->key.a_low, 8);
    out = spell_number(out, row->key.b_high, 8);
    out = spell_number(out, row->key.b_low, 8);
    out = spell_number(out, row->key.place, 4);
    spell_number(out, row->account, 4);
}

static int spelled_order(const void *a, const void *b)
{
    uint8_t x[SPELLED_SZ], y[SPELLED_SZ];

    spell(x, a);
    spell(y, b);
    return memcmp(x, y, SPELLED_SZ);
}

static int text_order(const void *a, const void *b)
{
    const struct fls_span *x = a, *y = b;

    for (size_t i = 0; i < x->sz && i < y->sz; i++)
        if (x->at[i] != y->at[i])
            return x->at[i] < y->at[i] ? -1 : 1;
    return x->sz == y->sz ? 0 : x->sz < y->sz ? -1 : 1;
}

/* Sorts, keeps one of what is equal, and returns how many are left. */
static uint32_t sort(void *rows, uint32_t cnt, size_t sz, int (*order)(const void *, const void *))
{
    uint8_t *at = rows;
    uint32_t kept = 0;

    if (cnt > 0)
        qsort(rows, cnt, sz, order);
    for (uint32_t i = 0; i < cnt; i++)
        if (kept == 0 || order(at + (kept - 1) * sz, at + i * sz) != 0)
            memmove(at + kept++ * sz, at + i * sz, sz);
    return kept;
}

/* ---- days of any rows ---- */

static uint8_t texts[1 << 20];

static void make_symbols(struct plain_part *part, uint32_t cnt)
{
    part->symbols = fls_array_new(cnt, sizeof(*part->symbols));
    for (uint32_t i = 1; i < cnt; i++) {
        size_t sz = any(30) ? any(20) : any(10) ? any(9000) : any(200000);

        part->symbols[i] = (struct fls_span){texts + any(sizeof(texts) - (uint32_t)sz), sz};
    }
    part->symbols[0] = FLS_SPAN("");
    part->symbol_cnt = sort(part->symbols, cnt, sizeof(*part->symbols), text_order);
    part->gone = fls_array_new(part->symbol_cnt, sizeof(*part->gone));
}

/* Few addresses, so that they meet again; some differ in one half, or in the last bit only. */
static void make_address(struct fls_part_key *key, uint64_t *high, uint64_t *low, uint32_t flag)
{
    *low = any(8) ? 0x0a000000 + any(6) : any(2) ? 0 : UINT32_MAX;
    if (any(2))
        return;
    key->flags |= flag;
    *high = any(4) ? 0x2600ULL << 48 : any(2) ? 0 : UINT64_MAX;
    *low = any(4) ? *low : any(2) ? 1ULL << 63 | any(2) : UINT64_MAX;
}

static struct fls_part_key make_key(const struct plain_part *part, int table)
{
    struct fls_part_key key = {0};

    switch (fls_tables[table].key) {
    case FLS_KEY_NONE:
        break;
    case FLS_KEY_MINUTE:
        key.a_low = (uint64_t)part->day * FLS_MINUTES_PER_DAY + any(FLS_MINUTES_PER_DAY);
        break;
    case FLS_KEY_ATTRIBUTE:
        key.a_low = 1 + any(part->symbol_cnt - 1);
        break;
    case FLS_KEY_ADDRESS:
        make_address(&key, &key.a_high, &key.a_low, FLS_A_IS_IPV6);
        break;
    case FLS_KEY_CONVERSATION:
        make_address(&key, &key.a_high, &key.a_low, FLS_A_IS_IPV6);
        make_address(&key, &key.b_high, &key.b_low, FLS_B_IS_IPV6);
        key.place = fls_part_place((uint8_t)any(3), (uint16_t)any(3));
        break;
    case FLS_KEY_PORT:
        key.place = fls_part_place((uint8_t)any(3), (uint16_t)(any(4) ? any(4) : any(1 << 16)));
        break;
    case FLS_KEY_PROTOCOL:
        key.place = fls_part_place((uint8_t)any(256), 0);
    }
    return key;
}

static struct fls_counters make_counters(void)
{
    struct fls_counters counters;

    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        counters.value[i] = scratch_random(&seed) >> (1 + any(63));
    switch (any(5)) {
    case 0:
        counters.value[FLS_ACCEPTED] = counters.value[FLS_FLOWS];
        counters.value[FLS_REJECTED] = 0;
        break;
    case 1:
        counters.value[FLS_REJECTED] = counters.value[FLS_FLOWS];
        counters.value[FLS_ACCEPTED] = 0;
        break;
    case 2:
        counters.value[any(FLS_COUNTER_CNT)] = FLS_COUNTER_MAX;
        break;
    case 3:
        counters = (struct fls_counters){{0}};
    }
    return counters;
}

static void make_hll(struct fls_hll *hll)
{
    for (uint32_t i = any(2) * any(200); i > 0; i--)
        hll->registers[any(3) ? any(FLS_HLL_REGISTERS) : FLS_HLL_REGISTERS - 1 - any(3)] =
            (uint8_t)(1 + any(FLS_HLL_RANK_MAX));
    hll->registers[0] = (uint8_t)any(2);
}

static void make_gave_way(struct plain_part *part)
{
    for (uint32_t i = 0; i < 3; i++) {
        struct fls_counters *error = &part->max_errors[any(FLS_TABLE_CNT)];

        *error = make_counters();
        error->value[FLS_FLOWS] |= 1;
    }
    for (uint32_t i = any(4); i > 0 && part->symbol_cnt > 1; i--) {
        struct fls_uniques *gone = plain_part_gone(part, 1 + any(part->symbol_cnt - 1));

        make_hll(&gone->external_sources);
        make_hll(&gone->own_addresses);
    }
}

static void make_rows(struct plain_part *part, int table, uint32_t row_max)
{
    for (uint32_t i = any(row_max + 1); i > 0; i--) {
        struct fls_part_row *row = plain_part_add(part, table);

        *row = (struct fls_part_row){.key = make_key(part, table),
                                     .account = 1 + any(part->symbol_cnt - 1),
                                     .counters = make_counters()};
        if (fls_tables[table].key == FLS_KEY_ADDRESS)
            row->marks = any(4);
    }
    part->row_cnt[table] =
        sort(part->rows[table], part->row_cnt[table], sizeof(struct fls_part_row), spelled_order);
}

/* To be ended. */
static struct plain_part make(uint32_t day, uint32_t row_max)
{
    struct plain_part part = {.day = day};

    make_symbols(&part, 1 + any(any(4) ? SYMBOLS_MAX : 3));
    for (int t = 0; t < FLS_TABLE_CNT && part.symbol_cnt > 1; t++)
        if (any(8) && (fls_tables[t].key != FLS_KEY_MINUTE || day != FLS_DAY_UNKNOWN))
            make_rows(&part, t, row_max);
    if (any(3) == 0)
        make_gave_way(&part);
    return part;
}

static struct fls_span encode_any(uint32_t row_max)
{
    struct plain_part made = make(any(8) ? any(FLS_DAY_MAX + 1) : FLS_DAY_UNKNOWN, row_max);
    struct fls_span bytes = plain_part_encode(&made);

    plain_part_fini(&made);
    return bytes;
}

/* ---- there and back ---- */

static void comes_back_the_same(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        uint32_t day = any(8) ? any(FLS_DAY_MAX + 1) : FLS_DAY_UNKNOWN;
        struct plain_part made = make(day, round % 20 ? 60 : 3000), read;
        struct fls_span bytes = plain_part_encode(&made), again;

        assert_true(plain_part_read(&read, bytes));
        assert_true(plain_part_is_sound(&read));
        assert_true(plain_part_equal(&made, &read));
        assert_int_equal(fls_part_layout(fls_part_in_memory(bytes)), FLS_PART_LAYOUT);
        again = plain_part_encode(&read);
        assert_true(fls_span_equal(bytes, again));
        plain_part_fini(&made);
        plain_part_fini(&read);
        free((void *)bytes.at);
        free((void *)again.at);
    }
}

static void a_day_without_rows_is_a_part(void **state)
{
    struct plain_part made = {.day = 0}, read;
    struct fls_span bytes;

    (void)state;
    make_symbols(&made, 1);
    bytes = plain_part_encode(&made);
    assert_int_equal(bytes.sz, 1 + sizeof(struct fls_part_trailer));
    assert_true(plain_part_read(&read, bytes));
    assert_true(plain_part_equal(&made, &read));
    plain_part_fini(&made);
    plain_part_fini(&read);
    free((void *)bytes.at);
}

static void one_key_has_rows_of_many_accounts(void **state)
{
    struct plain_part made = {.day = 1}, read;
    struct fls_span bytes;

    (void)state;
    make_symbols(&made, SYMBOLS_MAX);
    for (uint32_t key = 0; key < 3; key++)
        for (uint32_t account = 1; account < made.symbol_cnt; account++)
            *plain_part_add(&made, FLS_TABLE_CONVERSATION) =
                (struct fls_part_row){.key = {.flags = FLS_A_IS_IPV6, .a_high = 7, .b_low = key},
                                      .account = account,
                                      .counters = {{1, 1, 1, 1, 0}}};
    bytes = plain_part_encode(&made);
    assert_true(plain_part_read(&read, bytes));
    assert_true(plain_part_equal(&made, &read));
    plain_part_fini(&made);
    plain_part_fini(&read);
    free((void *)bytes.at);
}

static void the_last_part_comes_first(void **state)
{
    struct plain_sink all = {.limit = SIZE_MAX};
    size_t begin[PARTS_MAX + 1];
    struct plain_part made;
    struct fls_span left, part;
    uint32_t day;
    uint64_t size;

    (void)state;
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        begin[i] = all.sz;
        made = make(i ? 100 * i : FLS_DAY_UNKNOWN, 20);
        assert_int_equal(plain_part_write(&made, &all, &size), 0);
        assert_int_equal(size, all.sz - begin[i]);
        plain_part_fini(&made);
    }
    begin[PARTS_MAX] = all.sz;
    left = (struct fls_span){all.bytes, all.sz};
    for (uint32_t i = PARTS_MAX; i-- > 0;) {
        assert_true(fls_part_take_last(&left, &day, &part));
        assert_int_equal(day, i ? 100 * i : FLS_DAY_UNKNOWN);
        assert_ptr_equal(part.at, all.bytes + begin[i]);
        assert_int_equal(part.sz, begin[i + 1] - begin[i]);
        assert_int_equal(left.sz, begin[i]);
    }
    assert_false(fls_part_take_last(&left, &day, &part));
    free(all.bytes);
}

/* ---- the order ---- */

static void make_near(struct fls_part_row *row)
{
    static const uint64_t words[] = {0, 1, UINT32_MAX, 1ULL << 32, 1ULL << 63, UINT64_MAX};

    *row = (struct fls_part_row){.key = {.flags = any(4),
                                         .a_high = words[any(2) * any(6)],
                                         .a_low = words[any(2) * any(6)],
                                         .b_high = words[any(2) * any(6)],
                                         .b_low = words[any(2) * any(6)],
                                         .place = any(2) * any(1 << 24)},
                                 .account = any(2) * (uint32_t)scratch_random(&seed)};
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* The order of numbers of a fixed length, one behind the other, which is total. */
static void the_order_is_that_of_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 200000; round++) {
        struct fls_part_row a, b;
        int order;

        make_near(&a);
        make_near(&b);
        order = sign(spelled_order(&a, &b));
        assert_int_equal(sign(fls_part_row_compare(&a, &b)), order);
        assert_int_equal(sign(fls_part_row_compare(&b, &a)), -order);
        assert_int_equal(fls_part_row_compare(&a, &a), 0);
        b.account = a.account;
        assert_int_equal(sign(fls_part_key_compare(&a.key, &b.key)), sign(spelled_order(&a, &b)));
    }
}

static void ipv6_addresses_sort_as_their_bytes(void **state)
{
    (void)state;
    for (int round = 0; round < 10000; round++) {
        uint8_t bytes[2][16];
        struct fls_part_key keys[2] = {0};
        uint32_t same = any(17);

        for (int i = 0; i < 32; i++)
            bytes[i / 16][i % 16] = (uint8_t)scratch_random(&seed);
        memcpy(bytes[1], bytes[0], same);
        for (int i = 0; i < 2; i++)
            fls_part_set_ipv6(&keys[i].a_high, &keys[i].a_low, bytes[i]);
        assert_int_equal(sign(fls_part_key_compare(&keys[0], &keys[1])),
                         sign(memcmp(bytes[0], bytes[1], 16)));
    }
}

/* ---- torn and damaged ---- */

static struct fls_span copy_of(const uint8_t *at, size_t sz)
{
    uint8_t *copy = malloc(sz ? sz : 1);

    assert_non_null(copy);
    memcpy(copy, at, sz);
    return (struct fls_span){copy, sz};
}

static void check_cut(const uint8_t *at, size_t sz)
{
    struct fls_span copy = copy_of(at, sz), left = copy, part;
    uint32_t day;

    assert_false(plain_part_is_whole(copy));
    assert_int_equal(fls_part_take_last(&left, &day, &part), sz > 0);
    assert_true(sz == 0 || part.sz == 0);
    assert_int_equal(left.sz, sz);
    free((void *)copy.at);
}

/* Cut at any place, in memory of just that size, so that a byte read beyond it shows. */
static void refuses_what_is_torn(void **state)
{
    (void)state;
    for (int round = 0; round < 4; round++) {
        struct fls_span bytes = encode_any(12);
        uint8_t *longer = malloc(bytes.sz + 1);

        for (size_t cut = 0; cut < bytes.sz && cut < 20000; cut++) {
            check_cut(bytes.at, cut);
            check_cut(bytes.at + cut + 1, bytes.sz - cut - 1);
        }
        memcpy(longer + 1, bytes.at, bytes.sz);
        assert_false(plain_part_is_whole((struct fls_span){longer, bytes.sz + 1}));
        memcpy(longer, bytes.at, bytes.sz);
        check_cut(longer, bytes.sz + 1);
        free(longer);
        free((void *)bytes.at);
    }
}

/* Reads it whole, and as part of a sequence, which it may seem to be. */
static bool reads_damaged(const uint8_t *bytes, size_t sz)
{
    struct fls_span copy = copy_of(bytes, sz), left = copy, part;
    bool is_whole = plain_part_is_whole(copy);
    uint32_t day;

    while (fls_part_take_last(&left, &day, &part) && part.sz > 0) {
        assert_true(part.at >= copy.at && part.at + part.sz <= copy.at + sz);
        assert_ptr_equal(part.at, left.at + left.sz);
        if (part.sz < sz)
            plain_part_is_whole(part);
    }
    free((void *)copy.at);
    return is_whole;
}

static void survives_any_wrong_bit(void **state)
{
    uint32_t taken = 0, refused = 0;

    (void)state;
    for (int round = 0; round < 6; round++) {
        struct fls_span bytes = encode_any(4);
        uint8_t *damaged = (uint8_t *)bytes.at;

        for (size_t at = 0; at < bytes.sz; at++) {
            if (bytes.sz > 8000 && any((uint32_t)(bytes.sz / 2000))) /* long texts */
                continue;
            for (int bit = 0; bit < 8; bit++) {
                damaged[at] ^= (uint8_t)(1U << bit);
                reads_damaged(damaged, bytes.sz) ? taken++ : refused++;
                damaged[at] ^= (uint8_t)(1U << bit);
            }
        }
        assert_true(plain_part_is_whole(bytes));
        free(damaged);
    }
    assert_true(taken > 100 && refused > 100);
}

static void damage(uint8_t *bytes, size_t sz)
{
    uint32_t trailer_sz = sizeof(struct fls_part_trailer);

    for (uint32_t i = any(4); i < 4; i++) {
        size_t at = any(3) ? any((uint32_t)sz) : sz - trailer_sz + any(trailer_sz);

        if (any(2))
            bytes[at] ^= (uint8_t)(1U << any(8));
        else
            bytes[at] = any(2) ? 0xff : (uint8_t)any(256);
    }
}

static void survives_damage(void **state)
{
    struct fls_span bytes = {NULL, 0};
    uint32_t taken = 0;

    (void)state;
    for (int round = 0; round < 6000; round++) {
        struct fls_span copy;

        if (round % 100 == 0) {
            free((void *)bytes.at);
            bytes = encode_any(round % 200 ? 5 : 40);
        }
        copy = copy_of(bytes.at, bytes.sz);
        damage((uint8_t *)copy.at, copy.sz);
        taken += reads_damaged(copy.at, copy.sz);
        free((void *)copy.at);
    }
    free((void *)bytes.at);
    assert_true(taken > 100 && taken < 5900); /* both were tried */
}

/* ---- writing ---- */

static void a_sink_that_fails_is_told(void **state)
{
    struct plain_part made = {.day = 3};
    struct fls_span whole;

    (void)state;
    make_symbols(&made, SYMBOLS_MAX);
    for (int t = FLS_TABLE_SOURCE_ADDRESS; t < FLS_TABLE_CNT; t++)
        make_rows(&made, t, 3000);
    make_gave_way(&made);
    whole = plain_part_encode(&made);
    assert_true(whole.sz > 3 * FLS_PART_BUFFER_SZ);
    for (uint32_t round = 0; round < 30; round++) {
        size_t limit = round < 2 ? whole.sz - round : round == 2 ? 0 : any((uint32_t)whole.sz);
        struct plain_sink sink = {.limit = limit};
        uint64_t size;

        assert_int_equal(plain_part_write(&made, &sink, &size), limit < whole.sz ? -ENOSPC : 0);
        assert_int_equal(sink.refused_cnt, limit < whole.sz); /* it is not asked again */
        assert_memory_equal(sink.bytes ? sink.bytes : whole.at, whole.at, sink.sz);
        free(sink.bytes);
    }
    plain_part_fini(&made);
    free((void *)whole.at);
}

/* What a reader would refuse must not be written: it would be lost. */
struct unsound {
    enum fls_table_id table;
    struct fls_part_row rows[2];
    struct fls_span symbols[3];
};

static void write_unsound(void *argument)
{
    const struct unsound *unsound = argument;
    struct plain_sink sink = {.limit = SIZE_MAX};
    struct fls_part_names names = {.symbols = unsound->symbols, .symbol_cnt = 3};
    struct fls_part_writer writer;
    uint64_t size;

    fls_part_begin(&writer, 1, (struct fls_part_sink){plain_sink_write, &sink});
    for (int i = 0; i < 2; i++)
        fls_part_put(&writer, unsound->table, &unsound->rows[i]);
    fls_part_finish(&writer, &names, &size);
    free(sink.bytes);
}

static struct unsound sound(enum fls_table_id table)
{
    struct unsound made = {
        .table = table,
        .rows = {{.account = 1, .counters = {{1}}}, {.account = 2, .counters = {{1}}}},
        .symbols = {FLS_SPAN(""), FLS_SPAN("a"), FLS_SPAN("b")}};

    for (uint32_t i = 0; i < 2; i++) {
        struct fls_part_key *key = &made.rows[i].key;

        switch (fls_tables[table].key) {
        case FLS_KEY_NONE:
            break;
        case FLS_KEY_MINUTE:
            key->a_low = FLS_MINUTES_PER_DAY + i; /* of day 1 */
            break;
        case FLS_KEY_PROTOCOL:
        case FLS_KEY_PORT:
            key->place = fls_part_place((uint8_t)(1 + i), 0);
            break;
        default:
            key->a_low = 1 + i;
        }
    }
    return made;
}

static void unsound_rows_are_not_written(void **state)
{
    struct unsound made;

    (void)state;
    for (int t = 0; t < FLS_TABLE_CNT; t++) {
        made = sound(t);
        write_unsound(&made); /* as it is, it can be */
    }
#define DIES(of_table, what, value)                                                                \
    do {                                                                                           \
        made = sound(of_table);                                                                    \
        made.what = (value);                                                                       \
        assert_dies(write_unsound, &made, SIGABRT);                                                \
    } while (0)
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].key.a_low, 0);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1], made.rows[0]);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[0].account, 0);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[0].account, 3);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[0].marks, FLS_MARKS_ALL + 1);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].key.a_high, 1);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].key.a_low, 1ULL << 32);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].key.flags, FLS_B_IS_IPV6);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].counters.value[FLS_BYTES], FLS_COUNTER_MAX + 1ULL);
    DIES(FLS_TABLE_CONVERSATION, rows[1].marks, FLS_MARK_OWN_SIDE);
    DIES(FLS_TABLE_VPC, rows[1].key.a_low, 3);
    DIES(FLS_TABLE_VPC, rows[0].key.a_low, 0);
    DIES(FLS_TABLE_MINUTE, rows[0].key.a_low, 0);
    DIES(FLS_TABLE_TOTALS, rows[1].key.a_low, 1);
    DIES(FLS_TABLE_TOTALS, rows[1].key.place, 1);
    DIES(FLS_TABLE_MINUTE, rows[1].key.b_low, 1);
    DIES(FLS_TABLE_MINUTE, rows[1].key.place, 1);
    DIES(FLS_TABLE_PROTOCOL, rows[1].key.place, fls_part_place(2, 53));
    DIES(FLS_TABLE_PROTOCOL, rows[1].key.place, 2U << 16 | 1U << 24);
    DIES(FLS_TABLE_PROTOCOL, rows[1].key.a_low, 1);
    DIES(FLS_TABLE_SERVICE, rows[1].key.place, 2U << 16 | 1U << 24);
    DIES(FLS_TABLE_SERVICE, rows[1].key.b_low, 1);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].key.b_low, 1);
    DIES(FLS_TABLE_SOURCE_ADDRESS, rows[1].key.place, 1);
    DIES(FLS_TABLE_CONVERSATION, rows[1].key.place, 1U << 24);
    DIES(FLS_TABLE_VPC, rows[1].key.b_high, 1);
    DIES(FLS_TABLE_VPC, rows[1].key.place, 1);
    DIES(FLS_TABLE_VPC, symbols[0], FLS_SPAN("0"));
    DIES(FLS_TABLE_VPC, symbols[1], FLS_SPAN("b"));
    DIES(FLS_TABLE_VPC, symbols[1], FLS_SPAN("c"));
#undef DIES
}

static int make_texts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(texts); i++)
        texts[i] = (uint8_t)(any(8) ? any(3) : any(256)); /* many begin alike */
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_the_same),
        cmocka_unit_test(a_day_without_rows_is_a_part),
        cmocka_unit_test(one_key_has_rows_of_many_accounts),
        cmocka_unit_test(the_last_part_comes_first),
        cmocka_unit_test(the_order_is_that_of_bytes),
        cmocka_unit_test(ipv6_addresses_sort_as_their_bytes),
        cmocka_unit_test(refuses_what_is_torn),
        cmocka_unit_test(survives_any_wrong_bit),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(a_sink_that_fails_is_told),
        cmocka_unit_test(unsound_rows_are_not_written),
    };

    return cmocka_run_group_tests_name("part", tests, make_texts, NULL);
}

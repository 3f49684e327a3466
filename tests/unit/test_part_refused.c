/* Parts made by hand, as no writer makes them, are refused. */
#include "scratch.h"

#include "plain_part.h"

/* Rows of one table of day 1, with the texts "", "a" and "b" unless others are given. */
struct by_hand {
    enum fls_table_id table;
    uint64_t row_cnt;
    struct fls_span rows, texts, gave_way;
    uint32_t symbol_cnt;
    uint32_t gave_way_bits;
};

#define BYTES(...)                                                                                 \
    ((struct fls_span){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})
#define NONE ((struct fls_span){(const uint8_t *)"", 0})
#define TEXTS BYTES(0, 1, 'a', 1, 'b')

static struct fls_part_trailer trailer_of(const struct by_hand *part)
{
    struct fls_part_trailer trailer = {
        .layout = FLS_PART_LAYOUT, .magic = FLS_PART_MAGIC, .day = 1, .symbol_cnt = 3};

    for (int t = (int)part->table; t >= 0; t--)
        trailer.end[t] = part->rows.sz;
    trailer.row_cnt[part->table] = part->row_cnt;
    trailer.texts_end = part->rows.sz + part->texts.sz;
    trailer.size = trailer.texts_end + part->gave_way.sz + sizeof(trailer);
    trailer.symbol_cnt = part->symbol_cnt;
    trailer.gave_way = part->gave_way_bits;
    return trailer;
}

static bool reads_with(const struct by_hand *part, const struct fls_part_trailer *trailer)
{
    size_t sz = part->rows.sz + part->texts.sz + part->gave_way.sz + sizeof(*trailer);
    uint8_t *bytes = malloc(sz), *at = bytes;
    bool is_whole;

    assert_non_null(bytes);
    at = mempcpy(at, part->rows.at, part->rows.sz);
    at = mempcpy(at, part->texts.at, part->texts.sz);
    at = mempcpy(at, part->gave_way.at, part->gave_way.sz);
    memcpy(at, trailer, sizeof(*trailer));
    is_whole = plain_part_is_whole((struct fls_span){bytes, sz});
    free(bytes);
    return is_whole;
}

static bool reads_by_hand(const struct by_hand *part)
{
    struct fls_part_trailer trailer = trailer_of(part);

    return reads_with(part, &trailer);
}

static bool reads_rows(enum fls_table_id table, uint64_t row_cnt, struct fls_span rows)
{
    return reads_by_hand(&(struct by_hand){.table = table,
                                           .row_cnt = row_cnt,
                                           .rows = rows,
                                           .texts = TEXTS,
                                           .gave_way = NONE,
                                           .symbol_cnt = 3});
}

#define A FLS_ROW_ALL_ACCEPTED
#define R FLS_ROW_ALL_REJECTED
#define KEY FLS_ROW_SAME_KEY
#define ACCOUNT FLS_ROW_SAME_ACCOUNT
#define FLAGS FLS_ROW_FLAGS
#define SAME_A FLS_ROW_SAME_A

static void refuses_rows_out_of_order(void **state)
{
    enum fls_table_id totals = FLS_TABLE_TOTALS, protocol = FLS_TABLE_PROTOCOL;

    (void)state;
    assert_true(reads_rows(totals, 2, BYTES(A, 1, 1, 1, 1, A | KEY, 2, 1, 1, 1)));
    assert_false(reads_rows(totals, 2, BYTES(A, 2, 1, 1, 1, A | KEY, 1, 1, 1, 1)));
    assert_false(reads_rows(totals, 2, BYTES(A, 1, 1, 1, 1, A | KEY, 1, 1, 1, 1)));
    assert_false(reads_rows(totals, 2, BYTES(A, 1, 1, 1, 1, A | KEY | ACCOUNT, 1, 1, 1)));
    assert_true(reads_rows(protocol, 2, BYTES(A, 6, 1, 1, 1, 1, A | ACCOUNT, 7, 1, 1, 1)));
    assert_false(reads_rows(protocol, 2, BYTES(A, 6, 1, 1, 1, 1, A | ACCOUNT, 5, 1, 1, 1)));
    assert_false(reads_rows(protocol, 2, BYTES(A, 6, 1, 1, 1, 1, A | ACCOUNT, 6, 1, 1, 1)));
    assert_false(reads_rows(protocol, 2, BYTES(A, 6, 1, 1, 1, 1, A | SAME_A, 7, 1, 1, 1, 1)));
    /* nothing is before the first row */
    assert_false(reads_rows(totals, 1, BYTES(A | KEY, 1, 1, 1, 1)));
    assert_false(reads_rows(totals, 1, BYTES(A | ACCOUNT, 1, 1, 1)));
}

static void refuses_another_number_of_rows(void **state)
{
    struct fls_span rows = BYTES(A, 1, 1, 1, 1, A | KEY, 2, 1, 1, 1);

    (void)state;
    for (uint64_t cnt = 0; cnt < 12; cnt++)
        assert_int_equal(reads_rows(FLS_TABLE_TOTALS, cnt, rows), cnt == 2);
    assert_false(reads_rows(FLS_TABLE_TOTALS, UINT64_MAX, rows));
    /* a row that goes on behind the table's end */
    for (size_t sz = 0; sz < 10; sz++)
        assert_false(reads_rows(FLS_TABLE_TOTALS, 2, (struct fls_span){rows.at, sz}));
}

static void refuses_numbers_of_no_symbol(void **state)
{
    (void)state;
    for (uint8_t number = 0; number < 5; number++) {
        bool is_one = number == 1 || number == 2;

        assert_int_equal(reads_rows(FLS_TABLE_TOTALS, 1, BYTES(A, number, 1, 1, 1)), is_one);
        assert_int_equal(reads_rows(FLS_TABLE_VPC, 1, BYTES(A, number, 1, 1, 1, 1)), is_one);
    }
    /* 2^32 + 1 is not 1 */
    assert_false(reads_rows(FLS_TABLE_TOTALS, 1, BYTES(A, 0x81, 0x80, 0x80, 0x80, 0x10, 1, 1, 1)));
    assert_false(reads_rows(FLS_TABLE_VPC, 1, BYTES(A, 0x81, 0x80, 0x80, 0x80, 0x10, 1, 1, 1, 1)));
}

static bool reads_minute(uint32_t minute)
{
    const uint8_t *m = (const uint8_t *)&minute;

    return reads_rows(FLS_TABLE_MINUTE, 1, BYTES(A, m[0], m[1], m[2], m[3], 1, 1, 1, 1));
}

static void refuses_minutes_of_other_days(void **state)
{
    (void)state;
    assert_true(reads_minute(1440));
    assert_true(reads_minute(2879));
    assert_false(reads_minute(1439));
    assert_false(reads_minute(2880));
    assert_false(reads_minute(FLS_MINUTE_UNKNOWN));
}

#define V_MAX 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f         /* 2^63-1 */
#define V_OVER 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01  /* 2^63 */
#define V_WORST 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff /* without an end */

static void refuses_counters_that_are_too_large(void **state)
{
    enum fls_table_id totals = FLS_TABLE_TOTALS;

    (void)state;
    assert_true(reads_rows(totals, 1, BYTES(0, 1, V_MAX, V_MAX, V_MAX, V_MAX, V_MAX)));
    assert_false(reads_rows(totals, 1, BYTES(0, 1, V_OVER, 1, 1, 1, 1)));
    assert_false(reads_rows(totals, 1, BYTES(0, 1, 1, V_OVER, 1, 1, 1)));
    assert_false(reads_rows(totals, 1, BYTES(0, 1, 1, 1, V_OVER, 1, 1)));
    assert_false(reads_rows(totals, 1, BYTES(0, 1, 1, 1, 1, V_OVER, 1)));
    assert_false(reads_rows(totals, 1, BYTES(0, 1, 1, 1, 1, 1, V_OVER)));
    assert_false(reads_rows(totals, 1, BYTES(A, 1, V_OVER, 1, 1)));
    assert_false(reads_rows(totals, 1, BYTES(0, V_WORST, V_WORST, V_WORST, V_WORST, V_WORST)));
}

/* The last row that is torn is read on into what follows, and that is enough for the longest. */
static void the_longest_torn_row_stays_in_the_part(void **state)
{
    uint8_t row[1 + FLS_PART_ROW_SZ_MAX];

    (void)state;
    memset(row, 0xff, sizeof(row));
    row[0] = FLAGS;
    row[1] = FLS_A_IS_IPV6 | FLS_B_IS_IPV6;
    for (size_t sz = 1; sz <= sizeof(row); sz++) {
        assert_false(reads_rows(FLS_TABLE_CONVERSATION, 1, (struct fls_span){row, sz}));
        assert_false(reads_by_hand(&(struct by_hand){.table = FLS_TABLE_CNT - 1,
                                                     .row_cnt = 1,
                                                     .rows = {row, sz},
                                                     .texts = BYTES(0),
                                                     .gave_way = NONE,
                                                     .symbol_cnt = 1}));
    }
}

/* A row with the first byte `flags` where a table is to have none but FLS_ROW_ALL_*. */
static bool may_have(enum fls_table_key kind, unsigned flags)
{
    if (kind == FLS_KEY_ADDRESS)
        flags &= ~(unsigned)FLS_ROW_MARKS;
    return (flags & ~(unsigned)(A | R)) == 0 && flags != (A | R);
}

/* Key flags that would make addresses of other numbers, with every value of the first byte. */
static void refuses_flags_of_other_keys(void **state)
{
    (void)state;
    for (int t = 0; t < FLS_TABLE_CNT; t++) {
        static const size_t key_sz[] = {
            [FLS_KEY_MINUTE] = 4, [FLS_KEY_PROTOCOL] = 1,      [FLS_KEY_ADDRESS] = 4,
            [FLS_KEY_PORT] = 3,   [FLS_KEY_CONVERSATION] = 11, [FLS_KEY_ATTRIBUTE] = 1};
        uint8_t row[32] = {0};

        for (unsigned flags = 0; flags < 256; flags++) {
            uint8_t *at = row;
            enum fls_table_key kind = fls_tables[t].key;

            *at++ = (uint8_t)flags;
            if (flags & FLAGS)
                *at++ = 4; /* no such flag */
            if (kind == FLS_KEY_MINUTE)
                memcpy(at, (const uint32_t[]){1440}, 4);
            else
                memset(at, 1, key_sz[kind]);
            at += key_sz[kind];
            memset(at, 1, 6); /* account, counters */
            at += flags & (A | R) ? 4 : 6;
            assert_int_equal(reads_rows(t, 1, (struct fls_span){row, (size_t)(at - row)}),
                             may_have(kind, flags));
        }
        for (unsigned key_flags = 1; key_flags < 256; key_flags++)
            if (key_flags & ~fls_part_key_flags(fls_tables[t].key)) {
                memset(row, 1, sizeof(row));
                row[0] = FLAGS | A;
                row[1] = (uint8_t)key_flags;
                assert_false(
                    reads_rows(t, 1, (struct fls_span){row, 6 + key_sz[fls_tables[t].key]}));
            }
    }
}

/* What is 128 bits long is not as in the row before where it is to have 32. */
static void refuses_the_same_address_of_another_kind(void **state)
{
    uint8_t rows[64] = {FLAGS | A, FLS_A_IS_IPV6}, *second = rows + 2 + 16 + 4 + 3 + 4;

    (void)state;
    memset(rows + 2, 9, 16);
    memset(rows + 2 + 16 + 4 + 3, 1, 4);
    memcpy(second, (const uint8_t[]){FLAGS | A | SAME_A, FLS_B_IS_IPV6}, 2);
    memset(second + 2 + 16 + 3, 1, 4);
    assert_false(reads_rows(FLS_TABLE_CONVERSATION, 2,
                            (struct fls_span){rows, (size_t)(second + 25 - rows)}));
    memcpy(second, (const uint8_t[]){FLAGS | A | KEY, FLS_B_IS_IPV6, 1, 1, 1, 1}, 6);
    assert_false(reads_rows(FLS_TABLE_CONVERSATION, 2,
                            (struct fls_span){rows, (size_t)(second + 6 - rows)}));
    memcpy(second, (const uint8_t[]){A | KEY, 2, 1, 1, 1}, 5);
    assert_true(reads_rows(FLS_TABLE_CONVERSATION, 2,
                           (struct fls_span){rows, (size_t)(second + 5 - rows)}));
    /* nor the other way round */
    assert_true(reads_rows(FLS_TABLE_SOURCE_ADDRESS, 2,
                           BYTES(A, 9, 9, 9, 9, 1, 1, 1, 1, A | ACCOUNT, 9, 9, 9, 10, 1, 1, 1)));
    assert_false(reads_rows(FLS_TABLE_SOURCE_ADDRESS, 2,
                            BYTES(A, 9, 9, 9, 9, 1, 1, 1, 1, FLAGS | A | KEY, 1, 1, 1, 1, 1)));
}

static bool reads_texts(uint32_t cnt, struct fls_span bytes)
{
    return reads_by_hand(
        &(struct by_hand){.rows = NONE, .texts = bytes, .gave_way = NONE, .symbol_cnt = cnt});
}

/* Longer than the bytes that are left, and compared with one that is as long. */
static void refuses_texts_without_an_end(void **state)
{
    uint8_t bytes[1 + 2 + 600 + 2] = {0, 0xd8, 0x04};

    (void)state;
    memset(bytes + 3, 0, 600);
    memcpy(bytes + 3 + 600, bytes + 1, 2);
    assert_false(reads_texts(3, (struct fls_span){bytes, sizeof(bytes)}));
    assert_true(reads_texts(2, (struct fls_span){bytes, 3 + 600}));
    assert_false(reads_texts(2, (struct fls_span){bytes, 3 + 599}));
    assert_false(reads_texts(2, BYTES(0, V_MAX)));
    assert_false(reads_texts(3, BYTES(0, V_MAX, V_MAX)));
}

static void refuses_texts_out_of_order(void **state)
{
    (void)state;
    assert_true(reads_texts(1, BYTES(0)));
    assert_true(reads_texts(3, BYTES(0, 1, 'a', 2, 'a', 0)));
    assert_false(reads_texts(3, BYTES(0, 2, 'a', 0, 1, 'a'))); /* the longer one first */
    assert_false(reads_texts(3, BYTES(0, 1, 'b', 1, 'a')));
    assert_false(reads_texts(3, BYTES(0, 1, 0x80, 1, 0x7f))); /* bytes have no sign */
    assert_false(reads_texts(3, BYTES(0, 1, 'a', 1, 'a')));
    assert_false(reads_texts(2, BYTES(0, 0)));
    assert_false(reads_texts(2, BYTES(1, 'a', 1, 'b'))); /* the first one is not empty */
    assert_false(reads_texts(2, BYTES(0, 2, 'a')));      /* longer than there are bytes */
    assert_false(reads_texts(2, BYTES(0, 1, 'a', 0)));   /* bytes that are no text */
    assert_false(reads_texts(0, NONE));
    assert_false(reads_texts(2, BYTES(0)));
    assert_false(reads_texts(2, BYTES(0, V_WORST)));
    assert_false(reads_texts(UINT32_MAX, TEXTS));
}

static bool reads_gone(uint32_t bits, struct fls_span bytes)
{
    return reads_by_hand(&(struct by_hand){
        .rows = NONE, .texts = TEXTS, .gave_way = bytes, .symbol_cnt = 3, .gave_way_bits = bits});
}

#define ERROR 1, 2, 3, 4, 5

static void refuses_errors_that_are_none(void **state)
{
    (void)state;
    assert_true(reads_gone(0, NONE));
    assert_true(reads_gone(1, BYTES(ERROR)));
    assert_true(reads_gone(1U << (FLS_TABLE_CNT - 1) | 1, BYTES(ERROR, ERROR)));
    assert_true(reads_gone(1, BYTES(V_MAX, V_MAX, V_MAX, V_MAX, V_MAX)));
    assert_false(reads_gone(1, BYTES(1, 2, 3, 4, V_OVER)));
    assert_false(reads_gone(1, BYTES(0, 2, 3, 4, 5))); /* then it did not */
    assert_false(reads_gone(1, BYTES(1, 2, 3, 4)));
    assert_false(reads_gone(0, BYTES(ERROR)));
    assert_false(reads_gone(1U << FLS_TABLE_CNT, BYTES(ERROR)));
    assert_false(reads_gone(1U << FLS_TABLE_CNT, NONE));
    assert_false(reads_gone(1U << 31, NONE));
    assert_false(reads_gone(0, BYTES(1, 0, 0))); /* addresses of no table */
}

#define LAST 0xff, 0x7f        /* zeros before register 2^14-1 */
#define AFTER 0x80, 0x80, 0x01 /* 2^14 */

static void refuses_addresses_that_are_none(void **state)
{
    (void)state;
    assert_true(reads_gone(1, BYTES(ERROR, 1, 0, 0, 2, 1, 0, 1, 1, LAST, FLS_HLL_RANK_MAX)));
    assert_true(reads_gone(1, BYTES(ERROR, 2, 2, 0, 1, 0xfe, 0x7f, 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 2, 2, 0, 1, LAST, 1, 0))); /* one too far */
    assert_false(reads_gone(1, BYTES(ERROR, 2, 1, AFTER, 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 2, 1, 0x81, 0x80, 0x01, 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 2, 2, LAST, 1, 0, 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 2, 2, 0, 1, V_WORST, 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 2, 1, 0, 0, 0))); /* rank 0 */
    assert_false(reads_gone(1, BYTES(ERROR, 2, 1, 0, FLS_HLL_RANK_MAX + 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 0, 0, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 3, 0, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 1, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 1, V_WORST, 0)));
    assert_false(reads_gone(1, BYTES(ERROR, 0x81, 0x80, 0x80, 0x80, 0x10, 0, 0)));
}

static void refuses_trailers_that_are_none(void **state)
{
    const struct by_hand part = {.row_cnt = 1,
                                 .rows = BYTES(A, 1, 1, 1, 1),
                                 .texts = TEXTS,
                                 .gave_way = NONE,
                                 .symbol_cnt = 3};
    const struct fls_part_trailer good = trailer_of(&part);
    struct fls_part_trailer bad;

    (void)state;
    assert_true(reads_with(&part, &good));
#define REFUSES(member, value)                                                                     \
    do {                                                                                           \
        bad = good;                                                                                \
        bad.member = (value);                                                                      \
        assert_false(reads_with(&part, &bad));                                                     \
    } while (0)
    REFUSES(magic, 0);
    REFUSES(layout, FLS_PART_LAYOUT - 1);
    REFUSES(layout, FLS_PART_LAYOUT + 1);
    REFUSES(reserved, 1);
    REFUSES(day, FLS_DAY_MAX + 1);
    REFUSES(size, good.size - 1);
    REFUSES(size, good.size + 1);
    REFUSES(size, sizeof(good) - 1);
    REFUSES(size, 0);
    REFUSES(size, UINT64_MAX);
    REFUSES(end[0], 0);
    REFUSES(end[0], UINT64_MAX);
    REFUSES(end[0], good.texts_end + 1);
    REFUSES(end[1], good.end[0] + 1);
    REFUSES(end[3], 1);
    REFUSES(texts_end, good.end[0]);
    REFUSES(texts_end, good.size);
    REFUSES(texts_end, UINT64_MAX);
    REFUSES(symbol_cnt, 2);
    REFUSES(symbol_cnt, 4);
    REFUSES(row_cnt[0], UINT64_MAX);
#undef REFUSES
}

/* In the trailer, and to those who take parts by it. */
static void refuses_sizes_of_other_parts(void **state)
{
    const struct by_hand part = {.rows = NONE,
                                 .texts = TEXTS,
                                 .gave_way = BYTES(ERROR, 1, 0, 0),
                                 .symbol_cnt = 3,
                                 .gave_way_bits = 1};
    struct fls_part_trailer trailer = trailer_of(&part);
    struct fls_span left = {(const uint8_t *)&trailer, sizeof(trailer)}, last;
    uint32_t day;

    (void)state;
    assert_true(reads_with(&part, &trailer));
    trailer.size -= 3;
    assert_false(reads_with(&part, &trailer));
    for (trailer.size = 0; trailer.size < 2 * sizeof(trailer); trailer.size++) {
        assert_true(fls_part_take_last(&left, &day, &last));
        assert_int_equal(last.sz, 0);
        assert_int_equal(left.sz, sizeof(trailer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_rows_out_of_order),
        cmocka_unit_test(refuses_another_number_of_rows),
        cmocka_unit_test(refuses_numbers_of_no_symbol),
        cmocka_unit_test(refuses_minutes_of_other_days),
        cmocka_unit_test(refuses_counters_that_are_too_large),
        cmocka_unit_test(the_longest_torn_row_stays_in_the_part),
        cmocka_unit_test(refuses_flags_of_other_keys),
        cmocka_unit_test(refuses_the_same_address_of_another_kind),
        cmocka_unit_test(refuses_texts_out_of_order),
        cmocka_unit_test(refuses_texts_without_an_end),
        cmocka_unit_test(refuses_errors_that_are_none),
        cmocka_unit_test(refuses_addresses_that_are_none),
        cmocka_unit_test(refuses_trailers_that_are_none),
        cmocka_unit_test(refuses_sizes_of_other_parts),
    };

    return cmocka_run_group_tests_name("part_refused", tests, NULL, NULL);
}

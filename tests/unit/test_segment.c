/* Segments: days there and back, in any order, compacted; torn and damaged. */
#include "scratch.h"

#include "figures.h"

#include "base/calendar.h"
#include "shm/segment.h"

#define PARTS_MAX 8

static uint64_t seed = 31;

static uint32_t any(uint32_t cnt)
{
    return (uint32_t)(scratch_random(&seed) % cnt);
}

/* A day, the names of its numbers, and the part it becomes. */
struct made {
    struct fls_day day;
    struct fls_names names;
    uint8_t *bytes; /* exactly as many as the limit says */
    uint64_t sz, bound;
};

static void make_names(struct fls_names *names)
{
    static uint8_t text[9000];

    fls_names_clear(names);
    if (any(2)) /* at any number */
        fls_dictionary_intern(&names->symbols, FLS_SPAN("unknown"));
    for (uint32_t i = any(40); i > 0; i--) {
        size_t sz = any(30) ? any(20) : any(sizeof(text));

        for (size_t k = 0; k < sz; k++)
            text[k] = (uint8_t)scratch_random(&seed);
        fls_dictionary_intern(&names->symbols, (struct fls_span){text, sz});
    }
    for (uint32_t i = 0; i < 30; i++) /* many days have these */
        fls_dictionary_intern(&names->symbols,
                              (struct fls_span){(const uint8_t *)"0123456789" + i % 10, 1});
    fls_dictionary_intern(&names->symbols, FLS_SPAN("unknown"));
    for (uint32_t i = any(2) * 50; i > 0; i--) {
        uint8_t address[16] = {0x26, [15] = (uint8_t)any(60)};

        fls_dictionary_intern(&names->ipv6, (struct fls_span){address, 16});
    }
}

static void make_address(const struct fls_names *names, uint32_t *address, uint8_t *flags,
                         uint8_t flag)
{
    *address = 0x0a000000 + any(50);
    if (names->ipv6.cnt == 0 || any(2))
        return;
    *address = any(names->ipv6.cnt);
    *flags |= flag;
}

static struct fls_key make_key(const struct made *made, int table)
{
    struct fls_key key = {.scope = any(made->names.symbols.cnt)};

    if (any(3) == 0)
        key.scope = any(2) ? FLS_SYMBOL_ABSENT : FLS_SCOPE_ORGANISATION;
    switch (fls_tables[table].key) {
    case FLS_KEY_NONE:
        return key;
    case FLS_KEY_MINUTE:
        key.a = made->day.day * FLS_MINUTES_PER_DAY + any(FLS_MINUTES_PER_DAY);
        return key;
    case FLS_KEY_ATTRIBUTE:
        key.a = 1 + any(made->names.symbols.cnt - 1);
        return key;
    case FLS_KEY_CONVERSATION:
        make_address(&made->names, &key.b, &key.flags, FLS_B_IS_IPV6);
        /* fall through */
    case FLS_KEY_ADDRESS:
        make_address(&made->names, &key.a, &key.flags, FLS_A_IS_IPV6);
        if (fls_tables[table].key == FLS_KEY_ADDRESS)
            return key;
        /* fall through */
    case FLS_KEY_PORT:
        key.port = (uint16_t)(any(4) ? any(4) : any(1 << 16));
        /* fall through */
    case FLS_KEY_PROTOCOL:
        key.protocol = (uint8_t)any(256);
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

/* Adds the row to the model, as the sum of days has it. */
static void model_add(struct figures *model, int table, const struct fls_row *row,
                      const struct fls_names *names)
{
    static struct figures_key key;
    struct fls_row organisation = *row;

    if (row->key.scope == FLS_SCOPE_ORGANISATION)
        return; /* derived from the accounts' */
    organisation.key.scope = FLS_SCOPE_ORGANISATION;
    figures_spell(&key, table, row, names, FLS_SPAN("unknown"));
    figures_add(model, &key, &row->counters, row->marks);
    figures_spell(&key, table, &organisation, names, FLS_SPAN(""));
    figures_add(model, &key, &row->counters, row->marks);
}

static void encode(struct made *made)
{
    made->bound = fls_segment_bound(&made->day, &made->names);
    made->bytes = realloc(made->bytes, made->bound);
    assert_non_null(made->bytes);
    made->sz = fls_segment_encode(&made->day, &made->names, made->bytes);
    assert_true(made->sz <= made->bound);
}

static void make(struct made *made, uint32_t day, uint32_t row_max, struct figures *model)
{
    made->day.day = day;
    fls_day_clear(&made->day);
    make_names(&made->names);
    for (int t = 0; t < FLS_TABLE_CNT; t++) {
        if (any(8) == 0 || (fls_tables[t].key == FLS_KEY_MINUTE && day == FLS_DAY_UNKNOWN))
            continue;
        for (uint32_t i = any(row_max + 1); i > 0; i--) {
            struct fls_key key = make_key(made, t);
            struct fls_row *row = fls_table_upsert(&made->day.tables[t], &key, fls_key_hash(&key));

            if (row->counters.value[FLS_FLOWS] == 0) {
                row->counters = make_counters();
                row->marks = any(4);
            }
        }
        for (uint32_t i = 0; i < made->day.tables[t].row_cnt; i++)
            model_add(model, t, &made->day.tables[t].rows[i], &made->names);
    }
    encode(made);
}

static void made_fini(struct made *made)
{
    fls_day_fini(&made->day);
    fls_names_fini(&made->names);
    free(made->bytes);
}

static struct fls_span part_of(const struct made *made)
{
    return (struct fls_span){made->bytes, made->sz};
}

static void begin_sum(struct made *sum, uint32_t day)
{
    fls_day_clear(&sum->day);
    fls_names_clear(&sum->names);
    sum->day.day = day;
}

static void comes_back_the_same(void **state)
{
    struct made made = {0}, sum = {0};
    struct figures model = {0};

    (void)state;
    for (int round = 0; round < 200; round++) {
        uint32_t day = any(8) ? any(FLS_DAY_MAX + 1) : FLS_DAY_UNKNOWN;

        figures_clear(&model);
        make(&made, day, round % 20 ? 60 : 3000, &model);
        begin_sum(&sum, day);
        assert_true(fls_segment_add(part_of(&made), &sum.day, &sum.names, NULL));
        figures_check(&model, &sum.day, &sum.names);
        sum.day.day = day == 1 ? 2 : 1;
        assert_false(fls_segment_add(part_of(&made), &sum.day, &sum.names, NULL));
    }
    made_fini(&made);
    made_fini(&sum);
    figures_fini(&model);
}

static void sums_in_any_order(void **state)
{
    struct made parts[PARTS_MAX] = {0}, sum = {0};
    struct figures model = {0};
    uint32_t order[PARTS_MAX];

    (void)state;
    for (int round = 0; round < 30; round++) {
        figures_clear(&model);
        for (uint32_t i = 0; i < PARTS_MAX; i++) {
            make(&parts[i], 20000, 80, &model);
            order[i] = i;
        }
        for (int turn = 0; turn < 4; turn++) {
            for (uint32_t i = PARTS_MAX - 1; i > 0; i--) {
                uint32_t other = any(i + 1), kept = order[i];

                order[i] = order[other];
                order[other] = kept;
            }
            begin_sum(&sum, 20000);
            for (uint32_t i = 0; i < PARTS_MAX; i++)
                assert_true(fls_segment_add(part_of(&parts[order[i]]), &sum.day, &sum.names, NULL));
            figures_check(&model, &sum.day, &sum.names);
        }
    }
    for (uint32_t i = 0; i < PARTS_MAX; i++)
        made_fini(&parts[i]);
    made_fini(&sum);
    figures_fini(&model);
}

/* A sum written as one part is the same sum, and so it is when that is written once more. */
static void is_compacted_without_change(void **state)
{
    struct made made = {0}, sums[3] = {0};
    struct figures model = {0};

    (void)state;
    for (int round = 0; round < 40; round++) {
        figures_clear(&model);
        begin_sum(&sums[0], 20000);
        for (uint32_t i = any(4); i < 4; i++) {
            make(&made, 20000, 60, &model);
            assert_true(fls_segment_add(part_of(&made), &sums[0].day, &sums[0].names, NULL));
        }
        encode(&sums[0]);
        for (int i = 1; i < 3; i++) {
            begin_sum(&sums[i], 20000);
            assert_true(fls_segment_add(part_of(&sums[i - 1]), &sums[i].day, &sums[i].names, NULL));
            figures_check(&model, &sums[i].day, &sums[i].names);
            encode(&sums[i]);
        }
    }
    for (int i = 0; i < 3; i++)
        made_fini(&sums[i]);
    made_fini(&made);
    figures_fini(&model);
}

static void saturated_sums_keep_no_order(void **state)
{
    struct made parts[3] = {0}, sum = {0};
    struct figures model = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct fls_key key = {.scope = FLS_SYMBOL_ABSENT};
        struct fls_row *row;

        parts[i].day.day = 5;
        fls_names_clear(&parts[i].names);
        row = fls_table_upsert(&parts[i].day.tables[FLS_TABLE_TOTALS], &key, fls_key_hash(&key));
        row->counters = (struct fls_counters){
            {FLS_COUNTER_MAX - 1, FLS_COUNTER_MAX, 1, FLS_COUNTER_MAX - 1, 0}};
        model_add(&model, FLS_TABLE_TOTALS, row, &parts[i].names);
        encode(&parts[i]);
        begin_sum(&sum, 5);
        for (int k = 0; k <= i; k++)
            assert_true(fls_segment_add(part_of(&parts[k]), &sum.day, &sum.names, NULL));
        figures_check(&model, &sum.day, &sum.names);
        encode(&sum);
    }
    begin_sum(&parts[0], 5);
    assert_true(fls_segment_add(part_of(&sum), &parts[0].day, &parts[0].names, NULL));
    figures_check(&model, &parts[0].day, &parts[0].names);
    for (int i = 0; i < 3; i++)
        made_fini(&parts[i]);
    made_fini(&sum);
    figures_fini(&model);
}

/* The scope `unknown` is both that of records without an account and that of this text. */
static void unites_unknown_accounts(void **state)
{
    struct made made = {0}, sum = {0};
    const struct fls_counters one = {{1, 1, 1, 1, 0}};
    struct fls_key key = {0};
    uint32_t unknown, of_sum;

    (void)state;
    made.day.day = sum.day.day = 7;
    fls_names_clear(&made.names);
    fls_names_clear(&sum.names);
    unknown = fls_dictionary_intern(&made.names.symbols, FLS_SPAN("unknown"));
    fls_counters_add(&fls_table_upsert(&made.day.tables[0], &key, fls_key_hash(&key))->counters,
                     &one);
    key.scope = unknown;
    fls_counters_add(&fls_table_upsert(&made.day.tables[0], &key, fls_key_hash(&key))->counters,
                     &one);
    encode(&made);
    assert_true(fls_segment_add(part_of(&made), &sum.day, &sum.names, NULL));
    assert_int_equal(sum.day.tables[0].row_cnt, 2);
    assert_true(fls_dictionary_find(&sum.names.symbols, FLS_SPAN("unknown"), &of_sum));
    key.scope = of_sum;
    assert_int_equal(
        fls_table_find(&sum.day.tables[0], &key, fls_key_hash(&key))->counters.value[FLS_FLOWS], 2);
    made_fini(&made);
    made_fini(&sum);
}

static void is_a_sequence_of_parts(void **state)
{
    struct made parts[PARTS_MAX] = {0};
    struct figures model = {0};
    uint8_t *bytes = NULL;
    struct fls_span segment, part;
    uint64_t sz = 0;
    uint32_t day;

    (void)state;
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        make(&parts[i], i ? 100 * i : FLS_DAY_UNKNOWN, 20, &model);
        bytes = realloc(bytes, sz + parts[i].sz);
        memcpy(bytes + sz, parts[i].bytes, parts[i].sz);
        sz += parts[i].sz;
    }
    segment = (struct fls_span){bytes, sz};
    for (uint32_t i = 0; i < PARTS_MAX; i++) {
        assert_true(fls_segment_next(&segment, &day, &part));
        assert_int_equal(day, parts[i].day.day);
        assert_true(fls_span_equal(part, part_of(&parts[i])));
    }
    assert_false(fls_segment_next(&segment, &day, &part));
    for (uint64_t cut = 1; cut < parts[0].sz; cut++) {
        segment = (struct fls_span){bytes, cut};
        assert_true(fls_segment_next(&segment, &day, &part));
        assert_int_equal(part.sz, 0);
    }
    for (uint32_t i = 0; i < PARTS_MAX; i++)
        made_fini(&parts[i]);
    free(bytes);
    figures_fini(&model);
}

/* Cut at any place, in memory of just that size, so that a byte read behind it shows. */
static void refuses_what_is_torn(void **state)
{
    struct made made = {0}, sum = {0};
    struct figures model = {0};

    (void)state;
    for (int round = 0; round < 3; round++) {
        make(&made, 20000, 12, &model);
        for (uint64_t cut = 0; cut < made.sz; cut++) {
            uint8_t *copy = malloc(cut ? cut : 1);

            memcpy(copy, made.bytes, cut);
            begin_sum(&sum, 20000);
            assert_false(fls_segment_add((struct fls_span){copy, cut}, &sum.day, &sum.names, NULL));
            free(copy);
        }
        made.bytes = realloc(made.bytes, made.sz + 1);
        made.bytes[made.sz++] = 0;
        assert_false(fls_segment_add(part_of(&made), &sum.day, &sum.names, NULL));
    }
    made_fini(&made);
    made_fini(&sum);
    figures_fini(&model);
}

static void damage(uint8_t *bytes, uint64_t sz)
{
    for (uint32_t i = any(4); i < 4; i++) {
        uint32_t at = any(3) ? any((uint32_t)sz) : any(FLS_PART_HEADER_SZ);

        if (any(2))
            bytes[at] ^= (uint8_t)(1U << any(8));
        else
            bytes[at] = any(2) ? 0xff : (uint8_t)any(256);
    }
}

/* Damaged bytes are refused, or make other figures; whatever got in can be written and read. */
static void survives_damage(void **state)
{
    struct made made = {0}, sum = {0}, again = {0};
    struct figures model = {0};
    uint32_t day, taken = 0;

    (void)state;
    for (int round = 0; round < 4000; round++) {
        struct fls_span segment, part;
        uint8_t *copy;

        if (round % 100 == 0)
            make(&made, 20000, round % 200 ? 5 : 40, &model);
        copy = malloc(made.sz);
        memcpy(copy, made.bytes, made.sz);
        damage(copy, made.sz);
        begin_sum(&sum, 20000);
        taken += fls_segment_add((struct fls_span){copy, made.sz}, &sum.day, &sum.names, NULL);
        encode(&sum);
        begin_sum(&again, 20000);
        assert_true(fls_segment_add(part_of(&sum), &again.day, &again.names, NULL));
        assert_int_equal(fls_day_rows(&again.day), fls_day_rows(&sum.day));
        segment = (struct fls_span){copy, made.sz};
        while (fls_segment_next(&segment, &day, &part) && part.sz > 0)
            assert_true(part.at >= copy && part.at + part.sz <= copy + made.sz);
        free(copy);
    }
    assert_true(taken > 100 && taken < 3900); /* both were tried */
    made_fini(&made);
    made_fini(&sum);
    made_fini(&again);
    figures_fini(&model);
}

/* Rows that would be taken for others' numbers, with every bit of their first byte. */
static void refuses_flags_of_other_keys(void **state)
{
    struct made made = {0}, sum = {0};

    (void)state;
    for (int t = 0; t < FLS_TABLE_CNT; t++) {
        struct fls_key key = {.a = fls_tables[t].key == FLS_KEY_MINUTE ? 1440 : 0};

        made.day.day = 1;
        fls_day_clear(&made.day);
        fls_names_clear(&made.names);
        fls_table_upsert(&made.day.tables[t], &key, fls_key_hash(&key))->counters =
            (struct fls_counters){{1, 1, 1, 0, 0}};
        encode(&made);
        for (unsigned flags = 0; flags < 256; flags++) {
            /* one symbol, the absent one, of size 0: then comes the row */
            made.bytes[FLS_PART_HEADER_SZ + 1] = (uint8_t)flags;
            begin_sum(&sum, 1);
            if (fls_segment_add(part_of(&made), &sum.day, &sum.names, NULL))
                assert_int_equal(flags & 0xf3, 0); /* no address is IPv6; marks may be there */
            encode(&sum);
        }
    }
    made_fini(&made);
    made_fini(&sum);
}

/* A part of day 1 with one row of table `minute`. */
static bool takes_minute(uint32_t minute, uint64_t packets)
{
    struct made made = {0}, sum = {0};
    struct fls_key key = {.a = minute};
    bool is_taken;

    made.day.day = 1;
    fls_names_clear(&made.names);
    fls_table_upsert(&made.day.tables[FLS_TABLE_MINUTE], &key, fls_key_hash(&key))->counters =
        (struct fls_counters){{1, packets, 1, 0, 0}};
    encode(&made);
    begin_sum(&sum, 1);
    is_taken = fls_segment_add(part_of(&made), &sum.day, &sum.names, NULL);
    made_fini(&made);
    made_fini(&sum);
    return is_taken;
}

static void refuses_figures_out_of_range(void **state)
{
    (void)state;
    assert_true(takes_minute(1440, FLS_COUNTER_MAX));
    assert_true(takes_minute(2879, 1));
    assert_false(takes_minute(1439, 1)); /* of the day before */
    assert_false(takes_minute(2880, 1));
    assert_false(takes_minute(FLS_MINUTE_UNKNOWN, 1));
    assert_false(takes_minute(1440, FLS_COUNTER_MAX + 1ULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_the_same),
        cmocka_unit_test(sums_in_any_order),
        cmocka_unit_test(is_compacted_without_change),
        cmocka_unit_test(saturated_sums_keep_no_order),
        cmocka_unit_test(unites_unknown_accounts),
        cmocka_unit_test(is_a_sequence_of_parts),
        cmocka_unit_test(refuses_what_is_torn),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(refuses_flags_of_other_keys),
        cmocka_unit_test(refuses_figures_out_of_range),
    };

    return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}

/* The interner against a model: lines of many layouts, parsed, and a dictionary of what their texts
 * are. Texts are few and near-equal, so that what was found last meets all it could be taken for.
 */
#include "ingest/intern.h"

#include "base/array.h"
#include "ingest/parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs those above */
#include <cmocka.h>

#define TEXT_MAX 300U
/* Texts that are not kept: attributes on both sides of the one are no neighbours, on both sides of
 * the other they are in one run. */
#define GAP "ecs-task-id"
#define BRIDGE "type"
#define IMAGE_TEXTS 3U /* of TEXT_MAX, and no other: an image has just room for them */
#define FIELDS_MAX (2 * FLS_ATTRIBUTE_CNT)
#define OBJECT_MAX (4U << 20)

static const char *const names[FLS_ATTRIBUTE_CNT] = {
#define ATTRIBUTE(name, field) field,
#include "base/attributes.def"
#undef ATTRIBUTE
};

static uint64_t state;

static uint32_t below(uint32_t limit)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 16) % limit);
}

/* ---- objects ---- */

static uint8_t object[OBJECT_MAX + FLS_WINDOW_PADDING];
static size_t object_sz;

static void put(const char *text, size_t sz)
{
    assert_true(object_sz + sz <= OBJECT_MAX);
    memcpy(object + object_sz, text, sz);
    object_sz += sz;
}

static void put_name(const char *name)
{
    put(name, strlen(name));
    put(" ", 1);
}

/* Attributes in any order, some with a gap or a bridge behind them. */
static void put_header(uint32_t attribute_cnt)
{
    uint8_t order[FLS_ATTRIBUTE_CNT];

    for (uint8_t i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        order[i] = i;
    for (uint32_t i = 0; i < attribute_cnt; i++) {
        uint32_t other = i + below(FLS_ATTRIBUTE_CNT - i);
        uint8_t attribute = order[other];

        order[other] = order[i];
        order[i] = attribute;
        put_name(names[attribute]);
        if (i + 1 < attribute_cnt && attribute_cnt != IMAGE_TEXTS && below(3) == 0)
            put_name(below(2) ? GAP : BRIDGE);
    }
    put("log-status\n", 11);
}

/* Equal but for one byte, if that, and for their sizes. */
static void put_text(uint32_t sz)
{
    char text[TEXT_MAX];

    memset(text, 'x', sz);
    if (below(2) == 0)
        text[below(sz)] = (char)('y' + below(2));
    put(text, sz);
}

struct shape {
    uint32_t sz_max;    /* of a text */
    uint32_t sz_spread; /* sizes near it */
    bool is_spelled_oddly;
};

static void put_value(const struct shape *shape)
{
    if (below(6) == 0)
        put("-", 1);
    else
        put_text(shape->sz_max - below(shape->sz_spread));
}

static void put_line(const struct shape *shape, uint32_t field_cnt)
{
    for (uint32_t i = 0; i < field_cnt; i++) {
        put_value(shape);
        if (shape->is_spelled_oddly && below(20) == 0)
            put(below(2) ? "  " : "\t", 1);
        else
            put(" ", 1);
    }
    put("OK\n", 3);
}

/* ---- the model ---- */

static struct fls_dictionary model; /* of the epoch: lines as their attributes and texts */
static struct fls_interner interner;
static struct fls_batch batch;
static struct fls_parser parser;

static uint32_t model_number(uint32_t line, const uint8_t *window)
{
    static uint8_t spelled[FLS_ATTRIBUTE_CNT * (TEXT_MAX + 16)];
    struct fls_span text[FLS_ATTRIBUTE_CNT];
    size_t sz = 0;

    fls_runs_split(&batch.runs, &batch.run[line * batch.runs.cnt], window, text);
    for (uint8_t k = 0; k < FLS_ATTRIBUTE_CNT; k++) {
        if (text[k].sz == 0)
            continue;
        spelled[sz++] = k;
        memcpy(spelled + sz, &text[k].sz, sizeof(text[k].sz));
        memcpy(spelled + sz + sizeof(text[k].sz), text[k].at, text[k].sz);
        sz += sizeof(text[k].sz) + text[k].sz;
    }
    return fls_dictionary_intern(&model, (struct fls_span){spelled, sz});
}

/* Both number combinations in the order of their first lines. */
static void check_batch(const uint8_t *window)
{
    for (uint32_t i = 0, found; i < batch.cnt; i = found) {
        found = fls_interner_find(&interner, &batch, i, window);
        for (uint32_t line = i; line < found; line++)
            assert_int_equal(model_number(line, window), batch.flow[line].attributes);
        if (found == i) {
            assert_int_equal(model_number(i, window), interner.combinations.cnt);
            fls_interner_tell(&interner, &batch, i, window, NULL, 0);
        }
        assert_int_equal(interner.combinations.cnt, model.cnt);
    }
}

static void check_object(void)
{
    size_t done = 0, sz;

    memset(object + object_sz, 'x', FLS_WINDOW_PADDING);
    fls_parser_begin(&parser);
    do {
        sz = fls_parser_step(&parser, (struct fls_span){object + done, object_sz - done}, true,
                             &batch);
        check_batch(object + done);
        done += sz;
    } while (sz > 0);
    assert_int_equal(done, object_sz);
}

static void forget(void)
{
    fls_interner_clear(&interner);
    fls_dictionary_clear(&model);
}

static uint32_t random_size(uint32_t spread)
{
    return spread + below(below(8) == 0 ? TEXT_MAX - spread : 40);
}

/* The lines of an object under one header after the other: what stands in them comes again as texts
 * of other attributes. */
static void check_layouts(uint32_t attribute_cnt, const struct shape *shape, uint32_t line_cnt)
{
    static uint8_t lines[OBJECT_MAX];
    size_t lines_sz = 0;

    for (uint32_t turn = 0; turn < 4; turn++) {
        struct fls_layout layout;
        size_t header_sz;

        object_sz = 0;
        put_header(attribute_cnt);
        header_sz = object_sz;
        assert_true(fls_layout_from_header((struct fls_span){object, header_sz - 1}, &layout));
        if (turn == 0)
            for (uint32_t i = 0; i < line_cnt; i++)
                put_line(shape, layout.cnt - 1);
        else
            put((const char *)lines, lines_sz);
        lines_sz = object_sz - header_sz;
        memcpy(lines, object + header_sz, lines_sz);
        check_object();
    }
}

static void begin(void)
{
    struct fls_layout layout;

    state = 20260301;
    fls_layout_default(&layout);
    fls_parser_init(&parser, &layout);
    fls_interner_init(&interner);
}

static void end(void)
{
    fls_interner_fini(&interner);
    fls_dictionary_fini(&model);
}

static void finds_what_the_model_finds(void **unused)
{
    (void)unused;
    begin();
    for (uint32_t round = 0; round < 400; round++) {
        struct shape shape = {.sz_spread = 1 + below(3), .is_spelled_oddly = below(3) == 0};

        shape.sz_max = random_size(shape.sz_spread);
        check_layouts(below(8) ? 1 + below(3) : 1 + below(FLS_ATTRIBUTE_CNT), &shape, 300);
        if (below(4) == 0)
            forget();
    }
    end();
}

/* Every other line has a text of its own. */
static void more_than_are_kept(void **unused)
{
    const uint32_t kept = FLS_INTERNER_PLACES; /* and room for three times as many images */

    (void)unused;
    begin();
    object_sz = 0;
    put("interface-id action log-status\n", 31);
    for (uint32_t i = 0; i < 8 * kept; i++) {
        char line[64];
        uint32_t number = i % 2 ? i : below(3 * kept);

        put(line, (size_t)snprintf(line, sizeof(line), "eni-%08x ACCEPT OK\n", number));
    }
    check_object();
    assert_true(model.cnt > 4 * kept);
    check_object();
    end();
}

/* The last bytes of all lines are equal; what differs stands in the middle of a run. */
static void differ_in_the_middle(void **unused)
{
    (void)unused;
    begin();
    object_sz = 0;
    put("vpc-id interface-id account-id log-status\n", 42);
    for (uint32_t i = 0; i < 5000; i++) {
        char line[64];

        put(line,
            (size_t)snprintf(line, sizeof(line), "vpc-1 eni-%02u 123456789012 OK\n", below(50)));
    }
    check_object();
    assert_int_equal(model.cnt, 50);
    end();
}

static void a_layout_without_attributes_has_one_combination(void **unused)
{
    static const char text[] = "srcaddr bytes\n10.0.0.1 1\n10.0.0.2 2\n";

    (void)unused;
    begin();
    object_sz = 0;
    put(text, sizeof(text) - 1);
    check_object();
    assert_int_equal(model.cnt, 1);
    end();
}

static void check_text(const char *text)
{
    object_sz = 0;
    put(text, strlen(text));
    check_object();
}

/* Places of an age that comes again, when 2^32 layouts have come and gone, are not taken. */
static void ages_begin_again(void **unused)
{
    (void)unused;
    begin();
    check_text("account-id action log-status\np q OK\nx y OK\n");
    assert_int_equal(interner.recent.age, 2);
    interner.recent.age = UINT32_MAX;
    check_text("account-id az-id log-status\nz z OK\n");
    check_text("account-id region log-status\nx y OK\n");
    assert_int_equal(interner.recent.age, 2);
    end();
}

/* Images that are longer than they may be, and as long as they may be: those fill their room again
 * and again. */
static void long_texts_are_found(void **unused)
{
    struct shape shape = {.sz_max = TEXT_MAX, .sz_spread = 3};
    uint32_t age;

    (void)unused;
    begin();
    for (uint32_t attributes = 4; attributes <= FLS_ATTRIBUTE_CNT; attributes += 4)
        check_layouts(attributes, &shape, 100);
    assert_int_equal(interner.recent.images_sz, 0);
    age = interner.recent.age;
    check_layouts(IMAGE_TEXTS, &shape, 5000);
    assert_true(interner.recent.age > age + 4);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_the_model_finds),
        cmocka_unit_test(more_than_are_kept),
        cmocka_unit_test(differ_in_the_middle),
        cmocka_unit_test(a_layout_without_attributes_has_one_combination),
        cmocka_unit_test(ages_begin_again),
        cmocka_unit_test(long_texts_are_found),
    };

    return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}

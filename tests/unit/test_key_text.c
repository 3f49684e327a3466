/* Texts of keys: as FIGURES has them, and prefix and order as those of the texts' bytes. */
#include "epochs.h"

#define SYMBOLS_MAX 1000U

static struct fls_span symbols[SYMBOLS_MAX];
static uint32_t symbol_cnt;

static int tear_down(void **state)
{
    (void)state;
    while (symbol_cnt > 0)
        free((void *)symbols[--symbol_cnt].at);
    return 0;
}

static uint32_t add_symbol(const void *text, size_t sz)
{
    uint8_t *copy = malloc(sz);

    assert_non_null(copy);
    assert_true(symbol_cnt < SYMBOLS_MAX);
    memcpy(copy, text, sz);
    symbols[symbol_cnt] = (struct fls_span){copy, sz};
    return symbol_cnt++;
}

static uint32_t symbol(const char *text)
{
    return add_symbol(text, strlen(text));
}

static struct fls_part_key conversation(const char *a, const char *b, uint32_t place)
{
    struct fls_part_key key = {.place = place};

    key_set_address(&key, false, a);
    key_set_address(&key, true, b);
    return key;
}

static struct fls_part_key address(const char *text)
{
    struct fls_part_key key = {.place = 0};

    key_set_address(&key, false, text);
    return key;
}

static void expect_text(const char *expected, struct fls_part_key key, enum fls_table_key kind)
{
    char *text = malloc(fls_key_text_max(&key, kind, symbols) + 1);
    size_t sz;

    assert_non_null(text);
    sz = fls_key_text(&key, kind, symbols, text);
    text[sz] = 0;
    assert_string_equal(text, expected);
    free(text);
}

static void texts_are_those_of_the_figures(void **state)
{
    static const uint32_t minute = 20454U * 1440 + 61; /* 2026-01-01 */
    (void)state;
    expect_text("", (struct fls_part_key){0}, FLS_KEY_NONE);
    expect_text("2026-01-01T01:01:00Z", (struct fls_part_key){.a_low = minute}, FLS_KEY_MINUTE);
    expect_text("1970-01-01T00:00:00Z", (struct fls_part_key){.a_low = 0}, FLS_KEY_MINUTE);
    expect_text("9999-12-31T23:59:00Z", (struct fls_part_key){.a_low = FLS_START_MAX / 60},
                FLS_KEY_MINUTE);
    expect_text("0", (struct fls_part_key){0}, FLS_KEY_PROTOCOL);
    expect_text("255", (struct fls_part_key){.place = fls_part_place(255, 0)}, FLS_KEY_PROTOCOL);
    expect_text("6|443", (struct fls_part_key){.place = fls_part_place(6, 443)}, FLS_KEY_PORT);
    expect_text("0|0", (struct fls_part_key){0}, FLS_KEY_PORT);
    expect_text("0.0.0.0", (struct fls_part_key){0}, FLS_KEY_ADDRESS);
    expect_text("255.255.255.255", (struct fls_part_key){.a_low = UINT32_MAX}, FLS_KEY_ADDRESS);
    expect_text("1.2.3.4", address("1.2.3.4"), FLS_KEY_ADDRESS);
    expect_text("2001:db8::1|10.0.0.1|6|443",
                conversation("2001:DB8:0:0::1", "10.0.0.1", fls_part_place(6, 443)),
                FLS_KEY_CONVERSATION);
    expect_text("::ffff:1.2.3.4|1::|255|65535",
                conversation("::ffff:1.2.3.4", "1::", fls_part_place(255, 65535)),
                FLS_KEY_CONVERSATION);
    expect_text("a b", (struct fls_part_key){.a_low = symbol("a b")}, FLS_KEY_ATTRIBUTE);
    expect_text("\\x5c\\xff\xc3\xa4", (struct fls_part_key){.a_low = symbol("\\\xff\xc3\xa4")},
                FLS_KEY_ATTRIBUTE);
}

/* ---- order ---- */

struct sample {
    struct fls_part_key key;
    char *text;
    size_t sz;
};

static uint64_t prefix_of(const struct sample *sample)
{
    uint64_t prefix = 0;

    for (size_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < sample->sz ? (uint8_t)sample->text[i] : 0);
    return prefix;
}

static int order_of(const struct sample *a, const struct sample *b)
{
    int order = memcmp(a->text, b->text, a->sz < b->sz ? a->sz : b->sz);

    return order ? order : (a->sz > b->sz) - (a->sz < b->sz);
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void check_samples(struct sample *samples, uint32_t cnt, enum fls_table_key kind)
{
    for (uint32_t i = 0; i < cnt; i++) {
        size_t max = fls_key_text_max(&samples[i].key, kind, symbols);

        samples[i].text = malloc(max + 1);
        assert_non_null(samples[i].text);
        samples[i].sz = fls_key_text(&samples[i].key, kind, symbols, samples[i].text);
        assert_true(samples[i].sz <= max);
        assert_int_equal(fls_key_text_prefix(&samples[i].key, kind, symbols),
                         prefix_of(&samples[i]));
    }
    for (uint32_t i = 0; i < cnt; i++)
        for (uint32_t k = 0; k < cnt; k++)
            assert_int_equal(
                sign(fls_key_text_compare(&samples[i].key, &samples[k].key, kind, symbols)),
                sign(order_of(&samples[i], &samples[k])));
    for (uint32_t i = 0; i < cnt; i++)
        free(samples[i].text);
}

static uint32_t any_ipv4(uint64_t *seed)
{
    static const uint8_t edges[] = {0, 1, 9, 10, 11, 19, 99, 100, 101, 199, 200, 255};
    uint32_t ipv4 = 0;

    for (int i = 0; i < 4; i++)
        ipv4 = ipv4 << 8 | edges[MODEL_PICK(edges, seed)];
    return ipv4;
}

static void set_any_address(uint64_t *seed, uint64_t *high, uint64_t *low, bool is_ipv6)
{
    uint8_t bytes[16] = {0};

    for (int i = 0; i < 16; i++)
        if (scratch_random(seed) % 2)
            bytes[i] = (uint8_t)scratch_random(seed);
    if (is_ipv6)
        fls_part_set_ipv6(high, low, bytes);
    else
        *low = any_ipv4(seed);
}

static uint32_t any_symbol(uint64_t *seed)
{
    static const size_t sizes[] = {1, 2, 7, 8, 9, 31, 32, 33, 64, 3000};
    static const uint8_t letters[] = {'a', 'a', 'a', 'b', 0, '\\', 0xff, 0xc3, 0xa4};
    uint8_t text[3000];
    size_t sz = sizes[MODEL_PICK(sizes, seed)];

    for (size_t i = 0; i < sz; i++)
        text[i] = letters[i < 6 ? 0 : MODEL_PICK(letters, seed)];
    if (scratch_random(seed) % 2)
        text[0] = letters[MODEL_PICK(letters, seed)];
    return add_symbol(text, sz);
}

static struct fls_part_key any_key(uint64_t *seed, enum fls_table_key kind)
{
    struct fls_part_key key = {0};
    bool has_port = kind == FLS_KEY_PORT || kind == FLS_KEY_CONVERSATION;
    uint8_t protocol = (uint8_t)(scratch_random(seed) % 2 ? 6 : scratch_random(seed));

    if (kind == FLS_KEY_MINUTE)
        key.a_low = scratch_random(seed) % (FLS_START_MAX / 60 + 1);
    if (kind == FLS_KEY_PROTOCOL)
        key.place = fls_part_place(protocol, 0);
    if (has_port)
        key.place =
            fls_part_place(protocol, (uint16_t)(scratch_random(seed) >> scratch_random(seed) % 16));
    if (kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION) {
        key.flags = scratch_random(seed) % 3 ? 0 : FLS_A_IS_IPV6;
        set_any_address(seed, &key.a_high, &key.a_low, key.flags);
    }
    if (kind == FLS_KEY_CONVERSATION) {
        bool is_ipv6 = scratch_random(seed) % 3 == 0;

        key.flags |= is_ipv6 ? FLS_B_IS_IPV6 : 0;
        set_any_address(seed, &key.b_high, &key.b_low, is_ipv6);
    }
    if (kind == FLS_KEY_ATTRIBUTE)
        key.a_low = any_symbol(seed);
    return key;
}

static void order_is_that_of_the_texts(void **state)
{
    struct sample samples[150];
    uint64_t seed = 3;

    (void)state;
    for (int kind = FLS_KEY_NONE; kind <= FLS_KEY_ATTRIBUTE; kind++)
        for (int round = 0; round < 4; round++) {
            for (int i = 0; i < 150; i++)
                samples[i] = (struct sample){any_key(&seed, (enum fls_table_key)kind), NULL, 0};
            check_samples(samples, 150, (enum fls_table_key)kind);
        }
}

/* Keys of few addresses: what they differ in stands late in the text. */
static void order_of_conversations_that_begin_alike(void **state)
{
    static const char *const addresses[] = {"10.0.0.1", "10.0.0.10", "10.0.0.100", "10.0.0.2",
                                            "::1"};
    struct sample samples[150];
    uint64_t seed = 4;

    (void)state;
    for (int i = 0; i < 150; i++)
        samples[i] = (struct sample){
            conversation(addresses[scratch_random(&seed) % 5], addresses[scratch_random(&seed) % 5],
                         fls_part_place((uint8_t)(6 + scratch_random(&seed) % 2 * 11),
                                        (uint16_t)(scratch_random(&seed) % 200))),
            NULL, 0};
    check_samples(samples, 150, FLS_KEY_CONVERSATION);
}

/* Characters of all sizes across the end of the prefix, whole and cut off. */
static void prefixes_of_characters(void **state)
{
    static const char *const characters[] = {"\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    struct sample samples[3 * 10 * 4];
    uint32_t cnt = 0;

    (void)state;
    for (int i = 0; i < 3; i++)
        for (size_t before = 0; before < 10; before++)
            for (size_t sz = 1; sz <= strlen(characters[i]); sz++) {
                char text[32];

                memset(text, 'a', before);
                memcpy(text + before, characters[i], sz);
                samples[cnt++] = (struct sample){{.a_low = add_symbol(text, before + sz)}, NULL, 0};
            }
    check_samples(samples, cnt, FLS_KEY_ATTRIBUTE);
}

/* Every octet at each place that the prefix can reach. */
static void prefixes_of_all_octets(void **state)
{
    (void)state;
    for (uint32_t octet = 0; octet < 256; octet++)
        for (int shift = 0; shift < 32; shift += 8)
            for (int kind = FLS_KEY_ADDRESS; kind <= FLS_KEY_CONVERSATION; kind++) {
                uint32_t others = shift == 16 ? 0x01000101 : 0x01010101;
                struct fls_part_key key = {.a_low = (others & ~(255U << shift)) | octet << shift};
                struct sample sample = {.key = key};

                check_samples(&sample, 1, (enum fls_table_key)kind);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_those_of_the_figures),
        cmocka_unit_test(order_is_that_of_the_texts),
        cmocka_unit_test(order_of_conversations_that_begin_alike),
        cmocka_unit_test(prefixes_of_characters),
        cmocka_unit_test(prefixes_of_all_octets),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}

/* Texts of keys: as FIGURES has them, and prefix and order as those of the texts' bytes. */
#include "epochs.h"

static struct fls_names names;

static int set_up(void **state)
{
    (void)state;
    fls_names_clear(&names);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fls_names_fini(&names);
    return 0;
}

static uint32_t symbol(const char *text)
{
    return fls_dictionary_intern(&names.symbols, fls_span_of(text));
}

static uint32_t address(const char *text)
{
    struct fls_ip ip;
    uint32_t ipv4;

    assert_true(fls_ip_parse(fls_span_of(text), &ip));
    if (ip.is_ipv6)
        return fls_dictionary_intern(&names.ipv6, (struct fls_span){ip.bytes, 16});
    memcpy(&ipv4, ip.bytes, 4);
    return __builtin_bswap32(ipv4);
}

static void expect_text(const char *expected, struct fls_key key, enum fls_table_key kind)
{
    char *text = malloc(fls_key_text_max(&key, kind, &names) + 1);
    size_t sz;

    assert_non_null(text);
    sz = fls_key_text(&key, kind, &names, text);
    text[sz] = 0;
    assert_string_equal(text, expected);
    free(text);
}

static void texts_are_those_of_the_figures(void **state)
{
    static const uint32_t minute = 20454U * 1440 + 61; /* 2026-01-01 */
    const struct fls_key conversation = {.a = address("2001:DB8:0:0::1"),
                                         .b = address("10.0.0.1"),
                                         .port = 443,
                                         .protocol = 6,
                                         .flags = FLS_A_IS_IPV6};
    const struct fls_key both = {.a = address("::ffff:1.2.3.4"),
                                 .b = address("1::"),
                                 .port = 65535,
                                 .protocol = 255,
                                 .flags = FLS_A_IS_IPV6 | FLS_B_IS_IPV6};

    (void)state;
    expect_text("", (struct fls_key){0}, FLS_KEY_NONE);
    expect_text("2026-01-01T01:01:00Z", (struct fls_key){.a = minute}, FLS_KEY_MINUTE);
    expect_text("1970-01-01T00:00:00Z", (struct fls_key){.a = 0}, FLS_KEY_MINUTE);
    expect_text("9999-12-31T23:59:00Z", (struct fls_key){.a = (uint32_t)(FLS_START_MAX / 60)},
                FLS_KEY_MINUTE);
    expect_text("0", (struct fls_key){0}, FLS_KEY_PROTOCOL);
    expect_text("255", (struct fls_key){.protocol = 255}, FLS_KEY_PROTOCOL);
    expect_text("6|443", (struct fls_key){.protocol = 6, .port = 443}, FLS_KEY_PORT);
    expect_text("0|0", (struct fls_key){0}, FLS_KEY_PORT);
    expect_text("0.0.0.0", (struct fls_key){0}, FLS_KEY_ADDRESS);
    expect_text("255.255.255.255", (struct fls_key){.a = UINT32_MAX}, FLS_KEY_ADDRESS);
    expect_text("1.2.3.4", (struct fls_key){.a = address("1.2.3.4")}, FLS_KEY_ADDRESS);
    expect_text("2001:db8::1|10.0.0.1|6|443", conversation, FLS_KEY_CONVERSATION);
    expect_text("::ffff:1.2.3.4|1::|255|65535", both, FLS_KEY_CONVERSATION);
    expect_text("a b", (struct fls_key){.a = symbol("a b")}, FLS_KEY_ATTRIBUTE);
    expect_text("\\x5c\\xff\xc3\xa4", (struct fls_key){.a = symbol("\\\xff\xc3\xa4")},
                FLS_KEY_ATTRIBUTE);
}

/* ---- order ---- */

struct sample {
    struct fls_key key;
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
        size_t max = fls_key_text_max(&samples[i].key, kind, &names);

        samples[i].text = malloc(max + 1);
        assert_non_null(samples[i].text);
        samples[i].sz = fls_key_text(&samples[i].key, kind, &names, samples[i].text);
        assert_true(samples[i].sz <= max);
        assert_int_equal(fls_key_text_prefix(&samples[i].key, kind, &names),
                         prefix_of(&samples[i]));
    }
    for (uint32_t i = 0; i < cnt; i++)
        for (uint32_t k = 0; k < cnt; k++)
            assert_int_equal(
                sign(fls_key_text_compare(&samples[i].key, &samples[k].key, kind, &names)),
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

static uint32_t any_ipv6(uint64_t *seed)
{
    uint8_t bytes[16] = {0};

    for (int i = 0; i < 16; i++)
        if (scratch_random(seed) % 2)
            bytes[i] = (uint8_t)scratch_random(seed);
    return fls_dictionary_intern(&names.ipv6, (struct fls_span){bytes, 16});
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
    return fls_dictionary_intern(&names.symbols, (struct fls_span){text, sz});
}

static struct fls_key any_key(uint64_t *seed, enum fls_table_key kind)
{
    struct fls_key key = {0};
    bool has_port = kind == FLS_KEY_PORT || kind == FLS_KEY_CONVERSATION;

    if (kind == FLS_KEY_MINUTE)
        key.a = (uint32_t)(scratch_random(seed) % (FLS_START_MAX / 60 + 1));
    if (kind == FLS_KEY_PROTOCOL || has_port)
        key.protocol = (uint8_t)(scratch_random(seed) % 2 ? 6 : scratch_random(seed));
    if (has_port)
        key.port = (uint16_t)(scratch_random(seed) >> scratch_random(seed) % 16);
    if (kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION) {
        key.flags = (uint8_t)(scratch_random(seed) % 2);
        key.a = key.flags ? any_ipv6(seed) : any_ipv4(seed);
    }
    if (kind == FLS_KEY_CONVERSATION) {
        bool is_ipv6 = scratch_random(seed) % 2;

        key.b = is_ipv6 ? any_ipv6(seed) : any_ipv4(seed);
        key.flags |= is_ipv6 ? FLS_B_IS_IPV6 : 0;
    }
    if (kind == FLS_KEY_ATTRIBUTE)
        key.a = any_symbol(seed);
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

/* Every octet at each place that the prefix can reach. */
static void prefixes_of_all_octets(void **state)
{
    (void)state;
    for (uint32_t octet = 0; octet < 256; octet++)
        for (int shift = 0; shift < 32; shift += 8)
            for (int kind = FLS_KEY_ADDRESS; kind <= FLS_KEY_CONVERSATION; kind++) {
                uint32_t others = shift == 16 ? 0x01000101 : 0x01010101;
                struct fls_key key = {.a = (others & ~(255U << shift)) | octet << shift};
                struct sample sample = {.key = key};

                check_samples(&sample, 1, (enum fls_table_key)kind);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_those_of_the_figures),
        cmocka_unit_test(order_is_that_of_the_texts),
        cmocka_unit_test(prefixes_of_all_octets),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

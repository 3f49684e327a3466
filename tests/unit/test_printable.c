/* Values as text: what is UTF-8 stands, all else is spelled, and nothing is lost. */
#include "scratch.h"

#include "base/printable.h"

#include <stdbool.h>

#define TEXT_MAX 64U

/* Bytes of the sequence at p by decoding it; 0: not UTF-8. */
static size_t decode(const uint8_t *p, size_t sz)
{
    static const struct {
        uint8_t mask, lead;
        uint32_t from;
    } forms[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};

    for (size_t form = 0; form < 4; form++) {
        uint32_t code = p[0] & (uint8_t)~forms[form].mask;

        if ((p[0] & forms[form].mask) != forms[form].lead)
            continue;
        if (form >= sz)
            return 0;
        for (size_t i = 1; i <= form; i++) {
            if (p[i] >> 6 != 2)
                return 0;
            code = code << 6 | (p[i] & 0x3f);
        }
        if (code < forms[form].from || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
            return 0;
        return form + 1;
    }
    return 0;
}

/* What fls_printable is to make of it; spells_nul: as in a string. */
static size_t expect(const uint8_t *p, size_t sz, bool spells_nul, char *out)
{
    char *at = out;

    for (size_t i = 0; i < sz;) {
        size_t step = decode(p + i, sz - i);

        if (step == 0 || p[i] == '\\' || (p[i] == 0 && spells_nul)) {
            at += sprintf(at, "\\x%02x", p[i++]);
            continue;
        }
        for (; step > 0; step--)
            *at++ = (char)p[i++];
    }
    return (size_t)(at - out);
}

/* The bytes that the text was made of: that there is one such way back proves that different
 * values have different texts. */
static size_t back(const char *text, size_t sz, uint8_t *out)
{
    size_t out_sz = 0;

    for (size_t i = 0; i < sz; out_sz++) {
        unsigned byte = (uint8_t)text[i];

        if (text[i] == '\\') {
            assert_int_equal(sscanf(text + i, "\\x%2x", &byte), 1);
            i += 3;
        }
        i++;
        out[out_sz] = (uint8_t)byte;
    }
    return out_sz;
}

static void check(const uint8_t *bytes, size_t sz)
{
    char expected[FLS_PRINTABLE_MAX(TEXT_MAX) + 1], made[FLS_PRINTABLE_MAX(TEXT_MAX) + 1];
    uint8_t again[FLS_PRINTABLE_MAX(TEXT_MAX)];
    size_t expected_sz = expect(bytes, sz, false, expected);
    size_t made_sz = fls_printable((struct fls_span){bytes, sz}, made);

    if (made_sz != expected_sz || memcmp(made, expected, made_sz) != 0)
        fail_msg("%02x %02x %02x %02x (%zu bytes)", bytes[0], bytes[1], bytes[2], bytes[3], sz);
    made[made_sz] = 0;
    if (back(made, made_sz, again) != sz || memcmp(again, bytes, sz) != 0)
        fail_msg("no way back: %s", made);
}

static void check_string(const uint8_t *bytes, size_t sz)
{
    char expected[FLS_PRINTABLE_MAX(TEXT_MAX) + 1];
    char *made = fls_printable_string((struct fls_span){bytes, sz});

    expected[expect(bytes, sz, true, expected)] = 0;
    assert_string_equal(made, expected);
    free(made);
}

/* All of up to three bytes, and all leads of four with the edges of what follows. */
static void tells_utf8(void **state)
{
    static const uint8_t edges[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                    0xa0, 0xbf, 0xc0, 0xed, 0xf4, 0xff};
    uint8_t p[TEXT_MAX] = {0};

    (void)state;
    for (uint32_t i = 0; i < 1U << 24; i += (i & 0xff0000) < 0xc00000 ? 101 : 1) {
        p[0] = (uint8_t)(i >> 16);
        p[1] = (uint8_t)(i >> 8);
        p[2] = (uint8_t)i;
        check(p, 3);
        if (p[2] == 0) /* the same cut short */
            check(p, 2);
    }
    for (unsigned lead = 0; lead < 256; lead++) {
        p[0] = (uint8_t)lead;
        check(p, 1);
        for (unsigned i = 0; i < 13 * 13 * 13; i++) {
            p[1] = edges[i % 13];
            p[2] = edges[i / 13 % 13];
            p[3] = edges[i / 169];
            check(p, 4);
            check_string(p, 4);
        }
    }
}

static void takes_any_bytes(void **state)
{
    uint64_t seed = 3;
    uint8_t p[TEXT_MAX];

    (void)state;
    for (uint32_t i = 0; i < 200000; i++) {
        size_t sz = scratch_random(&seed) % (TEXT_MAX + 1);

        for (size_t k = 0; k < sz; k++) {
            static const uint8_t liked[] = {0, '\\', 'x', '0', 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0};
            uint64_t r = scratch_random(&seed);

            p[k] = r & 1 ? liked[r / 2 % sizeof(liked)] : (uint8_t)(r >> 8);
        }
        check(p, sz);
        check_string(p, sz);
    }
}

static void expect_text(struct fls_span text, const char *expected)
{
    char *made = fls_printable_string(text);

    assert_string_equal(made, expected);
    free(made);
}

static void spells_examples(void **state)
{
    (void)state;
    expect_text(FLS_SPAN(""), "");
    expect_text((struct fls_span){0}, "");
    expect_text(FLS_SPAN("eni-0a1b"), "eni-0a1b");
    expect_text(FLS_SPAN("\\"), "\\x5c");
    expect_text(FLS_SPAN("\\x5c"), "\\x5cx5c");
    expect_text(FLS_SPAN("a\0b\0"), "a\\x00b\\x00");
    expect_text(FLS_SPAN("\xc0\x80"), "\\xc0\\x80");                   /* NUL made long */
    expect_text(FLS_SPAN("\xed\xa0\x80"), "\\xed\\xa0\\x80");          /* a surrogate */
    expect_text(FLS_SPAN("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80"); /* U+110000 */
    expect_text(FLS_SPAN("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf");     /* U+10FFFF */
    expect_text(FLS_SPAN("\xe2\x82\xac\xe2\x82"), "\xe2\x82\xac\\xe2\\x82");
    expect_text(FLS_SPAN("\xe2\x82\0\xac"), "\\xe2\\x82\\x00\\xac");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_utf8),
        cmocka_unit_test(takes_any_bytes),
        cmocka_unit_test(spells_examples),
    };

    return cmocka_run_group_tests_name("printable", tests, NULL, NULL);
}

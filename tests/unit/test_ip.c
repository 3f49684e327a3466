/* Addresses: text to bytes and back, against inet_pton and inet_ntop. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs those above */
#include <cmocka.h>

#define CASES 300000

static uint64_t state = 20240229;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* The text is given without its NUL, in memory of exactly its size, so that a sanitizer sees a read
 * beyond it. */
static bool parse(const char *text, size_t sz, struct fls_ip *ip)
{
    uint8_t *copy = malloc(sz + 1);
    bool is_ip;

    memcpy(copy + 1, text, sz);
    is_ip = fls_ip_parse((struct fls_span){copy + 1, sz}, ip);
    free(copy);
    return is_ip;
}

static void check_against_inet_pton(const char *text)
{
    struct fls_ip ip;
    uint8_t expected[16] = {0};
    bool is_ipv4 = inet_pton(AF_INET, text, expected) == 1;
    bool is_ipv6 = !is_ipv4 && inet_pton(AF_INET6, text, expected) == 1;
    bool is_ip = parse(text, strlen(text), &ip);

    if (is_ip != (is_ipv4 || is_ipv6))
        fail_msg("'%s': %d, inet_pton says %d", text, is_ip, is_ipv4 || is_ipv6);
    if (!is_ip)
        return;
    assert_int_equal(ip.is_ipv6, is_ipv6);
    if (is_ipv4)
        memset(expected + 4, 0, 12);
    assert_memory_equal(ip.bytes, expected, 16);
}

static void known_texts_are_read_as_inet_pton_reads_them(void **unused)
{
    static const char *const texts[] = {"0.0.0.0",
                                        "255.255.255.255",
                                        "1.2.3.4",
                                        "256.1.1.1",
                                        "1.256.1.1",
                                        "1.1.1.256",
                                        "01.2.3.4",
                                        "1.2.3.04",
                                        "00.0.0.0",
                                        "0.0.0.00",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "1.2.3.",
                                        ".1.2.3",
                                        "1..2.3",
                                        "1.2.3.4.",
                                        " 1.2.3.4",
                                        "1.2.3.4 ",
                                        "0x1.2.3.4",
                                        "1.2.3.1000",
                                        "999.999.999.999",
                                        "-1.2.3.4",
                                        "+1.2.3.4",
                                        "1.2.3.4a",
                                        "::",
                                        "::1",
                                        "1::",
                                        ":",
                                        ":::",
                                        "::1::",
                                        "1::2::3",
                                        "1:2:3:4:5:6:7:8",
                                        "1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:9",
                                        "1:2:3:4:5:6:7::",
                                        "::2:3:4:5:6:7:8",
                                        "1::3:4:5:6:7:8",
                                        "1:2:3:4::5:6:7:8",
                                        "1:2:3:4:5:6:7:8::",
                                        "::1:2:3:4:5:6:7:8",
                                        "12345::",
                                        "00001::",
                                        "0001::",
                                        "g::",
                                        "1:2:3:4:5:6:7:",
                                        ":1:2:3:4:5:6:7",
                                        "1:2:3:4:5:6:7:8:",
                                        "::1.2.3.4",
                                        "::ffff:1.2.3.4",
                                        "::FFFF:1.2.3.4",
                                        "::ffff:1.2.3.04",
                                        "::ffff:1.2.3",
                                        "1:2:3:4:5:6:1.2.3.4",
                                        "1:2:3:4:5:1.2.3.4",
                                        "1:2:3:4:5:6:7:1.2.3.4",
                                        "1.2.3.4::",
                                        "::1.2.3.4:5",
                                        "::1.2.3.4.5",
                                        "1:2:3:4:5:6::1.2.3.4",
                                        "::5:1.2.3.4",
                                        "fe80::1%eth0",
                                        "fe80::1%1",
                                        "[::1]",
                                        "2001:DB8::aBcD",
                                        "2001:db8:0:0:1:0:0:1",
                                        "1:2:3:4:5:6:7:8%0",
                                        "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
                                        "0ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
                                        "::ffff:255.255.255.2555",
                                        "",
                                        "-",
                                        "1",
                                        "a",
                                        "10"};

    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        check_against_inet_pton(texts[i]);
}

static void a_nul_is_no_end(void **unused)
{
    struct fls_ip ip;

    (void)unused;
    assert_false(parse("1.2.3.4\0", 8, &ip));
    assert_false(parse("1.2.3.4\0005", 9, &ip));
    assert_false(parse("::\0", 3, &ip));
    assert_false(parse("::1\0", 4, &ip));
}

/* Texts of the right letters, mostly wrong; and right ones with a letter changed. */
static void random_texts_are_read_as_inet_pton_reads_them(void **unused)
{
    static const char ipv4_letters[] = "0125.....";
    static const char ipv6_letters[] = "0123456789abcdefABCDEF:::::::::::..%g ";

    (void)unused;
    for (int i = 0; i < CASES; i++) {
        char text[64];
        const char *letters = next_random() % 2 ? ipv4_letters : ipv6_letters;
        size_t letter_cnt = strlen(letters), sz = next_random() % 20;

        if (next_random() % 2) {
            uint8_t bytes[16];
            bool is_ipv6 = next_random() % 2;

            for (int k = 0; k < 16; k++)
                bytes[k] = (uint8_t)(next_random() % 3 ? 0 : next_random() % 256);
            inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
            sz = strlen(text);
            if (next_random() % 4)
                text[next_random() % sz] = letters[next_random() % letter_cnt];
            if (next_random() % 4 == 0)
                text[sz++] = letters[next_random() % letter_cnt];
        } else {
            for (size_t k = 0; k < sz; k++)
                text[k] = letters[next_random() % letter_cnt];
        }
        text[sz] = '\0';
        check_against_inet_pton(text);
    }
}

/* inet_ntop, but for ::a.b.c.d, which FIGURES wants hexadecimal throughout. */
static void expected_text(const struct fls_ip *ip, char *out)
{
    static const uint8_t zeros[12];
    const uint8_t *b = ip->bytes;
    unsigned high = (unsigned)(b[12] << 8 | b[13]), low = (unsigned)(b[14] << 8 | b[15]);

    if (ip->is_ipv6 && memcmp(b, zeros, 12) == 0 && high != 0)
        snprintf(out, FLS_IP_TEXT_MAX, "::%x:%x", high, low);
    else
        inet_ntop(ip->is_ipv6 ? AF_INET6 : AF_INET, b, out, FLS_IP_TEXT_MAX);
}

static void random_addresses_are_written_as_rfc5952_says(void **unused)
{
    (void)unused;
    for (int i = 0; i < CASES; i++) {
        struct fls_ip ip = {{0}, next_random() % 4 != 0}, again;
        char text[FLS_IP_TEXT_MAX], expected[FLS_IP_TEXT_MAX];
        uint64_t zeros = next_random();

        for (int k = 0; k < (ip.is_ipv6 ? 16 : 4); k++)
            if (!ip.is_ipv6 || zeros >> (k / 2) & 1)
                ip.bytes[k] = (uint8_t)next_random();
        if (ip.is_ipv6 && next_random() % 8 == 0) {
            memset(ip.bytes, 0, 12);
            if (next_random() % 2)
                ip.bytes[10] = ip.bytes[11] = 0xff;
        }
        int sz = fls_ip_format(&ip, text);
        expected_text(&ip, expected);
        assert_string_equal(text, expected);
        assert_int_equal(sz, strlen(text));
        assert_true(parse(text, (size_t)sz, &again));
        assert_int_equal(again.is_ipv6, ip.is_ipv6);
        assert_memory_equal(again.bytes, ip.bytes, 16);
    }
}

static void check_canonical(const char *text, const char *canonical)
{
    struct fls_ip ip;
    char out[FLS_IP_TEXT_MAX];

    assert_true(parse(text, strlen(text), &ip));
    fls_ip_format(&ip, out);
    assert_string_equal(out, canonical);
}

static void canonical_texts(void **unused)
{
    (void)unused;
    check_canonical("2001:DB8:0:0:0:0:2:1", "2001:db8::2:1");
    check_canonical("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"); /* one 0 stays */
    check_canonical("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1");    /* the first of equal runs */
    check_canonical("2001:0:0:1:0:0:0:1", "2001:0:0:1::1");          /* the longest run */
    check_canonical("0:0:0:0:0:0:0:0", "::");
    check_canonical("0:0:0:0:0:0:0:1", "::1");
    check_canonical("1:0:0:0:0:0:0:0", "1::");
    check_canonical("::1.2.3.4", "::102:304");
    check_canonical("::0.1.0.0", "::1:0");
    check_canonical("::ffff:102:304", "::ffff:1.2.3.4");
    check_canonical("::ffff:0:1.2.3.4", "::ffff:0:102:304");
    check_canonical("64:ff9b::1.2.3.4", "64:ff9b::102:304");
    check_canonical("0:1:2:3:4:5:6:7", "0:1:2:3:4:5:6:7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts_are_read_as_inet_pton_reads_them),
        cmocka_unit_test(a_nul_is_no_end),
        cmocka_unit_test(random_texts_are_read_as_inet_pton_reads_them),
        cmocka_unit_test(random_addresses_are_written_as_rfc5952_says),
        cmocka_unit_test(canonical_texts),
    };

    return cmocka_run_group_tests_name("ip", tests, NULL, NULL);
}

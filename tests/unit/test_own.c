/* Own networks: their first and last addresses are own, the neighbours are not. */
#include "scratch.h"

#include "enrich/own.h"

static void expect(const char *text, bool is_own)
{
    struct fls_ip ip;

    assert_true(fls_ip_parse(fls_span_of(text), &ip));
    if (fls_own_contains(&ip) != is_own)
        fail_msg("%s", text);
}

static void knows_edges(void **state)
{
    static const char *const own[] = {
        "10.0.0.0",    "10.255.255.255",
        "172.16.0.0",  "172.31.255.255",
        "192.168.0.0", "192.168.255.255",
        "100.64.0.0",  "100.127.255.255",
        "169.254.0.0", "169.254.255.255",
        "fc00::",      "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe80::",      "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    };
    static const char *const external[] = {
        "0.0.0.0",      "9.255.255.255",
        "11.0.0.0",     "172.15.255.255",
        "172.32.0.0",   "192.167.255.255",
        "192.169.0.0",  "100.63.255.255",
        "100.128.0.0",  "169.253.255.255",
        "169.255.0.0",  "255.255.255.255",
        "127.0.0.1",    "::",
        "::1",          "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fe00::",       "fe7f:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        "fec0::",       "ff02::1",
        "2600:1f18::1", "::ffff:10.0.0.1", /* IPv6: never folded into IPv4 */
        "a00::1",                          /* begins with the byte 10 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        expect(own[i], true);
    for (size_t i = 0; i < sizeof(external) / sizeof(external[0]); i++)
        expect(external[i], false);
}

/* All of IPv4 by its first 16 bits. */
static void knows_all_of_ipv4(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1U << 16; i++) {
        unsigned a = i >> 8, b = i & 255;
        struct fls_ip ip = {.bytes = {(uint8_t)a, (uint8_t)b, 3, 4}};
        bool is_own = a == 10 || (a == 172 && b / 16 == 1) || (a == 192 && b == 168) ||
                      (a == 100 && b / 64 == 1) || (a == 169 && b == 254);

        assert_int_equal(fls_own_contains(&ip), is_own);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_edges),
        cmocka_unit_test(knows_all_of_ipv4),
    };

    return cmocka_run_group_tests_name("own", tests, NULL, NULL);
}

/* Addresses: as inet_pton and inet_ntop have them, and there and back. */
#include "base/ip.h"

#include "fuzz.h"

#include <arpa/inet.h>

static void check_format(const struct fls_ip *ip)
{
    static const uint8_t compatible[12];
    char text[FLS_IP_TEXT_MAX], expected[INET6_ADDRSTRLEN];
    struct fls_ip again;
    int sz = fls_ip_format(ip, text);

    fuzz_check(sz > 0 && sz < FLS_IP_TEXT_MAX && strlen(text) == (size_t)sz);
    fuzz_check(fls_ip_parse(fls_span_of(text), &again));
    fuzz_check(again.is_ipv6 == ip->is_ipv6 && memcmp(again.bytes, ip->bytes, 16) == 0);
    /* The C library ends ::/96 in dotted form. */
    if (ip->is_ipv6 && memcmp(ip->bytes, compatible, sizeof(compatible)) == 0)
        return;
    fuzz_check(inet_ntop(ip->is_ipv6 ? AF_INET6 : AF_INET, ip->bytes, expected, sizeof(expected)));
    fuzz_check(strcmp(text, expected) == 0);
}

static void check_parse(struct fls_span text)
{
    uint8_t *copy = fuzz_copy(text, 0), *string = fuzz_copy(text, 1), expected[16] = {0};
    struct fls_ip ip;
    bool is_ip = fls_ip_parse((struct fls_span){copy, text.sz}, &ip);
    bool is_whole = strlen((char *)string) == text.sz;
    bool is_ipv4 = is_whole && inet_pton(AF_INET, (char *)string, expected) == 1;
    bool is_ipv6 = is_whole && !is_ipv4 && inet_pton(AF_INET6, (char *)string, expected) == 1;

    fuzz_check(is_ip == (is_ipv4 || is_ipv6));
    if (is_ip) {
        fuzz_check(ip.is_ipv6 == is_ipv6 && memcmp(ip.bytes, expected, 16) == 0);
        check_format(&ip);
    }
    free(copy);
    free(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_ip ip = {0};

    check_parse((struct fls_span){data, sz});
    ip.is_ipv6 = sz > 4;
    if (sz > 0)
        memcpy(ip.bytes, data, sz < 16 ? sz : 16);
    check_format(&ip);
    return 0;
}

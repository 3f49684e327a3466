#include "bench/traffic.h"

#include "base/assert.h"

#include <string.h>

/* Shares of a hundred exchanges (a request and its reply; a scan has no reply). */
#define INBOUND_PERCENT 32U
#define OUTBOUND_PERCENT 24U
#define INTERNAL_PERCENT 33U /* the rest are scans */
/* Of a thousand records. */
#define NODATA_PERMILLE 4U
#define SKIPDATA_PERMILLE 1U

#define PROTOCOL_ICMP 1U
#define PROTOCOL_TCP 6U
#define PROTOCOL_UDP 17U
#define PROTOCOL_ICMPV6 58U

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_SYN_ACK = 18 };

enum class { CLASS_INBOUND, CLASS_OUTBOUND, CLASS_INTERNAL, CLASS_SCAN };

struct port {
    uint16_t number;
    uint8_t protocol;
};

/* An exchange as its server sees it. */
struct exchange {
    enum class class;
    const struct fls_interface *interface, *peer;
    char peer_account[16];
    struct fls_endpoint own, other;
    struct port service;
    uint32_t client_port;
    bool own_is_server, is_ipv6, is_rejected;
    int traffic_path;
};

/* Two services of each role, the first one is asked for three times as often. */
static const struct port role_ports[FLS_ROLE_CNT][2] = {
    [FLS_ROLE_WEB] = {{443, PROTOCOL_TCP}, {80, PROTOCOL_TCP}},
    [FLS_ROLE_APP] = {{8080, PROTOCOL_TCP}, {8443, PROTOCOL_TCP}},
    [FLS_ROLE_DATABASE] = {{5432, PROTOCOL_TCP}, {3306, PROTOCOL_TCP}},
    [FLS_ROLE_CACHE] = {{6379, PROTOCOL_TCP}, {11211, PROTOCOL_TCP}},
    [FLS_ROLE_QUEUE] = {{9092, PROTOCOL_TCP}, {5672, PROTOCOL_TCP}},
    [FLS_ROLE_DNS] = {{53, PROTOCOL_UDP}, {53, PROTOCOL_TCP}},
    [FLS_ROLE_BASTION] = {{22, PROTOCOL_TCP}, {3389, PROTOCOL_TCP}}};

static const struct port outbound_ports[8] = {
    {443, PROTOCOL_TCP}, {443, PROTOCOL_TCP}, {443, PROTOCOL_TCP}, {443, PROTOCOL_UDP},
    {80, PROTOCOL_TCP},  {53, PROTOCOL_UDP},  {123, PROTOCOL_UDP}, {587, PROTOCOL_TCP}};

static const uint16_t scanned_ports[16] = {22,   23,   3389, 445,  80,   8080, 5900, 6379,
                                           1433, 3306, 5432, 2375, 9200, 25,   21,   5060};

/* How busy each hour of a UTC day is. */
static const uint32_t hour_weight[24] = {4,  3,  3,  3,  4,  5,  8,  12, 16, 18, 19, 19,
                                         18, 19, 20, 20, 19, 17, 14, 12, 10, 8,  6,  5};

uint32_t fls_traffic_second(uint64_t part, uint64_t whole)
{
    uint64_t sum = 0, position;

    fls_assert(part <= whole && whole > 0 && whole < 1ULL << 40);
    for (int hour = 0; hour < 24; hour++)
        sum += hour_weight[hour] * 3600ULL;
    position = sum * part / whole;
    for (uint32_t hour = 0; hour < 24; hour++) {
        if (position < hour_weight[hour] * 3600ULL)
            return hour * 3600 + (uint32_t)(position / hour_weight[hour]);
        position -= hour_weight[hour] * 3600ULL;
    }
    return 86399;
}

static uint32_t below(struct fls_traffic *traffic, uint32_t limit)
{
    return fls_random_below(&traffic->random, limit);
}

static bool chance(struct fls_traffic *traffic, uint32_t percent)
{
    return below(traffic, 100) < percent;
}

/* A host speaks IPv4 or IPv6, so that there are not twice as many of them. The few that many
 * exchanges are with speak both: one of them alone must not move the share. */
static bool speaks_ipv6(struct fls_traffic *traffic, uint32_t host)
{
    if (host < 256)
        return chance(traffic, traffic->ipv6_percent);
    return fls_random_of(traffic->seed, UINT64_MAX - 1, host) % 100 < traffic->ipv6_percent;
}

static struct port port_of_role(struct fls_traffic *traffic, enum fls_role role)
{
    return role_ports[role][chance(traffic, 25)];
}

static const struct fls_interface *any_interface(struct fls_traffic *traffic)
{
    const struct fls_account *account = traffic->account;

    return &account->interfaces[fls_random_zipf(&traffic->random, 6) % account->interface_cnt];
}

/* A host on the internet. All accounts know the busiest, of the others each knows a quarter. */
static uint32_t any_host(struct fls_traffic *traffic, uint32_t octaves)
{
    uint32_t rank = fls_random_zipf(&traffic->random, octaves);

    return rank < 4095 ? rank : (rank & ~3U) | (traffic->account->number & 3);
}

/* Hosts come back: each knows two interfaces of the account, one of them better. */
static const struct fls_interface *known_interface(struct fls_traffic *traffic, uint32_t host)
{
    uint32_t which = chance(traffic, 15);
    struct fls_random known = {fls_random_of(traffic->seed, host, which)};
    const struct fls_account *account = traffic->account;

    return &account->interfaces[fls_random_zipf(&known, 6) % account->interface_cnt];
}

static void take_own(struct exchange *exchange)
{
    const struct fls_interface *interface = exchange->interface;

    exchange->own = exchange->is_ipv6 ? interface->ipv6 : interface->ipv4;
}

static void make_inbound(struct fls_traffic *traffic, struct exchange *exchange)
{
    uint32_t rank = any_host(traffic, FLS_WORLD_CLIENT_OCTAVES);
    enum fls_role role;
    bool is_public;

    exchange->interface = known_interface(traffic, rank);
    role = exchange->interface->role;
    is_public = role == FLS_ROLE_DNS || role == FLS_ROLE_BASTION;
    exchange->is_ipv6 = speaks_ipv6(traffic, rank);
    fls_world_external(traffic->seed, rank, false, exchange->is_ipv6, &exchange->other);
    exchange->service = role_ports[is_public ? role : FLS_ROLE_WEB][rank % 4 == 0];
    exchange->own_is_server = true;
}

static void make_outbound(struct fls_traffic *traffic, struct exchange *exchange)
{
    /* Fewer hosts are called than call. */
    uint32_t rank = any_host(traffic, FLS_WORLD_CLIENT_OCTAVES - 3);

    exchange->is_ipv6 = speaks_ipv6(traffic, rank);
    fls_world_external(traffic->seed, rank, false, exchange->is_ipv6, &exchange->other);
    exchange->interface = known_interface(traffic, rank);
    exchange->service = outbound_ports[rank % 8];
    exchange->traffic_path = exchange->other.service ? 7 : 8;
    exchange->is_rejected = chance(traffic, 1);
}

/* A neighbour in the account, another account over peering or the gateway, or an office. */
static void make_internal(struct fls_traffic *traffic, struct exchange *exchange)
{
    const struct fls_account *account = traffic->account;
    uint32_t where = below(traffic, 10);
    uint32_t away = where < 6 ? 0 : 1 + below(traffic, 3); /* accounts talk to few others */
    uint32_t number = (account->number + away) % traffic->accounts;
    uint32_t index;
    enum fls_role role;

    if (where == 9) {
        fls_world_office(traffic->seed, fls_random_zipf(&traffic->random, 12), exchange->is_ipv6,
                         &exchange->other);
        exchange->own_is_server = true;
        exchange->traffic_path = 3;
        exchange->service = port_of_role(traffic, exchange->interface->role);
        return;
    }
    index = below(traffic, fls_world_interface_cnt(traffic->seed, number));
    fls_world_own(traffic->seed, number, index, exchange->is_ipv6, &exchange->other);
    fls_world_account_id(traffic->seed, number, exchange->peer_account);
    if (number == account->number)
        exchange->peer = &account->interfaces[index];
    exchange->own_is_server = chance(traffic, 50);
    role = exchange->own_is_server ? exchange->interface->role
                                   : fls_world_role(traffic->seed, number, index);
    exchange->service = port_of_role(traffic, role);
    exchange->traffic_path = exchange->peer ? 1 : 4;
    exchange->is_rejected = chance(traffic, 1);
}

static void make_scan(struct fls_traffic *traffic, struct exchange *exchange)
{
    uint32_t rank = fls_random_zipf(&traffic->random, FLS_WORLD_SCANNER_OCTAVES);

    exchange->is_ipv6 = speaks_ipv6(traffic, rank);
    fls_world_external(traffic->seed, rank, true, exchange->is_ipv6, &exchange->other);
    exchange->service.protocol = chance(traffic, 90) ? PROTOCOL_TCP : PROTOCOL_UDP;
    exchange->service.number = chance(traffic, 85) ? scanned_ports[(rank + below(traffic, 3)) % 16]
                                                   : (uint16_t)(1 + below(traffic, 32000));
    exchange->own_is_server = true;
    exchange->is_rejected = true;
}

static enum class any_class(struct fls_traffic *traffic) {
    uint32_t percent = below(traffic, 100);

    if (percent < INBOUND_PERCENT) return CLASS_INBOUND;
    if (percent < INBOUND_PERCENT + OUTBOUND_PERCENT) return CLASS_OUTBOUND;
    if (percent < INBOUND_PERCENT + OUTBOUND_PERCENT + INTERNAL_PERCENT) return CLASS_INTERNAL;
    return CLASS_SCAN;
}

static void make_exchange(struct fls_traffic *traffic, struct exchange *exchange)
{
    static void (*const make[])(struct fls_traffic *,
                                struct exchange *) = {[CLASS_INBOUND] = make_inbound,
                                                      [CLASS_OUTBOUND] = make_outbound,
                                                      [CLASS_INTERNAL] = make_internal,
                                                      [CLASS_SCAN] = make_scan};

    memset(exchange, 0, sizeof(*exchange));
    exchange->class = any_class(traffic);
    exchange->interface = any_interface(traffic);
    exchange->is_ipv6 = chance(traffic, traffic->ipv6_percent);
    exchange->traffic_path = 8;
    make[exchange->class](traffic, exchange);
    take_own(exchange);
    exchange->client_port = 32768 + below(traffic, 28232);
    if (exchange->class != CLASS_OUTBOUND && chance(traffic, 3)) {
        exchange->service.protocol = exchange->is_ipv6 ? PROTOCOL_ICMPV6 : PROTOCOL_ICMP;
        exchange->service.number = 0;
        exchange->client_port = 0;
    }
}

/* Packets fall off as Zipf's law, and so do bytes. */
static void fill_volume(struct fls_traffic *traffic, bool from_server, struct fls_record *record)
{
    uint32_t small = record->protocol == PROTOCOL_TCP ? 40 : 64;

    record->packets = 1 + fls_random_zipf(&traffic->random, 11);
    if (record->is_rejected)
        record->packets = 1 + record->packets % 3;
    if (record->packets > 2)
        small += below(traffic, from_server ? 1400 : 300);
    record->bytes = record->packets * small + below(traffic, 24);
}

static uint32_t flags_of(struct fls_traffic *traffic, bool from_server,
                         const struct fls_record *record)
{
    uint32_t percent = below(traffic, 100);

    if (record->protocol != PROTOCOL_TCP)
        return 0;
    if (record->is_rejected)
        return TCP_SYN;
    if (percent < 25)
        return 0; /* the middle of a long connection: ACK only */
    if (percent < 30)
        return TCP_RST;
    return (from_server ? TCP_SYN_ACK : TCP_SYN) | (percent < 80 ? TCP_FIN : 0);
}

static void fill_record(struct fls_traffic *traffic, const struct exchange *exchange,
                        bool from_server, struct fls_record *record)
{
    bool from_own = exchange->own_is_server == from_server;

    record->account = traffic->account;
    record->interface = exchange->interface;
    record->peer = exchange->peer;
    memcpy(record->peer_account, exchange->peer_account, sizeof(record->peer_account));
    record->source = from_own ? exchange->own : exchange->other;
    record->destination = from_own ? exchange->other : exchange->own;
    record->source_port = from_server ? exchange->service.number : exchange->client_port;
    record->destination_port = from_server ? exchange->client_port : exchange->service.number;
    record->protocol = exchange->service.protocol;
    record->status = FLS_RECORD_OK;
    record->is_ipv6 = exchange->is_ipv6;
    record->is_ingress = !from_own;
    record->is_rejected = exchange->is_rejected;
    record->traffic_path = from_own ? exchange->traffic_path : -1;
    fill_volume(traffic, from_server, record);
    record->tcp_flags = flags_of(traffic, from_server, record);
}

void fls_traffic_begin(struct fls_traffic *traffic, uint64_t seed, uint64_t object,
                       uint32_t accounts, uint32_t ipv6_percent, const struct fls_account *account)
{
    traffic->seed = seed;
    traffic->accounts = accounts;
    traffic->ipv6_percent = ipv6_percent;
    traffic->account = account;
    traffic->random.state = fls_random_of(seed, 0, object);
    traffic->waiting_cnt = 0;
}

void fls_traffic_next(struct fls_traffic *traffic, struct fls_record *record)
{
    uint32_t permille = below(traffic, 1000), waiting = below(traffic, FLS_TRAFFIC_WAITING_MAX);
    struct exchange exchange;

    if (permille < NODATA_PERMILLE + SKIPDATA_PERMILLE) {
        record->account = traffic->account;
        record->interface = any_interface(traffic);
        record->status = permille < NODATA_PERMILLE ? FLS_RECORD_NODATA : FLS_RECORD_SKIPDATA;
        return;
    }
    /* The more replies wait, the likelier that one of them comes now. */
    if (waiting < traffic->waiting_cnt) {
        *record = traffic->waiting[waiting];
        traffic->waiting[waiting] = traffic->waiting[--traffic->waiting_cnt];
        return;
    }
    make_exchange(traffic, &exchange);
    fill_record(traffic, &exchange, false, record);
    if (exchange.is_rejected)
        return;
    fls_assert(traffic->waiting_cnt < FLS_TRAFFIC_WAITING_MAX);
    fill_record(traffic, &exchange, true, &traffic->waiting[traffic->waiting_cnt++]);
}

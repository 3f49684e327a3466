/* What happens in the generator's world: records, in the order in which an object holds them. */
#pragma once

#include "bench/random.h"
#include "bench/world.h"

#define FLS_TRAFFIC_WAITING_MAX 32U /* replies that stand some lines after their request */

enum fls_record_status { FLS_RECORD_OK, FLS_RECORD_NODATA, FLS_RECORD_SKIPDATA };

struct fls_record {
    const struct fls_account *account;
    const struct fls_interface *interface;
    const struct fls_interface *peer; /* the other side, where it is in the same account, or NULL */
    char peer_account[16];            /* "" for a side outside AWS */
    struct fls_endpoint source, destination;
    uint64_t packets, bytes;
    uint32_t start, end; /* Unix seconds */
    uint32_t source_port, destination_port;
    uint32_t protocol, tcp_flags;
    int traffic_path; /* -1 for ingress */
    enum fls_record_status status;
    bool is_ipv6, is_ingress, is_rejected;
};

struct fls_traffic {
    uint64_t seed;
    uint32_t accounts, ipv6_percent;
    const struct fls_account *account;
    struct fls_random random;
    uint32_t waiting_cnt;
    struct fls_record waiting[FLS_TRAFFIC_WAITING_MAX];
};

/* Traffic of one object of the account: the same for the same seed, object and counts. */
void fls_traffic_begin(struct fls_traffic *traffic, uint64_t seed, uint64_t object,
                       uint32_t accounts, uint32_t ipv6_percent, const struct fls_account *account);
/* The next record, but for its times. */
void fls_traffic_next(struct fls_traffic *traffic, struct fls_record *record);
/* The second of a day (0..86399) up to which the share part/whole of its traffic has passed:
 * nights are quiet, office hours are busy. part <= whole < 2^40. */
uint32_t fls_traffic_second(uint64_t part, uint64_t whole);

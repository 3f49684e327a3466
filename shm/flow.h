/* One parsed record as it crosses the ring: one cache line, fixed size.
 *
 * 0        16       32    40    48     52         56      58      60       61   62    64
 * ├ src ───┼ dst ───┼ packets ┼ bytes ┼ minute ┼ attributes ┼ sport ┼ dport ┼ proto ┼ kind ┼ has ┤
 */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Which fields the record has (format and value), and what follows from its text. */
enum {
    FLS_HAS_SRC = 1 << 0,
    FLS_HAS_DST = 1 << 1,
    FLS_HAS_SRC_PORT = 1 << 2,
    FLS_HAS_DST_PORT = 1 << 3,
    FLS_HAS_PROTOCOL = 1 << 4,
    FLS_SRC_IS_IPV6 = 1 << 5,
    FLS_DST_IS_IPV6 = 1 << 6,
    FLS_IS_ACCEPTED = 1 << 7,     /* action is ACCEPT */
    FLS_IS_REJECTED = 1 << 8,     /* action is REJECT */
    FLS_SRC_IS_OWN_SIDE = 1 << 9, /* flow-direction is egress: src is the interface's side */
    FLS_DST_IS_OWN_SIDE = 1 << 10 /* flow-direction is ingress: dst is the interface's side */
};

/* What a 64-byte slot of a ring is; see shm/message.h for all but the first three. */
enum fls_kind {
    FLS_KIND_RECORD = 1,
    FLS_KIND_NODATA,   /* inside ingest only: counted there, never pushed */
    FLS_KIND_SKIPDATA, /* likewise */
    FLS_KIND_SYMBOL,
    FLS_KIND_ATTRIBUTES,
    FLS_KIND_BARRIER,
    FLS_KIND_RESULT
};

struct fls_flow {
    uint8_t src[16]; /* as struct fls_ip has it: IPv4 in the first 4 bytes; all 0 if absent */
    uint8_t dst[16];
    uint64_t packets;    /* 0..2^63-1; 0 if absent */
    uint64_t bytes;      /* likewise */
    uint32_t minute;     /* of `start`; FLS_MINUTE_UNKNOWN if absent */
    uint32_t attributes; /* id of the combination of the record's texts, defined in-band before */
    uint16_t src_port, dst_port; /* 0 if absent */
    uint8_t protocol;            /* 0 if absent */
    uint8_t kind;                /* enum fls_kind */
    uint16_t has;                /* FLS_HAS_* and so on */
};

static_assert(sizeof(struct fls_flow) == 64, "one cache line");
static_assert(offsetof(struct fls_flow, packets) == 32, "layout");
static_assert(offsetof(struct fls_flow, minute) == 48, "layout");
static_assert(offsetof(struct fls_flow, src_port) == 56, "layout");
static_assert(offsetof(struct fls_flow, kind) == 61, "layout");

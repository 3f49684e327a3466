/* The layouts of most logs as constants: code that is inlined for one of them has nothing to look
 * up. Of struct fls_layout they have what the fast path reads of it for a whole line; a layout is
 * usual if layout.c compiles the same of its fields. */
#pragma once

#include "base/tables.h"
#include "ingest/layout.h"
#include "shm/flow.h"

#define EACH_NUMBER                                                                                \
    .has = FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT | FLS_HAS_PROTOCOL,     \
    .src = 3, .dst = 4, .has_action = true, .action = 12, .has_status = true, .status = 13,        \
    .number = {[FLS_NUMBER_SRC_PORT] = 5, [FLS_NUMBER_DST_PORT] = 6, [FLS_NUMBER_PACKETS] = 8,     \
               [FLS_NUMBER_BYTES] = 9,    [FLS_NUMBER_PROTOCOL] = 7, [FLS_NUMBER_START] = 10,      \
               [FLS_NUMBER_VERSION] = 0,  [FLS_NUMBER_END] = 11},                                  \
    .mask = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX,                                       \
             UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},                                      \
    .number_cnt = FLS_NUMBER_CNT

/* AWS's default format: version 2. */
static const struct fls_layout fls_layout_v2 = {
    .cnt = 14,
    .op = {FLS_OP_CHECK_NUMBER},
    .runs = {.cnt = 2,
             .text_cnt = 3,
             .first = {1, 12},
             .last = {2, 12},
             .attribute = {FLS_ATTRIBUTE_ACCOUNT, FLS_ATTRIBUTE_INTERFACE, FLS_ATTRIBUTE_ACTION}},
    .places = {.is_complete = true, EACH_NUMBER, .open_cnt = 4, .open = {1, 2, 12, 13}},
    .not_names_min = 0};

/* All fields of versions 2 to 5 in AWS's order. */
static const struct fls_layout fls_layout_v5 = {
    .cnt = 29,
    .op = {FLS_OP_CHECK_NUMBER},
    .runs = {.cnt = 3,
             .text_cnt = 16,
             .first = {1, 12, 21},
             .last = {2, 17, 28},
             .attribute = {FLS_ATTRIBUTE_ACCOUNT, FLS_ATTRIBUTE_INTERFACE,
                           /* the second one, log-status in it */
                           FLS_ATTRIBUTE_ACTION, FLS_NO_ATTRIBUTE, FLS_ATTRIBUTE_VPC,
                           FLS_ATTRIBUTE_SUBNET, FLS_ATTRIBUTE_INSTANCE, FLS_ATTRIBUTE_TCP_FLAGS,
                           /* the third one, sublocation in it */
                           FLS_ATTRIBUTE_REGION, FLS_ATTRIBUTE_AZ, FLS_NO_ATTRIBUTE,
                           FLS_NO_ATTRIBUTE, FLS_ATTRIBUTE_PKT_SRC_AWS_SERVICE,
                           FLS_ATTRIBUTE_PKT_DST_AWS_SERVICE, FLS_ATTRIBUTE_FLOW_DIRECTION,
                           FLS_ATTRIBUTE_TRAFFIC_PATH}},
    .places = {.is_complete = true,
               EACH_NUMBER,
               .has_pkt_src = true,
               .pkt_src = 19,
               .has_pkt_dst = true,
               .pkt_dst = 20,
               .has_direction = true,
               .direction = 27,
               .open_cnt = 17,
               .open = {1, 17, 23, 24, 2, 12, 13, 14, 15, 16, 18, 21, 22, 25, 26, 27, 28}},
    .not_names_min = 3};

#undef EACH_NUMBER

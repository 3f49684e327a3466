/* Unique addresses, for the HyperLogLogs of a scope. */
#pragma once

#include "base/hll.h"
#include "shm/part_row.h"

#include <stdbool.h>
#include <stdint.h>

/* The address that was counted last. Zeroed: none. Rows of one address follow one another, so most
 * have it already, and it is not spelled again. */
struct fls_uniques_address {
    struct fls_part_key key;
    uint64_t hash; /* of its text */
    bool is_there, is_own_network;
};

/* Counts the address of a row of source addresses, or of destination addresses. */
void fls_uniques_add(struct fls_uniques *uniques, const struct fls_part_row *row, bool is_source,
                     struct fls_uniques_address *last);
void fls_uniques_merge(struct fls_uniques *to, const struct fls_uniques *from);

/* Unique addresses, for the HyperLogLogs of a scope. */
#pragma once

#include "base/hll.h"
#include "shm/part_row.h"

/* Counts the address of a row of source addresses, or of destination addresses. */
void fls_uniques_add(struct fls_uniques *uniques, const struct fls_part_row *row, bool is_source);
void fls_uniques_merge(struct fls_uniques *to, const struct fls_uniques *from);

/* The five counters that every row of every table has. Each is in 0..FLS_COUNTER_MAX; a sum that
 * would pass the limit stays at it, so a counter that stands there means "this much or more".
 * Saturating addition of such values is associative and commutative: figures do not depend on the
 * order in which parts are summed. */
#pragma once

#include <stdint.h>

#define FLS_COUNTER_MAX INT64_MAX /* 2^63-1, the largest figure Redis and JSON readers can hold */

enum fls_counter { FLS_FLOWS, FLS_PACKETS, FLS_BYTES, FLS_ACCEPTED, FLS_REJECTED, FLS_COUNTER_CNT };

struct fls_counters {
    uint64_t value[FLS_COUNTER_CNT];
};

/* The names as they stand in Redis, JSON, CSV and options. */
static const char *const fls_counter_name[FLS_COUNTER_CNT]
    __attribute__((unused)) = {"flows", "packets", "bytes", "accepted", "rejected"};

static inline uint64_t fls_counter_add(uint64_t a, uint64_t b)
{
    uint64_t sum = a + b; /* both at most 2^63-1: no wrap */

    return sum > FLS_COUNTER_MAX ? FLS_COUNTER_MAX : sum;
}

/* Two counters that stand side by side, and the same for both of them without a branch. */
typedef uint64_t fls_counter_pair __attribute__((vector_size(16), aligned(8), may_alias));

static inline fls_counter_pair fls_counter_pair_add(fls_counter_pair a, fls_counter_pair b)
{
    const fls_counter_pair sum = a + b, max = {FLS_COUNTER_MAX, FLS_COUNTER_MAX};
    const fls_counter_pair passed = -(sum >> 63); /* all ones, or 0 */

    return (sum | passed) & max;
}

static inline void fls_counters_add(struct fls_counters *to, const struct fls_counters *from)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        to->value[i] = fls_counter_add(to->value[i], from->value[i]);
}

/* The values that the published view is made of, from the texts and replies that hold them. */
#pragma once

#include "base/redis.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Digits of a number up to FLS_COUNTER_MAX; false for anything else. */
bool fls_value_number(struct fls_span text, uint64_t *number);
/* Exactly `cnt` of these with a blank between any two. */
bool fls_value_numbers(struct fls_span text, uint64_t *numbers, int cnt);
/* Cuts off what stands before the separator; all that is left if there is none. */
struct fls_span fls_value_cut(struct fls_span *text, char separator);

/* An array of strings, in pairs where `pair` is 2. */
bool fls_value_is_strings(const redisReply *reply, size_t pair);
/* Field and value of pair `i` of such a reply. */
struct fls_span fls_value_field(const redisReply *hash, size_t i);
struct fls_span fls_value_at(const redisReply *hash, size_t i);

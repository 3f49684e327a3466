/* HyperLogLogs as Redis stores them. */
#pragma once

#include "publish/view.h"

/* A sparse HyperLogLog of Redis is at most so long unless configured otherwise
 * (hll-sparse-max-bytes). */
#define FLS_HLL_SPARSE_SZ_MAX 3000U

/* Writes the same registers in the shorter of Redis's two encodings, with the cached cardinality
 * marked as out of date, and returns the length: few scopes see enough addresses to need the dense
 * one's 12 KiB. */
size_t fls_view_hll_encode(const uint8_t dense[static FLS_HLL_SZ], uint8_t out[static FLS_HLL_SZ]);

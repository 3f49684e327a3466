/* The bytes of a part: the rows of one day, of each table in the order of shm/part_row.h, and the
 * texts that they mean. One format for what a shard hands over, for the files of the state, and for
 * days that were rewritten; parts are united by reading them side by side. It is self-contained: no
 * number in it depends on a process. It is written from its first byte to its last; what tells
 * where things are stands at the end.
 *
 *   rows of each table, one after the other, the last one of tables.def first; of each row
 *
 *     1 byte    FLS_ROW_* below: what is as in the row before, and what follows
 *     1 byte    if FLS_ROW_FLAGS: flags of the key; they are 0 at first
 *     key       unless FLS_ROW_SAME_KEY, by the table's kind of key:
 *               a (unless FLS_ROW_SAME_A) and b; port 16 bits, protocol 8.
 *               Addresses have 32 or 128 bits, minutes 32; symbols are varints
 *     varint    account, unless FLS_ROW_SAME_ACCOUNT
 *     varints   flows, packets, bytes; accepted and rejected, unless the first byte says all
 *
 *   texts of the symbols in ascending order
 *
 *     varint    size, and so many bytes; the first text is empty, and no other
 *
 *   if any table gave way
 *
 *     varints   of each that did: the 5 counters of its max_error
 *
 *     then of each account with addresses that gave way
 *
 *     varint    account
 *     twice     external sources, own addresses: a HyperLogLog, which is
 *               varint   registers that are not 0; of each
 *               varint   registers of 0 before it, and
 *               1 byte   its rank
 *
 *   trailer: struct fls_part_trailer
 *
 * A table that is a sum of others stands behind them, so it can be summed while they are written.
 * Numbers are little-endian, but for IPv6 addresses; varints have 7 bits a byte, low first, at most
 * 10 bytes. Only rows of accounts are in a part; the organisation's are their sums. Records without
 * an account are of the account `unknown`. */
#pragma once

#include "base/counters.h"
#include "base/hll.h"
#include "base/tables.h"

#include <assert.h>
#include <endian.h>
#include <stddef.h>
#include <stdint.h>

static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "numbers of a part are copied as they stand");

#define FLS_PART_MAGIC 0x50534c46U /* "FLSP" */
#define FLS_PART_LAYOUT 4U

/* What the first byte of a row says. */
enum {
    FLS_ROW_SAME_A = 0x01,
    FLS_ROW_SAME_KEY = 0x02,
    FLS_ROW_MARKS = 0x0c, /* FLS_MARK_*, shifted by FLS_ROW_MARKS_SHIFT */
    FLS_ROW_ALL_ACCEPTED = 0x10,
    FLS_ROW_ALL_REJECTED = 0x20,
    FLS_ROW_SAME_ACCOUNT = 0x40,
    FLS_ROW_FLAGS = 0x80
};
#define FLS_ROW_MARKS_SHIFT 2U

/* The most bytes that a row is written as, and that are read of one that is damaged: two of flags,
 * two addresses, port and protocol; and varints, account and counters. */
#define FLS_PART_ROW_SZ_MAX (2U + 32U + 3U + (1U + FLS_COUNTER_CNT) * 10U)

/* The most bytes that an account with addresses that gave way is written as: three varints, and two
 * HyperLogLogs without a register of 0; what stands before a register takes two bytes only where it
 * is 128 registers. */
#define FLS_PART_GONE_SZ_MAX (3U * 10U + 2U * 2U * FLS_HLL_REGISTERS)

/* n bytes are 8 for each table:
 *
 *   0         n     2n          2n+8   2n+16     +20        +24   +28        +32      +36
 *   | row_cnt | end | texts_end | size | symbols | gave_way | day | reserved | layout | magic | */
struct fls_part_trailer {
    uint64_t row_cnt[FLS_TABLE_CNT];
    uint64_t end[FLS_TABLE_CNT]; /* of the table's rows, from the begin of the part */
    uint64_t texts_end;
    uint64_t size;       /* of the part, trailer included */
    uint32_t symbol_cnt; /* at least 1 */
    uint32_t gave_way;   /* bit n: table n */
    uint32_t day;
    uint32_t reserved; /* 0 */
    uint32_t layout;
    uint32_t magic;
};
static_assert(FLS_TABLE_CNT < 32, "a bit for each table, and a shift by their number");
static_assert(sizeof(struct fls_part_trailer) == 16 * FLS_TABLE_CNT + 40, "no holes");
static_assert(sizeof(struct fls_part_trailer) >= FLS_PART_ROW_SZ_MAX,
              "a torn row that is read on does not leave the part");

/* Where the table's rows begin: at the end of those of the table before it. */
static inline uint64_t fls_part_table_begin(const struct fls_part_trailer *trailer, int table)
{
    return table + 1 < FLS_TABLE_CNT ? trailer->end[table + 1] : 0;
}

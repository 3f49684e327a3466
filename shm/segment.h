/* A segment: what a shard counted in one epoch (or the sum of many, if a day was rewritten), as
 * rows that can be added up. One format for the hand-over to publish, for the files of the state,
 * and for their compaction. It is self-contained: no number in it depends on a process.
 *
 * A segment is a sequence of parts, one for each day; a part is
 *
 *   0    magic "FLSP", 32 bits          4    layout version, 32 bits
 *   8    size of the part, 64 bits      16   day, 32 bits        20   tables that gave way, 32 bits
 *   24   number of symbols, 32 bits     28   number of IPv6 addresses, 32 bits
 *   32   rows of each table, 32 bits each, in the order of tables.def
 *        symbols: varint size and bytes of each; the first is empty, the others are not
 *        IPv6 addresses: 16 bytes each
 *        if any table gave way (bit n of the 32 bits: table n):
 *          of each that did, 5 varints: its max_error
 *          varint: accounts that have addresses which gave way; of each
 *            varint     account, as below
 *            twice      external sources, own addresses: varint, registers of a HyperLogLog that
 * are not 0; of each varint, zeros before it, and its rank in 1 byte rows of each table, one after
 * the other: 1 byte     bits 0-1 key flags, bits 2-3 marks, bits 4-5 what follows of the counters;
 * in tables that gave way bit 6: of the organisation alone, bit 7: of the account alone varint
 * account: number of a symbol of this part (0: absent) key        as the table's kind of key says:
 * addresses and minutes 32 bits, ports 16, protocols 8, symbols varint; IPv6 addresses by number in
 * this part varints    flows, packets, bytes; then accepted and rejected, unless bit 4 says that
 *                     accepted = flows and rejected = 0, or bit 5 the reverse
 *
 * Numbers are little-endian; varints have 7 bits a byte, low first, at most 10 bytes. Only rows of
 * accounts are in a segment, and the organisation's are derived; but of a table that gave way each
 * row stands for itself. */
#pragma once

#include "base/day.h"
#include "base/span.h"

#include <stdbool.h>
#include <stdint.h>

#define FLS_SEGMENT_MAGIC 0x50534c46U /* "FLSP" */
#define FLS_SEGMENT_LAYOUT 2U
#define FLS_PART_HEADER_SZ (32U + 4U * FLS_TABLE_CNT)
/* flags, account, a and b as 32 bits or varints, port, protocol, five counters */
#define FLS_SEGMENT_ROW_SZ_MAX (1U + 5U + 5U + 4U + 2U + 1U + FLS_COUNTER_CNT * 10U)

/* An upper limit for the size of the part that fls_segment_encode makes. */
uint64_t fls_segment_bound(const struct fls_day *day, const struct fls_names *names);
/* Writes the day as one part to `out`, which has fls_segment_bound bytes, and
 * returns its size. `names` are the dictionaries that the keys' numbers refer to. */
uint64_t fls_segment_encode(const struct fls_day *day, const struct fls_names *names, uint8_t *out);

/* The layout version of the part, 0 if it is none. */
uint32_t fls_segment_layout(struct fls_span part);
/* The first part of a segment: its day and its bytes; the segment goes on behind it. False at the
 * end; a part that is torn gives part->sz 0. */
bool fls_segment_next(struct fls_span *segment, uint32_t *day, struct fls_span *part);
/* What adding rows may take at most until the next time that room is made. */
struct fls_segment_need {
    enum fls_table_id table;
    uint32_t row_cnt;       /* new rows of the table */
    uint32_t ipv6_cnt;      /* new IPv6 addresses */
    uint64_t beside_sz;     /* bytes that are held while the part is added */
    const uint8_t *read_to; /* of the part's rows, what stands before is not read again */
};

/* Keeps a day within limits while a part is added to it: `make` is asked every few rows, and may
 * let rows of the day go. True if it gave IPv6 addresses other numbers. */
struct fls_segment_room {
    bool (*make)(void *context, const struct fls_segment_need *need);
    void *context;
    uint64_t reserve_max; /* rows that an empty table makes room for at once */
};

/* Adds a part's rows to the day, in the scope of their account and in that of the organisation.
 * `room` is NULL if there is no limit. False if the part is damaged; then some of its rows may have
 * been added. */
bool fls_segment_add(struct fls_span part, struct fls_day *day, struct fls_names *names,
                     const struct fls_segment_room *room);

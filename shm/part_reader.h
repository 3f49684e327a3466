/* Reads a part (shm/part_format.h), in memory or in a file. Nothing of it is trusted: a text, row
 * or error that no writer makes there is found when it is met, and reading ends there. What was
 * read till then is sound. */
#pragma once

#include "base/hll.h"
#include "base/span.h"
#include "shm/part_bytes.h"
#include "shm/part_format.h"
#include "shm/part_row.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>

struct fls_part_reader {
    struct fls_part_place part; /* not owned; stays there as long as anything of it is read */
    struct fls_part_trailer trailer;
    struct fls_span *symbols; /* trailer.symbol_cnt texts, in ascending order */
    struct fls_counters max_errors[FLS_TABLE_CNT];
    struct fls_part_place gone; /* addresses that gave way */
    uint8_t *texts;             /* a copy of them, if the part is in a file */
};

/* The rows of one table, in order. */
struct fls_part_cursor {
    const struct fls_part_reader *reader;
    enum fls_table_id table;
    struct fls_part_bytes bytes;
    uint64_t left; /* rows */
    bool is_torn;  /* or cannot be read */
    /* Of symbols, others in the place of the part's, in the same order: the row's account, and
     * texts that are its key, are of these. NULL: as they stand. Not owned. */
    const uint32_t *numbers;
    struct fls_part_row row; /* the one read last */
};

/* The addresses of a part that gave way, account by account. */
struct fls_part_gone {
    struct fls_part_bytes bytes;
    uint32_t symbol_cnt;
    bool is_torn; /* or cannot be read */
};

static_assert(FLS_PART_BEHIND_SZ >= FLS_PART_ROW_SZ_MAX,
              "a torn row that is read on does not leave the room");
/* Room in which any row, or any account that gave way, has room; more saves reading in pieces. */
#define FLS_PART_ROW_ROOM_MIN (FLS_PART_BEHIND_SZ + FLS_PART_ROW_SZ_MAX)
#define FLS_PART_GONE_ROOM_MIN (FLS_PART_BEHIND_SZ + FLS_PART_GONE_SZ_MAX)

/* The layout version of the part that the bytes end with, 0 if it is none. */
uint32_t fls_part_layout(struct fls_part_place bytes);
/* The last part of a sequence of parts: its day and its bytes; the sequence then ends before it.
 * False if nothing is left. If it is torn, part->sz is 0, and nothing is taken. */
bool fls_part_take_last(struct fls_span *parts, uint32_t *day, struct fls_span *part);

/* False if it is torn, or cannot be read; then there is nothing to be closed. Allocates at most 17
 * bytes for each byte of the part's texts. */
bool fls_part_open(struct fls_part_reader *reader, struct fls_part_place part);
void fls_part_close(struct fls_part_reader *reader);

/* Begins before the table's first row. Of a part in a file, rows are read through the room, of at
 * least FLS_PART_ROW_ROOM_MIN bytes, which is the caller's; in memory there need be none. */
void fls_part_rows(struct fls_part_cursor *cursor, const struct fls_part_reader *reader,
                   enum fls_table_id table, uint8_t *room, size_t room_sz);
/* The next row as cursor->row. False at the end, or if it is torn. */
bool fls_part_next(struct fls_part_cursor *cursor);
/* The same for addresses that gave way, with room of at least FLS_PART_GONE_ROOM_MIN bytes. */
void fls_part_gone(struct fls_part_gone *gone, const struct fls_part_reader *reader, uint8_t *room,
                   size_t room_sz);
/* Adds the next account's addresses to `uniques`. False at the end, or if it is torn. An account
 * that came before is no fault: its addresses are the union of all. */
bool fls_part_next_gone(struct fls_part_gone *gone, uint32_t *account, struct fls_uniques *uniques);

/* Reads a part (shm/part_format.h). Nothing of it is trusted: a text, row or error that no writer
 * makes there is found when it is met, and reading ends there. What was read till then is sound. */
#pragma once

#include "base/hll.h"
#include "base/span.h"
#include "shm/part_format.h"
#include "shm/part_row.h"

#include <stdbool.h>
#include <stdint.h>

struct fls_part_reader {
    struct fls_span part; /* not owned; stays there as long as anything of it is read */
    struct fls_part_trailer trailer;
    struct fls_span *symbols; /* trailer.symbol_cnt texts, in ascending order */
    struct fls_counters max_errors[FLS_TABLE_CNT];
    struct fls_span gone; /* addresses that gave way, for fls_part_next_gone */
};

/* The rows of one table, in order. */
struct fls_part_cursor {
    const struct fls_part_reader *reader;
    enum fls_table_id table;
    const uint8_t *at, *end;
    uint64_t left; /* rows */
    bool is_torn;
    /* Of symbols, others in the place of the part's, in the same order: the row's account, and
     * texts that are its key, are of these. NULL: as they stand. Not owned. */
    const uint32_t *numbers;
    struct fls_part_row row; /* the one read last */
};

/* The layout version of the part that the bytes end with, 0 if it is none. */
uint32_t fls_part_layout(struct fls_span bytes);
/* The last part of a sequence of parts: its day and its bytes; the sequence then ends before it.
 * False if nothing is left. If it is torn, part->sz is 0, and nothing is taken. */
bool fls_part_take_last(struct fls_span *parts, uint32_t *day, struct fls_span *part);

/* False if it is torn; then there is nothing to be closed. Allocates at most 16 bytes for each byte
 * of the part. */
bool fls_part_open(struct fls_part_reader *reader, struct fls_span part);
void fls_part_close(struct fls_part_reader *reader);

void fls_part_rows(struct fls_part_cursor *cursor, const struct fls_part_reader *reader,
                   enum fls_table_id table);
/* The next row as cursor->row. False at the end, or if it is torn. */
bool fls_part_next(struct fls_part_cursor *cursor);
/* Adds the next account's addresses that gave way to `uniques`. `gone` begins as reader->gone.
 * False at the end; if it is torn, then gone->at is NULL. An account that came before is no fault:
 * its addresses are the union of all. */
bool fls_part_next_gone(const struct fls_part_reader *reader, struct fls_span *gone,
                        uint32_t *account, struct fls_uniques *uniques);

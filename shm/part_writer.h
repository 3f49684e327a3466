/* Writes a part (shm/part_format.h), row by row. */
#pragma once

#include "base/hll.h"
#include "base/span.h"
#include "shm/part_format.h"
#include "shm/part_row.h"

#include <stdbool.h>
#include <stdint.h>

/* Where the bytes go, in order. 0, or -errno, after which nothing more is written. */
struct fls_part_sink {
    int (*write)(void *context, struct fls_span bytes);
    void *context;
};

#define FLS_PART_BUFFER_SZ (64U << 10)

struct fls_part_writer {
    struct fls_part_sink sink;
    struct fls_part_trailer trailer;
    enum fls_table_id table;      /* whose rows are being written */
    bool has_last;                /* there is a row before, of this table: */
    struct fls_part_key last_key; /* no flags, if there is none */
    uint32_t last_account;
    uint32_t symbol_max; /* the largest number of a symbol in the rows */
    uint64_t written;    /* bytes given to the sink */
    uint32_t used;       /* bytes in the buffer */
    int error;
    uint8_t *buffer;
};

/* What stands behind the rows. */
struct fls_part_names {
    const struct fls_span *symbols; /* in ascending order of their bytes; the first one is empty */
    uint32_t symbol_cnt;
    /* Of a day of which rows gave way, else NULL: errors by table, addresses by symbol of the
     * account (NULL: it has none). */
    const struct fls_counters *max_errors;
    struct fls_uniques *const *gone; /* none of number 0 */
};

void fls_part_begin(struct fls_part_writer *writer, uint32_t day, struct fls_part_sink sink);
/* The next row, of this table or of one that stands behind it (shm/part_format.h). Precondition: it
 * is sound (fls_part_row_is_sound), and of one table behind the row before, by key and account. */
void fls_part_put(struct fls_part_writer *writer, enum fls_table_id table,
                  const struct fls_part_row *row);
/* Writes the rest and frees the writer's memory. 0 and the size of the part; or -errno of the sink,
 * and no part. Precondition: the rows' symbols are in `names`. */
int fls_part_finish(struct fls_part_writer *writer, const struct fls_part_names *names,
                    uint64_t *size);

/* The fast path: canonical lines only, in bulk. A line is canonical if its values are separated by
 * single spaces and ended by a newline, nothing stands around them, and every value is right.
 * Whatever else a line is, the fast path stops before it and leaves it to fls_parse_line_slow.
 *
 * There is one variant for each enum fls_cpu_level, all made from parse_template.h. */
#pragma once

#include "ingest/batch.h"
#include "ingest/layout.h"

/* Places that are indexed ahead at once: about 70 lines of the default format. More than
 * FLS_LAYOUT_FIELDS_MAX, so that a whole line of any layout fits. */
#define FLS_INDEX_MAX 1024U
#define FLS_BLOCK_SZ 64U
/* Bytes of a window that must follow for a line to be read as a usual one: at most five blocks are
 * looked through, each of them from a value that begins in the one before, or right behind it. */
#define FLS_USUAL_ROOM (5 * FLS_BLOCK_SZ)
/* Ends are written in groups: what a block of 64 bytes of usual text holds, in most cases. */
#define FLS_ENDS_GROUP 16U
/* The last block adds up to 64 places and, behind them, the unused rest of a group. */
#define FLS_INDEX_ROOM (FLS_INDEX_MAX + FLS_BLOCK_SZ + FLS_ENDS_GROUP)

/* Where values end. `ends` are the places of all bytes up to 0x20 (space): the separators of a
 * canonical line and its newline, but also tabs, carriage returns, NULs. `odd` are those of them
 * that are no single space: newlines, the others, and any that follows right upon another. So a
 * line of n values is in canonical form if the n-th of `ends` is also the next of `odd`, is a
 * newline, and the last value is not empty. */
struct fls_index {
    uint32_t done;            /* bytes of the window that are indexed */
    bool follows_an_end;      /* the byte before them is one of `ends`; true before a line */
    uint32_t ahead;           /* how many lines to index at once */
    uint32_t end_at, end_cnt; /* next one to use, and how many there are */
    uint32_t odd_at, odd_cnt;
    uint32_t ends[1 + FLS_INDEX_ROOM]; /* behind room for the end of the line before */
    uint32_t odd[FLS_INDEX_ROOM];      /* with UINT32_MAX after the last one */
};

/* Lines that were parsed, by enum fls_kind. */
struct fls_fast_counts {
    uint64_t kind[FLS_KIND_SKIPDATA + 1];
};

/* Begins anew at the beginning of a line. */
static inline void fls_index_begin(struct fls_index *index, uint32_t at)
{
    index->done = at;
    index->follows_an_end = true;
    index->ahead = 1;
    index->end_at = index->end_cnt = index->odd_at = index->odd_cnt = 0;
    index->odd[0] = UINT32_MAX;
}

/* Goes on at the beginning of a line further on. */
static inline void fls_index_skip(struct fls_index *index, uint32_t at)
{
    if (at >= index->done) {
        fls_index_begin(index, at);
        return;
    }
    while (index->end_at < index->end_cnt && index->ends[1 + index->end_at] < at)
        index->end_at++;
    while (index->odd_at < index->odd_cnt && index->odd[index->odd_at] < at)
        index->odd_at++;
}

/* Parses canonical lines of the window from `at`, the beginning of a line, into the batch until it
 * is full or a line is not canonical; returns where that line begins. */
typedef uint32_t fls_parse_fast_fn(const struct fls_layout *layout, struct fls_span window,
                                   uint32_t at, struct fls_index *index, struct fls_batch *batch,
                                   struct fls_fast_counts *counts);

fls_parse_fast_fn fls_parse_fast_portable;
#if defined(__x86_64__)
fls_parse_fast_fn fls_parse_fast_sse2;
fls_parse_fast_fn fls_parse_fast_avx2;
fls_parse_fast_fn fls_parse_fast_avx512;
#endif

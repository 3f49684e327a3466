/* An object (one file of flow logs) and what reading it once brought. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum fls_reason {
#define REASON(name, text, explanation) FLS_REASON_##name,
#include "base/reasons.def"
#undef REASON
    FLS_REASON_CNT
};

extern const char *const fls_reason_name[FLS_REASON_CNT];

#define FLS_PATH_MAX 4096        /* bytes of a path with its NUL, as the kernel has it */
#define FLS_FAILURE_TEXT_MAX 160 /* bytes of why an object failed, with its NUL */
#define FLS_SAMPLES_PER_REASON 3 /* malformed lines of each reason that an object hands on */
#define FLS_SAMPLE_TEXT_MAX 200  /* bytes of such a line that are kept, with its NUL */

/* Which object, and which edition of it. */
struct fls_object {
    uint64_t id;             /* number in this run's work list */
    uint64_t size;           /* bytes on disk, when it was found */
    int64_t mtime_ns;        /* time of its last change, when it was found */
    char name[FLS_PATH_MAX]; /* what it is known by in the ledger: AWS's file name or a real path */
    char path[FLS_PATH_MAX]; /* where it was found, as the user named it */
};

/* The lines of one object or of many: lines = headers + records + nodata + skipdata + malformed. */
struct fls_line_counts {
    uint64_t bytes_read; /* on disk */
    uint64_t bytes;      /* decompressed */
    uint64_t lines, headers, records, nodata, skipdata;
    uint64_t malformed[FLS_REASON_CNT];
};

static inline uint64_t fls_malformed_sum(const struct fls_line_counts *counts)
{
    uint64_t sum = 0;

    for (int i = 0; i < FLS_REASON_CNT; i++)
        sum += counts->malformed[i];
    return sum;
}

/* What was added since: `from` is an earlier value of `to`. */
static inline void fls_line_counts_subtract(struct fls_line_counts *to,
                                            const struct fls_line_counts *from)
{
    to->bytes_read -= from->bytes_read;
    to->bytes -= from->bytes;
    to->lines -= from->lines;
    to->headers -= from->headers;
    to->records -= from->records;
    to->nodata -= from->nodata;
    to->skipdata -= from->skipdata;
    for (int i = 0; i < FLS_REASON_CNT; i++)
        to->malformed[i] -= from->malformed[i];
}

/* The lines of one account. */
struct fls_account_lines {
    uint64_t records, nodata, skipdata;
};

/* A malformed line for people to look at. Among many, the smallest (object name, line) of each
 * reason are kept, so that the choice does not depend on the order of the work. */
struct fls_sample {
    uint64_t line;                  /* number of the line in its object, from 1, empty lines too */
    char text[FLS_SAMPLE_TEXT_MAX]; /* printable: other bytes as \xNN; cut with "..." */
};

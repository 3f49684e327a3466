/* What a run did, in a few lines for people, at its end. */
#pragma once

#include "base/object.h"

#include <stdio.h>

#define FLS_SUMMARY_FAILED_MAX 20U /* failed objects that are named; the report names all */

/* All that is not known is 0 or NULL. */
struct fls_summary {
    /* objects of this run */
    uint64_t counted, failed;
    uint64_t left;            /* neither: the run was stopped before */
    uint64_t already_counted; /* by earlier runs */
    uint64_t duplicates;      /* found twice under different paths */
    uint64_t changed;         /* counted before, but other than they were then: not counted again */
    uint64_t unreadable;      /* folders or named files */
    uint64_t quarantined;     /* found, but not read: they killed processes before */
    uint64_t trailing;        /* objects with bytes behind their end */
    char *const *failures;    /* "path: reason" of failed objects, the first failure_cnt of them */
    uint32_t failure_cnt;     /* at least min(failed, FLS_SUMMARY_FAILED_MAX), if failures is set */
    struct fls_line_counts counts; /* of the counted objects */
    /* time */
    uint64_t count_ns;   /* first byte read to last record counted */
    uint64_t commit_ns;  /* all commits */
    uint64_t publish_ns; /* all writing to Redis, summing days included */
    uint64_t command_ns; /* the whole command */
    uint64_t epochs;     /* committed by this run */
    uint64_t epoch;      /* the last one of the state */
    bool is_published;   /* Redis shows that epoch */
    bool has_stopped;    /* by a signal */
    /* memory */
    uint64_t peak_bytes; /* sum of the processes' own peaks (VmHWM) */
    uint64_t memory_limit;
    uint64_t spilled_rows; /* handed over in the middle of an epoch */
    uint32_t process_cnt;
    /* where to go on */
    const char *state_folder;
    bool is_default_state; /* no --state needed to name it */
    const char *redis;     /* the given one, without user and password; NULL: the private one */
    const char *name;      /* of the deployment; NULL: no --name needed */
};

/* Writes the lines; reads nothing but the struct. */
void fls_summary_print(FILE *err, const struct fls_summary *summary);

/* The command line, as options.def has it: struct, --help and the answers to mistakes come from
 * that table. Names of options are never abbreviated; options and paths may stand in any order, and
 * what follows `--` is paths. */
#pragma once

#include "base/tables.h"
#include "ingest/layout.h"
#include "ingest/reader.h"
#include "ingest/text.h"

#include <stdbool.h>
#include <stdint.h>

enum fls_command {
    FLS_COMMAND_RUN,
    FLS_COMMAND_QUARANTINE,
    FLS_COMMAND_REPORT,
    FLS_COMMAND_STATUS,
    FLS_COMMAND_GENERATE,
    FLS_COMMAND_DEMO,
    FLS_COMMAND_CNT
};

enum fls_progress { FLS_PROGRESS_AUTO, FLS_PROGRESS_NEVER, FLS_PROGRESS_JSON };
enum fls_format { FLS_FORMAT_TEXT, FLS_FORMAT_JSON, FLS_FORMAT_CSV };
enum fls_compress { FLS_COMPRESS_GZIP, FLS_COMPRESS_ZSTD, FLS_COMPRESS_NONE };
enum fls_folders { FLS_FOLDERS_PLAIN, FLS_FOLDERS_HOURLY, FLS_FOLDERS_HIVE };

#define FLS_VERSION "0.1.0"
#define FLS_EXIT_USAGE 64 /* EX_USAGE of sysexits.h */

#define FLS_INGEST_MAX 64U
#define FLS_AGGREGATE_MAX 64U

struct fls_options {
    enum fls_command command;
    char *state;       /* folder; the default one unless given; NULL if report has --redis only */
    const char *redis; /* URL or NULL: a private one; a copy, see fls_options_parse */
    const char *name;  /* of the deployment, "default" unless given */
    /* run */
    uint32_t ingest_cnt;    /* 1..FLS_INGEST_MAX; cores and one more unless given */
    uint32_t aggregate_cnt; /* 1..FLS_AGGREGATE_MAX; half the cores and one more unless given */
    uint64_t memory;        /* bytes, at least fls_memory_minimum; derived unless given */
    uint32_t top_k;         /* 1..100000; 100 unless given */
    uint32_t keep_days;     /* 1..4000; 35 unless given */
    struct fls_layout headerless;
    enum fls_io io;
    enum fls_inflate inflate;
    uint32_t interval_s; /* 1..86400; 5 unless given */
    enum fls_progress progress;
    bool follow;
    char *const *paths;
    int path_cnt;
    /* quarantine */
    bool retry;
    /* report */
    const char *account;          /* NULL: the organisation */
    bool day_given;               /* else the newest day held */
    uint32_t day_first, day_last; /* a range; equal for one day or `unknown` */
    int table;                    /* enum fls_table_id or -1: all */
    int order;                    /* enum fls_counter (not accepted), bytes unless given */
    uint32_t top_n;               /* rows shown; 0: all that is published; 10 unless given */
    enum fls_format format;
    /* generate */
    const char *out;
    uint64_t seed;              /* 1 unless given */
    uint32_t accounts, objects; /* in all */
    uint64_t records;           /* in each object */
    const char *fields;         /* v2, v5, all, or names */
    enum fls_compress compress;
    enum fls_folders folders;
    uint32_t days;
    uint32_t ipv6_percent; /* 0..100 */
};

/* Reads the command line. 0 to go on; 1 when it was answered (--help, --version) and the program
 * ends with status 0; -1 when it was wrong, said on stderr with what is possible, and the program
 * ends with FLS_EXIT_USAGE. In any case call fls_options_fini afterwards. Texts in the options
 * point into argv, which must outlive them. A password in --redis is blanked in argv, where process
 * lists show it; the options hold a copy. May be called again. */
int fls_options_parse(struct fls_options *options, int argc, char **argv);
void fls_options_fini(struct fls_options *options);

/* The report: what is published of the organisation or of one account, on a day or over a range of
 * days, selected, ordered, summed and printed. It reads Redis and nothing else. */
#pragma once

#include "base/calendar.h"
#include "base/counters.h"
#include "base/tables.h"
#include "dashboard/view_reader.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum fls_report_format { FLS_REPORT_TEXT, FLS_REPORT_JSON, FLS_REPORT_CSV };

#define FLS_REPORT_ERROR_MAX 1024U /* bytes that hold any error text of a report, with its NUL */

struct fls_report_query {
    const char *account;          /* NULL: the organisation */
    bool day_given;               /* else the newest day held */
    uint32_t day_first, day_last; /* first <= last; both FLS_DAY_UNKNOWN for that day */
    int table;                    /* enum fls_table_id, or -1: all */
    enum fls_counter order;       /* not FLS_ACCEPTED */
    uint32_t top_n;               /* rows of each table but `minute`; 0: all that is published */
    enum fls_report_format format;
};

/* A table over the chosen days. */
struct fls_report_table {
    uint64_t distinct; /* number of keys, if known */
    bool distinct_is_known;
    struct fls_counters max_error; /* a shown row's counter is too low by at most this */
    bool gave_way;                 /* rows did, on one of the days at least */
    uint32_t published_cnt;        /* rows there are */
    uint32_t row_cnt;              /* the first of them, which are shown */
    struct fls_published_row *rows;
};

struct fls_report {
    const struct fls_report_query *query;
    const struct fls_published *published;
    char day[2 * FLS_DAY_TEXT_MAX + 2]; /* as asked for, or the newest; empty if no day is held */
    struct fls_counters totals;
    struct fls_report_table tables[FLS_TABLE_CNT]; /* those asked for, `totals` never */
};

/* Reads the deployment `name` (fls_name_is_valid) and prints the report. 0, or one of
 * fls_published_read's errors, -EPIPE if the reader of `out` has gone, -ENOSPC if it took less than
 * all; then a text of at most FLS_REPORT_ERROR_MAX bytes says what is wrong and what to do. Before
 * the first byte of output all is read, so a failure to read prints nothing. */
int fls_report_print(struct fls_wire *wire, const char *name, const struct fls_report_query *query,
                     FILE *out, char *error, size_t error_max);

/* The two steps of it. The report points into query and published, which outlive it. */
void fls_report_make(struct fls_report *report, const struct fls_report_query *query,
                     const struct fls_published *published);
void fls_report_fini(struct fls_report *report);

/* Whether the table is in the report. */
bool fls_report_shows(const struct fls_report *report, int table);
/* Whether a counter stands at its limit, so that it means "this much or more". */
bool fls_counters_saturated(const struct fls_counters *counters);

/* The formats. JSON: one object on one line; members in a fixed order, all figures exact integers.
 * CSV: RFC 4180's quoting, lines end in LF, first a line of names. Text: for people, to the width
 * of the terminal if `out` is one. */
void fls_report_write_json(const struct fls_report *report, FILE *out);
void fls_report_write_csv(const struct fls_report *report, FILE *out);
void fls_report_write_text(const struct fls_report *report, FILE *out);

/* A running pipeline as the status command sees it: got from the supervisor, looked at twice, put
 * into figures. */
#pragma once

#include "supervise/status.h"

#include <sys/types.h>

enum fls_status_state {
    FLS_STATUS_STARTING, /* has not shown itself yet */
    FLS_STATUS_WORKING,
    FLS_STATUS_WAITING,    /* for somebody: see waits_for */
    FLS_STATUS_COMMITTING, /* publish: it has all of an epoch */
    FLS_STATUS_STOPPED,    /* by a signal */
    FLS_STATUS_ENDED
};

/* As in JSON. */
extern const char *const fls_status_state_name[];

enum fls_status_why {
    FLS_WAITS_NOT,
    FLS_WAITS_RING_FULL,  /* for the ring's consumer */
    FLS_WAITS_RING_EMPTY, /* for the ring's producer */
    FLS_WAITS_NO_WORK,    /* for the supervisor */
    FLS_WAITS_BARRIER,    /* the ring is empty, and other rings have come to the epoch's end */
    FLS_WAITS_SEGMENT,    /* publish, for an aggregate's counts of the epoch */
    FLS_WAITS_WRITTEN     /* an aggregate short of memory, for publish to write its segments */
};

extern const char *const fls_status_why_name[];  /* as in JSON */
extern const char *const fls_status_why_words[]; /* for people */

/* Who: a process by its number in the topology, or FLS_STATUS_SUPERVISOR. */
#define FLS_STATUS_SUPERVISOR UINT32_MAX

struct fls_status_wait {
    enum fls_status_why why;
    uint32_t who;
};

struct fls_status_process {
    pid_t pid; /* 0: none yet */
    enum fls_status_state state;
    struct fls_status_wait waits_for;
    double cpu_percent;         /* of one core, over the sample */
    double work, input, output; /* shares of the sample's time, 0..1: at work, waiting for input,
                                   waiting for the next one; all 0 while stopped or ended */
    uint64_t records_per_s, bytes_read_per_s, bytes_per_s;
    uint64_t objects, records, rows, table_bytes, memory_bytes;
    uint64_t segments, spilled_rows;
    uint64_t epoch;
};

struct fls_status_ring {
    uint32_t from, to; /* processes */
    uint32_t slot_cnt, filled;
    uint64_t slots_per_s; /* taken out; one record takes one slot */
    bool producer_sleeps, consumer_sleeps;
};

struct fls_status_view {
    uint32_t ingest_cnt, aggregate_cnt, process_cnt, ring_cnt;
    pid_t supervisor_pid;
    bool supervisor_is_stopped;
    uint64_t now_ns, sample_ns; /* the second look, and the time between both */
    struct fls_status_totals totals;
    struct fls_status_process processes[FLS_PROCESSES_MAX];
    struct fls_status_ring *rings; /* record rings, then result rings */
};

/* 0, or -errno and a text that says what to do. */
int fls_status_view_take(struct fls_status_view *view, const char *state_folder, char *error,
                         size_t error_max);
void fls_status_view_fini(struct fls_status_view *view);
/* "aggregate 1", "publish", "supervisor" */
#define FLS_STATUS_NAME_MAX 24
void fls_status_name(const struct fls_status_view *view, uint32_t who,
                     char name[static FLS_STATUS_NAME_MAX]);
/* Role, and number among its kind. */
const char *fls_status_role(const struct fls_status_view *view, uint32_t who, uint32_t *number);

void fls_status_print_text(const struct fls_status_view *view, const char *state_folder, FILE *out);
void fls_status_print_json(const struct fls_status_view *view, FILE *out);

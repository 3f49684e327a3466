/* What a running pipeline shows of itself. The supervisor listens on a socket in the state folder
 * and gives everybody who comes read-only descriptors of the metrics pages and of the rings; the
 * status command maps them, looks twice, and says who waits for whom. The processes at work
 * notice nothing of it.
 *
 * On the socket (SOCK_SEQPACKET), from the supervisor only:
 *   1 message    struct fls_status_hello
 *   n messages   struct fls_status_part and up to FLS_STATUS_PART_MAX descriptors: the metrics
 *                pages by process; then of each record ring, [ingest * aggregate_cnt + aggregate],
 *                and of each result ring, [ingest], its head and its tail region
 */
#pragma once

#include "supervise/options.h"
#include "supervise/topology.h"

#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>

#define FLS_STATUS_SOCKET "status.sock" /* in the state folder */
#define FLS_STATUS_CLIENTS_MAX 4U       /* answered in one call; others wait for the next */
#define FLS_STATUS_PART_MAX 250U        /* descriptors in a message; the kernel takes 253 */
#define FLS_STATUS_SAMPLE_MS 500        /* between the command's two looks */
#define FLS_STATUS_PATIENCE_S 5         /* how long the command waits for a supervisor */

#define FLS_STATUS_MAGIC 0x3374617473736c66ULL /* "flsstat3" */

/* What only the supervisor knows. Times are of fls_clock_ns, 0: never. */
struct fls_status_totals {
    uint64_t begin_ns;                             /* of the run */
    uint64_t objects, objects_all, objects_failed; /* done (failed ones too), of the run, failed */
    uint64_t bytes, bytes_all;                     /* of the objects done, of the run; on disk */
    uint64_t epoch_open, epoch_open_ns;            /* of this run, the first is 1; open since */
    uint64_t epoch_committed, epoch_committed_ns;  /* of this run, 0: none; when */
    uint64_t epoch_published;                      /* the epoch that Redis shows, 0: not known */
    uint64_t memory_limit;                         /* of all processes together */
    uint64_t is_stopping;                          /* 1: the run comes to its end early */
    uint64_t is_following;                         /* 1: it goes on when all is counted */
    uint64_t restarts;                             /* of all processes, after a death */
};

struct fls_status_hello {
    uint64_t magic; /* with the layout of what follows */
    uint32_t ingest_cnt, aggregate_cnt;
    uint32_t record_slots, result_slots; /* of a ring */
    uint64_t metrics_sz; /* of struct fls_metrics: the same counters on both sides */
    int64_t supervisor_pid;
    struct fls_status_totals totals;
};

struct fls_status_part {
    uint32_t first, cnt; /* descriptors, numbered through */
};

/* Address of the socket by way of a descriptor of its folder: paths of sockets are short, folders'
 * are not. Returns the descriptor, to be held until the socket is bound or connected, or -errno. */
int fls_status_address(const char *state_folder, struct sockaddr_un *address);

/* In the supervisor: a descriptor to poll for reading (close-on-exec, never blocks), or -errno and
 * a text. The folder's path may be of any length. What a killed run left is replaced: the caller
 * holds the folder's lock. */
int fls_status_listen(const char *state_folder, char *error, size_t error_max);
/* Answers those who have come. Never waits: a client that cannot be answered at once is dropped. */
void fls_status_answer(int listen_fd, const struct fls_topology *topology,
                       const struct fls_status_totals *totals);
/* Closes the descriptor (-1: there is none) and removes the socket. */
void fls_status_unlisten(int listen_fd, const char *state_folder);

/* The command: connects to the run on that state and prints how it is (text or JSON). The exit
 * status of the program: 0, or 1 if there is no run alive or it does not answer, said on stderr. */
int fls_status_print(const char *state_folder, enum fls_format format, FILE *out);

/* The role processes of a run: forks them, notices their deaths, ends them. */
#pragma once

#include "supervise/memory.h"
#include "supervise/private_redis.h"
#include "supervise/topology.h"

#include <stdbool.h>
#include <sys/types.h>

struct fls_crew {
    struct fls_topology topology;
    pid_t pids[FLS_PROCESSES_MAX]; /* 0: it has ended */
    uint32_t alive_cnt;
    uint64_t peak_bytes; /* sum of the most memory that each of those that ended held */
};

/* How a process of the crew ended. */
struct fls_end {
    enum fls_role role;
    uint32_t number; /* among its kind */
    pid_t pid;
    int status; /* as wait4 has it */
};

#define FLS_END_TEXT_MAX 128U

/* What the roles need beside their links. */
struct fls_crew_setup {
    const struct fls_options *options;
    const struct fls_redis_address *redis;
    struct fls_memory memory;
    int lock_fd;      /* of the state folder: every role holds it */
    bool was_told;    /* what this kernel refuses was said by an earlier crew */
    int redis_folder; /* descriptor that the Redis address goes by way of, or -1 */
};

/* Creates the topology and forks all roles. 0, or -errno; then nothing is left of them. */
int fls_crew_start(struct fls_crew *crew, const struct fls_crew_setup *setup);
/* A child has ended (as wait4 tells it; peak_kib: the most memory it held). True if it was one of
 * the crew; then *end says who it was and how it ended. */
bool fls_crew_note_end(struct fls_crew *crew, pid_t pid, int status, long peak_kib,
                       struct fls_end *end);
/* True if it did what it was to do. */
bool fls_end_is_good(const struct fls_end *end);
/* True if it died of what it did: by the signal of a fault or of a limit, or for lack of memory.
 * SIGKILL is none of these: it comes from outside. */
bool fls_end_is_fault(const struct fls_end *end);
/* True if it ended since another one was gone. */
bool fls_end_follows_another(const struct fls_end *end);
/* True if it told the user of something that a new start would not mend. */
bool fls_end_is_final(const struct fls_end *end);
/* Who it was and how it ended, in words. */
void fls_end_text(const struct fls_end *end, char text[static FLS_END_TEXT_MAX]);
/* Rings everybody's bell: the control page has changed. */
void fls_crew_wake(const struct fls_crew *crew);
/* Kills who is left, waits for them, and closes the topology. */
void fls_crew_end(struct fls_crew *crew);

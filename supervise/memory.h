/* How much memory a run may use, and who gets how much of it. The limit is for what all processes
 * of the pipeline hold together, each shared page counted once; the private redis-server is none of
 * them.
 *
 *   limit = fixed + rest
 *   fixed   rings and pages that are shared; code, libraries and buffers of each process; the list
 *           of objects
 *   rest     1/16  texts of an epoch in all ingests
 *            2/16  publish: what is chosen of a day for a view
 *           13/16  shards, in equal parts: an epoch's tables and the segments under way
 *
 * A day takes no memory of its own: it is read from its parts on the disk, all of them each time it
 * is published. So its bytes there have a limit, too, which is the rest: a run that may have so
 * much memory is on a machine that can keep as much of files in its page cache (unless told
 * otherwise it takes half of the machine), and reading a day that is not in there, again and again,
 * would take longer than counting what is new. */
#pragma once

#include <stdint.h>

struct fls_memory {
    uint64_t limit, fixed, excess;
    uint64_t shard; /* of each aggregate */
    uint64_t day;   /* bytes of a day on the disk; not memory */
};

/* The least limit that such a run can work in, but for its list of objects. */
uint64_t fls_memory_minimum(uint32_t ingest_cnt, uint32_t aggregate_cnt);
/* Bytes in MiB, rounded up. */
uint64_t fls_memory_in_mib(uint64_t bytes);
/* Precondition: limit >= fls_memory_minimum. Where the list of objects leaves less than the least
 * shares, these are given all the same: the limit is passed, and memory->excess says by how much.
 */
void fls_memory_split(struct fls_memory *memory, uint64_t limit, uint32_t ingest_cnt,
                      uint32_t aggregate_cnt, uint64_t object_cnt);

/* What there is for this process: the machine's memory, or less where its cgroup, or one above it,
 * has a limit (version 2 or 1). */
uint64_t fls_memory_available(void);
/* The same with other files in place of /proc/self/cgroup and /sys/fs/cgroup. */
uint64_t fls_memory_available_at(const char *cgroups, const char *mount, uint64_t machine);

#include "supervise/memory.h"

#include "base/assert.h"
#include "base/object.h"
#include "publish/show.h"
#include "shm/control.h"
#include "shm/metrics.h"
#include "supervise/topology.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MIB (1ULL << 20)
/* Code, libraries, stack and heap of any process (1 MiB was seen), and what it may take between two
 * looks at what it holds. */
#define PROCESS_SZ (4 * MIB)
#define INGEST_SZ (12 * MIB) /* blocks read ahead (4 MiB), the usual window of zstd (8 MiB) */
/* SQLite's cache (16 MiB), commands for Redis and their texts; what is at hand of the parts of a
 * day that is read (16 MiB). */
#define PUBLISH_SZ (48 * MIB)
#define OBJECT_SZ 512U      /* name and path in the supervisor's list */
#define RING_PAGES_SZ 8192U /* of both sides' indexes */

#define INGESTS_PART 1U /* of the rest, in sixteenths */
#define VIEW_PART 2U
#define SHARDS_PART 13U
#define PARTS 16U
_Static_assert(INGESTS_PART + VIEW_PART + SHARDS_PART == PARTS, "all of it");
_Static_assert(VIEW_PART *FLS_SHOW_SHARE == PARTS, "of a day's bytes, which are the rest");

/* Less, and a shard hands over a few thousand rows at a time. */
#define SHARD_SZ_MIN (16 * MIB)

static uint64_t fixed_sz(uint32_t ingest_cnt, uint32_t aggregate_cnt, uint64_t object_cnt)
{
    uint64_t processes = 2ULL + ingest_cnt + aggregate_cnt; /* publish, and the supervisor */
    uint64_t record_ring = FLS_RECORD_RING_SLOTS * FLS_SLOT_SZ + RING_PAGES_SZ;
    uint64_t result_ring = FLS_RESULT_RING_SLOTS * FLS_SLOT_SZ + RING_PAGES_SZ;

    return processes * (PROCESS_SZ + FLS_METRICS_SZ) + FLS_CONTROL_SZ +
           (uint64_t)ingest_cnt * aggregate_cnt * record_ring + ingest_cnt * result_ring +
           ingest_cnt * INGEST_SZ + PUBLISH_SZ + object_cnt * OBJECT_SZ;
}

static uint64_t least_rest(uint32_t aggregate_cnt)
{
    return aggregate_cnt * SHARD_SZ_MIN * PARTS / SHARDS_PART + PARTS;
}

uint64_t fls_memory_minimum(uint32_t ingest_cnt, uint32_t aggregate_cnt)
{
    return fixed_sz(ingest_cnt, aggregate_cnt, 0) + least_rest(aggregate_cnt);
}

uint64_t fls_memory_in_mib(uint64_t bytes)
{
    return (bytes + MIB - 1) / MIB;
}

void fls_memory_split(struct fls_memory *memory, uint64_t limit, uint32_t ingest_cnt,
                      uint32_t aggregate_cnt, uint64_t object_cnt)
{
    uint64_t rest = least_rest(aggregate_cnt);

    fls_assert(limit >= fls_memory_minimum(ingest_cnt, aggregate_cnt));
    *memory = (struct fls_memory){.limit = limit};
    memory->fixed = fixed_sz(ingest_cnt, aggregate_cnt, object_cnt);
    if (memory->fixed + rest > limit)
        memory->excess = memory->fixed + rest - limit;
    else
        rest = limit - memory->fixed;
    memory->shard = rest / PARTS * SHARDS_PART / aggregate_cnt;
    memory->day = rest;
}

/* ---- what there is ---- */

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The number in a file; UINT64_MAX if there is none ("max", or no such file). */
static uint64_t read_limit(const char *path)
{
    FILE *file = fopen(path, "re");
    unsigned long long limit;
    bool is_number;

    if (file == NULL)
        return UINT64_MAX;
    is_number = fscanf(file, "%llu", &limit) == 1;
    fclose(file);
    return is_number ? limit : UINT64_MAX;
}

/* The least limit of the cgroup and of those above it. In a container the path may be one of the
 * world outside: then only the top is found, which is the container's own. */
static uint64_t least_limit(const char *mount, char *group, const char *name)
{
    uint64_t least = UINT64_MAX;
    char path[2 * FLS_PATH_MAX];

    for (;;) {
        char *slash = strrchr(group, '/');

        snprintf(path, sizeof(path), "%s%s/%s", mount, group, name);
        least = smaller(least, read_limit(path));
        if (slash == NULL)
            return least;
        *slash = '\0';
    }
}

/* A line of /proc/self/cgroup: NUMBER:CONTROLLERS:PATH; version 2 has the number 0 and none. */
static uint64_t limit_of_line(const char *mount, char *line)
{
    char *controllers = strchr(line, ':'), *group, above[FLS_PATH_MAX];
    bool is_memory = false;

    if (controllers == NULL || (group = strchr(controllers + 1, ':')) == NULL)
        return UINT64_MAX;
    *controllers++ = '\0';
    *group++ = '\0';
    group[strcspn(group, "\n")] = '\0';
    if (*controllers == '\0')
        return least_limit(mount, group, "memory.max");
    for (char *name; (name = strsep(&controllers, ",")) != NULL;)
        is_memory |= strcmp(name, "memory") == 0;
    if (!is_memory)
        return UINT64_MAX;
    snprintf(above, sizeof(above), "%s/memory", mount);
    return least_limit(above, group, "memory.limit_in_bytes");
}

uint64_t fls_memory_available_at(const char *cgroups, const char *mount, uint64_t machine)
{
    FILE *file = fopen(cgroups, "re");
    char *line = NULL;
    size_t max = 0;

    if (file == NULL)
        return machine;
    while (getline(&line, &max, file) > 0)
        machine = smaller(machine, limit_of_line(mount, line));
    free(line);
    fclose(file);
    return machine;
}

uint64_t fls_memory_available(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page_sz = sysconf(_SC_PAGESIZE);

    fls_assert(pages > 0 && page_sz > 0);
    return fls_memory_available_at("/proc/self/cgroup", "/sys/fs/cgroup",
                                   (uint64_t)pages * (uint64_t)page_sz);
}

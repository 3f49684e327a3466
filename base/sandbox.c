#include "base/sandbox_private.h"

#include "base/assert.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

/* Too small for a core file. 0 would be as well, but not keep the kernel from piping a dump to a
 * collector of dumps: of a process that may be dumped, as a redis-server started here, that takes a
 * limit of 1 (core(5) only tells of 0; fs/coredump.c has the other). */
#define CORE_SZ 1

static void lower_limit(__rlimit_resource_t resource, rlim_t max)
{
    struct rlimit limit;

    fls_assert(getrlimit(resource, &limit) == 0);
    if (limit.rlim_max > max)
        limit.rlim_max = max;
    limit.rlim_cur = limit.rlim_max;
    fls_assert(setrlimit(resource, &limit) == 0); /* down is always allowed */
}

void fls_sandbox_begin(void)
{
    if (!FLS_SANDBOX_IS_BUILT)
        return;
    fls_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    fls_assert(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
    lower_limit(RLIMIT_CORE, CORE_SZ);
}

bool fls_sandbox_has_network(const struct fls_sandbox *sandbox)
{
    return sandbox->redis && sandbox->redis->host;
}

/* What comes of it does not matter: it is asked again with each connection. */
static void load_name_services(const char *host)
{
    struct addrinfo *found = NULL;

    if (getaddrinfo(host, NULL, &(struct addrinfo){.ai_socktype = SOCK_STREAM}, &found) == 0)
        freeaddrinfo(found);
}

static void note_missing(char *missing, const char *what, int error)
{
    size_t sz = missing ? strlen(missing) : 0;

    if (missing && error)
        snprintf(missing + sz, FLS_SANDBOX_MISSING_MAX - sz, "%s%s (%s)", sz ? ", " : "", what,
                 strerror(-error));
}

/* The limit of processes counts threads as well, and an ingest's workers of its ring. So a publish
 * has it only where no filter keeps processes from it; there it does without threads. */
void fls_sandbox_enter(const struct fls_sandbox *sandbox, char *missing)
{
    int error;

    if (missing)
        missing[0] = '\0';
    if (!FLS_SANDBOX_IS_BUILT)
        return;
    fls_sandbox_begin();
    if (fls_sandbox_has_network(sandbox))
        load_name_services(sandbox->redis->host);
    if (sandbox->role == FLS_SANDBOX_AGGREGATE)
        lower_limit(RLIMIT_NPROC, 0);
    note_missing(missing, "Landlock", fls_sandbox_limit_files(sandbox));
    error = fls_sandbox_limit_calls(sandbox);
    note_missing(missing, "seccomp filters", error);
    if (error && sandbox->role == FLS_SANDBOX_PUBLISH)
        lower_limit(RLIMIT_NPROC, 0);
}

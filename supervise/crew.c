#include "supervise/crew.h"

#include "base/assert.h"
#include "base/log.h"
#include "base/pages.h"
#include "shm/bell.h"
#include "shm/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* A role dies with the supervisor, and takes no signal of the terminal or of systemd: the
 * supervisor stops it in order. */
static void become_role(const char *name, uint32_t number, pid_t supervisor)
{
    static char role[32]; /* kept by the log */
    sigset_t none;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
        _exit(EXIT_FAILURE);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(role, sizeof(role), "%s %u", name, number);
    fls_log_role(role);
    prctl(PR_SET_NAME, role);
}

static int be_ingest(const struct fls_crew *crew, const struct fls_crew_setup *setup,
                     uint32_t number)
{
    struct fls_ingest_links links = {.headerless = setup->options->headerless,
                                     .io = setup->options->io,
                                     .inflate = setup->options->inflate,
                                     .tells_fallback = number == 0 && !setup->was_told};

    fls_topology_join_ingest(&crew->topology, number, &links, &setup->lock_fd, 1);
    return fls_ingest_main(&links);
}

static int be_aggregate(const struct fls_crew *crew, const struct fls_crew_setup *setup,
                        uint32_t number)
{
    struct fls_aggregate_links links = {.memory = setup->memory.shard};

    fls_topology_join_aggregate(&crew->topology, number, &links, &setup->lock_fd, 1);
    return fls_aggregate_main(&links);
}

static int be_publish(const struct fls_crew *crew, const struct fls_crew_setup *setup)
{
    struct fls_publish_links links = {.state_folder = setup->options->state,
                                      .redis = setup->redis,
                                      .name = setup->options->name,
                                      .top_k = setup->options->top_k,
                                      .keep_days = setup->options->keep_days,
                                      .day_bytes_max = setup->memory.day};
    int keep[] = {setup->lock_fd, setup->redis_folder};

    fls_topology_join_publish(&crew->topology, &links, keep, 2);
    return fls_publish_main(&links);
}

static int be(const struct fls_crew *crew, const struct fls_crew_setup *setup, uint32_t process)
{
    uint32_t number;

    switch (fls_topology_role(&crew->topology, process, &number)) {
    case FLS_ROLE_INGEST:
        return be_ingest(crew, setup, number);
    case FLS_ROLE_AGGREGATE:
        return be_aggregate(crew, setup, number);
    case FLS_ROLE_PUBLISH:
        return be_publish(crew, setup);
    }
    return EXIT_FAILURE;
}

static int start_role(struct fls_crew *crew, const struct fls_crew_setup *setup, uint32_t process)
{
    pid_t supervisor = getpid(), pid = fork();
    uint32_t number;
    enum fls_role role = fls_topology_role(&crew->topology, process, &number);

    if (pid < 0)
        return -errno;
    if (pid == 0) {
        become_role(fls_role_name(role), number, supervisor);
        exit(be(crew, setup, process));
    }
    crew->pids[process] = pid;
    crew->alive_cnt++;
    return 0;
}

int fls_crew_start(struct fls_crew *crew, const struct fls_crew_setup *setup)
{
    int error;

    *crew = (struct fls_crew){.alive_cnt = 0};
    error = fls_topology_create(&crew->topology, setup->options->ingest_cnt,
                                setup->options->aggregate_cnt);
    if (error)
        return error;
    fflush(NULL); /* or the roles would write it again */
    for (uint32_t i = 0; i < crew->topology.process_cnt && error == 0; i++)
        error = start_role(crew, setup, i);
    if (error)
        fls_crew_end(crew);
    else
        fls_topology_keep_supervisor(&crew->topology);
    return error;
}

bool fls_crew_note_end(struct fls_crew *crew, pid_t pid, int status, long peak_kib,
                       struct fls_end *end)
{
    for (uint32_t i = 0; i < crew->topology.process_cnt; i++) {
        if (crew->pids[i] != pid)
            continue;
        crew->pids[i] = 0;
        crew->alive_cnt--;
        crew->peak_bytes += (uint64_t)peak_kib << 10;
        *end = (struct fls_end){.pid = pid, .status = status};
        end->role = fls_topology_role(&crew->topology, i, &end->number);
        return true;
    }
    return false;
}

bool fls_end_is_good(const struct fls_end *end)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == EXIT_SUCCESS;
}

bool fls_end_is_fault(const struct fls_end *end)
{
    static const int faults[] = {SIGSEGV, SIGBUS,  SIGILL,  SIGFPE, SIGABRT,
                                 SIGSYS,  SIGTRAP, SIGXCPU, SIGXFSZ};

    if (WIFEXITED(end->status))
        return WEXITSTATUS(end->status) == FLS_EXIT_NO_MEMORY;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (WTERMSIG(end->status) == faults[i])
            return true;
    return false;
}

bool fls_end_follows_another(const struct fls_end *end)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == FLS_EXIT_AGAIN;
}

bool fls_end_is_final(const struct fls_end *end)
{
    return WIFEXITED(end->status) && WEXITSTATUS(end->status) == EXIT_FAILURE;
}

void fls_end_text(const struct fls_end *end, char text[static FLS_END_TEXT_MAX])
{
    int sz = snprintf(text, FLS_END_TEXT_MAX, "%s %u (process %d) ", fls_role_name(end->role),
                      end->number, (int)end->pid);

    fls_assert(sz > 0 && sz < (int)FLS_END_TEXT_MAX);
    if (WIFSIGNALED(end->status))
        snprintf(text + sz, FLS_END_TEXT_MAX - (size_t)sz, "was killed by signal %d (%s)%s",
                 WTERMSIG(end->status), strsignal(WTERMSIG(end->status)),
                 WTERMSIG(end->status) == SIGSYS ? ": a system call that it may not make" : "");
    else if (fls_end_is_good(end))
        snprintf(text + sz, FLS_END_TEXT_MAX - (size_t)sz, "ended before its time");
    else
        snprintf(text + sz, FLS_END_TEXT_MAX - (size_t)sz, "ended with status %d",
                 WEXITSTATUS(end->status));
}

void fls_crew_wake(const struct fls_crew *crew)
{
    for (uint32_t i = 0; i < crew->topology.process_cnt; i++)
        fls_bell_ring(crew->topology.bells[i]);
}

void fls_crew_end(struct fls_crew *crew)
{
    for (uint32_t i = 0; i < crew->topology.process_cnt; i++)
        if (crew->pids[i])
            kill(crew->pids[i], SIGKILL);
    for (uint32_t i = 0; i < crew->topology.process_cnt; i++) {
        struct rusage usage;

        if (crew->pids[i] && wait4(crew->pids[i], NULL, 0, &usage) == crew->pids[i])
            crew->peak_bytes += (uint64_t)usage.ru_maxrss << 10;
        crew->pids[i] = 0;
    }
    crew->alive_cnt = 0;
    fls_topology_close(&crew->topology);
}

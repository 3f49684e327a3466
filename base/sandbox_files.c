/* Landlock, by its system calls: headers and the C library are older than the kernels it runs on,
 * or newer. */
#include "base/sandbox_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Rights that came after the headers of Debian 12, which are of Linux 6.1. */
#define FILES_TRUNCATE (1ULL << 14)
#define FILES_IOCTL_DEV (1ULL << 15)
#define TCP_BIND (1ULL << 0)
#define TCP_CONNECT (1ULL << 1)
#define SCOPE_ABSTRACT_UNIX (1ULL << 0)
#define SCOPE_SIGNAL (1ULL << 1)

/* As the kernel has it; one that is older takes what it does not know if it is 0. */
struct ruleset {
    uint64_t files, tcp, scopes;
};

/* What version `abi` of Landlock can forbid. */
static struct ruleset forbidden(int abi)
{
    struct ruleset all = {.files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};

    if (abi >= 2)
        all.files |= LANDLOCK_ACCESS_FS_REFER;
    if (abi >= 3)
        all.files |= FILES_TRUNCATE;
    if (abi >= 4)
        all.tcp = TCP_BIND | TCP_CONNECT;
    if (abi >= 5)
        all.files |= FILES_IOCTL_DEV;
    if (abi >= 6)
        all.scopes = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
    return all;
}

/* A path that is not there needs no rule. */
static void allow(int ruleset, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = {.allowed_access = rights,
                                              .parent_fd = open(path, O_PATH | O_CLOEXEC)};

    if (rule.parent_fd < 0)
        return;
    syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    close(rule.parent_fd);
}

/* The resolver's files, by their folders: they are replaced while a run goes on. */
static void allow_resolver(int ruleset)
{
    char real[PATH_MAX], *slash;

    allow(ruleset, "/etc", LANDLOCK_ACCESS_FS_READ_FILE);
    if (!realpath("/etc/resolv.conf", real))
        return;
    slash = strrchr(real, '/');
    slash[slash == real] = '\0';
    if (strcmp(real, "/") != 0)
        allow(ruleset, real, LANDLOCK_ACCESS_FS_READ_FILE);
}

static void allow_publish(int ruleset, const struct fls_sandbox *sandbox, uint64_t all)
{
    allow(ruleset, sandbox->folder,
          (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
           LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
           LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_REFER |
           FILES_TRUNCATE) &
              all);
    allow(ruleset, "/dev/urandom", LANDLOCK_ACCESS_FS_READ_FILE); /* SQLite */
    if (fls_sandbox_has_network(sandbox))
        allow_resolver(ruleset);
}

int fls_sandbox_limit_files(const struct fls_sandbox *sandbox)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    struct ruleset all = forbidden(abi);
    int ruleset, error = 0;

    if (abi < 0)
        return -errno;
    if (fls_sandbox_has_network(sandbox)) /* a Redis Cluster may have any ports */
        all.tcp &= ~TCP_CONNECT;
    ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
    if (ruleset < 0)
        return -errno;
    if (sandbox->role == FLS_SANDBOX_PUBLISH)
        allow_publish(ruleset, sandbox, all.files);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        error = -errno;
    close(ruleset);
    return error;
}

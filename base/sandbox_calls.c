#include "base/sandbox_private.h"

#include "base/assert.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Roles as base/syscalls.def names them. */
enum {
    INGEST = 1U << FLS_SANDBOX_INGEST,
    AGGREGATE = 1U << FLS_SANDBOX_AGGREGATE,
    PUBLISH = 1U << FLS_SANDBOX_PUBLISH,
    ALL = INGEST | AGGREGATE | PUBLISH,
    NETWORK = PUBLISH << 1
};

struct rule {
    unsigned roles;
    uint32_t action;
    const char *name;
    unsigned condition_cnt;
    struct scmp_arg_cmp condition;
};

/* The kernel takes these arguments for 32 bits, whatever stands above them. */
#define ANY                                                                                        \
    0,                                                                                             \
    {                                                                                              \
        0                                                                                          \
    }
#define IS(number, value)                                                                          \
    1,                                                                                             \
    {                                                                                              \
        (number), SCMP_CMP_MASKED_EQ, UINT32_MAX, (uint32_t)(value)                                \
    }
#define IS_NOT(number, value)                                                                      \
    1,                                                                                             \
    {                                                                                              \
        (number), SCMP_CMP_NE, (value), 0                                                          \
    }
#define HAS(number, bit)                                                                           \
    1,                                                                                             \
    {                                                                                              \
        (number), SCMP_CMP_MASKED_EQ, (bit), (bit)                                                 \
    }
#define HAS_NOT(number, bit)                                                                       \
    1,                                                                                             \
    {                                                                                              \
        (number), SCMP_CMP_MASKED_EQ, (bit), 0                                                     \
    }
/* Exactly what glibc starts a thread with; a process shares less, or has a signal for its end. */
#define IS_THREAD                                                                                  \
    IS(0, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |       \
              CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)

static int add_rule(scmp_filter_ctx filter, const struct rule *rule)
{
    int number = seccomp_syscall_resolve_name(rule->name);

    if (number < 0) /* libseccomp does not know it, or this machine has none of that name */
        return 0;
    return seccomp_rule_add_array(filter, rule->action, number, rule->condition_cnt,
                                  &rule->condition);
}

static int add_rules(scmp_filter_ctx filter, unsigned roles)
{
    const struct rule rules[] = {
#define ALLOWED(roles, name, condition, why) {roles, SCMP_ACT_ALLOW, #name, condition},
#define REFUSED(roles, name, condition, error, why)                                                \
    {roles, SCMP_ACT_ERRNO(error), #name, condition},
#include "base/syscalls.def"
    };

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
        if (rules[i].roles & roles && add_rule(filter, &rules[i]) != 0)
            return -EINVAL;
    return 0;
}

/* Only what is of use where it is possible may fail. */
static void tune(scmp_filter_ctx filter)
{
    /* a call of another architecture's table ends the process as well, not the thread */
    fls_assert(seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0);
    /* no slow mitigations: code of others never runs in the process */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    /* a binary tree: the lists are long */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    /* the kernel's own errno, for people */
    seccomp_attr_set(filter, SCMP_FLTATR_API_SYSRAWRC, 1);
}

int fls_sandbox_limit_calls(const struct fls_sandbox *sandbox)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    unsigned roles = 1U << sandbox->role;
    int error;

    if (!filter) /* there are no filters, or older ones than Linux 4.14 has */
        return -ENOSYS;
    if (fls_sandbox_has_network(sandbox))
        roles |= NETWORK;
    tune(filter);
    fls_assert(add_rules(filter, roles) == 0);
    error = seccomp_load(filter);
    seccomp_release(filter);
    return error;
}

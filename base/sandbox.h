/* What a process may do. A role gives up what it does not need once it has started and before it
 * touches the first byte that somebody else chose; nothing takes it back. Each lock holds for
 * itself, so what a kernel lacks is told, and the others are put on:
 *
 *   no new privileges   set-uid and file capabilities give nothing            prctl
 *   no core dumps       nor does another process of the user look inside      prctl, rlimit
 *   system calls        those in base/syscalls.def; others end it by SIGSYS   seccomp
 *   files, TCP, signals only the state folder for publish, no files else      Landlock
 *   new processes       none; publish may start threads                       seccomp, rlimit
 *
 * io_uring is seen by Landlock but not by seccomp: ingest/reader_uring restricts its ring itself.
 *
 * Programs built with a sanitizer are left as they are: its runtime needs what is forbidden here.
 */
#pragma once

#include "base/redis.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FLS_SANDBOX_IS_BUILT 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define FLS_SANDBOX_IS_BUILT 0
#endif
#endif
#ifndef FLS_SANDBOX_IS_BUILT
#define FLS_SANDBOX_IS_BUILT 1
#endif

#define FLS_SANDBOX_MISSING_MAX 256U /* bytes of the text of what is missing, with its NUL */

enum fls_sandbox_role { FLS_SANDBOX_INGEST, FLS_SANDBOX_AGGREGATE, FLS_SANDBOX_PUBLISH };

struct fls_sandbox {
    enum fls_sandbox_role role;
    const char *folder;                    /* PUBLISH: the state folder, which is there */
    const struct fls_redis_address *redis; /* PUBLISH */
};

/* For every process of the program, as it begins: no new privileges, no core dumps. What it forks
 * inherits both; what it executes inherits the first, and the limit of core dumps. */
void fls_sandbox_begin(void);
/* For a role that has started, has one thread, and holds the descriptors that it needs. A publish
 * whose Redis is given by host looks it up once before (the name services load their
 * libraries), which may take seconds. *missing says in words for the user what this kernel or
 * container lacks, or is "" (FLS_SANDBOX_MISSING_MAX bytes; NULL: somebody else tells). */
void fls_sandbox_enter(const struct fls_sandbox *sandbox, char *missing);

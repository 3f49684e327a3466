/* The two locks that the sandbox leaves to the kernel. Inside base/sandbox only. */
#pragma once

#include "base/sandbox.h"

/* Both: 0, or -errno if the kernel refuses it. */

/* System calls: base/syscalls.def. */
int fls_sandbox_limit_calls(const struct fls_sandbox *sandbox);
/* Files, TCP, signals to others. */
int fls_sandbox_limit_files(const struct fls_sandbox *sandbox);
/* A Redis that is given by host and port. By digits, too: a Redis Cluster may name its nodes. */
bool fls_sandbox_has_network(const struct fls_sandbox *sandbox);

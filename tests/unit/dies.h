/* What is to end a process is done in one of its own. Needs cmocka.h before it. */
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Passes if `act` ends its process by this signal; what it says before is not shown. */
static inline void assert_dies(void (*act)(void *), void *argument, int by_signal)
{
    const struct rlimit no_core = {0, 0};
    int status, silence;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        signal(by_signal, SIG_DFL); /* sanitizers and cmocka have handlers of their own */
        setrlimit(RLIMIT_CORE, &no_core);
        silence = open("/dev/null", O_WRONLY);
        if (silence >= 0)
            dup2(silence, STDERR_FILENO);
        act(argument);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), by_signal);
}

/* Passes if the process ends with status 0. */
static inline void assert_ends_well(pid_t child)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

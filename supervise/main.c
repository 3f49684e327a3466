/* FlowLog-Stats: the commands. */
#include "base/sandbox.h"
#include "bench/generate.h"
#include "supervise/demo.h"
#include "supervise/options.h"
#include "supervise/quarantine_command.h"
#include "supervise/report_command.h"
#include "supervise/run.h"
#include "supervise/status.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

static int print_status(const struct fls_options *options)
{
    return fls_status_print(options->state, options->format, stdout);
}

static int (*const commands[FLS_COMMAND_CNT])(const struct fls_options *) = {
    [FLS_COMMAND_RUN] = fls_run,
    [FLS_COMMAND_QUARANTINE] = fls_quarantine_command,
    [FLS_COMMAND_REPORT] = fls_report_command,
    [FLS_COMMAND_STATUS] = print_status,
    [FLS_COMMAND_GENERATE] = fls_generate,
    [FLS_COMMAND_DEMO] = fls_demo,
};

/* Where standard input, output or error were closed, the next file opened would become them: a
 * report would go into the socket to Redis, and messages into the lock file. What takes their place
 * answers as a closed one does, but for messages, which are dropped. */
static bool fill_standard_descriptors(void)
{
    static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) != fd)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    struct fls_options options;
    int status;

    fls_sandbox_begin();
    if (!fill_standard_descriptors())
        return EXIT_FAILURE;
    status = fls_options_parse(&options, argc, argv);
    if (status)
        status = status > 0 ? EXIT_SUCCESS : EX_USAGE;
    else
        status = commands[options.command](&options);
    fls_options_fini(&options);
    return status < 0 ? EXIT_FAILURE : status;
}

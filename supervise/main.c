/* FlowLog-Stats: the commands. */
#include "bench/generate.h"
#include "supervise/demo.h"
#include "supervise/options.h"
#include "supervise/report_command.h"
#include "supervise/run.h"
#include "supervise/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

static int print_status(const struct fls_options *options)
{
    return fls_status_print(options->state, options->format, stdout);
}

static int (*const commands[FLS_COMMAND_CNT])(const struct fls_options *) = {
    [FLS_COMMAND_RUN] = fls_run,
    [FLS_COMMAND_REPORT] = fls_report_command,
    [FLS_COMMAND_STATUS] = print_status,
    [FLS_COMMAND_GENERATE] = fls_generate,
    [FLS_COMMAND_DEMO] = fls_demo,
};

int main(int argc, char **argv)
{
    struct fls_options options;
    int status = fls_options_parse(&options, argc, argv);

    if (status)
        return status > 0 ? EXIT_SUCCESS : EX_USAGE;
    status = commands[options.command](&options);
    fls_options_fini(&options);
    return status < 0 ? EXIT_FAILURE : status;
}

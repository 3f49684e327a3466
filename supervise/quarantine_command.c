#include "supervise/quarantine_command.h"

#include "base/log.h"
#include "base/visible.h"
#include "state/ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_object(void *context, const char *name, const char *path, const char *reason)
{
    uint64_t *cnt = context;
    char *visible = fls_visible_string(fls_span_of(path));

    (void)name;
    printf("%s: %s\n", visible, reason);
    free(visible);
    (*cnt)++;
    return 0;
}

static int list(const struct fls_options *options, struct fls_ledger *ledger)
{
    uint64_t cnt = 0;
    int status = fls_ledger_each_quarantined(ledger, print_object, &cnt);

    if (status < 0) {
        fls_log_error("%s", fls_ledger_failure(ledger));
        return EXIT_FAILURE;
    }
    if (cnt == 0)
        fputs("no object is in quarantine\n", stderr);
    else if (!options->retry)
        fputs("--retry takes them out: the next run, or one with --follow that is going on, reads "
              "them again\n",
              stderr);
    return EXIT_SUCCESS;
}

static int release(struct fls_ledger *ledger)
{
    int cnt = fls_ledger_release_quarantined(ledger);

    if (cnt < 0) {
        fls_log_error("%s", fls_ledger_failure(ledger));
        return EXIT_FAILURE;
    }
    fprintf(stderr, "%d object%s taken out of quarantine\n", cnt, cnt == 1 ? "" : "s");
    return EXIT_SUCCESS;
}

int fls_quarantine_command(const struct fls_options *options)
{
    char text[512];
    struct fls_ledger *ledger;
    int status = fls_ledger_open(&ledger, options->state, !options->retry, text, sizeof(text));

    if (status == -ENOENT) {
        fputs("no object is in quarantine: nothing has been counted yet\n", stderr);
        return EXIT_SUCCESS;
    }
    if (status) {
        fls_log_error("%s", text);
        return EXIT_FAILURE;
    }
    status = list(options, ledger);
    if (status == EXIT_SUCCESS && options->retry)
        status = release(ledger);
    fls_ledger_close(ledger);
    return status;
}

#include "supervise/demo.h"

#include "base/assert.h"
#include "base/log.h"
#include "bench/generate.h"
#include "state/folder.h"
#include "supervise/report_command.h"
#include "supervise/run.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a first look needs: some accounts, IPv4 and IPv6, enough records to see a speed. */
#define GENERATE "generate --accounts 6 --objects 72 --records 10000 --fields v5 --out"
#define WORDS_MAX 32

/* Runs a command line as if it were typed: words with one blank between them, and then up to two
 * paths, which may hold blanks. */
static int command(int (*run)(const struct fls_options *), const char *line, char *path,
                   char *second_path)
{
    struct fls_options options;
    char *words[WORDS_MAX + 1], *copy = strdup(line), *rest = copy;
    int cnt = 0, status;

    fls_assert(copy != NULL);
    words[cnt++] = (char[]){"flowlog-stats"};
    for (char *word; (word = strsep(&rest, " ")) != NULL;) {
        fls_assert(cnt + 2 < WORDS_MAX);
        words[cnt++] = word;
    }
    words[cnt++] = path;
    if (second_path)
        words[cnt++] = second_path;
    words[cnt] = NULL;
    printf("\n$ flowlog-stats %s %s %s\n", line, path, second_path ? second_path : "");
    fflush(stdout);
    fls_assert(fls_options_parse(&options, cnt, words) == 0);
    status = run(&options);
    fls_options_fini(&options);
    free(copy);
    return status;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

/* Takes away what an earlier demo left in its own folder, so that each begins anew. */
static void remove_folder(const char *folder)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int show(const char *folder)
{
    char *demo, *logs, *state;
    int status;

    fls_assert(asprintf(&demo, "%s/demo", folder) > 0);
    fls_assert(asprintf(&logs, "%s/logs", demo) > 0);
    fls_assert(asprintf(&state, "%s/state", demo) > 0);
    remove_folder(demo);
    status = command(fls_generate, GENERATE, logs, NULL);
    if (status == 0)
        status = command(fls_run, "run --state", state, logs);
    if (status == 0)
        status = command(fls_report_command, "report --state", state, NULL);
    free(demo);
    free(logs);
    free(state);
    return status;
}

int fls_demo(const struct fls_options *options)
{
    char *folder = fls_folder_default();
    int status;

    (void)options; /* it has none */
    if (folder == NULL) {
        fls_log_error("neither XDG_STATE_HOME nor HOME is set: there is no place for the demo");
        return EXIT_FAILURE;
    }
    status = show(folder);
    free(folder);
    return status;
}

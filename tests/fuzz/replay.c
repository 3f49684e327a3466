/* Runs a fuzz target over its corpus, without libFuzzer: each file of tests/fuzz/corpus/NAME, where
 * the program is called test_fuzz_NAME; or the files that are named. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static uint32_t done_cnt;

static void replay_file(const char *path)
{
    struct stat found;
    FILE *file = fopen(path, "rb");
    uint8_t *bytes;
    size_t sz;

    fuzz_check(file != NULL && fstat(fileno(file), &found) == 0);
    sz = (size_t)found.st_size;
    bytes = malloc(sz + (sz == 0));
    fuzz_check(bytes != NULL && fread(bytes, 1, sz, file) == sz);
    fclose(file);
    /* Said before, for the case that it does not come back. */
    printf("# %s\n", path);
    fflush(stdout);
    LLVMFuzzerTestOneInput(bytes, sz);
    free(bytes);
    done_cnt++;
}

static void replay_folder(const char *folder)
{
    struct dirent **entries;
    int cnt = scandir(folder, &entries, NULL, alphasort);

    for (int i = 0; i < cnt; i++) {
        char *path = NULL;

        fuzz_check(asprintf(&path, "%s/%s", folder, entries[i]->d_name) > 0);
        if (entries[i]->d_name[0] != '.')
            replay_file(path);
        free(path);
        free(entries[i]);
    }
    if (cnt >= 0)
        free(entries);
}

int main(int argc, char **argv)
{
    const char *sign = strstr(program_invocation_short_name, "fuzz_");
    const char *name = sign != NULL ? sign + strlen("fuzz_") : program_invocation_short_name;
    char folder[4096];

    snprintf(folder, sizeof(folder), "%s/%s", FUZZ_CORPUS, name);
    printf("1..1\n");
    for (int i = 1; i < argc; i++)
        replay_file(argv[i]);
    if (argc == 1)
        replay_folder(folder);
    printf("%sok 1 %u inputs of fuzz_%s\n", done_cnt > 0 ? "" : "not ", done_cnt, name);
    return done_cnt > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* A folder of its own for each test, removed with all that is in it. */
#pragma once

#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define SCRATCH_PATH_MAX 4096

/* A test may go into a folder below by making the path longer. */
static char scratch[SCRATCH_PATH_MAX];
static size_t scratch_sz; /* of the path as it was made */

/* The path of something in the folder; one of a few buffers that take turns. */
static inline const char *scratch_path(const char *name)
{
    static char paths[8][SCRATCH_PATH_MAX + 256];
    static unsigned turn;
    char *path = paths[turn++ % 8];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch, name);
    return path;
}

static inline int scratch_remove_one(const char *path, const struct stat *found, int type,
                                     struct FTW *place)
{
    (void)found;
    (void)type;
    (void)place;
    return remove(path);
}

static inline int scratch_setup(void **state)
{
    const char *above = getenv("TMPDIR");

    (void)state;
    snprintf(scratch, sizeof(scratch), "%s/fls-test-XXXXXX", above != NULL ? above : "/tmp");
    scratch_sz = strlen(scratch);
    return mkdtemp(scratch) == NULL ? -1 : 0;
}

static inline int scratch_teardown(void **state)
{
    (void)state;
    scratch[scratch_sz] = '\0';
    umount2(scratch_path("full"), MNT_DETACH); /* a test that failed may have left it mounted */
    return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(const char *name, const void *bytes, size_t sz)
{
    FILE *file = fopen(scratch_path(name), "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, sz, file), sz);
    assert_int_equal(fclose(file), 0);
}

static inline size_t scratch_read(const char *name, void *bytes, size_t max)
{
    FILE *file = fopen(scratch_path(name), "rb");
    size_t sz;

    assert_non_null(file);
    sz = fread(bytes, 1, max, file);
    fclose(file);
    return sz;
}

static inline int scratch_has(const char *name)
{
    struct stat found;

    return lstat(scratch_path(name), &found) == 0;
}

/* A small disk ("size=256k", say) as the folder `full`; where none can be mounted, the test is
 * skipped. */
static inline void scratch_mount(const char *options)
{
    assert_int_equal(mkdir(scratch_path("full"), 0700), 0);
    if (mount("tmpfs", scratch_path("full"), "tmpfs", 0, options) != 0)
        skip();
}

/* From here on this process cannot write more than this to a file: EFBIG. */
static inline void scratch_limit_files(rlim_t max)
{
    const struct rlimit limit = {max, max};

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* xorshift64*: the same numbers in every run. */
static inline uint64_t scratch_random(uint64_t *seed)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return *seed * 2685821657736338717ULL;
}

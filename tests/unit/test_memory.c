/* The limit of memory: what there is, and how it is split. */
#include "scratch.h"

#include "publish/show.h"
#include "supervise/memory.h"
#include "supervise/options.h"

#define GIB (1ULL << 30)

static void write_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

static uint64_t available(const char *cgroups)
{
    char path[SCRATCH_PATH_MAX], mount[SCRATCH_PATH_MAX];

    write_text("cgroup", cgroups);
    strcpy(path, scratch_path("cgroup"));
    strcpy(mount, scratch_path("fs"));
    return fls_memory_available_at(path, mount, 64 * GIB);
}

static void make_folders(const char *const *names)
{
    for (; *names; names++)
        assert_int_equal(mkdir(scratch_path(*names), 0700), 0);
}

/* The least limit from the cgroup up to the top, and never more than the machine has. */
static void cgroups_of_version_2(void **state)
{
    (void)state;
    make_folders((const char *const[]){"fs", "fs/a", "fs/a/b", "fs/a/b/c", NULL});
    assert_int_equal(available("0::/a/b/c\n"), 64 * GIB);
    write_text("fs/a/memory.max", "8589934592\n");
    assert_int_equal(available("0::/a/b/c\n"), 8 * GIB);
    assert_int_equal(available("0::/\n"), 64 * GIB);
    write_text("fs/a/b/c/memory.max", "max\n");
    assert_int_equal(available("0::/a/b/c\n"), 8 * GIB);
    write_text("fs/a/b/c/memory.max", "4294967296\n");
    assert_int_equal(available("0::/a/b/c\n"), 4 * GIB);
    assert_int_equal(available("0::/a/b\n"), 8 * GIB);
    write_text("fs/memory.max", "1073741824"); /* of a container, whose path is another world's */
    assert_int_equal(available("0::/elsewhere/x\n"), GIB);
    write_text("fs/memory.max", "18446744073709551615\n");
    assert_int_equal(available("0::/elsewhere/x\n"), 64 * GIB);
}

static void cgroups_of_version_1(void **state)
{
    (void)state;
    make_folders((const char *const[]){"fs", "fs/memory", "fs/memory/a", NULL});
    write_text("fs/memory/a/memory.limit_in_bytes", "2147483648\n");
    write_text("fs/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(available("9:cpu,cpuacct:/a\n4:memory:/a\n1:name=systemd:/a\n0::/a\n"),
                     2 * GIB);
    assert_int_equal(available("4:hugetlb,memory:/a/gone\n"), 2 * GIB);
    assert_int_equal(available("4:memory_not:/a\n3:cpu:/a\n"), 64 * GIB);
    assert_int_equal(available("4:memory:/\n"), 64 * GIB);
}

static void what_cannot_be_read_limits_nothing(void **state)
{
    (void)state;
    assert_int_equal(fls_memory_available_at("/nonexistent", "/nonexistent", 5), 5);
    assert_int_equal(available(""), 64 * GIB);
    assert_int_equal(available("no colon\none:colon\n\n0::"), 64 * GIB);
    assert_true(fls_memory_available() > 1 << 20);
}

/* All shares together are within the limit, unless there are more objects than can be listed in it;
 * none is too small to work in, and what is given beyond the minimum reaches them. */
static void shares_are_within_the_limit(void **state)
{
    static const uint32_t cnts[] = {1, 2, 3, 7, 64};
    static const uint64_t objects[] = {0, 1, 1000000};
    struct fls_memory memory;

    (void)state;
    for (unsigned i = 0; i < 5 * 5 * 3; i++) {
        uint32_t ingests = cnts[i % 5], aggregates = cnts[i / 5 % 5];
        uint64_t object_cnt = objects[i / 25];
        uint64_t first = fls_memory_minimum(ingests, aggregates), limit = first, before = 0;

        for (int k = 0; k < 10; k++, limit += limit / 3) {
            fls_memory_split(&memory, limit, ingests, aggregates, object_cnt);
            assert_int_equal(memory.limit, limit);
            assert_true(memory.shard >= 16 << 20);
            assert_true(memory.day >= 19 << 20);
            assert_true(memory.shard > before || memory.excess > 0 || limit == first);
            before = memory.shard;
            assert_true(memory.fixed + aggregates * memory.shard + memory.day / FLS_SHOW_SHARE <=
                        limit + memory.excess);
            assert_true(memory.excess <= object_cnt * 1024);
        }
    }
    assert_true(fls_memory_minimum(2, 1) < 160 << 20);
    fls_memory_split(&memory, 8 * GIB, 2, 2, 1000); /* days of gigabytes are exact */
    assert_true(memory.day > 7 * GIB && memory.shard > 3 * GIB);
    assert_int_equal(fls_memory_in_mib(0), 0);
    assert_int_equal(fls_memory_in_mib(1), 1);
    assert_int_equal(fls_memory_in_mib(1 << 20), 1);
    assert_int_equal(fls_memory_in_mib((1 << 20) + 1), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cgroups_of_version_2),
        TEST(cgroups_of_version_1),
        TEST(what_cannot_be_read_limits_nothing),
        TEST(shares_are_within_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

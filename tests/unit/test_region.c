/* Shared memory: of fixed size, zeroed, and read-only for those who only read; and the pages that
 * lie in it. */
#include "scratch.h"

#include "dies.h"

#include "shm/bell.h"
#include "shm/control.h"
#include "shm/metrics.h"
#include "shm/region.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

static int mode_of(int fd)
{
    return fcntl(fd, F_GETFL) & O_ACCMODE;
}

static void shares_bytes(void **state)
{
    size_t sz = 3 * 4096 + 64;
    int fd = fls_region_create("test", sz), reader;
    uint8_t *bytes;
    const uint8_t *seen;

    (void)state;
    assert_true(fd >= 0);
    reader = fls_region_reopen(fd);
    assert_true(reader >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(reader, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(mode_of(reader), O_RDONLY);
    bytes = fls_region_map(fd, sz, true);
    seen = fls_region_map(reader, sz, false);
    for (size_t i = 0; i < sz; i++) {
        assert_int_equal(bytes[i], 0);
        bytes[i] = (uint8_t)(i * 7);
        assert_int_equal(seen[i], (uint8_t)(i * 7));
    }
    fls_region_unmap(bytes, sz);
    close(fd);
    assert_int_equal(seen[1], 7); /* lives as long as a map of it */
    fls_region_unmap(seen, sz);
    close(reader);
}

static void keeps_its_size(void **state)
{
    int fd = fls_region_create("test", 8192);

    (void)state;
    assert_int_equal(ftruncate(fd, 4096), -1);
    assert_int_equal(errno, EPERM);
    assert_int_equal(ftruncate(fd, 16384), -1);
    assert_int_equal(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(ftruncate(fd, 8192), 0);
    close(fd);
}

static void map_writable(void *fd)
{
    fls_region_map(*(int *)fd, 4096, true);
}

static void write_to(void *byte)
{
    *(volatile uint8_t *)byte = 1;
}

static void is_read_only(void **state)
{
    int fd = fls_region_create("test", 4096), reader = fls_region_reopen(fd);
    uint8_t *seen = fls_region_map(reader, 4096, false);

    (void)state;
    assert_dies(map_writable, &reader, SIGABRT);
    assert_dies(write_to, seen, SIGSEGV);
    fls_region_unmap(seen, 4096);
    close(fd);
    close(reader);
}

static void map_metrics(void *fd)
{
    fls_metrics_map(*(int *)fd, true);
}

static void map_control(void *fd)
{
    fls_control_map(*(int *)fd, true);
}

static void knows_its_pages(void **state)
{
    int metrics_fd = fls_metrics_create(), control_fd = fls_control_create();
    struct fls_metrics *metrics = fls_metrics_map(metrics_fd, true);
    const struct fls_metrics *seen = fls_metrics_map(metrics_fd, false);
    struct fls_control *control = fls_control_map(control_fd, true);

    (void)state;
    fls_metric_set(&metrics->records, 5);
    fls_metric_add(&metrics->records, 1ULL << 40);
    assert_int_equal(fls_metric_get(&seen->records), (1ULL << 40) + 5);
    assert_int_equal(fls_control_epoch_wanted(control), 0);
    assert_false(fls_control_stopping(control));
    atomic_store(&control->epoch_wanted, 7);
    atomic_store(&control->stopping, 1);
    assert_int_equal(fls_control_epoch_wanted(control), 7);
    assert_true(fls_control_stopping(control));
    assert_dies(map_metrics, &control_fd, SIGABRT); /* one is not the other */
    assert_dies(map_control, &metrics_fd, SIGABRT);
    fls_region_unmap(metrics, FLS_METRICS_SZ);
    fls_region_unmap(seen, FLS_METRICS_SZ);
    fls_region_unmap(control, FLS_CONTROL_SZ);
    close(metrics_fd);
    close(control_fd);
}

static void rings_bells(void **state)
{
    int bell = fls_bell_create(), pipes[2];
    uint64_t rings;

    (void)state;
    assert_true(bell >= 0);
    assert_int_equal(pipe(pipes), 0);
    fls_bell_ring(bell);
    fls_bell_ring(bell);
    fls_bell_wait(bell, -1, 100000); /* comes back at once, with both */
    assert_int_equal(read(bell, &rings, sizeof(rings)), -1);
    assert_int_equal(errno, EAGAIN);
    fls_bell_wait(bell, -1, 0); /* not rung: the limit */
    assert_int_equal(write(pipes[1], "x", 1), 1);
    fls_bell_wait(bell, pipes[0], 100000);
    close(pipes[1]);
    fls_bell_wait(bell, pipes[0], 100000);
    close(pipes[0]);
    close(bell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_bytes), cmocka_unit_test(keeps_its_size),
        cmocka_unit_test(is_read_only), cmocka_unit_test(knows_its_pages),
        cmocka_unit_test(rings_bells),
    };

    return cmocka_run_group_tests_name("region", tests, NULL, NULL);
}

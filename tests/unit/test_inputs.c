/* Which objects a scan finds: odd trees, names, editions, standard input, and order. */
#include "scratch.h"

#include "supervise/inputs.h"
#include "supervise/object_name.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#define AWS(tail) "123456789012_vpcflowlogs_eu-west-1_fl-0123abcd_20240101T0005Z_" tail

static int scan_for(struct fls_inputs *inputs, char *const *paths, int path_cnt,
                    struct fls_ledger *ledger, const char *spool_folder, int stop_fd)
{
    struct fls_scan_setup setup = {
        .ledger = ledger, .spool_folder = spool_folder, .stop_fd = stop_fd};

    return fls_inputs_scan(inputs, paths, path_cnt, &setup);
}

static struct fls_inputs inputs;

static int setup(void **state)
{
    return scratch_setup(state) != 0 ? -1 : chdir(scratch);
}

static int teardown(void **state)
{
    fls_inputs_fini(&inputs);
    return chdir("/") != 0 ? -1 : scratch_teardown(state);
}

static void touch(const char *name)
{
    char path[SCRATCH_PATH_MAX];

    snprintf(path, sizeof(path), "%s", name);
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    scratch_write(name, name, strlen(name));
}

static void scan(struct fls_ledger *ledger, const char *const *paths)
{
    int cnt = 0;

    while (paths[cnt] != NULL)
        cnt++;
    fls_inputs_fini(&inputs);
    assert_int_equal(scan_for(&inputs, (char *const *)(uintptr_t)paths, cnt, ledger, "spool", -1),
                     0);
}

#define SCAN(ledger, ...) scan(ledger, (const char *const[]){__VA_ARGS__, NULL})

static void expect(const char *const *paths)
{
    uint64_t cnt = 0, bytes = 0;

    for (; paths[cnt] != NULL; cnt++) {
        if (cnt >= inputs.cnt)
            fail_msg("%s is not there", paths[cnt]);
        assert_string_equal(inputs.items[cnt].path, paths[cnt]);
        bytes += inputs.items[cnt].size;
    }
    assert_int_equal(inputs.cnt, cnt);
    assert_int_equal(inputs.bytes, bytes);
}

#define EXPECT(...) expect((const char *const[]){__VA_ARGS__, NULL})
#define EXPECT_NONE() assert_int_equal(inputs.cnt, 0)

static struct fls_ledger *open_ledger(void)
{
    static char error[1024];
    struct fls_ledger *ledger;

    assert_int_equal(fls_ledger_open(&ledger, scratch, false, error, sizeof(error)), 0);
    return ledger;
}

/* Counts all that the last scan found. */
static void count_all(struct fls_ledger *ledger)
{
    static const struct fls_line_counts counts;
    static struct fls_object object;
    uint64_t epoch, next_segment;

    assert_int_equal(fls_ledger_epoch(ledger, &epoch, &next_segment), 0);
    assert_int_equal(fls_ledger_begin(ledger), 0);
    for (uint64_t i = 0; i < inputs.cnt; i++) {
        object.size = inputs.items[i].size;
        object.mtime_ns = inputs.items[i].mtime_ns;
        strcpy(object.name, inputs.items[i].name);
        assert_int_equal(fls_ledger_add_object(ledger, &object, &counts), 0);
    }
    assert_int_equal(fls_ledger_commit(ledger, epoch + 1), 0);
}

/* Names. */

static void test_aws_names(void **state)
{
    static const char *const good[] = {AWS("f00d"), AWS("AbC9"),
                                       "000000000000_vpcflowlogs_a_fl-a_99991231T2359Z_0"};
    static const char *const bad[] = {
        "12345678901_vpcflowlogs_eu-west-1_fl-01_20240101T0005Z_a.log",
        "1234567890123_vpcflowlogs_eu-west-1_fl-01_20240101T0005Z_a.log",
        "12345678901a_vpcflowlogs_eu-west-1_fl-01_20240101T0005Z_a.log",
        "123456789012_vpcflowlog_eu-west-1_fl-01_20240101T0005Z_a.log",
        "123456789012_vpcflowlogs__fl-01_20240101T0005Z_a.log",
        "123456789012_vpcflowlogs_EU_fl-01_20240101T0005Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fx-01_20240101T0005Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-_20240101T0005Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20241301T0005Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20240132T0005Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20240101T2405Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20240101T0060Z_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20240101T0005_a.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20240101T0005Z_.log",
        "123456789012_vpcflowlogs_eu-west-1_fl-01_20240101T0005Z_a-b.log",
        AWS("a.gz"),
        AWS("a.log.xz"),
        AWS("a.log.gz.log"),
        AWS("a"),
        AWS("a.LOG"),
        " " AWS("a.log"),
    };
    static const char *const suffixes[] = {".log", ".log.gz", ".log.zst"};
    char name[FLS_PATH_MAX], path[SCRATCH_PATH_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]) * 3; i++) {
        snprintf(path, sizeof(path), "some/where/%s%s", good[i / 3], suffixes[i % 3]);
        assert_true(fls_object_name(path, name)); /* need not be there */
        assert_string_equal(name, good[i / 3]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        errno = 0;
        assert_false(fls_object_name(bad[i], name)); /* a real path is asked for, and none there */
        assert_int_equal(errno, ENOENT);
        touch(bad[i]);
        assert_true(fls_object_name(bad[i], name));
        assert_string_equal(name, scratch_path(bad[i]));
    }
}

static void test_link_names(void **state)
{
    char name[FLS_PATH_MAX];

    (void)state;
    touch(AWS("a.log.gz"));
    touch("plain.log");
    assert_int_equal(symlink(AWS("a.log.gz"), "today.gz"), 0);
    assert_int_equal(symlink("plain.log", "other.log"), 0);
    assert_true(fls_object_name("today.gz", name));
    assert_string_equal(name, AWS("a"));
    assert_true(fls_object_name("other.log", name));
    assert_string_equal(name, scratch_path("plain.log"));
    SCAN(NULL, ".");
    EXPECT("./" AWS("a.log.gz"), "./other.log");
    assert_int_equal(inputs.duplicates, 2);
}

/* Trees. */

static void test_what_is_an_object(void **state)
{
    (void)state;
    touch("d/a.log");
    touch("d/b.gz");
    touch("d/c.zst");
    touch("d/d.parquet");
    touch("d/e.txt");
    touch("d/f.log.1");
    touch("d/G.LOG");
    touch("d/log");
    touch("d/.hidden.log");
    touch("d/.log");
    touch("d/.folder/a.log");
    touch("d/folder.log/x/y.gz");
    SCAN(NULL, "d");
    EXPECT("d/a.log", "d/b.gz", "d/c.zst", "d/d.parquet", "d/folder.log/x/y.gz");
    assert_string_equal(inputs.items[0].name, scratch_path("d/a.log"));
    assert_string_equal(inputs.items[4].name, scratch_path("d/folder.log/x/y.gz"));
    SCAN(NULL, "d/e.txt", "d/.hidden.log", "d/.folder");
    EXPECT("d/.folder/a.log", "d/.hidden.log", "d/e.txt");
    assert_int_equal(inputs.unreadable, 0);
}

static void test_order_and_slashes(void **state)
{
    struct stat found;

    (void)state;
    touch("d/a/z.log");
    touch("d/a-b/z.log");
    touch("d/a.log");
    touch("d/a0/z.log");
    SCAN(NULL, "d///");
    EXPECT("d/a-b/z.log", "d/a.log", "d/a/z.log", "d/a0/z.log");
    assert_int_equal(stat("d/a.log", &found), 0);
    assert_int_equal(inputs.items[1].size, strlen("d/a.log"));
    assert_true(inputs.items[1].mtime_ns ==
                found.st_mtim.tv_sec * 1000000000LL + found.st_mtim.tv_nsec);
    SCAN(NULL, "d/a0", "d/a.log", "./d/a");
    EXPECT("./d/a/z.log", "d/a.log", "d/a0/z.log");
}

static void test_symbolic_links(void **state)
{
    (void)state;
    touch("d/sub/a.log");
    touch("elsewhere/b.log");
    touch("elsewhere/deep/c.log");
    assert_int_equal(symlink("..", "d/sub/loop"), 0);
    assert_int_equal(symlink(".", "d/aa"), 0);
    assert_int_equal(symlink("self", "d/self"), 0);
    assert_int_equal(symlink("nowhere", "d/broken.log"), 0);
    assert_int_equal(symlink("../elsewhere", "d/way"), 0);
    assert_int_equal(symlink("../../elsewhere/deep", "d/sub/way"), 0);
    assert_int_equal(symlink("../elsewhere/b.log", "d/link.log"), 0);
    assert_int_equal(symlink("../elsewhere/b.log", "d/link.txt"), 0);
    SCAN(NULL, "d");
    EXPECT("d/link.log", "d/sub/a.log", "d/sub/way/c.log");
    assert_int_equal(inputs.duplicates, 1);
    assert_int_equal(inputs.unreadable, 2);
}

/* Folders that reach each other in 2^30 ways. */
static void test_many_ways(void **state)
{
    char a[64], b[64], target[64];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(a, sizeof(a), "f%d/a", i);
        snprintf(b, sizeof(b), "f%d/b", i);
        snprintf(target, sizeof(target), "../f%d", i + 1);
        touch(target + 3);
        unlink(target + 3);
        snprintf(target, sizeof(target), "f%d", i);
        mkdir(target, 0700);
        snprintf(target, sizeof(target), "../f%d", i + 1);
        assert_int_equal(symlink(target, a), 0);
        assert_int_equal(symlink(target, b), 0);
    }
    touch("f30/x.log");
    SCAN(NULL, "f0");
    assert_int_equal(inputs.cnt, 1);
    assert_memory_equal(inputs.items[0].path, "f0/a/a/a/", 9);
    SCAN(NULL, ".");
    EXPECT("./f0/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/x.log");
}

static void test_odd_names(void **state)
{
    char long_name[256];

    (void)state;
    touch("d/new\nline.log");
    touch("d/\xff\xfe.log");
    touch("d/ .log");
    touch("d/-.log");
    memset(long_name, 'x', 255);
    strcpy(long_name + 251, ".log");
    assert_int_equal(chdir("d"), 0);
    fclose(fopen(long_name, "w"));
    assert_int_equal(chdir(".."), 0);
    assert_int_equal(symlink("\nnone", "d/\x01.log"), 0);
    SCAN(NULL, "d", "no\nsuch", "");
    assert_int_equal(inputs.cnt, 5);
    assert_string_equal(inputs.items[0].path, "d/ .log");
    assert_string_equal(inputs.items[1].path, "d/-.log");
    assert_string_equal(inputs.items[2].path, "d/new\nline.log");
    assert_string_equal(inputs.items[4].path, "d/\xff\xfe.log");
    assert_int_equal(inputs.unreadable, 3);
}

static void test_path_too_long(void **state)
{
    char name[201];
    int depth = 0;

    (void)state;
    memset(name, 'd', 200);
    name[200] = '\0';
    mkdir("t", 0700);
    assert_int_equal(chdir("t"), 0);
    for (; depth < 30; depth++) {
        assert_int_equal(mkdir(name, 0700), 0);
        assert_int_equal(chdir(name), 0);
        fclose(fopen("x.log", "w"));
    }
    assert_int_equal(chdir(scratch), 0);
    SCAN(NULL, "t");
    assert_true(inputs.cnt >= 18 && inputs.cnt <= 20);
    assert_true(inputs.unreadable >= 1);
    /* nftw cannot remove what is too deep to name. */
    assert_int_equal(system("rm -rf t"), 0);
}

static void test_unsuitable(void **state)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "d/s.log"};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    touch("d/a.log");
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(mkfifo("d/f.log", 0600), 0);
    assert_int_equal(mkfifo("d/other", 0600), 0);
    SCAN(NULL, "d", "d/s.log", "none", "/dev/null", "d/a.log/");
    EXPECT("d/a.log");
    assert_int_equal(inputs.unreadable, 6);
    close(fd);
}

static void test_unreadable_folder(void **state)
{
    (void)state;
    if (geteuid() == 0) { /* reads everything */
        int status;
        pid_t child;

        touch("d/a/x.log");
        touch("d/b/x.log");
        touch("d/b/closed.log");
        chmod(scratch, 0711);
        chmod("d", 0755);
        chmod("d/b", 0755);
        chmod("d/b/x.log", 0644);
        chmod("d/b/closed.log", 0);
        chmod("d/a", 0700);
        child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            if (setgid(65534) != 0 || setuid(65534) != 0)
                _exit(1);
            SCAN(NULL, "d");
            EXPECT("d/b/closed.log", "d/b/x.log"); /* opening the file fails later, by name */
            assert_int_equal(inputs.unreadable, 1);
            fls_inputs_fini(&inputs);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(status, 0);
        return;
    }
    touch("d/a/x.log");
    chmod("d/a", 0);
    SCAN(NULL, "d");
    EXPECT_NONE();
    assert_int_equal(inputs.unreadable, 1);
    chmod("d/a", 0700);
}

/* Duplicates and editions. */

static void test_duplicates(void **state)
{
    (void)state;
    touch("d/2024/" AWS("aa.log.gz"));
    touch("d/again/" AWS("aa.log.zst"));
    touch("d/2025/" AWS("aa.log"));
    touch("d/2024/" AWS("bb.log.gz"));
    touch("d/2024/x.log");
    touch("d/2025/x.log");
    SCAN(NULL, "d", "d/2024/x.log", "d/2024/x.log", "./d/2025/x.log", "d");
    EXPECT("./d/2025/x.log", "d/2024/" AWS("aa.log.gz"), "d/2024/" AWS("bb.log.gz"),
           "d/2024/x.log");
    assert_string_equal(inputs.items[1].name, AWS("aa"));
    assert_int_equal(inputs.duplicates, 3);
}

/* One file under several names counts once, but each name of AWS is an object. */
static void test_hard_links(void **state)
{
    struct fls_ledger *ledger = open_ledger();

    (void)state;
    touch("d/b.log");
    touch("d/other.log");
    touch("d/" AWS("aa.log"));
    assert_int_equal(link("d/b.log", "d/c.log"), 0);
    assert_int_equal(link("d/b.log", "d/a.log"), 0);
    assert_int_equal(link("d/" AWS("aa.log"), "d/0.log"), 0);
    assert_int_equal(link("d/" AWS("aa.log"), "d/" AWS("bb.log")), 0);
    assert_int_equal(link("d/" AWS("aa.log"), "d/z.log"), 0);
    assert_int_equal(link("d/other.log", "elsewhere"), 0); /* seen under one name only */
    SCAN(ledger, "d");
    EXPECT("d/" AWS("aa.log"), "d/" AWS("bb.log"), "d/a.log", "d/other.log");
    assert_int_equal(inputs.duplicates, 4);
    count_all(ledger);
    SCAN(ledger, "d");
    EXPECT_NONE();
    assert_int_equal(inputs.already_counted, 4);
    fls_ledger_close(ledger);
}

static void test_editions(void **state)
{
    struct fls_ledger *ledger = open_ledger();
    const struct timespec times[2] = {{1, 0}, {1, 1}};
    char name[32];

    (void)state;
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "d/%02d.log", i);
        touch(name);
    }
    SCAN(ledger, "d");
    assert_int_equal(inputs.cnt, 30);
    count_all(ledger);
    touch("d/new.log");
    SCAN(ledger, "d");
    EXPECT("d/new.log");
    assert_int_equal(inputs.already_counted, 30);
    assert_int_equal(inputs.changed, 0);
    assert_int_equal(utimensat(AT_FDCWD, "d/03.log", times, 0), 0);
    scratch_write("d/04.log", "longer than it was", 18);
    SCAN(ledger, "d");
    EXPECT("d/new.log");
    assert_int_equal(inputs.already_counted, 30);
    assert_int_equal(inputs.changed, 2);
    /* Many: the warnings are limited, the figure is not. */
    for (int i = 0; i < 30; i++) {
        snprintf(name, sizeof(name), "d/%02d.log", i);
        assert_int_equal(utimensat(AT_FDCWD, name, times, 0), 0);
    }
    SCAN(ledger, "d");
    assert_int_equal(inputs.changed, 30);
    SCAN(NULL, "d");
    assert_int_equal(inputs.cnt, 31);
    fls_ledger_close(ledger);
}

/* Standard input and FIFOs. */

static void set_stdin(const void *bytes, size_t sz)
{
    int fd;

    scratch_write("in", bytes, sz);
    fd = open("in", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    close(fd);
}

static void test_standard_input(void **state)
{
    static uint8_t large[3 << 20], back[sizeof(large) + 1];
    struct fls_ledger *ledger = open_ledger();
    uint64_t seed = 5;
    char path[256];

    (void)state;
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (uint8_t)scratch_random(&seed);
    set_stdin(large, sizeof(large));
    SCAN(ledger, "-", "-");
    assert_int_equal(inputs.cnt, 1);
    assert_int_equal(inputs.bytes, sizeof(large));
    assert_int_equal(strlen(inputs.items[0].name), 6 + 32);
    snprintf(path, sizeof(path), "spool/%s.log", inputs.items[0].name + 6);
    assert_memory_equal(inputs.items[0].name, "stdin:", 6);
    assert_string_equal(inputs.items[0].path, path);
    assert_int_equal(scratch_read(path, back, sizeof(back)), sizeof(large));
    assert_memory_equal(back, large, sizeof(large));
    /* The same again, before it is counted: one object still. */
    set_stdin(large, sizeof(large));
    SCAN(ledger, "-");
    EXPECT(path);
    count_all(ledger);
    /* The same again, counted: nothing to do, and nothing left. */
    set_stdin(large, sizeof(large));
    SCAN(ledger, "-");
    EXPECT_NONE();
    assert_int_equal(inputs.already_counted, 1);
    assert_int_equal(inputs.changed, 0);
    assert_false(scratch_has(path));
    assert_false(scratch_has("spool/incoming.tmp"));
    fls_ledger_close(ledger);
}

static void test_spool_is_swept(void **state)
{
    struct fls_ledger *ledger = open_ledger();
    char first[256];

    (void)state;
    set_stdin("one", 3);
    SCAN(ledger, "-");
    strcpy(first, inputs.items[0].path);
    count_all(ledger);
    set_stdin("two", 3);
    SCAN(ledger, "-");
    assert_int_equal(inputs.cnt, 1);
    assert_false(scratch_has(first));
    touch("d/a.log");
    strcpy(first, inputs.items[0].path); /* not counted: stays */
    SCAN(ledger, "d");
    assert_true(scratch_has(first));
    fls_ledger_close(ledger);
}

static void *write_fifo(void *path)
{
    FILE *file = fopen(path, "w");

    for (int i = 0; i < 100000; i++)
        fprintf(file, "%d\n", i);
    fclose(file);
    return NULL;
}

static void test_fifo(void **state)
{
    char paths[][16] = {"fifo", "fifo.log"};
    char name[FLS_PATH_MAX];

    (void)state;
    for (int i = 0; i < 2; i++) {
        pthread_t writer;

        assert_int_equal(mkfifo(paths[i], 0600), 0);
        assert_int_equal(pthread_create(&writer, NULL, write_fifo, paths[i]), 0);
        SCAN(NULL, paths[i]);
        pthread_join(writer, NULL);
        assert_int_equal(inputs.cnt, 1);
        assert_int_equal(inputs.bytes, 588890);
        if (i == 1)
            assert_string_equal(inputs.items[0].name, name); /* by content */
        strcpy(name, inputs.items[0].name);
    }
}

static void test_spool_fails(void **state)
{
    static uint8_t large[1 << 20];
    int status;
    pid_t child;

    (void)state;
    touch("d/a.log");
    set_stdin(large, sizeof(large));
    scratch_write("spool", "", 0); /* a file where the folder should be */
    SCAN(NULL, "-", "d");
    EXPECT("d/a.log");
    assert_int_equal(inputs.unreadable, 1);
    unlink("spool");
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        scratch_limit_files(1 << 16);
        SCAN(NULL, "-", "d");
        EXPECT("d/a.log");
        assert_int_equal(inputs.unreadable, 1);
        fls_inputs_fini(&inputs);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_false(scratch_has("spool/incoming.tmp"));
}

static void test_spool_on_full_disk(void **state)
{
    static uint8_t large[1 << 20];
    char input[] = "-", *paths[] = {input};

    (void)state;
    scratch_mount("size=256k");
    set_stdin(large, sizeof(large));
    assert_int_equal(scan_for(&inputs, paths, 1, NULL, "full/spool", -1), 0);
    EXPECT_NONE();
    assert_int_equal(inputs.unreadable, 1);
    assert_false(scratch_has("full/spool/incoming.tmp"));
    assert_int_equal(umount("full"), 0);
}

/* Under another path than the spool has itself. */
static void test_spool_inside_a_folder(void **state)
{
    (void)state;
    touch("a.log");
    set_stdin("input", 5);
    SCAN(NULL, "-", "./");
    assert_int_equal(inputs.cnt, 2);
    assert_int_equal(inputs.bytes, 5 + strlen("a.log"));
}

/* Standard input and FIFOs that bring nothing do not hold up the end that is asked for. */
static void test_stops(void **state)
{
    char fifo[] = "p", input[] = "-", folder[] = "d", *paths[] = {fifo, input, folder};
    int silent[2], stop[2];

    (void)state;
    touch("d/a.log");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(pipe(silent), 0);
    assert_int_equal(pipe(stop), 0);
    assert_int_equal(dup2(silent[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(write(stop[1], "", 1), 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(scan_for(&inputs, paths + i, 1, NULL, "spool", stop[0]), -EINTR);
        fls_inputs_fini(&inputs);
        assert_false(scratch_has("spool/incoming.tmp"));
    }
    for (int i = 0; i < 2; i++) {
        close(silent[i]);
        close(stop[i]);
    }
}

static void test_stdin_unreadable(void **state)
{
    int fd = open(".", O_RDONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(dup2(fd, STDIN_FILENO), STDIN_FILENO);
    SCAN(NULL, "-");
    EXPECT_NONE();
    assert_int_equal(inputs.unreadable, 1);
    close(fd);
}

/* A random tree of folders, links and files: what is found is every file that can be reached, each
 * once, whatever the order of the paths. */
static void test_random_trees(void **state)
{
    uint64_t seed = 99;

    (void)state;
    for (int round = 0; round < 20; round++) {
        static struct fls_inputs first;
        char folders[12][64], path[128], link[128];
        char *paths[12];
        int files = 0;

        for (int i = 0; i < 12; i++) {
            snprintf(folders[i], sizeof(folders[i]), "r%d/%c%d", round,
                     (char)('a' + scratch_random(&seed) % 26), i);
            paths[i] = folders[i];
            for (uint64_t j = scratch_random(&seed) % 4; j > 0; j--) {
                snprintf(path, sizeof(path), "%s/%d.log", folders[i], (int)j);
                touch(path);
                files++;
            }
            snprintf(path, sizeof(path), "%s/keep", folders[i]);
            touch(path);
        }
        for (int i = 0; i < 30; i++) {
            snprintf(path, sizeof(path), "%s/l%d", folders[scratch_random(&seed) % 12], i);
            snprintf(link, sizeof(link), "../../%s", folders[scratch_random(&seed) % 12]);
            symlink(link, path);
        }
        assert_int_equal(scan_for(&first, paths, 12, NULL, NULL, -1), 0);
        assert_int_equal(first.cnt, files);
        assert_int_equal(first.unreadable + first.duplicates, 0);
        for (int i = 0; i < 6; i++) { /* in the other order */
            char *swap = paths[i];

            paths[i] = paths[11 - i];
            paths[11 - i] = swap;
        }
        assert_int_equal(scan_for(&inputs, paths, 12, NULL, NULL, -1), 0);
        assert_int_equal(inputs.cnt, files);
        for (int i = 0; i < files; i++) {
            assert_string_equal(first.items[i].path, inputs.items[i].path);
            assert_string_equal(first.items[i].name, inputs.items[i].name);
            assert_true(i == 0 || strcmp(first.items[i - 1].path, first.items[i].path) < 0);
        }
        fls_inputs_fini(&first);
        fls_inputs_fini(&inputs);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_aws_names),
        TEST(test_link_names),
        TEST(test_what_is_an_object),
        TEST(test_order_and_slashes),
        TEST(test_symbolic_links),
        TEST(test_many_ways),
        TEST(test_odd_names),
        TEST(test_path_too_long),
        TEST(test_unsuitable),
        TEST(test_unreadable_folder),
        TEST(test_duplicates),
        TEST(test_hard_links),
        TEST(test_editions),
        TEST(test_standard_input),
        TEST(test_spool_is_swept),
        TEST(test_fifo),
        TEST(test_spool_fails),
        TEST(test_spool_on_full_disk),
        TEST(test_stdin_unreadable),
        TEST(test_stops),
        TEST(test_spool_inside_a_folder),
        TEST(test_random_trees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The line of progress at every width, its JSON, when it is drawn, and the summary: golden texts.
 */
#include "supervise/progress.h"

#include "base/clock.h"
#include "supervise/figures.h"
#include "supervise/summary.h"

#include <fcntl.h>
#include <jansson.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct fls_progress_figures half = {.now = {.objects = 1234,
                                                         .objects_all = 2500,
                                                         .bytes = 92345678,
                                                         .bytes_all = 184691356,
                                                         .bytes_out = 1100000000,
                                                         .lines = 9000000,
                                                         .epoch = 3},
                                                 .lines_per_s = 4512345,
                                                 .bytes_per_s = 52345678,
                                                 .bytes_out_per_s = 410987654,
                                                 .left_s = 125};

static void assert_line(uint32_t width, const struct fls_progress_figures *figures,
                        const char *expected)
{
    char line[FLS_PROGRESS_LINE_MAX];

    assert_int_equal(fls_progress_line(line, width, figures), strlen(expected));
    assert_string_equal(line, expected);
}

static void test_line_leaves_out_what_matters_least(void **state)
{
    (void)state;
    assert_line(200, &half,
                "1,234/2,500 objects  50.0%  4.5 M lines/s  52.3 MB/s in  410.9 MB/s out  2:05 left"
                "  epoch 3");
    assert_line(
        83, &half,
        "1,234/2,500 objects  50.0%  4.5 M lines/s  52.3 MB/s in  410.9 MB/s out  2:05 left");
    assert_line(82, &half, "1,234/2,500 objects  50.0%  4.5 M lines/s  52.3 MB/s in  2:05 left");
    assert_line(60, &half, "1,234/2,500 objects  50.0%  52.3 MB/s in  2:05 left");
    assert_line(50, &half, "1,234/2,500 objects  50.0%  2:05 left");
    assert_line(30, &half, "1,234/2,500 objects  50.0%");
    assert_line(25, &half, "1,234/2,500 objects");
    assert_line(10, &half, "1,234/2,5");
    assert_line(1, &half, "");
    assert_line(0, &half, "");
}

static void test_line_never_wraps(void **state)
{
    struct fls_progress_figures huge = {
        .now = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
        .lines_per_s = UINT64_MAX,
        .bytes_per_s = UINT64_MAX,
        .bytes_out_per_s = UINT64_MAX,
        .left_s = UINT64_MAX - 1};
    const struct fls_progress_figures *figures[] = {&half, &huge};
    char line[FLS_PROGRESS_LINE_MAX];

    (void)state;
    for (uint32_t width = 0; width < 400; width++) {
        for (int i = 0; i < 2; i++) {
            size_t sz = fls_progress_line(line, width, figures[i]);

            assert_int_equal(sz, strlen(line));
            assert_true(sz == 0 || sz < width);
        }
    }
}

static void test_line_of_little(void **state)
{
    struct fls_progress_figures none = {.left_s = FLS_PROGRESS_LEFT_UNKNOWN};
    struct fls_progress_figures nearly = half;

    (void)state;
    assert_line(80, &none, "0/0 objects  0 lines/s  0 B/s in  0 B/s out");
    nearly.now.bytes = nearly.now.bytes_all - 1;
    nearly.left_s = 0;
    assert_line(50, &nearly, "1,234/2,500 objects  99.9%  0:00 left");
    nearly.now.bytes = nearly.now.bytes_all + 5; /* an object grew */
    nearly.left_s = 3 * 3600 + 62;
    assert_line(50, &nearly, "1,234/2,500 objects  100.0%  3:01:02 left");
}

static void test_json(void **state)
{
    struct fls_progress_figures figures = half;
    char line[1024];
    json_t *root;
    size_t sz;

    (void)state;
    sz = fls_progress_json(line, sizeof(line), &figures, 12345678901ULL, false);
    assert_int_equal(sz, strlen(line));
    assert_string_equal(
        line, "{\"elapsed_s\":12.345,\"objects\":1234,\"objects_all\":2500,\"bytes_read\":92345678,"
              "\"bytes_read_all\":184691356,\"bytes\":1100000000,\"lines\":9000000,"
              "\"lines_per_s\":4512345,\"bytes_read_per_s\":52345678,\"bytes_per_s\":410987654,"
              "\"left_s\":125,\"epoch\":3,\"end\":false}\n");
    figures.left_s = FLS_PROGRESS_LEFT_UNKNOWN;
    fls_progress_json(line, sizeof(line), &figures, 0, true);
    root = json_loads(line, 0, NULL);
    assert_non_null(root);
    assert_true(json_is_null(json_object_get(root, "left_s")));
    assert_true(json_is_true(json_object_get(root, "end")));
    json_decref(root);
}

/* ---- what comes out of the descriptor ---- */

static void assert_output(int fd, const char *expected)
{
    char text[4096];
    ssize_t sz = read(fd, text, sizeof(text) - 1);

    text[sz > 0 ? sz : 0] = '\0';
    assert_string_equal(text, expected);
}

static void test_auto_is_silent_without_a_terminal(void **state)
{
    struct fls_progress_display display;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    setenv("TERM", "xterm", 1);
    fls_progress_init(&display, FLS_PROGRESS_AUTO, ends[1]);
    display.shown_ns = 0;
    fls_progress_show(&display, &half.now);
    fls_progress_clear(&display);
    fls_progress_end(&display, &half.now);
    assert_output(ends[0], "");
    close(ends[0]);
    close(ends[1]);
}

static void test_line_on_a_terminal(void **state)
{
    struct winsize size = {.ws_row = 24, .ws_col = 30};
    struct fls_progress_display display;
    int screen, terminal;

    (void)state;
    assert_int_equal(openpty(&screen, &terminal, NULL, NULL, &size), 0);
    assert_int_equal(fcntl(screen, F_SETFL, O_NONBLOCK), 0);
    setenv("TERM", "xterm", 1);
    fls_progress_init(&display, FLS_PROGRESS_AUTO, terminal);
    fls_progress_show(&display, &half.now); /* too early */
    fls_progress_clear(&display);           /* nothing there */
    assert_output(screen, "");
    display.shown_ns = 0;
    fls_progress_show(&display, &half.now);
    assert_output(screen, "\r\033[K1,234/2,500 objects  50.0%");
    fls_progress_clear(&display);
    fls_progress_clear(&display);
    assert_output(screen, "\r\033[K");
    fls_progress_show(&display, &half.now); /* at once again */
    assert_output(screen, "\r\033[K1,234/2,500 objects  50.0%");
    fls_progress_end(&display, &half.now);
    assert_output(screen, "\r\033[K1,234/2,500 objects  50.0%\r\n");
    fls_progress_show(&display, &half.now);
    fls_progress_clear(&display);
    assert_output(screen, "");
    setenv("TERM", "dumb", 1);
    fls_progress_init(&display, FLS_PROGRESS_AUTO, terminal);
    fls_progress_end(&display, &half.now);
    assert_output(screen, "");
    close(screen);
    close(terminal);
}

static void test_json_out(void **state)
{
    struct fls_progress_display display;
    int ends[2];
    char text[4096];
    ssize_t sz;

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    fls_progress_init(&display, FLS_PROGRESS_JSON, ends[1]);
    fls_progress_show(&display, &half.now); /* too early */
    display.shown_ns = 0;
    fls_progress_show(&display, &half.now);
    fls_progress_show(&display, &half.now); /* again too early */
    fls_progress_clear(&display);           /* nothing to clear */
    fls_progress_end(&display, &half.now);
    sz = read(ends[0], text, sizeof(text) - 1);
    assert_true(sz > 0);
    text[sz] = '\0';
    assert_non_null(strstr(text, "\"end\":false}\n{\"elapsed_s\":"));
    assert_string_equal(strstr(text, "\"end\":true"), "\"end\":true}\n");
    close(ends[0]);
    close(ends[1]);
}

/* Speed is that of the last seconds, and the window stays bounded. */
static void test_speed_is_of_the_last_seconds(void **state)
{
    struct fls_progress_display display;
    struct fls_progress_now now = {.bytes_all = 1000000000000ULL};
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    fls_progress_init(&display, FLS_PROGRESS_JSON, ends[1]);
    for (int i = 0; i < 100; i++) {
        char text[1024];
        json_t *root;
        ssize_t sz;
        int64_t rate;

        /* a second goes by: everything that is remembered becomes older */
        display.begin_ns -= FLS_NS_PER_S;
        display.shown_ns -= FLS_NS_PER_S;
        for (uint32_t j = 0; j < FLS_PROGRESS_SAMPLES_MAX; j++)
            display.samples[j].ns -= FLS_NS_PER_S;
        now.bytes += i < 50 ? 1000000 : 3000000;
        now.lines += 1000;
        fls_progress_show(&display, &now);
        sz = read(ends[0], text, sizeof(text) - 1);
        assert_true(sz > 0);
        text[sz] = '\0';
        root = json_loads(text, 0, NULL);
        assert_non_null(root);
        rate = json_integer_value(json_object_get(root, "bytes_read_per_s"));
        if (i < 50)
            assert_in_range(rate, 950000, 1000000);
        else if (i > 56)
            assert_in_range(rate, 2850000, 3000000);
        assert_true(display.sample_cnt <= 7);
        json_decref(root);
    }
    close(ends[0]);
    close(ends[1]);
}

/* ---- figures ---- */

static void test_figures(void **state)
{
    char out[FLS_FIGURE_MAX];

    (void)state;
    fls_figure_unit(0, "B/s", out);
    assert_string_equal(out, "0 B/s");
    fls_figure_unit(9999, "B/s", out);
    assert_string_equal(out, "9,999 B/s");
    fls_figure_unit(12345678, "B/s", out);
    assert_string_equal(out, "12.3 MB/s");
    fls_figure_unit(UINT64_MAX, "sixteen letters!", out);
    assert_string_equal(out, "18.4 E sixteen letters!");
    fls_figure_time(0, out);
    assert_string_equal(out, "0.00 s");
    fls_figure_time(2345678901ULL, out);
    assert_string_equal(out, "2.34 s");
    fls_figure_time(12345678901ULL, out);
    assert_string_equal(out, "12.3 s");
    fls_figure_time(125 * FLS_NS_PER_S, out);
    assert_string_equal(out, "2:05");
    fls_figure_time(UINT64_MAX, out);
    assert_string_equal(out, "5124095:34:33");
    assert_int_equal(fls_figure_rate(1000, FLS_NS_PER_S / 2), 2000);
    assert_int_equal(fls_figure_rate(1000, 0), 0);
    assert_int_equal(fls_figure_rate(UINT64_MAX, 1), 1000000000000000000LL);
}

/* ---- the summary ---- */

static void assert_summary(const struct fls_summary *summary, const char *expected)
{
    char *text = NULL;
    size_t sz;
    FILE *out = open_memstream(&text, &sz);

    assert_non_null(out);
    fls_summary_print(out, summary);
    assert_int_equal(fclose(out), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void test_summary_of_a_good_run(void **state)
{
    const struct fls_summary summary = {.counted = 340,
                                        .counts = {.bytes_read = 184212345,
                                                   .bytes = 1102345678,
                                                   .lines = 10000463,
                                                   .headers = 340,
                                                   .records = 10000000,
                                                   .nodata = 120,
                                                   .skipdata = 3},
                                        .count_ns = 2010000000ULL,
                                        .commit_ns = 350000000ULL,
                                        .publish_ns = 200000000ULL,
                                        .command_ns = 2800000000ULL,
                                        .epochs = 1,
                                        .epoch = 7,
                                        .is_published = true,
                                        .peak_bytes = 512000000,
                                        .process_cnt = 5,
                                        .memory_limit = 2000000000,
                                        .spilled_rows = 1234567,
                                        .state_folder = "/home/me/.local/state/flowlog-stats",
                                        .is_default_state = true};

    (void)state;
    assert_summary(
        &summary,
        "340 objects counted\n"
        "10,000,463 lines = 10,000,000 records + 340 headers + 120 NODATA + 3 SKIPDATA\n"
        "184.2 MB read, 1.1 GB decompressed\n"
        "  first byte read to last record counted  2.01 s: 4.9 M records/s, 91.6 MB/s in, 548.4 "
        "MB/s out\n"
        "  commits, and publishing to Redis        0.35 s and 0.20 s, 1 epoch\n"
        "  the whole command                       2.80 s; 512.0 MB of memory at most, in 5 "
        "processes (limit 2.0 GB)\n"
        "  written before their epoch's end        1.2 M rows, for lack of memory\n"
        "epoch 7 is committed in /home/me/.local/state/flowlog-stats\n"
        "to see it: flowlog-stats report\n");
}

static void test_summary_tells_all_troubles(void **state)
{
    char cut[] = "/logs/a.gz: cut off", damaged[] = "/logs/b\n\033[31m.gz: damaged";
    char *failures[] = {cut, damaged};
    const struct fls_summary summary = {
        .counted = 1,
        .failed = 2,
        .left = 4,
        .already_counted = 12,
        .duplicates = 3,
        .changed = 1,
        .unreadable = 1,
        .trailing = 1,
        .failures = failures,
        .failure_cnt = 2,
        .counts = {.bytes_read = 900,
                   .bytes = 9000,
                   .lines = 13,
                   .records = 10,
                   .malformed = {[FLS_REASON_TOO_LONG] = 1, [FLS_REASON_OUT_OF_RANGE] = 2}},
        .command_ns = 3723 * FLS_NS_PER_S,
        .epochs = 2,
        .epoch = 2,
        .has_stopped = true,
        .state_folder = "/tmp/my state's"};

    (void)state;
    assert_summary(
        &summary,
        "stopped early: 1 object counted, 2 failed, 4 left for the next run, 12 counted already by "
        "earlier runs, 3 found twice under another path, 1 changed since counted (not counted "
        "again), 1 could not be read\n"
        "13 lines = 10 records + 3 malformed (1 too_long, 2 out_of_range)\n"
        "900 B read, 9,000 B decompressed\n"
        "  commits, and publishing to Redis        0.00 s and 0.00 s, 2 epochs\n"
        "  the whole command                       1:02:03\n"
        "warning: 1 object with other bytes behind the compressed data; what stands before them "
        "counts\n"
        "warning: Redis does not show epoch 2 yet; it is safe in the state, and the next run "
        "publishes it\n"
        "failed: /logs/a.gz: cut off\n"
        "failed: /logs/b\\x0a\\x1b[31m.gz: damaged\n"
        "epoch 2 is committed in /tmp/my state's\n"
        "to see it: flowlog-stats report --state '/tmp/my state'\\''s'\n");
}

static void test_summary_names_twenty_failures(void **state)
{
    char *failures[FLS_SUMMARY_FAILED_MAX], failure[] = "x.gz: damaged", expected[4096];
    const struct fls_summary summary = {.failed = 1021,
                                        .failures = failures,
                                        .failure_cnt = FLS_SUMMARY_FAILED_MAX,
                                        .state_folder = "/s"};
    size_t at;

    (void)state;
    at = (size_t)snprintf(expected, sizeof(expected),
                          "0 objects counted, 1,021 failed\n"
                          "  the whole command                       0.00 s\n");
    for (uint32_t i = 0; i < FLS_SUMMARY_FAILED_MAX; i++) {
        failures[i] = failure;
        at += (size_t)snprintf(expected + at, sizeof(expected) - at, "failed: x.gz: damaged\n");
    }
    snprintf(expected + at, sizeof(expected) - at,
             "failed: and 1,001 more: flowlog-stats report --state /s names all\n"
             "nothing is committed yet in /s\n");
    assert_summary(&summary, expected);
}

static void test_summary_of_nothing(void **state)
{
    const struct fls_summary summary = {.already_counted = 1200,
                                        .epoch = 3,
                                        .is_published = true,
                                        .command_ns = 40000000,
                                        .state_folder = "/s"};

    (void)state;
    assert_summary(&summary, "0 objects counted, 1,200 counted already by earlier runs\n"
                             "  the whole command                       0.04 s\n"
                             "epoch 3 is committed in /s\n"
                             "to see it: flowlog-stats report --state /s\n");
}

/* The command that is told finds what was published, wherever that is. */
static void test_summary_of_a_given_redis(void **state)
{
    struct fls_summary summary = {.epoch = 3,
                                  .is_published = true,
                                  .state_folder = "/s",
                                  .redis = "redis://host:6379/0",
                                  .name = "B"};

    (void)state;
    assert_summary(&summary,
                   "0 objects counted\n"
                   "  the whole command                       0.00 s\n"
                   "epoch 3 is committed in /s\n"
                   "to see it: flowlog-stats report --redis redis://host:6379/0 --name B\n");
    summary.redis = NULL;
    assert_summary(&summary, "0 objects counted\n"
                             "  the whole command                       0.00 s\n"
                             "epoch 3 is committed in /s\n"
                             "to see it: flowlog-stats report --state /s --name B\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_leaves_out_what_matters_least),
        cmocka_unit_test(test_line_never_wraps),
        cmocka_unit_test(test_line_of_little),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_auto_is_silent_without_a_terminal),
        cmocka_unit_test(test_line_on_a_terminal),
        cmocka_unit_test(test_json_out),
        cmocka_unit_test(test_speed_is_of_the_last_seconds),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_summary_of_a_good_run),
        cmocka_unit_test(test_summary_tells_all_troubles),
        cmocka_unit_test(test_summary_names_twenty_failures),
        cmocka_unit_test(test_summary_of_nothing),
        cmocka_unit_test(test_summary_of_a_given_redis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

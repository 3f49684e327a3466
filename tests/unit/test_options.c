/* The command line: what is taken, and how mistakes are answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/calendar.h"
#include "base/counters.h"
#include "base/nearest.h"
#include "supervise/memory.h"
#include "supervise/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32
#define SAID_MAX 16384

/* A command line in memory that may be written to, and what reading it said. */
struct line {
    int argc;
    char *argv[ARGUMENTS_MAX];
    int status;
    struct fls_options options;
    char said[SAID_MAX]; /* on stdout and stderr */
};

/* Runs the parser with both outputs in a file. */
static void parse_captured(struct line *line)
{
    FILE *file = tmpfile();
    int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO);
    size_t sz;

    assert_non_null(file);
    fflush(NULL);
    dup2(fileno(file), STDOUT_FILENO);
    dup2(fileno(file), STDERR_FILENO);
    line->status = fls_options_parse(&line->options, line->argc, line->argv);
    fflush(NULL);
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    close(out);
    close(err);
    rewind(file);
    sz = fread(line->said, 1, SAID_MAX - 1, file);
    line->said[sz] = '\0';
    fclose(file);
}

/* `text` is the words after the program's name, with one blank between them. */
static void line_read(struct line *line, const char *text)
{
    char *copy = strdup(text);

    memset(line, 0, sizeof(*line));
    line->argv[line->argc++] = strdup("flowlog-stats");
    for (char *word = copy, *end; *word; word = end) {
        assert_true(line->argc < ARGUMENTS_MAX - 1);
        end = word + strcspn(word, " ");
        line->argv[line->argc++] = strndup(word, (size_t)(end - word));
        end += *end == ' ';
    }
    free(copy);
    parse_captured(line);
}

static void line_free(struct line *line)
{
    fls_options_fini(&line->options);
    for (int i = 0; i < line->argc; i++)
        free(line->argv[i]);
}

static void expect_status(const char *text, int status, const char *part)
{
    struct line line;

    line_read(&line, text);
    if (line.status != status || !strstr(line.said, part))
        fail_msg("%s: status %d, said: %s", text, line.status, line.said);
    line_free(&line);
}

static void expect_wrong(const char *text, const char *part)
{
    expect_status(text, -1, part);
}

static void expect_right(struct line *line, const char *text)
{
    line_read(line, text);
    if (line->status != 0 || *line->said)
        fail_msg("%s: status %d, said: %s", text, line->status, line->said);
}

static void run_has_its_defaults(void **state)
{
    struct line line;

    (void)state;
    setenv("XDG_STATE_HOME", "/tmp/xdg", 1);
    expect_right(&line, "run logs");
    assert_int_equal(line.options.command, FLS_COMMAND_RUN);
    assert_string_equal(line.options.state, "/tmp/xdg/flowlog-stats");
    assert_null(line.options.redis);
    assert_string_equal(line.options.name, "default");
    assert_in_range(line.options.ingest_cnt, 1, FLS_INGEST_MAX);
    assert_in_range(line.options.aggregate_cnt, 1, FLS_AGGREGATE_MAX);
    assert_true(line.options.memory == fls_memory_available() / 2 ||
                line.options.memory ==
                    fls_memory_minimum(line.options.ingest_cnt, line.options.aggregate_cnt));
    assert_int_equal(line.options.top_k, 100);
    assert_int_equal(line.options.keep_days, 35);
    assert_true(line.options.headerless.usual == FLS_USUAL_V2);
    assert_int_equal(line.options.io, FLS_IO_AUTO);
    assert_int_equal(line.options.inflate, FLS_INFLATE_ISAL);
    assert_int_equal(line.options.interval_s, 5);
    assert_int_equal(line.options.progress, FLS_PROGRESS_AUTO);
    assert_int_equal(line.options.path_cnt, 1);
    assert_string_equal(line.options.paths[0], "logs");
    line_free(&line);
}

static void run_takes_its_options_in_any_order(void **state)
{
    struct line line;

    (void)state;
    expect_right(&line,
                 "run a --state s --redis unix:///tmp/r --name my_own.1-x --ingest 64 "
                 "--aggregate=3 - --top 100000 --keep 4000 --log-format srcaddr,dstaddr,bytes "
                 "--io pread --inflate zlib --interval 00060 --progress json -- --top b");
    assert_string_equal(line.options.state, "s");
    assert_string_equal(line.options.redis, "unix:///tmp/r");
    assert_string_equal(line.options.name, "my_own.1-x");
    assert_int_equal(line.options.ingest_cnt, 64);
    assert_int_equal(line.options.aggregate_cnt, 3);
    assert_int_equal(line.options.top_k, 100000);
    assert_int_equal(line.options.keep_days, 4000);
    assert_int_equal(line.options.headerless.cnt, 3);
    assert_int_equal(line.options.io, FLS_IO_PREAD);
    assert_int_equal(line.options.inflate, FLS_INFLATE_ZLIB);
    assert_int_equal(line.options.interval_s, 60);
    assert_int_equal(line.options.progress, FLS_PROGRESS_JSON);
    assert_int_equal(line.options.path_cnt, 4);
    assert_string_equal(line.options.paths[0], "a");
    assert_string_equal(line.options.paths[1], "-");
    assert_string_equal(line.options.paths[2], "--top");
    assert_string_equal(line.options.paths[3], "b");
    line_free(&line);
}

static void report_and_its_days(void **state)
{
    struct line line;

    (void)state;
    expect_right(&line, "report --state s");
    assert_false(line.options.day_given);
    assert_null(line.options.account);
    assert_int_equal(line.options.table, -1);
    assert_int_equal(line.options.order, FLS_BYTES);
    assert_int_equal(line.options.top_n, 10);
    assert_int_equal(line.options.format, FLS_FORMAT_TEXT);
    line_free(&line);
    expect_right(&line, "report --redis redis://h --account 012 --table conversation --order "
                        "rejected --top 0 --format csv --day 2026-01-01..2026-01-31");
    assert_null(line.options.state);
    assert_string_equal(line.options.account, "012");
    assert_int_equal(line.options.table, FLS_TABLE_CONVERSATION);
    assert_int_equal(line.options.order, FLS_REJECTED);
    assert_int_equal(line.options.top_n, 0);
    assert_int_equal(line.options.format, FLS_FORMAT_CSV);
    assert_true(line.options.day_given);
    assert_int_equal(line.options.day_first, 20454);
    assert_int_equal(line.options.day_last, 20484);
    line_free(&line);
    expect_right(&line, "report --day unknown");
    assert_int_equal(line.options.day_first, FLS_DAY_UNKNOWN);
    assert_int_equal(line.options.day_last, FLS_DAY_UNKNOWN);
    line_free(&line);
    expect_right(&line, "report --day 2024-02-29 --day 2026-01-02"); /* the last one counts */
    assert_int_equal(line.options.day_first, 20455);
    assert_int_equal(line.options.day_last, 20455);
    line_free(&line);
}

static void wrong_days_are_refused(void **state)
{
    static const char *const days[] = {"yesterday",
                                       "2023-02-30",
                                       "2023-11-15..",
                                       "..2023-11-15",
                                       "2023-1-5",
                                       "2023-11-15..unknown",
                                       "unknown..unknown",
                                       "2023-11-15...2023-11-16",
                                       "2023-11-15,2023-11-16",
                                       ""};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(days) / sizeof(days[0]); i++) {
        snprintf(text, sizeof(text), "report --day=%s", days[i]);
        expect_wrong(text, "give YYYY-MM-DD, YYYY-MM-DD..YYYY-MM-DD or unknown");
    }
    expect_wrong("report --day 2023-11-16..2023-11-15", "ends before it begins");
}

static void generate_and_demo(void **state)
{
    struct line line;

    (void)state;
    expect_right(&line, "generate --out o");
    assert_string_equal(line.options.out, "o");
    assert_int_equal(line.options.seed, 1);
    assert_int_equal(line.options.accounts, 10);
    assert_int_equal(line.options.objects, 200);
    assert_int_equal(line.options.records, 10000);
    assert_string_equal(line.options.fields, "v2");
    line_free(&line);
    expect_right(&line, "generate --out o --seed 18446744073709551615 --records 100000000 --fields "
                        "srcaddr,bytes --compress none --layout hive --days 7 --ipv6 0");
    assert_true(line.options.seed == UINT64_MAX);
    assert_int_equal(line.options.records, 100000000);
    assert_string_equal(line.options.fields, "srcaddr,bytes");
    assert_int_equal(line.options.compress, FLS_COMPRESS_NONE);
    assert_int_equal(line.options.folders, FLS_FOLDERS_HIVE);
    assert_int_equal(line.options.days, 7);
    assert_int_equal(line.options.ipv6_percent, 0);
    line_free(&line);
    expect_right(&line, "demo");
    assert_int_equal(line.options.command, FLS_COMMAND_DEMO);
    assert_int_equal(line.options.accounts, 10); /* defaults stand for every command */
    line_free(&line);
}

static void numbers_are_plain_and_in_range(void **state)
{
    static const char *const wrong[] = {"0",
                                        "65",
                                        "-1",
                                        "+1",
                                        "1.5",
                                        "x",
                                        "1x",
                                        "0x1",
                                        "1e1",
                                        "99999999999999999999",
                                        "18446744073709551617"};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "run x --ingest %s", wrong[i]);
        expect_wrong(text, "is not a whole number from 1 to 64");
        expect_wrong(text, "--ingest");
    }
    expect_wrong("run x --ingest=", "is not a whole number");
    expect_wrong("run x --ingest", "needs its N");
}

static void memory_is_a_size_that_suffices(void **state)
{
    static const char *const wrong[] = {"",
                                        "M",
                                        "-1",
                                        "1.5G",

                                        "2GB",
                                        "2g",
                                        "0x1G",
                                        "1G1G",
                                        "+1G",
                                        "1e9",
                                        "infinity",
                                        "99999999T",
                                        "18446744073709551616",
                                        "18446744073709551615K"};
    uint64_t least = fls_memory_minimum(3, 2);
    struct line line;
    char text[256], expected[64];

    (void)state;
    expect_right(&line, "run a --memory 2G");
    assert_int_equal(line.options.memory, 2ULL << 30);
    line_free(&line);
    expect_right(&line, "run a --memory=1048576K");
    assert_int_equal(line.options.memory, 1ULL << 30);
    line_free(&line);
    expect_right(&line, "run a --memory 3T");
    assert_int_equal(line.options.memory, 3ULL << 40);
    line_free(&line);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(text, sizeof(text), "run a --memory=%s", wrong[i]);
        expect_wrong(text, "is no size; give bytes, or a number with K, M, G or T");
    }
    /* what is enough follows from the processes, wherever they stand on the line */
    snprintf(text, sizeof(text), "run a --memory %llu --aggregate 2 --ingest 3",
             (unsigned long long)least);
    expect_right(&line, text);
    assert_int_equal(line.options.memory, least);
    line_free(&line);
    snprintf(text, sizeof(text), "run a --memory %llu --aggregate 2 --ingest 3",
             (unsigned long long)least - 1);
    snprintf(expected, sizeof(expected), "%lluM is the least for --ingest 3 --aggregate 2",
             (unsigned long long)fls_memory_in_mib(least));
    expect_wrong(text, expected);
    expect_wrong("run a --memory 0", "is the least for");
    /* many processes are given what they need */
    expect_right(&line, "run a --ingest 64 --aggregate 64");
    assert_true(line.options.memory >= fls_memory_minimum(64, 64));
    line_free(&line);
}

static void mistakes_are_answered_with_what_is_possible(void **state)
{
    (void)state;
    expect_wrong("", "run, quarantine, report, status, generate or demo");
    expect_wrong("rnu x",
                 "did you mean 'run'? Possible: run, quarantine, report, status, generate, demo");
    expect_wrong("help", "did you mean '--help'?");
    expect_wrong("run", "PATH");
    expect_wrong("run --agregate 2 x", "did you mean '--aggregate'?");
    expect_wrong("run --out x x", "Possible: --state, --redis");
    expect_wrong("run --prog=never x", "did you mean '--progress'?"); /* never abbreviated */
    expect_wrong("run -t 5 x", "'-t' is not known");
    expect_wrong("run --io fast x", "auto, uring, pread");
    expect_wrong("run --log-format srcaddr,dstadr x", "dstadr");
    expect_wrong("run --redis http://x x", "unix:///path or redis://");
    expect_wrong("run --name a|b x", "letters, digits");
    expect_wrong("run --state= x", "--state needs a DIR that is not empty");
    expect_wrong("report x", "takes options only");
    expect_wrong("report --table source_adress", "did you mean 'source_address'?");
    expect_wrong("report --order size", "bytes, packets, flows, rejected");
    expect_wrong("report --order accepted", "bytes, packets, flows, rejected");
    expect_wrong("report --format xml", "text, json, csv");
    expect_wrong("report --state s --redis redis://h", "give one of them");
    expect_wrong("status --format csv", "Possible: text, json\n");
    expect_wrong("generate", "needs --out DIR");
    expect_wrong("generate --out o --fields v9", "v2, v5, all");
    expect_wrong("generate --out o --layout flat", "plain, hourly, hive");
    expect_wrong("generate --out o --ipv6 101", "from 0 to 100");
}

static void help_and_version_are_answers(void **state)
{
    (void)state;
    expect_status("--help", 1, "generate");
    expect_status("-h", 1, "Exit status");
    expect_status("--version", 1, FLS_VERSION);
    expect_status("run --help", 1, "FLOWLOG_REDIS_PASSWORD_FILE");
    expect_status("run --ingest 3 --help", 1, "default: cores, and one more; 1 to 64\n");
    expect_status("report --help", 1, "ecs_service_name");
    expect_status("status -h", 1, "[--format text|json]");
    expect_status("generate --help", 1, "Usage: flowlog-stats generate --out DIR [--seed S]");
    expect_status("demo --help", 1, "Usage: flowlog-stats demo");
}

static void expect_blanked(const char *given, const char *kept, const char *shown)
{
    struct line line;
    char text[256];

    snprintf(text, sizeof(text), "run x --redis %s", given);
    line_read(&line, text);
    assert_string_equal(line.options.redis, kept);
    assert_string_equal(line.argv[4], shown);
    /* nothing of it behind the NUL either, as far as the argument was long */
    for (size_t i = strlen(shown); i < strlen(given); i++)
        assert_int_equal(line.argv[4][i], 0);
    assert_null(strstr(line.said, "secret"));
    line_free(&line);
}

static void passwords_are_blanked_in_argv(void **state)
{
    struct line line;

    (void)state;
    expect_blanked("redis://u:secretsecret@h:1/2", "redis://u:secretsecret@h:1/2",
                   "redis://u:***@h:1/2");
    expect_blanked("redis://:se@h", "redis://:se@h", "redis://:**@h");
    expect_blanked("redis://secret@h", "redis://secret@h", "redis://***@h");
    expect_blanked("redis://u:secret@sec/ret:@h", "redis://u:secret@sec/ret:@h", "redis://u:***@h");
    expect_blanked("rediss://u:secret@h", "rediss://u:secret@h", "rediss://u:***@h");
    expect_blanked("redis://h:1/2", "redis://h:1/2", "redis://h:1/2");
    expect_blanked("unix:///a:b@c", "unix:///a:b@c", "unix:///a:b@c");
    expect_right(&line, "report --redis=redis://u:secret@h");
    assert_string_equal(line.options.redis, "redis://u:secret@h");
    assert_string_equal(line.argv[2], "--redis=redis://u:***@h");
    line_free(&line);
}

static void without_a_home_the_state_must_be_given(void **state)
{
    struct line line;

    (void)state;
    unsetenv("XDG_STATE_HOME");
    unsetenv("HOME");
    expect_wrong("run x", "--state DIR");
    expect_wrong("status", "--state DIR");
    expect_right(&line, "run x --state s");
    line_free(&line);
    expect_right(&line, "report --redis redis://h");
    line_free(&line);
    expect_right(&line, "generate --out o");
    line_free(&line);
    expect_status("run --help", 1, "Usage");
}

static void nearest_words(void **state)
{
    static const char *const names[] = {"bytes", "packets", "flows"};
    char text[64];

    (void)state;
    assert_string_equal(fls_nearest("byte", 4, names, 3), "bytes");
    assert_string_equal(fls_nearest("bites", 5, names, 3), "bytes");
    assert_string_equal(fls_nearest("pac", 3, names, 3), "packets");
    assert_null(fls_nearest("x", 1, names, 3));
    assert_null(fls_nearest("", 0, names, 3));
    assert_null(fls_nearest("rejected", 8, names, 3));
    fls_nearest_text("fl\nws", 5, names, 3, text, sizeof(text));
    assert_string_equal(text, "'fl?ws' is not known; did you mean 'flows'? Possible: bytes, pa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_has_its_defaults),
        cmocka_unit_test(run_takes_its_options_in_any_order),
        cmocka_unit_test(report_and_its_days),
        cmocka_unit_test(wrong_days_are_refused),
        cmocka_unit_test(generate_and_demo),
        cmocka_unit_test(numbers_are_plain_and_in_range),
        cmocka_unit_test(memory_is_a_size_that_suffices),
        cmocka_unit_test(mistakes_are_answered_with_what_is_possible),
        cmocka_unit_test(help_and_version_are_answers),
        cmocka_unit_test(passwords_are_blanked_in_argv),
        cmocka_unit_test(without_a_home_the_state_must_be_given),
        cmocka_unit_test(nearest_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The generator: its bytes follow from its options, and are what AWS's look like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bench/generate.h"
#include "bench/lines.h"
#include "bench/traffic.h"
#include "ingest/layout.h"
#include "ingest/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define FILES_MAX 64
#define TEXT_MAX (8U << 20)

/* The files of one tree, in order of their paths. */
struct tree {
    char root[64];
    int cnt;
    char *path[FILES_MAX];
};

static struct tree *walked; /* nftw hands nothing on */

static int on_file(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)place;
    if (kind == FTW_F) {
        assert_true(walked->cnt < FILES_MAX);
        walked->path[walked->cnt++] = strdup(path);
    }
    return 0;
}

static int on_remove(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct fls_options small_options(void)
{
    return (struct fls_options){.seed = 7,
                                .accounts = 3,
                                .objects = 7,
                                .records = 500,
                                .fields = "v2",
                                .compress = FLS_COMPRESS_GZIP,
                                .folders = FLS_FOLDERS_PLAIN,
                                .days = 2,
                                .ipv6_percent = 10};
}

static void tree_make(struct tree *tree, struct fls_options options)
{
    memset(tree, 0, sizeof(*tree));
    strcpy(tree->root, "/tmp/fls-generate-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    options.out = tree->root;
    assert_int_equal(fls_generate(&options), 0);
    walked = tree;
    assert_int_equal(nftw(tree->root, on_file, 16, FTW_PHYS), 0);
    qsort(tree->path, (size_t)tree->cnt, sizeof(char *), by_text);
    assert_int_equal(tree->cnt, options.objects);
}

static void tree_remove(struct tree *tree)
{
    for (int i = 0; i < tree->cnt; i++)
        free(tree->path[i]);
    assert_int_equal(nftw(tree->root, on_remove, 16, FTW_DEPTH | FTW_PHYS), 0);
}

/* The bytes of a file (gzip: of all its members), with a NUL behind them. */
static char *read_file(const char *path, bool raw, size_t *sz)
{
    char *text = malloc(TEXT_MAX);
    gzFile file = NULL;
    int done;

    assert_non_null(text);
    if (raw) {
        int fd = open(path, O_RDONLY);

        assert_true(fd >= 0);
        done = (int)read(fd, text, TEXT_MAX - 1);
        close(fd);
    } else {
        file = gzopen(path, "rb");
        assert_non_null(file);
        done = gzread(file, text, TEXT_MAX - 1);
        assert_int_equal(gzclose(file), Z_OK); /* the checksum too */
    }
    assert_true(done >= 0 && (size_t)done < TEXT_MAX - 1);
    text[done] = '\0';
    *sz = (size_t)done;
    return text;
}

static bool same_bytes(const char *a, const char *b)
{
    size_t a_sz, b_sz;
    char *a_text = read_file(a, true, &a_sz), *b_text = read_file(b, true, &b_sz);
    bool same = a_sz == b_sz && memcmp(a_text, b_text, a_sz) == 0;

    free(a_text);
    free(b_text);
    return same;
}

static const char *below_root(const struct tree *tree, int file)
{
    return tree->path[file] + strlen(tree->root);
}

static void equal_options_give_equal_bytes(void **state)
{
    struct tree a, b, c;
    struct fls_options options = small_options();

    (void)state;
    tree_make(&a, options);
    tree_make(&b, options);
    options.seed = 8;
    tree_make(&c, options);
    for (int i = 0; i < a.cnt; i++) {
        assert_string_equal(below_root(&a, i), below_root(&b, i));
        assert_true(same_bytes(a.path[i], b.path[i]));
        assert_string_not_equal(below_root(&a, i), below_root(&c, i));
        assert_false(same_bytes(a.path[i], c.path[i]));
    }
    tree_remove(&a);
    tree_remove(&b);
    tree_remove(&c);
}

/* The text is the same on every machine, and does not change unnoticed: figures of speed that were
 * taken with it would no longer compare. */
static void bytes_stay_what_they_are(void **state)
{
    struct fls_options options = small_options();
    struct tree tree;
    uLong crc = crc32(0, NULL, 0);

    (void)state;
    options.fields = "all";
    options.compress = FLS_COMPRESS_NONE;
    tree_make(&tree, options);
    for (int i = 0; i < tree.cnt; i++) {
        const char *name = below_root(&tree, i);
        size_t sz;
        char *text = read_file(tree.path[i], true, &sz);

        crc = crc32(crc, (const Bytef *)name, (uInt)strlen(name));
        crc = crc32(crc, (const Bytef *)text, (uInt)sz);
        free(text);
    }
    tree_remove(&tree);
    assert_int_equal(crc, 0x12b31c56);
}

/* Splits a line at its blanks; the words point into it. */
static int split(char *line, char *words[static FLS_LINES_FIELDS_MAX])
{
    int cnt = 0;

    for (char *word = strtok(line, " "); word; word = strtok(NULL, " ")) {
        assert_true(cnt < (int)FLS_LINES_FIELDS_MAX);
        words[cnt++] = word;
    }
    return cnt;
}

struct sums {
    int lines, records, ipv6, rejected, without_data;
};

static void sum_line(char *line, struct sums *sums)
{
    char *words[FLS_LINES_FIELDS_MAX];
    unsigned long start, end;

    assert_int_equal(split(line, words), 14);
    sums->lines++;
    assert_string_equal(words[0], "2");
    assert_int_equal(strlen(words[1]), 12);
    assert_memory_equal(words[2], "eni-", 4);
    start = strtoul(words[10], NULL, 10);
    end = strtoul(words[11], NULL, 10);
    assert_true(start >= 20454UL * 86400 && start < 20456UL * 86400); /* two days of 2026 */
    assert_true(end > start && end <= start + 60);
    if (strcmp(words[13], "OK") != 0) {
        assert_true(!strcmp(words[13], "NODATA") || !strcmp(words[13], "SKIPDATA"));
        assert_string_equal(words[3], "-");
        assert_string_equal(words[12], "-");
        sums->without_data++;
        return;
    }
    sums->records++;
    sums->ipv6 += strchr(words[3], ':') != NULL;
    sums->rejected += strcmp(words[12], "REJECT") == 0;
    assert_true((strchr(words[3], ':') != NULL) == (strchr(words[4], ':') != NULL));
    if (!strcmp(words[7], "1") || !strcmp(words[7], "58"))
        assert_true(!strcmp(words[5], "0") && !strcmp(words[6], "0"));
}

static void sum_text(char *text, const char *header, struct sums *sums)
{
    char *end = strchr(text, '\n'), *rest;

    assert_non_null(end);
    *end = '\0';
    assert_string_equal(text, header);
    for (text = end + 1; *text; text = rest) {
        end = strchr(text, '\n');
        assert_non_null(end); /* the last line ends as well */
        *end = '\0';
        rest = end + 1;
        sum_line(text, sums);
    }
}

static void lines_are_those_of_the_default_format(void **state)
{
    static const char header[] = "version account-id interface-id srcaddr dstaddr srcport dstport "
                                 "protocol packets bytes start end action log-status";
    struct fls_options options = small_options();
    struct sums sums = {0};
    struct tree tree;

    (void)state;
    options.records = 5000;
    options.ipv6_percent = 30;
    tree_make(&tree, options);
    for (int i = 0; i < tree.cnt; i++) {
        size_t sz;
        char *text = read_file(tree.path[i], false, &sz);

        sum_text(text, header, &sums);
        free(text);
    }
    tree_remove(&tree);
    assert_int_equal(sums.lines, 7 * 5000);
    assert_in_range(sums.without_data, 100, 260);                                 /* 0.5 % */
    assert_in_range(sums.ipv6, sums.records * 26 / 100, sums.records * 34 / 100); /* 30 % */
    assert_in_range(sums.rejected, sums.records * 5 / 100, sums.records / 10);
}

static void no_ipv6_and_all_ipv6(void **state)
{
    struct fls_options options = small_options();

    (void)state;
    for (uint32_t percent = 0; percent <= 100; percent += 100) {
        struct tree tree;
        struct sums sums = {0};
        size_t sz;
        char *text;

        options.ipv6_percent = percent;
        tree_make(&tree, options);
        text = read_file(tree.path[0], false, &sz);
        sum_text(strchr(text, '\n') - 10, "log-status", &sums);
        assert_int_equal(sums.ipv6, percent ? sums.records : 0);
        free(text);
        tree_remove(&tree);
    }
}

/* The folders of every object, with its own account, region and day in them. */
static void check_folders(enum fls_folders folders, const char *pattern)
{
    struct fls_options options = small_options();
    struct tree tree;

    options.folders = folders;
    tree_make(&tree, options);
    for (int i = 0; i < tree.cnt; i++) {
        char account[16], region[32], log[32], hash[16], wanted[256];
        unsigned year, month, day, hour, minute;
        const char *name = strrchr(tree.path[i], '/') + 1;

        assert_int_equal(sscanf(name,
                                "%12[0-9]_vpcflowlogs_%31[a-z0-9-]_%31[fl0-9a-f-]_%4u%2u%2uT"
                                "%2u%2uZ_%8[0-9a-f].log.gz",
                                account, region, log, &year, &month, &day, &hour, &minute, hash),
                         9);
        assert_int_equal(year, 2026);
        assert_int_equal(minute % 5, 0);
        assert_int_equal(strlen(hash), 8);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(wanted, sizeof(wanted), pattern, account, region, year, month, day, hour);
#pragma GCC diagnostic pop
        assert_memory_equal(below_root(&tree, i), wanted, strlen(wanted));
        assert_string_equal(below_root(&tree, i) + strlen(wanted), name);
    }
    tree_remove(&tree);
}

static void folders_are_those_of_aws(void **state)
{
    (void)state;
    check_folders(FLS_FOLDERS_PLAIN, "/AWSLogs/%s/vpcflowlogs/%s/%u/%02u/%02u/");
    check_folders(FLS_FOLDERS_HOURLY, "/AWSLogs/%s/vpcflowlogs/%s/%u/%02u/%02u/%02u/");
    check_folders(FLS_FOLDERS_HIVE, "/AWSLogs/aws-account-id=%s/aws-service=vpcflowlogs/"
                                    "aws-region=%s/year=%u/month=%02u/day=%02u/");
}

static void objects_go_round_accounts_and_days(void **state)
{
    struct fls_options options = small_options();
    struct tree tree;
    int accounts = 0, days[2] = {0, 0};

    (void)state;
    options.objects = 12;
    tree_make(&tree, options);
    for (int i = 0; i < tree.cnt; i++) {
        /* in order of paths: /AWSLogs/ACCOUNT/... */
        accounts += i == 0 || memcmp(below_root(&tree, i), below_root(&tree, i - 1), 21) != 0;
        days[0] += strstr(tree.path[i], "/2026/01/01/") != NULL;
        days[1] += strstr(tree.path[i], "/2026/01/02/") != NULL;
    }
    tree_remove(&tree);
    assert_int_equal(accounts, 3);
    assert_int_equal(days[0], 6);
    assert_int_equal(days[1], 6);
}

/* gzip, zstd and plain objects hold the same text. */
static void every_codec_holds_the_same_text(void **state)
{
    struct fls_options options = small_options();
    struct tree gzip, zstd, plain;

    (void)state;
    options.records = 5000; /* more than one piece of text */
    tree_make(&gzip, options);
    options.compress = FLS_COMPRESS_ZSTD;
    tree_make(&zstd, options);
    options.compress = FLS_COMPRESS_NONE;
    tree_make(&plain, options);
    for (int i = 0; i < plain.cnt; i++) {
        size_t text_sz, gzip_sz, packed_sz, zstd_sz;
        char *text = read_file(plain.path[i], true, &text_sz);
        char *from_gzip = read_file(gzip.path[i], false, &gzip_sz);
        char *packed = read_file(zstd.path[i], true, &packed_sz);
        char *from_zstd = malloc(TEXT_MAX);

        assert_non_null(from_zstd);
        zstd_sz = ZSTD_decompress(from_zstd, TEXT_MAX, packed, packed_sz);
        assert_int_equal(gzip_sz, text_sz);
        assert_memory_equal(from_gzip, text, text_sz);
        assert_int_equal(zstd_sz, text_sz);
        assert_memory_equal(from_zstd, text, text_sz);
        free(text);
        free(from_gzip);
        free(packed);
        free(from_zstd);
    }
    tree_remove(&gzip);
    tree_remove(&zstd);
    tree_remove(&plain);
}

static void check_layout(const char *fields, uint32_t cnt, uint32_t version)
{
    struct fls_lines_layout layout;
    struct fls_layout read_back;
    char error[2048], text[FLS_LINES_LINE_MAX];
    char *end;

    assert_int_equal(fls_lines_layout(fields, &layout, error, sizeof(error)), 0);
    assert_int_equal(layout.cnt, cnt);
    assert_int_equal(layout.version, version);
    end = fls_lines_header(&layout, text);
    assert_true(fls_layout_from_header(
        (struct fls_span){(const uint8_t *)text, (size_t)(end - 1 - text)}, &read_back));
    assert_int_equal(read_back.cnt, cnt);
    for (uint32_t i = 0; i < cnt; i++)
        assert_int_not_equal(read_back.field[i], FLS_FIELD_UNKNOWN);
}

static void fields_are_known_to_the_reader(void **state)
{
    struct fls_lines_layout layout;
    char error[2048];

    (void)state;
    check_layout("v2", 14, 2);
    check_layout("v5", 29, 5);
    check_layout("all", 72, 11);
    check_layout("srcaddr,dstaddr bytes", 3, 2);
    check_layout("${dstport} ${tcp-flags}", 2, 3);
    assert_int_equal(fls_lines_layout("srcaddr dstadr", &layout, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "did you mean 'dstaddr'"));
    assert_int_equal(fls_lines_layout("v9000", &layout, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "v2, v5, all"));
    assert_int_equal(fls_lines_layout("bytes", &layout, error, sizeof(error)), -EINVAL);
    assert_int_equal(fls_lines_layout("", &layout, error, sizeof(error)), -EINVAL);
}

/* Parses a text that begins with a header. */
static void parse_text(const char *text, size_t sz, struct fls_line_counts *counts)
{
    static struct fls_parser parser;
    static struct fls_batch batch;
    struct fls_layout headerless;
    struct fls_span window = {(const uint8_t *)text, sz};
    size_t done;

    fls_layout_default(&headerless);
    fls_parser_init(&parser, &headerless);
    fls_parser_begin(&parser);
    do {
        done = fls_parser_step(&parser, window, true, &batch);
        window.at += done;
        window.sz -= done;
    } while (done > 0);
    assert_int_equal(window.sz, 0);
    *counts = parser.counts;
}

static void every_line_is_well_formed(void **state)
{
    static const char *const fields[] = {"v2", "v5", "all", "log-status srcaddr end pkt-dstaddr"};
    struct fls_options options = small_options();

    (void)state;
    options.compress = FLS_COMPRESS_NONE;
    options.ipv6_percent = 50;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct fls_line_counts counts;
        struct tree tree;
        size_t sz;
        char *text;

        options.fields = fields[i];
        tree_make(&tree, options);
        text = read_file(tree.path[0], true, &sz); /* the padding behind it is readable */
        parse_text(text, sz, &counts);
        assert_int_equal(counts.headers, 1);
        assert_int_equal(counts.lines, 1 + options.records);
        assert_int_equal(counts.records + counts.nodata + counts.skipdata, options.records);
        assert_int_equal(fls_malformed_sum(&counts), 0);
        free(text);
        tree_remove(&tree);
    }
}

static void days_follow_their_profile(void **state)
{
    uint32_t before = 0;

    (void)state;
    assert_int_equal(fls_traffic_second(0, 1000), 0);
    assert_int_equal(fls_traffic_second(1000, 1000), 86399);
    for (uint64_t part = 1; part < 1000; part++) {
        uint32_t second = fls_traffic_second(part, 1000);

        assert_true(second > before && second < 86400);
        before = second;
    }
    /* A fifth of the traffic by six in the morning would be too much. */
    assert_true(fls_traffic_second(200, 1000) > 6 * 3600);
}

static void a_folder_that_cannot_be_made_is_an_error(void **state)
{
    struct fls_options options = small_options();

    (void)state;
    options.out = "/proc/nothing/here";
    assert_true(fls_generate(&options) < 0);
    options.out = "/dev/null/x";
    assert_int_equal(fls_generate(&options), -ENOTDIR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_options_give_equal_bytes),
        cmocka_unit_test(bytes_stay_what_they_are),
        cmocka_unit_test(lines_are_those_of_the_default_format),
        cmocka_unit_test(no_ipv6_and_all_ipv6),
        cmocka_unit_test(folders_are_those_of_aws),
        cmocka_unit_test(objects_go_round_accounts_and_days),
        cmocka_unit_test(every_codec_holds_the_same_text),
        cmocka_unit_test(fields_are_known_to_the_reader),
        cmocka_unit_test(every_line_is_well_formed),
        cmocka_unit_test(days_follow_their_profile),
        cmocka_unit_test(a_folder_that_cannot_be_made_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

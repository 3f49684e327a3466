/* Layouts: header lines, --log-format, and the plan made from them. */
#include "ingest/layout.h"

#include "base/tables.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs those above */
#include <cmocka.h>

#define DEFAULT_HEADER                                                                             \
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes "      \
    "start end action log-status"

static bool is_header(const char *line, struct fls_layout *layout)
{
    return fls_layout_from_header(fls_span_of(line), layout);
}

static void field_names_are_in_order_and_once(void **unused)
{
    (void)unused;
    for (int i = 1; i < FLS_FIELD_CNT; i++)
        assert_true(strcmp(fls_fields[i - 1].name, fls_fields[i].name) < 0);
}

static void attributes_are_fields_of_the_same_name(void **unused)
{
    int cnt = 0;

    (void)unused;
#define ATTRIBUTE(id, text)                                                                        \
    assert_string_equal(fls_fields[FLS_FIELD_##id].name, text);                                    \
    assert_int_equal(fls_fields[FLS_FIELD_##id].kind, FLS_FIELD_IS_ATTRIBUTE);
#include "base/attributes.def"
#undef ATTRIBUTE
    for (int i = 0; i < FLS_FIELD_CNT; i++)
        cnt += fls_fields[i].kind == FLS_FIELD_IS_ATTRIBUTE;
    assert_int_equal(cnt, FLS_ATTRIBUTE_CNT);
}

static void every_field_is_known_in_every_spelling(void **unused)
{
    (void)unused;
    for (int i = 0; i < FLS_FIELD_CNT; i++) {
        char line[256], shout[64] = "";
        struct fls_layout layout;

        for (size_t k = 0; fls_fields[i].name[k] != '\0'; k++) {
            char c = fls_fields[i].name[k];
            shout[k] = c == '-' ? '_' : c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
        }
        snprintf(line, sizeof(line), "%s %s ${%s} x", fls_fields[i].name, shout, shout);
        assert_true(is_header(line, &layout));
        assert_int_equal(layout.cnt, 4);
        for (int k = 0; k < 3; k++)
            assert_int_equal(layout.field[k], i);
        assert_int_equal(layout.field[3], FLS_FIELD_UNKNOWN);
    }
}

static void the_default_is_version_2(void **unused)
{
    struct fls_layout layout, header;

    (void)unused;
    fls_layout_default(&layout);
    assert_int_equal(layout.cnt, 14);
    assert_true(layout.usual == FLS_USUAL_V2 && layout.not_names_min == 0);
    assert_memory_equal(
        &layout.runs,
        &((struct fls_text_runs){
            .cnt = 2,
            .first = {1, 12},
            .last = {2, 12},
            .text_cnt = 3,
            .attribute = {FLS_ATTRIBUTE_ACCOUNT, FLS_ATTRIBUTE_INTERFACE, FLS_ATTRIBUTE_ACTION}}),
        sizeof(layout.runs));
    assert_true(is_header(DEFAULT_HEADER, &header));
    assert_true(fls_layout_equal(&layout, &header));
    assert_memory_equal(&layout, &header, sizeof(layout));
    assert_true(is_header("${version} " DEFAULT_HEADER, &header));
    assert_false(fls_layout_equal(&layout, &header) || header.usual != FLS_USUAL_NONE);
}

#define VERSION_5                                                                                  \
    DEFAULT_HEADER " vpc-id subnet-id instance-id tcp-flags type pkt-srcaddr pkt-dstaddr region "  \
                   "az-id sublocation-type sublocation-id pkt-src-aws-service "                    \
                   "pkt-dst-aws-service flow-direction traffic-path"

/* Else its lines would be right, and slower. */
static void all_fields_of_version_5_are_a_usual_layout(void **unused)
{
    struct fls_layout layout;

    (void)unused;
    assert_true(is_header(VERSION_5, &layout));
    assert_int_equal(layout.usual, FLS_USUAL_V5);
    assert_int_equal(layout.not_names_min, 3);
    assert_true(is_header(VERSION_5 " end", &layout));
    assert_int_equal(layout.usual, FLS_USUAL_NONE);
    assert_true(is_header(VERSION_5 " ecs-cluster-arn", &layout));
    assert_int_equal(layout.usual, FLS_USUAL_NONE);
}

static void check_runs(const char *header, const struct fls_text_runs *runs)
{
    struct fls_layout layout;

    assert_true(is_header(header, &layout));
    assert_memory_equal(&layout.runs, runs, sizeof(*runs));
}

static void runs_go_over_fields_that_say_the_same(void **unused)
{
    (void)unused;
    check_runs("account-id log-status type action end",
               &(struct fls_text_runs){.cnt = 1,
                                       .first = {0},
                                       .last = {3},
                                       .text_cnt = 4,
                                       .attribute = {FLS_ATTRIBUTE_ACCOUNT, FLS_NO_ATTRIBUTE,
                                                     FLS_NO_ATTRIBUTE, FLS_ATTRIBUTE_ACTION}});
    /* not over others, nor where no attribute follows, nor where one comes again */
    check_runs("type account-id ecs-task-id action log-status end region type action log-status",
               &(struct fls_text_runs){.cnt = 3,
                                       .first = {1, 3, 6},
                                       .last = {1, 3, 6},
                                       .text_cnt = 3,
                                       .attribute = {FLS_ATTRIBUTE_ACCOUNT, FLS_ATTRIBUTE_ACTION,
                                                     FLS_ATTRIBUTE_REGION}});
}

/* A run's texts are not more than it has room for. */
static void a_long_bridge_parts_two_runs(void **unused)
{
    const uint32_t room = FLS_RUN_TEXTS_MAX - FLS_ATTRIBUTE_CNT - 1;

    (void)unused;
    for (uint32_t gap = room; gap <= room + 1; gap++) {
        char line[512] = "account-id ";
        struct fls_layout layout;

        for (uint32_t i = 0; i < gap; i++)
            strcat(line, "type ");
        strcat(line, "action");
        assert_true(is_header(line, &layout));
        assert_int_equal(layout.runs.cnt, gap == room ? 1 : 2);
        assert_int_equal(layout.runs.text_cnt, gap == room ? gap + 2 : 2);
    }
}

static void what_may_stand_around_a_header(void **unused)
{
    static const char *const lines[] = {"\xef\xbb\xbf" DEFAULT_HEADER,
                                        DEFAULT_HEADER "\r",
                                        " \t" DEFAULT_HEADER " \t",
                                        "2024-12-20T10:00:00.000Z " DEFAULT_HEADER,
                                        "2024-12-20T10:00:00Z\t" DEFAULT_HEADER "\r",
                                        "\xef\xbb\xbf 2024-12-20T10:00:00+01:00  " DEFAULT_HEADER};
    struct fls_layout layout;

    (void)unused;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        assert_true(is_header(lines[i], &layout));
        assert_true(layout.usual == FLS_USUAL_V2);
    }
}

static void half_of_the_names_is_not_enough(void **unused)
{
    struct fls_layout layout;

    (void)unused;
    assert_true(is_header("srcaddr dstaddr", &layout));
    assert_true(is_header("srcaddr dstaddr foo", &layout));
    assert_false(is_header("srcaddr foo", &layout));
    assert_false(is_header("srcaddr dstaddr foo bar", &layout));
    assert_false(is_header("srcaddr", &layout));
    assert_false(is_header("2024-12-20T10:00:00Z srcaddr", &layout));
    assert_false(is_header("", &layout));
    assert_false(is_header(" \t \r", &layout));
    assert_false(is_header("- - -", &layout));
    assert_false(
        is_header("2 123456789010 eni-1 1.2.3.4 5.6.7.8 1 2 6 1 1 0 0 ACCEPT OK", &layout));
}

static void names_are_whole_and_exact(void **unused)
{
    struct fls_layout layout;

    (void)unused;
    assert_false(is_header("srcaddr, dstaddr,", &layout));
    assert_false(is_header("{srcaddr} $dstaddr", &layout));
    assert_false(is_header("${srcaddr ${}", &layout));
    assert_false(is_header("srcadd dstaddrx", &layout));
    assert_false(fls_layout_from_header(
        (struct fls_span){(const uint8_t *)"srcaddr dstaddr\0 x", 18}, &layout));
    assert_true(fls_layout_from_header((struct fls_span){(const uint8_t *)"srcaddr dstaddr \0", 17},
                                       &layout));
}

static void a_header_has_at_most_256_fields(void **unused)
{
    char line[FLS_LAYOUT_FIELDS_MAX * 4 + 16] = "";
    struct fls_layout layout;

    (void)unused;
    for (unsigned i = 0; i < FLS_LAYOUT_FIELDS_MAX; i++)
        strcat(line, "end ");
    assert_true(is_header(line, &layout));
    assert_int_equal(layout.cnt, FLS_LAYOUT_FIELDS_MAX);
    strcat(line, "end");
    assert_false(is_header(line, &layout));
}

static void a_field_twice_is_taken_where_it_stands_first(void **unused)
{
    struct fls_layout layout;

    (void)unused;
    assert_true(is_header("vpc-id srcaddr bytes action vpc-id bytes srcaddr action log-status "
                          "log-status",
                          &layout));
    assert_memory_equal(
        &layout.runs,
        &((struct fls_text_runs){.cnt = 2,
                                 .first = {0, 3},
                                 .last = {0, 3},
                                 .text_cnt = 2,
                                 .attribute = {FLS_ATTRIBUTE_VPC, FLS_ATTRIBUTE_ACTION}}),
        sizeof(layout.runs));
    assert_int_equal(layout.op[1], FLS_OP_SRC);
    assert_int_equal(layout.op[2], FLS_OP_BYTES);
    assert_int_equal(layout.op[5], FLS_OP_CHECK_NUMBER);
    assert_int_equal(layout.op[6], FLS_OP_CHECK_ADDRESS);
    assert_int_equal(layout.op[8], FLS_OP_STATUS);
    assert_int_equal(layout.op[9], FLS_OP_SKIP);
}

static void half_typed_needs_no_other_sign(void **unused)
{
    struct fls_layout layout;

    (void)unused;
    assert_true(is_header("srcaddr action", &layout));
    assert_int_equal(layout.not_names_min, 0);
    assert_true(is_header("srcaddr action vpc-id", &layout));
    assert_int_equal(layout.not_names_min, 1);
    assert_true(is_header("action vpc-id", &layout));
    assert_int_equal(layout.not_names_min, 1);
    assert_true(is_header("action vpc-id subnet-id region type", &layout));
    assert_int_equal(layout.not_names_min, 3);
}

static void the_option_takes_both_notations(void **unused)
{
    struct fls_layout layout, expected;
    char error[160];

    (void)unused;
    fls_layout_default(&expected);
    assert_int_equal(fls_layout_from_option(DEFAULT_HEADER, &layout, error, sizeof(error)), 0);
    assert_true(fls_layout_equal(&layout, &expected));
    assert_int_equal(fls_layout_from_option(
                         "${version},${account-id},${interface-id},${srcaddr} ${dstaddr} , srcport,"
                         "DSTPORT protocol packets bytes start end action log_status ",
                         &layout, error, sizeof(error)),
                     0);
    assert_true(fls_layout_equal(&layout, &expected));
    assert_int_equal(fls_layout_from_option("srcaddr", &layout, error, sizeof(error)), 0);
    assert_int_equal(layout.cnt, 1);
}

static void check_error(const char *option, const char *part)
{
    struct fls_layout layout;
    char error[160];

    assert_int_equal(fls_layout_from_option(option, &layout, error, sizeof(error)), -EINVAL);
    if (strstr(error, part) == NULL)
        fail_msg("'%s' is answered with '%s', not '%s'", option, error, part);
}

static void the_option_names_what_is_close(void **unused)
{
    char many[FLS_LAYOUT_FIELDS_MAX * 4 + 16] = "", long_name[400];
    char error[24];
    struct fls_layout layout;

    (void)unused;
    check_error("version acount-id", "'acount-id'; did you mean 'account-id'?");
    check_error("src-addr", "did you mean 'srcaddr'?");
    check_error("${Interface}", "did you mean 'interface-id'?");
    check_error("dst_port", "did you mean 'dstport'?");
    check_error("xyzzyqwk", "unknown field 'xyzzyqwk'; fields are named");
    check_error("", "no field");
    check_error(" , ", "no field");
    memset(long_name, 'a', sizeof(long_name));
    long_name[sizeof(long_name) - 1] = '\0';
    check_error(long_name, "unknown field 'aaaa");
    for (unsigned i = 0; i <= FLS_LAYOUT_FIELDS_MAX; i++)
        strcat(many, "end ");
    check_error(many, "more than 256 fields");
    assert_int_equal(fls_layout_from_option("acount-id", &layout, error, sizeof(error)), -EINVAL);
    assert_int_equal(strlen(error), sizeof(error) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(field_names_are_in_order_and_once),
        cmocka_unit_test(attributes_are_fields_of_the_same_name),
        cmocka_unit_test(every_field_is_known_in_every_spelling),
        cmocka_unit_test(the_default_is_version_2),
        cmocka_unit_test(all_fields_of_version_5_are_a_usual_layout),
        cmocka_unit_test(runs_go_over_fields_that_say_the_same),
        cmocka_unit_test(a_long_bridge_parts_two_runs),
        cmocka_unit_test(what_may_stand_around_a_header),
        cmocka_unit_test(half_of_the_names_is_not_enough),
        cmocka_unit_test(names_are_whole_and_exact),
        cmocka_unit_test(a_header_has_at_most_256_fields),
        cmocka_unit_test(a_field_twice_is_taken_where_it_stands_first),
        cmocka_unit_test(half_typed_needs_no_other_sign),
        cmocka_unit_test(the_option_takes_both_notations),
        cmocka_unit_test(the_option_names_what_is_close),
    };

    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}

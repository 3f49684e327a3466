/* Days and minutes, against the C library's gmtime. */
#include "base/calendar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
/* cmocka needs those above */
#include <cmocka.h>

static void every_day_has_its_date(void **unused)
{
    (void)unused;
    for (uint32_t day = 0; day <= FLS_DAY_MAX; day++) {
        time_t seconds = (time_t)day * 86400;
        char text[FLS_DAY_TEXT_MAX], expected[64];
        struct tm parts;
        uint32_t again;

        gmtime_r(&seconds, &parts);
        snprintf(expected, sizeof(expected), "%04d-%02d-%02d", parts.tm_year + 1900,
                 parts.tm_mon + 1, parts.tm_mday);
        int sz = fls_day_format(day, text);
        /* not cmocka's checks: three million days */
        if (sz != 10 || strcmp(text, expected) != 0 || !fls_day_parse(text, &again) || again != day)
            fail_msg("day %u: '%s', expected '%s'", day, text, expected);
    }
}

static void minutes_have_their_time(void **unused)
{
    const uint32_t last = (uint32_t)(FLS_START_MAX / 60);

    (void)unused;
    for (uint64_t minute = 0; minute <= last; minute += 32749) {
        time_t seconds = (time_t)minute * 60;
        char text[FLS_MINUTE_TEXT_MAX], expected[64];
        struct tm parts;

        gmtime_r(&seconds, &parts);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:00Z", &parts);
        int sz = fls_minute_format((uint32_t)minute, text);
        assert_int_equal(sz, strlen(text));
        assert_string_equal(text, expected);
        assert_int_equal(fls_day_of_minute((uint32_t)minute), seconds / 86400);
    }
}

static void the_last_minute(void **unused)
{
    char text[FLS_MINUTE_TEXT_MAX];

    (void)unused;
    fls_minute_format((uint32_t)(FLS_START_MAX / 60), text);
    assert_string_equal(text, "9999-12-31T23:59:00Z");
    assert_int_equal(fls_day_of_minute((uint32_t)(FLS_START_MAX / 60)), FLS_DAY_MAX);
    fls_minute_format(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00Z");
}

static void the_unknown_day(void **unused)
{
    char text[FLS_DAY_TEXT_MAX];
    uint32_t day = 0;

    (void)unused;
    assert_int_equal(fls_day_of_minute(FLS_MINUTE_UNKNOWN), FLS_DAY_UNKNOWN);
    assert_int_equal(fls_day_format(FLS_DAY_UNKNOWN, text), 7);
    assert_string_equal(text, "unknown");
    assert_true(fls_day_parse("unknown", &day));
    assert_int_equal(day, FLS_DAY_UNKNOWN);
}

static void what_is_no_date_is_refused(void **unused)
{
    static const char *const texts[] = {
        "",           "2024",       "2024-02-30", "2023-02-29",  "1900-02-29",  "2100-02-29",
        "2024-13-01", "2024-00-01", "2024-01-00", "2024-04-31",  "2024-01-32",  "1969-12-31",
        "0000-01-01", "2024-1-01",  "2024-01-1",  "2024-01-01 ", " 2024-01-01", "2024/01/01",
        "20240101",   "+024-01-01", "2024-0a-01", "Unknown",     "unknown ",    "10000-01-01"};
    uint32_t day;

    (void)unused;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (fls_day_parse(texts[i], &day))
            fail_msg("'%s' was read as day %u", texts[i], day);
    assert_true(fls_day_parse("2000-02-29", &day));
    assert_true(fls_day_parse("9999-12-31", &day));
    assert_int_equal(day, FLS_DAY_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_day_has_its_date),
        cmocka_unit_test(minutes_have_their_time),
        cmocka_unit_test(the_last_minute),
        cmocka_unit_test(the_unknown_day),
        cmocka_unit_test(what_is_no_date_is_refused),
    };

    return cmocka_run_group_tests_name("calendar", tests, NULL, NULL);
}

/* Days and minutes: as the C library has them, and there and back. */
#include "base/calendar.h"

#include "fuzz.h"

#include <time.h>

static void check_day(uint32_t day)
{
    time_t seconds = (time_t)day * 86400;
    char text[FLS_DAY_TEXT_MAX], expected[64];
    struct tm tm;
    uint32_t again;

    fuzz_check(fls_day_format(day, text) == (int)strlen(text));
    fuzz_check(fls_day_parse(text, &again) && again == day);
    if (day == FLS_DAY_UNKNOWN)
        return;
    gmtime_r(&seconds, &tm);
    strftime(expected, sizeof(expected), "%Y-%m-%d", &tm);
    fuzz_check(strcmp(text, expected) == 0);
}

static void check_minute(uint32_t minute)
{
    time_t seconds = (time_t)minute * 60;
    char text[FLS_MINUTE_TEXT_MAX], expected[64];
    struct tm tm;

    fuzz_check(fls_minute_format(minute, text) == (int)strlen(text));
    gmtime_r(&seconds, &tm);
    strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:00Z", &tm);
    fuzz_check(strcmp(text, expected) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    char *text = (char *)fuzz_copy(input, 1), canonical[FLS_DAY_TEXT_MAX];
    uint32_t day;

    if (fls_day_parse(text, &day)) {
        fls_day_format(day, canonical);
        fuzz_check(strcmp(text, canonical) == 0);
        check_day(day);
    }
    free(text);
    day = (uint32_t)fuzz_take(&input, 4);
    check_day(day == FLS_DAY_UNKNOWN ? day : day % (FLS_DAY_MAX + 1));
    check_minute(day % ((FLS_DAY_MAX + 1) * FLS_MINUTES_PER_DAY));
    return 0;
}

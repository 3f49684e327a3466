#include "base/calendar.h"

#include "base/assert.h"

#include <string.h>
#include <time.h>

#define FLS_YEAR_MIN 1970U
#define FLS_DAY_TEXT_SZ 10 /* "YYYY-MM-DD" */

static const char unknown[] = "unknown";

/* Days before each month in a year that is not a leap year. */
static const uint16_t days_before_month[13] = {0,   31,  59,  90,  120, 151, 181,
                                               212, 243, 273, 304, 334, 365};

static bool is_leap(uint32_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January of a year from 1970 on. */
static uint32_t days_before_year(uint32_t year)
{
    uint32_t last = year - 1;
    uint32_t leaps = last / 4 - last / 100 + last / 400;

    return 365 * (year - FLS_YEAR_MIN) + leaps - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

/* Days of the year before its month 1..12, or 13 for the whole year. */
static uint32_t days_before(uint32_t year, uint32_t month)
{
    return days_before_month[month - 1] + (month > 2 && is_leap(year) ? 1U : 0U);
}

static void put_digits(char *out, uint32_t value, int cnt)
{
    for (int i = cnt - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

static void put_date(uint32_t day, char *out)
{
    fls_assert(day <= FLS_DAY_MAX);
    /* No year has more than 366 days, so this is never too late; it falls short by a year for
     * about every 500, so the loop runs at most 16 times up to the year 9999. */
    uint32_t year = FLS_YEAR_MIN + day / 366;
    while (days_before_year(year + 1) <= day)
        year++;
    uint32_t rest = day - days_before_year(year);
    uint32_t month = 1;
    while (days_before(year, month + 1) <= rest)
        month++;

    put_digits(out, year, 4);
    out[4] = '-';
    put_digits(out + 5, month, 2);
    out[7] = '-';
    put_digits(out + 8, rest - days_before(year, month) + 1, 2);
}

uint32_t fls_day_last_to_come(void)
{
    time_t now = time(NULL);

    return now < 0 ? 0 : (uint32_t)((uint64_t)now / FLS_S_PER_DAY) + 1;
}

int fls_day_format(uint32_t day, char out[static FLS_DAY_TEXT_MAX])
{
    if (day == FLS_DAY_UNKNOWN) {
        memcpy(out, unknown, sizeof(unknown));
        return sizeof(unknown) - 1;
    }
    put_date(day, out);
    out[FLS_DAY_TEXT_SZ] = '\0';
    return FLS_DAY_TEXT_SZ;
}

static bool read_digits(const char *text, int cnt, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < cnt; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (uint32_t)(text[i] - '0');
    }
    return true;
}

bool fls_day_parse(const char *text, uint32_t *day)
{
    uint32_t year, month, day_of_month;

    if (strcmp(text, unknown) == 0) {
        *day = FLS_DAY_UNKNOWN;
        return true;
    }
    if (strlen(text) != FLS_DAY_TEXT_SZ || text[4] != '-' || text[7] != '-' ||
        !read_digits(text, 4, &year) || !read_digits(text + 5, 2, &month) ||
        !read_digits(text + 8, 2, &day_of_month))
        return false;
    if (year < FLS_YEAR_MIN || month < 1 || month > 12 || day_of_month < 1 ||
        day_of_month > days_before(year, month + 1) - days_before(year, month))
        return false;
    *day = days_before_year(year) + days_before(year, month) + day_of_month - 1;
    return true;
}

int fls_minute_format(uint32_t minute, char out[static FLS_MINUTE_TEXT_MAX])
{
    fls_assert(minute != FLS_MINUTE_UNKNOWN);
    uint32_t minute_of_day = minute % FLS_MINUTES_PER_DAY;

    put_date(minute / FLS_MINUTES_PER_DAY, out);
    memcpy(out + FLS_DAY_TEXT_SZ, "Thh:mm:00Z", sizeof("Thh:mm:00Z"));
    put_digits(out + 11, minute_of_day / 60, 2);
    put_digits(out + 14, minute_of_day % 60, 2);
    return FLS_DAY_TEXT_SZ + (int)sizeof("Thh:mm:00Z") - 1;
}

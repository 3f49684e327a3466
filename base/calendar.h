/* Days and minutes of UTC as numbers, and their text. A day is days since 1970-01-01, a minute is
 * minutes since then; both follow from a record's `start`, which is 0..253402300799 (the last
 * second of the year 9999), so a day is 0..2932896 and a minute fits 32 bits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define FLS_START_MAX 253402300799ULL
#define FLS_DAY_MAX 2932896U
#define FLS_DAY_UNKNOWN UINT32_MAX    /* the day of a record without `start`; text `unknown` */
#define FLS_MINUTE_UNKNOWN UINT32_MAX /* the minute of a record without `start` */
#define FLS_MINUTES_PER_DAY 1440U
#define FLS_S_PER_DAY 86400U
#define FLS_DAY_TEXT_MAX 16    /* "YYYY-MM-DD" or "unknown", with its NUL */
#define FLS_MINUTE_TEXT_MAX 24 /* "YYYY-MM-DDTHH:MM:00Z", with its NUL */

static inline uint32_t fls_day_of_minute(uint32_t minute)
{
    return minute == FLS_MINUTE_UNKNOWN ? FLS_DAY_UNKNOWN : minute / FLS_MINUTES_PER_DAY;
}

/* Tomorrow, for clocks differ: days behind it come from a bogus `start`. */
uint32_t fls_day_last_to_come(void);
/* Writes the day's text with its NUL, returns its length. */
int fls_day_format(uint32_t day, char out[static FLS_DAY_TEXT_MAX]);
/* Reads exactly "YYYY-MM-DD" (a date that exists) or "unknown"; false for anything else. */
bool fls_day_parse(const char *text, uint32_t *day);
/* Writes the minute's text with its NUL, returns its length. `minute` is not FLS_MINUTE_UNKNOWN. */
int fls_minute_format(uint32_t minute, char out[static FLS_MINUTE_TEXT_MAX]);

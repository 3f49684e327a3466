#include "supervise/figures.h"

#include "base/assert.h"
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define UNIT_MAX 16U

void fls_figure_unit(uint64_t value, const char *unit, char out[static FLS_FIGURE_MAX])
{
    size_t at;

    fls_assert(strlen(unit) <= UNIT_MAX);
    fls_figure_short(value, out); /* at most "18.4 E" */
    at = strlen(out);
    snprintf(out + at, FLS_FIGURE_MAX - at, "%s%s", value < 10000 || unit[0] != 'B' ? " " : "",
             unit);
}

void fls_figure_clock(uint64_t seconds, char out[static FLS_FIGURE_MAX])
{
    uint64_t hours = seconds / 3600, minutes = seconds / 60 % 60;

    if (hours > 0)
        snprintf(out, FLS_FIGURE_MAX, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, hours, minutes,
                 seconds % 60);
    else
        snprintf(out, FLS_FIGURE_MAX, "%" PRIu64 ":%02" PRIu64, minutes, seconds % 60);
}

void fls_figure_time(uint64_t ns, char out[static FLS_FIGURE_MAX])
{
    uint64_t hundredths = ns / (FLS_NS_PER_S / 100);

    if (hundredths < 1000)
        snprintf(out, FLS_FIGURE_MAX, "%" PRIu64 ".%02" PRIu64 " s", hundredths / 100,
                 hundredths % 100);
    else if (hundredths < 6000)
        snprintf(out, FLS_FIGURE_MAX, "%" PRIu64 ".%" PRIu64 " s", hundredths / 100,
                 hundredths / 10 % 10);
    else
        fls_figure_clock(hundredths / 100, out);
}

uint64_t fls_figure_rate(uint64_t value, uint64_t ns)
{
    double rate = ns == 0 ? 0 : (double)value * (double)FLS_NS_PER_S / (double)ns;

    return rate < 1e18 ? (uint64_t)rate : (uint64_t)1e18;
}

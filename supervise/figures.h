/* Figures of speed and time as people read them, beside those of base/text_figures.h. */
#pragma once

#include "base/text_figures.h"

/* "12.3 MB/s" of 12345678 and "B/s", "12.3 M lines/s" of "lines/s": by thousands; a value below
 * 10,000 exactly ("17 B/s"). The unit is at most 16 bytes. */
void fls_figure_unit(uint64_t value, const char *unit, char out[static FLS_FIGURE_MAX]);
/* "0.35 s", "12.3 s" below a minute; then "2:05" and "1:02:05" */
void fls_figure_time(uint64_t ns, char out[static FLS_FIGURE_MAX]);
/* "0:07", "2:05", "1:02:05": a clock that runs down */
void fls_figure_clock(uint64_t seconds, char out[static FLS_FIGURE_MAX]);
/* value a second, over ns; 0 if no time has passed */
uint64_t fls_figure_rate(uint64_t value, uint64_t ns);

/* What a mistyped word may have meant. */
#pragma once

#include <stddef.h>

/* The one of cnt > 0 names that is closest to the word by edit distance, or begins with it; NULL if
 * none is close enough to be meant. */
const char *fls_nearest(const char *word, size_t word_sz, const char *const *names, size_t cnt);
/* Writes "'WORD' is not known; did you mean 'NAME'? Possible: NAME, NAME, ..." and a NUL, at most
 * out_max bytes. Bytes of the word that are not printable are shown as `?`. */
void fls_nearest_text(const char *word, size_t word_sz, const char *const *names, size_t cnt,
                      char *out, size_t out_max);

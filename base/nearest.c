#include "base/nearest.h"

#include "base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64U /* bytes that are compared; what is longer is a mistake of another kind */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance, one row of its matrix at a time. */
static size_t distance(const char *a, size_t a_sz, const char *b, size_t b_sz)
{
    size_t row[WORD_MAX + 1];

    fls_assert(a_sz <= WORD_MAX && b_sz <= WORD_MAX);
    for (size_t j = 0; j <= b_sz; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_sz; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b_sz; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            row[j] = smaller(change, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[b_sz];
}

const char *fls_nearest(const char *word, size_t word_sz, const char *const *names, size_t cnt)
{
    const char *best = NULL;
    size_t best_distance = smaller(word_sz / 3 + 1, 4) + 1; /* a third of it may be wrong */

    if (word_sz == 0 || word_sz > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < cnt; i++) {
        size_t sz = smaller(strlen(names[i]), WORD_MAX);
        size_t far = distance(word, word_sz, names[i], sz);

        if (word_sz > 2 && sz > word_sz && memcmp(names[i], word, word_sz) == 0)
            far = 1; /* an abbreviation */
        if (far < best_distance) {
            best_distance = far;
            best = names[i];
        }
    }
    return best;
}

/* Appends as far as there is room. */
static void __attribute__((format(printf, 4, 5)))
append(char *out, size_t out_max, size_t *at, const char *format, ...)
{
    va_list arguments;
    int sz;

    va_start(arguments, format);
    sz = vsnprintf(out + *at, out_max - *at, format, arguments);
    va_end(arguments);
    fls_assert(sz >= 0);
    *at = smaller(*at + (size_t)sz, out_max - 1);
}

void fls_nearest_text(const char *word, size_t word_sz, const char *const *names, size_t cnt,
                      char *out, size_t out_max)
{
    const char *near = fls_nearest(word, word_sz, names, cnt);
    size_t at = 0;

    fls_assert(out_max > 0);
    append(out, out_max, &at, "'");
    for (size_t i = 0; i < word_sz; i++)
        append(out, out_max, &at, "%c", word[i] >= ' ' && word[i] < 0x7f ? word[i] : '?');
    append(out, out_max, &at, "' is not known");
    if (near)
        append(out, out_max, &at, "; did you mean '%s'?", near);
    append(out, out_max, &at, "%s Possible:", near ? "" : ".");
    for (size_t i = 0; i < cnt; i++)
        append(out, out_max, &at, "%s %s", i ? "," : "", names[i]);
}

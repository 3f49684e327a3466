/* Arrays that grow by doubling. */
#pragma once

#include "base/assert.h"

#include <stddef.h>

/* Makes room for `need` elements in an array from malloc (NULL with max 0: none yet), which may
 * move, and sets `max`, an integer of any unsigned type that can hold it. What is new is not
 * initialised. `max` and `array` are evaluated more than once. */
#define fls_array_reserve(array, max, need)                                                        \
    do {                                                                                           \
        size_t fls_array_max = (max);                                                              \
        if ((need) > fls_array_max) {                                                              \
            (array) = fls_array_grow((array), &fls_array_max, (need), sizeof(*(array)));           \
            (max) = (__typeof__(max))fls_array_max;                                                \
            fls_assert((max) == fls_array_max);                                                    \
        }                                                                                          \
    } while (0)

/* The same for elements of `sz` bytes; never NULL: memory that cannot be had ends the process.
 * Precondition: need > *max. */
void *fls_array_grow(void *array, size_t *max, size_t need, size_t sz);

/* cnt zeroed elements of sz bytes (room for one if cnt is 0), to be freed; never NULL. */
void *fls_array_new(size_t cnt, size_t sz);
/* Order of two uint32_t, for qsort. */
int fls_array_compare_u32(const void *a, const void *b);

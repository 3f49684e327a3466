#include "base/array.h"

#include <stdint.h>
#include <stdlib.h>

#define FIRST_CNT 64U

void *fls_array_grow(void *array, size_t *max, size_t need, size_t sz)
{
    size_t cnt = *max ? *max : FIRST_CNT;

    while (cnt < need) {
        fls_assert(cnt <= SIZE_MAX / 2 / sz);
        cnt *= 2;
    }
    array = realloc(array, cnt * sz);
    fls_assert(array != NULL);
    *max = cnt;
    return array;
}

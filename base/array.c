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

void *fls_array_new(size_t cnt, size_t sz)
{
    void *array = calloc(cnt ? cnt : 1, sz);

    fls_assert(array != NULL);
    return array;
}

int fls_array_compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

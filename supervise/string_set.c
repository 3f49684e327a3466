#include "supervise/string_set.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SET_FIRST_CNT 1024U /* slots of a set at first: a power of two */

static const char **set_slot(const struct fls_string_set *set, const char *text)
{
    size_t i = (size_t)XXH3_64bits(text, strlen(text)) & (set->max - 1);

    while (set->slots[i] != NULL && strcmp(set->slots[i], text) != 0)
        i = (i + 1) & (set->max - 1);
    return &set->slots[i];
}

static int set_grow(struct fls_string_set *set)
{
    struct fls_string_set larger = {.cnt = set->cnt,
                                    .max = set->max ? set->max * 2 : SET_FIRST_CNT};

    larger.slots = calloc(larger.max, sizeof(*larger.slots));
    if (larger.slots == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < set->max; i++)
        if (set->slots[i] != NULL)
            *set_slot(&larger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
    return 0;
}

int fls_string_set_add(struct fls_string_set *set, const char *text)
{
    const char **slot;

    if (set->cnt * 2 >= set->max && set_grow(set) != 0)
        return -ENOMEM;
    slot = set_slot(set, text);
    if (*slot != NULL)
        return 0;
    *slot = text;
    set->cnt++;
    return 1;
}

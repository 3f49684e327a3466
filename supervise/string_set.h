/* A set of texts that live elsewhere: open addressing, at most half full. */
#pragma once

#include <stddef.h>

/* All 0: empty. The owner frees `slots`. */
struct fls_string_set {
    const char **slots;
    size_t cnt, max;
};

/* 1 if the text is new (it must stay as long as the set), 0 if it is there, -ENOMEM. */
int fls_string_set_add(struct fls_string_set *set, const char *text);

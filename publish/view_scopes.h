/* The scopes that a cycle of the view touches, and which of their keys it has staged. */
#pragma once

#include <stdint.h>

struct fls_view_staged {
    uint32_t day;
    char *account;   /* NULL: the organisation */
    uint64_t staged; /* a bit for each key that stands staged; 0: the scope is to vanish */
};

struct fls_view_scopes {
    struct fls_view_staged *at; /* in the order of their first mention */
    uint32_t cnt, max;
    uint32_t *index; /* by hash: number in `at` + 1, 0 if free */
    uint32_t index_max;
};

/* The entry of the scope, a new one with nothing staged if need be. Valid until the next call. */
struct fls_view_staged *fls_view_scopes_get(struct fls_view_scopes *scopes, uint32_t day,
                                            const char *account);
/* Forgets all scopes. */
void fls_view_scopes_clear(struct fls_view_scopes *scopes);

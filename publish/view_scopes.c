#include "publish/view_scopes.h"

#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SCOPES_FIRST 256U /* entries at first; then twice as many each time */

static uint64_t hash_of(uint32_t day, const char *account)
{
    return account ? XXH3_64bits_withSeed(account, strlen(account), day) : ~(uint64_t)day;
}

static int is_same(const struct fls_view_staged *entry, uint32_t day, const char *account)
{
    if (entry->day != day || !entry->account != !account)
        return 0;
    return !account || strcmp(entry->account, account) == 0;
}

/* Where the scope stands in the index, or the free place where it would. */
static uint32_t *find(const struct fls_view_scopes *scopes, uint32_t day, const char *account)
{
    uint32_t mask = scopes->index_max - 1;
    uint32_t at = (uint32_t)hash_of(day, account) & mask;

    while (scopes->index[at] && !is_same(&scopes->at[scopes->index[at] - 1], day, account))
        at = (at + 1) & mask;
    return &scopes->index[at];
}

static void grow(struct fls_view_scopes *scopes)
{
    scopes->max = scopes->max ? scopes->max * 2 : SCOPES_FIRST;
    scopes->index_max = scopes->max * 2;
    scopes->at = realloc(scopes->at, scopes->max * sizeof(*scopes->at));
    free(scopes->index);
    scopes->index = calloc(scopes->index_max, sizeof(*scopes->index));
    fls_assert(scopes->at && scopes->index);
    for (uint32_t i = 0; i < scopes->cnt; i++)
        *find(scopes, scopes->at[i].day, scopes->at[i].account) = i + 1;
}

struct fls_view_staged *fls_view_scopes_get(struct fls_view_scopes *scopes, uint32_t day,
                                            const char *account)
{
    uint32_t *place;

    if (scopes->cnt == scopes->max)
        grow(scopes);
    place = find(scopes, day, account);
    if (!*place) {
        struct fls_view_staged *entry = &scopes->at[scopes->cnt++];

        *entry = (struct fls_view_staged){.day = day, .account = account ? strdup(account) : NULL};
        fls_assert(!account || entry->account);
        *place = scopes->cnt;
    }
    return &scopes->at[*place - 1];
}

void fls_view_scopes_clear(struct fls_view_scopes *scopes)
{
    for (uint32_t i = 0; i < scopes->cnt; i++)
        free(scopes->at[i].account);
    free(scopes->at);
    free(scopes->index);
    *scopes = (struct fls_view_scopes){0};
}

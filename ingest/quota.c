#include "ingest/quota.h"

#include "base/array.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void fls_quota_fini(struct fls_quota *quota)
{
    free(quota->met_in);
    fls_dictionary_fini(&quota->days);
    *quota = (struct fls_quota){0};
}

void fls_quota_begin(struct fls_quota *quota)
{
    quota->object++;
    quota->texts_sz = 0;
    quota->has_day = false;
    fls_dictionary_clear(&quota->days);
}

void fls_quota_add_combination(struct fls_quota *quota, uint32_t combination,
                               const struct fls_dictionary *combinations)
{
    uint32_t old_max = quota->met_max;

    if (fls_quota_had_combination(quota, combination))
        return;
    fls_array_reserve(quota->met_in, quota->met_max, (size_t)combination + 1);
    if (quota->met_max > old_max)
        memset(quota->met_in + old_max, 0, (quota->met_max - old_max) * sizeof(*quota->met_in));
    quota->met_in[combination] = quota->object;
    quota->texts_sz += fls_dictionary_text(combinations, combination).sz + FLS_QUOTA_COMBINATION_SZ;
}

void fls_quota_add_day(struct fls_quota *quota, uint32_t day)
{
    if (fls_quota_had_day(quota, day))
        return;
    quota->day = day;
    quota->has_day = true;
    fls_dictionary_intern(&quota->days, (struct fls_span){(const uint8_t *)&day, sizeof(day)});
}

const char *fls_quota_excess(const struct fls_quota *quota)
{
    static_assert(FLS_QUOTA_DAYS_MAX == 4096 && FLS_QUOTA_TEXTS_SZ_MAX == 256 << 20, "told below");

    if (quota->days.cnt > FLS_QUOTA_DAYS_MAX)
        return "its records are of more than 4096 days";
    if (quota->texts_sz > FLS_QUOTA_TEXTS_SZ_MAX)
        return "its records have more than 256 MiB of different texts";
    return NULL;
}

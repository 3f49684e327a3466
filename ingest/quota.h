/* What one object may bring to the memory of those behind: crafted objects hold a new day or new
 * texts in each line. The measure is of the object alone, whatever the epoch brought before it, so
 * that it fails or counts in any order. */
#pragma once

#include "base/dictionary.h"

#include <stdbool.h>
#include <stdint.h>

/* More days than --keep can hold; ten years of an archive in one object are fewer. */
#define FLS_QUOTA_DAYS_MAX 4096U
/* Bytes of distinct combinations of attributes, each with FLS_QUOTA_COMBINATION_SZ for what it
 * takes beside its text: an object of AWS, of some 100,000 lines, has a tenth of it at worst. */
#define FLS_QUOTA_TEXTS_SZ_MAX (256ULL << 20)
#define FLS_QUOTA_COMBINATION_SZ 128U

struct fls_quota {
    uint64_t object;            /* running number of the object, from 1 */
    uint64_t *met_in;           /* by combination: the last object that it was met in */
    uint32_t met_max;           /* elements of met_in[] */
    uint64_t texts_sz;          /* of the object until now */
    uint32_t day;               /* of the record before */
    bool has_day;               /* there was one */
    struct fls_dictionary days; /* of the object, 4 bytes each */
};

/* All 0 at first. */
void fls_quota_fini(struct fls_quota *quota);
/* The next object begins. */
void fls_quota_begin(struct fls_quota *quota);
/* True if the object has had this combination already, or if its record before is of this day: then
 * nothing is to be added. */
static inline bool fls_quota_had_combination(const struct fls_quota *quota, uint32_t combination)
{
    return combination < quota->met_max && quota->met_in[combination] == quota->object;
}
static inline bool fls_quota_had_day(const struct fls_quota *quota, uint32_t day)
{
    return quota->has_day && quota->day == day;
}
/* A line of the object has this combination of attributes, whose text is in `combinations`. */
void fls_quota_add_combination(struct fls_quota *quota, uint32_t combination,
                               const struct fls_dictionary *combinations);
/* A record of the object is of this day. */
void fls_quota_add_day(struct fls_quota *quota, uint32_t day);
/* What the object has too much of, as a reason for its failure; NULL: nothing. */
const char *fls_quota_excess(const struct fls_quota *quota);

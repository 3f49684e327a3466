#include "publish/parts.h"

#include "base/array.h"
#include "state/advice.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(FLS_PART_LAYOUT == 4 && FLS_LEDGER_LAYOUT == 5,
              "parts of another layout are of a ledger of another layout, which no run adds to");

static int part_failed(struct fls_parts *parts, uint64_t segment, int error)
{
    const char *what = strerror(-error), *advice = fls_advice_for_errno(-error);

    if (error == -EUCLEAN || error == -ENOENT) {
        what = error == -EUCLEAN ? "is damaged" : "is missing";
        advice = fls_advice_damaged;
    } else if (error == -EPROTO) {
        what = "was written by a newer flowlog-stats";
        advice = fls_advice_newer;
    }
    snprintf(parts->failure, sizeof(parts->failure), "%s/%llu.seg: %s (%s)", parts->segments->path,
             (unsigned long long)segment, what, advice);
    return error;
}

int fls_parts_tell_torn(struct fls_parts *parts)
{
    snprintf(parts->failure, sizeof(parts->failure),
             "%s: a segment of the day holds rows that make no sense (%s)", parts->segments->path,
             fls_advice_damaged);
    return -EUCLEAN;
}

static int add_part(void *context, const struct fls_part *part)
{
    struct fls_parts *parts = context;
    struct fls_span bytes;
    int error = fls_segments_map(parts->segments, part, &bytes);

    if (error)
        return part_failed(parts, part->segment, error);
    fls_array_reserve(parts->maps, parts->map_max, parts->map_cnt + 1);
    parts->maps[parts->map_cnt++] = bytes;
    if (fls_part_layout(bytes) > FLS_PART_LAYOUT)
        return part_failed(parts, part->segment, -EPROTO);
    if (!fls_merge_day_add(&parts->merged, bytes))
        return part_failed(parts, part->segment, -EUCLEAN);
    if (part->segment < parts->new_segment)
        parts->first_new = parts->merged.part_cnt;
    parts->bytes += part->size;
    return 0;
}

int fls_parts_open(struct fls_parts *parts, struct fls_ledger *ledger,
                   struct fls_segments *segments, uint32_t day, uint64_t new_segment)
{
    int error;

    *parts = (struct fls_parts){.segments = segments, .new_segment = new_segment};
    fls_merge_day_init(&parts->merged, day, true);
    error = fls_ledger_each_part(ledger, &day, add_part, parts); /* ascending by segment */
    if (error) {
        if (parts->failure[0] == 0)
            snprintf(parts->failure, sizeof(parts->failure), "%s", fls_ledger_failure(ledger));
        fls_parts_close(parts);
        return error;
    }
    fls_merge_day_unite(&parts->merged);
    return 0;
}

void fls_parts_close(struct fls_parts *parts)
{
    fls_merge_day_fini(&parts->merged);
    for (uint32_t i = 0; i < parts->map_cnt; i++)
        fls_segments_unmap(parts->maps[i]);
    free(parts->maps);
    parts->maps = NULL;
    parts->map_cnt = parts->map_max = 0;
}

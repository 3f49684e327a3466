#include "publish/parts.h"

#include "base/array.h"
#include "state/advice.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
             "%s: a segment of the day holds rows that make no sense, or cannot be read (%s)",
             parts->segments->path, fls_advice_damaged);
    return -EUCLEAN;
}

/* The parts of one file follow one another. */
static int open_file(struct fls_parts *parts, uint64_t segment)
{
    int fd, error;

    if (parts->file_cnt > 0 && parts->last_segment == segment)
        return 0;
    error = fls_segments_open_file(parts->segments, segment, &fd);
    if (error)
        return error;
    fls_array_reserve(parts->files, parts->file_max, parts->file_cnt + 1);
    parts->files[parts->file_cnt++] = fd;
    parts->last_segment = segment;
    return 0;
}

static int open_part(struct fls_parts *parts, const struct fls_part *part)
{
    struct fls_part_place place = {.offset = part->offset, .sz = part->size};
    int error = open_file(parts, part->segment);

    if (error)
        return error;
    place.fd = parts->files[parts->file_cnt - 1];
    /* what was written last was summed while it was written, and the kernel still has it */
    error = part->segment == parts->segments->last_written ? 0 : fls_segments_check(place.fd, part);
    if (error)
        return error;
    if (fls_part_layout(place) > FLS_PART_LAYOUT)
        return -EPROTO;
    return fls_merge_day_add(&parts->merged, place) ? 0 : -EUCLEAN;
}

static int add_part(void *context, const struct fls_part *part)
{
    struct fls_parts *parts = context;
    int error = open_part(parts, part);

    if (error)
        return part_failed(parts, part->segment, error);
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
    fls_merge_day_init(&parts->merged, day);
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
    for (uint32_t i = 0; i < parts->file_cnt; i++)
        close(parts->files[i]);
    free(parts->files);
    parts->files = NULL;
    parts->file_cnt = parts->file_max = 0;
}

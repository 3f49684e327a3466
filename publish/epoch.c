#include "publish/epoch.h"

#include "base/array.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

void fls_epoch_clear(struct fls_epoch *epoch)
{
    for (uint32_t i = 0; i < epoch->result_cnt; i++)
        free((void *)epoch->results[i].at);
    if (epoch->has_file)
        fls_segments_abandon(&epoch->file);
    epoch->has_file = false;
    epoch->result_cnt = epoch->counted_cnt = epoch->failed_cnt = epoch->part_cnt = 0;
    epoch->is_damaged = false;
}

void fls_epoch_fini(struct fls_epoch *epoch)
{
    fls_epoch_clear(epoch);
    free(epoch->results);
    free(epoch->parts);
}

void fls_epoch_add_result(struct fls_epoch *epoch, struct fls_span encoded)
{
    static struct fls_result result; /* some kilobytes; this process has one thread */
    uint8_t *copy = malloc(encoded.sz);

    fls_assert(copy != NULL && fls_result_decode(encoded, &result));
    fls_array_reserve(epoch->results, epoch->result_max, epoch->result_cnt + 1);
    memcpy(copy, encoded.at, encoded.sz);
    epoch->results[epoch->result_cnt++] = (struct fls_span){copy, encoded.sz};
    epoch->counted_cnt += result.status == FLS_RESULT_COUNTED;
    epoch->failed_cnt += result.status == FLS_RESULT_FAILED;
    epoch->is_damaged |= result.status != FLS_RESULT_COUNTED && result.has_pushed;
}

void fls_epoch_result(const struct fls_epoch *epoch, uint32_t i, struct fls_result *result)
{
    fls_assert(i < epoch->result_cnt && fls_result_decode(epoch->results[i], result));
}

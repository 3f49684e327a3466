#include "publish/epoch.h"

#include "base/array.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void fls_epoch_init(struct fls_epoch *epoch, uint32_t shard_cnt)
{
    *epoch = (struct fls_epoch){.shard_cnt = shard_cnt};
    epoch->segments = calloc(shard_cnt, sizeof(*epoch->segments));
    fls_assert(epoch->segments != NULL);
}

void fls_epoch_clear(struct fls_epoch *epoch)
{
    for (uint32_t i = 0; i < epoch->result_cnt; i++)
        free((void *)epoch->results[i].at);
    for (uint32_t i = 0; i < epoch->shard_cnt; i++) {
        if (epoch->segments[i].content.at)
            munmap((void *)epoch->segments[i].content.at, epoch->segments[i].content.sz);
        epoch->segments[i].content = (struct fls_span){0};
    }
    epoch->result_cnt = epoch->counted_cnt = epoch->failed_cnt = 0;
    epoch->is_damaged = false;
}

void fls_epoch_fini(struct fls_epoch *epoch)
{
    fls_epoch_clear(epoch);
    free(epoch->results);
    free(epoch->segments);
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

void fls_epoch_add_segment(struct fls_epoch *epoch, uint32_t shard, int fd, uint64_t size)
{
    void *content;

    fls_assert(shard < epoch->shard_cnt && epoch->segments[shard].content.at == NULL);
    if (size > 0) {
        fls_assert(fd >= 0);
        content = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
        fls_assert(content != MAP_FAILED);
        epoch->segments[shard].content = (struct fls_span){content, size};
    }
    if (fd >= 0)
        close(fd);
}

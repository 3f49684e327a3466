#include "dashboard/reading.h"

#include "base/assert.h"
#include "base/redis.h"
#include "base/visible.h"
#include "dashboard/view_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMED_KEY_MAX 160U /* bytes of a key in a message, with its NUL */

void *fls_reading_take(size_t cnt, size_t sz)
{
    void *memory = calloc(cnt ? cnt : 1, sz);

    fls_assert(memory);
    return memory;
}

/* ---- failures ---- */

static int lost(struct fls_reading *reading)
{
    snprintf(reading->error, reading->error_max,
             "the connection to Redis failed while reading: %s; see whether it runs, and ask again",
             reading->redis->errstr[0] ? reading->redis->errstr : "closed");
    return -EIO;
}

static int refused(struct fls_reading *reading, const redisReply *reply)
{
    char text[NAMED_KEY_MAX];

    fls_visible(fls_redis_span(reply), text, sizeof(text));
    fls_redis_error(text, reading->error, reading->error_max);
    return -EIO;
}

int fls_reading_damaged(struct fls_reading *reading, enum fls_redis_key key)
{
    char text[NAMED_KEY_MAX];
    char *name = fls_key_make(key, &reading->parts);

    fls_visible(fls_span_of(name), text, sizeof(text));
    free(name);
    name = fls_key_make(FLS_REDIS_EPOCH, &reading->parts);
    snprintf(reading->error, reading->error_max,
             "what Redis holds at %s is not what this program publishes; delete %s, and the next "
             "run publishes everything anew",
             text, name);
    free(name);
    return -EPROTO;
}

/* ---- transactions ---- */

void fls_reading_queue(struct fls_reading *reading, const char *command, enum fls_redis_key key)
{
    char *name = fls_key_make(key, &reading->parts);

    /* A failure to format or to allocate stays in the context and shows at the first reply. */
    if (key == FLS_REDIS_DAYS)
        redisAppendCommand(reading->redis, "%s %s 0 -1", command, name);
    else
        redisAppendCommand(reading->redis, "%s %s", command, name);
    free(name);
    reading->queued_cnt++;
}

void fls_reading_begin(struct fls_reading *reading)
{
    redisAppendCommand(reading->redis, "MULTI");
    reading->queued_cnt = 0;
    fls_reading_queue(reading, "GET", FLS_REDIS_EPOCH);
}

static int check_elements(struct fls_reading *reading, const redisReply *exec)
{
    if (exec->type != REDIS_REPLY_ARRAY || exec->elements != reading->queued_cnt) {
        snprintf(reading->error, reading->error_max, "Redis did not run the transaction");
        return -EIO;
    }
    for (size_t i = 0; i < exec->elements; i++)
        if (exec->element[i]->type == REDIS_REPLY_ERROR)
            return refused(reading, exec->element[i]);
    return 0;
}

static void keep(struct fls_published *published, redisReply *reply)
{
    published->replies =
        reallocarray(published->replies, published->reply_cnt + 1, sizeof(*published->replies));
    fls_assert(published->replies);
    published->replies[published->reply_cnt++] = reply;
}

int fls_reading_commit(struct fls_reading *reading, const redisReply **exec)
{
    void *reply = NULL;
    int status = 0;

    redisAppendCommand(reading->redis, "EXEC");
    /* Replies of MULTI and of each queued command: the first error is the cause, EXEC's that
     * follows only says that there was one. */
    for (uint32_t i = 0; i < reading->queued_cnt + 1; i++) {
        if (redisGetReply(reading->redis, &reply) != REDIS_OK)
            return lost(reading);
        if (status == 0 && ((redisReply *)reply)->type == REDIS_REPLY_ERROR)
            status = refused(reading, reply);
        freeReplyObject(reply);
    }
    if (redisGetReply(reading->redis, &reply) != REDIS_OK)
        return lost(reading);
    keep(reading->to, reply);
    *exec = reply;
    return status ? status : check_elements(reading, reply);
}

int fls_reading_epoch(struct fls_reading *reading, const redisReply *reply, uint64_t *epoch)
{
    if (reply->type == REDIS_REPLY_NIL) {
        snprintf(reading->error, reading->error_max,
                 "nothing is published under the name %s yet; count logs first: flowlog-stats run "
                 "PATH... (with the same --state, or --redis and --name, as here)",
                 reading->parts.name);
        return -ENOENT;
    }
    if (reply->type != REDIS_REPLY_STRING || !fls_value_number(fls_redis_span(reply), epoch))
        return fls_reading_damaged(reading, FLS_REDIS_EPOCH);
    return 0;
}

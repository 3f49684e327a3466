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

/* The wire's own failures, among them the error replies to queued commands. */
static int failed(struct fls_reading *reading, int status)
{
    char text[sizeof(reading->wire->failure)];

    fls_visible(fls_span_of(reading->wire->failure), text, sizeof(text));
    snprintf(reading->error, reading->error_max, "%s", text);
    return status;
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

void fls_reading_queue_made(struct fls_reading *reading)
{
    if (reading->status == 0)
        reading->status = fls_wire_send(reading->wire);
    reading->queued_cnt++;
}

void fls_reading_queue(struct fls_reading *reading, const char *command, enum fls_redis_key key)
{
    char *name = fls_key_make(key, &reading->parts);

    fls_wire_command(reading->wire, command);
    fls_wire_text(reading->wire, name);
    if (key == FLS_REDIS_DAYS) {
        fls_wire_text(reading->wire, "0");
        fls_wire_text(reading->wire, "-1");
    }
    fls_reading_queue_made(reading);
    free(name);
}

void fls_reading_begin(struct fls_reading *reading)
{
    reading->status = 0;
    fls_wire_command(reading->wire, "MULTI");
    fls_reading_queue_made(reading);
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
    redisReply *reply = NULL;

    if (reading->status == 0) {
        fls_wire_command(reading->wire, "EXEC");
        reply = fls_wire_ask(reading->wire, &reading->status);
    }
    if (!reply)
        return failed(reading, reading->status);
    keep(reading->to, reply);
    *exec = reply;
    return check_elements(reading, reply);
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

#include "publish/view_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SCAN_COUNT "1000"   /* keys that the server looks at for each SCAN */
#define SCANS_MAX 10000000U /* SCANs of one pass: a bound, far above any server's keys */

static redisReply *ask_scan(struct fls_view *view, const char *cursor, const char *pattern,
                            int *status)
{
    redisReply *reply;

    fls_wire_command(&view->wire, "SCAN");
    fls_wire_text(&view->wire, cursor);
    fls_wire_text(&view->wire, "MATCH");
    fls_wire_text(&view->wire, pattern);
    fls_wire_text(&view->wire, "COUNT");
    fls_wire_text(&view->wire, SCAN_COUNT);
    reply = fls_wire_ask(&view->wire, status);
    if (reply && (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
                  reply->element[1]->type != REDIS_REPLY_ARRAY)) {
        freeReplyObject(reply);
        *status = fls_wire_fail(&view->wire, -EPROTO, "Redis answered SCAN with something else");
        return NULL;
    }
    return reply;
}

/* Calls `each` for the keys of every reply. */
static int scan(struct fls_view *view, const char *what,
                int (*each)(struct fls_view *, redisReply *keys, struct fls_view_text *),
                struct fls_view_text *to)
{
    char pattern[FLS_NAME_MAX + 64], cursor[FLS_VIEW_NUMBER_MAX] = "0";
    int status = 0;

    /* Nothing in a valid name means anything in a pattern. */
    snprintf(pattern, sizeof(pattern), "flowlog:{%s}:%s*", view->name, what);
    for (uint32_t i = 0; i < SCANS_MAX && !status; i++) {
        redisReply *reply = ask_scan(view, cursor, pattern, &status);

        if (!reply)
            return status;
        snprintf(cursor, sizeof(cursor), "%s", reply->element[0]->str);
        status = each(view, reply->element[1], to);
        freeReplyObject(reply);
        if (strcmp(cursor, "0") == 0)
            return status;
    }
    return status ? status : fls_wire_fail(&view->wire, -ELOOP, "SCAN of Redis finds no end");
}

/* Keys of later incarnations are not ours to remove. */
static int unlink_leftovers(struct fls_view *view, redisReply *keys, struct fls_view_text *unused)
{
    size_t stage_sz = view->prefix_sz + strlen(FLS_VIEW_STAGE);
    int status = 0;

    (void)unused;
    fls_view_batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (size_t i = 0; i < keys->elements && !status; i++)
        if (strtoull(keys->element[i]->str + stage_sz, NULL, 10) <= view->incarnation)
            status = fls_view_batch_member(view, fls_redis_span(keys->element[i]));
    return status ? status : fls_view_batch_end(view);
}

int fls_view_remove_leftovers(struct fls_view *view)
{
    return scan(view, FLS_VIEW_STAGE, unlink_leftovers, NULL);
}

static int append_published(struct fls_view *view, redisReply *keys, struct fls_view_text *list)
{
    struct fls_span incarnation = fls_view_live_key(view, FLS_REDIS_INCARNATION, fls_view_no_parts);

    for (size_t i = 0; i < keys->elements; i++) {
        struct fls_span key = fls_redis_span(keys->element[i]);

        if (fls_span_equal(key, incarnation) ||
            strncmp((const char *)key.at + view->prefix_sz, FLS_VIEW_STAGE,
                    strlen(FLS_VIEW_STAGE)) == 0)
            continue;
        fls_view_text_reserve(list, list->sz + key.sz + sizeof(uint32_t));
        fls_view_text_put(list, (struct fls_span){(uint8_t *)&(uint32_t){(uint32_t)key.sz}, 4});
        fls_view_text_put(list, key);
    }
    return 0;
}

int fls_view_list_published(struct fls_view *view, struct fls_view_text *list)
{
    return scan(view, "", append_published, list);
}

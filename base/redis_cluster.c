#include "base/redis_cluster.h"

#include "base/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_MAX 65535

bool fls_redis_moved(const char *reply, char host[static FLS_REDIS_HOST_MAX], int *port)
{
    const char *at, *colon;
    char *end;
    size_t sz;
    long number;

    if (strncmp(reply, "MOVED ", 6) != 0 || !(at = strchr(reply + 6, ' ')))
        return false;
    colon = strrchr(++at, ':'); /* the last one: an IPv6 address has more */
    sz = colon ? (size_t)(colon - at) : FLS_REDIS_HOST_MAX;
    if (sz >= FLS_REDIS_HOST_MAX || (sz == 1 && at[0] == '?')) /* a node that has no name yet */
        return false;
    number = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || (*end && *end != ' ') || number < 1 || number > PORT_MAX)
        return false;
    memcpy(host, at, sz);
    host[sz] = '\0';
    *port = (int)number;
    return true;
}

/* Asks for a key of the deployment. Only MOVED matters: what else is wrong, the first command that
 * means something will tell. NULL, or the MOVED (to be freed). */
static redisReply *ask_for_home(redisContext *context, const char *name)
{
    char *key = fls_key_make(FLS_REDIS_EPOCH, &(struct fls_key_parts){.name = name});
    redisReply *reply = redisCommand(context, "GET %s", key);

    free(key);
    if (reply && reply->type == REDIS_REPLY_ERROR && strncmp(reply->str, "MOVED ", 6) == 0)
        return reply;
    freeReplyObject(reply);
    return NULL;
}

redisContext *fls_redis_connect_home(const struct fls_redis_address *address, const char *name,
                                     char *error, size_t error_max)
{
    struct fls_redis_address node = *address; /* its texts are not this one's own */
    char first[512], host[FLS_REDIS_HOST_MAX], next[FLS_REDIS_HOST_MAX], localhost[] = "localhost";

    for (uint32_t hop = 0; hop <= FLS_REDIS_HOPS_MAX; hop++) {
        redisContext *context = fls_redis_connect(&node, error, error_max);
        redisReply *moved = context ? ask_for_home(context, name) : NULL;

        if (!moved)
            return context;
        redisFree(context);
        if (!fls_redis_moved(moved->str, next, &node.port)) {
            fls_redis_error(moved->str, error, error_max);
            freeReplyObject(moved);
            errno = EREMOTE;
            return NULL;
        }
        freeReplyObject(moved);
        if (next[0])
            node.host = strcpy(host, next);
        else if (!node.host) /* it was a unix socket's */
            node.host = localhost;
        node.unix_path = NULL;
    }
    fls_redis_address_text(address, first, sizeof(first));
    snprintf(error, error_max,
             "%s: the nodes of this Redis Cluster send each other the keys of the name %s: see "
             "CLUSTER NODES, or try again once they agree",
             first, name);
    errno = EREMOTE;
    return NULL;
}

/* Redis Cluster. All keys of a deployment share a hash tag, its name, and so a slot, which one node
 * holds at a time: the deployment's home. What is connected to the home works as with a Redis that
 * is no cluster. Where the slot moves, commands are refused (MOVED; before it, ASK and TRYAGAIN):
 * nothing of a transaction is carried out then, and who sent it begins again at the new home.
 *
 * ASK is not followed to the node that takes the keys over, but waited out: meanwhile Redis refuses
 * (TRYAGAIN) every transaction that names a key that does not exist, and each one here does. */
#pragma once

#include "base/redis.h"

#define FLS_REDIS_HOPS_MAX 8U   /* MOVED that are followed one after the other */
#define FLS_REDIS_HOST_MAX 256U /* bytes of a host in a MOVED, with its NUL */

/* Reads "MOVED slot host:port"; the host may be an IPv6 address as it stands, a name, or nothing:
 * that of the node which said it. False, and nothing written, for anything else. */
bool fls_redis_moved(const char *reply, char host[static FLS_REDIS_HOST_MAX], int *port);
/* fls_redis_connect to the node that holds the keys of the deployment `name`, from `address` on; to
 * `address` itself where that is no cluster. -EREMOTE: after FLS_REDIS_HOPS_MAX there was still no
 * end. User, password and timeout are those of the address at every node. */
redisContext *fls_redis_connect_home(const struct fls_redis_address *address, const char *name,
                                     char *error, size_t error_max);

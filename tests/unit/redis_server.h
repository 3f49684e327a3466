/* One private redis-server for the tests of a program, on a unix socket in a folder of its own.
 * Server and folder are gone in the end, also if a test fails; the server also if the program dies.
 * A test's own folder (scratch.h) is another one. */
#pragma once

#include "scratch.h"

#include "base/redis.h"
#include "supervise/private_redis.h"

static char redis_folder[SCRATCH_PATH_MAX];
static struct fls_private_redis redis_server;
static struct fls_redis_address redis_address;
static redisContext *redis_link; /* the test's own connection */

static inline void redis_start(void)
{
    char error[512];

    if (fls_private_redis_start(&redis_server, redis_folder, error, sizeof(error)))
        fail_msg("%s", error);
    assert_int_equal(
        fls_redis_address_parse(redis_server.url, &redis_address, error, sizeof(error)), 0);
    redis_link = fls_redis_connect(&redis_address, error, sizeof(error));
    if (redis_link == NULL)
        fail_msg("%s", error);
}

/* Nothing for one that is stopped. */
static inline void redis_stop(void)
{
    redisFree(redis_link);
    redis_link = NULL;
    fls_redis_address_fini(&redis_address);
    fls_private_redis_stop(&redis_server);
}

/* Before and after all tests of the program. */
static inline int redis_setup(void **state)
{
    unsetenv("FLOWLOG_REDIS_PASSWORD_FILE");
    unsetenv("FLOWLOG_REDIS_PASSWORD");
    if (scratch_setup(state))
        return -1;
    strcpy(redis_folder, scratch);
    redis_start();
    return 0;
}

static inline int redis_teardown(void **state)
{
    redis_stop();
    scratch_sz = strlen(strcpy(scratch, redis_folder));
    return scratch_teardown(state);
}

/* hiredis's formats: %s, %d and %b (with a size_t). An error fails the test. */
static inline redisReply *redis_vask(const char *format, va_list arguments)
{
    redisReply *reply = redisvCommand(redis_link, format, arguments);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", format, reply->str);
    return reply;
}

static inline redisReply *redis_ask(const char *format, ...)
{
    va_list arguments;
    redisReply *reply;

    va_start(arguments, format);
    reply = redis_vask(format, arguments);
    va_end(arguments);
    return reply;
}

/* The same where the reply does not matter. */
static inline void redis_tell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    freeReplyObject(redis_vask(format, arguments));
    va_end(arguments);
}

/* Before each test that has no folder, and before one that has. */
static inline int redis_empty(void **state)
{
    (void)state;
    redis_tell("FLUSHALL");
    return 0;
}

static inline int redis_scratch_setup(void **state)
{
    redis_tell("FLUSHALL");
    return scratch_setup(state);
}

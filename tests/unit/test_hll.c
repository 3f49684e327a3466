/* HyperLogLogs against those of a real redis-server: same registers, same bytes. */
#include "scratch.h"

#include "base/redis.h"
#include "base/hll.h"
#include "supervise/private_redis.h"

static struct fls_private_redis server;
static redisContext *redis;

static int set_up(void **state)
{
    struct fls_redis_address address;
    char error[512];

    assert_int_equal(scratch_setup(state), 0);
    if (fls_private_redis_start(&server, scratch, error, sizeof(error)))
        fail_msg("%s", error);
    assert_int_equal(fls_redis_address_parse(server.url, &address, error, sizeof(error)), 0);
    redis = fls_redis_connect(&address, error, sizeof(error));
    assert_non_null(redis);
    fls_redis_address_fini(&address);
    return 0;
}

static int tear_down(void **state)
{
    redisFree(redis);
    fls_private_redis_stop(&server);
    return scratch_teardown(state);
}

static redisReply *ask(const char *command, const char *key, const void *bytes, size_t sz)
{
    redisReply *reply = redisCommand(redis, command, key, bytes, sz);

    assert_non_null(reply);
    if (reply->type == REDIS_REPLY_ERROR)
        fail_msg("%s: %s", command, reply->str);
    return reply;
}

static long long ask_number(const char *command, const char *key)
{
    redisReply *reply = ask(command, key, "", 0);
    long long number = reply->integer;

    freeReplyObject(reply);
    return number;
}

/* Elements of any length and any bytes: those of 0..7 bytes are what a hash gets wrong. */
static size_t draw_element(uint64_t *seed, uint8_t *element)
{
    size_t sz = scratch_random(seed) % 40;

    for (size_t i = 0; i < sz; i++)
        element[i] = (uint8_t)scratch_random(seed);
    return sz;
}

static void add_both(struct fls_hll *hll, const char *key, uint64_t *seed, unsigned cnt)
{
    uint8_t element[40];

    for (unsigned i = 0; i < cnt; i++) {
        size_t sz = draw_element(seed, element);

        fls_hll_add(hll, (struct fls_span){element, sz});
        redisAppendCommand(redis, "PFADD %s %b", key, element, sz);
    }
    for (unsigned i = 0; i < cnt; i++) {
        redisReply *reply;

        assert_int_equal(redisGetReply(redis, (void **)&reply), REDIS_OK);
        assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
        freeReplyObject(reply);
    }
}

/* Redis's value but for its cached cardinality (bytes 8..15) is ours; dense on both sides. */
static void expect_same(const struct fls_hll *hll, const char *key)
{
    redisReply *reply = ask("GET %s", key, "", 0);
    uint8_t encoded[FLS_HLL_SZ];

    fls_hll_encode(hll, encoded);
    assert_int_equal(reply->len, FLS_HLL_SZ);
    assert_memory_equal(encoded, reply->str, 8);
    assert_memory_equal(encoded + 16, reply->str + 16, FLS_HLL_SZ - 16);
    assert_int_equal(encoded[15], 0x80);
    freeReplyObject(reply);
    freeReplyObject(ask("SET ours%s %b", key, encoded, sizeof(encoded)));
}

static void registers_are_those_of_pfadd(void **state)
{
    static struct fls_hll a, b;
    uint64_t seed = 7;

    (void)state;
    add_both(&a, "a", &seed, 30000);
    add_both(&b, "b", &seed, 5000);
    expect_same(&a, "a");
    expect_same(&b, "b");
    assert_int_equal(ask_number("PFCOUNT %s", "a"), ask_number("PFCOUNT %s", "oursa"));
    assert_int_equal(ask_number("PFCOUNT %s", "b"), ask_number("PFCOUNT %s", "oursb"));
    assert_true(ask_number("PFCOUNT %s", "oursa") > 25000);
}

static void merge_is_union(void **state)
{
    static struct fls_hll a, b, again;
    uint64_t seed = 11;

    (void)state;
    add_both(&a, "c", &seed, 8000);
    add_both(&b, "d", &seed, 4000);
    freeReplyObject(ask("PFMERGE e c d", "", "", 0));
    fls_hll_merge(&a, &b);
    expect_same(&a, "e");
    again = a;
    fls_hll_merge(&again, &b);
    assert_memory_equal(&again, &a, sizeof(a));
}

static void few_elements_count_as_in_redis(void **state)
{
    uint64_t seed = 13;
    char key[16];

    (void)state;
    for (unsigned cnt = 0; cnt < 20; cnt++) {
        static const struct fls_hll empty;
        struct fls_hll hll = empty;
        uint8_t encoded[FLS_HLL_SZ];

        sprintf(key, "few%u", cnt);
        add_both(&hll, key, &seed, cnt); /* sparse there */
        fls_hll_encode(&hll, encoded);
        freeReplyObject(ask("SET ours%s %b", key, encoded, sizeof(encoded)));
        assert_int_equal(ask_number("PFCOUNT %s", key), ask_number("PFCOUNT ours%s", key));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(registers_are_those_of_pfadd),
        cmocka_unit_test(merge_is_union),
        cmocka_unit_test(few_elements_count_as_in_redis),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

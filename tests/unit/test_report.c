/* The report against a real redis-server that plain commands fill in the layout of base/keys.def.
 */
#include "redis_server.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/keys.h"
#include "base/text_figures.h"
#include "base/visible.h"
#include "dashboard/report.h"
#include "dashboard/sum.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define P "flowlog:{t}:"
#define DAY_1 "2024-05-01"
#define DAY_2 "2024-05-02"
#define DAY_3 "2024-05-03"
#define ZEROS "0 0 0 0 0"
#define LIMIT "9223372036854775807"

/* ---- what is published ---- */

static void publish_days(const char *const *days, int cnt)
{
    for (int i = 0; i < cnt; i++) {
        uint32_t day;
        char score[16];

        fls_assert(fls_day_parse(days[i], &day));
        snprintf(score, sizeof(score), "%u", day);
        redis_tell("ZADD " P "days %s %s", day == FLS_DAY_UNKNOWN ? "+inf" : score, days[i]);
    }
}

/* An epoch with nothing but its frame. */
static int empty_epoch(void **state)
{
    redis_empty(state);
    redis_tell("SET " P "epoch 7");
    redis_tell("HSET " P "meta schema 1 top_k 2");
    return 0;
}

static void put_few(const char *day, const char *scope, const char *field, const char *figures)
{
    redis_tell("HSET " P "day:%s:%s:few %s %s", day, scope, field, figures);
}

static void put_top(const char *day, const char *scope, const char *table, const char *key,
                    const char *figures)
{
    redis_tell("HSET " P "day:%s:%s:top:%s %s %s", day, scope, table, key, figures);
}

static void put_facts(const char *day, const char *scope, const char *table, const char *facts)
{
    redis_tell("HSET " P "day:%s:%s:facts %s %s", day, scope, table, facts);
}

/* ---- the report ---- */

static const struct fls_report_query everything = {
    .table = -1, .order = FLS_BYTES, .top_n = 0, .format = FLS_REPORT_JSON};

static char error[FLS_REPORT_ERROR_MAX];

static void open_wire(struct fls_wire *wire, const char *socket)
{
    char path[SCRATCH_PATH_MAX];
    const struct fls_redis_address where = {.unix_path = strcpy(path, socket)};

    if (fls_wire_open(wire, &where, "t"))
        fail_msg("%s", wire->failure);
}

static int print_over(const char *socket, const struct fls_report_query *query, char **text)
{
    struct fls_wire wire;
    size_t sz;
    FILE *out = open_memstream(text, &sz);
    int status;

    fls_assert(out);
    open_wire(&wire, socket);
    status = fls_report_print(&wire, "t", query, out, error, sizeof(error));
    fclose(out);
    fls_wire_close(&wire);
    return status;
}

static char *print(const struct fls_report_query *query)
{
    char *text;
    int status = print_over(redis_address.unix_path, query, &text);

    if (status)
        fail_msg("report failed: %s", error);
    return text;
}

static json_t *print_json(const struct fls_report_query *query)
{
    char *text = print(query);
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);

    assert_non_null(root);
    free(text);
    return root;
}

static void assert_fails(const struct fls_report_query *query, int status, const char *part)
{
    char *text;

    assert_int_equal(print_over(redis_address.unix_path, query, &text), status);
    assert_string_equal(text, "");
    free(text);
    if (!strstr(error, part))
        fail_msg("\"%s\" does not hold \"%s\"", error, part);
}

static struct fls_report_query of_days(const char *first, const char *last)
{
    struct fls_report_query query = everything;

    query.day_given = true;
    fls_assert(fls_day_parse(first, &query.day_first));
    fls_assert(fls_day_parse(last, &query.day_last));
    return query;
}

static json_t *table_of(json_t *root, const char *name)
{
    return json_object_get(json_object_get(root, "tables"), name);
}

static json_t *row_of(json_t *root, const char *table, size_t i)
{
    return json_array_get(json_object_get(table_of(root, table), "rows"), i);
}

static const char *key_of(json_t *root, const char *table, size_t i)
{
    return json_string_value(json_object_get(row_of(root, table, i), "key"));
}

static size_t rows_of(json_t *root, const char *table)
{
    return json_array_size(json_object_get(table_of(root, table), "rows"));
}

static uint64_t figure_of(json_t *object, const char *name)
{
    assert_true(json_is_integer(json_object_get(object, name)));
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* ---- JSON ---- */

static void publish_small(void)
{
    static const char *const days[] = {DAY_2, "unknown", DAY_1};

    publish_days(days, 3);
    redis_tell("SADD " P "accounts b aa a");
    redis_tell("HSET " P "input objects 3 bytes_read 1000 bytes 5000 lines 30 headers 3 records 20 "
               "nodata 3 skipdata 1 malformed:too_long 1 malformed:out_of_range 2");
    redis_tell("HSET " P "failed %s %s %s %s", "z.gz", "truncated", "a \"b\".gz", "bad CRC");
    redis_tell("HSET " P "lines a %s b %s", "12 2 1", "8 1 0");
    redis_tell("HSET " P "samples %s %s %s %s", "out_of_range|1", "o:9: y", "out_of_range|0",
               "o:2: x\\xff");
    put_few(DAY_2, "organisation", "totals|", LIMIT " 9007199254740993 3 2 1");
    put_few(DAY_2, "organisation", "action|ACCEPT", "9007199254740993 1 " LIMIT " 2 0");
    put_few(DAY_2, "organisation", "action|REJECT", "1 1 3 0 1");
    put_facts(DAY_2, "organisation", "action", "2 " ZEROS);
    redis_tell("PFADD " P "day:" DAY_2 ":organisation:unique:external_sources 1.1.1.1 2.2.2.2");
    redis_tell("PFADD " P "day:" DAY_2 ":organisation:unique:own_addresses 10.0.0.1");
    put_few(DAY_1, "account:a", "totals|", "5 6 7 3 2");
}

static const char golden[] =
    "{\"schema\":1,\"epoch\":7,\"account\":null,\"day\":\"2024-05-02\",\"days\":[\"2024-05-01\","
    "\"2024-05-02\",\"unknown\"],\"accounts\":[\"a\",\"aa\",\"b\"],\"input\":{\"objects\":3,"
    "\"objects_failed\":2,\"bytes_read\":1000,\"bytes\":5000,\"lines\":30,\"headers\":3,"
    "\"records\":20,\"nodata\":3,\"skipdata\":1,\"malformed\":3,\"malformed_by_reason\":{"
    "\"too_long\":1,\"too_few_fields\":0,\"too_many_fields\":0,\"not_a_number\":0,"
    "\"not_an_address\":0,\"out_of_range\":2},\"failed\":[{\"object\":\"a \\\"b\\\".gz\","
    "\"reason\":\"bad CRC\"},{\"object\":\"z.gz\",\"reason\":\"truncated\"}],"
    "\"malformed_samples\":[{\"reason\":\"out_of_range\",\"sample\":\"o:2: x\\\\xff\"},"
    "{\"reason\":\"out_of_range\",\"sample\":\"o:9: y\"}]},\"lines\":{\"records\":20,"
    "\"nodata\":3,\"skipdata\":1},\"totals\":{\"flows\":9223372036854775807,"
    "\"packets\":9007199254740993,\"bytes\":3,\"accepted\":2,\"rejected\":1,\"saturated\":true},"
    "\"unique\":{\"external_sources\":2,\"own_addresses\":1},\"tables\":{\"action\":{"
    "\"distinct\":2,\"max_error\":{\"flows\":0,\"packets\":0,\"bytes\":0,\"accepted\":0,"
    "\"rejected\":0},\"rows\":[{\"key\":\"ACCEPT\",\"flows\":9007199254740993,\"packets\":1,"
    "\"bytes\":9223372036854775807,\"accepted\":2,\"rejected\":0,\"saturated\":true},"
    "{\"key\":\"REJECT\",\"flows\":1,\"packets\":1,\"bytes\":3,\"accepted\":0,"
    "\"rejected\":1}]}}}\n";

static void json_is_exact(void **state)
{
    struct fls_report_query query = everything;
    char *text;

    (void)state;
    publish_small();
    query.table = FLS_TABLE_ACTION;
    text = print(&query);
    assert_string_equal(text, golden);
    free(text);
}

static void json_has_every_table_in_order(void **state)
{
    json_t *root;
    const char *name;
    json_t *table;
    int i = FLS_TABLE_TOTALS + 1;

    (void)state;
    publish_small();
    root = print_json(&everything);
    json_object_foreach(json_object_get(root, "tables"), name, table)
    {
        assert_string_equal(name, fls_tables[i++].name);
        assert_true(json_is_array(json_object_get(table, "rows")));
    }
    assert_int_equal(i, FLS_TABLE_CNT);
    assert_int_equal(figure_of(table_of(root, "vpc"), "distinct"), 0);
    json_decref(root);
}

static void totals_alone_have_no_tables(void **state)
{
    struct fls_report_query query = everything;
    json_t *root;

    (void)state;
    publish_small();
    query.table = FLS_TABLE_TOTALS;
    root = print_json(&query);
    assert_int_equal(json_object_size(json_object_get(root, "tables")), 0);
    assert_int_equal(figure_of(json_object_get(root, "totals"), "bytes"), 3);
    json_decref(root);
}

static void account_has_its_own_lines_and_totals(void **state)
{
    struct fls_report_query query = of_days(DAY_1, DAY_1);
    json_t *root;

    (void)state;
    publish_small();
    query.account = "a";
    root = print_json(&query);
    assert_string_equal(json_string_value(json_object_get(root, "account")), "a");
    assert_string_equal(json_string_value(json_object_get(root, "day")), DAY_1);
    assert_int_equal(figure_of(json_object_get(root, "lines"), "records"), 12);
    assert_int_equal(figure_of(json_object_get(root, "totals"), "bytes"), 7);
    assert_int_equal(figure_of(json_object_get(root, "input"), "records"), 20);
    json_decref(root);
}

static void account_without_the_day_is_zero(void **state)
{
    struct fls_report_query query = of_days(DAY_2, DAY_2);
    json_t *root;

    (void)state;
    publish_small();
    redis_tell("HSET " P "lines only-nodata %s", "0 4 0");
    for (int i = 0; i < 2; i++) {
        query.account = i ? "only-nodata" : "aa";
        root = print_json(&query);
        assert_int_equal(figure_of(json_object_get(root, "totals"), "flows"), 0);
        assert_int_equal(figure_of(json_object_get(root, "lines"), "nodata"), i ? 4 : 0);
        assert_int_equal(rows_of(root, "source_address"), 0);
        json_decref(root);
    }
}

static void no_day_held_is_no_error(void **state)
{
    json_t *root;
    struct fls_report_query query = of_days(DAY_1, DAY_1);

    (void)state;
    redis_tell("HSET " P "input objects 1 lines 2 nodata 2");
    root = print_json(&everything);
    assert_true(json_is_null(json_object_get(root, "day")));
    assert_int_equal(json_array_size(json_object_get(root, "days")), 0);
    assert_int_equal(figure_of(json_object_get(root, "input"), "nodata"), 2);
    json_decref(root);
    assert_fails(&query, -ENOENT, "nothing that was counted is a record");
}

static void day_unknown_is_the_newest_only_alone(void **state)
{
    static const char *const unknown[] = {"unknown"}, *const day[] = {DAY_1};
    struct fls_report_query query = of_days("unknown", "unknown");
    json_t *root;

    (void)state;
    publish_days(unknown, 1);
    root = print_json(&everything);
    assert_string_equal(json_string_value(json_object_get(root, "day")), "unknown");
    json_decref(root);
    publish_days(day, 1);
    root = print_json(&everything);
    assert_string_equal(json_string_value(json_object_get(root, "day")), DAY_1);
    json_decref(root);
    root = print_json(&query);
    assert_string_equal(json_string_value(json_object_get(root, "day")), "unknown");
    json_decref(root);
}

/* ---- order ---- */

static void rows_come_in_order(void **state)
{
    static const char *const days[] = {DAY_1};
    static const struct {
        enum fls_counter order;
        const char *keys[5];
    } expected[] = {
        {FLS_BYTES, {"d", "B", "a", "ab", "c"}},
        {FLS_PACKETS, {"c", "B", "a", "ab", "d"}},
        {FLS_FLOWS, {"B", "a", "ab", "c", "d"}},
        {FLS_REJECTED, {"ab", "c", "B", "a", "d"}},
    };
    struct fls_report_query query = everything;

    (void)state;
    publish_days(days, 1);
    put_top(DAY_1, "organisation", "source_address", "ab", "1 2 3 0 9");
    put_top(DAY_1, "organisation", "source_address", "a", "1 2 3 0 0");
    put_top(DAY_1, "organisation", "source_address", "B", "1 2 3 0 0");
    put_top(DAY_1, "organisation", "source_address", "c", "1 9007199254740993 2 0 1");
    put_top(DAY_1, "organisation", "source_address", "d", "1 1 9007199254740992 0 0");
    put_facts(DAY_1, "organisation", "source_address", "50 " ZEROS);
    put_few(DAY_1, "organisation", "minute|2024-05-01T10:00:00Z", "1 1 1 1 1");
    put_few(DAY_1, "organisation", "minute|2024-05-01T09:59:00Z", "1 1 1 1 1");
    put_few(DAY_1, "organisation", "minute|2024-05-01T10:01:00Z", "1 1 9 1 1");
    put_facts(DAY_1, "organisation", "minute", "3 " ZEROS);
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        for (uint32_t top_n = 0; top_n < 4; top_n += 3) {
            json_t *root;

            query.order = expected[i].order;
            query.top_n = top_n;
            root = print_json(&query);
            assert_int_equal(rows_of(root, "source_address"), top_n ? top_n : 5);
            for (size_t j = 0; j < rows_of(root, "source_address"); j++)
                assert_string_equal(key_of(root, "source_address", j), expected[i].keys[j]);
            assert_int_equal(figure_of(table_of(root, "source_address"), "distinct"), 50);
            json_decref(root);
        }
    }
    query.top_n = 1;
    {
        json_t *root = print_json(&query);

        assert_int_equal(rows_of(root, "minute"), 3);
        assert_string_equal(key_of(root, "minute", 0), "2024-05-01T09:59:00Z");
        assert_string_equal(key_of(root, "minute", 2), "2024-05-01T10:01:00Z");
        json_decref(root);
    }
}

/* ---- errors ---- */

static void errors_say_what_is_possible(void **state)
{
    static const char *const days[] = {"2024-04-01", "2024-04-02", "2024-04-03",
                                       "2024-04-04", "2024-04-05", "2024-04-06"};
    struct fls_report_query query = of_days(DAY_1, DAY_1);
    struct fls_report_query range = of_days(DAY_1, DAY_3);
    struct fls_report_query account = everything;

    (void)state;
    publish_days(days, 6);
    for (int i = 0; i < 10; i++)
        redis_tell("SADD " P "accounts %d", 100000000 + 1111 * i);
    assert_fails(&query, -ENOENT,
                 "day 2024-05-01 is not held; 6 days are, the newest: 2024-04-06, 2024-04-05, "
                 "2024-04-04, 2024-04-03, 2024-04-02");
    assert_true(strstr(error, "2024-04-01") == NULL);
    assert_fails(&range, -ENOENT, "no day of 2024-05-01..2024-05-03 is held; 6 days are");
    account.account = "10000333\033";
    assert_fails(&account, -ENOENT, "account 10000333\\x1b has no records");
    assert_true(strstr(error, "10 accounts have, the closest: 100003333, ") != NULL);
    account.account = "100003333";
    free(print(&account));
}

static void nothing_published_says_what_to_do(void **state)
{
    (void)state;
    redis_tell("FLUSHALL");
    assert_fails(&everything, -ENOENT, "flowlog-stats run PATH...");
}

static void damage_is_told(void **state)
{
    static const char *const days[] = {DAY_1};

    (void)state;
    publish_days(days, 1);
    redis_tell("HSET " P "meta schema 2");
    assert_fails(&everything, -EPROTO, "layout version 2");
    redis_tell("HSET " P "meta schema 1");
    put_top(DAY_1, "organisation", "service", "6|443", "1 2 3 4 5");
    assert_fails(&everything, -EPROTO, "facts"); /* rows without facts */
    put_facts(DAY_1, "organisation", "service", "1 " ZEROS);
    free(print(&everything));
    put_top(DAY_1, "organisation", "service", "6|443", "1 2 3 4 9223372036854775808");
    assert_fails(&everything, -EPROTO, "top:service");
    put_top(DAY_1, "organisation", "service", "6|443", "1 2 3 4");
    assert_fails(&everything, -EPROTO, "delete flowlog:{t}:epoch");
    redis_tell("DEL " P "day:" DAY_1 ":organisation:top:service");
    assert_fails(&everything, -EPROTO, "facts"); /* facts without rows */
    put_facts(DAY_1, "organisation", "service", "0 " ZEROS);
    free(print(&everything));
    redis_tell("SET " P "day:" DAY_1 ":organisation:unique:own_addresses x");
    assert_fails(&everything, -EIO, "WRONGTYPE");
    redis_tell("DEL " P "day:" DAY_1 ":organisation:unique:own_addresses");
    redis_tell("DEL " P "days");
    redis_tell("ZADD " P "days 1 yesterday");
    assert_fails(&everything, -EPROTO, P "days");
    redis_tell("DEL " P "days");
    redis_tell("SET " P "days 1");
    assert_fails(&everything, -EIO, "WRONGTYPE");
}

static void refusals_name_their_cause(void **state)
{
    struct fls_published published;
    struct fls_published_choice choice = {0};
    struct fls_wire wire;

    (void)state;
    redis_tell("ACL SETUSER weak on >x ~flowlog:* +@all -hgetall");
    open_wire(&wire, redis_address.unix_path);
    freeReplyObject(redisCommand(wire.context, "AUTH weak x"));
    assert_int_equal(fls_published_read(&published, &wire, "t", &choice, error, sizeof(error)),
                     -EACCES);
    assert_non_null(strstr(error, "lacks a permission"));
    fls_wire_close(&wire);
    open_wire(&wire, redis_address.unix_path);
    freeReplyObject(redisCommand(wire.context, "QUIT"));
    assert_true(fls_published_read(&published, &wire, "t", &choice, error, sizeof(error)) < 0);
    assert_non_null(strstr(error, "the connection to Redis is lost"));
    assert_null(wire.context);
    fls_wire_close(&wire);
}

static void full_output_is_told(void **state)
{
    FILE *out = fopen("/dev/full", "w");
    struct fls_wire wire;

    (void)state;
    open_wire(&wire, redis_address.unix_path);
    assert_int_equal(fls_report_print(&wire, "t", &everything, out, error, sizeof(error)), -ENOSPC);
    assert_non_null(strstr(error, "could not be written"));
    fclose(out);
    fls_wire_close(&wire);
}

/* ---- one epoch whole ---- */

/* Stands between a reader and the server, and before it lets the second and every second later
 * transaction through, publishes another epoch: so the reader's two halves never match. */
struct between {
    char socket[128];
    int listener;
    uint32_t changes_left, transactions;
    pthread_t thread;
};

static void publish_epoch(redisContext *redis, int epoch)
{
    redisReply *reply;

    redisAppendCommand(redis, "MULTI");
    redisAppendCommand(redis, "SET " P "epoch %d", epoch);
    redisAppendCommand(redis, "HSET " P "input records %d", epoch);
    redisAppendCommand(redis, "HSET " P "day:" DAY_1 ":organisation:few totals| %s",
                       epoch % 2 ? "1 1 1 1 0" : "2 2 2 2 0");
    redisAppendCommand(redis, "EXEC");
    for (int i = 0; i < 5; i++) {
        fls_assert(redisGetReply(redis, (void **)&reply) == REDIS_OK);
        freeReplyObject(reply);
    }
}

static bool pass(int from, int to, struct between *between, redisContext *writer)
{
    char bytes[65536];
    ssize_t sz = read(from, bytes, sizeof(bytes));

    if (sz <= 0)
        return false;
    /* A transaction arrives whole in one write of fewer bytes than this. */
    if (writer && sz < (ssize_t)sizeof(bytes) && memmem(bytes, (size_t)sz, "EXEC\r\n", 6) &&
        between->transactions++ % 2 == 1 && between->changes_left > 0) {
        between->changes_left--;
        publish_epoch(writer, 8 + (int)between->transactions / 2);
    }
    for (ssize_t done = 0; done < sz;) {
        ssize_t put = write(to, bytes + done, (size_t)(sz - done));

        fls_assert(put > 0);
        done += put;
    }
    return true;
}

static void *stand_between(void *argument)
{
    struct between *between = argument;
    int client = accept(between->listener, NULL, NULL);
    redisContext *upstream = redisConnectUnix(redis_address.unix_path);
    redisContext *writer = redisConnectUnix(redis_address.unix_path);
    struct pollfd fds[2] = {{.fd = client, .events = POLLIN},
                            {.fd = upstream->fd, .events = POLLIN}};

    for (bool is_open = true; is_open;) {
        fls_assert(poll(fds, 2, -1) > 0);
        if (fds[0].revents)
            is_open = pass(client, upstream->fd, between, writer);
        if (is_open && fds[1].revents)
            is_open = pass(upstream->fd, client, between, NULL);
    }
    close(client);
    redisFree(upstream);
    redisFree(writer);
    return NULL;
}

static void between_start(struct between *between, uint32_t changes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    *between = (struct between){.changes_left = changes};
    snprintf(between->socket, sizeof(between->socket), "%s-between", redis_address.unix_path);
    strcpy(address.sun_path, between->socket);
    between->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    fls_assert(bind(between->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
    fls_assert(listen(between->listener, 1) == 0);
    fls_assert(pthread_create(&between->thread, NULL, stand_between, between) == 0);
}

static void between_stop(struct between *between)
{
    pthread_join(between->thread, NULL);
    close(between->listener);
    unlink(between->socket);
}

static void publish_first_epoch(void)
{
    static const char *const days[] = {DAY_1};

    publish_days(days, 1);
    publish_epoch(redis_link, 7);
}

static void changed_epoch_is_read_again(void **state)
{
    struct between between;
    char *text;
    json_t *root;

    (void)state;
    publish_first_epoch();
    between_start(&between, 1);
    assert_int_equal(print_over(between.socket, &everything, &text), 0);
    between_stop(&between);
    assert_int_equal(between.transactions, 4);
    root = json_loads(text, 0, NULL);
    free(text);
    assert_int_equal(figure_of(root, "epoch"), 9);
    assert_int_equal(figure_of(json_object_get(root, "input"), "records"), 9);
    assert_int_equal(figure_of(json_object_get(root, "totals"), "flows"), 1);
    json_decref(root);
}

static void epoch_that_always_changes_is_an_error(void **state)
{
    struct between between;
    char *text;

    (void)state;
    publish_first_epoch();
    between_start(&between, UINT32_MAX);
    assert_int_equal(print_over(between.socket, &everything, &text), -EAGAIN);
    between_stop(&between);
    assert_int_equal(between.transactions, 2 * FLS_READ_TRIES_MAX);
    assert_string_equal(text, "");
    assert_non_null(strstr(error, "new figures were published"));
    free(text);
}

static void other_accounts_keys_are_not_read(void **state)
{
    struct fls_report_query query = of_days(DAY_1, DAY_2);
    redisContext *monitor = redisConnectUnix(redis_address.unix_path);
    redisReply *reply;
    uint32_t cnt = 0;

    (void)state;
    publish_small();
    freeReplyObject(redisCommand(monitor, "MONITOR"));
    free(print(&query));
    query.account = "aa";
    free(print(&query));
    redis_tell("PING the-end");
    for (bool is_end = false; !is_end; cnt++) {
        assert_int_equal(redisGetReply(monitor, (void **)&reply), REDIS_OK);
        is_end = strstr(reply->str, "the-end") != NULL;
        assert_null(strstr(reply->str, "account:a:"));
        assert_null(strstr(reply->str, "account:b:"));
        freeReplyObject(reply);
    }
    assert_true(cnt > 50);
    redisFree(monitor);
}

/* ---- escapes ---- */

static void publish_odd_keys(void)
{
    static const char *const days[] = {DAY_1};

    publish_days(days, 1);
    put_few(DAY_1, "organisation", "totals|", "6 6 60 6 0");
    put_few(DAY_1, "organisation", "vpc|a,b", "1 1 16 1 0");
    put_few(DAY_1, "organisation", "vpc|say \"x\"", "1 1 15 1 0");
    put_few(DAY_1, "organisation", "vpc|a|b\\x00", "1 1 14 1 0");
    put_few(DAY_1, "organisation", "vpc|\303\244\033[31m", "1 1 13 1 0");
    put_few(DAY_1, "organisation", "vpc|bad\377", "1 1 12 1 0");
    put_few(DAY_1, "organisation", "vpc|two\r\nlines", "1 1 11 1 0");
    put_facts(DAY_1, "organisation", "vpc", "6 " ZEROS);
}

static void csv_is_quoted(void **state)
{
    struct fls_report_query query = everything;
    char *text;

    (void)state;
    publish_odd_keys();
    query.format = FLS_REPORT_CSV;
    text = print(&query);
    assert_string_equal(text, "table,key,flows,packets,bytes,accepted,rejected\n"
                              "totals,,6,6,60,6,0\n"
                              "vpc,\"a,b\",1,1,16,1,0\n"
                              "vpc,\"say \"\"x\"\"\",1,1,15,1,0\n"
                              "vpc,a|b\\x00,1,1,14,1,0\n"
                              "vpc,\303\244\033[31m,1,1,13,1,0\n"
                              "vpc,bad\377,1,1,12,1,0\n"
                              "vpc,\"two\r\nlines\",1,1,11,1,0\n");
    free(text);
    query.table = FLS_TABLE_TOTALS;
    text = print(&query);
    assert_string_equal(text,
                        "table,key,flows,packets,bytes,accepted,rejected\ntotals,,6,6,60,6,0\n");
    free(text);
    query.table = FLS_TABLE_VPC;
    query.top_n = 1;
    text = print(&query);
    assert_string_equal(
        text, "table,key,flows,packets,bytes,accepted,rejected\nvpc,\"a,b\",1,1,16,1,0\n");
    free(text);
}

static void json_escapes(void **state)
{
    static const char *const keys[] = {"a,b",      "say \"x\"",   "a|b\\x00", "\303\244\033[31m",
                                       "bad\\xff", "two\r\nlines"};
    json_t *root;

    (void)state;
    publish_odd_keys();
    root = print_json(&everything);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        assert_string_equal(key_of(root, "vpc", i), keys[i]);
    json_decref(root);
}

static void visible_bytes(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"\n\t\177", "\\x0a\\x09\\x7f"},
        {"\303\244 \342\202\254 \360\237\230\200", "\303\244 \342\202\254 \360\237\230\200"},
        {"\302\233 \302\240", "\\xc2\\x9b \302\240"},
        {"\300\200", "\\xc0\\x80"},                   /* longer than needed */
        {"\340\200\200", "\\xe0\\x80\\x80"},          /* longer than needed */
        {"\355\240\200", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\364\220\200\200", "\\xf4\\x90\\x80\\x80"}, /* above U+10FFFF */
        {"\360\237\230", "\\xf0\\x9f\\x98"},          /* cut short */
        {"\342\202x", "\\xe2\\x82x"},
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(fls_visible(fls_span_of(cases[i].in), text, sizeof(text)),
                         strlen(cases[i].out));
        assert_string_equal(text, cases[i].out);
    }
    assert_int_equal(fls_visible(FLS_SPAN("ab\303\244"), text, 4), 4);
    assert_string_equal(text, "ab");
    assert_int_equal(fls_visible_columns("a\303\244b"), 3);
}

/* ---- text ---- */

static void text_figures(void **state)
{
    char text[FLS_FIGURE_MAX];

    (void)state;
    fls_figure_exact(0, text);
    assert_string_equal(text, "0");
    fls_figure_exact(999, text);
    assert_string_equal(text, "999");
    fls_figure_exact(FLS_COUNTER_MAX, text);
    assert_string_equal(text, "9,223,372,036,854,775,807");
    fls_figure_short(9999, text);
    assert_string_equal(text, "9,999");
    fls_figure_short(1999999, text);
    assert_string_equal(text, "1.9 M");
    fls_figure_bytes(1023, text);
    assert_string_equal(text, "1023 B");
    fls_figure_bytes(1536, text);
    assert_string_equal(text, "1.5 KiB");
    fls_figure_bytes(FLS_COUNTER_MAX, text);
    assert_string_equal(text, "7.9 EiB");
    fls_figure_share(1, 3, text);
    assert_string_equal(text, "33.3%");
    fls_figure_share(0, 0, text);
    assert_string_equal(text, "-");
}

static void text_keys(void **state)
{
    static const struct {
        int table;
        const char *key, *text;
    } cases[] = {
        {FLS_TABLE_PROTOCOL, "6", "6 TCP"},
        {FLS_TABLE_PROTOCOL, "253", "253"},
        {FLS_TABLE_SERVICE, "17|53", "UDP 53"},
        {FLS_TABLE_SERVICE, "253|53", "protocol 253, 53"},
        {FLS_TABLE_CONVERSATION, "2001:db8::1|10.0.0.1|6|443", "2001:db8::1 -> 10.0.0.1 TCP 443"},
        {FLS_TABLE_CONVERSATION, "a|b|c|d|e", "a|b|c|d|e"},
        {FLS_TABLE_VPC, "6|6", "6|6"},
        {FLS_TABLE_VPC, "\033]0;x\a", "\\x1b]0;x\\x07"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = fls_figure_key(cases[i].table, fls_span_of(cases[i].key));

        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

static void assert_holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no \"%s\" in:\n%s", part, text);
}

static void text_report(void **state)
{
    struct fls_report_query query = everything;
    char *text;

    (void)state;
    publish_small();
    put_top(DAY_2, "organisation", "service", "6|443", "5 6 2048 4 3");
    put_top(DAY_2, "organisation", "service", "17|53", "1234567 6 1 4 3");
    put_facts(DAY_2, "organisation", "service", "- 0 0 5 0 0");
    put_few(DAY_2, "organisation", "minute|2024-05-02T13:37:00Z", "1 1 4096 1 1");
    put_few(DAY_2, "organisation", "minute|2024-05-02T00:01:00Z", "1 1 1 1 1");
    put_facts(DAY_2, "organisation", "minute", "2 " ZEROS);
    put_few(DAY_2, "organisation", "az|\033[2J", "1 1 1 1 1");
    put_facts(DAY_2, "organisation", "az", "1 " ZEROS);
    query.format = FLS_REPORT_TEXT;
    query.top_n = 1;
    unsetenv("LC_ALL");
    unsetenv("LC_CTYPE");
    setenv("LANG", "C", 1);
    text = print(&query);
    assert_null(strchr(text, '\033'));
    assert_holds(text, "Organisation, day 2024-05-02, epoch 7\n");
    assert_holds(text, "3 days held: 2024-05-01 to unknown; 3 accounts\n");
    assert_holds(text, "30 = 3 headers + 20 records + 3 NODATA + 1 SKIPDATA + 3 malformed\n");
    assert_holds(text, "2 out_of_range: a number is larger than its field allows\n");
    assert_holds(text, "as in o:2: x\\xff\n");
    assert_holds(text, "failed     z.gz: truncated\n");
    assert_holds(text, "9,223,372,036,854,775,807 or more");
    assert_holds(text, "service  1 of at least 2 keys shown, by bytes\n");
    assert_holds(text, "  TCP 443  2.0 KiB~  68266.7%        6      5         4         3\n");
    assert_holds(text, "~ off by at most +- bytes 5\n");
    assert_holds(text, "minute  bytes by hour, of 2 minutes");
    assert_holds(text, "  00:00 |.            @          | 23:00\n");
    assert_holds(text, "most bytes: 13:00 with 4.0 KiB, and minute 2024-05-02T13:37:00Z with");
    assert_holds(text, "+ this much or more");
    free(text);
    query.table = FLS_TABLE_MINUTE;
    text = print(&query);
    assert_holds(text, "minute  2 of 2 keys shown, by time\n");
    assert_holds(text, "2024-05-02T00:01:00Z");
    free(text);
    query.table = FLS_TABLE_VPC;
    text = print(&query);
    assert_holds(text, "vpc  0 of 0 keys shown");
    free(text);
}

static void text_never_cuts_a_key(void **state)
{
    struct fls_report_query query = everything;
    char field[512], *text;

    (void)state;
    publish_small();
    snprintf(field, sizeof(field), "vpc|%0300d", 7);
    put_few(DAY_2, "organisation", field, "1 1 1 1 1");
    put_facts(DAY_2, "organisation", "vpc", "1 " ZEROS);
    query.format = FLS_REPORT_TEXT;
    query.table = FLS_TABLE_VPC;
    text = print(&query);
    snprintf(field, sizeof(field), "\n  %0300d\n", 7);
    assert_holds(text, field);
    free(text);
}

/* ---- ranges ---- */

#define MODEL_DAYS 5
#define MODEL_KEYS 40

struct model {
    uint32_t top_k;
    struct fls_counters figures[MODEL_DAYS][MODEL_KEYS]; /* flows 0: the day lacks the key */
    struct fls_counters own_error[MODEL_DAYS];
    bool published[MODEL_DAYS][MODEL_KEYS];
    uint32_t distinct[MODEL_DAYS], published_cnt[MODEL_DAYS];
};

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state % limit;
}

static const char *day_of(int i)
{
    static char text[FLS_DAY_TEXT_MAX];

    fls_day_format(19844U + (uint32_t)i, text); /* 2024-05-01 */
    return text;
}

/* How many keys of the day come before this one by the counter, ties by key. */
static uint32_t rank_of(const struct model *model, int day, int key, int counter)
{
    const struct fls_counters *all = model->figures[day];
    uint32_t rank = 0;

    for (int i = 0; i < MODEL_KEYS; i++)
        if (all[i].value[FLS_FLOWS] &&
            (all[i].value[counter] > all[key].value[counter] ||
             (all[i].value[counter] == all[key].value[counter] && i < key)))
            rank++;
    return rank;
}

static void publish_model_row(const struct model *model, int day, int key)
{
    const uint64_t *value = model->figures[day][key].value;
    char text[160], name[16];

    snprintf(name, sizeof(name), "k%02d", key);
    snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
             value[0], value[1], value[2], value[3], value[4]);
    put_top(day_of(day), "organisation", "source_address", name, text);
}

static void make_row(struct fls_counters *row)
{
    /* Now and then near the limit, so that sums saturate. */
    uint64_t scale = random_below(40) ? 50 : FLS_COUNTER_MAX;

    row->value[FLS_FLOWS] = 1 + random_below(scale);
    row->value[FLS_PACKETS] = random_below(scale);
    row->value[FLS_BYTES] = random_below(scale);
    row->value[FLS_ACCEPTED] = random_below(row->value[FLS_FLOWS] + 1);
    row->value[FLS_REJECTED] = row->value[FLS_FLOWS] - row->value[FLS_ACCEPTED];
}

static void publish_model_day(struct model *model, int day)
{
    static const int ranked[] = {FLS_BYTES, FLS_PACKETS, FLS_FLOWS, FLS_REJECTED};
    const char *name = day_of(day);
    uint64_t density = random_below(4);
    char text[64];

    publish_days(&name, 1);
    for (int i = 0; i < MODEL_KEYS; i++)
        if (random_below(4) < density)
            make_row(&model->figures[day][i]);
    for (int i = 0; i < MODEL_KEYS; i++) {
        model->distinct[day] += model->figures[day][i].value[FLS_FLOWS] > 0;
        for (int j = 0; j < 4; j++)
            if (model->figures[day][i].value[FLS_FLOWS] &&
                rank_of(model, day, i, ranked[j]) < model->top_k)
                model->published[day][i] = true;
        model->published_cnt[day] += model->published[day][i];
        if (model->published[day][i])
            publish_model_row(model, day, i);
    }
    if (model->distinct[day] == 0)
        return;
    model->own_error[day].value[FLS_BYTES] = random_below(3) ? 0 : random_below(10);
    snprintf(text, sizeof(text), "%u 0 0 %" PRIu64 " 0 0", model->distinct[day],
             model->own_error[day].value[FLS_BYTES]);
    put_facts(day_of(day), "organisation", "source_address", text);
}

/* The K-th largest of the whole day, which the published rows must tell. */
static uint64_t model_bound(const struct model *model, int day, int counter)
{
    if (model->distinct[day] == model->published_cnt[day])
        return 0;
    if (counter == FLS_ACCEPTED)
        counter = FLS_FLOWS;
    for (int i = 0; i < MODEL_KEYS; i++)
        if (model->figures[day][i].value[FLS_FLOWS] &&
            rank_of(model, day, i, counter) == model->top_k - 1)
            return model->figures[day][i].value[counter];
    fail_msg("fewer keys than K in a table that was cut");
    return 0;
}

/* One shown row: its sum is the published days', and the truth lies within the error. Returns what
 * it can miss. */
static uint64_t check_row(const struct model *model, json_t *row, json_t *max_error, int counter)
{
    int key = atoi(json_string_value(json_object_get(row, "key")) + 1);
    uint64_t shown = 0, truth = 0, missing = 0;
    uint64_t limit = figure_of(max_error, fls_counter_name[counter]);

    for (int day = 0; day < MODEL_DAYS; day++) {
        uint64_t value = model->figures[day][key].value[counter];

        truth = fls_counter_add(truth, value);
        if (model->published[day][key])
            shown = fls_counter_add(shown, value);
        else
            missing = fls_counter_add(missing, model_bound(model, day, counter));
    }
    assert_int_equal(figure_of(row, fls_counter_name[counter]), shown);
    assert_true(truth - shown <= limit);
    return missing;
}

static void check_model(const struct model *model, json_t *root)
{
    json_t *table = table_of(root, "source_address");
    json_t *rows = json_object_get(table, "rows"), *row;
    json_t *max_error = json_object_get(table, "max_error");
    size_t i;

    for (int counter = 0; counter < FLS_COUNTER_CNT; counter++) {
        uint64_t largest = 0, own = 0;

        json_array_foreach(rows, i, row)
        {
            uint64_t missing = check_row(model, row, max_error, counter);

            largest = missing > largest ? missing : largest;
        }
        for (int day = 0; day < MODEL_DAYS; day++)
            own = fls_counter_add(own, model->own_error[day].value[counter]);
        assert_int_equal(figure_of(max_error, fls_counter_name[counter]),
                         fls_counter_add(largest, own));
    }
}

static void check_distinct(const struct model *model, json_t *root)
{
    json_t *distinct = json_object_get(table_of(root, "source_address"), "distinct");
    uint32_t all = 0, day_cnt = 0, cut_cnt = 0;

    for (int i = 0; i < MODEL_KEYS; i++) {
        bool is_seen = false;

        for (int day = 0; day < MODEL_DAYS; day++)
            is_seen = is_seen || model->figures[day][i].value[FLS_FLOWS];
        all += is_seen;
    }
    for (int day = 0; day < MODEL_DAYS; day++) {
        day_cnt += model->distinct[day] > 0;
        cut_cnt += model->distinct[day] > model->published_cnt[day];
    }
    if (cut_cnt && day_cnt > 1)
        assert_true(json_is_null(distinct));
    else
        assert_int_equal(json_integer_value(distinct), all);
}

static void check_order(json_t *root, enum fls_counter order)
{
    for (size_t i = 1; i < rows_of(root, "source_address"); i++) {
        uint64_t a = figure_of(row_of(root, "source_address", i - 1), fls_counter_name[order]);
        uint64_t b = figure_of(row_of(root, "source_address", i), fls_counter_name[order]);

        assert_true(a > b || (a == b && strcmp(key_of(root, "source_address", i - 1),
                                               key_of(root, "source_address", i)) < 0));
    }
}

static void ranges_are_as_the_model(void **state)
{
    static const enum fls_counter orders[] = {FLS_BYTES, FLS_PACKETS, FLS_FLOWS, FLS_REJECTED};

    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct fls_report_query query = of_days("2024-05-01", "2024-05-05");
        struct model *model = calloc(1, sizeof(*model));
        json_t *root;

        random_state = seed * 0x9e3779b97f4a7c15ULL;
        empty_epoch(state);
        model->top_k = 1 + (uint32_t)random_below(8);
        redis_tell("HSET " P "meta top_k %u", model->top_k);
        for (int day = 0; day < MODEL_DAYS; day++)
            publish_model_day(model, day);
        query.order = orders[random_below(4)];
        query.top_n = (uint32_t)random_below(12);
        root = print_json(&query);
        check_model(model, root);
        check_distinct(model, root);
        check_order(root, query.order);
        json_decref(root);
        free(model);
    }
}

static void range_sums_few_keys_exactly(void **state)
{
    static const char *const days[] = {DAY_1, DAY_2, "unknown"};
    struct fls_report_query query = of_days("2024-04-01", DAY_3);
    json_t *root;

    (void)state;
    publish_days(days, 3);
    put_few(DAY_1, "organisation", "totals|", "1 2 " LIMIT " 4 5");
    put_few(DAY_2, "organisation", "totals|", "10 20 30 40 50");
    put_few("unknown", "organisation", "totals|", "100 100 100 100 100");
    put_few(DAY_1, "organisation", "protocol|6", "1 2 9007199254740993 4 5");
    put_few(DAY_2, "organisation", "protocol|6", "1 2 9007199254740993 4 5");
    put_few(DAY_2, "organisation", "protocol|17", "1 1 1 1 1");
    put_facts(DAY_1, "organisation", "protocol", "1 " ZEROS);
    put_facts(DAY_2, "organisation", "protocol", "2 " ZEROS);
    redis_tell("PFADD " P "day:" DAY_1 ":organisation:unique:external_sources 1.1.1.1 2.2.2.2");
    redis_tell("PFADD " P "day:" DAY_2 ":organisation:unique:external_sources 1.1.1.1 3.3.3.3");
    root = print_json(&query);
    assert_string_equal(json_string_value(json_object_get(root, "day")), "2024-04-01..2024-05-03");
    assert_int_equal(figure_of(json_object_get(root, "totals"), "flows"), 11);
    assert_int_equal(figure_of(json_object_get(root, "totals"), "bytes"), FLS_COUNTER_MAX);
    assert_true(json_is_true(json_object_get(json_object_get(root, "totals"), "saturated")));
    assert_int_equal(figure_of(table_of(root, "protocol"), "distinct"), 2);
    assert_int_equal(figure_of(row_of(root, "protocol", 0), "bytes"), 18014398509481986);
    assert_int_equal(figure_of(json_object_get(root, "unique"), "external_sources"), 3);
    json_decref(root);
}

static void table_cut_with_a_smaller_k_keeps_its_bound(void **state)
{
    struct fls_published_row rows[8];
    struct fls_published_table table = {
        .distinct = 100, .distinct_is_known = true, .row_cnt = 8, .rows = rows};

    (void)state;
    for (uint64_t i = 0; i < 8; i++)
        rows[i].counters = (struct fls_counters){{i, 10 * i, 100 * i, 0, i}};
    assert_int_equal(fls_sum_bound(&table, 3).value[FLS_BYTES], 500);
    assert_int_equal(fls_sum_bound(&table, 3).value[FLS_ACCEPTED], 5);
    assert_int_equal(fls_sum_bound(&table, 50).value[FLS_BYTES], 600);
    table.distinct = 8;
    assert_int_equal(fls_sum_bound(&table, 3).value[FLS_BYTES], 0);
    table.distinct_is_known = false;
    assert_int_equal(fls_sum_bound(&table, 3).value[FLS_BYTES], 500);
}

static void long_ranges_are_read_in_pieces(void **state)
{
    struct fls_report_query query = of_days("2024-01-01", "2024-12-31");
    uint64_t flows = 0;
    json_t *root;
    char *text;

    (void)state;
    for (int i = 0; i < 2 * (int)FLS_READ_DAYS_MAX + 3; i++) {
        const char *name = day_of(i);
        char field[64], figures[64];

        publish_days(&name, 1);
        flows += (uint64_t)i;
        snprintf(figures, sizeof(figures), "%d 0 %d 0 0", i, i);
        put_few(name, "organisation", "totals|", figures);
        snprintf(field, sizeof(field), "minute|%sT01:02:00Z", name);
        put_few(name, "organisation", field, figures);
        put_facts(name, "organisation", "minute", "1 " ZEROS);
    }
    root = print_json(&query);
    assert_int_equal(figure_of(json_object_get(root, "totals"), "flows"), flows);
    assert_int_equal(rows_of(root, "minute"), 2 * FLS_READ_DAYS_MAX + 3);
    json_decref(root);
    query.format = FLS_REPORT_TEXT;
    text = print(&query);
    assert_holds(text, "67 days summed; 67 days held");
    assert_holds(text, "minute  bytes by day");
    assert_holds(text, "  2024-06-30 |@@@@@@@| 2024-07-06\n");
    free(text);
}

static void table_with_few_keys_may_be_cut(void **state)
{
    static const char *const days[] = {DAY_1};
    json_t *root;

    (void)state;
    publish_days(days, 1);
    put_top(DAY_1, "organisation", "instance", "i-1", "1 1 1 1 1");
    put_top(DAY_1, "organisation", "instance", "i-2", "1 1 2 1 1");
    put_facts(DAY_1, "organisation", "instance", "5000 " ZEROS);
    /* A table that a later version adds. */
    put_few(DAY_1, "organisation", "direction|inbound", "1 1 1 1 1");
    put_facts(DAY_1, "organisation", "direction", "1 " ZEROS);
    root = print_json(&everything);
    assert_int_equal(figure_of(table_of(root, "instance"), "distinct"), 5000);
    assert_string_equal(key_of(root, "instance", 0), "i-2");
    assert_int_equal(figure_of(json_object_get(table_of(root, "instance"), "max_error"), "bytes"),
                     0);
    json_decref(root);
}

/* Facts say "-" and an error; a table of which nothing is left is no damage then. */
static void rows_that_gave_way_are_told(void **state)
{
    static const char *const days[] = {DAY_1, DAY_2};
    struct fls_report_query query = everything;
    json_t *root, *sources;
    char *text;

    (void)state;
    publish_days(days, 2);
    for (int i = 0; i < 2; i++) {
        put_few(days[i], "organisation", "totals|", "900 900 900 900 0");
        put_facts(days[i], "organisation", "source_address", "- 3 4 5000 3 0");
        put_facts(days[i], "organisation", "service", "- 1 1 40 1 0");
    }
    put_top(DAY_2, "organisation", "source_address", "10.0.0.1", "100 200 30000 100 0");
    put_top(DAY_1, "organisation", "source_address", "10.0.0.1", "7 8 9000 7 0");
    put_top(DAY_1, "organisation", "source_address", "10.0.0.2", "5 6 7000 5 0");
    put_top(DAY_1, "organisation", "source_address", "10.0.0.3", "1 1 10 1 0");
    root = print_json(&query); /* the newest day */
    sources = table_of(root, "source_address");
    assert_true(json_is_null(json_object_get(sources, "distinct")));
    assert_int_equal(figure_of(json_object_get(sources, "max_error"), "packets"), 4);
    assert_int_equal(rows_of(root, "service"), 0);
    assert_true(json_is_null(json_object_get(table_of(root, "service"), "distinct")));
    json_decref(root);
    query.format = FLS_REPORT_TEXT;
    text = print(&query);
    assert_holds(text, "source_address  1 of at least 1 keys shown, by bytes\n");
    assert_holds(text, "  ~ the smallest rows gave way for want of room: too low by at most"
                       " flows 3, packets 4, bytes 5,000, accepted 3\n");
    assert_holds(text, "service  0 of at least 0 keys shown, by bytes\n  ~ the smallest rows");
    free(text);
    /* Over both days: both errors, and what 10.0.0.2 may have had on a day that lacks it. */
    query = of_days(DAY_1, DAY_2);
    root = print_json(&query);
    sources = table_of(root, "source_address");
    assert_true(json_is_null(json_object_get(sources, "distinct")));
    assert_int_equal(figure_of(json_object_get(sources, "max_error"), "flows"), 2 * 3 + 100);
    assert_int_equal(figure_of(json_object_get(sources, "max_error"), "bytes"), 10000 + 30000);
    assert_int_equal(figure_of(row_of(root, "source_address", 0), "flows"), 107);
    assert_int_equal(figure_of(json_object_get(table_of(root, "service"), "max_error"), "bytes"),
                     80);
    assert_true(json_is_null(json_object_get(table_of(root, "service"), "distinct")));
    json_decref(root);
    /* Without an error, a number of keys that is not known and no rows are damage. */
    put_facts(DAY_2, "organisation", "service", "- " ZEROS);
    assert_fails(&everything, -EPROTO, "facts");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, empty_epoch)
    const struct CMUnitTest tests[] = {
        TEST(json_is_exact),
        TEST(json_has_every_table_in_order),
        TEST(totals_alone_have_no_tables),
        TEST(account_has_its_own_lines_and_totals),
        TEST(account_without_the_day_is_zero),
        TEST(no_day_held_is_no_error),
        TEST(day_unknown_is_the_newest_only_alone),
        TEST(rows_come_in_order),
        TEST(errors_say_what_is_possible),
        TEST(nothing_published_says_what_to_do),
        TEST(damage_is_told),
        TEST(refusals_name_their_cause),
        TEST(full_output_is_told),
        TEST(changed_epoch_is_read_again),
        TEST(epoch_that_always_changes_is_an_error),
        TEST(other_accounts_keys_are_not_read),
        TEST(csv_is_quoted),
        TEST(json_escapes),
        TEST(visible_bytes),
        TEST(text_figures),
        TEST(text_keys),
        TEST(text_report),
        TEST(text_never_cuts_a_key),
        TEST(ranges_are_as_the_model),
        TEST(range_sums_few_keys_exactly),
        TEST(table_cut_with_a_smaller_k_keeps_its_bound),
        TEST(long_ranges_are_read_in_pieces),
        TEST(table_with_few_keys_may_be_cut),
        TEST(rows_that_gave_way_are_told),
    };
#undef TEST

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, redis_setup, redis_teardown);
}

#include "dashboard/view_reader.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/keys.h"
#include "base/redis.h"
#include "dashboard/choose.h"
#include "base/visible.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FLS_NUMBER_DIGITS_MAX 19U /* of 2^63-1 */
#define FLS_NAMED_KEY_MAX 160U    /* bytes of a key in a message, with its NUL */

/* One reading: what goes in front of every command, and where the result goes. */
struct reading {
    redisContext *redis;
    struct fls_key_parts parts;
    struct fls_published *to;
    uint32_t queued_cnt;
    char *error;
    size_t error_max;
};

/* Memory of a command that ends soon; there is nothing better to do without it than to end. */
static void *take(size_t cnt, size_t sz)
{
    void *memory = calloc(cnt ? cnt : 1, sz);

    fls_assert(memory);
    return memory;
}

int fls_span_order(struct fls_span a, struct fls_span b)
{
    size_t sz = a.sz < b.sz ? a.sz : b.sz;
    int order = sz ? memcmp(a.at, b.at, sz) : 0;

    return order ? order : (a.sz > b.sz) - (a.sz < b.sz);
}

static struct fls_span span_of_reply(const redisReply *reply)
{
    return (struct fls_span){(const uint8_t *)reply->str, reply->len};
}

/* ---- failures ---- */

static int lost(struct reading *reading)
{
    snprintf(reading->error, reading->error_max,
             "the connection to Redis failed while reading: %s; see whether it runs, and ask again",
             reading->redis->errstr[0] ? reading->redis->errstr : "closed");
    return -EIO;
}

static int refused(struct reading *reading, const redisReply *reply)
{
    char text[FLS_NAMED_KEY_MAX];

    fls_visible(span_of_reply(reply), text, sizeof(text));
    fls_redis_error(text, reading->error, reading->error_max);
    return -EIO;
}

static int damaged(struct reading *reading, enum fls_redis_key key)
{
    char text[FLS_NAMED_KEY_MAX];
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

static void queue(struct reading *reading, const char *command, enum fls_redis_key key)
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

static void begin(struct reading *reading)
{
    redisAppendCommand(reading->redis, "MULTI");
    reading->queued_cnt = 0;
    queue(reading, "GET", FLS_REDIS_EPOCH);
}

static int check_elements(struct reading *reading, const redisReply *exec)
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

/* Runs what was queued since begin(). The reply to EXEC belongs to the result. */
static int commit(struct reading *reading, const redisReply **exec)
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

/* ---- values ---- */

static bool read_number(struct fls_span text, uint64_t *number)
{
    uint64_t value = 0;

    if (text.sz == 0 || text.sz > FLS_NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.sz; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0'); /* 19 digits fit 64 bits */
    }
    *number = value;
    return value <= FLS_COUNTER_MAX;
}

/* Cuts off what stands before the separator; all that is left if there is none. */
static struct fls_span cut(struct fls_span *text, char separator)
{
    const uint8_t *end = text->sz ? memchr(text->at, separator, text->sz) : NULL;
    struct fls_span part = {text->at, end ? (size_t)(end - text->at) : text->sz};
    size_t gone_sz = end ? part.sz + 1 : part.sz;

    text->at += gone_sz;
    text->sz -= gone_sz;
    return part;
}

static bool read_numbers(struct fls_span text, uint64_t *numbers, int cnt)
{
    for (int i = 0; i < cnt; i++)
        if (!read_number(cut(&text, ' '), &numbers[i]))
            return false;
    return text.sz == 0;
}

/* An array of strings, in pairs where `pair` is 2. */
static bool is_strings(const redisReply *reply, size_t pair)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % pair)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return true;
}

static struct fls_span field_at(const redisReply *hash, size_t i)
{
    return span_of_reply(hash->element[2 * i]);
}

static struct fls_span value_at(const redisReply *hash, size_t i)
{
    return span_of_reply(hash->element[2 * i + 1]);
}

/* ---- what is not of one day ---- */

static int parse_epoch(struct reading *reading, const redisReply *reply, uint64_t *epoch)
{
    if (reply->type == REDIS_REPLY_NIL) {
        snprintf(reading->error, reading->error_max,
                 "nothing is published under the name %s yet; count logs first: flowlog-stats run "
                 "PATH... (with the same --state, or --redis and --name, as here)",
                 reading->parts.name);
        return -ENOENT;
    }
    if (reply->type != REDIS_REPLY_STRING || !read_number(span_of_reply(reply), epoch))
        return damaged(reading, FLS_REDIS_EPOCH);
    return 0;
}

static int parse_meta(struct reading *reading, const redisReply *reply)
{
    uint64_t schema = 0, top_k = 0;

    if (!is_strings(reply, 2))
        return damaged(reading, FLS_REDIS_META);
    for (size_t i = 0; i < reply->elements / 2; i++) {
        if (fls_span_equal(field_at(reply, i), FLS_SPAN("schema")))
            read_number(value_at(reply, i), &schema);
        if (fls_span_equal(field_at(reply, i), FLS_SPAN("top_k")))
            read_number(value_at(reply, i), &top_k);
    }
    if (schema != FLS_VIEW_SCHEMA && schema != 0) {
        snprintf(reading->error, reading->error_max,
                 "Redis holds layout version %llu of the published view, this program reads %u: "
                 "run and report with the same version of the program",
                 (unsigned long long)schema, FLS_VIEW_SCHEMA);
        return -EPROTO;
    }
    if (schema == 0 || top_k == 0 || top_k > UINT32_MAX)
        return damaged(reading, FLS_REDIS_META);
    reading->to->top_k = (uint32_t)top_k;
    return 0;
}

/* The number of an input's field, or NULL for one that this program does not show. */
static uint64_t *input_field(struct fls_published *to, struct fls_span field)
{
    const struct {
        const char *name;
        uint64_t *number;
    } fields[] = {
        {"objects", &to->objects},        {"bytes_read", &to->counts.bytes_read},
        {"bytes", &to->counts.bytes},     {"lines", &to->counts.lines},
        {"headers", &to->counts.headers}, {"records", &to->counts.records},
        {"nodata", &to->counts.nodata},   {"skipdata", &to->counts.skipdata},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fls_span_equal(field, fls_span_of(fields[i].name)))
            return fields[i].number;
    if (!fls_span_equal(cut(&field, ':'), FLS_SPAN("malformed")))
        return NULL;
    for (int i = 0; i < FLS_REASON_CNT; i++)
        if (fls_span_equal(field, fls_span_of(fls_reason_name[i])))
            return &to->counts.malformed[i];
    return NULL;
}

static int parse_input(struct reading *reading, const redisReply *reply)
{
    if (!is_strings(reply, 2))
        return damaged(reading, FLS_REDIS_INPUT);
    for (size_t i = 0; i < reply->elements / 2; i++) {
        uint64_t *number = input_field(reading->to, field_at(reply, i));

        if (number && !read_number(value_at(reply, i), number))
            return damaged(reading, FLS_REDIS_INPUT);
    }
    return 0;
}

static int order_failed(const void *a, const void *b)
{
    return fls_span_order(((const struct fls_published_failed *)a)->object,
                          ((const struct fls_published_failed *)b)->object);
}

static int parse_failed(struct reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!is_strings(reply, 2))
        return damaged(reading, FLS_REDIS_FAILED);
    to->failed_cnt = (uint32_t)(reply->elements / 2);
    to->failed = take(to->failed_cnt, sizeof(*to->failed));
    for (uint32_t i = 0; i < to->failed_cnt; i++)
        to->failed[i] = (struct fls_published_failed){field_at(reply, i), value_at(reply, i)};
    qsort(to->failed, to->failed_cnt, sizeof(*to->failed), order_failed);
    return 0;
}

/* Lines of the account, or the sum over all of them for the organisation. */
static int parse_lines(struct reading *reading, const redisReply *reply, bool *has_lines)
{
    struct fls_account_lines *to = &reading->to->lines;
    const char *account = reading->parts.account;

    *has_lines = false;
    if (!is_strings(reply, 2))
        return damaged(reading, FLS_REDIS_LINES);
    for (size_t i = 0; i < reply->elements / 2; i++) {
        uint64_t numbers[3];

        if (account && !fls_span_equal(field_at(reply, i), fls_span_of(account)))
            continue;
        if (!read_numbers(value_at(reply, i), numbers, 3))
            return damaged(reading, FLS_REDIS_LINES);
        to->records = fls_counter_add(to->records, numbers[0]);
        to->nodata = fls_counter_add(to->nodata, numbers[1]);
        to->skipdata = fls_counter_add(to->skipdata, numbers[2]);
        *has_lines = true;
    }
    return 0;
}

static int order_samples(const void *a, const void *b)
{
    const struct fls_published_sample *x = a, *y = b;

    if (x->reason != y->reason)
        return (x->reason > y->reason) - (x->reason < y->reason);
    return (x->number > y->number) - (x->number < y->number);
}

static bool parse_sample(struct fls_span field, struct fls_published_sample *sample)
{
    struct fls_span reason = cut(&field, '|');
    uint64_t number;
    int i = 0;

    while (i < FLS_REASON_CNT && !fls_span_equal(reason, fls_span_of(fls_reason_name[i])))
        i++;
    if (i == FLS_REASON_CNT || !read_number(field, &number) || number > UINT32_MAX)
        return false;
    sample->reason = (enum fls_reason)i;
    sample->number = (uint32_t)number;
    return true;
}

static int parse_samples(struct reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!is_strings(reply, 2))
        return damaged(reading, FLS_REDIS_SAMPLES);
    to->sample_cnt = (uint32_t)(reply->elements / 2);
    to->samples = take(to->sample_cnt, sizeof(*to->samples));
    for (uint32_t i = 0; i < to->sample_cnt; i++) {
        to->samples[i].text = value_at(reply, i);
        if (!parse_sample(field_at(reply, i), &to->samples[i]))
            return damaged(reading, FLS_REDIS_SAMPLES);
    }
    qsort(to->samples, to->sample_cnt, sizeof(*to->samples), order_samples);
    return 0;
}

/* Redis hands them out by their score, which is the order of the days. */
static int parse_held(struct reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!is_strings(reply, 1))
        return damaged(reading, FLS_REDIS_DAYS);
    to->held_cnt = (uint32_t)reply->elements;
    to->held = take(to->held_cnt, sizeof(*to->held));
    for (uint32_t i = 0; i < to->held_cnt; i++)
        if (!fls_day_parse(reply->element[i]->str, &to->held[i]) ||
            (i > 0 && to->held[i - 1] >= to->held[i]))
            return damaged(reading, FLS_REDIS_DAYS);
    return 0;
}

static int order_spans(const void *a, const void *b)
{
    return fls_span_order(*(const struct fls_span *)a, *(const struct fls_span *)b);
}

static int parse_accounts(struct reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!is_strings(reply, 1))
        return damaged(reading, FLS_REDIS_ACCOUNTS);
    to->account_cnt = (uint32_t)reply->elements;
    to->accounts = take(to->account_cnt, sizeof(*to->accounts));
    for (uint32_t i = 0; i < to->account_cnt; i++)
        to->accounts[i] = span_of_reply(reply->element[i]);
    qsort(to->accounts, to->account_cnt, sizeof(*to->accounts), order_spans);
    return 0;
}

static int read_whole(struct reading *reading, bool *has_lines)
{
    const redisReply *exec;
    int status;

    begin(reading);
    queue(reading, "HGETALL", FLS_REDIS_META);
    queue(reading, "HGETALL", FLS_REDIS_INPUT);
    queue(reading, "HGETALL", FLS_REDIS_FAILED);
    queue(reading, "HGETALL", FLS_REDIS_LINES);
    queue(reading, "HGETALL", FLS_REDIS_SAMPLES);
    queue(reading, "ZRANGE", FLS_REDIS_DAYS);
    queue(reading, "SMEMBERS", FLS_REDIS_ACCOUNTS);
    if ((status = commit(reading, &exec)) ||
        (status = parse_epoch(reading, exec->element[0], &reading->to->epoch)) ||
        (status = parse_meta(reading, exec->element[1])) ||
        (status = parse_input(reading, exec->element[2])) ||
        (status = parse_failed(reading, exec->element[3])) ||
        (status = parse_lines(reading, exec->element[4], has_lines)) ||
        (status = parse_samples(reading, exec->element[5])) ||
        (status = parse_held(reading, exec->element[6])))
        return status;
    return parse_accounts(reading, exec->element[7]);
}

/* ---- days ---- */

/* What one day's part of a transaction asks for, in this order. */
enum day_reply { DAY_FACTS, DAY_FEW, DAY_TOP, DAY_REPLY_CNT = DAY_TOP + FLS_TABLE_CNT };

static void queue_day(struct reading *reading, uint32_t day)
{
    reading->parts.day = day;
    queue(reading, "HGETALL", FLS_REDIS_FACTS);
    queue(reading, "HGETALL", FLS_REDIS_FEW);
    /* Of every table: one with few keys has its rows there once they are many. */
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        reading->parts.table = fls_tables[i].name;
        queue(reading, "HGETALL", FLS_REDIS_TOP);
    }
}

static int table_of(struct fls_span name)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_span_equal(name, fls_span_of(fls_tables[i].name)))
            return i;
    return -1; /* of a newer program: nothing that this one shows */
}

static void take_rows(struct fls_published_day *day, redisReply **replies)
{
    uint32_t cnt[FLS_TABLE_CNT] = {0};
    const redisReply *few = replies[DAY_FEW];

    for (size_t i = 0; i < few->elements / 2; i++) {
        struct fls_span field = field_at(few, i);
        int table = table_of(cut(&field, '|'));

        if (table >= 0)
            cnt[table]++;
    }
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        cnt[i] += (uint32_t)(replies[DAY_TOP + i]->elements / 2);
        day->tables[i].rows = take(cnt[i], sizeof(struct fls_published_row));
    }
}

static bool add_row(struct fls_published_table *table, struct fls_span key, struct fls_span figures)
{
    struct fls_published_row *row = &table->rows[table->row_cnt++];

    row->key = key;
    return read_numbers(figures, row->counters.value, FLS_COUNTER_CNT);
}

static int parse_few(struct reading *reading, struct fls_published_day *day,
                     const redisReply *reply)
{
    for (size_t i = 0; i < reply->elements / 2; i++) {
        struct fls_span key = field_at(reply, i);
        int table = table_of(cut(&key, '|'));

        if (table >= 0 && !add_row(&day->tables[table], key, value_at(reply, i)))
            return damaged(reading, FLS_REDIS_FEW);
    }
    return 0;
}

static int parse_top(struct reading *reading, struct fls_published_day *day, int table,
                     const redisReply *reply)
{
    reading->parts.table = fls_tables[table].name;
    for (size_t i = 0; i < reply->elements / 2; i++)
        if (!add_row(&day->tables[table], field_at(reply, i), value_at(reply, i)))
            return damaged(reading, FLS_REDIS_TOP);
    return 0;
}

static int parse_facts(struct reading *reading, struct fls_published_day *day,
                       const redisReply *reply)
{
    /* A scope's totals are one row: it needs no facts. */
    day->tables[FLS_TABLE_TOTALS].distinct = day->tables[FLS_TABLE_TOTALS].row_cnt;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        day->tables[i].distinct_is_known = true;
    for (size_t i = 0; i < reply->elements / 2; i++) {
        int id = table_of(field_at(reply, i));
        struct fls_span text = value_at(reply, i);
        struct fls_span distinct = cut(&text, ' ');
        struct fls_published_table *table;

        if (id < 0)
            continue;
        table = &day->tables[id];
        table->distinct_is_known = !fls_span_equal(distinct, FLS_SPAN("-"));
        if ((table->distinct_is_known && !read_number(distinct, &table->distinct)) ||
            !read_numbers(text, table->max_error.value, FLS_COUNTER_CNT))
            return damaged(reading, FLS_REDIS_FACTS);
    }
    return 0;
}

static int order_keys(const void *a, const void *b)
{
    return fls_span_order(((const struct fls_published_row *)a)->key,
                          ((const struct fls_published_row *)b)->key);
}

/* Sorts the rows and holds facts and rows against each other: a key that the server evicted or
 * that another program wrote must not look like a figure. */
static int check_table(struct reading *reading, struct fls_published_table *table)
{
    bool is_empty = table->distinct_is_known && table->distinct == 0;

    if (is_empty != (table->row_cnt == 0) ||
        (table->distinct_is_known && table->distinct < table->row_cnt))
        return damaged(reading, FLS_REDIS_FACTS);
    qsort(table->rows, table->row_cnt, sizeof(*table->rows), order_keys);
    for (uint32_t i = 1; i < table->row_cnt; i++)
        if (fls_span_equal(table->rows[i - 1].key, table->rows[i].key))
            return damaged(reading, FLS_REDIS_TOP);
    return 0;
}

static int parse_day(struct reading *reading, struct fls_published_day *day, redisReply **replies)
{
    int status;

    reading->parts.day = day->day;
    for (int i = 0; i < DAY_REPLY_CNT; i++)
        if (!is_strings(replies[i], 2))
            return damaged(reading, FLS_REDIS_FACTS);
    take_rows(day, replies);
    if ((status = parse_few(reading, day, replies[DAY_FEW])))
        return status;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if ((status = parse_top(reading, day, i, replies[DAY_TOP + i])))
            return status;
    if ((status = parse_facts(reading, day, replies[DAY_FACTS])))
        return status;
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        reading->parts.table = fls_tables[i].name;
        if ((status = check_table(reading, &day->tables[i])))
            return status;
    }
    return 0;
}

/* How many different addresses all the chosen days have together. */
static void queue_uniques(struct reading *reading, enum fls_redis_key key)
{
    uint32_t cnt = reading->to->day_cnt;
    const char **arguments = take(cnt + 1, sizeof(*arguments));

    arguments[0] = "PFCOUNT";
    for (uint32_t i = 0; i < cnt; i++) {
        reading->parts.day = reading->to->days[i].day;
        arguments[i + 1] = fls_key_make(key, &reading->parts);
    }
    redisAppendCommandArgv(reading->redis, (int)cnt + 1, arguments, NULL);
    for (uint32_t i = 0; i < cnt; i++)
        free((char *)arguments[i + 1]);
    free(arguments);
    reading->queued_cnt++;
}

static int parse_uniques(struct reading *reading, redisReply **replies)
{
    if (replies[0]->type != REDIS_REPLY_INTEGER || replies[0]->integer < 0)
        return damaged(reading, FLS_REDIS_EXTERNAL_SOURCES);
    if (replies[1]->type != REDIS_REPLY_INTEGER || replies[1]->integer < 0)
        return damaged(reading, FLS_REDIS_OWN_ADDRESSES);
    reading->to->external_sources = (uint64_t)replies[0]->integer;
    reading->to->own_addresses = (uint64_t)replies[1]->integer;
    return 0;
}

/* Some of the days in one transaction, and beside the first of them the uniques of all. */
static int read_days(struct reading *reading, uint32_t first, uint32_t cnt)
{
    struct fls_published *to = reading->to;
    const redisReply *exec;
    redisReply **at;
    uint64_t epoch;
    int status;

    begin(reading);
    if (first == 0) {
        queue_uniques(reading, FLS_REDIS_EXTERNAL_SOURCES);
        queue_uniques(reading, FLS_REDIS_OWN_ADDRESSES);
    }
    for (uint32_t i = first; i < first + cnt; i++)
        queue_day(reading, to->days[i].day);
    if ((status = commit(reading, &exec)) ||
        (status = parse_epoch(reading, exec->element[0], &epoch)))
        return status;
    if (epoch != to->epoch)
        return -EAGAIN;
    at = exec->element + 1;
    if (first == 0) {
        if ((status = parse_uniques(reading, at)))
            return status;
        at += 2;
    }
    for (uint32_t i = first; i < first + cnt; i++, at += DAY_REPLY_CNT)
        if ((status = parse_day(reading, &to->days[i], at)))
            return status;
    return 0;
}

/* ---- one epoch ---- */

static int read_once(struct reading *reading, const struct fls_published_choice *choice)
{
    struct fls_published *to = reading->to;
    uint32_t first, cnt;
    bool has_lines;
    int status;

    if ((status = read_whole(reading, &has_lines)) ||
        (status = fls_choose_account(to, choice->account, has_lines, reading->error,
                                     reading->error_max)) ||
        (status = fls_choose_days(to, choice, &first, &cnt, reading->error, reading->error_max)))
        return status;
    to->days = take(cnt, sizeof(*to->days));
    to->day_cnt = cnt;
    for (uint32_t i = 0; i < cnt; i++)
        to->days[i].day = to->held[first + i];
    for (uint32_t i = 0; i < cnt; i += FLS_READ_DAYS_MAX) {
        uint32_t rest = cnt - i;

        status = read_days(reading, i, rest < FLS_READ_DAYS_MAX ? rest : FLS_READ_DAYS_MAX);
        if (status)
            return status;
    }
    return 0;
}

int fls_published_read(struct fls_published *published, redisContext *redis, const char *name,
                       const struct fls_published_choice *choice, char *error, size_t error_max)
{
    struct reading reading = {
        .redis = redis, .to = published, .error = error, .error_max = error_max};

    fls_assert(error_max > 0);
    error[0] = '\0';
    for (uint32_t try = 0; try < FLS_READ_TRIES_MAX; try++) {
        int status;

        *published = (struct fls_published){0};
        reading.parts = (struct fls_key_parts){.name = name, .account = choice->account};
        status = read_once(&reading, choice);
        if (status == 0)
            return 0;
        fls_published_fini(published);
        if (status != -EAGAIN)
            return status;
    }
    snprintf(error, error_max,
             "new figures were published during each of %u attempts to read; ask for fewer days, "
             "or once less is counted at a time",
             FLS_READ_TRIES_MAX);
    return -EAGAIN;
}

void fls_published_fini(struct fls_published *published)
{
    for (uint32_t i = 0; i < published->day_cnt; i++)
        for (int j = 0; j < FLS_TABLE_CNT; j++)
            free(published->days[i].tables[j].rows);
    free(published->days);
    free(published->failed);
    free(published->samples);
    free(published->accounts);
    free(published->held);
    for (uint32_t i = 0; i < published->reply_cnt; i++)
        freeReplyObject(published->replies[i]);
    free(published->replies);
    *published = (struct fls_published){0};
}

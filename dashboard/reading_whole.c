#include "dashboard/reading.h"

#include "base/calendar.h"
#include "dashboard/view_values.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int parse_meta(struct fls_reading *reading, const redisReply *reply)
{
    uint64_t schema = 0, top_k = 0;

    if (!fls_value_is_strings(reply, 2))
        return fls_reading_damaged(reading, FLS_REDIS_META);
    for (size_t i = 0; i < reply->elements / 2; i++) {
        if (fls_span_equal(fls_value_field(reply, i), FLS_SPAN("schema")))
            fls_value_number(fls_value_at(reply, i), &schema);
        if (fls_span_equal(fls_value_field(reply, i), FLS_SPAN("top_k")))
            fls_value_number(fls_value_at(reply, i), &top_k);
    }
    if (schema != FLS_VIEW_SCHEMA && schema != 0) {
        snprintf(reading->error, reading->error_max,
                 "Redis holds layout version %llu of the published view, this program reads %u: "
                 "run and report with the same version of the program",
                 (unsigned long long)schema, FLS_VIEW_SCHEMA);
        return -EPROTO;
    }
    if (schema == 0 || top_k == 0 || top_k > UINT32_MAX)
        return fls_reading_damaged(reading, FLS_REDIS_META);
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
    if (!fls_span_equal(fls_value_cut(&field, ':'), FLS_SPAN("malformed")))
        return NULL;
    for (int i = 0; i < FLS_REASON_CNT; i++)
        if (fls_span_equal(field, fls_span_of(fls_reason_name[i])))
            return &to->counts.malformed[i];
    return NULL;
}

static int parse_input(struct fls_reading *reading, const redisReply *reply)
{
    if (!fls_value_is_strings(reply, 2))
        return fls_reading_damaged(reading, FLS_REDIS_INPUT);
    for (size_t i = 0; i < reply->elements / 2; i++) {
        uint64_t *number = input_field(reading->to, fls_value_field(reply, i));

        if (number && !fls_value_number(fls_value_at(reply, i), number))
            return fls_reading_damaged(reading, FLS_REDIS_INPUT);
    }
    return 0;
}

static int order_failed(const void *a, const void *b)
{
    return fls_span_order(((const struct fls_published_failed *)a)->object,
                          ((const struct fls_published_failed *)b)->object);
}

static int parse_failed(struct fls_reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!fls_value_is_strings(reply, 2))
        return fls_reading_damaged(reading, FLS_REDIS_FAILED);
    to->failed_cnt = (uint32_t)(reply->elements / 2);
    to->failed = fls_reading_take(to->failed_cnt, sizeof(*to->failed));
    for (uint32_t i = 0; i < to->failed_cnt; i++)
        to->failed[i] =
            (struct fls_published_failed){fls_value_field(reply, i), fls_value_at(reply, i)};
    qsort(to->failed, to->failed_cnt, sizeof(*to->failed), order_failed);
    return 0;
}

/* Lines of the account, or the sum over all of them for the organisation. */
static int parse_lines(struct fls_reading *reading, const redisReply *reply, bool *has_lines)
{
    struct fls_account_lines *to = &reading->to->lines;
    const char *account = reading->parts.account;

    *has_lines = false;
    if (!fls_value_is_strings(reply, 2))
        return fls_reading_damaged(reading, FLS_REDIS_LINES);
    for (size_t i = 0; i < reply->elements / 2; i++) {
        uint64_t numbers[3];

        if (account && !fls_span_equal(fls_value_field(reply, i), fls_span_of(account)))
            continue;
        if (!fls_value_numbers(fls_value_at(reply, i), numbers, 3))
            return fls_reading_damaged(reading, FLS_REDIS_LINES);
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
    struct fls_span reason = fls_value_cut(&field, '|');
    uint64_t number;
    int i = 0;

    while (i < FLS_REASON_CNT && !fls_span_equal(reason, fls_span_of(fls_reason_name[i])))
        i++;
    if (i == FLS_REASON_CNT || !fls_value_number(field, &number) || number > UINT32_MAX)
        return false;
    sample->reason = (enum fls_reason)i;
    sample->number = (uint32_t)number;
    return true;
}

static int parse_samples(struct fls_reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!fls_value_is_strings(reply, 2))
        return fls_reading_damaged(reading, FLS_REDIS_SAMPLES);
    to->sample_cnt = (uint32_t)(reply->elements / 2);
    to->samples = fls_reading_take(to->sample_cnt, sizeof(*to->samples));
    for (uint32_t i = 0; i < to->sample_cnt; i++) {
        to->samples[i].text = fls_value_at(reply, i);
        if (!parse_sample(fls_value_field(reply, i), &to->samples[i]))
            return fls_reading_damaged(reading, FLS_REDIS_SAMPLES);
    }
    qsort(to->samples, to->sample_cnt, sizeof(*to->samples), order_samples);
    return 0;
}

/* Redis hands them out by their score, which is the order of the days. */
static int parse_held(struct fls_reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!fls_value_is_strings(reply, 1))
        return fls_reading_damaged(reading, FLS_REDIS_DAYS);
    to->held_cnt = (uint32_t)reply->elements;
    to->held = fls_reading_take(to->held_cnt, sizeof(*to->held));
    for (uint32_t i = 0; i < to->held_cnt; i++)
        if (!fls_day_parse(reply->element[i]->str, &to->held[i]) ||
            (i > 0 && to->held[i - 1] >= to->held[i]))
            return fls_reading_damaged(reading, FLS_REDIS_DAYS);
    return 0;
}

static int order_spans(const void *a, const void *b)
{
    return fls_span_order(*(const struct fls_span *)a, *(const struct fls_span *)b);
}

static int parse_accounts(struct fls_reading *reading, const redisReply *reply)
{
    struct fls_published *to = reading->to;

    if (!fls_value_is_strings(reply, 1))
        return fls_reading_damaged(reading, FLS_REDIS_ACCOUNTS);
    to->account_cnt = (uint32_t)reply->elements;
    to->accounts = fls_reading_take(to->account_cnt, sizeof(*to->accounts));
    for (uint32_t i = 0; i < to->account_cnt; i++)
        to->accounts[i] = fls_redis_span(reply->element[i]);
    qsort(to->accounts, to->account_cnt, sizeof(*to->accounts), order_spans);
    return 0;
}

int fls_reading_whole(struct fls_reading *reading, bool *has_lines)
{
    const redisReply *exec;
    int status;

    fls_reading_begin(reading);
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_META);
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_INPUT);
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_FAILED);
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_LINES);
    fls_reading_queue(reading, "HGETALL", FLS_REDIS_SAMPLES);
    fls_reading_queue(reading, "ZRANGE", FLS_REDIS_DAYS);
    fls_reading_queue(reading, "SMEMBERS", FLS_REDIS_ACCOUNTS);
    if ((status = fls_reading_commit(reading, &exec)) ||
        (status = fls_reading_epoch(reading, exec->element[0], &reading->to->epoch)) ||
        (status = parse_meta(reading, exec->element[1])) ||
        (status = parse_input(reading, exec->element[2])) ||
        (status = parse_failed(reading, exec->element[3])) ||
        (status = parse_lines(reading, exec->element[4], has_lines)) ||
        (status = parse_samples(reading, exec->element[5])) ||
        (status = parse_held(reading, exec->element[6])))
        return status;
    return parse_accounts(reading, exec->element[7]);
}

#include "dashboard/view_values.h"

#include "base/counters.h"

#define NUMBER_DIGITS_MAX 19U /* of 2^63-1 */

bool fls_value_number(struct fls_span text, uint64_t *number)
{
    uint64_t value = 0;

    if (text.sz == 0 || text.sz > NUMBER_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < text.sz; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.at[i] - '0'); /* 19 digits fit 64 bits */
    }
    *number = value;
    return value <= FLS_COUNTER_MAX;
}

struct fls_span fls_value_cut(struct fls_span *text, char separator)
{
    const uint8_t *end = text->sz ? memchr(text->at, separator, text->sz) : NULL;
    struct fls_span part = {text->at, end ? (size_t)(end - text->at) : text->sz};
    size_t gone_sz = end ? part.sz + 1 : part.sz;

    text->at += gone_sz;
    text->sz -= gone_sz;
    return part;
}

bool fls_value_numbers(struct fls_span text, uint64_t *numbers, int cnt)
{
    for (int i = 0; i < cnt; i++)
        if (!fls_value_number(fls_value_cut(&text, ' '), &numbers[i]))
            return false;
    return text.sz == 0;
}

bool fls_value_is_strings(const redisReply *reply, size_t pair)
{
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements % pair)
        return false;
    for (size_t i = 0; i < reply->elements; i++)
        if (reply->element[i]->type != REDIS_REPLY_STRING)
            return false;
    return true;
}

struct fls_span fls_value_field(const redisReply *hash, size_t i)
{
    return fls_redis_span(hash->element[2 * i]);
}

struct fls_span fls_value_at(const redisReply *hash, size_t i)
{
    return fls_redis_span(hash->element[2 * i + 1]);
}

#include "shm/result.h"

#include "base/array.h"
#include "base/assert.h"

#include <string.h>

/* The fixed part of the message; the texts follow it: name, path, failure, samples, accounts. */
struct fixed {
    uint64_t id, size, trailing;
    int64_t mtime_ns;
    struct fls_line_counts counts;
    uint64_t accounts_sz;
    uint32_t status, has_pushed, account_cnt;
    uint32_t name_sz, path_sz, failure_sz;
    uint32_t sample_cnt[FLS_REASON_CNT];
};

void fls_result_begin(struct fls_result *result, const struct fls_object *object)
{
    result->object.id = object->id;
    result->object.size = object->size;
    result->object.mtime_ns = object->mtime_ns;
    strcpy(result->object.name, object->name);
    strcpy(result->object.path, object->path);
    result->status = FLS_RESULT_COUNTED;
    result->has_pushed = false;
    result->counts = (struct fls_line_counts){0};
    result->trailing = 0;
    result->failure[0] = 0;
    memset(result->sample_cnt, 0, sizeof(result->sample_cnt));
    result->account_cnt = 0;
    result->accounts = (struct fls_span){NULL, 0};
}

static uint8_t *put(uint8_t *to, const void *from, size_t sz)
{
    if (sz)
        memcpy(to, from, sz);
    return to + sz;
}

size_t fls_result_encode(const struct fls_result *result, uint8_t **buffer, size_t *buffer_max)
{
    struct fixed fixed = {.id = result->object.id,
                          .size = result->object.size,
                          .trailing = result->trailing,
                          .mtime_ns = result->object.mtime_ns,
                          .counts = result->counts,
                          .accounts_sz = result->accounts.sz,
                          .status = result->status,
                          .has_pushed = result->has_pushed,
                          .account_cnt = result->account_cnt,
                          .name_sz = (uint32_t)strlen(result->object.name),
                          .path_sz = (uint32_t)strlen(result->object.path),
                          .failure_sz = (uint32_t)strlen(result->failure)};
    size_t sz = sizeof(fixed) + fixed.name_sz + fixed.path_sz + fixed.failure_sz;
    uint8_t *at;

    for (int i = 0; i < FLS_REASON_CNT; i++) {
        fixed.sample_cnt[i] = result->sample_cnt[i];
        sz += result->sample_cnt[i] * sizeof(struct fls_sample);
    }
    sz += fixed.accounts_sz;
    fls_array_reserve(*buffer, *buffer_max, sz);
    at = *buffer;
    at = put(at, &fixed, sizeof(fixed));
    at = put(at, result->object.name, fixed.name_sz);
    at = put(at, result->object.path, fixed.path_sz);
    at = put(at, result->failure, fixed.failure_sz);
    for (int i = 0; i < FLS_REASON_CNT; i++)
        at = put(at, result->samples[i], result->sample_cnt[i] * sizeof(struct fls_sample));
    at = put(at, result->accounts.at, result->accounts.sz);
    fls_assert((size_t)(at - *buffer) == sz);
    return sz;
}

static bool take(struct fls_span *from, void *to, size_t sz)
{
    if (from->sz < sz)
        return false;
    memcpy(to, from->at, sz);
    from->at += sz;
    from->sz -= sz;
    return true;
}

static bool take_text(struct fls_span *from, char *to, size_t max, size_t sz)
{
    if (sz >= max || !take(from, to, sz))
        return false;
    to[sz] = 0;
    return true;
}

static bool take_samples(struct fls_span *from, struct fls_result *result)
{
    for (int i = 0; i < FLS_REASON_CNT; i++) {
        if (result->sample_cnt[i] > FLS_SAMPLES_PER_REASON ||
            !take(from, result->samples[i], result->sample_cnt[i] * sizeof(struct fls_sample)))
            return false;
        for (uint32_t k = 0; k < result->sample_cnt[i]; k++)
            result->samples[i][k].text[FLS_SAMPLE_TEXT_MAX - 1] = 0;
    }
    return true;
}

bool fls_result_decode(struct fls_span encoded, struct fls_result *result)
{
    struct fixed fixed;

    if (!take(&encoded, &fixed, sizeof(fixed)) || fixed.status > FLS_RESULT_ABANDONED)
        return false;
    result->object.id = fixed.id;
    result->object.size = fixed.size;
    result->object.mtime_ns = fixed.mtime_ns;
    result->status = (enum fls_result_status)fixed.status;
    result->has_pushed = fixed.has_pushed != 0;
    result->counts = fixed.counts;
    result->trailing = fixed.trailing;
    result->account_cnt = fixed.account_cnt;
    memcpy(result->sample_cnt, fixed.sample_cnt, sizeof(fixed.sample_cnt));
    if (!take_text(&encoded, result->object.name, sizeof(result->object.name), fixed.name_sz) ||
        !take_text(&encoded, result->object.path, sizeof(result->object.path), fixed.path_sz) ||
        !take_text(&encoded, result->failure, sizeof(result->failure), fixed.failure_sz) ||
        !take_samples(&encoded, result) || encoded.sz != fixed.accounts_sz)
        return false;
    result->accounts = encoded;
    return true;
}

bool fls_result_add_account(uint8_t **buffer, size_t *sz, size_t *max, struct fls_span account,
                            const struct fls_account_lines *lines)
{
    uint32_t account_sz = (uint32_t)account.sz;
    size_t need = *sz + sizeof(*lines) + sizeof(account_sz) + account.sz;
    uint8_t *at;

    if (need > FLS_RESULT_ACCOUNTS_SZ_MAX)
        return false;
    fls_array_reserve(*buffer, *max, need);
    at = *buffer + *sz;
    at = put(at, lines, sizeof(*lines));
    at = put(at, &account_sz, sizeof(account_sz));
    put(at, account.at, account.sz);
    *sz = need;
    return true;
}

bool fls_result_next_account(struct fls_span *accounts, struct fls_span *account,
                             struct fls_account_lines *lines)
{
    uint32_t account_sz;

    if (!take(accounts, lines, sizeof(*lines)) || !take(accounts, &account_sz, sizeof(account_sz)))
        return false;
    if (account_sz > accounts->sz)
        return false;
    *account = (struct fls_span){accounts->at, account_sz};
    accounts->at += account_sz;
    accounts->sz -= account_sz;
    return true;
}

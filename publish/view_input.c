#include "publish/view_private.h"

#include "base/assert.h"
#include "base/calendar.h"

#include <inttypes.h>
#include <stdio.h>

const enum fls_redis_key fls_view_input_keys[] = {FLS_REDIS_INPUT, FLS_REDIS_FAILED,
                                                  FLS_REDIS_LINES, FLS_REDIS_SAMPLES,
                                                  FLS_REDIS_DAYS,  FLS_REDIS_ACCOUNTS};

int fls_view_unstage_input(struct fls_view *view)
{
    int status = 0;

    fls_view_batch_start(view, "UNLINK", (struct fls_span){NULL, 0});
    for (unsigned i = 0; i < FLS_VIEW_INPUT_KEY_CNT && !status; i++)
        if (view->input_staged >> i & 1)
            status = fls_view_batch_member(
                view, fls_view_staged_key(view, fls_view_input_keys[i], fls_view_no_parts));
    view->input_staged = 0;
    return status ? status : fls_view_batch_end(view);
}

static int batch_number(struct fls_view *view, struct fls_span field, uint64_t number)
{
    char digits[FLS_VIEW_NUMBER_MAX];
    int sz = snprintf(digits, sizeof(digits), "%" PRIu64, number);

    return fls_view_batch_pair(view, field, (struct fls_span){(uint8_t *)digits, (size_t)sz});
}

static int put_counts(struct fls_view *view, const struct fls_view_input *input)
{
    const struct fls_line_counts *counts = &input->counts;
    const struct {
        const char *name;
        uint64_t value;
    } fields[] = {{"objects", input->objects},  {"bytes_read", counts->bytes_read},
                  {"bytes", counts->bytes},     {"lines", counts->lines},
                  {"headers", counts->headers}, {"records", counts->records},
                  {"nodata", counts->nodata},   {"skipdata", counts->skipdata}};
    char name[64];
    int status = 0;

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]) && !status; i++)
        status = batch_number(view, fls_span_of(fields[i].name), fields[i].value);
    for (int i = 0; i < FLS_REASON_CNT && !status; i++) {
        snprintf(name, sizeof(name), "malformed:%s", fls_reason_name[i]);
        status = batch_number(view, fls_span_of(name), counts->malformed[i]);
    }
    return status;
}

static int put_failed(struct fls_view *view, const struct fls_view_input *input)
{
    int status = 0;

    for (uint32_t i = 0; i < input->failed_cnt && !status; i++)
        status = fls_view_batch_pair(view, fls_span_of(input->failed[i].object),
                                     fls_span_of(input->failed[i].reason));
    return status;
}

static int put_lines(struct fls_view *view, const struct fls_view_input *input)
{
    char text[3 * FLS_VIEW_NUMBER_MAX];
    int status = 0;

    for (uint32_t i = 0; i < input->lines_cnt && !status; i++) {
        const struct fls_account_lines *lines = &input->lines[i].lines;

        snprintf(text, sizeof(text), "%" PRIu64 " %" PRIu64 " %" PRIu64, lines->records,
                 lines->nodata, lines->skipdata);
        status = fls_view_batch_pair(view, fls_span_of(input->lines[i].account), fls_span_of(text));
    }
    return status;
}

static int put_samples(struct fls_view *view, const struct fls_view_input *input)
{
    char name[64];
    int status = 0;

    for (uint32_t i = 0; i < input->sample_cnt && !status; i++) {
        fls_assert(input->samples[i].reason < FLS_REASON_CNT);
        snprintf(name, sizeof(name), "%s|%" PRIu32, fls_reason_name[input->samples[i].reason],
                 input->samples[i].number);
        status = fls_view_batch_pair(view, fls_span_of(name), fls_span_of(input->samples[i].text));
    }
    return status;
}

static int put_days(struct fls_view *view, const struct fls_view_input *input)
{
    char day[FLS_DAY_TEXT_MAX], score[FLS_VIEW_NUMBER_MAX];
    int status = 0;

    for (uint32_t i = 0; i < input->day_cnt && !status; i++) {
        fls_day_format(input->days[i], day);
        snprintf(score, sizeof(score), "%" PRIu32, input->days[i]);
        status = fls_view_batch_pair(
            view, fls_span_of(input->days[i] == FLS_DAY_UNKNOWN ? "+inf" : score),
            fls_span_of(day));
    }
    return status;
}

static int put_accounts(struct fls_view *view, const struct fls_view_input *input)
{
    int status = 0;

    for (uint32_t i = 0; i < input->account_cnt && !status; i++)
        status = fls_view_batch_member(view, fls_span_of(input->accounts[i]));
    return status;
}

/* How the keys of fls_view_input_keys are filled. */
static const struct {
    const char *command;
    int (*put)(struct fls_view *, const struct fls_view_input *);
} input_puts[FLS_VIEW_INPUT_KEY_CNT] = {{"HSET", put_counts}, {"HSET", put_failed},
                                        {"HSET", put_lines},  {"HSET", put_samples},
                                        {"ZADD", put_days},   {"SADD", put_accounts}};

int fls_view_put_input(struct fls_view *view, const struct fls_view_input *input)
{
    const bool is_filled[FLS_VIEW_INPUT_KEY_CNT] = {true,
                                                    input->failed_cnt > 0,
                                                    input->lines_cnt > 0,
                                                    input->sample_cnt > 0,
                                                    input->day_cnt > 0,
                                                    input->account_cnt > 0};
    int status;

    fls_assert(view->in_cycle);
    status = fls_view_unstage_input(view);
    for (unsigned i = 0; i < FLS_VIEW_INPUT_KEY_CNT && !status; i++) {
        if (!is_filled[i])
            continue;
        view->input_staged |= 1U << i;
        fls_view_batch_start(view, input_puts[i].command,
                             fls_view_staged_key(view, fls_view_input_keys[i], fls_view_no_parts));
        status = input_puts[i].put(view, input);
        if (!status)
            status = fls_view_batch_end(view);
    }
    view->input_is_put = true;
    view->top_k = input->top_k;
    fls_assert(strlen(input->ledger) < sizeof(view->ledger));
    strcpy(view->ledger, input->ledger);
    return status;
}

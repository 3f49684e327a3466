/* What became of one object, as ingest tells publish in a RESULT message. */
#pragma once

#include "base/object.h"
#include "base/span.h"

#include <stdbool.h>

enum fls_result_status {
    FLS_RESULT_COUNTED,
    FLS_RESULT_FAILED,   /* damaged, refused or unreadable */
    FLS_RESULT_ABANDONED /* given up because the run stops; not an error of the object */
};

struct fls_result {
    struct fls_object object;
    enum fls_result_status status;
    bool has_pushed; /* records of it are in the rings, though it does not count */
    struct fls_line_counts counts;
    uint64_t trailing; /* bytes after the last member or frame, told as a warning */
    char failure[FLS_FAILURE_TEXT_MAX];
    uint32_t sample_cnt[FLS_REASON_CNT];
    struct fls_sample samples[FLS_REASON_CNT][FLS_SAMPLES_PER_REASON];
    /* Accounts: account_cnt times a struct fls_account_lines, a 32-bit size and that many bytes of
     * text, one after the other. Read them with fls_result_next_account. */
    uint32_t account_cnt;
    struct fls_span accounts;
};

/* An object of which nothing is known yet: all is 0 but what has a number of its own (texts,
 * samples), which is not touched: most of a result is room for these. */
void fls_result_begin(struct fls_result *result, const struct fls_object *object);
/* Bytes of the encoded result; buffer (from malloc, or NULL) grows as needed. */
size_t fls_result_encode(const struct fls_result *result, uint8_t **buffer, size_t *buffer_max);
/* Reads an encoded result; result->accounts points into it. Returns false if it is no such thing.
 */
bool fls_result_decode(struct fls_span encoded, struct fls_result *result);

/* Bytes of the accounts of one object: 1.6 million of AWS's. One that has more does not count, so
 * that a result is far below the limit of a message. */
#define FLS_RESULT_ACCOUNTS_SZ_MAX (64U << 20)

/* Appends an account to an accounts buffer (from malloc, or NULL; it grows); false if it would pass
 * the limit. */
bool fls_result_add_account(uint8_t **buffer, size_t *sz, size_t *max, struct fls_span account,
                            const struct fls_account_lines *lines);
/* Takes the first account off the span; false at its end or if it is torn. */
bool fls_result_next_account(struct fls_span *accounts, struct fls_span *account,
                             struct fls_account_lines *lines);

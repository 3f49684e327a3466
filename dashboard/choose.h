/* Which account and days of what is published a question means, and what to answer when it means
 * nothing that is held. */
#pragma once

#include "dashboard/view_reader.h"

#define FLS_SUGGESTIONS_MAX 5U /* days or accounts that an error names */

/* 0 if the account is NULL or known: one that has records in a day held, or lines of any kind
 * (`has_lines`). Else -ENOENT, and a text with the accounts whose text is closest. */
int fls_choose_account(const struct fls_published *published, const char *account, bool has_lines,
                       char *error, size_t error_max);
/* The chosen days as a part of published->held: from *first, *cnt of them (0 only if nothing is
 * held and no day was asked for). Else -ENOENT, and a text with the newest days. */
int fls_choose_days(const struct fls_published *published,
                    const struct fls_published_choice *choice, uint32_t *first, uint32_t *cnt,
                    char *error, size_t error_max);

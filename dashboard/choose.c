#include "dashboard/choose.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/visible.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Texts are compared up to here: an account's id has 12 digits. */
#define FLS_COMPARED_MAX 64U
#define FLS_NAMED_MAX 80U /* bytes of an account's text in a message, with its NUL */

struct message {
    char *at;
    size_t max, sz;
};

__attribute__((format(printf, 2, 3))) static void say(struct message *message, const char *format,
                                                      ...)
{
    va_list arguments;
    int sz;

    if (message->sz + 1 >= message->max)
        return;
    va_start(arguments, format);
    sz = vsnprintf(message->at + message->sz, message->max - message->sz, format, arguments);
    va_end(arguments);
    fls_assert(sz >= 0);
    message->sz += (size_t)sz;
}

static void say_span(struct message *message, struct fls_span text)
{
    char printable[FLS_NAMED_MAX];

    fls_visible(text, printable, sizeof(printable));
    say(message, "%s", printable);
}

/* Bytes to insert, delete or change to turn one text into the other. */
static uint32_t distance(struct fls_span a, struct fls_span b)
{
    uint32_t row[FLS_COMPARED_MAX + 1];
    size_t a_sz = a.sz < FLS_COMPARED_MAX ? a.sz : FLS_COMPARED_MAX;
    size_t b_sz = b.sz < FLS_COMPARED_MAX ? b.sz : FLS_COMPARED_MAX;

    for (size_t j = 0; j <= b_sz; j++)
        row[j] = (uint32_t)j;
    for (size_t i = 0; i < a_sz; i++) {
        uint32_t diagonal = row[0];

        row[0] = (uint32_t)i + 1;
        for (size_t j = 0; j < b_sz; j++) {
            uint32_t best = diagonal + (a.at[i] != b.at[j]);

            diagonal = row[j + 1];
            if (best > row[j] + 1)
                best = row[j] + 1;
            if (best > row[j + 1] + 1)
                best = row[j + 1] + 1;
            row[j + 1] = best;
        }
    }
    return row[b_sz];
}

/* The accounts closest to the text, closest first, and of equally close ones the first by bytes. */
static uint32_t closest(const struct fls_published *published, struct fls_span text,
                        struct fls_span found[static FLS_SUGGESTIONS_MAX])
{
    uint32_t distances[FLS_SUGGESTIONS_MAX];
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < published->account_cnt; i++) {
        uint32_t this = distance(text, published->accounts[i]);
        uint32_t at = cnt;

        while (at > 0 && distances[at - 1] > this)
            at--;
        if (at == FLS_SUGGESTIONS_MAX)
            continue;
        cnt += cnt < FLS_SUGGESTIONS_MAX;
        for (uint32_t j = cnt - 1; j > at; j--) {
            distances[j] = distances[j - 1];
            found[j] = found[j - 1];
        }
        distances[at] = this;
        found[at] = published->accounts[i];
    }
    return cnt;
}

static bool is_known(const struct fls_published *published, struct fls_span account)
{
    for (uint32_t i = 0; i < published->account_cnt; i++)
        if (fls_span_equal(published->accounts[i], account))
            return true;
    return false;
}

int fls_choose_account(const struct fls_published *published, const char *account, bool has_lines,
                       char *error, size_t error_max)
{
    struct message message = {error, error_max, 0};
    struct fls_span found[FLS_SUGGESTIONS_MAX];
    uint32_t cnt;

    if (!account || has_lines || is_known(published, fls_span_of(account)))
        return 0;
    say(&message, "account ");
    say_span(&message, fls_span_of(account));
    say(&message, " has no records in the days held; ");
    cnt = closest(published, fls_span_of(account), found);
    if (cnt == 0)
        say(&message, "no account has");
    else
        say(&message,
            published->account_cnt > cnt ? "%u accounts have, the closest: " : "%u accounts have: ",
            published->account_cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        say(&message, i ? ", " : "");
        say_span(&message, found[i]);
    }
    return -ENOENT;
}

static int no_such_day(const struct fls_published *published,
                       const struct fls_published_choice *choice, char *error, size_t error_max)
{
    struct message message = {error, error_max, 0};
    char text[FLS_DAY_TEXT_MAX];

    fls_day_format(choice->day_first, text);
    if (choice->day_first == choice->day_last) {
        say(&message, "day %s is not held; ", text);
    } else {
        say(&message, "no day of %s", text);
        fls_day_format(choice->day_last, text);
        say(&message, "..%s is held; ", text);
    }
    if (published->held_cnt == 0)
        say(&message, "no day is: nothing that was counted is a record");
    else
        say(&message,
            published->held_cnt > FLS_SUGGESTIONS_MAX ? "%u days are, the newest: "
                                                      : "%u days are: ",
            published->held_cnt);
    for (uint32_t i = 0; i < published->held_cnt && i < FLS_SUGGESTIONS_MAX; i++) {
        fls_day_format(published->held[published->held_cnt - 1 - i], text);
        say(&message, "%s%s", i ? ", " : "", text);
    }
    return -ENOENT;
}

/* The newest day, but not one that has not come yet (its records are bogus) while there is another.
 * The day `unknown` is held last, but a day that has a date is newer. */
static void choose_newest(const struct fls_published *published, uint32_t *first, uint32_t *cnt)
{
    uint32_t last = fls_day_last_to_come(), known = published->held_cnt, come = 0;

    *cnt = known > 0;
    if (known > 1 && published->held[known - 1] == FLS_DAY_UNKNOWN)
        known--;
    while (come < known && published->held[come] <= last)
        come++;
    *first = come ? come - 1 : known ? known - 1 : 0;
}

int fls_choose_days(const struct fls_published *published,
                    const struct fls_published_choice *choice, uint32_t *first, uint32_t *cnt,
                    char *error, size_t error_max)
{
    if (!choice->day_given) {
        choose_newest(published, first, cnt);
        return 0;
    }
    fls_assert(choice->day_first <= choice->day_last);
    fls_assert(choice->day_first == choice->day_last || choice->day_last <= FLS_DAY_MAX);
    *first = 0;
    while (*first < published->held_cnt && published->held[*first] < choice->day_first)
        ++*first;
    *cnt = 0;
    while (*first + *cnt < published->held_cnt &&
           published->held[*first + *cnt] <= choice->day_last)
        ++*cnt;
    return *cnt ? 0 : no_such_day(published, choice, error, error_max);
}

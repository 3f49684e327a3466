#include "dashboard/view_reader.h"

#include "base/assert.h"
#include "dashboard/choose.h"
#include "dashboard/reading.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int read_once(struct fls_reading *reading, const struct fls_published_choice *choice)
{
    struct fls_published *to = reading->to;
    uint32_t first, cnt;
    bool has_lines;
    int status;

    if ((status = fls_reading_whole(reading, &has_lines)) ||
        (status = fls_choose_account(to, choice->account, has_lines, reading->error,
                                     reading->error_max)) ||
        (status = fls_choose_days(to, choice, &first, &cnt, reading->error, reading->error_max)))
        return status;
    to->days = fls_reading_take(cnt, sizeof(*to->days));
    to->day_cnt = cnt;
    for (uint32_t i = 0; i < cnt; i++)
        to->days[i].day = to->held[first + i];
    for (uint32_t i = 0; i < cnt; i += FLS_READ_DAYS_MAX) {
        uint32_t rest = cnt - i;

        status = fls_reading_days(reading, i, rest < FLS_READ_DAYS_MAX ? rest : FLS_READ_DAYS_MAX);
        if (status)
            return status;
    }
    return 0;
}

int fls_published_read(struct fls_published *published, struct fls_wire *wire, const char *name,
                       const struct fls_published_choice *choice, char *error, size_t error_max)
{
    struct fls_reading reading = {
        .wire = wire, .to = published, .error = error, .error_max = error_max};

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
        if (status != -EAGAIN || !wire->context)
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

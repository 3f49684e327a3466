#include "base/day.h"

#include "base/array.h"
#include "base/assert.h"

#include <stdlib.h>
#include <string.h>

static void forget_gone(struct fls_day *day)
{
    for (uint32_t i = 0; i < day->gone_max; i++)
        free(day->gone[i]);
    free(day->gone);
    day->gone = NULL;
    day->gone_cnt = day->gone_max = 0;
    memset(day->max_errors, 0, sizeof(day->max_errors));
}

void fls_day_fini(struct fls_day *day)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_table_fini(&day->tables[i]);
    forget_gone(day);
}

void fls_day_clear(struct fls_day *day)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_table_clear(&day->tables[i]);
    forget_gone(day);
}

uint64_t fls_day_bytes(const struct fls_day *day)
{
    uint64_t sum = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        sum += fls_table_bytes(&day->tables[i]);
    return sum;
}

uint64_t fls_day_rows(const struct fls_day *day)
{
    uint64_t sum = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        sum += day->tables[i].row_cnt;
    return sum;
}

uint64_t fls_day_used(const struct fls_day *day)
{
    uint64_t sum = day->gone_max * sizeof(*day->gone) + day->gone_cnt * sizeof(**day->gone);

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        sum += fls_table_used(&day->tables[i], 0);
    return sum;
}

struct fls_uniques *fls_day_gone(struct fls_day *day, uint32_t account)
{
    uint32_t max = day->gone_max;

    fls_array_reserve(day->gone, day->gone_max, (size_t)account + 1);
    if (day->gone_max > max)
        memset(day->gone + max, 0, (day->gone_max - max) * sizeof(*day->gone));
    if (day->gone[account] == NULL) {
        day->gone[account] = fls_array_new(1, sizeof(**day->gone));
        day->gone_cnt++;
    }
    return day->gone[account];
}

void fls_names_clear(struct fls_names *names)
{
    fls_dictionary_clear(&names->symbols);
    fls_dictionary_clear(&names->ipv6);
    fls_assert(fls_dictionary_intern(&names->symbols, FLS_SPAN("")) == FLS_SYMBOL_ABSENT);
}

void fls_names_fini(struct fls_names *names)
{
    fls_dictionary_fini(&names->symbols);
    fls_dictionary_fini(&names->ipv6);
}

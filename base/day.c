#include "base/day.h"

#include "base/assert.h"

void fls_day_fini(struct fls_day *day)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_table_fini(&day->tables[i]);
}

void fls_day_clear(struct fls_day *day)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        fls_table_clear(&day->tables[i]);
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

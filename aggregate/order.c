#include "aggregate/order.h"

#include "base/pages.h"

/* Digits of a byte, from the last one on. Of what shards sort most digits are alike: their turns
 * are left out. */
#define DIGIT_VALUES 256U
#define DIGITS 16U /* 8 of low, then 8 of high */

uint64_t fls_order_room_sz(uint64_t cnt)
{
    uint64_t sz = 2 * cnt * sizeof(struct fls_order_entry);

    return (sz + FLS_PAGE_SZ - 1) / FLS_PAGE_SZ * FLS_PAGE_SZ;
}

struct fls_order_entry *fls_order_room(uint64_t cnt)
{
    return fls_pages_resize(NULL, 0, fls_order_room_sz(cnt));
}

void fls_order_room_free(struct fls_order_entry *room, uint64_t cnt)
{
    fls_pages_resize(room, fls_order_room_sz(cnt), 0);
}

static unsigned digit_of(const struct fls_order_entry *entry, unsigned digit)
{
    uint64_t word = digit < 8 ? entry->low : entry->high;

    return (uint8_t)(word >> (digit % 8 * 8));
}

/* The digits in which the entries differ, a bit for each. */
static unsigned digits_that_differ(const struct fls_order_entry *entries, uint32_t cnt)
{
    uint64_t high = 0, low = 0;
    unsigned digits = 0;

    for (uint32_t i = 1; i < cnt; i++) {
        high |= entries[i].high ^ entries[0].high;
        low |= entries[i].low ^ entries[0].low;
    }
    for (unsigned digit = 0; digit < DIGITS; digit++)
        if ((digit < 8 ? low : high) >> (digit % 8 * 8) & 0xff)
            digits |= 1U << digit;
    return digits;
}

static void sort_by_digit(const struct fls_order_entry *from, struct fls_order_entry *to,
                          uint32_t cnt, unsigned digit)
{
    uint32_t next[DIGIT_VALUES] = {0}, sum = 0;

    for (uint32_t i = 0; i < cnt; i++)
        next[digit_of(&from[i], digit)]++;
    for (unsigned value = 0; value < DIGIT_VALUES; value++) {
        uint32_t here = next[value];

        next[value] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < cnt; i++)
        to[next[digit_of(&from[i], digit)]++] = from[i];
}

struct fls_order_entry *fls_order_sort(struct fls_order_entry *room, uint32_t cnt)
{
    struct fls_order_entry *from = room, *to = room + cnt;
    unsigned digits = digits_that_differ(room, cnt);

    for (unsigned digit = 0; digit < DIGITS; digit++) {
        struct fls_order_entry *sorted = to;

        if (!(digits >> digit & 1))
            continue;
        sort_by_digit(from, to, cnt, digit);
        to = from;
        from = sorted;
    }
    return from;
}

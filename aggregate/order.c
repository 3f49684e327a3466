#include "aggregate/order.h"

#include "base/pages.h"

/* Digits of a byte, from the last one on. Of what shards sort most digits are alike: their turns
 * are left out. */
#define DIGIT_VALUES 256U
#define DIGITS 16U /* 8 of tail, then 8 of key */
#define DIGIT_FIRST (FLS_ORDER_NUMBER_BITS / 8)

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
    uint64_t word = digit < 8 ? entry->tail : entry->key;

    return (uint8_t)(word >> (digit % 8 * 8));
}

/* The digits in which the entries differ, a bit for each. */
static unsigned digits_that_differ(const struct fls_order_entry *entries, uint64_t cnt)
{
    uint64_t key = 0, tail = 0;
    unsigned digits = 0;

    for (uint64_t i = 1; i < cnt; i++) {
        key |= entries[i].key ^ entries[0].key;
        tail |= entries[i].tail ^ entries[0].tail;
    }
    for (unsigned digit = DIGIT_FIRST; digit < DIGITS; digit++)
        if ((digit < 8 ? tail : key) >> (digit % 8 * 8) & 0xff)
            digits |= 1U << digit;
    return digits;
}

static void sort_by_digit(const struct fls_order_entry *from, struct fls_order_entry *to,
                          uint64_t cnt, unsigned digit)
{
    uint64_t next[DIGIT_VALUES] = {0}, sum = 0;

    for (uint64_t i = 0; i < cnt; i++)
        next[digit_of(&from[i], digit)]++;
    for (unsigned value = 0; value < DIGIT_VALUES; value++) {
        uint64_t here = next[value];

        next[value] = sum;
        sum += here;
    }
    for (uint64_t i = 0; i < cnt; i++)
        to[next[digit_of(&from[i], digit)]++] = from[i];
}

struct fls_order_entry *fls_order_sort(struct fls_order_entry *room, uint64_t cnt)
{
    struct fls_order_entry *from = room, *to = room + cnt;
    unsigned digits = digits_that_differ(room, cnt);

    for (unsigned digit = DIGIT_FIRST; digit < DIGITS; digit++) {
        struct fls_order_entry *sorted = to;

        if (!(digits >> digit & 1))
            continue;
        sort_by_digit(from, to, cnt, digit);
        to = from;
        from = sorted;
    }
    return from;
}

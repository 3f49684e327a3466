#include "aggregate/numbering.h"

#include "aggregate/order.h"
#include "base/array.h"
#include "shm/part_row.h"

#include <stdlib.h>
#include <string.h>

/* A text of a day, and which symbol of the shard it is. */
struct text {
    struct fls_span text;
    uint32_t symbol;
};

uint64_t fls_numbering_sz(uint64_t symbol_cnt, uint64_t ipv6_cnt)
{
    /* qsort may take a copy of what it sorts */
    return (symbol_cnt + 1) *
               (sizeof(uint32_t) + sizeof(struct fls_span) + 2 * sizeof(struct text)) +
           ipv6_cnt * 2 * sizeof(uint32_t) + fls_order_room_sz(ipv6_cnt);
}

/* ---- addresses ---- */

/* By the last 8 bytes first, and then by the first 8, which leaves equal ones in their order. */
void fls_numbering_init(struct fls_numbering *numbering, const struct fls_shard *shard)
{
    const struct fls_addresses *ipv6 = &shard->ipv6;
    struct fls_order_entry *room = fls_order_room(ipv6->cnt), *sorted;
    uint64_t high, low;

    *numbering = (struct fls_numbering){.ipv6_ranks = fls_array_new(ipv6->cnt, sizeof(uint32_t)),
                                        .ipv6_numbers = fls_array_new(ipv6->cnt, sizeof(uint32_t))};
    for (uint32_t i = 0; i < ipv6->cnt; i++) {
        fls_part_set_ipv6(&high, &low, fls_addresses_bytes_of(ipv6, i));
        room[i] = (struct fls_order_entry){.key = low, .tail = i};
    }
    sorted = fls_order_sort(room, ipv6->cnt);
    for (uint32_t i = 0; i < ipv6->cnt; i++)
        numbering->ipv6_numbers[i] = (uint32_t)fls_order_number(&sorted[i]);
    for (uint32_t i = 0; i < ipv6->cnt; i++) {
        uint32_t number = numbering->ipv6_numbers[i];

        fls_part_set_ipv6(&high, &low, fls_addresses_bytes_of(ipv6, number));
        room[i] = (struct fls_order_entry){.key = high, .tail = number};
    }
    sorted = fls_order_sort(room, ipv6->cnt);
    for (uint32_t i = 0; i < ipv6->cnt; i++) {
        numbering->ipv6_numbers[i] = (uint32_t)fls_order_number(&sorted[i]);
        numbering->ipv6_ranks[numbering->ipv6_numbers[i]] = i;
    }
    fls_order_room_free(room, ipv6->cnt);
}

/* ---- texts ---- */

/* Marks the symbols of combinations that had a record on the day. */
static void mark_used(uint32_t *used, const struct fls_shard *shard,
                      const struct fls_shard_day *day)
{
    for (uint32_t i = 0; i < day->attributes_max && i < shard->attributes.cnt; i++) {
        const uint32_t *symbols = fls_shard_symbols(shard, i);

        for (int k = 0; day->by_attributes[i].value[FLS_FLOWS] > 0 && k < FLS_ATTRIBUTE_CNT; k++)
            used[symbols[k]] = 1;
    }
}

static int text_compare(const void *a, const void *b)
{
    const struct text *x = a, *y = b;

    return fls_span_order(x->text, y->text);
}

/* Equal texts, which only "unknown" can be, have one number. */
static void number_texts(struct fls_numbering *numbering, const struct text *texts, uint32_t cnt)
{
    numbering->text_cnt = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        if (i == 0 || !fls_span_equal(texts[i].text, texts[i - 1].text))
            numbering->texts[numbering->text_cnt++] = texts[i].text;
        numbering->symbols[texts[i].symbol] = numbering->text_cnt - 1;
    }
}

static void forget_day(struct fls_numbering *numbering)
{
    free(numbering->symbols);
    free(numbering->texts);
}

void fls_numbering_begin_day(struct fls_numbering *numbering, const struct fls_shard *shard,
                             const struct fls_shard_day *day)
{
    const struct fls_dictionary *symbols = &shard->symbols;
    struct text *texts = fls_array_new((size_t)symbols->cnt + 1, sizeof(*texts));
    uint32_t cnt = 0;

    forget_day(numbering);
    numbering->symbols = fls_array_new((size_t)symbols->cnt + 1, sizeof(uint32_t));
    numbering->texts = fls_array_new((size_t)symbols->cnt + 1, sizeof(struct fls_span));
    mark_used(numbering->symbols, shard, day);
    numbering->symbols[FLS_SYMBOL_ABSENT] = 0;
    for (uint32_t i = 0; i < symbols->cnt; i++)
        if (numbering->symbols[i])
            texts[cnt++] = (struct text){fls_dictionary_text(symbols, i), i};
    /* the symbol behind the last one, whose place in symbols[] nobody asks for: */
    texts[cnt++] = (struct text){FLS_SPAN(""), symbols->cnt};
    texts[cnt++] = (struct text){FLS_SPAN("unknown"), FLS_SYMBOL_ABSENT};
    qsort(texts, cnt, sizeof(*texts), text_compare);
    number_texts(numbering, texts, cnt);
    free(texts);
}

void fls_numbering_fini(struct fls_numbering *numbering)
{
    forget_day(numbering);
    free(numbering->ipv6_ranks);
    free(numbering->ipv6_numbers);
    *numbering = (struct fls_numbering){0};
}

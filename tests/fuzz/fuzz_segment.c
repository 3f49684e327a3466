/* Segments: any bytes are read or refused, and what was read is written and read again as the same.
 * The first byte says whether the header is made to fit what follows. */
#include "base/calendar.h"
#include "shm/segment.h"

#include "fuzz.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

struct decoded {
    struct fls_day day;
    struct fls_names names;
};

static struct decoded first, second;

static bool decode(struct fls_span part, uint32_t day, struct decoded *to)
{
    fls_day_clear(&to->day);
    fls_names_clear(&to->names);
    to->day.day = day;
    return fls_segment_add(part, &to->day, &to->names, NULL);
}

static uint64_t text_digest(const struct fls_dictionary *dictionary, uint32_t number)
{
    struct fls_span text = fls_dictionary_text(dictionary, number);

    return XXH64(text.at, text.sz, 0);
}

static uint64_t row_digest(const struct decoded *of, int table, const struct fls_row *row,
                           uint32_t scope)
{
    const struct fls_key *key = &row->key;
    uint64_t words[7 + FLS_COUNTER_CNT] = {(uint64_t)table,
                                           scope,
                                           key->a,
                                           key->b,
                                           key->port,
                                           (uint64_t)key->protocol << 8 | key->flags,
                                           row->marks & FLS_MARKS_ALL};

    if (scope != FLS_SCOPE_ORGANISATION)
        words[1] = text_digest(&of->names.symbols, scope);
    if (fls_tables[table].key == FLS_KEY_ATTRIBUTE)
        words[2] = text_digest(&of->names.symbols, key->a);
    if (key->flags & FLS_A_IS_IPV6)
        words[2] = text_digest(&of->names.ipv6, key->a);
    if (key->flags & FLS_B_IS_IPV6)
        words[3] = text_digest(&of->names.ipv6, key->b);
    memcpy(words + 7, row->counters.value, sizeof(row->counters.value));
    return XXH64(words, sizeof(words), 1);
}

/* The same for the same figures of the same scopes, in any order and with any numbers of names. */
static uint64_t digest(const struct decoded *of)
{
    uint64_t sum = 0;

    for (int table = 0; table < FLS_TABLE_CNT; table++)
        for (uint32_t i = 0; i < of->day.tables[table].row_cnt; i++) {
            const struct fls_row *row = &of->day.tables[table].rows[i];
            uint32_t scopes[2], cnt = fls_row_scopes(row, scopes);

            for (uint32_t k = 0; k < cnt; k++)
                sum += row_digest(of, table, row, scopes[k]);
        }
    return sum;
}

/* Likewise of the addresses that gave way. */
static uint64_t gone_digest(const struct decoded *of)
{
    uint64_t sum = of->day.gone_cnt;

    for (uint32_t i = 0; i < of->day.gone_max; i++)
        if (of->day.gone[i])
            sum += XXH64(of->day.gone[i], sizeof(struct fls_uniques),
                         text_digest(&of->names.symbols, i));
    return sum;
}

/* To be freed. */
static struct fls_span encode(const struct decoded *from)
{
    uint64_t bound = fls_segment_bound(&from->day, &from->names), sz;
    uint8_t *out = malloc(bound);

    fuzz_check(out != NULL);
    sz = fls_segment_encode(&from->day, &from->names, out);
    fuzz_check(sz <= bound);
    return (struct fls_span){out, sz};
}

static void check_good(uint32_t day)
{
    struct fls_span once = encode(&first), rest = once, part;
    char text[FLS_DAY_TEXT_MAX];
    uint32_t again;

    fls_day_format(day, text);
    fuzz_check(fls_segment_next(&rest, &again, &part) && again == day);
    fuzz_check(part.at == once.at && part.sz == once.sz && rest.sz == 0);
    fuzz_check(decode(part, day, &second));
    fuzz_check(fls_day_rows(&second.day) == fls_day_rows(&first.day));
    fuzz_check(digest(&second) == digest(&first));
    fuzz_check(memcmp(second.day.max_errors, first.day.max_errors, sizeof(first.day.max_errors)) ==
               0);
    fuzz_check(gone_digest(&second) == gone_digest(&first));
    /* A part that lacks its last byte is none. */
    part.sz--;
    fuzz_check(!decode(part, day, &second));
    free((void *)once.at);
}

static void make_header_fit(uint8_t *bytes, size_t sz)
{
    const uint32_t words[2] = {FLS_SEGMENT_MAGIC, FLS_SEGMENT_LAYOUT};
    const uint64_t size = sz;

    if (sz < FLS_PART_HEADER_SZ)
        return;
    memcpy(bytes, words, sizeof(words));
    memcpy(bytes + 8, &size, sizeof(size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz}, part;
    bool is_made_to_fit = fuzz_take(&input, 1) & 1;
    uint8_t *copy = fuzz_copy(input, 0);
    struct fls_span rest = {copy, input.sz};
    uint32_t day;

    if (is_made_to_fit)
        make_header_fit(copy, input.sz);
    while (fls_segment_next(&rest, &day, &part) && part.sz > 0) {
        fuzz_check(part.at >= copy && part.at + part.sz == rest.at);
        if (decode(part, day, &first))
            check_good(day);
    }
    free(copy);
    return 0;
}

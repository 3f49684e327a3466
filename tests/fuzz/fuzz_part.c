/* Parts: any bytes are read or refused, and what was read whole is written and read again as the
 * same. The first byte says whether there is a trailer; without one, the rest is what stands before
 * it, and begins with what the trailer says of it. */
#include "tests/unit/plain_part.h"

#include "fuzz.h"

/* An account whose addresses gave way, without a table that did, is no part that is written. */
static bool has_given_way(const struct plain_part *part)
{
    for (int t = 0; t < FLS_TABLE_CNT; t++)
        if (part->max_errors[t].value[FLS_FLOWS] > 0)
            return true;
    return false;
}

static void check_whole(const struct plain_part *first)
{
    struct fls_span once = plain_part_encode(first), rest = once, part;
    struct plain_part second;
    uint32_t day;

    for (uint32_t i = 0; i < first->symbol_cnt; i++)
        fuzz_check(first->gone[i] == NULL || has_given_way(first));
    fuzz_check(fls_part_take_last(&rest, &day, &part) && day == first->day && rest.sz == 0);
    fuzz_check(part.at == once.at && part.sz == once.sz);
    fuzz_check(plain_part_read(&second, part) && plain_part_equal(first, &second));
    plain_part_fini(&second);
    /* A part that lacks its first byte is none. */
    part.at++;
    part.sz--;
    fuzz_check(!plain_part_read(&second, part));
    plain_part_fini(&second);
    free((void *)once.at);
}

/* Of each part, the last one first, in memory of its own. */
static void check_parts(struct fls_span bytes)
{
    struct fls_span part;
    uint32_t day;

    while (fls_part_take_last(&bytes, &day, &part) && part.sz > 0) {
        uint8_t *copy = fuzz_copy(part, 0);
        struct plain_part first;

        fuzz_check(part.at == bytes.at + bytes.sz);
        if (plain_part_read(&first, (struct fls_span){copy, part.sz}))
            check_whole(&first);
        fuzz_check(plain_part_is_sound(&first));
        fuzz_check(first.symbol_cnt == 0 || first.day == day);
        plain_part_fini(&first);
        free(copy);
    }
}

/* The sizes of a part: a table with rows, its rows and their bytes, and the same of the texts. */
static struct fls_part_trailer take_trailer(struct fls_span *input)
{
    struct fls_part_trailer trailer = {.layout = FLS_PART_LAYOUT, .magic = FLS_PART_MAGIC};
    uint32_t table = (uint32_t)fuzz_take(input, 1) % FLS_TABLE_CNT;
    uint64_t row_cnt = fuzz_take(input, 1), rows_sz = fuzz_take(input, 2);

    trailer.symbol_cnt = (uint32_t)fuzz_take(input, 1);
    trailer.texts_end = rows_sz + fuzz_take(input, 2);
    trailer.gave_way = (uint32_t)fuzz_take(input, 4);
    trailer.day = (uint32_t)fuzz_take(input, 4);
    trailer.row_cnt[table] = row_cnt;
    for (int i = (int)table; i >= 0; i--)
        trailer.end[i] = rows_sz;
    trailer.size = input->sz + sizeof(trailer);
    return trailer;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    struct fls_part_trailer trailer;
    uint8_t *copy;

    if (fuzz_take(&input, 1) & 1) {
        check_parts(input);
        return 0;
    }
    trailer = take_trailer(&input);
    copy = fuzz_copy(input, sizeof(trailer));
    memcpy(copy + input.sz, &trailer, sizeof(trailer));
    check_parts((struct fls_span){copy, input.sz + sizeof(trailer)});
    free(copy);
    return 0;
}

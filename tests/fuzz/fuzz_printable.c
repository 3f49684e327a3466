/* Texts of others, made printable: bounded, UTF-8, and (fls_printable) with a way back. */
#include "base/printable.h"
#include "base/visible.h"

#include "fuzz.h"

static int hex_value(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The bytes that a printable text stands for; in place. Every text having one makes texts of
 * different bytes different. */
static size_t undo(uint8_t *text, size_t sz)
{
    size_t out = 0;

    for (size_t i = 0; i < sz;) {
        if (text[i] != '\\') {
            text[out++] = text[i++];
            continue;
        }
        fuzz_check(i + 4 <= sz && text[i + 1] == 'x');
        fuzz_check(hex_value(text[i + 2]) >= 0 && hex_value(text[i + 3]) >= 0);
        text[out++] = (uint8_t)(hex_value(text[i + 2]) << 4 | hex_value(text[i + 3]));
        i += 4;
    }
    return out;
}

static void check_utf8(const uint8_t *text, size_t sz)
{
    for (size_t i = 0, step; i < sz; i += step) {
        step = fls_utf8_character((struct fls_span){text + i, sz - i});
        fuzz_check(step > 0 && step <= sz - i);
    }
}

static void check_printable(struct fls_span text)
{
    size_t max = FLS_PRINTABLE_MAX(text.sz);
    uint8_t *out = malloc(max ? max : 1);
    char *string = fls_printable_string(text);
    size_t sz, string_sz = strlen(string);

    fuzz_check(out != NULL);
    sz = fls_printable(text, (char *)out);
    fuzz_check(sz <= max);
    check_utf8(out, sz);
    sz = undo(out, sz);
    fuzz_check(fls_span_equal((struct fls_span){out, sz}, text));
    check_utf8((uint8_t *)string, string_sz);
    string_sz = undo((uint8_t *)string, string_sz);
    fuzz_check(fls_span_equal((struct fls_span){(uint8_t *)string, string_sz}, text));
    free(out);
    free(string);
}

static void check_visible(struct fls_span text, size_t max)
{
    size_t sz = fls_visible(text, NULL, 0);
    char *whole = malloc(sz + 1), *again = malloc(sz + 1), *part = malloc(max + 1);

    fuzz_check(whole && again && part);
    fuzz_check(fls_visible(text, whole, sz + 1) == sz && strlen(whole) == sz);
    check_utf8((uint8_t *)whole, sz);
    for (size_t i = 0; i < sz; i++)
        fuzz_check((uint8_t)whole[i] >= 0x20 && whole[i] != 0x7f);
    fuzz_check(fls_visible_columns(whole) <= sz);
    fuzz_check(fls_visible(fls_span_of(whole), again, sz + 1) == sz && strcmp(whole, again) == 0);
    fuzz_check(fls_visible(text, part, max + 1) == sz && strlen(part) <= max);
    fuzz_check(memcmp(part, whole, strlen(part)) == 0);
    check_utf8((uint8_t *)part, strlen(part));
    free(whole);
    free(again);
    free(part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    size_t max = fuzz_take(&input, 1);
    uint8_t *copy = fuzz_copy(input, 0);
    struct fls_span text = {copy, input.sz};

    check_printable(text);
    check_visible(text, max);
    free(copy);
    return 0;
}

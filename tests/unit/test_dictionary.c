/* Dictionaries against an array of what was interned. */
#include "scratch.h"

#include "base/dictionary.h"

#define TEXTS_MAX 20000U
#define LONG_SZ 300000U

static uint8_t long_text[LONG_SZ + 1];

/* The text number i: empty, NULs, prefixes of each other, numbers, long ones; all different. */
static struct fls_span text_of(uint32_t i, uint8_t buffer[static 64])
{
    if (i == 0)
        return FLS_SPAN("");
    if (i <= 40) { /* 1 to 40 times NUL */
        memset(buffer, 0, i);
        return (struct fls_span){buffer, i};
    }
    if (i <= 44)
        return (struct fls_span){long_text, LONG_SZ - i};
    if (i % 2) { /* 16 bytes, as addresses */
        memset(buffer, 0xff, 16);
        memcpy(buffer + 12, &i, sizeof(i));
        return (struct fls_span){buffer, 16};
    }
    return (struct fls_span){buffer, (size_t)snprintf((char *)buffer, 64, "eni-%08x", i)};
}

static void check_found(const struct fls_dictionary *dictionary, const uint32_t *numbers,
                        uint32_t cnt)
{
    uint8_t buffer[64];

    for (uint32_t i = 0; i < cnt; i++) {
        struct fls_span text = text_of(i, buffer);
        uint32_t number = 0;

        assert_int_equal(fls_dictionary_find(dictionary, text, &number), numbers[i] != UINT32_MAX);
        if (numbers[i] == UINT32_MAX)
            continue;
        assert_int_equal(number, numbers[i]);
        assert_true(fls_span_equal(fls_dictionary_text(dictionary, number), text));
    }
}

static void follows_a_model(void **state)
{
    static uint32_t numbers[TEXTS_MAX];
    struct fls_dictionary dictionary = {0};
    uint8_t buffer[64];
    uint64_t seed = 11, bytes = 0;

    (void)state;
    for (uint32_t i = 0; i < LONG_SZ; i++)
        long_text[i] = (uint8_t)scratch_random(&seed);
    for (uint32_t round = 0; round < 3; round++) {
        uint32_t known = 0;

        memset(numbers, 0xff, sizeof(numbers));
        check_found(&dictionary, numbers, TEXTS_MAX);
        for (uint32_t step = 0; step < 150000; step++) {
            uint32_t i = (uint32_t)(scratch_random(&seed) % TEXTS_MAX), number;
            struct fls_span text = text_of(i, buffer);
            bool is_new;

            number =
                fls_dictionary_intern_hashed(&dictionary, text, fls_dictionary_hash(text), &is_new);
            assert_int_equal(is_new, numbers[i] == UINT32_MAX);
            if (is_new)
                numbers[i] = known++;
            assert_int_equal(number, numbers[i]);
            assert_int_equal(dictionary.cnt, known);
        }
        check_found(&dictionary, numbers, TEXTS_MAX);
        assert_true(fls_dictionary_bytes(&dictionary) >= dictionary.bytes_sz + known * 32);
        assert_true(round == 0 || fls_dictionary_bytes(&dictionary) >= bytes);
        bytes = fls_dictionary_bytes(&dictionary);
        fls_dictionary_clear(&dictionary);
        assert_int_equal(fls_dictionary_bytes(&dictionary), bytes);
    }
    fls_dictionary_fini(&dictionary);
    assert_int_equal(fls_dictionary_bytes(&dictionary), 0);
}

static void lives_with_colliding_hashes(void **state)
{
    struct fls_dictionary dictionary = {0};
    uint8_t buffer[64];
    bool is_new;

    (void)state;
    for (uint32_t turn = 0; turn < 2; turn++)
        for (uint32_t i = 0; i < 700; i++) {
            assert_int_equal(
                fls_dictionary_intern_hashed(&dictionary, text_of(i, buffer), 5, &is_new), i);
            assert_int_equal(is_new, turn == 0);
        }
    fls_dictionary_fini(&dictionary);
}

/* An empty text may come without a place. */
static void takes_an_empty_span(void **state)
{
    struct fls_dictionary dictionary = {0};
    uint32_t number = 9;

    (void)state;
    assert_int_equal(fls_dictionary_intern(&dictionary, (struct fls_span){0}), 0);
    assert_int_equal(fls_dictionary_intern(&dictionary, FLS_SPAN("")), 0);
    assert_int_equal(fls_dictionary_intern(&dictionary, (struct fls_span){0}), 0);
    assert_true(fls_dictionary_find(&dictionary, (struct fls_span){0}, &number));
    assert_int_equal(number, 0);
    fls_dictionary_fini(&dictionary);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_model),
        cmocka_unit_test(lives_with_colliding_hashes),
        cmocka_unit_test(takes_an_empty_span),
    };

    return cmocka_run_group_tests_name("dictionary", tests, NULL, NULL);
}

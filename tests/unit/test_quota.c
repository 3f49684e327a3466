/* What an object may bring: counted for the object alone, and refused one step beyond the limit. */
#include "ingest/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct fls_dictionary combinations;
static struct fls_quota quota;

static void add_text(const char *text)
{
    uint32_t number = fls_dictionary_intern(&combinations,
                                            (struct fls_span){(const uint8_t *)text, strlen(text)});

    fls_quota_add_combination(&quota, number, &combinations);
}

static void test_texts_count_once_in_each_object(void **state)
{
    (void)state;
    for (int object = 0; object < 3; object++) {
        fls_quota_begin(&quota);
        assert_int_equal(quota.texts_sz, 0);
        for (int i = 0; i < 5; i++) {
            add_text("abc");
            add_text("");
        }
        assert_int_equal(quota.texts_sz, 3 + 2 * FLS_QUOTA_COMBINATION_SZ);
    }
    fls_dictionary_clear(&combinations); /* as after a barrier: the numbers begin again */
    fls_quota_begin(&quota);
    add_text("another");
    assert_int_equal(quota.texts_sz, 7 + FLS_QUOTA_COMBINATION_SZ);
    fls_quota_fini(&quota);
    fls_dictionary_fini(&combinations);
}

static void test_texts_have_a_limit(void **state)
{
    static char text[1 << 20];

    (void)state;
    for (int object = 0; object < 2; object++) {
        fls_quota_begin(&quota);
        assert_null(fls_quota_excess(&quota));
        for (int i = 0; i < 255; i++) {
            memset(text, 1 + i, sizeof(text) - 1 - FLS_QUOTA_COMBINATION_SZ);
            add_text(text);
        }
        text[0] = 'x';
        add_text(text);
        assert_null(fls_quota_excess(&quota)); /* 256 bytes are left */
        add_text("1");
        assert_null(fls_quota_excess(&quota));
        add_text("2");
        assert_string_equal(fls_quota_excess(&quota),
                            "its records have more than 256 MiB of different texts");
    }
    fls_quota_fini(&quota);
    fls_dictionary_fini(&combinations);
}

static void test_days_have_a_limit(void **state)
{
    (void)state;
    for (int object = 0; object < 2; object++) {
        fls_quota_begin(&quota);
        for (uint32_t round = 0; round < 2; round++) {
            for (uint32_t day = 1; day < FLS_QUOTA_DAYS_MAX; day++)
                fls_quota_add_day(&quota, day);
            fls_quota_add_day(&quota, UINT32_MAX); /* the unknown one is a day */
        }
        assert_null(fls_quota_excess(&quota));
        fls_quota_add_day(&quota, 0);
        assert_string_equal(fls_quota_excess(&quota), "its records are of more than 4096 days");
    }
    fls_quota_fini(&quota);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_count_once_in_each_object),
        cmocka_unit_test(test_texts_have_a_limit),
        cmocka_unit_test(test_days_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Keys and tables: spelled as their patterns say, and never two alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/calendar.h"
#include "base/keys.h"
#include "base/tables.h"

#include <stdio.h>
#include <stdlib.h>

static void expect(enum fls_redis_key key, uint32_t day, const char *account, const char *table,
                   const char *expected)
{
    char *made = fls_key_make(key, &(struct fls_key_parts){"acme-1.x_y", day, account, table});

    assert_string_equal(made, expected);
    free(made);
}

static void spells_patterns(void **state)
{
    (void)state;
    expect(FLS_REDIS_EPOCH, 0, NULL, NULL, "flowlog:{acme-1.x_y}:epoch");
    expect(FLS_REDIS_DAYS, 0, NULL, NULL, "flowlog:{acme-1.x_y}:days");
    expect(FLS_REDIS_SCOPES, 0, NULL, NULL, "flowlog:{acme-1.x_y}:day:1970-01-01:scopes");
    expect(FLS_REDIS_FEW, 20454, NULL, NULL,
           "flowlog:{acme-1.x_y}:day:2026-01-01:organisation:few");
    expect(FLS_REDIS_FACTS, FLS_DAY_UNKNOWN, "123456789012", NULL,
           "flowlog:{acme-1.x_y}:day:unknown:account:123456789012:facts");
    expect(FLS_REDIS_TOP_BY_BYTES, 20454, "a", "source_address",
           "flowlog:{acme-1.x_y}:day:2026-01-01:account:a:top:source_address:by_bytes");
    /* Words of a pattern within what stands for them are text. */
    expect(FLS_REDIS_OWN_ADDRESSES, 20454, "NAME:TABLE", NULL,
           "flowlog:{acme-1.x_y}:day:2026-01-01:account:NAME:TABLE:unique:own_addresses");
}

static void cuts_what_does_not_fit(void **state)
{
    const struct fls_key_parts parts = {.name = "n"};
    char out[32];

    (void)state;
    for (size_t max = 0; max < sizeof(out); max++) {
        memset(out, '#', sizeof(out));
        assert_int_equal(fls_key_format(out, max, FLS_REDIS_EPOCH, &parts),
                         strlen("flowlog:{n}:epoch"));
        if (max > 0)
            assert_int_equal(strncmp(out, "flowlog:{n}:epoch", max - 1), 0);
        if (max > 0 && max <= strlen("flowlog:{n}:epoch"))
            assert_int_equal(out[max - 1], '\0');
        assert_int_equal(out[max], '#');
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Accounts are open text: one that is made to look like a part of a key is still its own. */
static void differ_for_different_parts(void **state)
{
    static const char *const accounts[] = {NULL,
                                           "a",
                                           "a:few",
                                           "a:top",
                                           "a:top:service",
                                           "organisation",
                                           "account",
                                           "account:a",
                                           "a:unique",
                                           "a:top:service:by_bytes",
                                           "",
                                           "a:few:few"};
    static const uint32_t days[] = {0, 1, FLS_DAY_UNKNOWN};
    char *keys[2048];
    size_t cnt = 0;

    (void)state;
    for (size_t day = 0; day < 3; day++)
        for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
            for (int key = FLS_REDIS_FEW; key < FLS_REDIS_KEY_CNT; key++)
                for (int table = 0; table < FLS_TABLE_CNT; table++) {
                    struct fls_key_parts parts = {"n", days[day], accounts[i],
                                                  fls_tables[table].name};

                    if (key != FLS_REDIS_TOP && key != FLS_REDIS_TOP_BY_BYTES && table > 0)
                        break;
                    if (cnt == sizeof(keys) / sizeof(keys[0]))
                        fail_msg("more keys than expected");
                    keys[cnt++] = fls_key_make((enum fls_redis_key)key, &parts);
                }
    qsort(keys, cnt, sizeof(keys[0]), by_text);
    for (size_t i = 0; i + 1 < cnt; i++)
        assert_string_not_equal(keys[i], keys[i + 1]);
    for (size_t i = 0; i < cnt; i++)
        free(keys[i]);
}

static void knows_names(void **state)
{
    char longest[FLS_NAME_MAX + 2];

    (void)state;
    memset(longest, 'x', sizeof(longest));
    longest[FLS_NAME_MAX] = '\0';
    assert_true(fls_name_is_valid(longest));
    longest[FLS_NAME_MAX] = 'x';
    longest[FLS_NAME_MAX + 1] = '\0';
    assert_false(fls_name_is_valid(longest));
    assert_true(fls_name_is_valid("default"));
    assert_true(fls_name_is_valid("A.b_c-9"));
    assert_false(fls_name_is_valid(""));
    assert_false(fls_name_is_valid("a*"));
    assert_false(fls_name_is_valid("a}b"));
    assert_false(fls_name_is_valid("a b"));
    assert_false(fls_name_is_valid("\xc3\xa4"));
}

static void knows_tables(void **state)
{
    (void)state;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        assert_int_equal(fls_table_by_name(fls_tables[i].name), i);
    assert_int_equal(fls_table_by_name("source"), -1);
    assert_int_equal(fls_table_by_name(""), -1);
    assert_int_equal(fls_attribute_table[FLS_ATTRIBUTE_VPC], FLS_TABLE_VPC);
    for (int i = 0; i < FLS_ATTRIBUTE_CNT; i++)
        assert_int_equal(fls_tables[fls_attribute_table[i]].key, FLS_KEY_ATTRIBUTE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spells_patterns),
        cmocka_unit_test(cuts_what_does_not_fit),
        cmocka_unit_test(differ_for_different_parts),
        cmocka_unit_test(knows_names),
        cmocka_unit_test(knows_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

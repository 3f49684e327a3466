/* What became of an object, there and back; torn and damaged. */
#include "scratch.h"

#include "shm/result.h"

struct account {
    uint8_t text[40];
    size_t sz;
    struct fls_account_lines lines;
};

#define ACCOUNTS_MAX 30

struct made {
    struct fls_result result;
    struct account accounts[ACCOUNTS_MAX];
    uint8_t *buffer; /* of the accounts */
    size_t max;
};

static uint64_t seed = 23;

/* Few of them, and many; both ends are met. */
static uint64_t random_to(uint64_t max)
{
    switch (scratch_random(&seed) % 4) {
    case 0:
        return 0;
    case 1:
        return max;
    default:
        return max == UINT64_MAX ? scratch_random(&seed) : scratch_random(&seed) % (max + 1);
    }
}

static void random_text(char *text, size_t max)
{
    size_t sz = random_to(max - 1);

    for (size_t i = 0; i < sz; i++)
        text[i] = (char)(1 + scratch_random(&seed) % 255);
    text[sz] = 0;
}

static void random_bytes(void *to, size_t sz)
{
    for (size_t i = 0; i < sz; i++)
        ((uint8_t *)to)[i] = (uint8_t)scratch_random(&seed);
}

static void make_accounts(struct made *made)
{
    size_t sz = 0;

    made->result.account_cnt = (uint32_t)random_to(ACCOUNTS_MAX);
    for (uint32_t i = 0; i < made->result.account_cnt; i++) {
        struct account *account = &made->accounts[i];

        account->sz = random_to(sizeof(account->text));
        random_bytes(account->text, account->sz);
        random_bytes(&account->lines, sizeof(account->lines));
        assert_true(fls_result_add_account(&made->buffer, &sz, &made->max,
                                           (struct fls_span){account->text, account->sz},
                                           &account->lines));
    }
    made->result.accounts = (struct fls_span){made->buffer, sz};
}

static void make(struct made *made)
{
    struct fls_result *result = &made->result;

    memset(result, 0, sizeof(*result));
    result->object.id = random_to(UINT64_MAX);
    result->object.size = random_to(UINT64_MAX);
    result->object.mtime_ns = (int64_t)random_to(UINT64_MAX);
    random_text(result->object.name, sizeof(result->object.name));
    random_text(result->object.path, sizeof(result->object.path));
    random_text(result->failure, sizeof(result->failure));
    result->status = (enum fls_result_status)(scratch_random(&seed) % 3);
    result->has_pushed = scratch_random(&seed) & 1;
    random_bytes(&result->counts, sizeof(result->counts));
    result->trailing = random_to(UINT64_MAX);
    for (int reason = 0; reason < FLS_REASON_CNT; reason++) {
        result->sample_cnt[reason] = (uint32_t)random_to(FLS_SAMPLES_PER_REASON);
        for (uint32_t i = 0; i < result->sample_cnt[reason]; i++) {
            result->samples[reason][i].line = random_to(UINT64_MAX);
            random_text(result->samples[reason][i].text, FLS_SAMPLE_TEXT_MAX);
        }
    }
    make_accounts(made);
}

static void check_samples(const struct fls_result *a, const struct fls_result *b)
{
    assert_memory_equal(a->sample_cnt, b->sample_cnt, sizeof(a->sample_cnt));
    for (int reason = 0; reason < FLS_REASON_CNT; reason++)
        for (uint32_t i = 0; i < a->sample_cnt[reason]; i++) {
            assert_int_equal(a->samples[reason][i].line, b->samples[reason][i].line);
            assert_string_equal(a->samples[reason][i].text, b->samples[reason][i].text);
        }
}

static void check_accounts(const struct made *made, struct fls_span accounts)
{
    struct fls_span text;
    struct fls_account_lines lines;

    for (uint32_t i = 0; i < made->result.account_cnt; i++) {
        const struct account *account = &made->accounts[i];

        assert_true(fls_result_next_account(&accounts, &text, &lines));
        assert_true(fls_span_equal(text, (struct fls_span){account->text, account->sz}));
        assert_memory_equal(&lines, &account->lines, sizeof(lines));
    }
    assert_false(fls_result_next_account(&accounts, &text, &lines));
    assert_int_equal(accounts.sz, 0);
}

static void check(const struct made *made, const struct fls_result *read)
{
    const struct fls_result *result = &made->result;

    assert_int_equal(read->object.id, result->object.id);
    assert_int_equal(read->object.size, result->object.size);
    assert_int_equal(read->object.mtime_ns, result->object.mtime_ns);
    assert_string_equal(read->object.name, result->object.name);
    assert_string_equal(read->object.path, result->object.path);
    assert_string_equal(read->failure, result->failure);
    assert_int_equal(read->status, result->status);
    assert_int_equal(read->has_pushed, result->has_pushed);
    assert_memory_equal(&read->counts, &result->counts, sizeof(read->counts));
    assert_int_equal(read->trailing, result->trailing);
    assert_int_equal(read->account_cnt, result->account_cnt);
    check_samples(result, read);
    check_accounts(made, read->accounts);
}

static struct made made;
static struct fls_result read_back;

static void comes_back_the_same(void **state)
{
    uint8_t *buffer = NULL;
    size_t max = 0;

    (void)state;
    for (int round = 0; round < 300; round++) {
        size_t sz;

        make(&made);
        sz = fls_result_encode(&made.result, &buffer, &max);
        assert_true(sz <= max);
        memset(&read_back, 0xa5, sizeof(read_back));
        assert_true(fls_result_decode((struct fls_span){buffer, sz}, &read_back));
        check(&made, &read_back);
    }
    free(buffer);
}

/* Cut at any place, in a buffer of just that size, so that a byte read behind it shows. */
static void refuses_what_is_torn(void **state)
{
    uint8_t *buffer = NULL;
    size_t max = 0;

    (void)state;
    for (int round = 0; round < 10; round++) {
        size_t sz;

        make(&made);
        sz = fls_result_encode(&made.result, &buffer, &max);
        for (size_t cut = 0; cut < sz; cut += cut < 300 || cut + 300 > sz ? 1 : 37) {
            uint8_t *copy = malloc(cut ? cut : 1);

            memcpy(copy, buffer, cut);
            assert_false(fls_result_decode((struct fls_span){copy, cut}, &read_back));
            free(copy);
        }
        buffer = realloc(buffer, sz + 1);
        max = sz + 1;
        buffer[sz] = 0;
        assert_false(fls_result_decode((struct fls_span){buffer, sz + 1}, &read_back));
    }
    free(buffer);
}

/* Damage is refused or makes other values: all within their limits. */
static void survives_damage(void **state)
{
    uint8_t *buffer = NULL;
    size_t max = 0;

    (void)state;
    for (int round = 0; round < 20; round++) {
        size_t sz;

        make(&made);
        sz = fls_result_encode(&made.result, &buffer, &max);
        for (int turn = 0; turn < 500; turn++) {
            uint8_t *copy = malloc(sz);
            struct fls_span accounts, text;
            struct fls_account_lines lines;

            memcpy(copy, buffer, sz);
            for (uint64_t i = scratch_random(&seed) % 4; i < 4; i++)
                copy[scratch_random(&seed) % (turn % 2 ? sz : 256)] ^=
                    (uint8_t)(1U << scratch_random(&seed) % 8);
            if (fls_result_decode((struct fls_span){copy, sz}, &read_back)) {
                assert_true(strlen(read_back.object.path) < FLS_PATH_MAX);
                assert_true(read_back.status <= FLS_RESULT_ABANDONED);
                for (int reason = 0; reason < FLS_REASON_CNT; reason++)
                    assert_true(read_back.sample_cnt[reason] <= FLS_SAMPLES_PER_REASON);
                accounts = read_back.accounts;
                while (fls_result_next_account(&accounts, &text, &lines))
                    assert_true(text.at + text.sz <= copy + sz);
            }
            free(copy);
        }
    }
    free(buffer);
    free(made.buffer);
}

/* What an object leaves in a result, the next one does not find. */
static void begins_with_nothing_of_the_last(void **state)
{
    static struct made last, next;
    static struct fls_result empty;
    uint8_t *begun = NULL, *made_anew = NULL;
    size_t begun_max = 0, made_max = 0, sz;

    (void)state;
    for (int round = 0; round < 100; round++) {
        make(&last);
        make(&next);
        empty = (struct fls_result){.object = next.result.object};
        fls_result_begin(&last.result, &next.result.object);
        sz = fls_result_encode(&empty, &made_anew, &made_max);
        assert_int_equal(fls_result_encode(&last.result, &begun, &begun_max), sz);
        assert_memory_equal(begun, made_anew, sz);
    }
    free(begun);
    free(made_anew);
    free(last.buffer);
    free(next.buffer);
}

/* The largest account that fits, and one more byte. */
static void limits_accounts(void **state)
{
    static const uint8_t text[FLS_RESULT_ACCOUNTS_SZ_MAX];
    const struct fls_account_lines lines = {.records = 1};
    const size_t rest = sizeof(lines) + sizeof(uint32_t), max = FLS_RESULT_ACCOUNTS_SZ_MAX - rest;
    uint8_t *buffer = NULL;
    size_t buffer_max = 0, sz = 0;

    (void)state;
    assert_false(fls_result_add_account(&buffer, &sz, &buffer_max, (struct fls_span){text, max + 1},
                                        &lines));
    assert_int_equal(sz, 0);
    assert_true(
        fls_result_add_account(&buffer, &sz, &buffer_max, (struct fls_span){text, max}, &lines));
    assert_int_equal(sz, FLS_RESULT_ACCOUNTS_SZ_MAX);
    assert_false(fls_result_add_account(&buffer, &sz, &buffer_max, FLS_SPAN(""), &lines));
    assert_int_equal(sz, FLS_RESULT_ACCOUNTS_SZ_MAX);
    free(buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_the_same),
        cmocka_unit_test(refuses_what_is_torn),
        cmocka_unit_test(survives_damage),
        cmocka_unit_test(begins_with_nothing_of_the_last),
        cmocka_unit_test(limits_accounts),
    };

    return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}

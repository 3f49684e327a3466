/* Random epochs for tests of publish: segments as aggregators make them, and a simple model of what
 * they add up to, kept by texts. */
#pragma once

#include "base/calendar.h"
#include "publish/commit.h"
#include "publish/compact.h"
#include "publish/epoch.h"
#include "publish/key_text.h"
#include "publish/parts.h"

#include "rows.h"

#include <sys/mman.h>

#define EPOCH_SHARDS 3U
#define EPOCH_DAYS_MAX 320U /* days of a model */

/* ---- the model ---- */

struct model_row {
    struct fls_counters counters;
    uint32_t marks;
    uint64_t epoch; /* that added to it last */
};

struct model_day {
    uint32_t day;
    struct fls_dictionary keys; /* "SCOPE/table/key" */
    struct model_row *rows;     /* by number of the key */
};

struct model {
    struct model_day days[EPOCH_DAYS_MAX];
    uint32_t day_cnt;
    uint64_t epoch;
};

static inline struct model_day *model_day(struct model *model, uint32_t day, bool may_add)
{
    for (uint32_t i = 0; i < model->day_cnt; i++)
        if (model->days[i].day == day)
            return &model->days[i];
    if (!may_add)
        return NULL;
    assert_true(model->day_cnt < EPOCH_DAYS_MAX);
    model->days[model->day_cnt] = (struct model_day){.day = day};
    return &model->days[model->day_cnt++];
}

static inline void model_drop(struct model *model, struct model_day *day)
{
    fls_dictionary_fini(&day->keys);
    free(day->rows);
    *day = model->days[--model->day_cnt];
}

static inline void model_fini(struct model *model)
{
    while (model->day_cnt > 0)
        model_drop(model, &model->days[0]);
}

/* The newest days stay. */
static inline void model_keep(struct model *model, uint32_t keep_days)
{
    for (;;) {
        struct model_day *oldest = NULL;
        uint32_t known = 0;

        for (uint32_t i = 0; i < model->day_cnt; i++) {
            if (model->days[i].day == FLS_DAY_UNKNOWN)
                continue;
            known++;
            if (oldest == NULL || model->days[i].day < oldest->day)
                oldest = &model->days[i];
        }
        if (known <= keep_days)
            return;
        model_drop(model, oldest);
    }
}

static inline struct model_row *model_row(struct model_day *day, const char *scope,
                                          enum fls_table_id table, struct fls_span key,
                                          bool may_add)
{
    char text[1024];
    int sz = snprintf(text, sizeof(text), "%s/%s/", scope, fls_tables[table].name);
    struct fls_span whole = {(const uint8_t *)text, (size_t)sz + key.sz};
    uint32_t number, cnt = day->keys.cnt;

    assert_true(whole.sz <= sizeof(text));
    if (key.sz)
        memcpy(text + sz, key.at, key.sz);
    if (!may_add)
        return fls_dictionary_find(&day->keys, whole, &number) ? &day->rows[number] : NULL;
    number = fls_dictionary_intern(&day->keys, whole);
    if (number == cnt) {
        day->rows = realloc(day->rows, (cnt + 1) * sizeof(*day->rows));
        assert_non_null(day->rows);
        day->rows[number] = (struct model_row){0};
    }
    return &day->rows[number];
}

/* ---- records ---- */

static const char *const model_addresses[] = {
    "10.0.0.1", "10.0.0.10",     "10.0.0.2",     "203.0.113.9", "198.51.100.255",
    "0.0.0.0",  "2001:db8::1",   "2001:db8::10", "::",          "::ffff:10.0.0.1",
    "fe80::1",  "fd00::1:0:0:1", "8.8.8.8"};
/* as they stand in the log, and in the report */
static const char *const model_texts[][2] = {{"eni-1", "eni-1"},       {"eni-10", "eni-10"},
                                             {"a\\b", "a\\x5cb"},      {"\xff", "\\xff"},
                                             {"\xc3\xa4", "\xc3\xa4"}, {"unknown", "unknown"}};
/* "": absent, which is the scope unknown as well */
static const char *const model_accounts[] = {"", "123456789012", "unknown", "999999999999",
                                             "x|y:z"};

#define MODEL_PICK(array, seed) (scratch_random(seed) % (sizeof(array) / sizeof((array)[0])))

struct random_shard {
    struct random_day {
        uint32_t day;
        struct rows rows;
    } days[EPOCH_DAYS_MAX];
    uint32_t day_cnt;
};

static inline void random_address(uint64_t *seed, struct fls_part_key *key, bool is_second,
                                  char *text)
{
    strcpy(text, model_addresses[MODEL_PICK(model_addresses, seed)]);
    key_set_address(key, is_second, text);
}

/* A random key of the kind, and its text. */
static inline struct fls_part_key random_key(uint64_t *seed, enum fls_table_key kind, uint32_t day,
                                             struct rows *rows, char *text)
{
    static const uint16_t ports[] = {0, 53, 80, 443, 4430, 65535};
    static const uint8_t protocols[] = {0, 6, 17, 255};
    struct fls_part_key key = {0};
    uint8_t protocol = 0;
    uint16_t port = 0;
    size_t pick;

    text[0] = 0;
    if (kind == FLS_KEY_PROTOCOL || kind == FLS_KEY_PORT || kind == FLS_KEY_CONVERSATION)
        protocol = protocols[MODEL_PICK(protocols, seed)];
    if (kind == FLS_KEY_PORT || kind == FLS_KEY_CONVERSATION)
        port = ports[MODEL_PICK(ports, seed)];
    key.place = fls_part_place(protocol, port);
    if (kind == FLS_KEY_MINUTE) {
        uint32_t minute = (uint32_t)(scratch_random(seed) % 1440);

        key.a_low = day * 1440 + minute;
        sprintf(text + fls_day_format(day, text), "T%02u:%02u:00Z", minute / 60, minute % 60);
    }
    if (kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION)
        random_address(seed, &key, false, text);
    if (kind == FLS_KEY_CONVERSATION) {
        strcat(text, "|");
        random_address(seed, &key, true, text + strlen(text));
        sprintf(text + strlen(text), "|%u|%u", protocol, port);
    }
    if (kind == FLS_KEY_PORT)
        sprintf(text, "%u|%u", protocol, port);
    if (kind == FLS_KEY_PROTOCOL)
        sprintf(text, "%u", protocol);
    if (kind == FLS_KEY_ATTRIBUTE) {
        pick = MODEL_PICK(model_texts, seed);
        key.a_low = rows_symbol(rows, fls_span_of(model_texts[pick][0]));
        strcpy(text, model_texts[pick][1]);
    }
    return key;
}

static inline void random_record(uint64_t *seed, struct random_day *day, struct model_day *model,
                                 uint64_t epoch)
{
    const char *account = model_accounts[MODEL_PICK(model_accounts, seed)];
    const char *scopes[2] = {account[0] ? account : "unknown", "*"};
    struct fls_counters counters = {
        {1, scratch_random(seed) % 5, scratch_random(seed) >> (1 + scratch_random(seed) % 63)}};
    uint64_t action = scratch_random(seed) % 3;

    counters.value[FLS_ACCEPTED] = action == 1;
    counters.value[FLS_REJECTED] = action == 2;
    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        struct fls_part_row row = {.counters = counters};
        char text[256];

        if ((id != FLS_TABLE_TOTALS && scratch_random(seed) % 3 == 0) ||
            (id == FLS_TABLE_MINUTE && day->day == FLS_DAY_UNKNOWN))
            continue;
        row.key = random_key(seed, fls_tables[id].key, day->day, &day->rows, text);
        row.account = rows_symbol(&day->rows, fls_span_of(scopes[0]));
        if (fls_tables[id].key == FLS_KEY_ADDRESS && row.key.flags & FLS_A_IS_IPV6)
            row.marks = (uint32_t)(scratch_random(seed) % 4);
        rows_add(&day->rows, (enum fls_table_id)id, &row);
        for (int i = 0; model != NULL && i < 2; i++) {
            struct model_row *expected =
                model_row(model, scopes[i], (enum fls_table_id)id, fls_span_of(text), true);

            fls_counters_add(&expected->counters, &counters);
            expected->marks |= row.marks;
            expected->epoch = epoch;
        }
    }
}

static inline struct random_day *shard_day(struct random_shard *shard, uint32_t day)
{
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        if (shard->days[i].day == day)
            return &shard->days[i];
    assert_true(shard->day_cnt < EPOCH_DAYS_MAX);
    shard->days[shard->day_cnt] = (struct random_day){.day = day};
    return &shard->days[shard->day_cnt++];
}

static inline int shard_write(void *context, struct fls_span bytes)
{
    assert_int_equal(write(*(const int *)context, bytes.at, bytes.sz), bytes.sz);
    return 0;
}

/* A memfd with the shard's segment, -1 and 0 if it has none. */
static inline int shard_segment(struct random_shard *shard, uint64_t *size)
{
    int fd = shard->day_cnt ? memfd_create("test", MFD_CLOEXEC) : -1;

    *size = 0;
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        *size += rows_write(&shard->days[i].rows, shard->days[i].day,
                            (struct fls_part_sink){shard_write, &fd});
    return fd;
}

/* The segments of one epoch's records, spread over the shards, added to the model unless that is
 * NULL. `days` are drawn from at random; a day may come up in no record. */
static inline void random_segments(uint64_t *seed, const uint32_t *days, uint32_t day_cnt,
                                   uint32_t record_cnt, struct model *model,
                                   int fds[static EPOCH_SHARDS],
                                   uint64_t sizes[static EPOCH_SHARDS])
{
    struct random_shard *shards = calloc(EPOCH_SHARDS, sizeof(*shards));

    assert_non_null(shards);
    if (model)
        model->epoch++;
    for (uint32_t i = 0; i < record_cnt; i++) {
        struct random_shard *shard = &shards[scratch_random(seed) % EPOCH_SHARDS];
        uint32_t day = days[scratch_random(seed) % day_cnt];

        random_record(seed, shard_day(shard, day), model ? model_day(model, day, true) : NULL,
                      model ? model->epoch : 0);
    }
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++) {
        fds[i] = shard_segment(&shards[i], &sizes[i]);
        for (uint32_t k = 0; k < shards[i].day_cnt; k++)
            rows_fini(&shards[i].days[k].rows);
    }
    free(shards);
}

/* What became of an object; its counts follow from its number. */
static inline struct fls_result *make_result(unsigned number, enum fls_result_status status,
                                             bool has_pushed)
{
    static struct fls_result result;

    result = (struct fls_result){.status = status, .has_pushed = has_pushed};
    result.object.id = number;
    result.object.size = number + 100;
    sprintf(result.object.name, "object-%u", number);
    sprintf(result.object.path, "/logs/object-%u", number);
    if (status == FLS_RESULT_FAILED)
        strcpy(result.failure, "cut off");
    if (status == FLS_RESULT_COUNTED)
        result.counts = (struct fls_line_counts){.bytes_read = number,
                                                 .bytes = 2 * number,
                                                 .lines = number + 1,
                                                 .records = number,
                                                 .headers = 1};
    return &result;
}

static inline void add_result(struct fls_epoch *epoch, unsigned number,
                              enum fls_result_status status, bool has_pushed)
{
    uint8_t *buffer = NULL;
    size_t max = 0, sz;

    sz = fls_result_encode(make_result(number, status, has_pushed), &buffer, &max);
    fls_epoch_add_result(epoch, (struct fls_span){buffer, sz});
    free(buffer);
}

/* ---- publish's state ---- */

struct state {
    struct fls_ledger *ledger;
    struct fls_segments segments;
    struct fls_commit commit;
    struct fls_epoch epoch;
};

static inline void open_state_in(struct state *s, const char *folder, uint32_t keep_days)
{
    char error[512];

    if (fls_ledger_open(&s->ledger, folder, false, error, sizeof(error)))
        fail_msg("%s", error);
    assert_int_equal(fls_segments_open(&s->segments, folder), 0);
    if (fls_commit_init(&s->commit, s->ledger, &s->segments, keep_days) ||
        fls_commit_clean(&s->commit))
        fail_msg("%s", s->commit.failure);
    s->epoch = (struct fls_epoch){.result_cnt = 0};
}

static inline void open_state(struct state *s, uint32_t keep_days)
{
    open_state_in(s, scratch, keep_days);
}

static inline void close_state(struct state *s)
{
    fls_epoch_fini(&s->epoch);
    fls_commit_fini(&s->commit);
    fls_segments_close(&s->segments);
    fls_ledger_close(s->ledger);
}

/* The segments of one epoch's records, given to the epoch in the making: see random_segments. */
static inline void random_epoch(uint64_t *seed, struct state *s, const uint32_t *days,
                                uint32_t day_cnt, uint32_t record_cnt, struct model *model)
{
    uint64_t sizes[EPOCH_SHARDS];
    int fds[EPOCH_SHARDS];

    random_segments(seed, days, day_cnt, record_cnt, model, fds, sizes);
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        if (fls_commit_add_segment(&s->commit, &s->epoch, fds[i], sizes[i]))
            fail_msg("%s", s->commit.failure);
}

static inline void commit_state(struct state *s)
{
    uint64_t epoch = s->commit.epoch;

    if (fls_commit_epoch(&s->commit, &s->epoch))
        fail_msg("%s", s->commit.failure);
    assert_int_equal(s->commit.epoch, epoch + 1);
    fls_epoch_clear(&s->epoch);
}

/* ---- comparing ---- */

static inline void open_parts(struct state *s, uint32_t day, struct fls_parts *parts)
{
    if (fls_parts_open(parts, s->ledger, &s->segments, day, s->commit.new_segment))
        fail_msg("%s", parts->failure);
}

static inline void compact_day(struct state *s, uint32_t day, uint64_t bytes_max)
{
    struct fls_parts parts;

    open_parts(s, day, &parts);
    if (fls_compact_day(&s->commit, &parts, bytes_max))
        fail_msg("%s", s->commit.failure);
    fls_parts_close(&parts);
}

static inline uint32_t part_cnt(struct state *s, uint32_t day)
{
    struct fls_parts parts;
    uint32_t cnt;

    open_parts(s, day, &parts);
    cnt = parts.merged.part_cnt;
    fls_parts_close(&parts);
    return cnt;
}

static inline const char *account_text(const struct fls_merge_day *day, uint32_t account)
{
    static char text[256];
    struct fls_span symbol = day->symbols[account];

    assert_true(symbol.sz < sizeof(text));
    memcpy(text, symbol.at, symbol.sz);
    text[symbol.sz] = 0;
    return text;
}

/* Adds the row to the sum of its scope, which begins at 0. */
static inline void add_row(struct model_day *sums, const struct fls_merge_day *day,
                           enum fls_table_id id, const struct fls_part_row *row, const char *scope)
{
    char text[1024];
    size_t sz = fls_key_text(&row->key, fls_tables[id].key, day->symbols, text);
    struct model_row *sum =
        model_row(sums, scope, id, (struct fls_span){(const uint8_t *)text, sz}, true);

    fls_counters_add(&sum->counters, &row->counters);
    sum->marks |= row->marks;
}

/* The day's rows, and the organisation's as their sums. Rows come in order. */
static inline void sum_rows(const struct fls_merge_day *day, struct model_day *sums)
{
    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        struct fls_part_row row, last = {.account = 0};
        struct fls_merge merge;
        bool is_first = true;

        fls_merge_begin(&merge, day, (enum fls_table_id)id);
        for (; fls_merge_next(&merge, &row); last = row, is_first = false) {
            assert_true(is_first || fls_part_row_compare(&last, &row) < 0);
            add_row(sums, day, (enum fls_table_id)id, &row, account_text(day, row.account));
            add_row(sums, day, (enum fls_table_id)id, &row, "*");
        }
        assert_false(merge.is_torn);
        fls_merge_end(&merge);
    }
}

/* The day's rows are exactly the model's. */
static inline void expect_day(const struct fls_merge_day *day, struct model_day *model)
{
    struct model_day sums = {.day = day->day};

    sum_rows(day, &sums);
    for (uint32_t i = 0; i < sums.keys.cnt; i++) {
        struct fls_span text = fls_dictionary_text(&sums.keys, i);
        uint32_t number;

        if (!fls_dictionary_find(&model->keys, text, &number))
            fail_msg("there is a row %.*s", (int)text.sz, text.at);
        assert_memory_equal(&sums.rows[i].counters, &model->rows[number].counters,
                            sizeof(struct fls_counters));
        assert_int_equal(sums.rows[i].marks, model->rows[number].marks);
    }
    assert_int_equal(sums.keys.cnt, model->keys.cnt);
    fls_dictionary_fini(&sums.keys);
    free(sums.rows);
}

/* The state holds the model's days, and each has its rows. */
static inline void expect_model(struct state *s, struct model *model)
{
    assert_int_equal(s->commit.days.cnt, model->day_cnt);
    for (uint32_t i = 0; i < s->commit.days.cnt; i++) {
        uint32_t day = s->commit.days.at[i];
        struct fls_parts parts;

        assert_true(i == 0 || s->commit.days.at[i - 1] < day);
        assert_non_null(model_day(model, day, false));
        open_parts(s, day, &parts);
        expect_day(&parts.merged, model_day(model, day, false));
        fls_parts_close(&parts);
    }
}

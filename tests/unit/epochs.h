/* Random epochs for tests of publish: segments as aggregators make them, and a simple model of what
 * they add up to, kept by texts. */
#pragma once

#include "base/calendar.h"
#include "base/ip.h"
#include "publish/commit.h"
#include "publish/epoch.h"
#include "publish/fold.h"
#include "publish/key_text.h"
#include "shm/segment.h"

#include "scratch.h"

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
    struct fls_names names;
    struct fls_day days[EPOCH_DAYS_MAX];
    uint32_t day_cnt;
};

static inline uint32_t random_address(uint64_t *seed, struct fls_names *names, uint8_t *flags,
                                      uint8_t flag, char *text)
{
    const char *picked = model_addresses[MODEL_PICK(model_addresses, seed)];
    struct fls_ip ip;
    uint32_t ipv4;

    assert_true(fls_ip_parse(fls_span_of(picked), &ip));
    strcpy(text, picked);
    if (ip.is_ipv6) {
        *flags |= flag;
        return fls_dictionary_intern(&names->ipv6, (struct fls_span){ip.bytes, 16});
    }
    memcpy(&ipv4, ip.bytes, 4);
    return __builtin_bswap32(ipv4);
}

/* A random key of the kind, and its text. */
static inline struct fls_key random_key(uint64_t *seed, enum fls_table_key kind, uint32_t day,
                                        struct fls_names *names, char *text)
{
    static const uint16_t ports[] = {0, 53, 80, 443, 4430, 65535};
    static const uint8_t protocols[] = {0, 6, 17, 255};
    struct fls_key key = {0};
    size_t pick;

    text[0] = 0;
    if (kind == FLS_KEY_PROTOCOL || kind == FLS_KEY_PORT || kind == FLS_KEY_CONVERSATION)
        key.protocol = protocols[MODEL_PICK(protocols, seed)];
    if (kind == FLS_KEY_PORT || kind == FLS_KEY_CONVERSATION)
        key.port = ports[MODEL_PICK(ports, seed)];
    if (kind == FLS_KEY_MINUTE) {
        uint32_t minute = (uint32_t)(scratch_random(seed) % 1440);

        key.a = day * 1440 + minute;
        sprintf(text + fls_day_format(day, text), "T%02u:%02u:00Z", minute / 60, minute % 60);
    }
    if (kind == FLS_KEY_ADDRESS || kind == FLS_KEY_CONVERSATION)
        key.a = random_address(seed, names, &key.flags, FLS_A_IS_IPV6, text);
    if (kind == FLS_KEY_CONVERSATION) {
        strcat(text, "|");
        key.b = random_address(seed, names, &key.flags, FLS_B_IS_IPV6, text + strlen(text));
        sprintf(text + strlen(text), "|%u|%u", key.protocol, key.port);
    }
    if (kind == FLS_KEY_PORT)
        sprintf(text, "%u|%u", key.protocol, key.port);
    if (kind == FLS_KEY_PROTOCOL)
        sprintf(text, "%u", key.protocol);
    if (kind == FLS_KEY_ATTRIBUTE) {
        pick = MODEL_PICK(model_texts, seed);
        key.a = fls_dictionary_intern(&names->symbols, fls_span_of(model_texts[pick][0]));
        strcpy(text, model_texts[pick][1]);
    }
    return key;
}

static inline void random_record(uint64_t *seed, struct random_shard *shard, struct fls_day *day,
                                 struct model_day *model, uint64_t epoch)
{
    const char *account = model_accounts[MODEL_PICK(model_accounts, seed)];
    const char *scopes[2] = {account[0] ? account : "unknown", "*"};
    struct fls_counters counters = {
        {1, scratch_random(seed) % 5, scratch_random(seed) >> (1 + scratch_random(seed) % 63)}};
    uint64_t action = scratch_random(seed) % 3;

    counters.value[FLS_ACCEPTED] = action == 1;
    counters.value[FLS_REJECTED] = action == 2;
    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        struct fls_key key;
        struct fls_row *row;
        uint32_t marks = 0;
        char text[256];

        if ((id != FLS_TABLE_TOTALS && scratch_random(seed) % 3 == 0) ||
            (id == FLS_TABLE_MINUTE && day->day == FLS_DAY_UNKNOWN))
            continue;
        key = random_key(seed, fls_tables[id].key, day->day, &shard->names, text);
        key.scope = fls_dictionary_intern(&shard->names.symbols, fls_span_of(account));
        if (fls_tables[id].key == FLS_KEY_ADDRESS && key.flags & FLS_A_IS_IPV6)
            marks = (uint32_t)(scratch_random(seed) % 4);
        row = fls_table_upsert(&day->tables[id], &key, fls_key_hash(&key));
        fls_counters_add(&row->counters, &counters);
        row->marks |= marks;
        for (int i = 0; model != NULL && i < 2; i++) {
            struct model_row *expected =
                model_row(model, scopes[i], (enum fls_table_id)id, fls_span_of(text), true);

            fls_counters_add(&expected->counters, &counters);
            expected->marks |= marks;
            expected->epoch = epoch;
        }
    }
}

static inline struct fls_day *shard_day(struct random_shard *shard, uint32_t day)
{
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        if (shard->days[i].day == day)
            return &shard->days[i];
    assert_true(shard->day_cnt < EPOCH_DAYS_MAX);
    shard->days[shard->day_cnt] = (struct fls_day){.day = day};
    return &shard->days[shard->day_cnt++];
}

/* A memfd with the shard's segment, -1 and 0 if it has none. */
static inline int shard_segment(const struct random_shard *shard, uint64_t *size)
{
    uint64_t bound = 0;
    uint8_t *bytes;
    int fd;

    *size = 0;
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        bound += fls_segment_bound(&shard->days[i], &shard->names);
    if (bound == 0)
        return -1;
    bytes = malloc(bound);
    assert_non_null(bytes);
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        *size += fls_segment_encode(&shard->days[i], &shard->names, bytes + *size);
    fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, *size), *size);
    free(bytes);
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
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        fls_names_clear(&shards[i].names);
    for (uint32_t i = 0; i < record_cnt; i++) {
        struct random_shard *shard = &shards[scratch_random(seed) % EPOCH_SHARDS];
        uint32_t day = days[scratch_random(seed) % day_cnt];

        random_record(seed, shard, shard_day(shard, day),
                      model ? model_day(model, day, true) : NULL, model ? model->epoch : 0);
    }
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++) {
        fds[i] = shard_segment(&shards[i], &sizes[i]);
        for (uint32_t k = 0; k < shards[i].day_cnt; k++)
            fls_day_fini(&shards[i].days[k]);
        fls_names_fini(&shards[i].names);
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
    struct fls_fold fold;
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
    fls_fold_init(&s->fold, s->ledger, &s->segments, FLS_FOLD_BYTES_MAX);
    s->epoch = (struct fls_epoch){.result_cnt = 0};
}

static inline void open_state(struct state *s, uint32_t keep_days)
{
    open_state_in(s, scratch, keep_days);
}

static inline void close_state(struct state *s)
{
    fls_epoch_fini(&s->epoch);
    fls_fold_fini(&s->fold);
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

static inline const char *scope_text(const struct fls_names *names, uint32_t scope)
{
    static char text[256];
    struct fls_span account;

    if (scope == FLS_SCOPE_ORGANISATION)
        return "*";
    account = fls_dictionary_text(&names->symbols, scope);
    assert_true(account.sz < sizeof(text));
    memcpy(text, account.at, account.sz);
    text[account.sz] = 0;
    return text;
}

static inline void check_row(struct model_day *model, enum fls_table_id id,
                             const struct fls_row *row, uint32_t scope,
                             const struct fls_names *names)
{
    char text[1024];
    size_t sz = fls_key_text(&row->key, fls_tables[id].key, names, text);
    const struct model_row *expected = model_row(
        model, scope_text(names, scope), id, (struct fls_span){(const uint8_t *)text, sz}, false);

    if (expected == NULL)
        fail_msg("%s has the row %.*s", fls_tables[id].name, (int)sz, text);
    assert_memory_equal(&expected->counters, &row->counters, sizeof(row->counters));
    assert_int_equal(expected->marks, row->marks & FLS_MARKS_ALL);
}

/* The day's rows are exactly the model's. */
static inline void expect_day(const struct fls_fold_day *day, struct model_day *model)
{
    uint64_t row_cnt = 0;

    for (int id = 0; id < FLS_TABLE_CNT; id++) {
        const struct fls_table *table = &day->figures.tables[id];

        for (uint32_t i = 0; i < table->row_cnt; i++) {
            uint32_t scopes[2], cnt = fls_row_scopes(&table->rows[i], scopes);

            row_cnt += cnt;
            for (uint32_t k = 0; k < cnt; k++)
                check_row(model, (enum fls_table_id)id, &table->rows[i], scopes[k], &day->names);
        }
    }
    assert_int_equal(row_cnt, model->keys.cnt);
}

/* The state holds the model's days, and each has its rows. */
static inline void expect_model(struct state *s, struct model *model)
{
    assert_int_equal(s->commit.days.cnt, model->day_cnt);
    for (uint32_t i = 0; i < s->commit.days.cnt; i++) {
        uint32_t day = s->commit.days.at[i];
        struct fls_fold_day *got = fls_fold_get(&s->fold, day, s->commit.new_segment);

        assert_true(i == 0 || s->commit.days.at[i - 1] < day);
        if (got == NULL)
            fail_msg("%s", s->fold.failure);
        assert_non_null(model_day(model, day, false));
        expect_day(got, model_day(model, day, false));
    }
}

#include "aggregate/shard.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/calendar.h"
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

/* Days whose pages are kept for the next epoch; more are freed. */
#define SPARE_DAYS_MAX 8U
/* Records looked up together: enough to hide the misses, few enough for the first cache. */
#define COUNT_BATCH 32U
/* minute, port; and a conversation, or up to three parts of it */
#define UPDATES_PER_RECORD 5U

void fls_shard_init(struct fls_shard *shard, uint32_t source_cnt)
{
    *shard = (struct fls_shard){.source_cnt = source_cnt};
    shard->sources = calloc(source_cnt, sizeof(*shard->sources));
    fls_assert(shard->sources != NULL);
    fls_names_clear(&shard->names);
}

static void day_free(struct fls_shard_day *day)
{
    fls_day_fini(&day->figures);
    fls_pages_resize(day->by_attributes, fls_shard_by_attributes_sz(day->attributes_max), 0);
    free(day);
}

void fls_shard_fini(struct fls_shard *shard)
{
    for (uint32_t i = 0; i < shard->day_max; i++)
        if (shard->days[i])
            day_free(shard->days[i]);
    for (uint32_t i = 0; i < shard->source_cnt; i++) {
        free(shard->sources[i].symbols);
        free(shard->sources[i].attributes);
    }
    free(shard->days);
    free(shard->sources);
    free(shard->uses);
    fls_names_fini(&shard->names);
    fls_dictionary_fini(&shard->attributes);
    fls_dictionary_fini(&shard->day_numbers);
    *shard = (struct fls_shard){0};
}

static void append(uint32_t **array, uint32_t *cnt, uint32_t *max, uint32_t value)
{
    fls_array_reserve(*array, *max, (size_t)*cnt + 1);
    (*array)[(*cnt)++] = value;
}

static uint32_t define_symbol(struct fls_shard *shard, struct fls_span text)
{
    uint32_t cnt = shard->names.symbols.cnt;
    uint32_t symbol = fls_dictionary_intern(&shard->names.symbols, text);

    if (shard->names.symbols.cnt > cnt) {
        fls_array_reserve(shard->uses, shard->use_max, (size_t)symbol + 1);
        shard->uses[symbol] = (struct fls_shard_use){.attributes = 0};
    }
    return symbol;
}

/* Adds the rows that a new combination makes in the tables of attributes, one for each text that
 * its account did not have there yet. Of a text that several accounts have, only the last one is
 * remembered: then it is too many. */
static void note_uses(struct fls_shard *shard, const uint32_t symbols[FLS_ATTRIBUTE_CNT])
{
    uint32_t account = symbols[FLS_ATTRIBUTE_ACCOUNT];

    for (uint32_t i = 0; i < FLS_ATTRIBUTE_CNT; i++) {
        struct fls_shard_use *use;

        if (symbols[i] == FLS_SYMBOL_ABSENT)
            continue;
        use = &shard->uses[symbols[i]];
        if (use->account != account)
            *use = (struct fls_shard_use){.account = account};
        if (!(use->attributes >> i & 1)) /* an account has a row in the totals, too */
            shard->attribute_rows += i == FLS_ATTRIBUTE_ACCOUNT ? 2 : 1;
        use->attributes |= 1U << i;
    }
}

static uint32_t define_attributes(struct fls_shard *shard,
                                  const uint32_t symbols[FLS_ATTRIBUTE_CNT])
{
    struct fls_span text = {(const uint8_t *)symbols, FLS_ATTRIBUTE_CNT * sizeof(*symbols)};
    uint32_t cnt = shard->attributes.cnt;
    uint32_t number = fls_dictionary_intern(&shard->attributes, text);

    if (shard->attributes.cnt > cnt)
        note_uses(shard, symbols);
    return number;
}

void fls_shard_define(struct fls_shard *shard, uint32_t source, const struct fls_message *message)
{
    struct fls_shard_source *from = &shard->sources[source];
    uint32_t symbols[FLS_ATTRIBUTE_CNT];

    if (message->kind == FLS_KIND_SYMBOL) {
        if (from->symbol_cnt == 0)
            append(&from->symbols, &from->symbol_cnt, &from->symbol_max, FLS_SYMBOL_ABSENT);
        fls_assert(message->number == from->symbol_cnt);
        append(&from->symbols, &from->symbol_cnt, &from->symbol_max,
               define_symbol(shard, message->payload));
        return;
    }
    fls_assert(message->kind == FLS_KIND_ATTRIBUTES && message->number == from->attribute_cnt);
    fls_assert(message->payload.sz == sizeof(symbols));
    memcpy(symbols, message->payload.at, sizeof(symbols));
    for (int i = 0; i < FLS_ATTRIBUTE_CNT; i++) {
        if (symbols[i] == FLS_SYMBOL_ABSENT)
            continue;
        fls_assert(symbols[i] < from->symbol_cnt);
        symbols[i] = from->symbols[symbols[i]];
    }
    append(&from->attributes, &from->attribute_cnt, &from->attribute_max,
           define_attributes(shard, symbols));
}

const uint32_t *fls_shard_symbols(const struct fls_shard *shard, uint32_t attributes)
{
    return (const uint32_t *)(const void *)fls_dictionary_text(&shard->attributes, attributes).at;
}

/* A place in days[], with a spare day's pages if there is one. */
static struct fls_shard_day *new_day(struct fls_shard *shard, uint32_t day)
{
    uint32_t old_max = shard->day_max;

    fls_assert(day <= FLS_DAY_MAX || day == FLS_DAY_UNKNOWN);
    fls_array_reserve(shard->days, shard->day_max, shard->day_cnt + 1);
    for (uint32_t i = old_max; i < shard->day_max; i++)
        shard->days[i] = NULL;
    if (shard->days[shard->day_cnt] == NULL) {
        shard->days[shard->day_cnt] = calloc(1, sizeof(struct fls_shard_day));
        fls_assert(shard->days[shard->day_cnt] != NULL);
    }
    shard->days[shard->day_cnt]->figures.day = day;
    return shard->days[shard->day_cnt++];
}

static struct fls_shard_day *find_day(struct fls_shard *shard, uint32_t minute)
{
    uint32_t day = fls_day_of_minute(minute), place;
    struct fls_span text = {(const uint8_t *)&day, sizeof(day)};
    bool is_new;

    if (shard->last_day && shard->last_day->figures.day == day)
        return shard->last_day;
    place =
        fls_dictionary_intern_hashed(&shard->day_numbers, text, fls_dictionary_hash(text), &is_new);
    shard->last_day = is_new ? new_day(shard, day) : shard->days[place];
    return shard->last_day;
}

/* Additions to rows, looked up together. */
struct update {
    struct fls_table *table;
    const struct fls_counters *counters;
    struct fls_key key;
    uint32_t hash;
    uint32_t marks;
};

#define UPDATES_MAX (COUNT_BATCH * UPDATES_PER_RECORD)

struct batch {
    uint32_t update_cnt;
    struct update updates[UPDATES_MAX];
    struct fls_counters counters[COUNT_BATCH]; /* what each record adds */
};

static void plan_update(struct batch *batch, struct fls_table *table, struct fls_key key,
                        const struct fls_counters *counters, uint32_t marks)
{
    struct update *update = &batch->updates[batch->update_cnt++];

    *update = (struct update){.table = table,
                              .counters = counters,
                              .key = key,
                              .hash = fls_key_hash(&key),
                              .marks = marks};
    fls_table_prefetch_slot(table, update->hash);
}

static void carry_out(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->update_cnt; i++)
        fls_table_prefetch_row(batch->updates[i].table, batch->updates[i].hash);
    for (uint32_t i = 0; i < batch->update_cnt; i++) {
        const struct update *update = &batch->updates[i];
        struct fls_row *row = fls_table_upsert(update->table, &update->key, update->hash);

        fls_counters_add(&row->counters, update->counters);
        row->marks |= update->marks;
    }
    batch->update_cnt = 0;
}

static uint32_t address_number(struct fls_shard *shard, const uint8_t address[16], bool is_ipv6)
{
    uint32_t ipv4;

    if (is_ipv6)
        return fls_dictionary_intern(&shard->names.ipv6, (struct fls_span){address, 16});
    memcpy(&ipv4, address, sizeof(ipv4));
    return __builtin_bswap32(ipv4);
}

/* An IPv6 address belongs to the interface's side or to the far one; of IPv4 the networks tell. */
static uint32_t marks_of(bool is_ipv6, bool is_own_side)
{
    if (!is_ipv6)
        return 0;
    return is_own_side ? FLS_MARK_OWN_SIDE : FLS_MARK_FAR_SIDE;
}

/* A conversation's row keeps the marks of its two addresses until the day is complete. */
#define DST_MARKS_SHIFT 2U

static bool has_all(const struct fls_flow *flow, unsigned fields)
{
    return (flow->has & fields) == fields;
}

static uint16_t service_port(const struct fls_flow *flow)
{
    return flow->src_port < flow->dst_port ? flow->src_port : flow->dst_port;
}

/* A record with all that makes a conversation is counted there; the tables of its addresses and of
 * its service are summed from the conversations, of which there are fewer, at the end. */
static void plan_conversation(struct fls_shard *shard, struct batch *batch, struct fls_day *day,
                              uint32_t scope, const struct fls_flow *flow,
                              const struct fls_counters *counters)
{
    bool src_is_ipv6 = flow->has & FLS_SRC_IS_IPV6, dst_is_ipv6 = flow->has & FLS_DST_IS_IPV6;
    struct fls_key key = {
        .scope = scope,
        .a = address_number(shard, flow->src, src_is_ipv6),
        .b = address_number(shard, flow->dst, dst_is_ipv6),
        .port = service_port(flow),
        .protocol = flow->protocol,
        .flags = (uint8_t)((src_is_ipv6 ? FLS_A_IS_IPV6 : 0) | (dst_is_ipv6 ? FLS_B_IS_IPV6 : 0))};

    plan_update(batch, &day->tables[FLS_TABLE_CONVERSATION], key, counters,
                marks_of(src_is_ipv6, flow->has & FLS_SRC_IS_OWN_SIDE) |
                    marks_of(dst_is_ipv6, flow->has & FLS_DST_IS_OWN_SIDE) << DST_MARKS_SHIFT);
}

static void plan_address(struct batch *batch, struct fls_table *table, uint32_t scope,
                         uint32_t address, bool is_ipv6, const struct fls_counters *counters,
                         uint32_t marks)
{
    struct fls_key key = {.scope = scope, .a = address, .flags = is_ipv6 ? FLS_A_IS_IPV6 : 0};

    plan_update(batch, table, key, counters, marks);
}

/* What can be told of a record that is no conversation. */
static void plan_parts(struct fls_shard *shard, struct batch *batch, struct fls_day *day,
                       uint32_t scope, const struct fls_flow *flow,
                       const struct fls_counters *counters)
{
    bool src_is_ipv6 = flow->has & FLS_SRC_IS_IPV6, dst_is_ipv6 = flow->has & FLS_DST_IS_IPV6;

    if (flow->has & FLS_HAS_SRC)
        plan_address(batch, &day->tables[FLS_TABLE_SOURCE_ADDRESS], scope,
                     address_number(shard, flow->src, src_is_ipv6), src_is_ipv6, counters,
                     marks_of(src_is_ipv6, flow->has & FLS_SRC_IS_OWN_SIDE));
    if (flow->has & FLS_HAS_DST)
        plan_address(batch, &day->tables[FLS_TABLE_DESTINATION_ADDRESS], scope,
                     address_number(shard, flow->dst, dst_is_ipv6), dst_is_ipv6, counters,
                     marks_of(dst_is_ipv6, flow->has & FLS_DST_IS_OWN_SIDE));
    if (has_all(flow, FLS_HAS_PROTOCOL | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT))
        plan_update(batch, &day->tables[FLS_TABLE_SERVICE],
                    (struct fls_key){
                        .scope = scope, .port = service_port(flow), .protocol = flow->protocol},
                    counters, 0);
}

/* Ports: the protocols are summed from them at the end, but for records without ports. */
static void plan_port(struct batch *batch, struct fls_day *day, uint32_t scope,
                      const struct fls_flow *flow, const struct fls_counters *counters)
{
    struct fls_key key = {.scope = scope, .port = flow->dst_port, .protocol = flow->protocol};

    if (!(flow->has & FLS_HAS_PROTOCOL))
        return;
    plan_update(batch,
                &day->tables[flow->has & FLS_HAS_DST_PORT ? FLS_TABLE_DESTINATION_PORT
                                                          : FLS_TABLE_PROTOCOL],
                key, counters, 0);
}

/* The counters of a combination: found by its number, for no record is without one. */
static struct fls_counters *counters_of(struct fls_shard_day *day, uint32_t attributes)
{
    if (attributes >= day->attributes_max) {
        uint32_t max = day->attributes_max ? day->attributes_max : 64;

        while (max <= attributes)
            max *= 2;
        day->by_attributes =
            fls_pages_resize(day->by_attributes, fls_shard_by_attributes_sz(day->attributes_max),
                             fls_shard_by_attributes_sz(max));
        day->attributes_max = max;
    }
    return &day->by_attributes[attributes];
}

static void plan_record(struct fls_shard *shard, struct batch *batch, uint32_t record,
                        const struct fls_flow *flow, uint32_t attributes)
{
    struct fls_shard_day *day = find_day(shard, flow->minute);
    uint32_t scope = fls_shard_symbols(shard, attributes)[FLS_ATTRIBUTE_ACCOUNT];
    struct fls_counters *counters = &batch->counters[record];

    *counters =
        (struct fls_counters){.value = {[FLS_FLOWS] = 1,
                                        [FLS_PACKETS] = flow->packets,
                                        [FLS_BYTES] = flow->bytes,
                                        [FLS_ACCEPTED] = flow->has & FLS_IS_ACCEPTED ? 1 : 0,
                                        [FLS_REJECTED] = flow->has & FLS_IS_REJECTED ? 1 : 0}};
    fls_counters_add(counters_of(day, attributes), counters);
    if (flow->minute != FLS_MINUTE_UNKNOWN)
        plan_update(batch, &day->figures.tables[FLS_TABLE_MINUTE],
                    (struct fls_key){.scope = scope, .a = flow->minute}, counters, 0);
    plan_port(batch, &day->figures, scope, flow, counters);
    if (has_all(flow,
                FLS_HAS_SRC | FLS_HAS_DST | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT | FLS_HAS_PROTOCOL))
        plan_conversation(shard, batch, &day->figures, scope, flow, counters);
    else
        plan_parts(shard, batch, &day->figures, scope, flow, counters);
}

static void count_batch(struct fls_shard *shard, const struct fls_shard_source *from,
                        const struct fls_flow *flows, uint32_t cnt)
{
    struct batch batch;

    batch.update_cnt = 0;
    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t attributes = flows[i].attributes; /* read once: the ring is another's memory */

        fls_assert(attributes < from->attribute_cnt);
        plan_record(shard, &batch, i, &flows[i], from->attributes[attributes]);
    }
    carry_out(&batch);
}

uint32_t fls_shard_count(struct fls_shard *shard, uint32_t source, const struct fls_flow *flows,
                         uint32_t cnt)
{
    uint32_t done = 0, day_cnt = shard->day_cnt;

    while (done < cnt && shard->day_cnt == day_cnt) {
        uint32_t batch = cnt - done < COUNT_BATCH ? cnt - done : COUNT_BATCH;

        count_batch(shard, &shard->sources[source], flows + done, batch);
        done += batch;
    }
    return done;
}

/* ---- the end: tables that are sums of others ---- */

static void carry_out_if_full(struct batch *batch)
{
    if (batch->update_cnt + FLS_ATTRIBUTE_CNT + 1 > UPDATES_MAX)
        carry_out(batch);
}

static_assert(FLS_ATTRIBUTE_CNT + 1 <= UPDATES_MAX, "room for what one row adds");

static void sum_attributes(struct fls_shard *shard, struct fls_shard_day *day, struct batch *batch)
{
    for (uint32_t i = 0; i < day->attributes_max && i < shard->attributes.cnt; i++) {
        const struct fls_counters *counters = &day->by_attributes[i];
        const uint32_t *symbols = fls_shard_symbols(shard, i);
        struct fls_key key = {.scope = symbols[FLS_ATTRIBUTE_ACCOUNT]};

        if (counters->value[FLS_FLOWS] == 0)
            continue; /* not on this day */
        plan_update(batch, &day->figures.tables[FLS_TABLE_TOTALS], key, counters, 0);
        for (int k = 0; k < FLS_ATTRIBUTE_CNT; k++) {
            key.a = symbols[k];
            if (key.a != FLS_SYMBOL_ABSENT)
                plan_update(batch, &day->figures.tables[fls_attribute_table[k]], key, counters, 0);
        }
        carry_out_if_full(batch);
    }
    carry_out(batch);
}

static void sum_conversations(struct fls_day *day, struct batch *batch)
{
    struct fls_table *conversations = &day->tables[FLS_TABLE_CONVERSATION];

    for (uint32_t i = 0; i < conversations->row_cnt; i++) {
        struct fls_row *row = &conversations->rows[i];
        const struct fls_key *key = &row->key;

        plan_address(batch, &day->tables[FLS_TABLE_SOURCE_ADDRESS], key->scope, key->a,
                     key->flags & FLS_A_IS_IPV6, &row->counters, row->marks & FLS_MARKS_ALL);
        plan_address(batch, &day->tables[FLS_TABLE_DESTINATION_ADDRESS], key->scope, key->b,
                     key->flags & FLS_B_IS_IPV6, &row->counters, row->marks >> DST_MARKS_SHIFT);
        plan_update(
            batch, &day->tables[FLS_TABLE_SERVICE],
            (struct fls_key){.scope = key->scope, .port = key->port, .protocol = key->protocol},
            &row->counters, 0);
        row->marks = 0;
        carry_out_if_full(batch);
    }
    carry_out(batch);
}

static void sum_ports(struct fls_day *day, struct batch *batch)
{
    const struct fls_table *ports = &day->tables[FLS_TABLE_DESTINATION_PORT];

    for (uint32_t i = 0; i < ports->row_cnt; i++) {
        const struct fls_key *key = &ports->rows[i].key;

        plan_update(batch, &day->tables[FLS_TABLE_PROTOCOL],
                    (struct fls_key){.scope = key->scope, .protocol = key->protocol},
                    &ports->rows[i].counters, 0);
        carry_out_if_full(batch);
    }
    carry_out(batch);
}

void fls_shard_complete(struct fls_shard *shard)
{
    struct batch batch;

    batch.update_cnt = 0;
    for (uint32_t i = 0; i < shard->day_cnt; i++) {
        sum_attributes(shard, shard->days[i], &batch);
        sum_conversations(&shard->days[i]->figures, &batch);
        sum_ports(&shard->days[i]->figures, &batch);
    }
}

static void clear_day(const struct fls_shard *shard, struct fls_shard_day *day)
{
    uint32_t used =
        shard->attributes.cnt < day->attributes_max ? shard->attributes.cnt : day->attributes_max;

    if (used)
        memset(day->by_attributes, 0, used * sizeof(*day->by_attributes));
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (day->figures.tables[i].row_cnt > day->row_high[i])
            day->row_high[i] = day->figures.tables[i].row_cnt;
    fls_day_clear(&day->figures);
}

static void free_day(struct fls_shard *shard, uint32_t place)
{
    day_free(shard->days[place]);
    shard->days[place] = NULL;
}

static void forget_days(struct fls_shard *shard)
{
    shard->day_cnt = 0;
    shard->last_day = NULL;
    fls_dictionary_clear(&shard->day_numbers);
}

void fls_shard_clear(struct fls_shard *shard)
{
    for (uint32_t i = 0; i < shard->day_max; i++) {
        if (shard->days[i] == NULL)
            continue;
        if (i < SPARE_DAYS_MAX)
            clear_day(shard, shard->days[i]);
        else
            free_day(shard, i);
    }
    for (uint32_t i = 0; i < shard->source_cnt; i++)
        shard->sources[i].symbol_cnt = shard->sources[i].attribute_cnt = 0;
    shard->attribute_rows = 0;
    forget_days(shard);
    fls_names_clear(&shard->names);
    fls_dictionary_clear(&shard->attributes);
}

void fls_shard_release(struct fls_shard *shard)
{
    for (uint32_t i = 0; i < shard->day_max; i++)
        if (shard->days[i])
            free_day(shard, i);
    forget_days(shard);
    fls_dictionary_fini(&shard->names.ipv6);
}

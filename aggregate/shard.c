#include "aggregate/shard.h"

#include "aggregate/update.h"
#include "base/array.h"
#include "base/assert.h"
#include "base/calendar.h"
#include "base/pages.h"
#include "shm/part_row.h"

#include <stdlib.h>
#include <string.h>

/* Records looked up together; of each a conversation, or up to three parts of it, and a port. */
#define COUNT_BATCH 32U
#define UPDATES_PER_RECORD 4U
static_assert(COUNT_BATCH * UPDATES_PER_RECORD <= FLS_UPDATES_MAX, "room for a batch");
#define ATTRIBUTES_FIRST 64U

/* The dictionaries empty but for the absent symbol, which may be an account. */
static void clear_names(struct fls_shard *shard)
{
    fls_dictionary_clear(&shard->symbols);
    fls_addresses_clear(&shard->ipv6);
    fls_assert(fls_dictionary_intern(&shard->symbols, FLS_SPAN("")) == FLS_SYMBOL_ABSENT);
    fls_array_reserve(shard->uses, shard->use_max, FLS_SYMBOL_ABSENT + 1);
    shard->uses[FLS_SYMBOL_ABSENT] = (struct fls_shard_use){.attributes = 0};
}

void fls_shard_init(struct fls_shard *shard, uint32_t source_cnt)
{
    *shard = (struct fls_shard){.source_cnt = source_cnt};
    shard->sources = calloc(source_cnt, sizeof(*shard->sources));
    fls_assert(shard->sources != NULL);
    clear_names(shard);
}

static uint64_t by_attributes_sz(uint32_t attributes_max)
{
    return fls_pages_sz((size_t)attributes_max * sizeof(struct fls_counters));
}

static void account_free(struct fls_shard *shard, struct fls_shard_account *account)
{
    for (int id = 0; id < FLS_SHARD_TABLES; id++)
        fls_tally_fini(&account->tables[id], &shard->pool);
    free(account);
}

static void day_free(struct fls_shard *shard, struct fls_shard_day *day)
{
    for (uint32_t i = 0; i < day->account_max; i++)
        if (day->accounts[i])
            account_free(shard, day->accounts[i]);
    free(day->accounts);
    fls_pages_resize(day->by_attributes, by_attributes_sz(day->attributes_max), 0);
    free(day);
}

static void forget_days(struct fls_shard *shard)
{
    for (uint32_t i = 0; i < shard->day_cnt; i++)
        day_free(shard, shard->days[i]);
    shard->day_cnt = 0;
    shard->day_sz = 0;
    shard->record_cnt = 0;
    shard->last_day = NULL;
    fls_dictionary_clear(&shard->day_numbers);
}

void fls_shard_fini(struct fls_shard *shard)
{
    forget_days(shard);
    fls_tally_pool_fini(&shard->pool);
    for (uint32_t i = 0; i < shard->source_cnt; i++) {
        free(shard->sources[i].symbols);
        free(shard->sources[i].attributes);
    }
    free(shard->days);
    free(shard->sources);
    free(shard->accounts);
    free(shard->uses);
    fls_dictionary_fini(&shard->symbols);
    fls_addresses_fini(&shard->ipv6);
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
    uint32_t cnt = shard->symbols.cnt;
    uint32_t symbol = fls_dictionary_intern(&shard->symbols, text);

    if (shard->symbols.cnt > cnt) {
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
            *use = (struct fls_shard_use){.account = account, .number = use->number};
        if (!(use->attributes >> i & 1)) /* an account has a row in the totals, too */
            shard->attribute_rows += i == FLS_ATTRIBUTE_ACCOUNT ? 2 : 1;
        use->attributes |= 1U << i;
    }
}

static uint32_t account_number(struct fls_shard *shard, uint32_t symbol)
{
    struct fls_shard_use *use = &shard->uses[symbol];

    if (use->number == 0)
        use->number = ++shard->account_cnt;
    return use->number - 1;
}

static uint32_t define_attributes(struct fls_shard *shard,
                                  const uint32_t symbols[FLS_ATTRIBUTE_CNT])
{
    struct fls_span text = {(const uint8_t *)symbols, FLS_ATTRIBUTE_CNT * sizeof(*symbols)};
    uint32_t cnt = shard->attributes.cnt;
    uint32_t number = fls_dictionary_intern(&shard->attributes, text);

    if (shard->attributes.cnt > cnt) {
        note_uses(shard, symbols);
        fls_array_reserve(shard->accounts, shard->accounts_max, (size_t)number + 1);
        shard->accounts[number] = account_number(shard, symbols[FLS_ATTRIBUTE_ACCOUNT]);
    }
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

static struct fls_shard_day *new_day(struct fls_shard *shard, uint32_t day)
{
    struct fls_shard_day *made;

    fls_assert(day <= FLS_DAY_MAX || day == FLS_DAY_UNKNOWN);
    made = fls_array_new(1, sizeof(*made));
    made->day = day;
    fls_array_reserve(shard->days, shard->day_max, (size_t)shard->day_cnt + 1);
    shard->days[shard->day_cnt++] = made;
    shard->day_sz += sizeof(*made);
    return made;
}

static void look_up_day(struct fls_shard *shard, uint32_t day)
{
    struct fls_span text = {(const uint8_t *)&day, sizeof(day)};
    bool is_new;
    uint32_t place =
        fls_dictionary_intern_hashed(&shard->day_numbers, text, fls_dictionary_hash(text), &is_new);

    shard->last_day = is_new ? new_day(shard, day) : shard->days[place];
}

static struct fls_shard_day *find_day(struct fls_shard *shard, uint32_t minute)
{
    uint32_t day = fls_day_of_minute(minute);

    if (shard->last_day == NULL || shard->last_day->day != day)
        look_up_day(shard, day);
    return shard->last_day;
}

static void reserve_accounts(struct fls_shard *shard, struct fls_shard_day *day, uint32_t number)
{
    uint32_t max = day->account_max;

    fls_array_reserve(day->accounts, day->account_max, (size_t)number + 1);
    memset(day->accounts + max, 0, (day->account_max - max) * sizeof(struct fls_shard_account *));
    shard->day_sz += (day->account_max - max) * sizeof(struct fls_shard_account *);
}

static struct fls_shard_account *new_account(struct fls_shard *shard, struct fls_shard_day *day,
                                             uint32_t number, uint32_t attributes)
{
    struct fls_shard_account *account = fls_array_new(1, sizeof(*account));

    if (number >= day->account_max)
        reserve_accounts(shard, day, number);
    account->symbol = fls_shard_symbols(shard, attributes)[FLS_ATTRIBUTE_ACCOUNT];
    for (int id = 0; id < FLS_SHARD_TABLES; id++)
        fls_tally_init(&account->tables[id], (enum fls_table_id)id);
    day->accounts[number] = account;
    day->account_cnt++;
    shard->day_sz += sizeof(*account);
    return account;
}

/* The account of a combination on the day. */
static struct fls_shard_account *find_account(struct fls_shard *shard, struct fls_shard_day *day,
                                              uint32_t attributes)
{
    uint32_t number = shard->accounts[attributes];

    if (number < day->account_max && day->accounts[number])
        return day->accounts[number];
    return new_account(shard, day, number, attributes);
}

struct batch {
    struct fls_updates updates;
    struct fls_tally_row figures[COUNT_BATCH]; /* what each record adds, no key */
};

static uint32_t address_number(struct fls_shard *shard, const uint8_t address[16], bool is_ipv6)
{
    uint32_t ipv4;

    if (is_ipv6)
        return fls_addresses_number(&shard->ipv6, fls_address_of(address));
    memcpy(&ipv4, address, sizeof(ipv4));
    return __builtin_bswap32(ipv4);
}

/* ---- records ---- */

/* Bits of a record that are as many places higher in a row. */
#define FLAGS_SHIFT 19U
#define REST_SHIFT 20U
#define REST_BITS (FLS_IS_ACCEPTED | FLS_IS_REJECTED | FLS_SRC_IS_OWN_SIDE | FLS_DST_IS_OWN_SIDE)
static_assert(FLS_SRC_IS_IPV6 << FLAGS_SHIFT == FLS_A_IS_IPV6 << FLS_TALLY_FLAGS_SHIFT &&
                  FLS_DST_IS_IPV6 << FLAGS_SHIFT == FLS_B_IS_IPV6 << FLS_TALLY_FLAGS_SHIFT &&
                  (uint32_t)FLS_IS_ACCEPTED << REST_SHIFT == FLS_TALLY_ACCEPTED &&
                  (uint32_t)FLS_IS_REJECTED << REST_SHIFT == FLS_TALLY_REJECTED &&
                  (uint32_t)FLS_SRC_IS_OWN_SIDE << REST_SHIFT == FLS_TALLY_A_IS_OWN &&
                  (uint32_t)FLS_DST_IS_OWN_SIDE << REST_SHIFT == FLS_TALLY_B_IS_OWN,
              "both have them in the same order");

#define HAS_PORTS (FLS_HAS_PROTOCOL | FLS_HAS_SRC_PORT | FLS_HAS_DST_PORT)
#define HAS_DST_PORT (FLS_HAS_PROTOCOL | FLS_HAS_DST_PORT)
#define HAS_CONVERSATION (FLS_HAS_SRC | FLS_HAS_DST | HAS_PORTS)

/* What is looked at more than once of a record: in the ring, which is another's memory, it may
 * change. */
struct record {
    const struct fls_flow *flow;
    const struct fls_tally_row *figures;
    uint32_t has, minute;
    uint32_t rest;     /* FLS_TALLY_ACTION, and FLS_TALLY_SIDES of source and destination */
    uint32_t protocol; /* as it is in a place */
    uint32_t src_port, dst_port;
};

static struct record take(const struct fls_flow *flow, struct fls_tally_row *figures)
{
    uint32_t has = flow->has;
    uint32_t own = has & (FLS_SRC_IS_OWN_SIDE | FLS_DST_IS_OWN_SIDE);

    figures->volume = (fls_counter_pair){flow->packets, flow->bytes};
    figures->flows = 1;
    return (struct record){
        .flow = flow,
        .figures = figures,
        .has = has,
        .minute = flow->minute,
        .rest = (has & REST_BITS) << REST_SHIFT | (own ? 0 : FLS_TALLY_NONE_IS_OWN),
        .protocol = fls_part_place(flow->protocol, 0),
        .src_port = flow->src_port,
        .dst_port = flow->dst_port,
    };
}

static uint32_t place_of_service(const struct record *r)
{
    return r->protocol | (r->src_port < r->dst_port ? r->src_port : r->dst_port);
}

/* A record with all that makes a conversation is counted there; the tables of its addresses, of its
 * service, and of its destination port if that is the service's, are summed from the conversations,
 * of which there are fewer, at the end. */
static void plan_conversation(struct fls_shard *shard, struct fls_updates *updates,
                              struct fls_shard_account *account, const struct record *r)
{
    uint32_t flags = (r->has & (FLS_SRC_IS_IPV6 | FLS_DST_IS_IPV6)) << FLAGS_SHIFT;
    uint32_t to_service = r->dst_port <= r->src_port ? FLS_TALLY_TO_SERVICE : 0;

    fls_updates_plan(updates, &account->tables[FLS_TABLE_CONVERSATION],
                     address_number(shard, r->flow->src, r->has & FLS_SRC_IS_IPV6),
                     address_number(shard, r->flow->dst, r->has & FLS_DST_IS_IPV6),
                     place_of_service(r) | flags | to_service | r->rest, r->figures);
}

static void plan_address(struct fls_shard *shard, struct fls_updates *updates,
                         struct fls_tally *tally, const uint8_t address[16], bool is_ipv6,
                         uint32_t rest, const struct fls_tally_row *figures)
{
    uint32_t flags = is_ipv6 ? FLS_A_IS_IPV6 : 0;

    fls_updates_plan(updates, tally, address_number(shard, address, is_ipv6), 0,
                     flags << FLS_TALLY_FLAGS_SHIFT | rest, figures);
}

static void plan_place(struct fls_updates *updates, struct fls_tally *tally, uint32_t place,
                       const struct record *r)
{
    fls_updates_plan(updates, tally, 0, 0, place | (r->rest & FLS_TALLY_ACTION), r->figures);
}

/* What can be told of a record that is no conversation. */
static void plan_parts(struct fls_shard *shard, struct fls_updates *updates,
                       struct fls_shard_account *account, const struct record *r)
{
    uint32_t turned = (r->rest & FLS_TALLY_ACTION) | fls_tally_turn(r->rest & FLS_TALLY_SIDES);

    if (r->has & FLS_HAS_SRC)
        plan_address(shard, updates, &account->tables[FLS_TABLE_SOURCE_ADDRESS], r->flow->src,
                     r->has & FLS_SRC_IS_IPV6, r->rest, r->figures);
    if (r->has & FLS_HAS_DST)
        plan_address(shard, updates, &account->tables[FLS_TABLE_DESTINATION_ADDRESS], r->flow->dst,
                     r->has & FLS_DST_IS_IPV6, turned, r->figures);
    if ((r->has & HAS_PORTS) == HAS_PORTS)
        plan_place(updates, &account->tables[FLS_TABLE_SERVICE], place_of_service(r), r);
    if ((r->has & FLS_HAS_PROTOCOL) && !(r->has & FLS_HAS_DST_PORT))
        plan_place(updates, &account->tables[FLS_TABLE_PROTOCOL], r->protocol, r);
}

/* Where the conversation does not tell it. Protocols are summed from the destination ports at the
 * end, when these have what the conversations bring, but for records without one. */
static void plan_port(struct fls_updates *updates, struct fls_shard_account *account,
                      const struct record *r)
{
    plan_place(updates, &account->tables[FLS_TABLE_DESTINATION_PORT], r->protocol | r->dst_port, r);
}

/* The row of a minute is looked up where it is not the one that is at hand. */
static void count_minute(struct fls_shard *shard, struct fls_shard_account *account,
                         const struct record *r)
{
    struct fls_tally *tally = &account->tables[FLS_TABLE_MINUTE];
    uint32_t minute = r->minute, action = r->rest & FLS_TALLY_ACTION, *number;
    struct fls_tally_row *row = NULL;

    number = &account->minute_rows[(minute << 2 | action / FLS_TALLY_ACCEPTED) % FLS_SHARD_MINUTES];
    if (*number < tally->row_cnt)
        row = fls_tally_row(tally, *number);
    if (row == NULL || row->a != minute || row->rest != action) {
        *number = fls_tally_upsert(tally, &shard->pool, minute, 0, action,
                                   fls_tally_hash(minute, 0, action));
        row = fls_tally_row(tally, *number);
    }
    fls_tally_add(row, r->figures, 0);
}

/* Figures by combination: found by its number, for no record is without one. */
static struct fls_counters *counters_of(struct fls_shard *shard, struct fls_shard_day *day,
                                        uint32_t attributes)
{
    uint32_t max = day->attributes_max ? day->attributes_max : ATTRIBUTES_FIRST;

    if (attributes < day->attributes_max)
        return &day->by_attributes[attributes];
    while (max <= attributes)
        max *= 2;
    day->by_attributes = fls_pages_resize(day->by_attributes, by_attributes_sz(day->attributes_max),
                                          by_attributes_sz(max));
    shard->day_sz += by_attributes_sz(max) - by_attributes_sz(day->attributes_max);
    day->attributes_max = max;
    return &day->by_attributes[attributes];
}

static void add_to_combination(struct fls_counters *to, const struct record *r)
{
    fls_counter_pair *volume = (fls_counter_pair *)&to->value[FLS_PACKETS];

    to->value[FLS_FLOWS]++;
    *volume = fls_counter_pair_add(*volume, r->figures->volume);
    to->value[FLS_ACCEPTED] += r->has & FLS_IS_ACCEPTED ? 1 : 0;
    to->value[FLS_REJECTED] += r->has & FLS_IS_REJECTED ? 1 : 0;
}
static_assert(FLS_BYTES == FLS_PACKETS + 1, "side by side");

static void plan_record(struct fls_shard *shard, struct fls_updates *updates,
                        const struct record *r, uint32_t attributes)
{
    struct fls_shard_day *day = find_day(shard, r->minute);
    struct fls_shard_account *account = find_account(shard, day, attributes);
    bool is_conversation = (r->has & HAS_CONVERSATION) == HAS_CONVERSATION;

    add_to_combination(counters_of(shard, day, attributes), r);
    if (r->minute != FLS_MINUTE_UNKNOWN)
        count_minute(shard, account, r);
    if (is_conversation)
        plan_conversation(shard, updates, account, r);
    else
        plan_parts(shard, updates, account, r);
    if (is_conversation ? r->dst_port > r->src_port : (r->has & HAS_DST_PORT) == HAS_DST_PORT)
        plan_port(updates, account, r);
}

/* Asks for what is needed to find the numbers of IPv6 addresses. */
static void prefetch_ipv6(const struct fls_addresses *ipv6, const struct fls_flow *flows,
                          uint32_t cnt)
{
    uint32_t hashes[2 * COUNT_BATCH], hash_cnt = 0;

    for (uint32_t i = 0; i < cnt; i++) {
        uint32_t has = flows[i].has;

        if (has & FLS_SRC_IS_IPV6)
            hashes[hash_cnt++] = fls_address_hash(fls_address_of(flows[i].src));
        if (has & FLS_DST_IS_IPV6)
            hashes[hash_cnt++] = fls_address_hash(fls_address_of(flows[i].dst));
    }
    for (uint32_t i = 0; i < hash_cnt; i++)
        fls_addresses_prefetch_slot(ipv6, hashes[i]);
    for (uint32_t i = 0; i < hash_cnt; i++)
        fls_addresses_prefetch(ipv6, hashes[i]);
}

static void count_batch(struct fls_shard *shard, const struct fls_shard_source *from,
                        const struct fls_flow *flows, uint32_t cnt)
{
    struct batch batch;

    batch.updates.pool = &shard->pool;
    batch.updates.cnt = 0;
    prefetch_ipv6(&shard->ipv6, flows, cnt);
    for (uint32_t i = 0; i < cnt; i++) {
        struct record r = take(&flows[i], &batch.figures[i]);
        uint32_t attributes = flows[i].attributes; /* read once, too */

        fls_assert(attributes < from->attribute_cnt);
        plan_record(shard, &batch.updates, &r, from->attributes[attributes]);
    }
    fls_updates_carry_out(&batch.updates);
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
    shard->record_cnt += done;
    fls_assert(shard->record_cnt <= FLS_TALLY_FLOWS_MAX);
    return done;
}

/* ---- the end ---- */

void fls_shard_clear(struct fls_shard *shard)
{
    forget_days(shard);
    for (uint32_t i = 0; i < shard->source_cnt; i++)
        shard->sources[i].symbol_cnt = shard->sources[i].attribute_cnt = 0;
    shard->attribute_rows = 0;
    shard->account_cnt = 0;
    clear_names(shard);
    fls_dictionary_clear(&shard->attributes);
}

void fls_shard_release(struct fls_shard *shard)
{
    forget_days(shard);
    fls_tally_pool_fini(&shard->pool);
    fls_addresses_fini(&shard->ipv6);
}

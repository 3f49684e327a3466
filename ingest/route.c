#include "ingest/route.h"

#include "base/array.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "shm/message.h"

#include <stdlib.h>
#include <string.h>

/* How long in all one ring alone was waited for before another shard helps, and the records that go
 * there before its own ring is tried again. */
#define STALL_NS (200 * FLS_NS_PER_MS)
#define DETOUR_RECORDS 2048U

void fls_router_init(struct fls_router *router, const struct fls_ring *rings, uint32_t ring_cnt,
                     struct fls_metrics *metrics)
{
    *router = (struct fls_router){.ring_cnt = ring_cnt, .metrics = metrics};
    router->rings = fls_array_new(ring_cnt, sizeof(*router->rings));
    for (uint32_t i = 0; i < ring_cnt; i++)
        fls_producer_join(&router->rings[i], &rings[i]);
    fls_interner_init(&router->interner);
    fls_router_begin_object(router);
}

void fls_router_fini(struct fls_router *router)
{
    for (uint32_t i = 0; i < router->ring_cnt; i++)
        fls_producer_leave(&router->rings[i]);
    fls_interner_fini(&router->interner);
    fls_quota_fini(&router->quota);
    free(router->rings);
    free(router->tally.lines);
    free(router->tally.touched);
}

/* The shard of an account. An object has records of one account or of few, so a shard has to do
 * with the rows of few accounts at a time, and no other one has rows of the same keys. Any choice
 * is exact, since publish sums; this one keeps the sum short. */
static uint32_t home_of(const struct fls_router *router, const struct fls_interner_account *account)
{
    return (uint32_t)((uint64_t)account->hash * router->ring_cnt >> 32);
}

/* The ring of one record of the account of the line before. */
static uint32_t ring_of(struct fls_router *router)
{
    uint32_t home = router->account.home;

    if (router->detour.left == 0 || router->detour.from != home)
        return home;
    router->detour.left--;
    return router->detour.to;
}

void fls_router_flush(struct fls_router *router)
{
    for (uint32_t i = 0; i < router->ring_cnt; i++)
        fls_producer_flush(&router->rings[i]);
}

static void waited(struct fls_router *router, uint64_t ns)
{
    fls_metric_add(&router->metrics->wait_output_ns, ns);
}

static bool find_idle(const struct fls_router *router, uint32_t *ring)
{
    for (*ring = 0; *ring < router->ring_cnt; ++*ring)
        if (fls_producer_is_drained(&router->rings[*ring]))
            return true;
    return false;
}

/* Sleeps while the ring is full; returns for how long. */
static uint64_t wait_for_slot(struct fls_router *router, uint32_t ring, struct fls_slot **slot)
{
    uint64_t ns;

    fls_metric_set(&router->metrics->output_to, ring + 1);
    ns = fls_producer_await(&router->rings[ring], slot);
    fls_metric_set(&router->metrics->output_to, 0);
    waited(router, ns);
    return ns;
}

/* A full ring: where it has been the only one that was for long, and another shard has nothing to
 * do, nearly all records are of its accounts, and the other ring is taken for a while. Else this
 * one is waited for: an account's rows in two shards cost more than a short wait. Returns the next
 * slot of the ring that has some now. */
static struct fls_slot *find_slot(struct fls_router *router, uint32_t ring)
{
    struct fls_slot *slot;
    uint32_t other;

    fls_router_flush(router); /* the other shards need not wait as well */
    if (router->stall.ring != ring)
        router->stall.ns = 0;
    router->stall.ring = ring;
    if (router->stall.ns < STALL_NS || !find_idle(router, &other)) {
        router->stall.ns += wait_for_slot(router, ring, &slot);
        return slot;
    }
    router->detour.from = ring;
    router->detour.to = other;
    router->detour.left = DETOUR_RECORDS;
    wait_for_slot(router, other, &slot); /* not long */
    return slot;
}

/* Pushes some of cnt > 0 records of the account of the line before; returns how many. */
static uint32_t push_some(struct fls_router *router, const struct fls_flow *flow, uint32_t cnt)
{
    uint32_t ring = ring_of(router), taken;
    struct fls_slot *slots;

    if (ring != router->account.home)
        cnt = 1; /* records on a detour are counted one by one */
    taken = fls_producer_take(&router->rings[ring], cnt, &slots);
    if (taken == 0) {
        slots = find_slot(router, ring);
        taken = 1;
    }
    memcpy(slots, flow, taken * sizeof(*flow));
    return taken;
}

static struct fls_account_lines *lines_of(struct fls_account_tally *tally, uint32_t account)
{
    struct fls_account_lines *lines;
    uint32_t old_max = tally->max;

    fls_array_reserve(tally->lines, tally->max, (size_t)account + 1);
    if (tally->max > old_max)
        memset(tally->lines + old_max, 0, (tally->max - old_max) * sizeof(*tally->lines));
    lines = &tally->lines[account];
    if (lines->records + lines->nodata + lines->skipdata)
        return lines;
    fls_array_reserve(tally->touched, tally->touched_max, tally->touched_cnt + 1);
    tally->touched[tally->touched_cnt++] = account;
    return lines;
}

static void turn_to_account(struct fls_router *router, const struct fls_interner_account *account)
{
    if (account->symbol == router->account.symbol)
        return;
    router->account.symbol = account->symbol;
    router->account.home = home_of(router, account);
    router->account.lines = lines_of(&router->tally, account->symbol);
}

/* True for a record that brings nothing new: its account and day are those of the line before, and
 * the object had its combination. */
static inline bool brings_nothing(const struct fls_router *router, const struct fls_flow *flow)
{
    return flow->kind == FLS_KIND_RECORD &&
           router->interner.accounts[flow->attributes].symbol == router->account.symbol &&
           fls_quota_had_combination(&router->quota, flow->attributes) &&
           fls_quota_had_day(&router->quota, fls_day_of_minute(flow->minute));
}

/* Notes what a line brings; then it brings nothing. False if the object has had more than it may.
 */
static bool meet(struct fls_router *router, const struct fls_flow *flow)
{
    fls_quota_add_combination(&router->quota, flow->attributes, &router->interner.combinations);
    if (flow->kind == FLS_KIND_RECORD)
        fls_quota_add_day(&router->quota, fls_day_of_minute(flow->minute));
    if (fls_quota_excess(&router->quota))
        return false;
    turn_to_account(router, &router->interner.accounts[flow->attributes]);
    return true;
}

/* Pushes the records that bring nothing from the first line on; returns how many. */
static uint32_t push_known(struct fls_router *router, const struct fls_flow *flow, uint32_t cnt)
{
    uint32_t known = 0, pushed = 0;

    while (known < cnt && brings_nothing(router, &flow[known]))
        known++;
    while (pushed < known)
        pushed += push_some(router, flow + pushed, known - pushed);
    if (pushed)
        router->account.lines->records += pushed;
    return pushed;
}

/* Lines whose combinations are defined; returns how many were pushed. */
static uint32_t take_lines(struct fls_router *router, const struct fls_flow *flow, uint32_t cnt)
{
    uint32_t pushed = 0;

    for (uint32_t i = 0; i < cnt;) {
        uint32_t known = push_known(router, flow + i, cnt - i);

        pushed += known;
        i += known;
        if (i == cnt || !meet(router, &flow[i]))
            break;
        if (flow[i].kind == FLS_KIND_RECORD)
            continue;
        if (flow[i++].kind == FLS_KIND_NODATA)
            router->account.lines->nodata++;
        else
            router->account.lines->skipdata++;
    }
    return pushed;
}

uint32_t fls_router_push(struct fls_router *router, struct fls_batch *batch, const uint8_t *window)
{
    uint32_t pushed = 0, defined;

    for (uint32_t i = 0; i < batch->cnt && !fls_quota_excess(&router->quota); i = defined) {
        defined = fls_interner_find(&router->interner, batch, i, window);
        pushed += take_lines(router, &batch->flow[i], defined - i);
        if (defined > i)
            continue;
        waited(router, fls_interner_tell(&router->interner, batch, i, window, router->rings,
                                         router->ring_cnt));
    }
    return pushed;
}

void fls_router_begin_object(struct fls_router *router)
{
    struct fls_account_tally *tally = &router->tally;

    for (uint32_t i = 0; i < tally->touched_cnt; i++)
        tally->lines[tally->touched[i]] = (struct fls_account_lines){0};
    tally->touched_cnt = 0;
    router->account.symbol = FLS_NO_ACCOUNT;
    fls_quota_begin(&router->quota);
}

void fls_router_barrier(struct fls_router *router, bool is_last)
{
    fls_router_begin_object(router); /* symbols get other numbers */
    for (uint32_t i = 0; i < router->ring_cnt; i++)
        waited(router, fls_message_write(&router->rings[i], FLS_KIND_BARRIER,
                                         is_last ? FLS_BARRIER_LAST : 0, FLS_SPAN("")));
    fls_interner_clear(&router->interner);
}

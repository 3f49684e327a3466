#include "ingest/route.h"

#include "base/array.h"
#include "base/calendar.h"
#include "base/clock.h"
#include "shm/message.h"

#include <stdlib.h>
#include <string.h>

void fls_router_init(struct fls_router *router, const struct fls_ring *rings, uint32_t ring_cnt,
                     struct fls_metrics *metrics)
{
    *router = (struct fls_router){.ring_cnt = ring_cnt, .metrics = metrics};
    router->rings = fls_array_new(ring_cnt, sizeof(*router->rings));
    router->slots = fls_array_new(ring_cnt, sizeof(*router->slots));
    router->used = fls_array_new(ring_cnt, sizeof(*router->used));
    router->room = fls_array_new(ring_cnt, sizeof(*router->room));
    for (uint32_t i = 0; i < ring_cnt; i++)
        fls_producer_join(&router->rings[i], &rings[i]);
    fls_interner_init(&router->interner);
}

void fls_router_fini(struct fls_router *router)
{
    for (uint32_t i = 0; i < router->ring_cnt; i++)
        fls_producer_leave(&router->rings[i]);
    fls_interner_fini(&router->interner);
    fls_quota_fini(&router->quota);
    free(router->rings);
    free(router->slots);
    free(router->used);
    free(router->room);
    free(router->tally.lines);
    free(router->tally.touched);
}

/* Which shard counts the record: decided by its source address, so that most of a source's rows
 * are in one shard. Any choice is exact, since publish sums; this one keeps the sum short. */
static uint32_t shard_of(const struct fls_flow *flow, uint32_t ring_cnt)
{
    uint64_t words[2];

    memcpy(words, flow->src, sizeof(words));
    words[0] = (words[0] ^ (words[1] * 0x9e3779b97f4a7c15ULL)) * 0xff51afd7ed558ccdULL;
    words[0] ^= words[0] >> 32;
    return (uint32_t)(((words[0] & UINT32_MAX) * ring_cnt) >> 32);
}

static void flush_ring(struct fls_router *router, uint32_t ring)
{
    if (router->used[ring])
        fls_producer_commit(&router->rings[ring], router->used[ring]);
    router->used[ring] = router->room[ring] = 0;
}

static void flush_all(struct fls_router *router)
{
    for (uint32_t i = 0; i < router->ring_cnt; i++)
        flush_ring(router, i);
}

static void waited(struct fls_router *router, uint64_t ns)
{
    fls_metric_add(&router->metrics->wait_output_ns, ns);
}

/* Reserves slots of a ring whose last ones are used up, sleeping while it is full. */
static void reserve(struct fls_router *router, uint32_t ring)
{
    uint64_t begin_ns;

    flush_ring(router, ring);
    router->room[ring] = fls_producer_reserve(&router->rings[ring], &router->slots[ring]);
    if (router->room[ring])
        return;
    flush_all(router); /* the other shards need not wait as well */
    begin_ns = fls_clock_ns();
    fls_metric_set(&router->metrics->output_to, ring + 1);
    while (!(router->room[ring] = fls_producer_reserve(&router->rings[ring], &router->slots[ring])))
        fls_producer_wait(&router->rings[ring]);
    fls_metric_set(&router->metrics->output_to, 0);
    waited(router, fls_clock_ns() - begin_ns);
}

static void push(struct fls_router *router, const struct fls_flow *flow)
{
    uint32_t ring = router->ring_cnt == 1 ? 0 : shard_of(flow, router->ring_cnt);

    if (router->used[ring] == router->room[ring])
        reserve(router, ring);
    memcpy(&router->slots[ring][router->used[ring]++], flow, sizeof(*flow));
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

/* False if the object has had more than it may. */
static bool is_in_quota(struct fls_router *router, const struct fls_flow *flow)
{
    fls_quota_add_combination(&router->quota, flow->attributes, &router->interner.combinations);
    if (flow->kind == FLS_KIND_RECORD)
        fls_quota_add_day(&router->quota, fls_day_of_minute(flow->minute));
    return fls_quota_excess(&router->quota) == NULL;
}

static void count_line(struct fls_account_lines *lines, uint8_t kind)
{
    if (kind == FLS_KIND_RECORD)
        lines->records++;
    else if (kind == FLS_KIND_NODATA)
        lines->nodata++;
    else
        lines->skipdata++;
}

uint32_t fls_router_push(struct fls_router *router, struct fls_batch *batch, const uint8_t *window)
{
    uint32_t pushed = 0;

    for (uint32_t i = 0; i < batch->cnt; i++) {
        struct fls_flow *flow = &batch->flow[i];
        bool is_new;

        flow->attributes = fls_interner_find(&router->interner, batch, i, window, &is_new);
        if (is_new) { /* records pushed before it stay before it */
            flush_all(router);
            waited(router, fls_interner_tell(&router->interner, batch, i, window, flow->attributes,
                                             router->rings, router->ring_cnt));
        }
        if (!is_in_quota(router, flow))
            break;
        count_line(lines_of(&router->tally, router->interner.accounts[flow->attributes]),
                   flow->kind);
        if (flow->kind != FLS_KIND_RECORD)
            continue;
        push(router, flow);
        pushed++;
    }
    flush_all(router);
    return pushed;
}

void fls_router_begin_object(struct fls_router *router)
{
    struct fls_account_tally *tally = &router->tally;

    for (uint32_t i = 0; i < tally->touched_cnt; i++)
        tally->lines[tally->touched[i]] = (struct fls_account_lines){0};
    tally->touched_cnt = 0;
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

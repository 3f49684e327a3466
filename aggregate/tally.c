#include "aggregate/tally.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/pages.h"

#include <stdlib.h>
#include <string.h>

#define ROWS_FIRST 4U
#define SLOTS_FIRST 8U
#define SLOTS_MAX (1U << 31)
#define SLOTS_IN_PAGES (16U << 10)     /* and more are whole pages, fewer from malloc */
#define SLAB_SZ_FIRST (4U << 20)       /* slabs double, */
#define SLAB_SZ_MAX (64U << 20)        /* up to this */
#define MALLOC_SZ (2 * sizeof(void *)) /* that an allocation takes beside its bytes */

/* ---- the pool ---- */

static uint64_t slab_sz(uint32_t number)
{
    uint64_t sz = (uint64_t)SLAB_SZ_FIRST << (number < 8 ? number : 8);

    return sz < SLAB_SZ_MAX ? sz : SLAB_SZ_MAX;
}

void fls_tally_pool_fini(struct fls_tally_pool *pool)
{
    for (uint32_t i = 0; i < pool->slab_cnt; i++)
        fls_pages_resize(pool->slabs[i], slab_sz(i), 0);
    free(pool->slabs);
    free(pool->spare);
    *pool = (struct fls_tally_pool){0};
}

/* A slab is touched from its begin on, and a huge page at a time. */
uint64_t fls_tally_pool_bytes(const struct fls_tally_pool *pool)
{
    uint64_t sum = pool->other_sz + pool->slab_max * sizeof(*pool->slabs) +
                   pool->spare_max * sizeof(*pool->spare);

    for (uint32_t i = 0; i + 1 < pool->slab_cnt; i++)
        sum += slab_sz(i);
    return sum + (pool->slab_used + FLS_HUGE_PAGE_SZ - 1) / FLS_HUGE_PAGE_SZ * FLS_HUGE_PAGE_SZ;
}

struct fls_tally_row *fls_tally_pool_take(struct fls_tally_pool *pool)
{
    uint8_t *chunk;

    if (pool->spare_cnt > 0)
        return pool->spare[--pool->spare_cnt];
    if (pool->slab_cnt == 0 || slab_sz(pool->slab_cnt - 1) - pool->slab_used < FLS_TALLY_CHUNK_SZ) {
        fls_array_reserve(pool->slabs, pool->slab_max, (size_t)pool->slab_cnt + 1);
        pool->slabs[pool->slab_cnt] = fls_pages_resize(NULL, 0, slab_sz(pool->slab_cnt));
        pool->slab_cnt++;
        pool->slab_used = 0;
    }
    chunk = pool->slabs[pool->slab_cnt - 1] + pool->slab_used;
    pool->slab_used += FLS_TALLY_CHUNK_SZ;
    return (struct fls_tally_row *)(void *)chunk;
}

void fls_tally_pool_give(struct fls_tally_pool *pool, struct fls_tally_row *chunk)
{
    fls_array_reserve(pool->spare, pool->spare_max, (size_t)pool->spare_cnt + 1);
    pool->spare[pool->spare_cnt++] = chunk;
}

/* ---- rows ---- */

static uint32_t chunk_cnt(const struct fls_tally *tally)
{
    return tally->row_max / FLS_TALLY_CHUNK_ROWS; /* 0: the first one is from malloc */
}

static uint64_t first_sz(uint32_t row_max)
{
    return row_max ? row_max * sizeof(struct fls_tally_row) + MALLOC_SZ : 0;
}

static uint64_t chunks_sz(uint32_t cnt)
{
    return cnt > 1 ? cnt * sizeof(struct fls_tally_row *) + MALLOC_SZ : 0;
}

/* A first chunk that is smaller than the others. */
static void grow_first(struct fls_tally *tally, struct fls_tally_pool *pool)
{
    uint32_t row_max = tally->row_max ? tally->row_max * 2 : ROWS_FIRST;
    struct fls_tally_row *first = tally->first;

    pool->other_sz -= first_sz(tally->row_max);
    if (row_max < FLS_TALLY_CHUNK_ROWS) {
        tally->first = realloc(first, row_max * sizeof(*first));
        fls_assert(tally->first != NULL);
        pool->other_sz += first_sz(row_max);
    } else {
        tally->first = fls_tally_pool_take(pool);
        memcpy(tally->first, first, tally->row_cnt * sizeof(*first));
        free(first);
    }
    tally->row_max = row_max;
}

/* Another chunk. Their list is from malloc if there are two and more, and doubles. */
static void grow_chunks(struct fls_tally *tally, struct fls_tally_pool *pool)
{
    uint32_t cnt = chunk_cnt(tally);

    fls_assert(tally->row_max <= FLS_TALLY_ROWS_MAX - FLS_TALLY_CHUNK_ROWS);
    if ((cnt & (cnt - 1)) == 0) {
        pool->other_sz += chunks_sz(2 * cnt) - chunks_sz(cnt);
        tally->chunks = realloc(cnt == 1 ? NULL : tally->chunks, 2 * cnt * sizeof(*tally->chunks));
        fls_assert(tally->chunks != NULL);
        tally->chunks[0] = tally->first;
    }
    tally->chunks[cnt] = fls_tally_pool_take(pool);
    tally->row_max += FLS_TALLY_CHUNK_ROWS;
}

/* The first chunk if it is from malloc, else the list of chunks. */
static void free_list(struct fls_tally *tally, struct fls_tally_pool *pool)
{
    uint32_t cnt = chunk_cnt(tally), max = 1;

    if (cnt == 0) {
        pool->other_sz -= first_sz(tally->row_max);
        free(tally->first);
        return;
    }
    while (max < cnt)
        max *= 2;
    pool->other_sz -= chunks_sz(max);
    if (cnt > 1)
        free(tally->chunks);
}

/* ---- the index ---- */

static uint32_t slot_cnt(const struct fls_tally *tally)
{
    return tally->slots ? tally->mask + 1 : 0;
}

static uint64_t slots_sz(uint32_t cnt)
{
    if (cnt >= SLOTS_IN_PAGES)
        return (uint64_t)cnt * sizeof(uint32_t);
    return cnt ? cnt * sizeof(uint32_t) + MALLOC_SZ : 0;
}

static_assert(SLOTS_IN_PAGES * sizeof(uint32_t) % FLS_PAGE_SZ == 0, "whole pages");

void fls_tally_drop_index(struct fls_tally *tally, struct fls_tally_pool *pool)
{
    uint32_t cnt = slot_cnt(tally);

    pool->other_sz -= slots_sz(cnt);
    if (cnt >= SLOTS_IN_PAGES)
        fls_pages_resize(tally->slots, slots_sz(cnt), 0);
    else
        free(tally->slots);
    tally->slots = NULL;
    tally->mask = 0;
}

static void put_slot(struct fls_tally *tally, uint32_t hash, uint32_t number)
{
    uint32_t at = hash & tally->mask;

    while (tally->slots[at] != 0)
        at = (at + 1) & tally->mask;
    tally->slots[at] = (hash & ~tally->mask) | (number + 1);
}

#define AHEAD 32U /* keys that are hashed, and whose slots are asked for, together */

static void index_rows(struct fls_tally *tally)
{
    uint32_t hashes[AHEAD];

    for (uint32_t first = 0; first < tally->row_cnt; first += AHEAD) {
        uint32_t left = tally->row_cnt - first, cnt = left < AHEAD ? left : AHEAD;

        for (uint32_t i = 0; i < cnt; i++) {
            const struct fls_tally_row *row = fls_tally_row(tally, first + i);

            hashes[i] = fls_tally_hash(row->a, row->b, row->rest);
            fls_tally_prefetch_slot(tally, hashes[i]);
        }
        for (uint32_t i = 0; i < cnt; i++)
            put_slot(tally, hashes[i], first + i);
    }
}

/* A new index of twice the size: the rows tell what is in it. */
static void grow_index(struct fls_tally *tally, struct fls_tally_pool *pool)
{
    uint32_t cnt = slot_cnt(tally) ? slot_cnt(tally) * 2 : SLOTS_FIRST;

    fls_assert(cnt <= SLOTS_MAX && cnt > slot_cnt(tally));
    fls_tally_drop_index(tally, pool);
    if (cnt >= SLOTS_IN_PAGES)
        tally->slots = fls_pages_resize(NULL, 0, slots_sz(cnt));
    else
        tally->slots = fls_array_new(cnt, sizeof(*tally->slots));
    pool->other_sz += slots_sz(cnt);
    tally->mask = cnt - 1;
    index_rows(tally);
}

/* Three quarters of the slots at most are taken. */
static bool index_is_full(const struct fls_tally *tally)
{
    return tally->row_cnt >= slot_cnt(tally) / 4 * 3;
}

/* ---- the table ---- */

/* An index has up to 8/3 slots for each row when it has grown; a first chunk is half empty then;
 * and a table has the first of both. */
uint64_t fls_tally_more_sz(uint64_t rows, uint64_t table_cnt)
{
    uint64_t tables = table_cnt < rows ? table_cnt : rows;
    uint64_t empty_rows = tables * FLS_TALLY_CHUNK_ROWS;

    if (empty_rows > 2 * rows + tables * ROWS_FIRST)
        empty_rows = 2 * rows + tables * ROWS_FIRST;
    return (rows + empty_rows) * sizeof(struct fls_tally_row) + rows * 3 * sizeof(uint32_t) +
           tables * (SLOTS_FIRST * sizeof(uint32_t) + 3 * MALLOC_SZ);
}

void fls_tally_init(struct fls_tally *tally, enum fls_table_id table)
{
    *tally = (struct fls_tally){.table = (uint16_t)table};
    tally->chunks = &tally->first;
}

void fls_tally_drain(struct fls_tally *tally, struct fls_tally_pool *pool,
                     void (*take)(void *context, const struct fls_tally_row *rows, uint32_t cnt),
                     void *context)
{
    uint32_t chunks = chunk_cnt(tally);

    fls_tally_drop_index(tally, pool);
    for (uint32_t first = 0; first < tally->row_cnt; first += FLS_TALLY_CHUNK_ROWS) {
        uint32_t left = tally->row_cnt - first;

        take(context, fls_tally_row(tally, first),
             left < FLS_TALLY_CHUNK_ROWS ? left : FLS_TALLY_CHUNK_ROWS);
        if (chunks > 0)
            fls_tally_pool_give(pool, fls_tally_row(tally, first));
    }
    free_list(tally, pool);
    pool->row_cnt[tally->table] -= tally->row_cnt;
    fls_tally_init(tally, (enum fls_table_id)tally->table);
}

static void forget(void *context, const struct fls_tally_row *rows, uint32_t cnt)
{
    (void)context, (void)rows, (void)cnt;
}

void fls_tally_fini(struct fls_tally *tally, struct fls_tally_pool *pool)
{
    fls_tally_drain(tally, pool, forget, NULL);
}

static uint32_t append(struct fls_tally *tally, struct fls_tally_pool *pool, uint32_t a, uint32_t b,
                       uint32_t rest)
{
    struct fls_tally_row *row;

    if (tally->row_cnt == tally->row_max) {
        if (tally->row_max < FLS_TALLY_CHUNK_ROWS)
            grow_first(tally, pool);
        else
            grow_chunks(tally, pool);
    }
    row = fls_tally_row(tally, tally->row_cnt);
    *row = (struct fls_tally_row){.a = a, .b = b, .rest = rest & FLS_TALLY_KEY};
    pool->row_cnt[tally->table]++;
    return tally->row_cnt++;
}

/* The key is new; `slot` is the free one to which its hash leads. */
static uint32_t insert(struct fls_tally *tally, struct fls_tally_pool *pool, uint32_t a, uint32_t b,
                       uint32_t rest, uint32_t hash, uint32_t slot)
{
    if (index_is_full(tally)) {
        grow_index(tally, pool);
        put_slot(tally, hash, tally->row_cnt);
    } else {
        tally->slots[slot] = (hash & ~tally->mask) | (tally->row_cnt + 1);
    }
    return append(tally, pool, a, b, rest);
}

uint32_t fls_tally_upsert(struct fls_tally *tally, struct fls_tally_pool *pool, uint32_t a,
                          uint32_t b, uint32_t rest, uint32_t hash)
{
    uint32_t at = hash & tally->mask, next_number;

    if (tally->slots == NULL)
        return insert(tally, pool, a, b, rest, hash, 0);
    while ((next_number = fls_tally_seek(tally, hash, &at)) != 0) {
        if (fls_tally_has_key(fls_tally_row(tally, next_number - 1), a, b, rest))
            return next_number - 1;
        at = (at + 1) & tally->mask;
    }
    return insert(tally, pool, a, b, rest, hash, at);
}

struct fls_tally_row *fls_tally_append(struct fls_tally *tally, struct fls_tally_pool *pool,
                                       uint32_t a, uint32_t b, uint32_t rest)
{
    fls_assert(tally->slots == NULL);
    return fls_tally_row(tally, append(tally, pool, a, b, rest));
}

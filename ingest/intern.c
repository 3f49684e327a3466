#include "ingest/intern.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/pages.h"
#include "base/prefetch.h"
#include "ingest/digits.h"
#include "shm/message.h"

#include <stdlib.h>
#include <string.h>

/* Of all images. Loads of 8 bytes may read behind the last one. */
#define IMAGES_SZ (FLS_INTERNER_IMAGES_SZ + FLS_PAGE_SZ)

static void forget_recent(struct fls_interner_recent *recent)
{
    recent->images_sz = 0;
    if (++recent->age > 0)
        return;
    memset(recent->by_ends, 0, sizeof(recent->by_ends));
    memset(recent->by_all, 0, sizeof(recent->by_all));
    recent->age = 1;
}

void fls_interner_init(struct fls_interner *interner)
{
    *interner = (struct fls_interner){0};
    interner->recent.images = fls_pages_resize(NULL, 0, IMAGES_SZ);
    fls_interner_clear(interner);
}

void fls_interner_fini(struct fls_interner *interner)
{
    fls_dictionary_fini(&interner->symbols);
    fls_dictionary_fini(&interner->combinations);
    free(interner->accounts);
    free(interner->scratch);
    fls_pages_resize(interner->recent.images, IMAGES_SZ, 0);
}

void fls_interner_clear(struct fls_interner *interner)
{
    fls_dictionary_clear(&interner->symbols);
    fls_dictionary_clear(&interner->combinations);
    forget_recent(&interner->recent);
    fls_assert(fls_dictionary_intern(&interner->symbols, FLS_SPAN("")) == FLS_SYMBOL_ABSENT);
}

bool fls_interner_is_full(const struct fls_interner *interner)
{
    const struct fls_dictionary *combinations = &interner->combinations;

    return interner->symbols.bytes_sz + combinations->bytes_sz +
               (uint64_t)combinations->cnt * FLS_QUOTA_COMBINATION_SZ >=
           FLS_INTERNER_SZ_MAX;
}

/* ---- all of them ---- */

/* The texts that a line has. Before the bytes of each its attribute (8 bits) and size (24 bits; a
 * line is shorter), so that different combinations are never spelled the same. */
static struct fls_span spell(struct fls_interner *interner,
                             const struct fls_span text[static FLS_ATTRIBUTE_CNT])
{
    size_t need = 0, sz = 0;

    for (uint32_t k = 0; k < FLS_ATTRIBUTE_CNT; k++)
        need += sizeof(uint32_t) + text[k].sz;
    fls_array_reserve(interner->scratch, interner->scratch_max, need);
    for (uint32_t k = 0; k < FLS_ATTRIBUTE_CNT; k++) {
        uint32_t head = k << 24 | (uint32_t)text[k].sz;

        if (text[k].sz == 0)
            continue; /* absent, as if the layout lacked it */
        memcpy(interner->scratch + sz, &head, sizeof(head));
        memcpy(interner->scratch + sz + sizeof(head), text[k].at, text[k].sz);
        sz += sizeof(head) + text[k].sz;
    }
    return (struct fls_span){sz ? interner->scratch : (const uint8_t *)"", sz};
}

/* ---- those found last ----
 *
 * An image has the texts as they stand in the line, run by run: a run whose bytes are equal has
 * equal texts, for blanks alone part them. So they are compared where they stand, without being
 * taken apart, spelled and hashed first. An image is the id, then of each run its size (32 bits)
 * and its bytes. */

/* A run of more bytes than a usual one of account and interface: it has more texts. */
#define RUN_SHORT_MAX 39U
/* Lines that are looked up side by side, and what is asked for of each image: most are not larger.
 */
#define GROUP 16U
#define IMAGE_AHEAD_SZ 192U
#define CACHE_LINE_SZ 64U

struct line {
    const struct fls_run *run;
    uint64_t hash; /* of the runs' last bytes, where most differ */
};

/* The last 8 of sz > 0 bytes, or what there is. */
static inline uint64_t load_last(const uint8_t *at, size_t sz)
{
    return sz >= 8 ? fls_load_le64(at + sz - 8) : fls_load_le64(at) << (64 - 8 * sz);
}

/* Which bits of 16 bytes differ. */
typedef uint64_t two_words __attribute__((vector_size(16)));
static inline two_words differ_16(const uint8_t *x, const uint8_t *y)
{
    two_words a, b;

    memcpy(&a, x, sizeof(a));
    memcpy(&b, y, sizeof(b));
    return a ^ b;
}

/* Whether sz > 0 bytes are equal. */
static inline bool are_equal(const uint8_t *x, const uint8_t *y, size_t sz)
{
    two_words differ;

    if (sz <= 16)
        return ((load_last(x, sz) ^ load_last(y, sz)) |
                (sz > 8 ? fls_load_le64(x) ^ fls_load_le64(y) : 0)) == 0;
    differ = differ_16(x + sz - 16, y + sz - 16);
    for (size_t at = 0; at + 16 < sz; at += 16)
        differ |= differ_16(x + at, y + at);
    return (differ[0] | differ[1]) == 0;
}

static inline struct line read_line(const struct fls_run *run, uint32_t run_cnt,
                                    const uint8_t *window)
{
    uint64_t hash = 0;

#pragma GCC unroll 2
    for (uint32_t i = 0; i < run_cnt; i++) {
        const uint8_t *at = window + run[i].at;
        size_t sz = run[i].sz;

        hash = (hash << 23 | hash >> 41) ^ load_last(at, sz);
        if (sz > RUN_SHORT_MAX)
            hash += fls_load_le64(at) * 0xbf58476d1ce4e5b9ULL ^
                    fls_load_le64(at + sz - 16) * 0x94d049bb133111ebULL;
    }
    return (struct line){run, hash * 0x9e3779b97f4a7c15ULL};
}

static inline uint32_t load_32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* Whether the place has the image of the line; then *id is its combination. */
static inline bool is_at(const struct fls_interner_place *place, const struct line *line,
                         const uint8_t *window, const struct fls_interner_recent *recent,
                         uint32_t run_cnt, uint32_t *id)
{
    const uint8_t *at = recent->images + place->at;
    uint32_t sz;

    if (place->age != recent->age)
        return false;
    *id = load_32(at);
    at += sizeof(*id);
#pragma GCC unroll 2
    for (uint32_t i = 0; i < run_cnt; i++, at += sz) {
        sz = load_32(at);
        at += sizeof(sz);
        if (sz != line->run[i].sz || !are_equal(at, window + line->run[i].at, sz))
            return false;
    }
    return true;
}

static struct fls_interner_place *place_by_ends(struct fls_interner_recent *recent,
                                                const struct line *line)
{
    return &recent->by_ends[line->hash >> (64 - FLS_INTERNER_PLACES_LOG)]; /* the best bits */
}

/* For lines that differ only elsewhere. */
static struct fls_interner_place *place_by_all(struct fls_interner_recent *recent,
                                               const struct line *line, const uint8_t *window)
{
    uint64_t hash = 0;

    for (uint32_t i = 0; i < recent->runs.cnt; i++)
        hash = hash * 0x9e3779b97f4a7c15ULL +
               fls_dictionary_hash((struct fls_span){window + line->run[i].at, line->run[i].sz});
    return &recent->by_all[hash % FLS_INTERNER_PLACES];
}

static void put_image(uint8_t *at, const struct line *line, const uint8_t *window, uint32_t run_cnt,
                      uint32_t id)
{
    memcpy(at, &id, sizeof(id));
    at += sizeof(id);
    for (uint32_t i = 0; i < run_cnt; i++) {
        uint32_t sz = line->run[i].sz;

        memcpy(at, &sz, sizeof(sz));
        memcpy(at + sizeof(sz), window + line->run[i].at, sz);
        at += sizeof(sz) + sz;
    }
}

static void keep(struct fls_interner_recent *recent, const struct line *line, const uint8_t *window,
                 struct fls_interner_place *by_all, uint32_t id)
{
    size_t sz = sizeof(id) + recent->runs.cnt * sizeof(uint32_t);
    struct fls_interner_place place;

    for (uint32_t i = 0; i < recent->runs.cnt; i++)
        sz += line->run[i].sz;
    if (sz > FLS_INTERNER_IMAGE_MAX)
        return;
    if (sz > FLS_INTERNER_IMAGES_SZ - recent->images_sz)
        forget_recent(recent);
    place = (struct fls_interner_place){recent->age, recent->images_sz};
    put_image(recent->images + place.at, line, window, recent->runs.cnt, id);
    recent->images_sz += (uint32_t)sz;
    *place_by_ends(recent, line) = *by_all = place;
}

/* False if the combination is new. */
static __attribute__((noinline)) bool find_again(struct fls_interner *interner,
                                                 const struct line *line, const uint8_t *window,
                                                 uint32_t *id)
{
    struct fls_interner_recent *recent = &interner->recent;
    struct fls_interner_place *by_all = place_by_all(recent, line, window);
    struct fls_span text[FLS_ATTRIBUTE_CNT];

    if (is_at(by_all, line, window, recent, recent->runs.cnt, id)) {
        *place_by_ends(recent, line) = *by_all; /* the last one is the likeliest */
        return true;
    }
    fls_runs_split(&recent->runs, line->run, window, text);
    if (!fls_dictionary_find(&interner->combinations, spell(interner, text), id))
        return false;
    keep(recent, line, window, by_all, *id);
    return true;
}

/* Reads cnt lines and asks for what they are to be compared with: first for the places, then for
 * the images. */
static inline __attribute__((always_inline)) void
read_group(struct fls_interner_recent *recent, const struct fls_run *run, uint32_t run_cnt,
           const uint8_t *window, struct line *line, uint32_t cnt)
{
    for (uint32_t i = 0; i < cnt; i++, run += run_cnt) {
        line[i] = read_line(run, run_cnt, window);
        fls_prefetch(place_by_ends(recent, &line[i]));
    }
    for (uint32_t i = 0; i < cnt; i++) {
        const uint8_t *image = recent->images + place_by_ends(recent, &line[i])->at;

        for (uint32_t at = 0; at < IMAGE_AHEAD_SZ; at += CACHE_LINE_SZ)
            fls_prefetch(image + at);
    }
}

/* Inline, so that the compiler sees run_cnt. */
static inline __attribute__((always_inline)) uint32_t find_lines(struct fls_interner *interner,
                                                                 struct fls_batch *batch,
                                                                 uint32_t i, const uint8_t *window,
                                                                 uint32_t run_cnt)
{
    struct fls_interner_recent *recent = &interner->recent;

    for (uint32_t cnt; i < batch->cnt; i += cnt) {
        struct line line[GROUP];

        cnt = batch->cnt - i < GROUP ? batch->cnt - i : GROUP;
        read_group(recent, &batch->run[i * run_cnt], run_cnt, window, line, cnt);
        for (uint32_t k = 0; k < cnt; k++) {
            uint32_t *id = &batch->flow[i + k].attributes;

            if (!is_at(place_by_ends(recent, &line[k]), &line[k], window, recent, run_cnt, id) &&
                !find_again(interner, &line[k], window, id))
                return i + k;
        }
    }
    return i;
}

uint32_t fls_interner_find(struct fls_interner *interner, struct fls_batch *batch, uint32_t i,
                           const uint8_t *window)
{
    struct fls_interner_recent *recent = &interner->recent;

    if (memcmp(&recent->runs, &batch->runs, sizeof(batch->runs)) != 0) {
        recent->runs = batch->runs;
        forget_recent(recent);
    }
    if (recent->runs.cnt == 2) /* AWS's default format, in a loop unrolled for it */
        return find_lines(interner, batch, i, window, 2);
    return find_lines(interner, batch, i, window, recent->runs.cnt);
}

/* ---- what is new ---- */

/* The symbol of a text; a new one is defined in every ring. */
static uint32_t tell_symbol(struct fls_interner *interner, struct fls_span text,
                            struct fls_producer *rings, uint32_t ring_cnt, uint64_t *waited_ns)
{
    bool is_new;
    uint32_t symbol =
        fls_dictionary_intern_hashed(&interner->symbols, text, fls_dictionary_hash(text), &is_new);

    for (uint32_t r = 0; is_new && r < ring_cnt; r++)
        *waited_ns += fls_message_put(&rings[r], FLS_KIND_SYMBOL, symbol, text);
    return symbol;
}

static void keep_account(struct fls_interner *interner, uint32_t id, uint32_t symbol)
{
    fls_array_reserve(interner->accounts, interner->account_max, (size_t)id + 1);
    interner->accounts[id] = (struct fls_interner_account){
        symbol, fls_dictionary_hash(fls_dictionary_text(&interner->symbols, symbol))};
}

uint64_t fls_interner_tell(struct fls_interner *interner, const struct fls_batch *batch, uint32_t i,
                           const uint8_t *window, struct fls_producer *rings, uint32_t ring_cnt)
{
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {FLS_SYMBOL_ABSENT}, id;
    struct fls_span text[FLS_ATTRIBUTE_CNT], tuple = {(const uint8_t *)symbols, sizeof(symbols)};
    uint64_t waited_ns = 0;

    fls_runs_split(&batch->runs, &batch->run[i * batch->runs.cnt], window, text);
    id = fls_dictionary_intern(&interner->combinations, spell(interner, text));
    for (uint32_t k = 0; k < FLS_ATTRIBUTE_CNT; k++)
        if (text[k].sz)
            symbols[k] = tell_symbol(interner, text[k], rings, ring_cnt, &waited_ns);
    keep_account(interner, id, symbols[FLS_ATTRIBUTE_ACCOUNT]);
    for (uint32_t r = 0; r < ring_cnt; r++)
        waited_ns += fls_message_put(&rings[r], FLS_KIND_ATTRIBUTES, id, tuple);
    return waited_ns;
}

#include "ingest/intern.h"

#include "base/array.h"
#include "base/assert.h"
#include "shm/message.h"

#include <stdlib.h>
#include <string.h>

void fls_interner_init(struct fls_interner *interner)
{
    *interner = (struct fls_interner){0};
    fls_interner_clear(interner);
}

void fls_interner_fini(struct fls_interner *interner)
{
    fls_dictionary_fini(&interner->symbols);
    fls_dictionary_fini(&interner->combinations);
    free(interner->accounts);
    free(interner->scratch);
}

void fls_interner_clear(struct fls_interner *interner)
{
    fls_dictionary_clear(&interner->symbols);
    fls_dictionary_clear(&interner->combinations);
    memset(interner->recent, 0, sizeof(interner->recent));
    fls_assert(fls_dictionary_intern(&interner->symbols, FLS_SPAN("")) == FLS_SYMBOL_ABSENT);
}

bool fls_interner_is_full(const struct fls_interner *interner)
{
    const struct fls_dictionary *combinations = &interner->combinations;

    return interner->symbols.bytes_sz + combinations->bytes_sz +
               (uint64_t)combinations->cnt * FLS_QUOTA_COMBINATION_SZ >=
           FLS_INTERNER_SZ_MAX;
}

/* Before the bytes of an attribute that is not absent: its number (8 bits) and size (24 bits; a
 * line is shorter), so that different combinations are never spelled the same. */
static uint32_t head_of(const struct fls_batch *batch, uint32_t k, struct fls_text_ref ref)
{
    return (uint32_t)batch->attribute[k] << 24 | ref.sz;
}

/* ---- the combinations found last ----
 *
 * Compared where they stand, in pieces of 8 bytes, without being spelled and hashed first. */

static uint64_t load_64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

/* Of each text the size and the last 8 bytes, where most differ. */
static uint32_t fingerprint(const struct fls_batch *batch, const struct fls_text_ref *refs,
                            const uint8_t *window)
{
    uint64_t sum = 0;

    for (uint32_t k = 0; k < batch->attribute_cnt; k++) {
        struct fls_text_ref ref = refs[k];
        uint64_t last = 0;

        if (ref.sz && ref.at + ref.sz >= sizeof(last)) {
            last = load_64(window + ref.at + ref.sz - sizeof(last));
            last >>= ref.sz < sizeof(last) ? 64 - 8 * ref.sz : 0;
        }
        sum = (sum ^ last ^ ref.sz) * 0x9e3779b97f4a7c15ULL;
        sum ^= sum >> 32;
    }
    return (uint32_t)sum % FLS_INTERNER_RECENT;
}

/* Whether sz bytes are equal. */
static inline bool are_equal(const uint8_t *a, const uint8_t *b, uint32_t sz)
{
    uint32_t at = 0;

    if (sz < sizeof(uint64_t))
        return memcmp(a, b, sz) == 0;
    for (; at + sizeof(uint64_t) < sz; at += sizeof(uint64_t))
        if (load_64(a + at) != load_64(b + at))
            return false;
    at = sz - (uint32_t)sizeof(uint64_t); /* what is left, and some of it again */
    return load_64(a + at) == load_64(b + at);
}

static bool is_spelled(struct fls_span spelled, const struct fls_batch *batch,
                       const struct fls_text_ref *refs, const uint8_t *window)
{
    const uint8_t *at = spelled.at, *end = spelled.at + spelled.sz;

    for (uint32_t k = 0; k < batch->attribute_cnt; k++) {
        uint32_t head = head_of(batch, k, refs[k]);

        if (refs[k].sz == 0)
            continue;
        if ((size_t)(end - at) < sizeof(head) + refs[k].sz ||
            memcmp(at, &head, sizeof(head)) != 0 ||
            !are_equal(at + sizeof(head), window + refs[k].at, refs[k].sz))
            return false;
        at += sizeof(head) + refs[k].sz;
    }
    return at == end;
}

/* ---- all of them ---- */

static struct fls_span spell(struct fls_interner *interner, const struct fls_batch *batch,
                             const struct fls_text_ref *refs, const uint8_t *window)
{
    size_t need = 0, sz = 0;

    for (uint32_t k = 0; k < batch->attribute_cnt; k++)
        need += sizeof(uint32_t) + refs[k].sz;
    fls_array_reserve(interner->scratch, interner->scratch_max, need);
    for (uint32_t k = 0; k < batch->attribute_cnt; k++) {
        uint32_t head = head_of(batch, k, refs[k]);

        if (refs[k].sz == 0)
            continue; /* absent, as if the layout lacked it */
        memcpy(interner->scratch + sz, &head, sizeof(head));
        memcpy(interner->scratch + sz + sizeof(head), window + refs[k].at, refs[k].sz);
        sz += sizeof(head) + refs[k].sz;
    }
    return (struct fls_span){sz ? interner->scratch : (const uint8_t *)"", sz};
}

uint32_t fls_interner_find(struct fls_interner *interner, const struct fls_batch *batch, uint32_t i,
                           const uint8_t *window, bool *is_new)
{
    const struct fls_text_ref *refs = &batch->text[i * batch->attribute_cnt];
    uint32_t *recent = &interner->recent[fingerprint(batch, refs, window)], id;
    struct fls_span combination;

    *is_new = false;
    if (*recent &&
        is_spelled(fls_dictionary_text(&interner->combinations, *recent - 1), batch, refs, window))
        return *recent - 1;
    combination = spell(interner, batch, refs, window);
    id = fls_dictionary_intern_hashed(&interner->combinations, combination,
                                      fls_dictionary_hash(combination), is_new);
    *recent = 1 + id;
    return id;
}

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
                           const uint8_t *window, uint32_t id, struct fls_producer *rings,
                           uint32_t ring_cnt)
{
    const struct fls_text_ref *refs = &batch->text[i * batch->attribute_cnt];
    uint32_t symbols[FLS_ATTRIBUTE_CNT] = {FLS_SYMBOL_ABSENT};
    struct fls_span tuple = {(const uint8_t *)symbols, sizeof(symbols)};
    uint64_t waited_ns = 0;

    for (uint32_t k = 0; k < batch->attribute_cnt; k++)
        if (refs[k].sz)
            symbols[batch->attribute[k]] =
                tell_symbol(interner, (struct fls_span){window + refs[k].at, refs[k].sz}, rings,
                            ring_cnt, &waited_ns);
    keep_account(interner, id, symbols[FLS_ATTRIBUTE_ACCOUNT]);
    for (uint32_t r = 0; r < ring_cnt; r++)
        waited_ns += fls_message_put(&rings[r], FLS_KIND_ATTRIBUTES, id, tuple);
    return waited_ns;
}

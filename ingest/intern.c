#include "ingest/intern.h"

#include "base/array.h"
#include "base/assert.h"
#include "base/day.h"
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
    fls_assert(fls_dictionary_intern(&interner->symbols, FLS_SPAN("")) == FLS_SYMBOL_ABSENT);
}

bool fls_interner_is_full(const struct fls_interner *interner)
{
    const struct fls_dictionary *combinations = &interner->combinations;

    return interner->symbols.bytes_sz + combinations->bytes_sz +
               (uint64_t)combinations->cnt * FLS_QUOTA_COMBINATION_SZ >=
           FLS_INTERNER_SZ_MAX;
}

/* Spells the combination so that different ones never look the same: for each attribute of the
 * layout its number (8 bits) and size (24 bits; a line is shorter), then the bytes. */
static struct fls_span spell(struct fls_interner *interner, const struct fls_batch *batch,
                             const struct fls_text_ref *refs, const uint8_t *window)
{
    size_t need = 0, sz = 0;

    for (uint32_t k = 0; k < batch->attribute_cnt; k++)
        need += sizeof(uint32_t) + refs[k].sz;
    fls_array_reserve(interner->scratch, interner->scratch_max, need);
    for (uint32_t k = 0; k < batch->attribute_cnt; k++) {
        uint32_t head = (uint32_t)batch->attribute[k] << 24 | refs[k].sz;

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
    struct fls_span combination =
        spell(interner, batch, &batch->text[i * batch->attribute_cnt], window);

    return fls_dictionary_intern_hashed(&interner->combinations, combination,
                                        fls_dictionary_hash(combination), is_new);
}

/* The symbol of a text; a new one is defined in every ring. */
static uint32_t tell_symbol(struct fls_interner *interner, struct fls_span text,
                            struct fls_producer *rings, uint32_t ring_cnt, uint64_t *waited_ns)
{
    bool is_new;
    uint32_t symbol =
        fls_dictionary_intern_hashed(&interner->symbols, text, fls_dictionary_hash(text), &is_new);

    for (uint32_t r = 0; is_new && r < ring_cnt; r++)
        *waited_ns += fls_message_write(&rings[r], FLS_KIND_SYMBOL, symbol, text);
    return symbol;
}

static void keep_account(struct fls_interner *interner, uint32_t id, uint32_t symbol)
{
    fls_array_reserve(interner->accounts, interner->account_max, (size_t)id + 1);
    interner->accounts[id] = symbol;
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
        waited_ns += fls_message_write(&rings[r], FLS_KIND_ATTRIBUTES, id, tuple);
    return waited_ns;
}

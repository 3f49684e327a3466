#include "base/dictionary.h"

#include "base/assert.h"
#include "base/pages.h"
#include "base/secret.h"

#include <string.h>
#include <xxhash.h>

#define ENTRIES_FIRST (FLS_PAGE_SZ / sizeof(struct fls_dictionary_entry))

static size_t entries_sz(uint32_t max)
{
    return (size_t)max * sizeof(struct fls_dictionary_entry);
}

void fls_dictionary_fini(struct fls_dictionary *dictionary)
{
    fls_pages_resize(dictionary->entries, entries_sz(dictionary->max), 0);
    fls_slots_fini(&dictionary->slots);
    fls_pages_resize(dictionary->bytes, dictionary->bytes_max, 0);
    *dictionary = (struct fls_dictionary){0};
}

void fls_dictionary_clear(struct fls_dictionary *dictionary)
{
    if (dictionary->cnt == 0)
        return;
    fls_slots_clear(&dictionary->slots);
    dictionary->cnt = 0;
    dictionary->bytes_sz = 0;
}

uint64_t fls_dictionary_bytes(const struct fls_dictionary *dictionary)
{
    return entries_sz(dictionary->max) + fls_slots_bytes(&dictionary->slots) +
           dictionary->bytes_max;
}

uint32_t fls_dictionary_hash(struct fls_span text)
{
    uint64_t hash = XXH3_64bits_withSeed(text.at, text.sz, fls_secret[0]);

    return (uint32_t)(hash ^ (hash >> 32));
}

struct fls_span fls_dictionary_text(const struct fls_dictionary *dictionary, uint32_t number)
{
    const struct fls_dictionary_entry *entry;

    fls_assert(number < dictionary->cnt);
    entry = &dictionary->entries[number];
    return (struct fls_span){dictionary->bytes + entry->at, entry->sz};
}

/* The slot of the text or the free one where it belongs. */
static uint32_t find_slot(const struct fls_dictionary *dictionary, struct fls_span text,
                          uint32_t hash)
{
    uint32_t at = hash & dictionary->slots.mask;

    for (;; at = (at + 1) & dictionary->slots.mask) {
        uint64_t slot = dictionary->slots.at[at];

        if (slot == 0)
            return at;
        if (fls_slot_hash(slot) == hash &&
            fls_span_equal(fls_dictionary_text(dictionary, fls_slot_number(slot)), text))
            return at;
    }
}

static void grow_entries(struct fls_dictionary *dictionary)
{
    uint32_t max = dictionary->max ? dictionary->max * 2 : ENTRIES_FIRST;

    fls_assert(max > dictionary->max);
    dictionary->entries =
        fls_pages_resize(dictionary->entries, entries_sz(dictionary->max), entries_sz(max));
    fls_slots_grow(&dictionary->slots, max);
    dictionary->max = max;
}

static void append_bytes(struct fls_dictionary *dictionary, struct fls_span text)
{
    uint64_t max = dictionary->bytes_max ? dictionary->bytes_max : FLS_PAGE_SZ;

    while (max - dictionary->bytes_sz < text.sz)
        max *= 2;
    if (max != dictionary->bytes_max)
        dictionary->bytes = fls_pages_resize(dictionary->bytes, dictionary->bytes_max, max);
    dictionary->bytes_max = max;
    if (text.sz)
        memcpy(dictionary->bytes + dictionary->bytes_sz, text.at, text.sz);
    dictionary->bytes_sz += text.sz;
}

uint32_t fls_dictionary_intern_hashed(struct fls_dictionary *dictionary, struct fls_span text,
                                      uint32_t hash, bool *is_new)
{
    uint32_t at;

    if (dictionary->cnt == dictionary->max)
        grow_entries(dictionary);
    at = find_slot(dictionary, text, hash);
    *is_new = dictionary->slots.at[at] == 0;
    if (!*is_new)
        return fls_slot_number(dictionary->slots.at[at]);
    dictionary->entries[dictionary->cnt] = (struct fls_dictionary_entry){
        .at = dictionary->bytes_sz, .sz = (uint32_t)text.sz, .hash = hash};
    append_bytes(dictionary, text);
    dictionary->slots.at[at] = fls_slot_make(hash, dictionary->cnt);
    return dictionary->cnt++;
}

uint32_t fls_dictionary_intern(struct fls_dictionary *dictionary, struct fls_span text)
{
    bool is_new;

    return fls_dictionary_intern_hashed(dictionary, text, fls_dictionary_hash(text), &is_new);
}

bool fls_dictionary_find(const struct fls_dictionary *dictionary, struct fls_span text,
                         uint32_t *number)
{
    uint64_t slot;

    if (dictionary->cnt == 0)
        return false;
    slot = dictionary->slots.at[find_slot(dictionary, text, fls_dictionary_hash(text))];
    if (slot == 0)
        return false;
    *number = fls_slot_number(slot);
    return true;
}

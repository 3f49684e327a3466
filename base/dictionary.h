/* Byte strings interned once: each distinct string has a number, dense from 0 in order of first
 * appearance. Used for symbols (text) and combinations of attributes.
 * Strings may hold any bytes and be empty. */
#pragma once

#include "base/slots.h"
#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fls_dictionary_entry {
    uint64_t at; /* offset in bytes[] */
    uint32_t sz;
    uint32_t hash;
};

struct fls_dictionary {
    struct fls_dictionary_entry *entries; /* entries[0..cnt) */
    uint8_t *bytes;
    struct fls_slots slots;
    uint64_t bytes_sz, bytes_max;
    uint32_t cnt, max;
};

/* A zeroed struct fls_dictionary is an empty one. Frees what it holds and makes it so again. */
void fls_dictionary_fini(struct fls_dictionary *dictionary);
/* Empties it but keeps its pages. */
void fls_dictionary_clear(struct fls_dictionary *dictionary);
uint64_t fls_dictionary_bytes(const struct fls_dictionary *dictionary);

uint32_t fls_dictionary_hash(struct fls_span text);
/* The number of the text, which is added if it is new. */
uint32_t fls_dictionary_intern(struct fls_dictionary *dictionary, struct fls_span text);
/* The same with the text's hash; *is_new says whether it was added. */
uint32_t fls_dictionary_intern_hashed(struct fls_dictionary *dictionary, struct fls_span text,
                                      uint32_t hash, bool *is_new);
/* True and the number if the text is there. */
bool fls_dictionary_find(const struct fls_dictionary *dictionary, struct fls_span text,
                         uint32_t *number);
/* The text of a number below cnt; valid until the next intern. */
struct fls_span fls_dictionary_text(const struct fls_dictionary *dictionary, uint32_t number);

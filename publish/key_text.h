/* The text of a row's key, as reports show it. `symbols` are the texts that numbers of symbols in
 * the key mean. */
#pragma once

#include "base/ip.h"
#include "base/tables.h"
#include "shm/part_row.h"

/* The most bytes that the key takes. */
size_t fls_key_text_max(const struct fls_part_key *key, enum fls_table_key kind,
                        const struct fls_span *symbols);
/* Writes the text (no NUL) and returns its size. */
size_t fls_key_text(const struct fls_part_key *key, enum fls_table_key kind,
                    const struct fls_span *symbols, char *out);
/* The first 8 bytes of the text as a number that compares as they do (shorter texts are filled up
 * with zeros), without writing it where that is cheap. */
uint64_t fls_key_text_prefix(const struct fls_part_key *key, enum fls_table_key kind,
                             const struct fls_span *symbols);
/* Order of two keys by the bytes of their texts. */
int fls_key_text_compare(const struct fls_part_key *a, const struct fls_part_key *b,
                         enum fls_table_key kind, const struct fls_span *symbols);
/* The address that two members of a key spell. */
struct fls_ip fls_key_address(uint64_t high, uint64_t low, bool is_ipv6);

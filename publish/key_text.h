/* The text of a row's key, as reports show it. */
#pragma once

#include "base/day.h"
#include "base/ip.h"

/* The most bytes that the key takes. */
size_t fls_key_text_max(const struct fls_key *key, enum fls_table_key kind,
                        const struct fls_names *names);
/* Writes the text (no NUL) and returns its size. */
size_t fls_key_text(const struct fls_key *key, enum fls_table_key kind,
                    const struct fls_names *names, char *out);
/* The first 8 bytes of the text as a number that compares as they do (shorter texts are filled up
 * with zeros), without writing it where that is cheap. */
uint64_t fls_key_text_prefix(const struct fls_key *key, enum fls_table_key kind,
                             const struct fls_names *names);
/* Order of two keys by the bytes of their texts. */
int fls_key_text_compare(const struct fls_key *a, const struct fls_key *b, enum fls_table_key kind,
                         const struct fls_names *names);
/* The address behind a number in a key. */
struct fls_ip fls_key_address(uint32_t number, bool is_ipv6, const struct fls_names *names);

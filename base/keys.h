/* Spells the keys of keys.def. Writers and readers of the view make every key here. */
#pragma once

#include "base/span.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fls_redis_key {
#define KEY(name, pattern, type, value, meaning) FLS_REDIS_##name,
#include "base/keys.def"
#undef KEY
    FLS_REDIS_KEY_CNT
};

#define FLS_VIEW_SCHEMA 1U /* layout version of the keys */
#define FLS_NAME_DEFAULT "default"
#define FLS_NAME_MAX 64U       /* bytes of a deployment's name: letters, digits, `.`, `_`, `-` */
#define FLS_ACCOUNT_MAX 65536U /* bytes of an account's text at most (a line's limit) */

/* What stands for the words of a pattern; those that a pattern does not use are ignored. */
struct fls_key_parts {
    const char *name;
    uint32_t day;
    const char *account; /* printable text of the account; NULL for the organisation */
    const char *table;
};

/* 1..FLS_NAME_MAX bytes of the letters above: nothing that a glob pattern or a hash tag minds. */
bool fls_name_is_valid(const char *name);
/* Writes as much of the key as fits, with a NUL, and returns the length of the whole. Different
 * parts make different keys, whatever the account's text is. */
size_t fls_key_format(char *out, size_t out_max, enum fls_redis_key key,
                      const struct fls_key_parts *parts);
/* The key as a string of its own (to be freed), never NULL. */
char *fls_key_make(enum fls_redis_key key, const struct fls_key_parts *parts);

/* The tables of tables.def as enums and one description each. */
#pragma once

#include <stdint.h>

enum fls_table_id {
#define TABLE(name, text, size, key) FLS_TABLE_##name,
#include "base/tables.def"
#undef TABLE
    FLS_TABLE_CNT
};

enum fls_attribute {
#define ATTRIBUTE(name, field) FLS_ATTRIBUTE_##name,
#include "base/attributes.def"
#undef ATTRIBUTE
    FLS_ATTRIBUTE_CNT
};

enum fls_table_size { FLS_SIZE_FEW, FLS_SIZE_TOP };

enum fls_table_key {
    FLS_KEY_NONE,
    FLS_KEY_MINUTE,
    FLS_KEY_PROTOCOL,
    FLS_KEY_ADDRESS,
    FLS_KEY_PORT,
    FLS_KEY_CONVERSATION,
    FLS_KEY_ATTRIBUTE
};

/* A FEW table with more rows than this is cut to its top rows like a TOP table. */
#define FLS_FEW_ROWS_MAX 4096U

struct fls_table_info {
    const char *name; /* as users and Redis know it */
    enum fls_table_size size;
    enum fls_table_key key;
};

extern const struct fls_table_info fls_tables[FLS_TABLE_CNT];

/* The table of an attribute: FLS_TABLE_VPC for FLS_ATTRIBUTE_VPC, and so on. */
extern const uint8_t fls_attribute_table[FLS_ATTRIBUTE_CNT];
/* The table of this name, or -1. */
int fls_table_by_name(const char *name);

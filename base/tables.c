#include "base/tables.h"

#include <string.h>

const struct fls_table_info fls_tables[FLS_TABLE_CNT] = {
#define TABLE(name, text, size, key) {text, FLS_SIZE_##size, FLS_KEY_##key},
#include "base/tables.def"
#undef TABLE
};

const uint8_t fls_attribute_table[FLS_ATTRIBUTE_CNT] = {
#define ATTRIBUTE(name, field) FLS_TABLE_##name,
#include "base/attributes.def"
#undef ATTRIBUTE
};

_Static_assert(FLS_TABLE_CNT <= UINT8_MAX, "a table's number fits the map above");

int fls_table_by_name(const char *name)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (strcmp(fls_tables[i].name, name) == 0)
            return i;
    return -1;
}

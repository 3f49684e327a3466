/* What the ledger says of a part and the segment files hold of it. */
#pragma once

#include <stdint.h>

/* Part of a segment file that holds rows of one day. */
struct fls_part {
    uint64_t segment; /* file segments/NUMBER.seg */
    uint32_t day;
    uint64_t offset, size; /* bytes of the part in the file */
    uint64_t sum;          /* XXH3-64 of them */
};

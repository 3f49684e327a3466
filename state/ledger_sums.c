#include "state/ledger_private.h"

#include <string.h>

void fls_ledger_list_sums(struct fls_ledger_sum sums[static FLS_LEDGER_SUM_CNT], uint64_t *objects,
                          struct fls_line_counts *counts)
{
    const struct fls_ledger_sum fixed[] = {
        {"objects", objects},          {"bytes_read", &counts->bytes_read},
        {"bytes", &counts->bytes},     {"lines", &counts->lines},
        {"headers", &counts->headers}, {"records", &counts->records},
        {"nodata", &counts->nodata},   {"skipdata", &counts->skipdata}};

    _Static_assert(sizeof(fixed) / sizeof(fixed[0]) + FLS_REASON_CNT == FLS_LEDGER_SUM_CNT,
                   "all are listed");
    memcpy(sums, fixed, sizeof(fixed));
    /* Malformed lines stand under their reason's own name, which is none of the fixed ones. */
    for (int i = 0; i < FLS_REASON_CNT; i++)
        sums[FLS_LEDGER_SUM_CNT - FLS_REASON_CNT + i] =
            (struct fls_ledger_sum){fls_reason_name[i], &counts->malformed[i]};
}

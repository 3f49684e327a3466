/* Memory in whole pages: zeroed, page-aligned, resized in place where the kernel can, with huge
 * pages asked for where they pay (not on a machine where they turn out to be dear). A process that
 * cannot get memory ends with a message: there is nothing it could do without its tables, and the
 * last commit stands. */
#pragma once

#include <stddef.h>

#define FLS_PAGE_SZ 4096U
#define FLS_HUGE_PAGE_SZ (2U << 20)
#define FLS_EXIT_NO_MEMORY 71 /* EX_OSERR of sysexits.h: status of a process that got none */

/* So many bytes in whole pages. */
static inline size_t fls_pages_sz(size_t sz)
{
    return (sz + FLS_PAGE_SZ - 1) / FLS_PAGE_SZ * FLS_PAGE_SZ;
}

/* Resizes a region (NULL and 0: none yet) to new_sz bytes, a multiple of FLS_PAGE_SZ; new bytes are
 * 0. Never NULL unless new_sz is 0. */
void *fls_pages_resize(void *region, size_t old_sz, size_t new_sz);

#include "base/pages.h"

#include "base/assert.h"
#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *fls_pages_resize(void *region, size_t old_sz, size_t new_sz)
{
    void *resized;

    fls_assert(old_sz % FLS_PAGE_SZ == 0 && new_sz % FLS_PAGE_SZ == 0);
    if (new_sz == 0) {
        if (region)
            fls_assert(munmap(region, old_sz) == 0);
        return NULL;
    }
    if (region)
        resized = mremap(region, old_sz, new_sz, MREMAP_MAYMOVE);
    else
        resized = mmap(NULL, new_sz, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (resized == MAP_FAILED) {
        fls_log_error("no memory for %zu bytes of tables: %s", new_sz, strerror(errno));
        exit(FLS_EXIT_NO_MEMORY);
    }
    if (new_sz >= 2UL * FLS_HUGE_PAGE_SZ)
        madvise(resized, new_sz, MADV_HUGEPAGE); /* advice only: refusal changes nothing */
    return resized;
}

void fls_pages_release(void *region, size_t from, size_t to)
{
    from = (from + FLS_PAGE_SZ - 1) / FLS_PAGE_SZ * FLS_PAGE_SZ;
    fls_assert(to % FLS_PAGE_SZ == 0);
    if (from < to)
        fls_assert(madvise((char *)region + from, to - from, MADV_DONTNEED) == 0);
}

void fls_pages_forget(const void *from, const void *to)
{
    uintptr_t begin = (uintptr_t)from / FLS_PAGE_SZ * FLS_PAGE_SZ;
    uintptr_t end = (uintptr_t)to / FLS_PAGE_SZ * FLS_PAGE_SZ;

    if (begin < end) /* if it fails, the memory is held a little longer */
        madvise((void *)begin, end - begin, MADV_DONTNEED);
}

#include "base/pages.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* A kernel that has a huge page at hand clears it in 0.1 ms. On some virtual machines the host
 * looks for its memory then, small page by small page, in 4.5 ms: more than fewer misses of the TLB
 * ever give back, where 512 small pages that were in use before take 0.7 ms. */
#define DEAR_NS FLS_NS_PER_MS
#define DEAR_MAX 2U /* once may be because the process was scheduled away */

/* Advice only: refusal changes nothing. The first huge page of what is new is touched, to see what
 * one costs here; where they are dear, they are not asked for any more. */
static void ask_for_huge_pages(uint8_t *region, size_t old_sz, size_t new_sz)
{
    static uint32_t dear_cnt;
    uintptr_t from = (uintptr_t)region + old_sz + FLS_HUGE_PAGE_SZ - 1;
    volatile uint8_t *page = (uint8_t *)(from / FLS_HUGE_PAGE_SZ * FLS_HUGE_PAGE_SZ);
    uint64_t begin_ns = fls_clock_ns();

    if (dear_cnt == DEAR_MAX || madvise(region, new_sz, MADV_HUGEPAGE) != 0 ||
        (uintptr_t)page >= (uintptr_t)region + new_sz)
        return;
    *page = 0;
    if (fls_clock_ns() - begin_ns < DEAR_NS)
        return;
    dear_cnt++;
    madvise(region, new_sz, MADV_NOHUGEPAGE);
}

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
        ask_for_huge_pages(resized, old_sz, new_sz);
    return resized;
}

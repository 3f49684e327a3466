#include "base/cores.h"

#include <sched.h>

uint32_t fls_core_cnt(void)
{
    cpu_set_t cores;
    int cnt = sched_getaffinity(0, sizeof(cores), &cores) == 0 ? CPU_COUNT(&cores) : 1;

    return cnt < 1 ? 1 : (uint32_t)cnt;
}

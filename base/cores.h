/* How many cores there are for this process. */
#pragma once

#include <stdint.h>

/* Cores that the calling thread may run on (its affinity): 1 or more; 1 where the kernel does not
 * say. */
uint32_t fls_core_cnt(void);

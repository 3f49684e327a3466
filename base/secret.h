/* Random words of this process, drawn from the kernel before main: the secret of its hashes. No
 * figure depends on them. */
#pragma once

#include <stdint.h>

extern uint64_t fls_secret[4];

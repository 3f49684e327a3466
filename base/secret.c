#include "base/secret.h"

#include "base/assert.h"

#include <sys/random.h>

uint64_t fls_secret[4];

__attribute__((constructor)) static void draw(void)
{
    fls_assert(getrandom(fls_secret, sizeof(fls_secret), 0) == (ssize_t)sizeof(fls_secret));
    fls_secret[3] |= 1; /* a multiplier: odd, never 0 */
}

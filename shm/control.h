/* The control page: what the supervisor asks of everybody. The supervisor writes it, all others map
 * it read-only; after a change it rings their bells.
 *
 *   0   magic           8   epoch_wanted    16  stopping
 */
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fls_control {
    uint64_t magic;
    _Atomic uint64_t epoch_wanted; /* epochs up to this number are to be closed; the first is 1 */
    _Atomic uint32_t stopping;     /* 1: an object that takes long is given up */
};

#define FLS_CONTROL_SZ 4096U

/* Descriptor of a new page (0 or more), or -errno. */
int fls_control_create(void);
struct fls_control *fls_control_map(int fd, bool writable);
void fls_control_unmap(struct fls_control *control);

static inline uint64_t fls_control_epoch_wanted(const struct fls_control *control)
{
    return atomic_load_explicit(&control->epoch_wanted, memory_order_acquire);
}

static inline bool fls_control_stopping(const struct fls_control *control)
{
    return atomic_load_explicit(&control->stopping, memory_order_acquire) != 0;
}

#include "shm/control.h"

#include "base/assert.h"
#include "shm/region.h"

#define CONTROL_MAGIC 0x316c7274636c7366ULL /* "fslctrl1" */

static_assert(sizeof(struct fls_control) <= FLS_CONTROL_SZ, "one page");

int fls_control_create(void)
{
    int fd = fls_region_create("control", FLS_CONTROL_SZ);
    struct fls_control *control;

    if (fd < 0)
        return fd;
    control = fls_region_map(fd, FLS_CONTROL_SZ, true);
    control->magic = CONTROL_MAGIC;
    fls_region_unmap(control, FLS_CONTROL_SZ);
    return fd;
}

struct fls_control *fls_control_map(int fd, bool writable)
{
    struct fls_control *control = fls_region_map(fd, FLS_CONTROL_SZ, writable);

    fls_assert(control->magic == CONTROL_MAGIC);
    return control;
}

void fls_control_unmap(struct fls_control *control)
{
    fls_region_unmap(control, FLS_CONTROL_SZ);
}

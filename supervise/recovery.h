/* What lies between two generations of processes: what of the work is done, which object is to
 * blame, and how long to wait. */
#pragma once

#include "supervise/dispatch.h"
#include "supervise/generation.h"

#define FLS_RECOVERY_TEXT_MAX (FLS_PATH_MAX + FLS_FAILURE_TEXT_MAX + 4)

/* Generations that die in a row without a commit, until the run ends; and the pause before the next
 * one: none before the first, then this long, and twice as long each time. */
#define FLS_DEATHS_IN_A_ROW_MAX 10U
#define FLS_PAUSE_FIRST_MS 250U
#define FLS_PAUSE_LAST_MS 8000U

/* A generation has died: blames the objects that were open, if it was a fault; puts what is not
 * committed back to be read again, and the object that killed its reader alone into quarantine,
 * which `told` then says ("path: reason", else empty). *epoch: the last one committed, whether
 * publish came to tell of it or not. 0, or -errno, which the user was told. */
int fls_recover(const struct fls_options *options, struct fls_dispatch *dispatch,
                const struct fls_end *end, char told[static FLS_RECOVERY_TEXT_MAX],
                uint64_t *epoch);
/* How long to wait after this many deaths in a row. */
uint32_t fls_recovery_pause_ms(uint32_t deaths);

/* The supervisor's look into the state. */
#pragma once

#include "state/ledger.h"

#include <stdbool.h>

/* fls_ledger_open, which tells the user where it fails. 0 or -errno. */
int fls_ledger_open_or_tell(struct fls_ledger **ledger, const char *folder, bool read_only);

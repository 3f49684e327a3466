#include "supervise/open_ledger.h"

#include "base/log.h"

int fls_ledger_open_or_tell(struct fls_ledger **ledger, const char *folder, bool read_only)
{
    char text[512];
    int error = fls_ledger_open(ledger, folder, read_only, text, sizeof(text));

    if (error)
        fls_log_error("%s", text);
    return error;
}

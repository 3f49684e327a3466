#include "state/advice.h"

#include <errno.h>

const char fls_advice_damaged[] =
    "move the state folder away, or choose another with --state, and count again";
const char fls_advice_newer[] = "use that one, or choose another state folder with --state";

const char *fls_advice_for_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return "make room there and run again: all that was committed is safe";
    case EACCES:
    case EPERM:
    case EROFS:
        return "the state folder must be writable; choose another with --state";
    case ENOTDIR:
    case EISDIR:
    case EEXIST:
    case ELOOP:
        return "something else of that name is in its place: move it away, or choose another "
               "state folder with --state";
    case ENAMETOOLONG:
        return "choose another state folder with --state";
    case ENOMEM:
        return "more memory is needed";
    case EMFILE:
    case ENFILE:
        return "more open files must be allowed";
    case 0: /* SQLite did not keep it */
        return "make room on the disk that holds the state folder, or check it, and run again";
    default:
        return "check the disk that holds the state folder and run again";
    }
}

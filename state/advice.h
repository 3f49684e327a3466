/* What a failure of the state folder means for the user. */
#pragma once

/* What stands in brackets behind the failure: what to do about this errno (0: not known). */
const char *fls_advice_for_errno(int number);
/* About files that are damaged, or not of this state. */
extern const char fls_advice_damaged[];
/* About files that a newer flowlog-stats wrote. */
extern const char fls_advice_newer[];

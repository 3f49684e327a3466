#include "base/object.h"

const char *const fls_reason_name[FLS_REASON_CNT] = {
#define REASON(name, text, explanation) [FLS_REASON_##name] = text,
#include "base/reasons.def"
#undef REASON
};

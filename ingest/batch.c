#include "ingest/batch.h"

#include "base/assert.h"
#include "ingest/line.h"

void fls_runs_split(const struct fls_text_runs *runs, const struct fls_run *run,
                    const uint8_t *window, struct fls_span text[static FLS_ATTRIBUTE_CNT])
{
    struct fls_span rest = FLS_SPAN(""), token;
    uint32_t next = 0;

    for (uint32_t k = 0; k < FLS_ATTRIBUTE_CNT; k++)
        text[k] = FLS_SPAN("");
    for (uint32_t i = 0; i < runs->text_cnt; i++) {
        if (!fls_line_token(&rest, &token)) {
            fls_assert(next < runs->cnt);
            rest = (struct fls_span){window + run[next].at, run[next].sz};
            next++;
            fls_assert(fls_line_token(&rest, &token));
        }
        if (runs->attribute[i] != FLS_NO_ATTRIBUTE && !fls_span_equal(token, FLS_SPAN("-")))
            text[runs->attribute[i]] = token;
    }
    fls_assert(next == runs->cnt && rest.sz == 0);
}

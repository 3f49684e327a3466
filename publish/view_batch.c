#include "publish/view_private.h"

void fls_view_batch_start(struct fls_view *view, const char *command, struct fls_span key)
{
    fls_wire_command(&view->wire, command);
    if (key.sz)
        fls_wire_argument(&view->wire, key);
    view->batch_fixed = view->wire.argc;
    view->scratch.sz = 0;
}

int fls_view_batch_end(struct fls_view *view)
{
    return view->wire.argc > view->batch_fixed ? fls_wire_send(&view->wire) : 0;
}

int fls_view_batch_room(struct fls_view *view, size_t sz)
{
    bool is_full = view->wire.argc + 2 > view->batch_fixed + (int)(2 * FLS_VIEW_PAIRS_MAX);
    int status = 0;

    if (is_full || view->scratch.max - view->scratch.sz < sz) {
        status = fls_view_batch_end(view);
        view->wire.argc = view->batch_fixed;
        view->scratch.sz = 0;
        fls_view_text_reserve(&view->scratch, sz > FLS_VIEW_SCRATCH_SZ ? sz : FLS_VIEW_SCRATCH_SZ);
    }
    return status;
}

int fls_view_batch_member(struct fls_view *view, struct fls_span member)
{
    int status = fls_view_batch_room(view, member.sz);
    size_t from = view->scratch.sz;

    fls_view_text_put(&view->scratch, member);
    fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
    return status;
}

int fls_view_batch_pair(struct fls_view *view, struct fls_span field, struct fls_span value)
{
    int status = fls_view_batch_room(view, field.sz + value.sz);
    size_t from = view->scratch.sz;

    fls_view_text_put(&view->scratch, field);
    fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
    from = view->scratch.sz;
    fls_view_text_put(&view->scratch, value);
    fls_wire_argument(&view->wire, fls_view_text_since(&view->scratch, from));
    return status;
}

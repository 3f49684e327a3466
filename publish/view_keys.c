#include "publish/view_private.h"

#include "base/assert.h"

const struct fls_key_parts fls_view_no_parts;

struct fls_span fls_view_live_key(struct fls_view *view, enum fls_redis_key key,
                                  struct fls_key_parts parts)
{
    parts.name = view->name;
    view->live.sz = fls_key_format(view->live.at, view->live.max, key, &parts);
    if (view->live.sz >= view->live.max) {
        fls_view_text_reserve(&view->live, view->live.sz + 1);
        fls_key_format(view->live.at, view->live.max, key, &parts);
    }
    return fls_view_text_since(&view->live, 0);
}

struct fls_span fls_view_staged_key(struct fls_view *view, enum fls_redis_key key,
                                    struct fls_key_parts parts)
{
    struct fls_span live = fls_view_live_key(view, key, parts);

    fls_view_text_reserve(&view->staged, live.sz + strlen(FLS_VIEW_STAGE) + FLS_VIEW_NUMBER_MAX);
    view->staged.sz = 0;
    fls_view_text_put(&view->staged, (struct fls_span){live.at, view->prefix_sz});
    fls_view_text_put(&view->staged, FLS_SPAN(FLS_VIEW_STAGE));
    fls_view_text_put_number(&view->staged, view->incarnation);
    fls_view_text_put(&view->staged, FLS_SPAN(":"));
    fls_view_text_put(&view->staged,
                      (struct fls_span){live.at + view->prefix_sz, live.sz - view->prefix_sz});
    return fls_view_text_since(&view->staged, 0);
}

struct fls_key_parts fls_view_slot_parts(const struct fls_view_slot *slot, uint32_t day,
                                         const char *account)
{
    return (struct fls_key_parts){.day = day,
                                  .account = account,
                                  .table = slot->table < 0 ? NULL : fls_tables[slot->table].name};
}

static void add_slot(struct fls_view *view, enum fls_redis_key key, int table)
{
    fls_assert(view->slot_cnt < FLS_VIEW_SLOTS_MAX);
    view->slots[view->slot_cnt++] = (struct fls_view_slot){key, table};
}

void fls_view_list_slots(struct fls_view *view)
{
    add_slot(view, FLS_REDIS_FEW, -1);
    add_slot(view, FLS_REDIS_FACTS, -1);
    add_slot(view, FLS_REDIS_EXTERNAL_SOURCES, -1);
    add_slot(view, FLS_REDIS_OWN_ADDRESSES, -1);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        if (fls_tables[i].size == FLS_SIZE_TOP) {
            add_slot(view, FLS_REDIS_TOP, i);
            add_slot(view, FLS_REDIS_TOP_BY_BYTES, i);
        }
}

/* A day's figures as texts for the view: chooses the rows, names the keys, counts unique
 * addresses, and puts one scope after the other. */
#pragma once

#include "publish/parts.h"
#include "publish/view.h"

/* Puts the organisation and every account of the day, or only the organisation and the accounts
 * that the new parts changed, in groups for which it takes bytes_max of memory, or what one scope
 * needs (docs/MEMORY.md); each group is a pass over the day. 0; what the view answered; or -EUCLEAN
 * and parts->failure, if a part is damaged. */
int fls_present_day(struct fls_view *view, struct fls_parts *parts, uint32_t top_k,
                    bool only_changed, uint64_t bytes_max);

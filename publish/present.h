/* A day's figures as texts for the view: chooses the rows, names the keys, counts unique
 * addresses, and puts one scope after the other. */
#pragma once

#include "publish/fold.h"
#include "publish/view.h"

/* Puts the organisation and every account of the day, or only the scopes that its newest segments
 * changed, in groups for which it takes bytes_max of memory beside the day, or what one scope needs
 * (docs/MEMORY.md). 0 or what the view answered. */
int fls_present_day(struct fls_view *view, const struct fls_fold_day *day, uint32_t top_k,
                    bool only_changed, uint64_t bytes_max);

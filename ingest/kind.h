/* What an object, or the text inside it, is by its first bytes. Inside ingest/text only. */
#pragma once

#include "base/span.h"

#include <stdbool.h>

/* First bytes that decide everything but JSON; less only if there are no more. */
#define FLS_KIND_SZ 16U

enum fls_packing { FLS_PACKING_NONE, FLS_PACKING_GZIP, FLS_PACKING_ZSTD };

/* How the bytes are packed. With is_all, `first` is the whole object: then the mere beginning of
 * gzip's or zstd's magic counts too, as an object that was cut short. */
enum fls_packing fls_packing_of(struct fls_span first, bool is_all);
/* What text beginning with these bytes really is, if it cannot be flow logs (a noun for people), or
 * NULL. `packing` is what they were unpacked from. */
const char *fls_kind_refused(struct fls_span first, enum fls_packing packing);
/* Position of the first byte that is not blank, not the end of a line and not a byte order mark;
 * first.sz if there is none. */
size_t fls_kind_skip_blank(struct fls_span first);
/* True if text whose first byte that is not blank is this one is JSON. */
bool fls_kind_is_json(uint8_t first);

/* "Turn blocks into text": the decompressed bytes of one object at a time, as windows that begin
 * where the caller stopped. Tells the codec by the first bytes, never by the name; follows all gzip
 * members and all zstd frames; names what is wrong.
 *
 * The window lies in one buffer that is used again and again, so that text is parsed while it is
 * still in the cache. */
#pragma once

#include "base/object.h"
#include "base/span.h"
#include "ingest/reader.h"

#include <stdbool.h>

#define FLS_TEXT_CHUNK_SZ (128U << 10) /* new bytes of one window at most */
#define FLS_TEXT_TAKE_SZ                                                                           \
    (16U << 20) /* bytes of the object for one window, and a block, at most                        \
                 */

/* Both give the same text of every good object, and the same failure of every truncated one. Of an
 * object damaged in its Huffman codes zlib may say so where ISA-L reads on: to the checksum, to the
 * end (then it is "cut short"), or, if the damage did not matter, to the text. */
enum fls_inflate { FLS_INFLATE_ISAL, FLS_INFLATE_ZLIB };

enum fls_text_status {
    FLS_TEXT_MORE,  /* there is more; the window may hold new bytes */
    FLS_TEXT_END,   /* the window is the rest of the object, which is whole and verified */
    FLS_TEXT_FAILED /* the object is damaged, refused or unreadable: fls_text_failure says why */
};

struct fls_text;

/* 0 or -ENOMEM. */
int fls_text_new(struct fls_text **text, enum fls_inflate inflate);
void fls_text_free(struct fls_text *text);
/* Begins with the oldest object of the reader (which the caller finishes afterwards). */
void fls_text_begin(struct fls_text *text, struct fls_reader *reader);
/* The bytes not yet consumed, with new ones behind them: FLS_TEXT_CHUNK_SZ, what FLS_TEXT_TAKE_SZ
 * bytes of the object bring, or what is left. That may be none: members may be empty, and frames
 * skippable, without end, and the caller is not to be deaf meanwhile. The window is valid until the
 * next call of this or of fls_text_begin, and is followed by FLS_WINDOW_PADDING readable bytes. If
 * the caller consumed nothing of a window of FLS_WINDOW_MIN bytes or more, that is a programming
 * error. */
enum fls_text_status fls_text_read(struct fls_text *text, struct fls_span *window);
void fls_text_consume(struct fls_text *text, size_t sz);
/* Decompressed bytes and bytes read of the object so far. */
uint64_t fls_text_bytes(const struct fls_text *text);
uint64_t fls_text_bytes_read(const struct fls_text *text);
/* Bytes after the last member or frame that are not padding, 0 if none. After FLS_TEXT_END. */
uint64_t fls_text_trailing(const struct fls_text *text);
/* Why the object failed: one line for people, stable for the same bytes. */
const char *fls_text_failure(const struct fls_text *text);

/* Between fls_text and the codecs: bytes as they are on disk in, text out, piece by piece, for one
 * object at a time. A codec is made once and begun anew for each object. Inside ingest/text only.
 *
 * Failures are one line each, and the same for the same bytes, however they are cut into pieces. */
#pragma once

#include "base/object.h"
#include "base/span.h"
#include "ingest/text.h"

#include <stdbool.h>

/* What a step may use. It takes from the front of `in` and appends at `out`, and moves both.
 * Neither address is NULL. */
struct fls_codec_io {
    struct fls_span in;
    uint8_t *out;
    size_t out_sz;
    bool is_last; /* nothing follows `in` */
};

enum fls_codec_status {
    FLS_CODEC_MORE, /* `in` is used up, or `out` is full */
    FLS_CODEC_END,  /* the object is whole and verified */
    FLS_CODEC_FAILED
};

struct fls_codec {
    void (*begin)(void *state);
    enum fls_codec_status (*step)(void *state, struct fls_codec_io *io);
    /* After END: bytes after the last member or frame that are not padding. */
    uint64_t (*trailing)(const void *state);
    /* After FAILED: why. */
    const char *(*failure)(const void *state);
};

extern const struct fls_codec fls_codec_plain, fls_codec_gzip, fls_codec_zstd;

/* Each returns the state, or NULL without memory. Plain text needs none. */
void *fls_gzip_new(enum fls_inflate inflate);
void fls_gzip_free(void *state);
void *fls_zstd_new(void);
void fls_zstd_free(void *state);

/* Raw deflate, by one library or another. */
enum fls_inflate_status {
    FLS_INFLATE_MORE,   /* `in` is used up, or `out` is full */
    FLS_INFLATE_END,    /* the stream ended; see unread */
    FLS_INFLATE_DAMAGED /* not deflate */
};

#define FLS_INFLATE_UNREAD_MAX 8U

struct fls_inflater {
    void *(*create)(void); /* NULL without memory */
    void (*destroy)(void *state);
    void (*reset)(void *state);
    /* Precondition: out_sz > 0. */
    enum fls_inflate_status (*step)(void *state, struct fls_codec_io *io);
    /* After END: bytes that were taken from `in`, now or in a step before, but lie behind the end
     * of the stream. Returns how many. */
    uint32_t (*unread)(void *state, uint8_t bytes[static FLS_INFLATE_UNREAD_MAX]);
    /* CRC-32 as gzip has it, continued from `crc` (0 at the beginning). */
    uint32_t (*crc32)(uint32_t crc, const uint8_t *at, size_t sz);
};

extern const struct fls_inflater fls_inflater_isal, fls_inflater_zlib;

/* zstd: frames one after another, compressed (28 b5 2f fd ...) or skippable (5x 2a 4d 18, a size of
 * 4 bytes, that many bytes), and after the last of them nothing, zeros (padding), or bytes that are
 * none of it (trailing).
 *
 * The magic is read here, not by the library, which then gets it by itself, and the header after it
 * byte by byte: so it never sees a frame whole and always takes the same way, whatever the pieces
 * are. (Of a header that comes in pieces it looks whether the last one is a frame by itself, and
 * would take that one: a header can be made to look so.) */
#include "ingest/codec.h"

#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define MAGIC_SZ 4U
#define HEADER_SZ_MAX 14U /* after the magic: 1 + 1 + 4 + 8 */
#define WINDOW_LOG_MAX 27 /* 128 MiB, what `zstd -d` allows as well */

enum state {
    MAGIC, /* of the next frame, perhaps */
    SKIP_SZ,
    SKIP,
    DATA,
    PADDING,
    TRAILING
};

enum turn { TURN_AGAIN, TURN_STUCK, TURN_FAILED };

struct zstd {
    ZSTD_DCtx *context;
    enum state state;
    uint8_t held[MAGIC_SZ]; /* of a magic or a size */
    uint32_t held_cnt;
    uint32_t skip_left;
    uint32_t header_left; /* bytes that may still be of the frame's header */
    uint64_t frame;       /* from 1 */
    uint64_t after;       /* bytes after the last frame */
    char failure[FLS_FAILURE_TEXT_MAX];
};

void *fls_zstd_new(void)
{
    struct zstd *zstd = calloc(1, sizeof(*zstd));

    if (!zstd)
        return NULL;
    zstd->context = ZSTD_createDCtx();
    if (!zstd->context) {
        free(zstd);
        return NULL;
    }
    size_t result = ZSTD_DCtx_setParameter(zstd->context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    fls_assert(!ZSTD_isError(result));
    return zstd;
}

void fls_zstd_free(void *context)
{
    struct zstd *zstd = context;

    if (zstd)
        ZSTD_freeDCtx(zstd->context);
    free(zstd);
}

static void begin(void *context)
{
    struct zstd *zstd = context;

    zstd->state = MAGIC;
    zstd->held_cnt = 0;
    zstd->frame = 0;
    zstd->after = 0;
    zstd->failure[0] = '\0';
}

static enum turn fail(struct zstd *zstd, const char *what)
{
    snprintf(zstd->failure, sizeof(zstd->failure), "zstd: frame %llu %s",
             (unsigned long long)zstd->frame, what);
    return TURN_FAILED;
}

static enum turn fail_by_library(struct zstd *zstd, size_t result)
{
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return fail(zstd, "needs a window of more than 128 MiB");
    case ZSTD_error_dictionary_wrong:
        return fail(zstd, "needs a dictionary");
    case ZSTD_error_memory_allocation:
        return fail(zstd, "needs more memory than there is");
    default:
        return fail(zstd, "is damaged (its data or its checksum)");
    }
}

static bool begins_skippable(const uint8_t *at, size_t sz)
{
    static const uint8_t rest[3] = {0x2a, 0x4d, 0x18};

    return sz > 0 && (at[0] & 0xf0) == 0x50 && memcmp(at + 1, rest, sz - 1) == 0;
}

static bool begins_frame(const uint8_t *at, size_t sz)
{
    static const uint8_t magic[MAGIC_SZ] = {0x28, 0xb5, 0x2f, 0xfd};

    return sz > 0 && memcmp(at, magic, sz) == 0;
}

static enum turn turn_to_data(struct zstd *zstd)
{
    ZSTD_inBuffer in = {zstd->held, MAGIC_SZ, 0};
    ZSTD_outBuffer out = {NULL, 0, 0};

    zstd->state = DATA;
    zstd->header_left = HEADER_SZ_MAX;
    ZSTD_DCtx_reset(zstd->context, ZSTD_reset_session_only);
    size_t result = ZSTD_decompressStream(zstd->context, &out, &in);
    if (ZSTD_isError(result))
        return fail_by_library(zstd, result);
    fls_assert(in.pos == in.size);
    return TURN_AGAIN;
}

static enum turn turn_magic(struct zstd *zstd, struct fls_codec_io *io)
{
    while (io->in.sz > 0) {
        if (zstd->held_cnt == 0 && zstd->frame > 0 && *io->in.at == 0) {
            zstd->state = PADDING;
            return TURN_AGAIN;
        }
        if (zstd->held_cnt == 0)
            zstd->frame++;
        zstd->held[zstd->held_cnt++] = *io->in.at++;
        io->in.sz--;
        bool is_frame = begins_frame(zstd->held, zstd->held_cnt);
        if (!is_frame && !begins_skippable(zstd->held, zstd->held_cnt)) {
            zstd->after = zstd->held_cnt;
            zstd->state = TRAILING;
            return TURN_AGAIN;
        }
        if (zstd->held_cnt == MAGIC_SZ) {
            zstd->held_cnt = 0;
            zstd->state = SKIP_SZ;
            return is_frame ? turn_to_data(zstd) : TURN_AGAIN;
        }
    }
    return TURN_STUCK;
}

static enum turn turn_skip_sz(struct zstd *zstd, struct fls_codec_io *io)
{
    while (io->in.sz > 0 && zstd->held_cnt < MAGIC_SZ) {
        zstd->held[zstd->held_cnt++] = *io->in.at++;
        io->in.sz--;
    }
    if (zstd->held_cnt < MAGIC_SZ)
        return TURN_STUCK;
    zstd->skip_left = (uint32_t)zstd->held[0] | (uint32_t)zstd->held[1] << 8 |
                      (uint32_t)zstd->held[2] << 16 | (uint32_t)zstd->held[3] << 24;
    zstd->state = SKIP;
    return TURN_AGAIN;
}

static enum turn turn_skip(struct zstd *zstd, struct fls_codec_io *io)
{
    size_t sz = io->in.sz < zstd->skip_left ? io->in.sz : zstd->skip_left;

    io->in.at += sz;
    io->in.sz -= sz;
    zstd->skip_left -= (uint32_t)sz;
    if (zstd->skip_left > 0)
        return TURN_STUCK;
    zstd->held_cnt = 0;
    zstd->state = MAGIC;
    return TURN_AGAIN;
}

static enum turn turn_data(struct zstd *zstd, struct fls_codec_io *io)
{
    ZSTD_inBuffer in = {io->in.at, io->in.sz, 0};
    ZSTD_outBuffer out = {io->out, io->out_sz, 0};

    if (zstd->header_left > 0 && in.size > 0)
        in.size = 1;
    size_t result = ZSTD_decompressStream(zstd->context, &out, &in);
    zstd->header_left -= zstd->header_left > 0 ? (uint32_t)in.pos : 0;
    io->in.at += in.pos;
    io->in.sz -= in.pos;
    io->out += out.pos;
    io->out_sz -= out.pos;
    if (ZSTD_isError(result))
        return fail_by_library(zstd, result);
    if (result == 0) {
        zstd->held_cnt = 0;
        zstd->state = MAGIC;
        return TURN_AGAIN;
    }
    bool is_getting_on = in.pos > 0 || out.pos > 0;
    return is_getting_on && io->in.sz > 0 && io->out_sz > 0 ? TURN_AGAIN : TURN_STUCK;
}

static enum turn turn_after(struct zstd *zstd, struct fls_codec_io *io)
{
    while (io->in.sz > 0) {
        if (*io->in.at != 0)
            zstd->state = TRAILING;
        zstd->after++;
        io->in.at++;
        io->in.sz--;
    }
    return TURN_STUCK;
}

static enum turn turn(struct zstd *zstd, struct fls_codec_io *io)
{
    switch (zstd->state) {
    case MAGIC:
        return turn_magic(zstd, io);
    case SKIP_SZ:
        return turn_skip_sz(zstd, io);
    case SKIP:
        return turn_skip(zstd, io);
    case DATA:
        return turn_data(zstd, io);
    case PADDING:
    case TRAILING:
        return turn_after(zstd, io);
    }
    fls_assert(!"a state of zstd");
}

static enum fls_codec_status step(void *context, struct fls_codec_io *io)
{
    struct zstd *zstd = context;
    enum turn result;

    do
        result = turn(zstd, io);
    while (result == TURN_AGAIN);
    if (result == TURN_FAILED)
        return FLS_CODEC_FAILED;
    if (!io->is_last || io->in.sz > 0)
        return FLS_CODEC_MORE;
    if (zstd->state >= PADDING || (zstd->state == MAGIC && zstd->held_cnt == 0))
        return FLS_CODEC_END;
    if (zstd->state == DATA && io->out_sz == 0)
        return FLS_CODEC_MORE; /* what was taken in may hold more text */
    fail(zstd, "is cut short");
    return FLS_CODEC_FAILED;
}

static uint64_t trailing(const void *context)
{
    const struct zstd *zstd = context;

    return zstd->state == TRAILING ? zstd->after : 0;
}

static const char *failure(const void *context)
{
    return ((const struct zstd *)context)->failure;
}

const struct fls_codec fls_codec_zstd = {begin, step, trailing, failure};

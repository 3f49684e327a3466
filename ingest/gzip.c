/* gzip after RFC 1952: members one after another, each
 *
 *   1f 8b CM FLG MTIME(4) XFL OS │ EXTRA │ NAME │ COMMENT │ HCRC(2) │ deflate │ CRC32 ISIZE
 *   └ 10 bytes, always           └ each only if its bit is set in FLG          └ 4 bytes each
 *
 * and after the last of them nothing, zeros (padding), or bytes that are none of it (trailing). */
#include "ingest/codec.h"

#include "base/assert.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define HEADER_SZ 10U
#define TRAILER_SZ 8U
#define MAGIC_1 0x1f
#define MAGIC_2 0x8b
#define METHOD_DEFLATE 8
#define FLAG_HCRC 0x02
#define FLAG_EXTRA 0x04
#define FLAG_NAME 0x08
#define FLAG_COMMENT 0x10
#define FLAGS_RESERVED 0xe0

enum state {
    BETWEEN, /* members, or before the first */
    HEADER,
    EXTRA_SZ,
    EXTRA,
    NAME,
    COMMENT,
    HEADER_CRC,
    DATA,
    TRAILER,
    PADDING,
    TRAILING
};

/* What one turn of the machine brought. */
enum turn { TURN_AGAIN, TURN_STUCK, TURN_FAILED };

struct gzip {
    const struct fls_inflater *inflater;
    void *inflate;
    enum state state;
    uint8_t flags;
    uint8_t held[HEADER_SZ]; /* the beginning of something with a fixed length */
    uint32_t held_cnt;
    uint32_t extra_left;
    uint32_t crc;    /* of the header, then of the data */
    uint32_t isize;  /* bytes of this member's data, modulo 2^32 as in the trailer */
    uint64_t member; /* from 1 */
    uint64_t after;  /* bytes after the last member */
    char failure[FLS_FAILURE_TEXT_MAX];
};

void *fls_gzip_new(enum fls_inflate inflate)
{
    struct gzip *gzip = calloc(1, sizeof(*gzip));

    if (!gzip)
        return NULL;
    gzip->inflater = inflate == FLS_INFLATE_ZLIB ? &fls_inflater_zlib : &fls_inflater_isal;
    gzip->inflate = gzip->inflater->create();
    if (!gzip->inflate) {
        free(gzip);
        return NULL;
    }
    return gzip;
}

void fls_gzip_free(void *context)
{
    struct gzip *gzip = context;

    if (gzip)
        gzip->inflater->destroy(gzip->inflate);
    free(gzip);
}

static void begin(void *context)
{
    struct gzip *gzip = context;

    gzip->state = BETWEEN;
    gzip->held_cnt = 0;
    gzip->member = 0;
    gzip->after = 0;
    gzip->failure[0] = '\0';
}

static enum turn fail(struct gzip *gzip, const char *what)
{
    snprintf(gzip->failure, sizeof(gzip->failure), "gzip: member %llu %s",
             (unsigned long long)gzip->member, what);
    return TURN_FAILED;
}

/* One text for whatever is wrong inside, since libraries notice the same damage in different
 * places: one in the codes, another not before the checksum. */
static enum turn fail_damaged(struct gzip *gzip)
{
    return fail(gzip, "is damaged (its data or its checksum)");
}

static enum turn fail_truncated(struct gzip *gzip)
{
    if (gzip->state == DATA)
        return fail(gzip, "is cut short in its data");
    if (gzip->state == TRAILER)
        return fail(gzip, "is cut short in its checksum");
    return fail(gzip, "is cut short in its header");
}

static struct fls_span take(struct fls_codec_io *io, size_t sz_max)
{
    struct fls_span taken = {io->in.at, io->in.sz < sz_max ? io->in.sz : sz_max};

    io->in.at += taken.sz;
    io->in.sz -= taken.sz;
    return taken;
}

/* True once `cnt` bytes are held. */
static bool hold(struct gzip *gzip, struct fls_codec_io *io, uint32_t cnt)
{
    while (gzip->held_cnt < cnt && io->in.sz > 0)
        gzip->held[gzip->held_cnt++] = *take(io, 1).at;
    return gzip->held_cnt == cnt;
}

static void checksum(struct gzip *gzip, struct fls_span bytes)
{
    if (bytes.sz > 0)
        gzip->crc = gzip->inflater->crc32(gzip->crc, bytes.at, bytes.sz);
}

static uint32_t held_number(const struct gzip *gzip, uint32_t at, uint32_t sz)
{
    uint32_t number = 0;

    for (uint32_t i = 0; i < sz; i++)
        number |= (uint32_t)gzip->held[at + i] << (8 * i);
    return number;
}

/* Goes to the next part of the header that this member has. */
static enum turn enter_part(struct gzip *gzip, enum state part)
{
    static const uint8_t flag_of[DATA] = {[EXTRA_SZ] = FLAG_EXTRA,
                                          [NAME] = FLAG_NAME,
                                          [COMMENT] = FLAG_COMMENT,
                                          [HEADER_CRC] = FLAG_HCRC};

    while (part < DATA && !(gzip->flags & flag_of[part]))
        part++;
    gzip->state = part;
    gzip->held_cnt = 0;
    if (part == DATA) {
        gzip->inflater->reset(gzip->inflate);
        gzip->crc = 0;
        gzip->isize = 0;
    }
    return TURN_AGAIN;
}

/* The first byte after a member tells whether there may be another one. */
static enum turn turn_between(struct gzip *gzip, const struct fls_codec_io *io)
{
    if (io->in.sz == 0)
        return TURN_STUCK;
    if (*io->in.at == MAGIC_1) {
        gzip->state = HEADER;
        gzip->held_cnt = 0;
        gzip->crc = 0;
        gzip->member++;
    } else {
        gzip->state = *io->in.at == 0 ? PADDING : TRAILING;
    }
    return TURN_AGAIN;
}

static enum turn turn_header(struct gzip *gzip, struct fls_codec_io *io)
{
    bool is_whole = hold(gzip, io, HEADER_SZ);

    if (gzip->held_cnt > 1 && gzip->held[1] != MAGIC_2) {
        gzip->state = TRAILING;
        gzip->after = gzip->held_cnt;
        return TURN_AGAIN;
    }
    if (gzip->held_cnt > 2 && gzip->held[2] != METHOD_DEFLATE)
        return fail(gzip, "is compressed by an unknown method (only deflate is known)");
    if (gzip->held_cnt > 3 && (gzip->held[3] & FLAGS_RESERVED))
        return fail(gzip, "has reserved flag bits set");
    if (!is_whole)
        return TURN_STUCK;
    gzip->flags = gzip->held[3];
    checksum(gzip, (struct fls_span){gzip->held, HEADER_SZ});
    return enter_part(gzip, EXTRA_SZ);
}

static enum turn turn_extra_sz(struct gzip *gzip, struct fls_codec_io *io)
{
    if (!hold(gzip, io, 2))
        return TURN_STUCK;
    checksum(gzip, (struct fls_span){gzip->held, 2});
    gzip->extra_left = held_number(gzip, 0, 2);
    gzip->state = EXTRA;
    return TURN_AGAIN;
}

static enum turn turn_extra(struct gzip *gzip, struct fls_codec_io *io)
{
    struct fls_span part = take(io, gzip->extra_left);

    checksum(gzip, part);
    gzip->extra_left -= (uint32_t)part.sz;
    return gzip->extra_left > 0 ? TURN_STUCK : enter_part(gzip, NAME);
}

/* A name or comment: up to and with a zero. */
static enum turn turn_string(struct gzip *gzip, struct fls_codec_io *io)
{
    const uint8_t *end = io->in.sz > 0 ? memchr(io->in.at, 0, io->in.sz) : NULL;

    checksum(gzip, take(io, end ? (size_t)(end - io->in.at) + 1 : io->in.sz));
    return end ? enter_part(gzip, gzip->state + 1) : TURN_STUCK;
}

static enum turn turn_header_crc(struct gzip *gzip, struct fls_codec_io *io)
{
    if (!hold(gzip, io, 2))
        return TURN_STUCK;
    if (held_number(gzip, 0, 2) != (gzip->crc & 0xffff))
        return fail(gzip, "is damaged (its header)");
    return enter_part(gzip, DATA);
}

static enum turn turn_data(struct gzip *gzip, struct fls_codec_io *io)
{
    const uint8_t *begin_at = io->out;

    if (io->out_sz == 0)
        return TURN_STUCK;
    enum fls_inflate_status status = gzip->inflater->step(gzip->inflate, io);
    struct fls_span text = {begin_at, (size_t)(io->out - begin_at)};
    checksum(gzip, text);
    gzip->isize += (uint32_t)text.sz;
    if (status == FLS_INFLATE_DAMAGED)
        return fail_damaged(gzip);
    if (status == FLS_INFLATE_MORE)
        return TURN_STUCK;
    static_assert(FLS_INFLATE_UNREAD_MAX <= TRAILER_SZ, "what is unread belongs to the trailer");
    gzip->held_cnt = gzip->inflater->unread(gzip->inflate, gzip->held);
    gzip->state = TRAILER;
    return TURN_AGAIN;
}

static enum turn turn_trailer(struct gzip *gzip, struct fls_codec_io *io)
{
    if (!hold(gzip, io, TRAILER_SZ))
        return TURN_STUCK;
    if (held_number(gzip, 0, 4) != gzip->crc || held_number(gzip, 4, 4) != gzip->isize)
        return fail_damaged(gzip);
    gzip->state = BETWEEN;
    return TURN_AGAIN;
}

/* Zeros are counted too: should anything else follow, then all of it is trailing. */
static enum turn turn_padding(struct gzip *gzip, struct fls_codec_io *io)
{
    while (io->in.sz > 0 && *io->in.at == 0) {
        take(io, 1);
        gzip->after++;
    }
    if (io->in.sz == 0)
        return TURN_STUCK;
    gzip->state = TRAILING;
    return TURN_AGAIN;
}

static enum turn turn_trailing(struct gzip *gzip, struct fls_codec_io *io)
{
    gzip->after += take(io, io->in.sz).sz;
    return TURN_STUCK;
}

static enum turn turn(struct gzip *gzip, struct fls_codec_io *io)
{
    switch (gzip->state) {
    case BETWEEN:
        return turn_between(gzip, io);
    case HEADER:
        return turn_header(gzip, io);
    case EXTRA_SZ:
        return turn_extra_sz(gzip, io);
    case EXTRA:
        return turn_extra(gzip, io);
    case NAME:
    case COMMENT:
        return turn_string(gzip, io);
    case HEADER_CRC:
        return turn_header_crc(gzip, io);
    case DATA:
        return turn_data(gzip, io);
    case TRAILER:
        return turn_trailer(gzip, io);
    case PADDING:
        return turn_padding(gzip, io);
    case TRAILING:
        return turn_trailing(gzip, io);
    }
    fls_assert(!"a state of gzip");
}

static enum fls_codec_status step(void *context, struct fls_codec_io *io)
{
    struct gzip *gzip = context;
    enum turn result;

    do
        result = turn(gzip, io);
    while (result == TURN_AGAIN);
    if (result == TURN_FAILED)
        return FLS_CODEC_FAILED;
    if (!io->is_last || io->in.sz > 0)
        return FLS_CODEC_MORE;
    if (gzip->state == BETWEEN || gzip->state >= PADDING)
        return FLS_CODEC_END;
    if (gzip->state == DATA && io->out_sz == 0)
        return FLS_CODEC_MORE; /* what was taken in may hold more text */
    fail_truncated(gzip);
    return FLS_CODEC_FAILED;
}

static uint64_t trailing(const void *context)
{
    const struct gzip *gzip = context;

    return gzip->state == TRAILING ? gzip->after : 0;
}

static const char *failure(const void *context)
{
    return ((const struct gzip *)context)->failure;
}

const struct fls_codec fls_codec_gzip = {begin, step, trailing, failure};

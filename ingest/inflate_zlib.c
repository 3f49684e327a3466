#include "ingest/codec.h"

#include <stdlib.h>
#include <zlib.h>

#define RAW_DEFLATE (-MAX_WBITS) /* what inflateInit2 calls a stream without header and trailer */

static void *create(void)
{
    z_stream *stream = calloc(1, sizeof(*stream));

    if (stream && inflateInit2(stream, RAW_DEFLATE) != Z_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

static void destroy(void *stream)
{
    if (stream)
        inflateEnd(stream);
    free(stream);
}

static void reset(void *stream)
{
    inflateReset(stream);
}

static enum fls_inflate_status step(void *context, struct fls_codec_io *io)
{
    z_stream *stream = context;

    stream->next_in = (Bytef *)(uintptr_t)io->in.at; /* only read, though not declared so */
    stream->avail_in = (uInt)io->in.sz;
    stream->next_out = io->out;
    stream->avail_out = (uInt)io->out_sz;
    int result = inflate(stream, Z_NO_FLUSH);
    io->in = (struct fls_span){stream->next_in, stream->avail_in};
    io->out = stream->next_out;
    io->out_sz = stream->avail_out;
    if (result == Z_STREAM_END)
        return FLS_INFLATE_END;
    /* Z_BUF_ERROR: nothing could be done for want of input. */
    return result == Z_OK || result == Z_BUF_ERROR ? FLS_INFLATE_MORE : FLS_INFLATE_DAMAGED;
}

static uint32_t unread(void *context, uint8_t bytes[static FLS_INFLATE_UNREAD_MAX])
{
    (void)context;
    (void)bytes;
    return 0; /* it takes no byte that it does not need */
}

static uint32_t crc(uint32_t before, const uint8_t *at, size_t sz)
{
    return (uint32_t)crc32_z(before, at, sz);
}

const struct fls_inflater fls_inflater_zlib = {create, destroy, reset, step, unread, crc};

#include "ingest/codec.h"

static void begin(void *state)
{
    (void)state;
}

static enum fls_codec_status step(void *state, struct fls_codec_io *io)
{
    size_t sz = io->in.sz < io->out_sz ? io->in.sz : io->out_sz;

    (void)state;
    if (sz > 0)
        memcpy(io->out, io->in.at, sz);
    io->in.at += sz;
    io->in.sz -= sz;
    io->out += sz;
    io->out_sz -= sz;
    return io->is_last && io->in.sz == 0 ? FLS_CODEC_END : FLS_CODEC_MORE;
}

static uint64_t trailing(const void *state)
{
    (void)state;
    return 0;
}

static const char *failure(const void *state)
{
    (void)state;
    return "";
}

const struct fls_codec fls_codec_plain = {begin, step, trailing, failure};

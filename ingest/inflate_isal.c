#include "ingest/codec.h"

#include <isa-l/crc.h>
#include <isa-l/igzip_lib.h>
#include <stdlib.h>

static void *create(void)
{
    struct inflate_state *state = malloc(sizeof(*state));

    if (state)
        isal_inflate_init(state);
    return state;
}

static void reset(void *state)
{
    isal_inflate_reset(state);
}

static enum fls_inflate_status step(void *context, struct fls_codec_io *io)
{
    struct inflate_state *state = context;

    state->next_in = (uint8_t *)(uintptr_t)io->in.at; /* only read, though not declared so */
    state->avail_in = (uint32_t)io->in.sz;
    state->next_out = io->out;
    state->avail_out = (uint32_t)io->out_sz;
    int result = isal_inflate(state);
    if (result != ISAL_DECOMP_OK) /* its addresses and counts do not fit together then */
        return FLS_INFLATE_DAMAGED;
    io->in = (struct fls_span){state->next_in, state->avail_in};
    io->out = state->next_out;
    io->out_sz = state->avail_out;
    return state->block_state == ISAL_BLOCK_FINISH ? FLS_INFLATE_END : FLS_INFLATE_MORE;
}

/* The library reads ahead into a 64-bit register; the stream's last byte may be used in part. */
static uint32_t unread(void *context, uint8_t bytes[static FLS_INFLATE_UNREAD_MAX])
{
    struct inflate_state *state = context;
    uint32_t cnt = (uint32_t)state->read_in_length / 8;
    uint64_t ahead = state->read_in >> (state->read_in_length % 8);

    for (uint32_t i = 0; i < cnt; i++)
        bytes[i] = (uint8_t)(ahead >> (8 * i));
    return cnt;
}

static uint32_t crc(uint32_t before, const uint8_t *at, size_t sz)
{
    return crc32_gzip_refl(before, at, sz);
}

const struct fls_inflater fls_inflater_isal = {create, free, reset, step, unread, crc};

/* The window's buffer:
 *
 *   0             at                         at + sz                         BUFFER_SZ
 *   ├ consumed ───┼ not consumed ────────────┼ free ───────────────────┼ padding ┤
 *
 * Before new bytes come, what is not consumed moves to the front: less than a line as a rule. The
 * codec writes behind it, so that text is written once. */
#include "ingest/text.h"

#include "base/assert.h"
#include "ingest/codec.h"
#include "ingest/kind.h"
#include "ingest/parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TEXT_SZ ((size_t)FLS_WINDOW_MIN + FLS_TEXT_CHUNK_SZ)
#define BUFFER_SZ (TEXT_SZ + FLS_WINDOW_PADDING)
#define CHANGED "changed while it was read"

struct fls_text {
    uint8_t *buffer;
    size_t at, sz;
    bool is_consumed; /* something of the last window, or it was short */

    void *gzip, *zstd;
    struct fls_reader *reader;
    const struct fls_codec *codec; /* NULL until the first block is there */
    void *codec_state;
    struct fls_span block; /* what the codec has not taken yet */
    bool is_last_block;    /* nothing follows `block` */
    enum fls_packing packing;
    bool is_begun;      /* its first bytes were looked at: FLS_KIND_SZ or all there are */
    bool is_kind_known; /* the text was looked at as far as its first byte that is not blank */

    enum fls_text_status status;
    uint64_t bytes, bytes_read;
    char failure[FLS_FAILURE_TEXT_MAX];
};

int fls_text_new(struct fls_text **out, enum fls_inflate inflate)
{
    struct fls_text *text = calloc(1, sizeof(*text));

    if (!text)
        return -ENOMEM;
    text->buffer = calloc(1, BUFFER_SZ);
    text->gzip = fls_gzip_new(inflate);
    text->zstd = fls_zstd_new();
    if (!text->buffer || !text->gzip || !text->zstd) {
        fls_text_free(text);
        return -ENOMEM;
    }
    text->status = FLS_TEXT_END;
    *out = text;
    return 0;
}

void fls_text_free(struct fls_text *text)
{
    if (!text)
        return;
    fls_gzip_free(text->gzip);
    fls_zstd_free(text->zstd);
    free(text->buffer);
    free(text);
}

void fls_text_begin(struct fls_text *text, struct fls_reader *reader)
{
    text->at = 0;
    text->sz = 0;
    text->is_consumed = true;
    text->reader = reader;
    text->codec = NULL;
    text->block = (struct fls_span){NULL, 0};
    text->is_last_block = false;
    text->is_begun = false;
    text->is_kind_known = false;
    text->status = FLS_TEXT_MORE;
    text->bytes = 0;
    text->bytes_read = 0;
    text->failure[0] = '\0';
}

static void fail(struct fls_text *text, const char *what, const char *detail)
{
    snprintf(text->failure, sizeof(text->failure), "%s%s", what, detail);
    text->status = FLS_TEXT_FAILED;
    text->sz = 0;
}

/* What is wrong with the bytes that were read, unless they are no edition of the object. */
static void fail_content(struct fls_text *text, const char *what, const char *detail)
{
    if (fls_reader_has_changed(text->reader))
        fail(text, CHANGED, "");
    else
        fail(text, what, detail);
}

/* All bytes are read and verified; only now is it known whether they are of one edition. */
static void end(struct fls_text *text)
{
    if (fls_reader_has_changed(text->reader))
        fail(text, CHANGED, "");
    else
        text->status = FLS_TEXT_END;
}

static void choose_codec(struct fls_text *text)
{
    /* A first block that is short is all there is. */
    text->packing = fls_packing_of(text->block, text->block.sz < FLS_READER_BLOCK_SZ);
    switch (text->packing) {
    case FLS_PACKING_GZIP:
        text->codec = &fls_codec_gzip;
        text->codec_state = text->gzip;
        break;
    case FLS_PACKING_ZSTD:
        text->codec = &fls_codec_zstd;
        text->codec_state = text->zstd;
        break;
    case FLS_PACKING_NONE:
        text->codec = &fls_codec_plain;
        text->codec_state = NULL;
        break;
    }
    text->codec->begin(text->codec_state);
}

/* Takes the next block of the object; with the first one the codec is chosen. */
static bool next_block(struct fls_text *text)
{
    int result = fls_reader_next(text->reader, &text->block);

    if (result == -ENODATA) {
        fail_content(text, "ends before the size that it has", "");
        return false;
    }
    if (result < 0) {
        fail(text, "cannot be read: ", strerror(-result));
        return false;
    }
    if (result == 0) {
        text->is_last_block = true;
        text->block = (struct fls_span){text->buffer, 0}; /* codecs move along an address */
    }
    text->bytes_read += text->block.sz;
    if (!text->codec)
        choose_codec(text);
    return true;
}

/* Appends text until the free part ends there, enough was taken for it, or the object ends. */
static void fill(struct fls_text *text, struct fls_codec_io *io)
{
    uint64_t begin = text->bytes_read;

    while (text->status == FLS_TEXT_MORE && io->out_sz > 0 &&
           text->bytes_read - begin < FLS_TEXT_TAKE_SZ) {
        if (text->block.sz == 0 && !text->is_last_block && !next_block(text))
            return;
        io->in = text->block;
        io->is_last = text->is_last_block;
        enum fls_codec_status status = text->codec->step(text->codec_state, io);
        text->block = io->in;
        if (status == FLS_CODEC_END)
            end(text);
        else if (status == FLS_CODEC_FAILED)
            fail_content(text, text->codec->failure(text->codec_state), "");
    }
}

/* Refuses what is no text of lines, by the bytes not yet looked at. */
static void check_kind(struct fls_text *text, struct fls_span bytes)
{
    const char *refused = NULL;
    size_t at = fls_kind_skip_blank(bytes);

    if (!text->is_begun)
        refused = fls_kind_refused(bytes, text->packing);
    text->is_begun = true;
    text->is_kind_known = at < bytes.sz;
    if (!refused && at < bytes.sz && fls_kind_is_json(bytes.at[at]))
        refused = "JSON (CloudWatch Logs, perhaps)";
    if (refused)
        fail_content(text, "not a text of flow logs, but ", refused);
}

enum fls_text_status fls_text_read(struct fls_text *text, struct fls_span *window)
{
    if (text->status == FLS_TEXT_MORE) {
        fls_assert(text->is_consumed);
        memmove(text->buffer, text->buffer + text->at, text->sz);
        text->at = 0;
        size_t room = TEXT_SZ - text->sz;
        uint8_t *free_at = text->buffer + text->sz;
        struct fls_codec_io io = {.out = free_at,
                                  .out_sz = room < FLS_TEXT_CHUNK_SZ ? room : FLS_TEXT_CHUNK_SZ};

        fill(text, &io);
        struct fls_span added = {free_at, (size_t)(io.out - free_at)};
        text->bytes += added.sz;
        if (text->status != FLS_TEXT_FAILED)
            text->sz += added.sz;
        text->is_consumed = text->sz < FLS_WINDOW_MIN;
        if (text->status == FLS_TEXT_MORE && text->bytes < FLS_KIND_SZ) {
            *window = (struct fls_span){text->buffer, 0}; /* too few to be looked at */
            return FLS_TEXT_MORE;
        }
        if (text->status != FLS_TEXT_FAILED && !text->is_kind_known)
            check_kind(text, text->is_begun ? added : (struct fls_span){text->buffer, text->sz});
    }
    *window = (struct fls_span){text->buffer + text->at, text->sz};
    return text->status;
}

void fls_text_consume(struct fls_text *text, size_t sz)
{
    fls_assert(sz <= text->sz);
    text->at += sz;
    text->sz -= sz;
    text->is_consumed |= sz > 0;
}

uint64_t fls_text_bytes(const struct fls_text *text)
{
    return text->bytes;
}

uint64_t fls_text_bytes_read(const struct fls_text *text)
{
    return text->bytes_read;
}

uint64_t fls_text_trailing(const struct fls_text *text)
{
    fls_assert(text->status == FLS_TEXT_END && text->codec);
    return text->codec->trailing(text->codec_state);
}

const char *fls_text_failure(const struct fls_text *text)
{
    return text->failure;
}

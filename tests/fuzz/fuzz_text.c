/* Objects as they are on disk: any bytes come to text or to a named failure, whatever is taken of
 * each window and by whichever library; and codecs by themselves, for any cut of their input.
 *
 *   input   0        1      3
 *           ├ recipe ┼ seed ┼ bytes ... ┤
 *
 * recipe: the bytes as they stand; packed as gzip or zstd; or as deflate data of a gzip member,
 * with the checksum that zlib finds for it. Packed ones can be cut short, or damaged in one byte.
 */
#include "base/clock.h"
#include "ingest/codec.h"
#include "ingest/kind.h"
#include "ingest/parse.h"
#include "ingest/text.h"

#include "fuzz.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { RECIPE_RAW, RECIPE_GZIP, RECIPE_ZSTD, RECIPE_DEFLATE, RECIPE_CNT };

#define RECIPE_CUT 0x40U
#define RECIPE_DAMAGED 0x80U
#define MADE_SZ_MAX (1U << 20)
/* Of text; what is longer is left there. */
#define OUT_SZ_MAX (4U << 20)

struct outcome {
    bool is_good, is_too_long;
    uint64_t sz, digest, trailing;
    char failure[FLS_FAILURE_TEXT_MAX];
};

/* ---- the input ---- */

static void make_gzip(struct fls_span from, int level, struct fls_span *made)
{
    static uint8_t out[MADE_SZ_MAX];
    z_stream z = {.next_in = (Bytef *)from.at,
                  .avail_in = (uInt)from.sz,
                  .next_out = out,
                  .avail_out = sizeof(out)};

    fuzz_check(deflateInit2(&z, level, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    deflate(&z, Z_FINISH);
    deflateEnd(&z);
    *made = (struct fls_span){out, z.total_out};
}

static void make_zstd(struct fls_span from, int level, struct fls_span *made)
{
    static uint8_t out[MADE_SZ_MAX];
    size_t sz = ZSTD_compress(out, sizeof(out), from.at, from.sz, level);

    *made = (struct fls_span){out, ZSTD_isError(sz) ? 0 : sz};
}

/* A gzip member around the deflate data; where zlib sees their end there is the trailer. */
static void make_member(struct fls_span from, struct fls_span *made)
{
    static const uint8_t header[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    static uint8_t out[MADE_SZ_MAX], text[OUT_SZ_MAX];
    z_stream z = {.next_in = (Bytef *)from.at,
                  .avail_in = (uInt)from.sz,
                  .next_out = text,
                  .avail_out = sizeof(text)};
    uint32_t trailer[2];

    fuzz_check(from.sz + sizeof(header) + sizeof(trailer) <= sizeof(out));
    fuzz_check(inflateInit2(&z, -15) == Z_OK);
    inflate(&z, Z_FINISH);
    inflateEnd(&z);
    trailer[0] = (uint32_t)crc32(0, text, (uInt)z.total_out);
    trailer[1] = (uint32_t)z.total_out;
    memcpy(out, header, sizeof(header));
    memcpy(out + sizeof(header), from.at, z.total_in);
    memcpy(out + sizeof(header) + z.total_in, trailer, sizeof(trailer));
    *made = (struct fls_span){out, sizeof(header) + z.total_in + sizeof(trailer)};
}

static struct fls_span make(uint8_t recipe, struct fls_span from, uint64_t *random)
{
    struct fls_span made = from;
    uint8_t *bytes;

    switch ((recipe & 0x3f) % RECIPE_CNT) {
    case RECIPE_GZIP:
        make_gzip(from, (int)fuzz_below(random, 10), &made);
        break;
    case RECIPE_ZSTD:
        make_zstd(from, 1 + (int)fuzz_below(random, 6), &made);
        break;
    case RECIPE_DEFLATE:
        make_member(from, &made);
        break;
    default:
        break;
    }
    if ((recipe & RECIPE_CUT) && made.sz > 0)
        made.sz = fuzz_below(random, made.sz);
    bytes = fuzz_copy(made, 0);
    if ((recipe & RECIPE_DAMAGED) && made.sz > 0)
        bytes[fuzz_below(random, made.sz)] ^= (uint8_t)(1U << fuzz_below(random, 8));
    return (struct fls_span){bytes, made.sz};
}

/* ---- through reader and text ---- */

static struct fls_reader *reader;
static struct fls_text *texts[2]; /* by enum fls_inflate */

static void make_readers(void)
{
    char reason[160];

    if (reader != NULL)
        return;
    fuzz_check(fls_reader_new(&reader, FLS_IO_PREAD, reason, sizeof(reason)) == 0);
    fuzz_check(fls_text_new(&texts[FLS_INFLATE_ISAL], FLS_INFLATE_ISAL) == 0);
    fuzz_check(fls_text_new(&texts[FLS_INFLATE_ZLIB], FLS_INFLATE_ZLIB) == 0);
}

/* Takes any part of the window, but something of a full one; all of the last. */
static size_t part_of(struct fls_span window, bool is_last, uint64_t *random)
{
    size_t sz = fuzz_below(random, window.sz + 1);

    if (is_last || fuzz_below(random, 4) == 0)
        return window.sz;
    return sz == 0 && window.sz >= FLS_WINDOW_MIN ? 1 : sz;
}

static void read_object(struct fls_text *text, struct fls_span object, uint64_t *random,
                        struct outcome *outcome)
{
    enum fls_text_status status = FLS_TEXT_MORE;
    int fd = memfd_create("object", MFD_CLOEXEC);
    struct stat found;
    XXH64_state_t digest;

    *outcome = (struct outcome){0};
    fuzz_check(fd >= 0 && write(fd, object.at, object.sz) == (ssize_t)object.sz);
    fuzz_check(fstat(fd, &found) == 0);
    fls_reader_add(reader, fd, object.sz, fls_timespec_ns(found.st_mtim));
    fls_text_begin(text, reader);
    XXH64_reset(&digest, 0);
    while (status == FLS_TEXT_MORE && !outcome->is_too_long) {
        struct fls_span window;
        size_t sz;

        status = fls_text_read(text, &window);
        if (status == FLS_TEXT_FAILED)
            break;
        sz = part_of(window, status == FLS_TEXT_END, random);
        XXH64_update(&digest, window.at, sz);
        outcome->sz += sz;
        fls_text_consume(text, sz);
        outcome->is_too_long = outcome->sz > OUT_SZ_MAX;
    }
    fuzz_check(fls_text_bytes_read(text) <= object.sz);
    outcome->digest = XXH64_digest(&digest);
    outcome->is_good = status == FLS_TEXT_END;
    if (status == FLS_TEXT_END) {
        outcome->trailing = fls_text_trailing(text);
        fuzz_check(fls_text_bytes(text) == outcome->sz && outcome->trailing <= object.sz);
    }
    if (status == FLS_TEXT_FAILED) {
        snprintf(outcome->failure, sizeof(outcome->failure), "%s", fls_text_failure(text));
        fuzz_check(outcome->failure[0] != '\0' && !strchr(outcome->failure, '\n'));
    }
    fls_reader_finish(reader);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    if (a->is_too_long || b->is_too_long)
        return;
    fuzz_check(a->is_good == b->is_good && a->trailing == b->trailing);
    /* Of two things that are wrong, the one that is met first depends on how much was taken. */
    fuzz_check(a->sz != b->sz || strcmp(a->failure, b->failure) == 0);
    fuzz_check(!a->is_good || (a->sz == b->sz && a->digest == b->digest));
}

static void check_texts(struct fls_span object, uint64_t *random)
{
    struct outcome outcomes[2][2];

    for (int inflate = 0; inflate < 2; inflate++) {
        read_object(texts[inflate], object, random, &outcomes[inflate][0]);
        read_object(texts[inflate], object, random, &outcomes[inflate][1]);
        check_same(&outcomes[inflate][0], &outcomes[inflate][1]);
    }
    /* zlib is the stricter one: what it takes, ISA-L takes; what ISA-L takes is no other text. */
    if (outcomes[FLS_INFLATE_ZLIB][0].is_good)
        check_same(&outcomes[FLS_INFLATE_ZLIB][0], &outcomes[FLS_INFLATE_ISAL][0]);
}

/* ---- codecs by themselves ---- */

static void run_codec(const struct fls_codec *codec, void *state, struct fls_span object,
                      size_t piece_max, uint64_t *random, struct outcome *outcome)
{
    enum fls_codec_status status = FLS_CODEC_MORE;
    struct fls_span rest = object;
    XXH64_state_t digest;

    *outcome = (struct outcome){0};
    XXH64_reset(&digest, 0);
    codec->begin(state);
    while (status == FLS_CODEC_MORE && !outcome->is_too_long) {
        size_t in_sz = piece_max ? fuzz_below(random, piece_max + 1) : rest.sz;
        size_t out_max = piece_max ? 1 + fuzz_below(random, 64 * piece_max) : OUT_SZ_MAX / 8;
        uint8_t *in, *out = malloc(out_max);
        struct fls_codec_io io;

        in_sz = in_sz < rest.sz ? in_sz : rest.sz;
        in = fuzz_copy((struct fls_span){rest.at, in_sz}, 0);
        io = (struct fls_codec_io){
            .in = {in, in_sz}, .out = out, .out_sz = out_max, .is_last = in_sz == rest.sz};
        status = codec->step(state, &io);
        fuzz_check(io.in.at + io.in.sz == in + in_sz && io.out + io.out_sz == out + out_max);
        rest.at += in_sz - io.in.sz;
        rest.sz -= in_sz - io.in.sz;
        XXH64_update(&digest, out, out_max - io.out_sz);
        outcome->sz += out_max - io.out_sz;
        outcome->is_too_long = outcome->sz > OUT_SZ_MAX;
        free(in);
        free(out);
    }
    outcome->digest = XXH64_digest(&digest);
    outcome->is_good = status == FLS_CODEC_END;
    if (status == FLS_CODEC_END)
        outcome->trailing = codec->trailing(state);
    if (status == FLS_CODEC_FAILED)
        snprintf(outcome->failure, sizeof(outcome->failure), "%s", codec->failure(state));
}

static void check_codec(const struct fls_codec *codec, void *state, struct fls_span object,
                        uint64_t *random)
{
    struct outcome whole, pieces;

    run_codec(codec, state, object, 0, random, &whole);
    run_codec(codec, state, object, 1 + object.sz / 16 + fuzz_below(random, 8), random, &pieces);
    check_same(&whole, &pieces);
}

static void check_codecs(struct fls_span object, uint64_t *random)
{
    static void *gzip[2], *zstd;

    if (zstd == NULL) {
        gzip[FLS_INFLATE_ISAL] = fls_gzip_new(FLS_INFLATE_ISAL);
        gzip[FLS_INFLATE_ZLIB] = fls_gzip_new(FLS_INFLATE_ZLIB);
        zstd = fls_zstd_new();
    }
    switch (fls_packing_of(object, true)) {
    case FLS_PACKING_GZIP:
        check_codec(&fls_codec_gzip, gzip[FLS_INFLATE_ISAL], object, random);
        check_codec(&fls_codec_gzip, gzip[FLS_INFLATE_ZLIB], object, random);
        break;
    case FLS_PACKING_ZSTD:
        check_codec(&fls_codec_zstd, zstd, object, random);
        break;
    case FLS_PACKING_NONE:
        check_codec(&fls_codec_plain, NULL, object, random);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz}, object;
    uint8_t recipe = (uint8_t)fuzz_take(&input, 1);
    uint64_t random = 1 + fuzz_take(&input, 2);

    make_readers();
    if (input.sz > MADE_SZ_MAX / 2)
        return 0;
    object = make(recipe, input, &random);
    check_texts(object, &random);
    check_codecs(object, &random);
    free((void *)object.at);
    return 0;
}

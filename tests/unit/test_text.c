/* Text from objects: gzip members, zstd frames, plain; every cut, every damaged bit; the windows;
 * and both inflate libraries alike throughout. */
#include "ingest/text.h"

#include "base/clock.h"
#include "ingest/codec.h"
#include "ingest/parse.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

struct bytes {
    uint8_t *at;
    size_t sz, max;
};

static void put(struct bytes *bytes, const void *at, size_t sz)
{
    if (bytes->sz + sz > bytes->max) {
        bytes->max = 2 * (bytes->sz + sz);
        bytes->at = realloc(bytes->at, bytes->max);
        assert_non_null(bytes->at);
    }
    if (sz > 0)
        memcpy(bytes->at + bytes->sz, at, sz);
    bytes->sz += sz;
}

static void put_number(struct bytes *bytes, uint32_t number, int sz)
{
    for (int i = 0; i < sz; i++)
        put(bytes, &(uint8_t){(uint8_t)(number >> (8 * i))}, 1);
}

static void clear(struct bytes *bytes)
{
    free(bytes->at);
    *bytes = (struct bytes){NULL, 0, 0};
}

static uint64_t seed;

static uint32_t random_below(uint32_t limit)
{
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)((seed >> 33) % limit);
}

/* ---- objects ---- */

#define FLAG_TEXT 1
#define FLAG_HCRC 2
#define FLAG_EXTRA 4
#define FLAG_NAME 8
#define FLAG_COMMENT 16

static void put_gzip_header(struct bytes *to, uint8_t flags)
{
    size_t begin = to->sz;
    const uint8_t fixed[10] = {0x1f, 0x8b, 8, flags, 1, 2, 3, 4, 0, 255};

    put(to, fixed, sizeof(fixed));
    if (flags & FLAG_EXTRA)
        put(to,
            "\x05\x00"
            "ab\0cd",
            7);
    if (flags & FLAG_NAME)
        put(to, "flows.log", 10);
    if (flags & FLAG_COMMENT)
        put(to, "a comment", 10);
    if (flags & FLAG_HCRC)
        put_number(to, (uint32_t)crc32(0, to->at + begin, (uInt)(to->sz - begin)), 2);
}

static void put_deflate(struct bytes *to, const void *at, size_t sz, int level, int strategy)
{
    z_stream stream = {0};
    size_t max = sz + sz / 8 + 100;
    uint8_t *out = malloc(max);

    assert_int_equal(deflateInit2(&stream, level, Z_DEFLATED, -15, 8, strategy), Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)at;
    stream.avail_in = (uInt)sz;
    stream.next_out = out;
    stream.avail_out = (uInt)max;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    put(to, out, stream.total_out);
    deflateEnd(&stream);
    free(out);
}

static void put_gzip_as(struct bytes *to, const void *at, size_t sz, uint8_t flags, int level,
                        int strategy)
{
    put_gzip_header(to, flags);
    put_deflate(to, at, sz, level, strategy);
    put_number(to, (uint32_t)crc32_z(0, sz ? at : (const void *)"", sz), 4);
    put_number(to, (uint32_t)sz, 4);
}

static void put_gzip(struct bytes *to, const void *at, size_t sz)
{
    put_gzip_as(to, at, sz, 0, 6, Z_DEFAULT_STRATEGY);
}

/* window_log 0: as the library likes. Streamed, so that the frame does not know its size. */
static void put_zstd_as(struct bytes *to, const void *at, size_t sz, int window_log)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    size_t max = ZSTD_compressBound(sz) + 100;
    ZSTD_outBuffer out = {malloc(max), max, 0};
    ZSTD_inBuffer in = {at, sz, 0};
    ZSTD_inBuffer nothing = {"", 0, 0};

    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    assert_false(ZSTD_isError(ZSTD_compressStream2(context, &out, &in, ZSTD_e_flush)));
    assert_int_equal(ZSTD_compressStream2(context, &out, &nothing, ZSTD_e_end), 0);
    put(to, out.dst, out.pos);
    free(out.dst);
    ZSTD_freeCCtx(context);
}

static void put_zstd(struct bytes *to, const void *at, size_t sz)
{
    put_zstd_as(to, at, sz, 0);
}

static void put_skippable(struct bytes *to, uint32_t sz)
{
    put_number(to, 0x184d2a53, 4);
    put_number(to, sz, 4);
    for (uint32_t i = 0; i < sz; i++)
        put(to, "skip", 1);
}

static void put_lines(struct bytes *to, size_t sz)
{
    char line[200];

    while (to->sz < sz) {
        int length = snprintf(line, sizeof(line),
                              "2 1234567890%02u eni-%08x 10.0.%u.%u 172.16.%u.5 %u 443 6 %u %u "
                              "1700000000 1700000060 ACCEPT OK\n",
                              random_below(20), random_below(1000), random_below(256),
                              random_below(256), random_below(30), random_below(65536),
                              random_below(100), random_below(100000));
        put(to, line, (size_t)length);
    }
    to->sz = sz;
}

/* ---- reading them ---- */

static struct fls_reader *readers[2]; /* pread, io_uring (or pread again) */
static struct fls_text *texts[2];     /* ISA-L, zlib */

struct outcome {
    enum fls_text_status status;
    struct bytes text; /* consumed */
    uint64_t trailing;
    char failure[FLS_FAILURE_TEXT_MAX];
};

static size_t some_of(struct fls_span window, bool is_end)
{
    size_t least = !is_end && window.sz >= FLS_WINDOW_MIN ? 1 : 0;

    if (is_end || random_below(3) == 0)
        return window.sz;
    return least + random_below((uint32_t)(window.sz - least + 1));
}

static int64_t mtime_ns_of(int fd)
{
    struct stat found;

    assert_int_equal(fstat(fd, &found), 0);
    return fls_timespec_ns(found.st_mtim);
}

static struct outcome read_fd(int fd, uint64_t size, int inflate, int io)
{
    struct fls_reader *reader = readers[io];
    struct fls_text *text = texts[inflate];
    struct outcome outcome = {.status = FLS_TEXT_MORE};

    fls_reader_add(reader, fd, size, mtime_ns_of(fd));
    fls_text_begin(text, reader);
    while (outcome.status == FLS_TEXT_MORE) {
        struct fls_span window;

        outcome.status = fls_text_read(text, &window);
        assert_true(window.sz <= FLS_WINDOW_MIN + FLS_TEXT_CHUNK_SZ);
        assert_true(fls_text_bytes(text) >= outcome.text.sz + window.sz);
        size_t sz = some_of(window, outcome.status != FLS_TEXT_MORE);
        put(&outcome.text, window.at, sz);
        fls_text_consume(text, sz);
    }
    if (outcome.status == FLS_TEXT_END) {
        assert_int_equal(fls_text_bytes(text), outcome.text.sz);
        assert_int_equal(fls_text_bytes_read(text), size);
        outcome.trailing = fls_text_trailing(text);
        assert_string_equal(fls_text_failure(text), "");
    } else {
        assert_true(fls_text_failure(text)[0] != '\0');
        assert_null(strchr(fls_text_failure(text), '\n'));
        snprintf(outcome.failure, sizeof(outcome.failure), "%s", fls_text_failure(text));
    }
    fls_reader_finish(reader);
    return outcome;
}

static struct outcome read_bytes(const struct bytes *object, int inflate, int io)
{
    int fd = memfd_create("object", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, object->at, object->sz), object->sz);
    return read_fd(fd, object->sz, inflate, io);
}

static void assert_same_outcome(const struct outcome *a, const struct outcome *b)
{
    assert_int_equal(a->status, b->status);
    assert_string_equal(a->failure, b->failure);
    assert_int_equal(a->trailing, b->trailing);
    if (a->status != FLS_TEXT_END)
        return;
    assert_int_equal(a->text.sz, b->text.sz);
    if (a->text.sz > 0)
        assert_memory_equal(a->text.at, b->text.at, a->text.sz);
}

/* Reads with both libraries, through both ways of reading; they must agree. */
static struct outcome read_both(const struct bytes *object)
{
    struct outcome isal = read_bytes(object, 0, 1);
    struct outcome zlib = read_bytes(object, 1, 0);

    assert_same_outcome(&isal, &zlib);
    clear(&zlib.text);
    return isal;
}

static void assert_whole(const struct bytes *object, struct fls_span text, uint64_t trailing)
{
    struct outcome outcome = read_both(object);

    assert_string_equal(outcome.failure, "");
    assert_int_equal(outcome.status, FLS_TEXT_END);
    assert_int_equal(outcome.trailing, trailing);
    assert_int_equal(outcome.text.sz, text.sz);
    if (text.sz > 0)
        assert_memory_equal(outcome.text.at, text.at, text.sz);
    clear(&outcome.text);
}

static void assert_fails(const struct bytes *object, const char *failure)
{
    struct outcome outcome = read_both(object);

    assert_int_equal(outcome.status, FLS_TEXT_FAILED);
    assert_string_equal(outcome.failure, failure);
    clear(&outcome.text);
}

static const char sample[] = "version account-id\n2 123456789010\n2 - 17 0 0 0 1 1 1 1\n";

/* ---- gzip ---- */

static void test_gzip_flags(void **state)
{
    (void)state;
    for (uint8_t flags = 0; flags < 32; flags++) {
        struct bytes object = {0};

        put_gzip_as(&object, sample, 20, flags, 9, Z_DEFAULT_STRATEGY);
        put_gzip_as(&object, sample + 20, sizeof(sample) - 21, flags ^ 31, 1, Z_FIXED);
        assert_whole(&object, FLS_SPAN(sample), 0);
        if (flags & FLAG_HCRC) {
            object.at[4] ^= 1; /* the time, which only this checksum covers */
            assert_fails(&object, "gzip: member 1 is damaged (its header)");
        }
        clear(&object);
    }
}

static void test_gzip_members(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof(sample); cut++) {
        struct bytes object = {0};

        put_gzip_as(&object, sample, cut, 0, (int)(cut % 10), Z_DEFAULT_STRATEGY);
        put_gzip(&object, "", 0);
        put_gzip_as(&object, sample + cut, sizeof(sample) - 1 - cut, 0, 9, Z_HUFFMAN_ONLY);
        assert_whole(&object, FLS_SPAN(sample), 0);
        clear(&object);
    }
}

static void test_gzip_bad_headers(void **state)
{
    struct bytes object = {0};

    (void)state;
    put_gzip(&object, sample, sizeof(sample) - 1);
    object.at[2] = 7;
    assert_fails(&object, "gzip: member 1 is compressed by an unknown method (only deflate is "
                          "known)");
    object.at[2] = 8;
    object.at[3] = 0x20;
    assert_fails(&object, "gzip: member 1 has reserved flag bits set");
    object.at[3] = FLAG_TEXT;
    assert_whole(&object, FLS_SPAN(sample), 0);
    object.at[object.sz - 1] ^= 1;
    assert_fails(&object, "gzip: member 1 is damaged (its data or its checksum)");
    object.at[object.sz - 1] ^= 1;
    put(&object, "\x1f\x8b\x08\xe0", 4);
    assert_fails(&object, "gzip: member 2 has reserved flag bits set");
    clear(&object);
}

static void test_gzip_after(void **state)
{
    static const struct {
        const char *after;
        uint64_t sz, trailing;
    } cases[] = {{"\n", 1, 1},       {"\0\0\0", 3, 0},  {"\0\0x", 3, 3},      {"garbage", 7, 7},
                 {"\x1f\x8c", 2, 2}, {"\x1fzzz", 4, 4}, {"\0\x1f\x8b", 3, 3}, {"x\0\0\0", 4, 4}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bytes object = {0};

        put_gzip(&object, sample, sizeof(sample) - 1);
        put(&object, cases[i].after, cases[i].sz);
        assert_whole(&object, FLS_SPAN(sample), cases[i].trailing);
        clear(&object);
    }
}

/* Padding and trailing bytes of several blocks. */
static void test_gzip_long_after(void **state)
{
    struct bytes object = {0};
    uint8_t zeros[10000] = {0};

    (void)state;
    put_gzip(&object, sample, sizeof(sample) - 1);
    size_t begin = object.sz;
    while (object.sz < 3 * FLS_READER_BLOCK_SZ)
        put(&object, zeros, sizeof(zeros));
    assert_whole(&object, FLS_SPAN(sample), 0);
    put(&object, "x", 1);
    assert_whole(&object, FLS_SPAN(sample), object.sz - begin);
    clear(&object);
}

static void make_small_gzip(struct bytes *object, size_t ends[3])
{
    put_gzip_as(object, sample, 20, 31, 9, Z_DEFAULT_STRATEGY);
    ends[0] = object->sz;
    put_gzip_as(object, sample + 20, 10, 0, 0, Z_DEFAULT_STRATEGY);
    ends[1] = object->sz;
    put_gzip_as(object, sample + 30, sizeof(sample) - 31, FLAG_NAME, 9, Z_DEFAULT_STRATEGY);
    ends[2] = object->sz;
}

static void test_gzip_truncated(void **state)
{
    static const size_t text_at[3] = {0, 20, 30};
    struct bytes object = {0};
    size_t ends[3];

    (void)state;
    make_small_gzip(&object, ends);
    size_t all = object.sz;
    for (object.sz = 0; object.sz < all; object.sz++) {
        int member = object.sz < ends[0] ? 0 : object.sz < ends[1] ? 1 : 2;

        if (object.sz == 0 || object.sz == ends[0] || object.sz == ends[1]) {
            assert_whole(&object, (struct fls_span){(const uint8_t *)sample, text_at[member]}, 0);
            continue;
        }
        struct outcome outcome = read_both(&object);
        char expected[40];
        int length = snprintf(expected, sizeof(expected), "gzip: member %d is cut short in its ",
                              member + 1);

        assert_int_equal(outcome.status, FLS_TEXT_FAILED);
        assert_memory_equal(outcome.failure, expected, length);
        bool is_in_trailer = object.sz >= ends[member] - 8;
        assert_int_equal(strcmp(outcome.failure + length, "checksum") == 0, is_in_trailer);
        clear(&outcome.text);
    }
    clear(&object);
}

/* Each single bit: either the object fails, or the bit has no meaning, or it was one of a magic:
 * then what follows is no member, but text or trailing bytes. */
static void test_gzip_bit_flips(void **state)
{
    struct bytes object = {0};
    size_t ends[3];

    (void)state;
    make_small_gzip(&object, ends);
    for (size_t bit = 0; bit < 8 * object.sz; bit++) {
        size_t at = bit / 8;

        object.at[at] ^= (uint8_t)(1 << bit % 8);
        struct outcome outcome = read_both(&object);
        if (at < 2) {
            assert_int_equal(outcome.status, FLS_TEXT_END);
            assert_int_equal(outcome.text.sz, object.sz);
        } else if (outcome.status == FLS_TEXT_END && outcome.trailing > 0) {
            assert_true((at >= ends[0] && at < ends[0] + 2) || (at >= ends[1] && at < ends[1] + 2));
        } else if (outcome.status == FLS_TEXT_END) {
            assert_int_equal(outcome.text.sz, sizeof(sample) - 1);
            assert_memory_equal(outcome.text.at, sample, sizeof(sample) - 1);
        }
        clear(&outcome.text);
        object.at[at] ^= (uint8_t)(1 << bit % 8);
    }
    clear(&object);
}

/* Random damage to larger objects: nothing but the text or a failure comes out. The libraries need
 * not agree here: ISA-L does not mind a set of Huffman codes that is not complete until it meets a
 * code outside of it, and may so read on to the end or find the text unharmed. */
static void test_gzip_damage(void **state)
{
    struct bytes text = {0}, whole = {0}, object = {0};

    (void)state;
    seed = 11;
    put_lines(&text, 20000);
    put_gzip(&object, text.at, text.sz);
    put_gzip_as(&object, text.at, 1000, 0, 9, Z_FIXED);
    put(&whole, text.at, text.sz);
    put(&whole, text.at, 1000);
    for (int i = 0; i < 3000; i++) {
        size_t at = 10 + random_below((uint32_t)object.sz - 10);
        uint8_t kept = object.at[at];

        object.at[at] = (uint8_t)random_below(256);
        for (int inflate = 0; inflate < 2; inflate++) {
            struct outcome outcome = read_bytes(&object, inflate, inflate);

            if (outcome.status == FLS_TEXT_END)
                assert_memory_equal(outcome.text.at, whole.at, outcome.text.sz);
            if (outcome.status == FLS_TEXT_END && outcome.trailing == 0)
                assert_int_equal(outcome.text.sz, whole.sz);
            clear(&outcome.text);
        }
        object.at[at] = kept;
    }
    clear(&text);
    clear(&whole);
    clear(&object);
}

/* A member that refers to text before its beginning is damaged, though the member before has it. */
static void test_gzip_lookback(void **state)
{
    z_stream stream = {0};
    struct bytes object = {0};
    uint8_t out[200];

    (void)state;
    put_gzip(&object, sample, sizeof(sample) - 1);
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflateSetDictionary(&stream, (const Bytef *)sample, sizeof(sample) - 1),
                     Z_OK);
    stream.next_in = (Bytef *)(uintptr_t)sample;
    stream.avail_in = sizeof(sample) - 1;
    stream.next_out = out;
    stream.avail_out = sizeof(out);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    put_gzip_header(&object, 0);
    put(&object, out, stream.total_out);
    put_number(&object, (uint32_t)crc32(0, (const Bytef *)sample, sizeof(sample) - 1), 4);
    put_number(&object, sizeof(sample) - 1, 4);
    deflateEnd(&stream);
    assert_fails(&object, "gzip: member 2 is damaged (its data or its checksum)");
    clear(&object);
}

/* ---- codecs in pieces ---- */

/* Gives the codec the object cut at `cut`, or in random pieces (cut == SIZE_MAX). */
static struct outcome step_codec(const struct fls_codec *codec, void *state,
                                 const struct bytes *object, size_t cut)
{
    struct outcome outcome = {.status = FLS_TEXT_MORE};
    enum fls_codec_status status = FLS_CODEC_MORE;
    uint8_t out[64 + 16];
    size_t at = 0, end = 0;

    codec->begin(state);
    while (status == FLS_CODEC_MORE) {
        if (at == end && cut == SIZE_MAX && end < object->sz)
            end += 1 + random_below((uint32_t)(object->sz - end < 9 ? object->sz - end : 9));
        else if (at == end)
            end = end < cut && cut < object->sz ? cut : object->sz;
        size_t room = 1 + random_below(64);
        uint8_t *copy = malloc(end - at + 1); /* so that reading beyond it is noticed */
        memcpy(copy, object->at + at, end - at);
        struct fls_codec_io io = {{copy, end - at}, out, room, end == object->sz};
        memset(out, 0xa5, sizeof(out));
        status = codec->step(state, &io);
        for (size_t i = room; i < sizeof(out); i++)
            assert_int_equal(out[i], 0xa5);
        at = end - io.in.sz;
        put(&outcome.text, out, room - io.out_sz);
        free(copy);
    }
    outcome.status = status == FLS_CODEC_END ? FLS_TEXT_END : FLS_TEXT_FAILED;
    if (status == FLS_CODEC_END)
        outcome.trailing = codec->trailing(state);
    else
        snprintf(outcome.failure, sizeof(outcome.failure), "%s", codec->failure(state));
    return outcome;
}

static void check_cuts(const struct fls_codec *codec, void *state, const struct bytes *object,
                       const struct outcome *expected)
{
    for (size_t cut = 0; cut <= object->sz + 20; cut++) {
        struct outcome outcome =
            step_codec(codec, state, object, cut <= object->sz ? cut : SIZE_MAX);

        assert_same_outcome(&outcome, expected);
        clear(&outcome.text);
    }
}

/* Whole objects, objects with something behind and truncated ones, cut everywhere. */
static void check_pieces(const struct fls_codec *codec, void *state, struct bytes *object)
{
    static const struct fls_span after[] = {FLS_SPAN(""), FLS_SPAN("\0\0\0\0\0\0"),
                                            FLS_SPAN("\0\0z"), FLS_SPAN("trailing")};
    size_t all = object->sz;

    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
        put(object, after[i].at, after[i].sz);
        struct outcome expected = read_both(object);

        assert_int_equal(expected.status, FLS_TEXT_END);
        assert_int_equal(expected.text.sz, sizeof(sample) - 1);
        check_cuts(codec, state, object, &expected);
        clear(&expected.text);
        object->sz = all;
    }
    for (; object->sz > 4; object->sz--) {
        struct outcome expected = read_both(object);

        check_cuts(codec, state, object, &expected);
        clear(&expected.text);
    }
}

static void test_gzip_pieces(void **state)
{
    (void)state;
    seed = 5;
    for (int inflate = 0; inflate < 2; inflate++) {
        void *gzip = fls_gzip_new(inflate ? FLS_INFLATE_ZLIB : FLS_INFLATE_ISAL);
        struct bytes object = {0};
        size_t ends[3];

        make_small_gzip(&object, ends);
        check_pieces(&fls_codec_gzip, gzip, &object);
        clear(&object);
        fls_gzip_free(gzip);
    }
}

/* ---- zstd ---- */

static void make_small_zstd(struct bytes *object, size_t ends[4])
{
    put_skippable(object, 3);
    ends[0] = object->sz;
    put_zstd(object, sample, 20);
    ends[1] = object->sz;
    put_skippable(object, 0);
    ends[2] = object->sz;
    put_zstd(object, sample + 20, sizeof(sample) - 21);
    ends[3] = object->sz;
}

static void test_zstd_pieces(void **state)
{
    void *zstd = fls_zstd_new();
    struct bytes object = {0};
    size_t ends[4];

    (void)state;
    seed = 6;
    make_small_zstd(&object, ends);
    check_pieces(&fls_codec_zstd, zstd, &object);
    clear(&object);
    fls_zstd_free(zstd);
}

static void test_zstd_frames(void **state)
{
    (void)state;
    for (size_t cut = 0; cut < sizeof(sample); cut++) {
        struct bytes object = {0};

        put_zstd(&object, sample, cut);
        put_zstd(&object, "", 0);
        put_zstd(&object, sample + cut, sizeof(sample) - 1 - cut);
        assert_whole(&object, FLS_SPAN(sample), 0);
        put(&object, "\0\0\0\0\0", 5);
        assert_whole(&object, FLS_SPAN(sample), 0);
        put(&object, "\x28", 1);
        assert_whole(&object, FLS_SPAN(sample), 6);
        clear(&object);
    }
}

static void test_zstd_truncated(void **state)
{
    struct bytes object = {0};
    size_t ends[4];

    (void)state;
    make_small_zstd(&object, ends);
    size_t all = object.sz;
    for (object.sz = 4; object.sz < all; object.sz++) {
        int frame = 1;
        char expected[40];

        while (object.sz > ends[frame - 1])
            frame++;
        if (object.sz == ends[frame - 1]) {
            assert_whole(&object, (struct fls_span){(const uint8_t *)sample, frame == 1 ? 0 : 20},
                         0);
            continue;
        }
        snprintf(expected, sizeof(expected), "zstd: frame %d is cut short", frame);
        assert_fails(&object, expected);
    }
    clear(&object);
}

static void test_zstd_bit_flips(void **state)
{
    struct bytes object = {0};
    uint32_t failed_cnt = 0;

    (void)state;
    put_zstd(&object, sample, sizeof(sample) - 1);
    for (size_t bit = 32; bit < 8 * object.sz; bit++) {
        object.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct outcome outcome = read_both(&object);
        if (outcome.status == FLS_TEXT_END) {
            assert_int_equal(outcome.text.sz, sizeof(sample) - 1);
            assert_memory_equal(outcome.text.at, sample, sizeof(sample) - 1);
        } else {
            failed_cnt++;
        }
        clear(&outcome.text);
        object.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(failed_cnt > 4 * object.sz);
    object.at[object.sz - 1] ^= 1;
    assert_fails(&object, "zstd: frame 1 is damaged (its data or its checksum)");
    clear(&object);
}

static void test_zstd_window(void **state)
{
    struct bytes object = {0};

    (void)state;
    put_zstd_as(&object, sample, sizeof(sample) - 1, 27);
    assert_whole(&object, FLS_SPAN(sample), 0);
    clear(&object);
    put_zstd(&object, sample, sizeof(sample) - 1);
    put_zstd_as(&object, sample, sizeof(sample) - 1, 28);
    assert_fails(&object, "zstd: frame 2 needs a window of more than 128 MiB");
    clear(&object);
}

static void test_zstd_dictionary(void **state)
{
    /* Single segment of 1 byte, dictionary 7: its one raw block is "x". */
    const uint8_t frame[] = {0x28, 0xb5, 0x2f, 0xfd, 0x21, 7, 1, 9, 0, 0, 'x'};
    struct bytes object = {0};

    (void)state;
    put(&object, frame, sizeof(frame));
    assert_fails(&object, "zstd: frame 1 needs a dictionary");
    clear(&object);
}

/* ---- windows ---- */

static void test_windows(void **state)
{
    (void)state;
    seed = 3;
    for (int round = 0; round < 6; round++) {
        struct bytes text = {0}, plain = {0}, gzip = {0}, zstd = {0};

        put_lines(&text, 700000 + random_below(700000));
        for (size_t at = 0; at < text.sz;) {
            size_t sz = random_below(round < 3 ? 300000 : 3000);

            sz = sz < text.sz - at ? sz : text.sz - at;
            put(&plain, text.at + at, sz);
            put_gzip_as(&gzip, text.at + at, sz, 0, 1 + round, Z_DEFAULT_STRATEGY);
            put_zstd(&zstd, text.at + at, sz);
            at += sz;
        }
        assert_whole(&plain, (struct fls_span){text.at, text.sz}, 0);
        assert_whole(&gzip, (struct fls_span){text.at, text.sz}, 0);
        assert_whole(&zstd, (struct fls_span){text.at, text.sz}, 0);
        clear(&text);
        clear(&plain);
        clear(&gzip);
        clear(&zstd);
    }
}

/* A thousand to one, of one line: the window never grows. */
static void read_bomb(const struct bytes *object, int inflate, uint64_t size)
{
    struct fls_span window;
    enum fls_text_status status;
    int fd = memfd_create("bomb", MFD_CLOEXEC);

    assert_int_equal(write(fd, object->at, object->sz), object->sz);
    fls_reader_add(readers[1], fd, object->sz, mtime_ns_of(fd));
    fls_text_begin(texts[inflate], readers[1]);
    do {
        status = fls_text_read(texts[inflate], &window);
        assert_true(window.sz <= FLS_WINDOW_MIN + FLS_TEXT_CHUNK_SZ);
        fls_text_consume(texts[inflate], window.sz / 2);
    } while (status == FLS_TEXT_MORE);
    assert_int_equal(status, FLS_TEXT_END);
    assert_int_equal(fls_text_bytes(texts[inflate]), size);
    fls_reader_finish(readers[1]);
}

static void test_bomb(void **state)
{
    size_t sz = 32 << 20;
    uint8_t *zeros = calloc(1, sz);
    struct bytes gzip = {0}, zstd = {0};

    (void)state;
    put_gzip_as(&gzip, zeros, sz, 0, 9, Z_DEFAULT_STRATEGY);
    put_zstd(&zstd, zeros, sz);
    assert_true(gzip.sz < sz / 900 && zstd.sz < sz / 900);
    read_bomb(&gzip, 0, sz);
    read_bomb(&gzip, 1, sz);
    read_bomb(&zstd, 0, sz);
    clear(&gzip);
    clear(&zstd);
    free(zeros);
}

/* Members and frames that hold nothing, by the million: the caller gets windows all the same, and
 * what a text begins with is told from its first bytes, however far they are apart. */
static void read_scattered(const struct bytes *object, struct fls_span text, const char *failure)
{
    for (int inflate = 0; inflate < 2; inflate++) {
        enum fls_text_status status;
        uint64_t got = 0, read_before = 0;
        uint32_t empty_cnt = 0;
        int fd = memfd_create("scattered", MFD_CLOEXEC);

        assert_int_equal(write(fd, object->at, object->sz), object->sz);
        fls_reader_add(readers[1], fd, object->sz, mtime_ns_of(fd));
        fls_text_begin(texts[inflate], readers[1]);
        do {
            struct fls_span window;
            uint64_t read_now;

            status = fls_text_read(texts[inflate], &window);
            read_now = fls_text_bytes_read(texts[inflate]);
            assert_true(read_now - read_before <= FLS_TEXT_TAKE_SZ + FLS_READER_BLOCK_SZ);
            read_before = read_now;
            empty_cnt += status == FLS_TEXT_MORE && window.sz == 0;
            if (!failure)
                assert_memory_equal(window.at, text.at + got, window.sz);
            got += window.sz;
            fls_text_consume(texts[inflate], window.sz);
        } while (status == FLS_TEXT_MORE);
        assert_true(empty_cnt > 0);
        assert_int_equal(status, failure ? FLS_TEXT_FAILED : FLS_TEXT_END);
        assert_string_equal(fls_text_failure(texts[inflate]), failure ? failure : "");
        if (!failure)
            assert_int_equal(got, text.sz);
        fls_reader_finish(readers[1]);
    }
}

enum { EMPTY_CNT = 1000000 };

static void put_nothing(struct bytes *to, bool is_zstd)
{
    struct bytes one = {0};

    if (is_zstd)
        put_zstd(&one, "", 0);
    else
        put_gzip(&one, "", 0);
    for (uint32_t i = 0; i < EMPTY_CNT; i++)
        put(to, one.at, one.sz);
    if (is_zstd)
        put_skippable(to, 17 << 20);
    clear(&one);
}

static void test_scattered(void **state)
{
    static const char parquet[] = "PAR1 and so on, more than sixteen bytes of it";

    (void)state;
    for (int is_zstd = 0; is_zstd < 2; is_zstd++) {
        void (*put_some)(struct bytes *, const void *, size_t) = is_zstd ? put_zstd : put_gzip;
        struct bytes object = {0}, refused = {0};

        put_some(&object, sample, 3);
        put_nothing(&object, is_zstd);
        put_some(&object, sample + 3, sizeof(sample) - 4);
        read_scattered(&object, FLS_SPAN(sample), NULL);
        put_some(&refused, parquet, 3);
        put_nothing(&refused, is_zstd);
        put_some(&refused, parquet + 3, sizeof(parquet) - 4);
        read_scattered(&refused, FLS_SPAN(""), "not a text of flow logs, but Parquet");
        clear(&object);
        clear(&refused);
    }
}

/* Fields of a gzip header as long as they can be, or longer than any window; what a skippable frame
 * promises and does not hold. */
static void test_endless_headers(void **state)
{
    static const uint8_t fixed[10] = {0x1f, 0x8b, 8, FLAG_EXTRA | FLAG_NAME | FLAG_COMMENT, 0};
    struct bytes object = {0};

    (void)state;
    put(&object, fixed, sizeof(fixed));
    put_number(&object, 65535, 2);
    for (uint32_t i = 0; i < 65535; i++)
        put(&object, "x", 1);
    for (int field = 0; field < 2; field++) {
        for (uint32_t i = 0; i < 17 << 20; i++)
            put(&object, "name", 1);
        put(&object, "", 1);
    }
    assert_fails(&object, "gzip: member 1 is cut short in its data");
    put_deflate(&object, sample, sizeof(sample) - 1, 6, Z_DEFAULT_STRATEGY);
    put_number(&object, (uint32_t)crc32_z(0, (const Bytef *)sample, sizeof(sample) - 1), 4);
    put_number(&object, sizeof(sample) - 1, 4);
    assert_whole(&object, FLS_SPAN(sample), 0);
    clear(&object);
    put_number(&object, 0x184d2a53, 4);
    put_number(&object, UINT32_MAX, 4);
    for (uint32_t i = 0; i < 1 << 20; i++)
        put(&object, "x", 1);
    assert_fails(&object, "zstd: frame 1 is cut short");
    clear(&object);
}

/* After any end or failure the next object begins anew. */
static void test_begin_again(void **state)
{
    struct bytes text = {0}, good = {0}, bad = {0};

    (void)state;
    seed = 4;
    put_lines(&text, 1000000);
    put_gzip(&good, text.at, text.sz);
    put(&bad, good.at, good.sz);
    bad.at[bad.sz / 2] ^= 0x55;
    assert_fails(&bad, "gzip: member 1 is damaged (its data or its checksum)");
    assert_whole(&good, (struct fls_span){text.at, text.sz}, 0);
    bad.sz /= 3;
    assert_fails(&bad, "gzip: member 1 is cut short in its data");
    assert_whole(&good, (struct fls_span){text.at, text.sz}, 0);
    clear(&text);
    clear(&good);
    clear(&bad);
}

static void test_unreadable(void **state)
{
    (void)state;
    for (int io = 0; io < 2; io++) {
        struct outcome outcome = read_fd(open("/", O_RDONLY | O_CLOEXEC), 10, 0, io);
        assert_int_equal(outcome.status, FLS_TEXT_FAILED);
        assert_string_equal(outcome.failure, "cannot be read: Is a directory");

        int fd = memfd_create("shrunk", MFD_CLOEXEC);
        assert_int_equal(write(fd, sample, sizeof(sample) - 1), sizeof(sample) - 1);
        outcome = read_fd(fd, sizeof(sample), 0, io);
        assert_int_equal(outcome.status, FLS_TEXT_FAILED);
        assert_string_equal(outcome.failure, "changed while it was read");
    }
}

/* ---- objects that change ---- */

enum change { SAME_SIZE, GROWTH, SHRINKING, REPLACEMENT, RENAMING, REMOVAL, CHANGE_CNT };

/* Changes the object as others may do while it is read; true if it is another edition then. */
static bool change_object(enum change change, int fd, const char *path, size_t size)
{
    static const struct timespec times[2] = {{7, 0}, {7, 7}};
    char other[64];
    int replacement;

    snprintf(other, sizeof(other), "%s.other", path);
    switch (change) {
    case SAME_SIZE: /* the time as a later write sets it, whatever the clock's tick is */
        assert_int_equal(pwrite(fd, sample, sizeof(sample), 0), sizeof(sample));
        assert_int_equal(futimens(fd, times), 0);
        return true;
    case GROWTH:
        assert_int_equal(pwrite(fd, "x", 1, (off_t)size), 1);
        return true;
    case SHRINKING:
        assert_int_equal(ftruncate(fd, (off_t)size - 1), 0);
        return true;
    case REPLACEMENT:
        replacement = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(replacement, sample, sizeof(sample)), sizeof(sample));
        close(replacement);
        assert_int_equal(rename(other, path), 0);
        return false;
    case RENAMING:
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(rename(other, path), 0);
        return false;
    case REMOVAL:
        assert_int_equal(unlink(path), 0);
        return false;
    case CHANGE_CNT:
        break;
    }
    fail();
    return false;
}

/* Reads up to some window, has the object changed, and reads on. */
static void read_changing(const struct bytes *object, struct fls_span text, enum change change,
                          uint32_t windows_before)
{
    char path[] = "/tmp/fls-changes-XXXXXX";
    int fd = mkostemp(path, O_CLOEXEC);
    enum fls_text_status status = FLS_TEXT_MORE;
    uint64_t got = 0;
    bool is_other = false;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, object->at, object->sz), object->sz);
    fls_reader_add(readers[1], open(path, O_RDONLY | O_CLOEXEC), object->sz, mtime_ns_of(fd));
    fls_text_begin(texts[0], readers[1]);
    for (uint32_t i = 0; status == FLS_TEXT_MORE; i++) {
        struct fls_span window;

        if (i == windows_before)
            is_other = change_object(change, fd, path, object->sz);
        status = fls_text_read(texts[0], &window);
        if (status != FLS_TEXT_FAILED && !is_other)
            assert_memory_equal(window.at, text.at + got, window.sz);
        got += window.sz;
        fls_text_consume(texts[0], window.sz);
    }
    if (is_other) {
        assert_int_equal(status, FLS_TEXT_FAILED);
        assert_string_equal(fls_text_failure(texts[0]), "changed while it was read");
    } else {
        assert_int_equal(status, FLS_TEXT_END);
        assert_int_equal(got, text.sz);
    }
    fls_reader_finish(readers[1]);
    close(fd);
    unlink(path);
}

/* One edition whole, or nothing; whichever bytes were read before it changed. */
static void test_changes(void **state)
{
    struct bytes lines = {0}, objects[4] = {0};

    (void)state;
    seed = 9;
    put_lines(&lines, 6000000); /* more than the reader reads ahead */
    struct fls_span text = {lines.at, lines.sz};
    put(&objects[0], lines.at, lines.sz);
    put_gzip_as(&objects[1], lines.at, lines.sz, 0, 1, Z_DEFAULT_STRATEGY);
    put_zstd(&objects[2], lines.at, lines.sz);
    put(&objects[3], lines.at, 1000); /* one window, one block */
    for (enum change change = 0; change < CHANGE_CNT; change++)
        for (int i = 0; i < 4; i++)
            for (uint32_t before = 0; before < (i == 3 ? 1 : 40); before += 13)
                read_changing(&objects[i], i == 3 ? (struct fls_span){text.at, 1000} : text, change,
                              before);
    clear(&lines);
    for (int i = 0; i < 4; i++)
        clear(&objects[i]);
}

/* ---- kinds ---- */

#define REFUSED "not a text of flow logs, but "

static const struct {
    struct fls_span text;
    const char *refused; /* NULL: text */
} kinds[] = {
    {FLS_SPAN(""), NULL},
    {FLS_SPAN("2"), NULL},
    {FLS_SPAN("${version} ${account-id}\n"), NULL},
    {FLS_SPAN("2 {x} [y]\n"), NULL},
    {FLS_SPAN("PARK 1\n"), NULL},
    {FLS_SPAN("PK\n"), NULL},
    {FLS_SPAN("BZh9 of an instance"), NULL},
    {FLS_SPAN("\xef\xbb\xbfversion account-id\n"), NULL},
    {FLS_SPAN("\0"), NULL},
    {FLS_SPAN("2 123\0 eni-0 10.0.0.1 -\n"), NULL},
    {FLS_SPAN("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), NULL},
    {FLS_SPAN("a\0b\0c\0d\0e\0f\0g\0xyz and so on\n"), NULL},
    {FLS_SPAN("\n\n  \r\n"), NULL},
    {FLS_SPAN("("), NULL},
    {FLS_SPAN("{\"messageType\":1}"), "JSON (CloudWatch Logs, perhaps)"},
    {FLS_SPAN("\xef\xbb\xbf\r\n \t[1]"), "JSON (CloudWatch Logs, perhaps)"},
    {FLS_SPAN("PAR1\x15\x04"), "Parquet"},
    {FLS_SPAN("\xff\xfev\0e\0"), "UTF-16 text"},
    {FLS_SPAN("\xfe\xff\0v\0e"), "UTF-16 text"},
    {FLS_SPAN("v\0e\0r\0s\0i\0o\0n\0 \0a\0"), "UTF-16 text"},
    {FLS_SPAN("\0v\0e\0r\0s\0i\0o\0n\0 \0a"), "UTF-16 text"},
    {FLS_SPAN("\xfd"
              "7zXZ\0\0\x04"),
     "xz"},
    {FLS_SPAN("BZh9\x31\x41\x59\x26\x53\x59..."), "bzip2"},
    {FLS_SPAN("PK\x03\x04\x14\0\0\0"), "a zip archive"},
};

static void assert_kind(const struct bytes *object, struct fls_span text, const char *refused)
{
    char failure[100];

    if (!refused) {
        assert_whole(object, text, 0);
        return;
    }
    snprintf(failure, sizeof(failure), REFUSED "%s", refused);
    assert_fails(object, failure);
}

static void test_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        struct bytes plain = {0}, gzip = {0}, zstd = {0};

        put(&plain, kinds[i].text.at, kinds[i].text.sz);
        put_gzip(&gzip, kinds[i].text.at, kinds[i].text.sz);
        put_zstd(&zstd, kinds[i].text.at, kinds[i].text.sz);
        assert_kind(&plain, kinds[i].text, kinds[i].refused);
        assert_kind(&gzip, kinds[i].text, kinds[i].refused);
        assert_kind(&zstd, kinds[i].text, kinds[i].refused);
        clear(&plain);
        clear(&gzip);
        clear(&zstd);
    }
}

static void test_packed_twice(void **state)
{
    static void (*const pack[2])(struct bytes *, const void *, size_t) = {put_gzip, put_zstd};
    static const char *const names[2] = {"gzip", "zstd"};

    (void)state;
    for (int outer = 0; outer < 2; outer++) {
        for (int inner = 0; inner < 2; inner++) {
            struct bytes once = {0}, twice = {0};
            char failure[100];

            pack[inner](&once, sample, sizeof(sample) - 1);
            pack[outer](&twice, once.at, once.sz);
            snprintf(failure, sizeof(failure), REFUSED "%s inside %s", names[inner], names[outer]);
            assert_fails(&twice, failure);
            clear(&once);
            clear(&twice);
        }
    }
}

/* Blank lines for longer than the first window, then JSON. */
static void test_late_json(void **state)
{
    struct bytes object = {0};

    (void)state;
    for (int i = 0; i < 300000; i++)
        put(&object, i % 2 ? "\n" : " ", 1);
    put(&object, "{}", 2);
    assert_fails(&object, REFUSED "JSON (CloudWatch Logs, perhaps)");
    clear(&object);
}

/* What is only the beginning of a magic was cut short. */
static void test_cut_magic(void **state)
{
    struct bytes object = {0};

    (void)state;
    put(&object, "\x1f", 1);
    assert_fails(&object, "gzip: member 1 is cut short in its header");
    clear(&object);
    put(&object, "\x28\xb5\x2f", 3);
    assert_fails(&object, "zstd: frame 1 is cut short");
    object.sz = 2;
    assert_fails(&object, "zstd: frame 1 is cut short");
    clear(&object);
}

/* ---- the corpus ---- */

enum verdict { OK, WARNING, FAILED, REFUSED_KIND };

static const struct {
    const char *name;
    enum verdict verdict;
    const char *failure;
} corpus[] = {
    {"gz-single.log.gz", OK, ""},
    {"gz-multi-member.log.gz", OK, ""},
    {"gz-multi-member-split-midline.log.gz", OK, ""},
    {"gz-multi-object-header-each.log.gz", OK, ""},
    {"gz-multi-object-no-final-newline.log.gz", OK, ""},
    {"gz-empty-members.log.gz", OK, ""},
    {"gz-empty-payload.log.gz", OK, ""},
    {"gz-header-only.log.gz", OK, ""},
    {"gz-fname-fcomment-fextra-fhcrc.log.gz", OK, ""},
    {"gz-stored-blocks.log.gz", OK, ""},
    {"gz-fixed-huffman.log.gz", OK, ""},
    {"gz-truncated-body.log.gz", FAILED, "gzip: member 1 is cut short in its data"},
    {"gz-truncated-trailer.log.gz", FAILED, "gzip: member 1 is cut short in its checksum"},
    {"gz-truncated-trailer8.log.gz", FAILED, "gzip: member 1 is cut short in its checksum"},
    {"gz-truncated-header.log.gz", FAILED, "gzip: member 1 is cut short in its header"},
    {"gz-bad-crc.log.gz", FAILED, "gzip: member 1 is damaged (its data or its checksum)"},
    {"gz-bad-isize.log.gz", FAILED, "gzip: member 1 is damaged (its data or its checksum)"},
    {"gz-bitflip.log.gz", FAILED, "gzip: member 1 is damaged (its data or its checksum)"},
    {"gz-trailing-zeros.log.gz", OK, ""},
    {"gz-trailing-garbage.log.gz", WARNING, ""},
    {"gz-bad-second-member.log.gz", FAILED, "gzip: member 2 is cut short in its data"},
    {"gz-reserved-flags.log.gz", FAILED, "gzip: member 1 has reserved flag bits set"},
    {"gz-unknown-method.log.gz", FAILED,
     "gzip: member 1 is compressed by an unknown method (only deflate is known)"},
    {"plain-named.gz", OK, ""},
    {"gz-named.log", OK, ""},
    {"gz-in-gz.log.gz", REFUSED_KIND, REFUSED "gzip inside gzip"},
    {"zstd.log.zst", OK, ""},
    {"parquet.log.parquet", REFUSED_KIND, REFUSED "Parquet"},
    {"gz-bomb-64MiB-zeros.log.gz", OK, ""},
    {"empty.log", OK, ""},
    {"crlf.log", OK, ""},
    {"no-final-newline.log", OK, ""},
    {"bom.log", OK, ""},
    {"utf16le.log", REFUSED_KIND, REFUSED "UTF-16 text"},
    {"blank-lines.log", OK, ""},
    {"double-spaces-tabs.log", OK, ""},
    {"nul-in-line.log", OK, ""},
    {"long-line.log", OK, ""},
    {"header-repeated.log", OK, ""},
    {"header-uppercase.log", OK, ""},
    {"header-underscores.log", OK, ""},
    {"console-dollar-format.log", OK, ""},
    {"overflow-values.log", OK, ""},
    {"cw-subscription.gz", REFUSED_KIND, REFUSED "JSON (CloudWatch Logs, perhaps)"},
};

static struct outcome read_corpus(const char *folder, const char *name, int inflate)
{
    char path[FLS_PATH_MAX];
    struct stat status;

    snprintf(path, sizeof(path), "%s/corner/%s", folder, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    return read_fd(fd, (uint64_t)status.st_size, inflate, inflate);
}

static void test_corpus(void **state)
{
    const char *folder = getenv("FLS_SHARED_DATA");
    struct outcome single;

    (void)state;
    if (!folder || access(folder, R_OK) != 0)
        skip();
    single = read_corpus(folder, "gz-single.log.gz", 0);
    for (size_t i = 0; i < sizeof(corpus) / sizeof(corpus[0]); i++) {
        struct outcome isal = read_corpus(folder, corpus[i].name, 0);
        struct outcome zlib = read_corpus(folder, corpus[i].name, 1);
        bool is_end = corpus[i].verdict == OK || corpus[i].verdict == WARNING;

        assert_same_outcome(&isal, &zlib);
        assert_string_equal(isal.failure, corpus[i].failure);
        assert_int_equal(isal.status, is_end ? FLS_TEXT_END : FLS_TEXT_FAILED);
        assert_int_equal(isal.trailing > 0, corpus[i].verdict == WARNING);
        if (strncmp(corpus[i].name, "gz-multi-member", 15) == 0 ||
            strcmp(corpus[i].name, "gz-trailing-garbage.log.gz") == 0)
            assert_same_outcome(&isal, &(struct outcome){.status = FLS_TEXT_END,
                                                         .text = single.text,
                                                         .trailing = isal.trailing});
        clear(&isal.text);
        clear(&zlib.text);
    }
    clear(&single.text);
}

/* ---- */

static int set_up(void **state)
{
    char reason[200];

    (void)state;
    return fls_reader_new(&readers[0], FLS_IO_PREAD, reason, sizeof(reason)) ||
           fls_reader_new(&readers[1], FLS_IO_AUTO, reason, sizeof(reason)) ||
           fls_text_new(&texts[0], FLS_INFLATE_ISAL) || fls_text_new(&texts[1], FLS_INFLATE_ZLIB);
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        fls_text_free(texts[i]);
        fls_reader_free(readers[i]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gzip_flags),       cmocka_unit_test(test_gzip_members),
        cmocka_unit_test(test_gzip_bad_headers), cmocka_unit_test(test_gzip_after),
        cmocka_unit_test(test_gzip_long_after),  cmocka_unit_test(test_gzip_truncated),
        cmocka_unit_test(test_gzip_bit_flips),   cmocka_unit_test(test_gzip_damage),
        cmocka_unit_test(test_gzip_lookback),    cmocka_unit_test(test_gzip_pieces),
        cmocka_unit_test(test_zstd_pieces),      cmocka_unit_test(test_zstd_frames),
        cmocka_unit_test(test_zstd_truncated),   cmocka_unit_test(test_zstd_bit_flips),
        cmocka_unit_test(test_zstd_window),      cmocka_unit_test(test_zstd_dictionary),
        cmocka_unit_test(test_windows),          cmocka_unit_test(test_bomb),
        cmocka_unit_test(test_scattered),        cmocka_unit_test(test_endless_headers),
        cmocka_unit_test(test_begin_again),      cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_changes),          cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_packed_twice),     cmocka_unit_test(test_late_json),
        cmocka_unit_test(test_cut_magic),        cmocka_unit_test(test_corpus),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

#include "ingest/kind.h"

#define GZIP_MAGIC FLS_SPAN("\x1f\x8b")
#define ZSTD_MAGIC FLS_SPAN("\x28\xb5\x2f\xfd")
#define ZSTD_PREFIX_MIN 2U /* the first byte alone is '(', as any text may begin */
#define UTF8_BOM FLS_SPAN("\xef\xbb\xbf")

static bool begins_with(struct fls_span first, struct fls_span magic)
{
    return first.sz >= magic.sz && memcmp(first.at, magic.at, magic.sz) == 0;
}

static bool is_beginning_of(struct fls_span first, struct fls_span magic)
{
    return first.sz < magic.sz && memcmp(first.at, magic.at, first.sz) == 0;
}

static bool begins_skippable(struct fls_span first)
{
    return first.sz >= 4 && (first.at[0] & 0xf0) == 0x50 &&
           memcmp(first.at + 1, "\x2a\x4d\x18", 3) == 0;
}

enum fls_packing fls_packing_of(struct fls_span first, bool is_all)
{
    if (begins_with(first, GZIP_MAGIC))
        return FLS_PACKING_GZIP;
    if (begins_with(first, ZSTD_MAGIC) || begins_skippable(first))
        return FLS_PACKING_ZSTD;
    if (is_all && first.sz > 0 && is_beginning_of(first, GZIP_MAGIC))
        return FLS_PACKING_GZIP;
    if (is_all && first.sz >= ZSTD_PREFIX_MIN && is_beginning_of(first, ZSTD_MAGIC))
        return FLS_PACKING_ZSTD;
    return FLS_PACKING_NONE;
}

/* A byte order mark, or ASCII with a NUL in front of or behind each of the first 8 characters. A
 * few NULs, or nothing but NULs, are bad lines of text instead. */
static bool is_utf16(struct fls_span first)
{
    uint32_t nul_cnt[2] = {0, 0};

    if (begins_with(first, FLS_SPAN("\xff\xfe")) || begins_with(first, FLS_SPAN("\xfe\xff")))
        return true;
    if (first.sz < FLS_KIND_SZ)
        return false;
    for (size_t i = 0; i < FLS_KIND_SZ; i++)
        nul_cnt[i % 2] += first.at[i] == 0;
    return (nul_cnt[0] == FLS_KIND_SZ / 2 && nul_cnt[1] == 0) ||
           (nul_cnt[1] == FLS_KIND_SZ / 2 && nul_cnt[0] == 0);
}

/* Its magic is three letters and a digit; what follows is the magic of a block or of the end. */
static bool is_bzip2(struct fls_span first)
{
    return first.sz >= 10 && memcmp(first.at, "BZh", 3) == 0 && first.at[3] >= '1' &&
           first.at[3] <= '9' &&
           (memcmp(first.at + 4, "\x31\x41\x59\x26\x53\x59", 6) == 0 ||
            memcmp(first.at + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

static const char *packed_again(enum fls_packing outer, enum fls_packing inner)
{
    static const char *const names[3][3] = {
        [FLS_PACKING_NONE] = {NULL, "gzip", "zstd"},
        [FLS_PACKING_GZIP] = {NULL, "gzip inside gzip", "zstd inside gzip"},
        [FLS_PACKING_ZSTD] = {NULL, "gzip inside zstd", "zstd inside zstd"}};

    return names[outer][inner];
}

const char *fls_kind_refused(struct fls_span first, enum fls_packing packing)
{
    enum fls_packing inner = fls_packing_of(first, false);

    if (inner != FLS_PACKING_NONE)
        return packed_again(packing, inner);
    if (begins_with(first, FLS_SPAN("PAR1")))
        return "Parquet";
    if (is_utf16(first))
        return "UTF-16 text";
    if (begins_with(first, FLS_SPAN("\xfd\x37\x7a\x58\x5a\x00")))
        return "xz";
    if (is_bzip2(first))
        return "bzip2";
    if (begins_with(first, FLS_SPAN("PK\x03\x04")) || begins_with(first, FLS_SPAN("PK\x05\x06")))
        return "a zip archive";
    return NULL;
}

size_t fls_kind_skip_blank(struct fls_span first)
{
    size_t at = begins_with(first, UTF8_BOM) ? UTF8_BOM.sz : 0;

    while (at < first.sz && (first.at[at] == ' ' || first.at[at] == '\t' || first.at[at] == '\r' ||
                             first.at[at] == '\n'))
        at++;
    return at;
}

bool fls_kind_is_json(uint8_t first)
{
    return first == '{' || first == '[';
}

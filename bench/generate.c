#define ZLIB_CONST /* of what deflate only reads */
#include "bench/generate.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/cores.h"
#include "base/log.h"
#include "base/write.h"
#include "bench/lines.h"
#include "bench/traffic.h"
#include "bench/world.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define FIRST_DAY 20454U /* 2026-01-01 */
#define SECONDS_PER_DAY 86400U
#define GZIP_LEVEL 6
#define ZSTD_LEVEL 3
#define TEXT_SZ (256U << 10)
#define PACKED_SZ (128U << 10)
#define WORKERS_MAX 64
#define INTERVAL_S 60U /* AWS's aggregation interval */

/* A file being written: text in, compressed bytes out. */
struct sink {
    enum fls_compress compress;
    int fd;
    z_stream gzip;
    ZSTD_CCtx *zstd;
    uint8_t packed[PACKED_SZ];
};

/* Where an object stands in its account and day. */
struct place {
    uint32_t account, day;
    uint64_t position, of; /* the object's place among those of its account and day */
};

struct generator {
    const struct fls_options *options;
    struct fls_lines_layout layout;
    struct fls_account account;
    struct fls_traffic traffic;
    struct fls_record record;
    struct sink sink;
    char text[TEXT_SZ + FLS_LINES_LINE_MAX];
    char folder[FLS_PATH_MAX], path[FLS_PATH_MAX], hidden[FLS_PATH_MAX];
};

static int sink_gzip(struct sink *sink, const char *text, size_t sz, bool is_last)
{
    z_stream *gzip = &sink->gzip;
    int status = 0;

    gzip->next_in = (const uint8_t *)text;
    gzip->avail_in = (uInt)sz;
    do {
        int deflated;

        gzip->next_out = sink->packed;
        gzip->avail_out = PACKED_SZ;
        deflated = deflate(gzip, is_last ? Z_FINISH : Z_NO_FLUSH);
        fls_assert(deflated == Z_OK || deflated == Z_STREAM_END || deflated == Z_BUF_ERROR);
        status = fls_write(sink->fd, (struct fls_span){sink->packed, PACKED_SZ - gzip->avail_out});
    } while (status == 0 && gzip->avail_out == 0);
    return status;
}

static int sink_zstd(struct sink *sink, const char *text, size_t sz, bool is_last)
{
    ZSTD_inBuffer in = {text, sz, 0};
    size_t left;
    int status = 0;

    do {
        ZSTD_outBuffer out = {sink->packed, PACKED_SZ, 0};

        left = ZSTD_compressStream2(sink->zstd, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left))
            return -ENOMEM; /* the only error that well-used streams have */
        status = fls_write(sink->fd, (struct fls_span){sink->packed, out.pos});
    } while (status == 0 && (is_last ? left > 0 : in.pos < in.size));
    return status;
}

static int sink_put(struct sink *sink, const char *text, size_t sz, bool is_last)
{
    switch (sink->compress) {
    case FLS_COMPRESS_GZIP:
        return sink_gzip(sink, text, sz, is_last);
    case FLS_COMPRESS_ZSTD:
        return sink_zstd(sink, text, sz, is_last);
    case FLS_COMPRESS_NONE:
        break;
    }
    return fls_write(sink->fd, (struct fls_span){(const uint8_t *)text, sz});
}

static int sink_init(struct sink *sink, enum fls_compress compress)
{
    sink->compress = compress;
    if (compress == FLS_COMPRESS_GZIP) /* 16: with a header of gzip */
        return deflateInit2(&sink->gzip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY)
                   ? -ENOMEM
                   : 0;
    if (compress == FLS_COMPRESS_ZSTD) {
        sink->zstd = ZSTD_createCCtx();
        if (!sink->zstd)
            return -ENOMEM;
        ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
        ZSTD_CCtx_setParameter(sink->zstd, ZSTD_c_checksumFlag, 1);
    }
    return 0;
}

static void sink_begin(struct sink *sink, int fd)
{
    sink->fd = fd;
    if (sink->compress == FLS_COMPRESS_GZIP)
        deflateReset(&sink->gzip);
    if (sink->compress == FLS_COMPRESS_ZSTD)
        ZSTD_CCtx_reset(sink->zstd, ZSTD_reset_session_only);
}

static void sink_fini(struct sink *sink)
{
    if (sink->compress == FLS_COMPRESS_GZIP)
        deflateEnd(&sink->gzip);
    ZSTD_freeCCtx(sink->zstd);
}

/* Objects go round the accounts; each account begins with a day of its own and goes round the
 * days, so that few objects still cover many of both. */
static struct place place_of(const struct fls_options *options, uint32_t object)
{
    struct place place;
    uint32_t turn = object / options->accounts; /* of its account */
    uint32_t turns, first;

    place.account = object % options->accounts;
    place.day = (uint32_t)(((uint64_t)turn + place.account) % options->days);
    turns = (options->objects - place.account - 1) / options->accounts + 1;
    first = turn % options->days; /* the account's first turn on this day */
    place.position = turn / options->days;
    place.of = (turns - first - 1) / options->days + 1;
    fls_assert(place.position < place.of);
    return place;
}

static int make_folders(char *path)
{
    for (char *slash = path + 1; *slash; slash++) {
        int status;

        if (*slash != '/')
            continue;
        *slash = 0;
        status = mkdir(path, 0777) != 0 && errno != EEXIST ? -errno : 0;
        *slash = '/';
        if (status)
            return status;
    }
    return mkdir(path, 0777) != 0 && errno != EEXIST ? -errno : 0;
}

static int folder_of(const struct generator *generator, const char *date, uint32_t hour, char *out)
{
    static const char *const pattern[] = {
        [FLS_FOLDERS_PLAIN] = "%s/AWSLogs/%s/vpcflowlogs/%s/%.4s/%.2s/%.2s",
        [FLS_FOLDERS_HOURLY] = "%s/AWSLogs/%s/vpcflowlogs/%s/%.4s/%.2s/%.2s/%02u",
        [FLS_FOLDERS_HIVE] = ("%s/AWSLogs/aws-account-id=%s/aws-service=vpcflowlogs/aws-region=%s/"
                              "year=%.4s/month=%.2s/day=%.2s")};
    const struct fls_account *account = &generator->account;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
    return snprintf(out, FLS_PATH_MAX, pattern[generator->options->folders],
                    generator->options->out, account->id, account->region, date, date + 5, date + 8,
                    hour);
#pragma GCC diagnostic pop
}

/* The object's folder, its path, and the hidden name under which it is written. */
static int name_object(struct generator *generator, uint32_t object, uint32_t delivered_s)
{
    static const char *const suffix[] = {".log.gz", ".log.zst", ".log"};
    const struct fls_options *options = generator->options;
    const struct fls_account *account = &generator->account;
    uint32_t minute = delivered_s % SECONDS_PER_DAY / 300 * 5, hour = minute / 60;
    uint32_t hash = (uint32_t)fls_random_of(options->seed, UINT64_MAX, object);
    char date[FLS_DAY_TEXT_MAX], name[128];
    int sz;

    fls_day_format(delivered_s / SECONDS_PER_DAY, date);
    snprintf(name, sizeof(name), "%s_vpcflowlogs_%s_%s_%.4s%.2s%.2sT%02u%02uZ_%08x%s", account->id,
             account->region, account->flow_log, date, date + 5, date + 8, hour, minute % 60, hash,
             suffix[options->compress]);
    sz = folder_of(generator, date, hour, generator->folder);
    if (sz < 0 || (size_t)sz + sizeof(name) + 8 > FLS_PATH_MAX)
        return -ENAMETOOLONG;
    sz = snprintf(generator->path, FLS_PATH_MAX, "%s/%s", generator->folder, name);
    fls_assert(sz > 0 && sz < (int)FLS_PATH_MAX);
    sz = snprintf(generator->hidden, FLS_PATH_MAX, "%s/.%s.new", generator->folder, name);
    fls_assert(sz > 0 && sz < (int)FLS_PATH_MAX);
    return 0;
}

/* A record's times: the object's share of its day, in order but for the aggregation interval. */
static void set_times(struct generator *generator, const struct place *place, uint64_t number,
                      struct fls_record *record)
{
    uint64_t records = generator->options->records;
    uint64_t part = (number << 16) / records; /* records < 2^32 */
    uint32_t second = fls_traffic_second((place->position << 16) + part, place->of << 16);
    uint64_t random = fls_random_next(&generator->traffic.random);

    second += (uint32_t)(random % INTERVAL_S);
    if (second >= SECONDS_PER_DAY)
        second = SECONDS_PER_DAY - 1;
    record->start = (FIRST_DAY + place->day) * SECONDS_PER_DAY + second;
    record->end = record->start + 1 + (uint32_t)((random >> 32) % (INTERVAL_S - 1));
}

static int write_records(struct generator *generator, const struct place *place)
{
    struct fls_record *record = &generator->record;
    char *at = fls_lines_header(&generator->layout, generator->text);

    for (uint64_t i = 0; i < generator->options->records; i++) {
        fls_traffic_next(&generator->traffic, record);
        set_times(generator, place, i, record);
        at = fls_lines_record(&generator->layout, record, at);
        if (at - generator->text >= (ptrdiff_t)TEXT_SZ) {
            int status = sink_put(&generator->sink, generator->text, TEXT_SZ, false);

            if (status)
                return status;
            memmove(generator->text, generator->text + TEXT_SZ,
                    (size_t)(at - generator->text) - TEXT_SZ);
            at -= TEXT_SZ;
        }
    }
    return sink_put(&generator->sink, generator->text, (size_t)(at - generator->text), true);
}

/* Written under a hidden name first: nobody meets half an object. */
static int write_object(struct generator *generator, const struct place *place)
{
    int fd, status = make_folders(generator->folder);

    if (status)
        return status;
    fd = open(generator->hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return -errno;
    sink_begin(&generator->sink, fd);
    status = write_records(generator, place);
    if (close(fd) != 0 && status == 0)
        status = -errno;
    if (status == 0 && rename(generator->hidden, generator->path) != 0)
        status = -errno;
    if (status)
        unlink(generator->hidden);
    return status;
}

static int generate_object(struct generator *generator, uint32_t object)
{
    const struct fls_options *options = generator->options;
    struct place place = place_of(options, object);
    uint32_t day_s = (FIRST_DAY + place.day) * SECONDS_PER_DAY;
    int status;

    fls_world_account(options->seed, place.account, &generator->account);
    fls_traffic_begin(&generator->traffic, options->seed, object, options->accounts,
                      options->ipv6_percent, &generator->account);
    status =
        name_object(generator, object, day_s + fls_traffic_second(place.position + 1, place.of));
    if (status == 0)
        status = write_object(generator, &place);
    if (status)
        fls_log_error("cannot write %s: %s",
                      status == -ENAMETOOLONG ? options->out : generator->path, strerror(-status));
    return status;
}

/* The objects first, first + step, ... */
static int generate_share(const struct fls_options *options, const struct fls_lines_layout *layout,
                          uint32_t first, uint32_t step)
{
    struct generator *generator = calloc(1, sizeof(*generator));
    int status = -ENOMEM;

    if (generator) {
        generator->options = options;
        generator->layout = *layout;
        status = sink_init(&generator->sink, options->compress);
    }
    if (status)
        fls_log_error("cannot generate: %s", strerror(-status));
    for (uint32_t object = first; object < options->objects && status == 0; object += step)
        status = generate_object(generator, object);
    if (generator)
        sink_fini(&generator->sink);
    free(generator);
    return status;
}

static uint32_t worker_cnt(uint32_t objects)
{
    uint32_t cnt = fls_core_cnt();

    if (cnt > WORKERS_MAX)
        cnt = WORKERS_MAX;
    return cnt < objects ? cnt : objects;
}

static int wait_for(pid_t worker)
{
    int status;

    while (waitpid(worker, &status, 0) < 0)
        fls_assert(errno == EINTR);
    if (WIFEXITED(status))
        return -WEXITSTATUS(status); /* an errno, below 256 */
    fls_log_error("a generating process was ended by signal %d", WTERMSIG(status));
    return -EINTR;
}

int fls_generate(const struct fls_options *options)
{
    struct fls_lines_layout layout;
    uint32_t workers = worker_cnt(options->objects), started = 0;
    pid_t worker[WORKERS_MAX], parent = getpid();
    char error[512];
    int status = fls_lines_layout(options->fields, &layout, error, sizeof(error));

    if (status) {
        fls_log_error("fields: %s", error);
        return status;
    }
    for (; started < workers; started++) {
        worker[started] = fork();
        if (worker[started] < 0) {
            status = -errno;
            fls_log_error("cannot start a process: %s", strerror(errno));
            break;
        }
        if (worker[started] == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            if (getppid() != parent)
                _exit(EINTR);
            _exit(-generate_share(options, &layout, started, workers));
        }
    }
    for (uint32_t i = 0; i < started; i++) {
        int ended = wait_for(worker[i]);

        status = status ? status : ended;
    }
    if (status == 0)
        fls_log_info("%u objects of %" PRIu64 " lines are under %s/AWSLogs", options->objects,
                     options->records, options->out);
    return status;
}

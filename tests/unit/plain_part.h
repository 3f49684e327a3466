/* A part as plain arrays: all of it is read, or written, at once. */
#pragma once

#include "base/array.h"
#include "shm/part_reader.h"
#include "shm/part_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct plain_part {
    uint32_t day;
    struct fls_span *symbols; /* of bytes that somebody else owns */
    uint32_t symbol_cnt;
    struct fls_part_row *rows[FLS_TABLE_CNT];
    uint32_t row_cnt[FLS_TABLE_CNT], row_max[FLS_TABLE_CNT];
    struct fls_counters max_errors[FLS_TABLE_CNT];
    struct fls_uniques **gone; /* by symbol, or NULL */
};

static inline void plain_part_fini(struct plain_part *part)
{
    for (uint32_t i = 0; part->gone && i < part->symbol_cnt; i++)
        free(part->gone[i]);
    for (int t = 0; t < FLS_TABLE_CNT; t++)
        free(part->rows[t]);
    free(part->gone);
    free(part->symbols);
    *part = (struct plain_part){0};
}

static inline struct fls_part_row *plain_part_add(struct plain_part *part, int table)
{
    fls_array_reserve(part->rows[table], part->row_max[table], part->row_cnt[table] + 1);
    return &part->rows[table][part->row_cnt[table]++];
}

static inline struct fls_uniques *plain_part_gone(struct plain_part *part, uint32_t account)
{
    if (part->gone[account] == NULL)
        part->gone[account] = fls_array_new(1, sizeof(struct fls_uniques));
    return part->gone[account];
}

/* ---- reading ---- */

static inline uint8_t *plain_part_room(size_t sz)
{
    uint8_t *room = malloc(sz);

    fls_assert(room != NULL);
    return room;
}

static inline bool plain_part_read_rows(struct plain_part *part, int table,
                                        const struct fls_part_reader *reader, size_t room_sz)
{
    uint8_t *room = plain_part_room(room_sz);
    struct fls_part_cursor cursor;

    fls_part_rows(&cursor, reader, (enum fls_table_id)table, room, room_sz);
    while (fls_part_next(&cursor))
        *plain_part_add(part, table) = cursor.row;
    free(room);
    return !cursor.is_torn;
}

static inline bool plain_part_read_gone(struct plain_part *part,
                                        const struct fls_part_reader *reader)
{
    struct fls_uniques *gone = fls_array_new(1, sizeof(*gone));
    uint8_t *room = plain_part_room(FLS_PART_GONE_ROOM_MIN);
    struct fls_part_gone from;
    uint32_t account;

    fls_part_gone(&from, reader, room, FLS_PART_GONE_ROOM_MIN);
    while (fls_part_next_gone(&from, &account, gone)) {
        struct fls_uniques *to = plain_part_gone(part, account);

        fls_hll_merge(&to->external_sources, &gone->external_sources);
        fls_hll_merge(&to->own_addresses, &gone->own_addresses);
        memset(gone, 0, sizeof(*gone));
    }
    free(gone);
    free(room);
    return !from.is_torn;
}

static inline bool plain_part_read_all(struct plain_part *part,
                                       const struct fls_part_reader *reader, size_t room_sz)
{
    bool is_whole = true;

    part->day = reader->trailer.day;
    part->symbol_cnt = reader->trailer.symbol_cnt;
    part->symbols = fls_array_new(part->symbol_cnt, sizeof(*part->symbols));
    memcpy(part->symbols, reader->symbols, part->symbol_cnt * sizeof(*part->symbols));
    memcpy(part->max_errors, reader->max_errors, sizeof(part->max_errors));
    part->gone = fls_array_new(part->symbol_cnt, sizeof(*part->gone));
    for (int t = 0; t < FLS_TABLE_CNT; t++)
        is_whole &= plain_part_read_rows(part, t, reader, room_sz);
    return plain_part_read_gone(part, reader) && is_whole;
}

static inline bool plain_part_equal(const struct plain_part *a, const struct plain_part *b);

/* Reads the bytes once more, from the midst of a file and through little room. */
static inline void plain_part_expect_in_file(const struct plain_part *expected, bool is_whole,
                                             struct fls_span bytes)
{
    const size_t before = bytes.sz % 3, room_sz = FLS_PART_ROW_ROOM_MIN + bytes.sz % 5;
    int fd = memfd_create("part", MFD_CLOEXEC);
    struct fls_part_place place = {.fd = fd, .offset = before, .sz = bytes.sz};
    struct fls_part_reader reader;
    struct plain_part read = {0};

    fls_assert(pwrite(fd, bytes.at, bytes.sz, (off_t)before) == (ssize_t)bytes.sz);
    fls_assert(fls_part_layout(place) == FLS_PART_LAYOUT);
    fls_assert(fls_part_open(&reader, place));
    fls_assert(plain_part_read_all(&read, &reader, room_sz) == is_whole);
    fls_assert(plain_part_equal(expected, &read));
    plain_part_fini(&read);
    fls_part_close(&reader);
    fls_assert(ftruncate(fd, (off_t)(before + bytes.sz - 1)) == 0);
    fls_assert(!fls_part_open(&reader, place)); /* the file has become shorter */
    close(fd);
}

/* False if it is torn anywhere. What was read till then is there, and `part` is to be ended. */
static inline bool plain_part_read(struct plain_part *part, struct fls_span bytes)
{
    struct fls_part_reader reader;
    bool is_whole;

    *part = (struct plain_part){0};
    if (!fls_part_open(&reader, fls_part_in_memory(bytes)))
        return false;
    is_whole = plain_part_read_all(part, &reader, 0);
    fls_part_close(&reader);
    plain_part_expect_in_file(part, is_whole, bytes);
    return is_whole;
}

/* ---- writing ---- */

/* Bytes that come together in memory, up to a limit. */
struct plain_sink {
    uint8_t *bytes;
    size_t sz, max, limit; /* of what is more, -ENOSPC */
    uint32_t refused_cnt;
};

static inline int plain_sink_write(void *context, struct fls_span bytes)
{
    struct plain_sink *sink = context;

    if (bytes.sz > sink->limit - sink->sz) {
        sink->refused_cnt++;
        return -ENOSPC;
    }
    fls_array_reserve(sink->bytes, sink->max, sink->sz + bytes.sz);
    memcpy(sink->bytes + sink->sz, bytes.at, bytes.sz);
    sink->sz += bytes.sz;
    return 0;
}

static inline int plain_part_write(const struct plain_part *part, struct plain_sink *sink,
                                   uint64_t *size)
{
    struct fls_part_names names = {.symbols = part->symbols,
                                   .symbol_cnt = part->symbol_cnt,
                                   .max_errors = part->max_errors,
                                   .gone = part->gone};
    struct fls_part_writer writer;

    fls_part_begin(&writer, part->day,
                   (struct fls_part_sink){.write = plain_sink_write, .context = sink});
    for (int t = FLS_TABLE_CNT - 1; t >= 0; t--)
        for (uint32_t i = 0; i < part->row_cnt[t]; i++)
            fls_part_put(&writer, t, &part->rows[t][i]);
    return fls_part_finish(&writer, &names, size);
}

/* In memory of just that size, to be freed: who reads beyond it is found. */
static inline struct fls_span plain_part_encode(const struct plain_part *part)
{
    struct plain_sink sink = {.limit = SIZE_MAX};
    uint64_t size;
    int error = plain_part_write(part, &sink, &size);

    fls_assert(error == 0 && size == sink.sz);
    sink.bytes = realloc(sink.bytes, sink.sz);
    fls_assert(sink.bytes != NULL);
    return (struct fls_span){sink.bytes, sink.sz};
}

/* ---- comparing ---- */

static inline bool plain_uniques_equal(const struct fls_uniques *a, const struct fls_uniques *b)
{
    return a == NULL || b == NULL ? a == b : memcmp(a, b, sizeof(*a)) == 0;
}

static inline bool plain_row_equal(const struct fls_part_row *a, const struct fls_part_row *b)
{
    return memcmp(&a->key, &b->key, sizeof(a->key)) == 0 && a->account == b->account &&
           a->marks == b->marks && memcmp(&a->counters, &b->counters, sizeof(a->counters)) == 0;
}

static inline bool plain_part_equal(const struct plain_part *a, const struct plain_part *b)
{
    bool is_equal = a->day == b->day && a->symbol_cnt == b->symbol_cnt &&
                    memcmp(a->max_errors, b->max_errors, sizeof(a->max_errors)) == 0;

    for (uint32_t i = 0; is_equal && i < a->symbol_cnt; i++)
        is_equal = fls_span_equal(a->symbols[i], b->symbols[i]) &&
                   plain_uniques_equal(a->gone[i], b->gone[i]);
    for (int t = 0; is_equal && t < FLS_TABLE_CNT; t++) {
        is_equal = a->row_cnt[t] == b->row_cnt[t];
        for (uint32_t i = 0; is_equal && i < a->row_cnt[t]; i++)
            is_equal = plain_row_equal(&a->rows[t][i], &b->rows[t][i]);
    }
    return is_equal;
}

/* Its texts are in order, and its rows too, in each table, and mean something. */
static inline bool plain_part_is_sound(const struct plain_part *part)
{
    bool is_sound = true;

    for (uint32_t i = 0; i < part->symbol_cnt; i++)
        is_sound &= i == 0 ? part->symbols[0].sz == 0
                           : fls_span_order(part->symbols[i - 1], part->symbols[i]) < 0;
    for (int t = 0; t < FLS_TABLE_CNT; t++)
        for (uint32_t i = 0; i < part->row_cnt[t]; i++) {
            const struct fls_part_row *row = &part->rows[t][i];

            is_sound &=
                fls_part_row_is_sound(row, fls_tables[t].key, part->day) &&
                row->account < part->symbol_cnt &&
                (fls_tables[t].key != FLS_KEY_ATTRIBUTE || row->key.a_low < part->symbol_cnt) &&
                (i == 0 || fls_part_row_compare(row - 1, row) < 0);
        }
    return is_sound;
}

/* True if the bytes are a whole part. What could be read of it is sound. */
static inline bool plain_part_is_whole(struct fls_span bytes)
{
    struct plain_part read;
    bool is_whole = plain_part_read(&read, bytes);

    fls_assert(plain_part_is_sound(&read));
    plain_part_fini(&read);
    return is_whole;
}

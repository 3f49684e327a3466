#include "publish/evict.h"

#include "base/array.h"
#include "publish/merge_keys.h"
#include "shm/part_writer.h"

#include <stdlib.h>

/* What cannot give way may leave less than this part of the limit, or nothing: the tables that can
 * have so much all the same. */
#define ROOM_PART 4U

/* ---- how large the day is ---- */

static int write_nowhere(void *context, struct fls_span bytes)
{
    (void)context;
    (void)bytes;
    return 0;
}

/* The first pass over a table: its bytes, and what is needed to rank its keys. */
static bool count_keys(struct fls_evict *evict, struct fls_part_writer *writer,
                       const struct fls_merge_day *day, enum fls_table_id table)
{
    struct fls_merge_keys keys;

    if (fls_tables[table].size == FLS_SIZE_TOP)
        evict->tables[table] = fls_array_new(1, sizeof(*evict->tables[table]));
    fls_merge_keys_begin(&keys, day, table);
    while (fls_merge_keys_next(&keys)) {
        for (uint32_t i = 0; i < keys.row_cnt; i++)
            fls_part_put(writer, table, &keys.rows[i]);
        if (evict->tables[table])
            fls_smallest_count(evict->tables[table], &keys.sum, keys.row_cnt);
    }
    fls_merge_keys_end(&keys);
    return !keys.merge.is_torn;
}

/* Writes the day as one part, nowhere. What gave way is taken to be as large as in all parts. */
static bool size_up(struct fls_evict *evict, const struct fls_merge_day *day,
                    uint64_t bytes[static FLS_TABLE_CNT])
{
    const struct fls_part_names names = {
        .symbols = day->symbols, .symbol_cnt = day->symbol_cnt, .max_errors = day->max_errors};
    struct fls_part_writer writer;
    bool is_whole = true;

    fls_part_begin(&writer, day->day, (struct fls_part_sink){.write = write_nowhere});
    for (int i = FLS_TABLE_CNT - 1; i >= 0 && is_whole; i--)
        is_whole = count_keys(evict, &writer, day, (enum fls_table_id)i);
    fls_part_finish(&writer, &names, &evict->size);
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        bytes[i] = writer.trailer.end[i] - fls_part_table_begin(&writer.trailer, i);
    for (uint32_t i = 0; i < day->part_cnt; i++)
        evict->size += day->parts[i].reader.gone.sz;
    return is_whole;
}

/* ---- who has to go ---- */

static void keep_whole(struct fls_evict *evict, enum fls_table_id table)
{
    free(evict->tables[table]);
    evict->tables[table] = NULL;
}

/* The bytes that each of the tables that may give way has to come down to, all having `room`
 * together: those that are smaller than an equal share stay as they are, and leave more for the
 * others. */
static uint64_t level(struct fls_evict *evict, const uint64_t bytes[static FLS_TABLE_CNT],
                      uint64_t room)
{
    for (;;) {
        uint32_t cnt = 0, small = FLS_TABLE_CNT;

        for (uint32_t i = 0; i < FLS_TABLE_CNT; i++)
            cnt += evict->tables[i] != NULL;
        for (uint32_t i = 0; i < FLS_TABLE_CNT; i++)
            if (evict->tables[i] &&
                (bytes[i] <= room / cnt || evict->tables[i]->key_cnt <= FLS_EVICT_KEYS_MIN))
                small = i;
        if (small == FLS_TABLE_CNT)
            return cnt > 0 ? room / cnt : 0;
        room -= bytes[small] < room ? bytes[small] : room;
        keep_whole(evict, (enum fls_table_id)small);
    }
}

/* What the tables that may give way can have, of all bytes. */
static uint64_t room_of(const struct fls_evict *evict, uint64_t top_bytes, uint64_t bytes_max)
{
    uint64_t others = evict->size - top_bytes;
    uint64_t room = others < bytes_max ? bytes_max - others : 0;

    return room > bytes_max / ROOM_PART ? room : bytes_max / ROOM_PART;
}

/* The second pass: which keys of the table go so that its bytes come down to the level. */
static bool cut_keys(struct fls_evict *evict, const struct fls_merge_day *day,
                     enum fls_table_id table, uint64_t bytes, uint64_t level_bytes)
{
    struct fls_smallest *smallest = evict->tables[table];
    double share = (double)level_bytes / (double)bytes;
    struct fls_merge_keys keys;

    fls_merge_keys_begin(&keys, day, table);
    while (fls_merge_keys_next(&keys))
        fls_smallest_measure(smallest, &keys.sum, keys.row_cnt);
    fls_merge_keys_end(&keys);
    if (keys.merge.is_torn)
        return false;
    if (fls_smallest_cut(smallest, (uint64_t)(share * (double)smallest->row_cnt)))
        evict->gives_way = true;
    else
        keep_whole(evict, table);
    return true;
}

static void keep_all(struct fls_evict *evict)
{
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        keep_whole(evict, (enum fls_table_id)i);
}

bool fls_evict_begin(struct fls_evict *evict, const struct fls_merge_day *day, uint64_t bytes_max)
{
    uint64_t bytes[FLS_TABLE_CNT], top_bytes = 0, room, level_bytes;
    bool is_whole;

    *evict = (struct fls_evict){.size = 0};
    if (!size_up(evict, day, bytes))
        return false;
    for (int i = 0; i < FLS_TABLE_CNT; i++)
        top_bytes += fls_tables[i].size == FLS_SIZE_TOP ? bytes[i] : 0;
    room = room_of(evict, top_bytes, bytes_max);
    if (evict->size <= bytes_max || top_bytes <= room) {
        keep_all(evict);
        return true;
    }
    level_bytes = level(evict, bytes, room / 2);
    is_whole = true;
    for (int i = 0; i < FLS_TABLE_CNT && is_whole; i++)
        if (evict->tables[i])
            is_whole = cut_keys(evict, day, (enum fls_table_id)i, bytes[i], level_bytes);
    return is_whole;
}

void fls_evict_end(struct fls_evict *evict)
{
    keep_all(evict);
}

void fls_evict_raise(const struct fls_evict *evict,
                     struct fls_counters max_errors[static FLS_TABLE_CNT])
{
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        if (evict->tables[i] == NULL)
            continue;
        fls_counters_add(&max_errors[i], &evict->tables[i]->behind.largest);
        if (max_errors[i].value[FLS_FLOWS] == 0)
            max_errors[i].value[FLS_FLOWS] = 1; /* so that it shows: see fls_merge_gave_way */
    }
}

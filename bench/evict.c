/* What eviction costs, and what it leaves: a day of many conversations is rewritten twice, with a
 * limit that holds all of it and with one that does not.
 *
 *   evict FOLDER KEYS LIMIT_MIB      FOLDER, an empty one, is used for a state
 *
 * KEYS millions of conversations, each seen once, come in parts of half a million of them, and with
 * them as many records of conversations that come back: of a million keys, the one of rank r is
 * drawn in proportion to 1/r. Records have 1 flow, 1 to 20 packets and 40 to 1,440 bytes for each
 * of them. All parts come in one epoch, of one account. */
#include "base/assert.h"
#include "bench/random.h"
#include "publish/compact.h"
#include "publish/merge_keys.h"
#include "shm/part_writer.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 20454U
#define PART_KEYS 500000U
#define REGULAR_KEYS 1000000U
#define SHOWN 100U

struct state {
    struct fls_ledger *ledger;
    struct fls_segments segments;
    struct fls_commit commit;
};

/* The largest keys by bytes, in descending order. */
struct shown {
    struct fls_part_row rows[SHOWN + 1];
    uint32_t cnt;
};

static struct fls_random randomness = {1};
static const struct fls_span symbols[] = {{NULL, 0}, {(const uint8_t *)"1", 1}};
static const struct fls_part_names names = {.symbols = symbols, .symbol_cnt = 2};

static void check(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(EXIT_FAILURE);
}

/* ---- the parts ---- */

/* The logarithm of the rank is uniform. */
static uint32_t regular_key(void)
{
    double part = (double)(fls_random_next(&randomness) >> 11) / (double)(1ULL << 53);

    return (uint32_t)pow(REGULAR_KEYS, part);
}

static struct fls_part_row record(uint32_t number, uint16_t port)
{
    uint64_t packets = 1 + fls_random_next(&randomness) % 20;
    uint64_t bytes = packets * (40 + fls_random_next(&randomness) % 1400);

    return (struct fls_part_row){.key = {.place = fls_part_place(6, port),
                                         .a_low = number,
                                         .b_low = (uint32_t)(number * 2654435761U)},
                                 .account = 1,
                                 .counters = {{1, packets, bytes, 1, 0}}};
}

static int compare_rows(const void *a, const void *b)
{
    return fls_part_row_compare(a, b);
}

static int append(void *context, struct fls_span bytes)
{
    return fls_segments_append(context, bytes);
}

/* Rows of the same key are one. Returns how many there are. */
static uint64_t write_rows(struct fls_part_writer *writer, struct fls_part_row *rows, uint32_t cnt)
{
    uint64_t written = 0;

    qsort(rows, cnt, sizeof(*rows), compare_rows);
    for (uint32_t i = 0; i < cnt; i++) {
        if (i + 1 < cnt && fls_part_row_compare(&rows[i], &rows[i + 1]) == 0) {
            fls_counters_add(&rows[i + 1].counters, &rows[i].counters);
            continue;
        }
        fls_part_put(writer, FLS_TABLE_CONVERSATION, &rows[i]);
        written++;
    }
    return written;
}

static uint64_t write_part(struct fls_segment_file *file, uint32_t first_once)
{
    struct fls_part_row *rows = malloc(2ULL * PART_KEYS * sizeof(*rows));
    struct fls_part_writer writer;
    uint64_t cnt, size;

    fls_assert(rows != NULL);
    for (uint32_t i = 0; i < PART_KEYS; i++) {
        rows[2 * i] = record(first_once + i, 80);
        rows[2 * i + 1] = record(regular_key(), 443);
    }
    fls_part_begin(&writer, DAY, (struct fls_part_sink){append, file});
    cnt = write_rows(&writer, rows, 2 * PART_KEYS);
    check(fls_part_finish(&writer, &names, &size), "segments");
    free(rows);
    return cnt;
}

/* Commits all parts as one epoch; returns their rows. */
static uint64_t write_parts(struct state *s, uint32_t part_cnt)
{
    struct fls_segment_file file;
    uint64_t rows = 0;

    check(fls_segments_begin(&s->segments, s->commit.next_segment, &file), "segments");
    check(fls_ledger_begin(s->ledger), "ledger");
    for (uint32_t i = 0; i < part_cnt; i++) {
        struct fls_part part;

        rows += write_part(&file, i * PART_KEYS);
        part = fls_segments_end_part(&file, DAY);
        check(fls_ledger_add_part(s->ledger, &part), "ledger");
    }
    check(fls_segments_finish(&file), "segments");
    check(fls_ledger_commit(s->ledger, ++s->commit.epoch), "ledger");
    s->commit.next_segment++;
    return rows;
}

/* ---- the day ---- */

static void open_day(struct state *s, struct fls_parts *parts)
{
    if (fls_parts_open(parts, s->ledger, &s->segments, DAY, 0)) {
        fprintf(stderr, "%s\n", parts->failure);
        exit(EXIT_FAILURE);
    }
}

/* Nanoseconds of CPU. */
static double rewrite(struct state *s, uint64_t bytes_max)
{
    clock_t begin = clock();
    struct fls_parts parts;

    open_day(s, &parts);
    check(fls_compact_day(&s->commit, &parts, bytes_max), "rewriting");
    fls_parts_close(&parts);
    return (double)(clock() - begin) * (1e9 / CLOCKS_PER_SEC);
}

static uint64_t bytes_of(const struct fls_part_row *row)
{
    return row->counters.value[FLS_BYTES];
}

static void show(struct shown *shown, const struct fls_part_row *row)
{
    uint32_t at = shown->cnt;

    for (; at > 0 && bytes_of(&shown->rows[at - 1]) < bytes_of(row); at--)
        shown->rows[at] = shown->rows[at - 1];
    shown->rows[at] = *row;
    shown->cnt += shown->cnt < SHOWN;
}

/* The largest keys of the day; tells how many there are, and the error. */
static void read_day(struct state *s, struct shown *shown)
{
    struct fls_part_row row;
    struct fls_merge merge;
    struct fls_parts parts;
    uint64_t cnt = 0, *error;

    shown->cnt = 0;
    open_day(s, &parts);
    error = parts.merged.max_errors[FLS_TABLE_CONVERSATION].value;
    fls_merge_begin(&merge, &parts.merged, FLS_TABLE_CONVERSATION);
    for (; fls_merge_next(&merge, &row); cnt++)
        show(shown, &row);
    fls_merge_end(&merge);
    printf("%" PRIu64 " conversations in %" PRIu64 " MiB; max_error: %" PRIu64 " flows, %" PRIu64
           " packets, %" PRIu64 " bytes\n",
           cnt, parts.bytes >> 20, error[FLS_FLOWS], error[FLS_PACKETS], error[FLS_BYTES]);
    fls_parts_close(&parts);
}

/* How the largest keys of the whole day stand in the one that gave way. */
static void compare(const struct shown *exact, const struct shown *limited)
{
    const struct fls_part_row *last = &exact->rows[exact->cnt - 1];
    uint32_t found = 0, same = 0;

    for (uint32_t i = 0; i < exact->cnt; i++)
        for (uint32_t k = 0; k < limited->cnt; k++) {
            if (fls_part_key_compare(&exact->rows[i].key, &limited->rows[k].key) != 0)
                continue;
            found++;
            same += bytes_of(&exact->rows[i]) == bytes_of(&limited->rows[k]);
        }
    printf("of the %u largest by bytes %u are among the %u largest there, %u exact; the last has "
           "%" PRIu64 " bytes, %" PRIu64 " flows\n",
           exact->cnt, found, limited->cnt, same, bytes_of(last), last->counters.value[FLS_FLOWS]);
}

int main(int argc, char **argv)
{
    static struct shown exact, limited;
    struct state s;
    char failure[512];
    double ns;
    uint64_t rows, limit;

    if (argc != 4) {
        fprintf(stderr, "usage: evict FOLDER KEYS LIMIT_MIB\n");
        return EXIT_FAILURE;
    }
    limit = strtoull(argv[3], NULL, 10) << 20;
    if (fls_ledger_open(&s.ledger, argv[1], false, failure, sizeof(failure))) {
        fprintf(stderr, "%s\n", failure);
        return EXIT_FAILURE;
    }
    check(fls_segments_open(&s.segments, argv[1]), "segments");
    check(fls_commit_init(&s.commit, s.ledger, &s.segments, 1), "ledger");
    rows = write_parts(&s, (uint32_t)(strtoull(argv[2], NULL, 10) * 1000000 / PART_KEYS));
    printf("%" PRIu64 " rows\n", rows);
    read_day(&s, &exact);
    ns = rewrite(&s, limit);
    printf("%" PRIu64 " MiB: %.0f ns of CPU a row\n", limit >> 20, ns / (double)rows);
    read_day(&s, &limited);
    compare(&exact, &limited);
    fls_commit_fini(&s.commit);
    fls_segments_close(&s.segments);
    fls_ledger_close(s.ledger);
    return EXIT_SUCCESS;
}

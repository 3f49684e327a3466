/* What eviction costs, and what it leaves: a day of many conversations is put together twice, with
 * a limit that holds all of it and with one that does not.
 *
 *   evict FOLDER KEYS LIMIT_MIB      FOLDER, an empty one, is used for a state
 *
 * KEYS millions of conversations, each seen once, come in parts of half a million rows, and between
 * them as many rows again of conversations that come back: of a million keys, the one of rank r is
 * drawn in proportion to 1/r. Rows have 1 flow, 1 to 20 packets and 40 to 1,440 bytes for each of
 * them. One account, so that a row is a row of the organisation as well. */
#include "base/assert.h"
#include "bench/random.h"
#include "bench/random.h"
#include "publish/evict.h"
#include "publish/fold.h"
#include "shm/segment.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY 20454U
#define PART_ROWS 500000U
#define REGULAR_KEYS 1000000U
#define SHOWN 100U

struct state {
    struct fls_ledger *ledger;
    struct fls_segments segments;
};

static struct fls_random randomness = {1};

static void check(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "%s: %s\n", what, strerror(-error));
    exit(EXIT_FAILURE);
}

/* The logarithm of the rank is uniform. */
static uint32_t regular_key(void)
{
    double part = (double)(fls_random_next(&randomness) >> 11) / (double)(1ULL << 53);

    return (uint32_t)pow(REGULAR_KEYS, part);
}

static void add_rows(struct fls_day *day, uint32_t account, uint64_t first_once)
{
    struct fls_table *table = &day->tables[FLS_TABLE_CONVERSATION];

    for (uint64_t i = 0; i < 2ULL * PART_ROWS; i++) {
        uint32_t number = i % 2 ? regular_key() : (uint32_t)(first_once + i / 2);
        struct fls_key key = {
            .scope = account, .a = number, .protocol = 6, .port = (uint16_t)(i % 2 ? 443 : 80)};
        uint64_t packets = 1 + fls_random_next(&randomness) % 20;
        struct fls_counters counters = {
            {1, packets, packets * (40 + fls_random_next(&randomness) % 1400), 1, 0}};
        uint32_t hash;

        key.b = number * 2654435761U;
        hash = fls_key_hash(&key);
        fls_counters_add(&fls_table_upsert(table, &key, hash)->counters, &counters);
    }
}

/* Writes all parts as one epoch; returns their rows. */
static uint64_t write_parts(struct state *s, uint32_t part_cnt)
{
    struct fls_day day = {.day = DAY};
    struct fls_names names = {0};
    uint64_t rows = 0;

    fls_names_clear(&names);
    check(fls_ledger_begin(s->ledger), "ledger");
    for (uint32_t i = 0; i < part_cnt; i++) {
        struct fls_part part = {.segment = i + 1, .day = DAY};
        struct fls_span encoded;
        uint8_t *bytes;

        fls_day_clear(&day);
        add_rows(&day, fls_dictionary_intern(&names.symbols, FLS_SPAN("1")),
                 (uint64_t)i * PART_ROWS);
        bytes = malloc(fls_segment_bound(&day, &names));
        fls_assert(bytes != NULL);
        part.size = fls_segment_encode(&day, &names, bytes);
        rows += fls_day_rows(&day);
        encoded = (struct fls_span){bytes, part.size};
        part.sum = fls_segments_sum(encoded);
        check(fls_segments_write(&s->segments, part.segment, &encoded, 1), "segments");
        check(fls_ledger_add_part(s->ledger, &part), "ledger");
        free(bytes);
    }
    check(fls_ledger_commit(s->ledger, 1), "ledger");
    fls_day_fini(&day);
    fls_names_fini(&names);
    return rows;
}

/* Nanoseconds of CPU. */
static double fold(struct state *s, struct fls_fold *fold, uint64_t bytes_max)
{
    clock_t begin = clock();

    fls_fold_init(fold, s->ledger, &s->segments, bytes_max);
    if (fls_fold_get(fold, DAY, 1) == NULL) {
        fprintf(stderr, "%s\n", fold->failure);
        exit(EXIT_FAILURE);
    }
    return (double)(clock() - begin) * (1e9 / CLOCKS_PER_SEC);
}

static int by_bytes(const void *a, const void *b)
{
    uint64_t x = ((const struct fls_row *)a)->counters.value[FLS_BYTES];
    uint64_t y = ((const struct fls_row *)b)->counters.value[FLS_BYTES];

    return (x < y) - (x > y);
}

/* How the largest rows of the whole day stand in the one that gave way. */
static void compare(struct fls_fold *exact, struct fls_fold *limited)
{
    struct fls_table *all = &exact->days[0]->figures.tables[FLS_TABLE_CONVERSATION];
    struct fls_table *left = &limited->days[0]->figures.tables[FLS_TABLE_CONVERSATION];
    uint32_t found = 0;
    double worst = 0;

    qsort(all->rows, all->row_cnt, sizeof(*all->rows), by_bytes);
    for (uint32_t i = 0; i < SHOWN; i++) {
        const struct fls_row *row = fls_table_find(left, &all->rows[i].key, all->rows[i].hash);
        double is = row ? (double)row->counters.value[FLS_BYTES] : 0;
        double should = (double)all->rows[i].counters.value[FLS_BYTES];

        found += row != NULL;
        worst = worst > 1 - is / should ? worst : 1 - is / should;
    }
    printf(
        "of the %u largest by bytes %u are there, the worst %.2f %% too low; the last has %" PRIu64
        " bytes, %" PRIu64 " flows\n",
        SHOWN, found, 100 * worst, all->rows[SHOWN - 1].counters.value[FLS_BYTES],
        all->rows[SHOWN - 1].counters.value[FLS_FLOWS]);
}

int main(int argc, char **argv)
{
    struct fls_fold exact, limited;
    struct fls_counters *error;
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
    rows = write_parts(&s, (uint32_t)(strtoull(argv[2], NULL, 10) * 1000000 / PART_ROWS));
    ns = fold(&s, &exact, UINT64_MAX);
    printf("%" PRIu64 " rows of %" PRIu64 " conversations\n", rows, exact.rows);
    printf("no limit: %.0f ns of CPU a row, %" PRIu64 " MiB\n", ns / (double)rows,
           exact.bytes >> 20);
    ns = fold(&s, &limited, limit);
    printf("%" PRIu64 " MiB: %.0f ns of CPU a row, %" PRIu64 " MiB, %" PRIu64 " rows left\n",
           limit >> 20, ns / (double)rows, limited.bytes >> 20, limited.rows);
    error = &limited.days[0]->figures.max_errors[FLS_TABLE_CONVERSATION];
    printf("max_error: %" PRIu64 " flows, %" PRIu64 " packets, %" PRIu64 " bytes\n",
           error->value[FLS_FLOWS], error->value[FLS_PACKETS], error->value[FLS_BYTES]);
    compare(&exact, &limited);
    fls_fold_fini(&exact);
    fls_fold_fini(&limited);
    fls_segments_close(&s.segments);
    fls_ledger_close(s.ledger);
    return EXIT_SUCCESS;
}

#include "publish/smallest.h"

#include "base/assert.h"

#include <string.h>

#define EXACT_BITS 4U /* values of so many bits have a bucket each */
#define PART_BITS 3U  /* larger ones have 2^3 buckets for each power of two */

static uint32_t bucket_of(uint64_t value)
{
    uint32_t bits;

    if (value < 1U << EXACT_BITS)
        return (uint32_t)value;
    bits = 64U - (uint32_t)__builtin_clzll(value);
    return (1U << EXACT_BITS) + ((bits - 1 - EXACT_BITS) << PART_BITS) +
           (uint32_t)(value >> (bits - 1 - PART_BITS) & ((1U << PART_BITS) - 1));
}

static uint32_t rank_of(const struct fls_smallest *smallest, const struct fls_row *row)
{
    uint32_t best = FLS_SMALLEST_RANKS;

    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        uint32_t rank = smallest->ranks[i][bucket_of(row->counters.value[i])];

        best = rank < best ? rank : best;
    }
    return best;
}

bool fls_smallest_has(const struct fls_smallest *smallest, const struct fls_row *row)
{
    return rank_of(smallest, row) >= smallest->cut;
}

static void rank_values(struct fls_smallest *smallest, const struct fls_table *table)
{
    uint32_t cnts[FLS_COUNTER_CNT][FLS_SMALLEST_BUCKETS] = {{0}};

    for (uint32_t row = 0; row < table->row_cnt; row++)
        for (int i = 0; i < FLS_COUNTER_CNT; i++)
            cnts[i][bucket_of(table->rows[row].counters.value[i])]++;
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        uint64_t as_large = 0;

        for (uint32_t bucket = FLS_SMALLEST_BUCKETS; bucket-- > 0;) {
            uint64_t rank;

            as_large += cnts[i][bucket];
            rank = as_large * FLS_SMALLEST_RANKS / table->row_cnt;
            smallest->ranks[i][bucket] =
                (uint8_t)(rank < FLS_SMALLEST_RANKS ? rank : FLS_SMALLEST_RANKS - 1);
        }
    }
}

/* Rows of a rank or worse, as the cut goes up. */
struct behind {
    uint32_t cnt;
    struct fls_counters largest;
    double sum[FLS_COUNTER_CNT];
};

static void add_behind(struct behind *to, const struct behind *rank)
{
    to->cnt += rank->cnt;
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        if (to->largest.value[i] < rank->largest.value[i])
            to->largest.value[i] = rank->largest.value[i];
        to->sum[i] += rank->sum[i];
    }
}

static void measure(struct behind ranks[static FLS_SMALLEST_RANKS],
                    const struct fls_smallest *smallest, const struct fls_table *table)
{
    memset(ranks, 0, FLS_SMALLEST_RANKS * sizeof(*ranks));
    for (uint32_t row = 0; row < table->row_cnt; row++) {
        const struct fls_counters *counters = &table->rows[row].counters;
        struct behind one = {.cnt = 1, .largest = *counters};

        for (int i = 0; i < FLS_COUNTER_CNT; i++)
            one.sum[i] = (double)counters->value[i];
        add_behind(&ranks[rank_of(smallest, &table->rows[row])], &one);
    }
}

/* How many times the mean the largest is, by the counter where it is most. */
static double unevenness(const struct behind *behind)
{
    double worst = 0;

    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        double times = behind->sum[i] > 0
                           ? (double)behind->largest.value[i] * behind->cnt / behind->sum[i]
                           : 0;

        worst = times > worst ? times : worst;
    }
    return worst;
}

/* A round costs an error of the largest value that is lost, and what is lost in all rounds together
 * was counted once: with n rows and figures of N in all, of which each round loses a largest value
 * of at most a times the mean, the errors of all rounds add up to at most a * N / (n / 2). So the
 * cut is where a is smallest, the one that keeps most rows if there are several. */
void fls_smallest_find(struct fls_smallest *smallest, const struct fls_table *table)
{
    struct behind ranks[FLS_SMALLEST_RANKS], behind = {0};
    double least = 0;

    fls_assert(table->row_cnt > 0);
    smallest->cnt = 0;
    rank_values(smallest, table);
    measure(ranks, smallest, table);
    for (uint32_t cut = FLS_SMALLEST_RANKS; cut-- > FLS_SMALLEST_RANK_MIN;) {
        double times;

        if (ranks[cut].cnt == 0)
            continue;
        add_behind(&behind, &ranks[cut]);
        times = unevenness(&behind);
        if (behind.cnt < table->row_cnt - table->row_cnt / 2 ||
            (smallest->cnt > 0 && times >= least))
            continue;
        least = times;
        smallest->cut = cut;
        smallest->cnt = behind.cnt;
        smallest->largest = behind.largest;
    }
    fls_assert(smallest->cnt > 0);
}

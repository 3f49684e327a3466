#include "publish/smallest.h"

#include "base/assert.h"

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

/* ---- the first pass ---- */

void fls_smallest_count(struct fls_smallest *smallest, const struct fls_counters *counters,
                        uint64_t row_cnt)
{
    smallest->key_cnt++;
    smallest->row_cnt += row_cnt;
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        smallest->cnts[i][bucket_of(counters->value[i])]++;
}

static void rank_values(struct fls_smallest *smallest)
{
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        uint64_t as_large = 0;

        for (uint32_t bucket = FLS_SMALLEST_BUCKETS; bucket-- > 0;) {
            uint64_t rank;

            as_large += smallest->cnts[i][bucket];
            rank = as_large * FLS_SMALLEST_RANKS / smallest->key_cnt;
            smallest->ranks[i][bucket] =
                (uint8_t)(rank < FLS_SMALLEST_RANKS ? rank : FLS_SMALLEST_RANKS - 1);
        }
    }
}

/* ---- the second pass ---- */

static uint32_t rank_of(const struct fls_smallest *smallest, const struct fls_counters *counters)
{
    uint32_t best = FLS_SMALLEST_RANKS;

    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        uint32_t rank = smallest->ranks[i][bucket_of(counters->value[i])];

        best = rank < best ? rank : best;
    }
    return best;
}

static void add_keys(struct fls_smallest_keys *to, const struct fls_smallest_keys *more)
{
    to->cnt += more->cnt;
    to->row_cnt += more->row_cnt;
    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        if (to->largest.value[i] < more->largest.value[i])
            to->largest.value[i] = more->largest.value[i];
        to->sum[i] += more->sum[i];
    }
}

void fls_smallest_measure(struct fls_smallest *smallest, const struct fls_counters *counters,
                          uint64_t row_cnt)
{
    struct fls_smallest_keys one = {.cnt = 1, .row_cnt = row_cnt, .largest = *counters};

    if (smallest->cut == 0) { /* the first key of the pass */
        rank_values(smallest);
        smallest->cut = FLS_SMALLEST_RANKS;
    }
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        one.sum[i] = (double)counters->value[i];
    add_keys(&smallest->by_rank[rank_of(smallest, counters)], &one);
}

/* ---- the cut ---- */

/* How many times the mean the largest is, by the counter where it is most. */
static double unevenness(const struct fls_smallest_keys *keys)
{
    double worst = 0;

    for (int i = 0; i < FLS_COUNTER_CNT; i++) {
        double times = keys->sum[i] > 0
                           ? (double)keys->largest.value[i] * (double)keys->cnt / keys->sum[i]
                           : 0;

        worst = times > worst ? times : worst;
    }
    return worst;
}

/* A round costs an error of the largest value that is lost, and what is lost in all rounds together
 * was counted once: with figures of N in all, and n keys of which each round loses half at least,
 * and a largest value of at most a times the mean of those, the errors of all rounds add up to at
 * most a * N / (n / 2). So the cut is where a is smallest, the one that keeps most keys if there
 * are several. */
bool fls_smallest_cut(struct fls_smallest *smallest, uint64_t row_max)
{
    struct fls_smallest_keys behind = {.cnt = 0};
    bool is_enough = false;
    double least = 0;

    for (uint32_t cut = FLS_SMALLEST_RANKS; cut-- > FLS_SMALLEST_RANK_MIN;) {
        double times;

        if (smallest->by_rank[cut].cnt == 0)
            continue;
        add_keys(&behind, &smallest->by_rank[cut]);
        times = unevenness(&behind);
        if (is_enough && times >= least)
            continue;
        is_enough = smallest->row_cnt - behind.row_cnt <= row_max;
        least = times;
        smallest->cut = cut;
        smallest->behind = behind;
    }
    return smallest->behind.cnt > 0;
}

bool fls_smallest_has(const struct fls_smallest *smallest, const struct fls_counters *counters)
{
    return rank_of(smallest, counters) >= smallest->cut;
}

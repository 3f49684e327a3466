/* The state's life as publish leads it, told by a process of its own that may fail or end at any of
 * its calls; and what must be there afterwards. */
#pragma once

#include "calls.h"
#include "epochs.h"

#include "state/advice.h"
#include "state/folder.h"

#include <sys/wait.h>

#define STORY_EPOCHS 6U
#define STORY_KEEP 3U /* days */
#define STORY_DAY 20454U
#define STORY_TOP_K 10U
#define STORY_PARTS_MAX (2 * EPOCH_SHARDS) /* a day of more parts is rewritten */

static struct {
    struct story_segments {
        int fds[EPOCH_SHARDS];
        uint64_t sizes[EPOCH_SHARDS];
    } epochs[STORY_EPOCHS + 1];            /* by number; there is none of number 0 */
    struct model models[STORY_EPOCHS + 1]; /* what is there after each */
} story;

static int story_stderr; /* a file that has what the teller said there */

/* What the teller says; shared with it. */
static struct story_said {
    uint64_t epoch; /* the last one that it was told is committed */
    char failure[1024];
} * story_said;

/* FLS_FAULTS=all: every single call has its turn; else a sample. */
static inline bool story_is_thorough(void)
{
    const char *how = getenv("FLS_FAULTS");

    return how != NULL && strcmp(how, "all") == 0;
}

/* Nothing needs a real disk here, and one in memory is much faster. */
static inline int story_setup(void **state)
{
    int status;

    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0);
    status = scratch_setup(state);
    calls_init(scratch_path("state"));
    return status;
}

/* ---- what is told ---- */

/* Days move on, so that the oldest are dropped; each has parts of three epochs. */
static inline void story_segments(uint32_t number, struct story_segments *made, struct model *model)
{
    const uint32_t days[] = {STORY_DAY + number, STORY_DAY + number + 1, FLS_DAY_UNKNOWN,
                             STORY_DAY + number - 1};
    uint64_t seed = number + 100;

    random_segments(&seed, days, 4, 24, model, made->fds, made->sizes);
    model_keep(model, STORY_KEEP);
}

static inline void story_close_segments(const struct story_segments *made)
{
    for (uint32_t i = 0; i < EPOCH_SHARDS; i++)
        if (made->fds[i] >= 0)
            close(made->fds[i]);
}

/* What became of its objects. */
static inline void story_results(uint32_t number, struct fls_epoch *epoch)
{
    add_result(epoch, 10 * number, FLS_RESULT_COUNTED, false);
    add_result(epoch, 10 * number + 1, FLS_RESULT_FAILED, false);
    if (number > 1) /* it failed in the epoch before */
        add_result(epoch, 10 * number - 9, FLS_RESULT_COUNTED, false);
}

static inline void story_init(void)
{
    for (uint32_t end = 1; end <= STORY_EPOCHS; end++)
        for (uint32_t i = 1; i <= end; i++) {
            if (end > i) /* the same segments once more */
                story_close_segments(&story.epochs[i]);
            story_segments(i, &story.epochs[i], &story.models[end]);
        }
    story_said =
        mmap(NULL, sizeof(*story_said), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(story_said != MAP_FAILED);
    story_stderr = memfd_create("stderr", MFD_CLOEXEC);
    assert_true(story_stderr >= 0);
}

static inline void story_fini(void)
{
    for (uint32_t i = 1; i <= STORY_EPOCHS; i++) {
        story_close_segments(&story.epochs[i]);
        model_fini(&story.models[i]);
    }
    munmap(story_said, sizeof(*story_said));
    close(story_stderr);
}

/* ---- the teller: no assertion of the test's here, whose process it is not ---- */

static inline int story_failed(int status, const char *why)
{
    snprintf(story_said->failure, sizeof(story_said->failure), "%s", why);
    return status;
}

static inline int story_open_parts(struct state *s)
{
    char *failure = story_said->failure;
    size_t max = sizeof(story_said->failure);
    int status = fls_folder_create(calls.folder, failure, max);

    if (status == 0) {
        status = fls_folder_lock(calls.folder, failure, max);
        if (status >= 0)
            status = close(status);
    }
    if (status == 0)
        status = fls_ledger_open(&s->ledger, calls.folder, false, failure, max);
    if (status != 0)
        return status;
    status = fls_segments_open(&s->segments, calls.folder);
    if (status != 0)
        return story_failed(status, fls_advice_for_errno(-status));
    status = fls_commit_init(&s->commit, s->ledger, &s->segments, STORY_KEEP);
    if (status == 0)
        status = fls_commit_settle(&s->commit, STORY_TOP_K);
    return status == 0 ? 0 : story_failed(status, s->commit.failure);
}

static inline void story_close(struct state *s)
{
    fls_epoch_fini(&s->epoch);
    fls_commit_fini(&s->commit);
    fls_segments_close(&s->segments);
    fls_ledger_close(s->ledger);
}

static inline int story_open(struct state *s)
{
    int status;

    *s = (struct state){.segments = {.folder_fd = -1}};
    status = story_open_parts(s);
    if (status != 0)
        story_close(s);
    return status;
}

static inline int story_commit(struct state *s)
{
    uint64_t number = s->commit.epoch + 1;
    const struct story_segments *made = &story.epochs[number];
    int status = 0;

    fls_epoch_clear(&s->epoch);
    for (uint32_t i = 0; i < EPOCH_SHARDS && status == 0; i++)
        status = fls_commit_add_segment(&s->commit, &s->epoch,
                                        made->fds[i] < 0 ? -1 : dup(made->fds[i]), made->sizes[i]);
    story_results((uint32_t)number, &s->epoch);
    if (status == 0)
        status = fls_commit_epoch(&s->commit, &s->epoch);
    if (status != 0)
        return story_failed(status, s->commit.failure);
    fls_epoch_clear(&s->epoch);
    story_said->epoch = number;
    calls_mark(number);
    return 0;
}

/* As publish does once the epoch is published: of the days that it touched some are rewritten; what
 * cannot be now is tried again later. */
static inline int story_publish(struct state *s)
{
    for (uint32_t i = 0; i < s->commit.touched.cnt; i++) {
        struct fls_parts parts;
        int status = fls_parts_open(&parts, s->ledger, &s->segments, s->commit.touched.at[i],
                                    s->commit.new_segment);

        if (status != 0)
            return story_failed(-EUCLEAN, parts.failure);
        if (parts.merged.part_cnt > STORY_PARTS_MAX)
            fls_compact_day(&s->commit, &parts, UINT64_MAX);
        fls_parts_close(&parts);
    }
    fls_commit_clean(&s->commit);
    return 0;
}

/* Opens the state and goes on to the end of this epoch. A step that fails is tried `attempts`
 * times in all. 0 or -errno, with a failure said. */
static inline int story_tell(uint64_t end, int attempts)
{
    struct state s;
    int status = -1;

    for (int i = 0; i < attempts && status != 0; i++)
        status = story_open(&s);
    if (status != 0)
        return status;
    while (status == 0 && s.commit.epoch < end) {
        status = -1;
        for (int i = 0; i < attempts && status != 0; i++)
            status = story_commit(&s);
        if (status != 0)
            break;
        status = -1;
        for (int i = 0; i < attempts && status != 0; i++)
            status = story_publish(&s);
    }
    story_close(&s);
    return status;
}

/* ---- the listener ---- */

/* Lets a process tell the story to its end, with calls that fail from epoch `begin` on, as `calls`
 * says; the exit status of the process: 0, 1 (it failed), CALLS_ENDED; a signal by which it died
 * as a negative number. What it says is in story_stderr. */
static inline int story_child(uint64_t begin, uint64_t end, int attempts)
{
    int status;
    pid_t child;

    memset(story_said, 0, sizeof(*story_said));
    assert_int_equal(ftruncate(story_stderr, 0), 0);
    lseek(story_stderr, 0, SEEK_SET);
    fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const unsigned kinds = calls.kinds;
        const struct rlimit no_core = {0, 0};

        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL); /* cmocka has a handler of its own */
        dup2(story_stderr, STDERR_FILENO);
        calls.kinds = 0;
        if (begin > 0 && story_tell(begin, 1) != 0)
            _exit(2);
        calls.kinds = kinds;
        _exit(story_tell(end, attempts) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static inline int story_count_failed(void *context, const char *name, const char *path,
                                     const char *reason)
{
    (void)name;
    (void)path;
    assert_string_equal(reason, "cut off");
    ++*(unsigned *)context;
    return 0;
}

static inline void story_check_objects(struct state *s, uint64_t epoch)
{
    struct fls_line_counts counts;
    uint64_t objects, records = 0;
    unsigned failed = 0;

    for (uint64_t i = 1; i <= epoch; i++)
        records += 10 * i + (i > 1 ? 10 * i - 9 : 0);
    assert_int_equal(fls_ledger_input(s->ledger, &objects, &counts), 0);
    assert_int_equal(objects, epoch == 0 ? 0 : 2 * epoch - 1);
    assert_int_equal(counts.records, records);
    assert_int_equal(fls_ledger_each_failed(s->ledger, story_count_failed, &failed), 0);
    assert_int_equal(failed, epoch > 0);
}

static inline void story_check(struct state *s)
{
    uint64_t epoch = s->commit.epoch;
    uint32_t top_k;

    assert_true(epoch <= STORY_EPOCHS);
    expect_model(s, &story.models[epoch]);
    story_check_objects(s, epoch);
    assert_int_equal(fls_ledger_top_k(s->ledger, &top_k), 0);
    assert_int_equal(top_k, STORY_TOP_K);
}

/* No file that nothing refers to is left. */
static inline void story_check_files(struct state *s)
{
    uint64_t segments = 0;
    char name[SCRATCH_PATH_MAX + 64];

    assert_int_equal(fls_commit_clean(&s->commit), 0);
    for (uint64_t number = 0; number < s->commit.next_segment + 5; number++) {
        snprintf(name, sizeof(name), "%s/segments/%d.seg", calls.folder, (int)number);
        segments += access(name, F_OK) == 0;
        strcat(name, ".tmp");
        assert_int_not_equal(access(name, F_OK), 0);
    }
    assert_true(segments <= 3 * (STORY_KEEP + 1));
}

/* Another process finds the state as it was after `least` or after `most` epochs, and goes on from
 * there. */
static inline void story_goes_on(uint64_t least, uint64_t most)
{
    struct state s;

    if (story_open(&s) != 0)
        fail_msg("%s", story_said->failure);
    assert_in_range(s.commit.epoch, least, most);
    story_check(&s);
    if (s.commit.epoch < STORY_EPOCHS) {
        assert_int_equal(story_commit(&s), 0);
        assert_int_equal(story_publish(&s), 0);
        story_check(&s);
    }
    story_check_files(&s);
    story_close(&s);
}

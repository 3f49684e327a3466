/* What the supervisor and the other roles tell each other over channels. */
#pragma once

#include "base/object.h"

#include <stddef.h>
#include <string.h>

/* supervisor -> ingest: read these objects next, FLS_WORKS_MAX at most, one behind the other with
 * fls_work_sz bytes each; open descriptors of them come along, in their order, but of those that
 * could not be opened. The supervisor never waits for room: what does not fit now is handed out
 * later. Its closing its end means: no more objects. */
struct fls_work {
    uint64_t id, size;
    int64_t mtime_ns;
    int64_t open_error;        /* errno of opening it, 0: a descriptor comes along */
    uint32_t name_sz, path_sz; /* with their NULs, FLS_PATH_MAX at most */
    char texts[];              /* name, path */
};

#define FLS_WORKS_MAX 16U

static inline size_t fls_work_sz(uint32_t name_sz, uint32_t path_sz)
{
    return (sizeof(struct fls_work) + name_sz + path_sz + 7) / 8 * 8;
}

/* ingest -> supervisor: an object of the work list that is done with. A message has one or more of
 * them: it is sent when as many are done with as are left to read, and before the ingest sleeps or
 * pushes a barrier. */
struct fls_done {
    uint64_t object_id;
    uint64_t epoch;       /* of this run, in which it was read */
    uint64_t wants_epoch; /* 1: the ingest reads nothing more before that epoch is closed */
};

#define FLS_DONES_MAX 32U /* in one message */

/* Status of a role that could not go on, though another generation may: its peer is gone, or what
 * it told the user of (a full disk) may pass. EXIT_FAILURE: a new start would not mend it. */
#define FLS_EXIT_AGAIN 75 /* EX_TEMPFAIL of sysexits.h */

/* aggregate -> publish: a segment of an epoch is ready; its sealed memfd comes along. A shard sends
 * any number of them for an epoch: where its memory is too small for an epoch, and at its end. */
struct fls_segment_ready {
    uint64_t epoch;   /* of this run */
    uint64_t size;    /* bytes; 0: nothing was counted, no descriptor */
    uint64_t is_last; /* 1: of the epoch */
};

/* publish -> aggregate, for each segment, in their order: it is written, and its memory given back.
 * An aggregator ends only when it has the answers to all of its segments. */
struct fls_segment_taken {
    uint64_t size;
};

/* Segments of a shard that are not answered yet. */
#define FLS_SEGMENTS_IN_FLIGHT_MAX 2U

/* publish -> supervisor */
enum fls_news_kind {
    FLS_NEWS_REDO,      /* the object is whole, but its epoch was thrown away: read it again */
    FLS_NEWS_COMMITTED, /* the epoch is durable and published */
    FLS_NEWS_DISCARDED, /* the epoch held a damaged object; its whole ones were named by REDO */
    FLS_NEWS_FAILED,    /* an object does not count; in text why */
    FLS_NEWS_WARNING    /* an object counts, but there is something to tell: in text what */
};

struct fls_news {
    uint64_t kind;              /* enum fls_news_kind */
    uint64_t epoch;             /* of this run */
    uint64_t object_id;         /* REDO, FAILED */
    uint64_t objects, trailing; /* COMMITTED: counted, and those with trailing bytes */
    uint64_t published;         /* COMMITTED: the epoch in Redis, 0 if Redis could not be reached */
    /* FAILED, WARNING: path and reason. Only as much as is used is sent: fls_news_sz. */
    char text[FLS_PATH_MAX + FLS_FAILURE_TEXT_MAX + 4];
};

static inline size_t fls_news_sz(const struct fls_news *news)
{
    return offsetof(struct fls_news, text) + strlen(news->text) + 1;
}

/* One attempt to read one epoch whole, from several transactions: reading.c runs them and words
 * their failures, reading_whole.c reads what is not of one day, reading_days.c days. Only for
 * view_reader.c and these. All: 0, or -errno and a text, as fls_published_read. */
#pragma once

#include "base/keys.h"
#include "base/wire.h"
#include "dashboard/view_reader.h"

/* What goes in front of every command, and where the result goes. */
struct fls_reading {
    struct fls_wire *wire;
    struct fls_key_parts parts;
    struct fls_published *to;
    uint32_t queued_cnt;
    int status; /* of what was queued since begin */
    char *error;
    size_t error_max;
};

/* Zeroed memory of a command that ends soon: there is nothing better to do without it than to end.
 * Never NULL; to be freed. */
void *fls_reading_take(size_t cnt, size_t sz);
/* The key, with the parts of the reading, holds what this program does not publish: -EPROTO. */
int fls_reading_damaged(struct fls_reading *reading, enum fls_redis_key key);

/* A transaction: begin, which asks for the epoch, then any number of commands, then commit. */
void fls_reading_begin(struct fls_reading *reading);
void fls_reading_queue(struct fls_reading *reading, const char *command, enum fls_redis_key key);
/* The same for a command of several keys, made with fls_wire_command and so on. */
void fls_reading_queue_made(struct fls_reading *reading);
/* Runs what was queued since begin; *exec has the reply of each command, the epoch's first. It
 * belongs to the result. */
int fls_reading_commit(struct fls_reading *reading, const redisReply **exec);
/* The epoch that the transaction saw. */
int fls_reading_epoch(struct fls_reading *reading, const redisReply *reply, uint64_t *epoch);

/* Reads what is not of one day; has_lines: there are lines of the account, or of any. */
int fls_reading_whole(struct fls_reading *reading, bool *has_lines);
/* Reads `cnt` of the chosen days from number `first` on in one transaction, and beside the first
 * day the uniques of all. -EAGAIN: the epoch is no longer the one of the whole. */
int fls_reading_days(struct fls_reading *reading, uint32_t first, uint32_t cnt);

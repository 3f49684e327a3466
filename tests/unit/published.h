/* What tests of publishing compare: all that Redis holds of a deployment, with what a new process
 * would publish. */
#pragma once

#include "epochs.h"
#include "redis_server.h"

#include "publish/compact.h"
#include "publish/show.h"

/* ---- all that Redis holds of a deployment, as one text ---- */

struct piece {
    char *at;
    size_t sz;
};

static inline int compare_pieces(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    int order = memcmp(x->at, y->at, x->sz < y->sz ? x->sz : y->sz);

    return order ? order : (x->sz > y->sz) - (x->sz < y->sz);
}

static inline void add_element(FILE *out, const redisReply *element)
{
    fprintf(out, "%zu:", (size_t)element->len);
    fwrite(element->str, 1, (size_t)element->len, out);
}

/* A reply of several elements in sorted groups of `group`. */
static inline void dump_array(FILE *out, const redisReply *reply, size_t group)
{
    size_t cnt = reply->elements / group;
    struct piece *pieces = calloc(cnt + 1, sizeof(*pieces));

    assert_non_null(pieces);
    for (size_t i = 0; i < cnt; i++) {
        FILE *piece = open_memstream(&pieces[i].at, &pieces[i].sz);

        for (size_t k = 0; k < group; k++)
            add_element(piece, reply->element[i * group + k]);
        fclose(piece);
    }
    qsort(pieces, cnt, sizeof(*pieces), compare_pieces);
    for (size_t i = 0; i < cnt; i++) {
        fwrite(pieces[i].at, 1, pieces[i].sz, out);
        fputc('\n', out);
        free(pieces[i].at);
    }
    free(pieces);
}

static inline void dump_key(FILE *out, const char *key)
{
    redisReply *type = redis_ask("TYPE %s", key), *value;

    if (strcmp(type->str, "string") == 0) {
        value = redis_ask("GET %s", key);
        add_element(out, value);
    } else if (strcmp(type->str, "hash") == 0) {
        value = redis_ask("HGETALL %s", key);
        dump_array(out, value, 2);
    } else if (strcmp(type->str, "set") == 0) {
        value = redis_ask("SMEMBERS %s", key);
        dump_array(out, value, 1);
    } else {
        assert_string_equal(type->str, "zset");
        value = redis_ask("ZRANGE %s 0 -1 WITHSCORES", key);
        dump_array(out, value, 2);
    }
    freeReplyObject(value);
    freeReplyObject(type);
}

static inline int compare_keys(const void *a, const void *b)
{
    return strcmp((*(redisReply *const *)a)->str, (*(redisReply *const *)b)->str);
}

static inline struct piece dump(const char *name)
{
    redisReply *keys = redis_ask("KEYS flowlog:{%s}:*", name);
    size_t prefix = strlen("flowlog:{}:") + strlen(name);
    struct piece text = {NULL, 0};
    FILE *out = open_memstream(&text.at, &text.sz);

    assert_true(keys->elements > 0);
    qsort(keys->element, keys->elements, sizeof(redisReply *), compare_keys);
    for (size_t i = 0; i < keys->elements; i++) {
        const char *key = keys->element[i]->str;

        if (strcmp(key + prefix, "incarnation") == 0)
            continue;
        fprintf(out, "== %s ==\n", key + prefix);
        dump_key(out, key);
        fputc('\n', out);
    }
    fclose(out);
    freeReplyObject(keys);
    return text;
}

#define FRESH_BYTES_MAX (256U << 10) /* scopes are presented two or three at a time */

/* The deployment `n` is what a new process would publish of the state, all at once, under a new
 * name, with much less memory. */
static inline void expect_as_afresh(struct state *s, uint32_t top_k)
{
    static unsigned fresh_cnt;
    char name[32];
    struct fls_show fresh = {
        .address = &redis_address, .name = name, .top_k = top_k, .day_bytes_max = FRESH_BYTES_MAX};
    struct piece left, right;

    sprintf(name, "fresh%u", fresh_cnt++);
    s->commit.is_read_only = true; /* nothing is rewritten, however little it may have */
    if (fls_show_commit(&fresh, &s->commit, true))
        fail_msg("%s", fresh.failure);
    s->commit.is_read_only = false;
    fls_show_fini(&fresh);
    left = dump("n");
    right = dump(name);
    if (left.sz != right.sz || memcmp(left.at, right.at, left.sz) != 0)
        fail_msg("published:\n%s\nafresh:\n%s", left.at, right.at);
    free(left.at);
    free(right.at);
}

#include "base/keys.h"

#include "base/assert.h"
#include "base/calendar.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const patterns[FLS_REDIS_KEY_CNT] = {
#define KEY(name, pattern, type, value, meaning) pattern,
#include "base/keys.def"
#undef KEY
};

bool fls_name_is_valid(const char *name)
{
    size_t sz = strlen(name);

    return sz > 0 && sz <= FLS_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == sz;
}

struct output {
    char *at;
    size_t max, sz; /* `sz` counts on where `max` ends */
};

static void put(struct output *out, const char *text, size_t text_sz)
{
    if (out->sz < out->max) {
        size_t room = out->max - out->sz;

        memcpy(out->at + out->sz, text, text_sz < room ? text_sz : room);
    }
    out->sz += text_sz;
}

static void put_text(struct output *out, const char *text)
{
    put(out, text, strlen(text));
}

static void put_day(struct output *out, const struct fls_key_parts *parts)
{
    char day[FLS_DAY_TEXT_MAX];

    put(out, day, (size_t)fls_day_format(parts->day, day));
}

static void put_scope(struct output *out, const struct fls_key_parts *parts)
{
    put_text(out, parts->account ? "account:" : "organisation");
    if (parts->account)
        put_text(out, parts->account);
}

static void put_name(struct output *out, const struct fls_key_parts *parts)
{
    fls_assert(parts->name && fls_name_is_valid(parts->name));
    put_text(out, parts->name);
}

static void put_table(struct output *out, const struct fls_key_parts *parts)
{
    fls_assert(parts->table);
    put_text(out, parts->table);
}

/* The words of a pattern that are replaced: capitals, which nothing else in a pattern is. */
static const struct word {
    const char *text;
    void (*put)(struct output *, const struct fls_key_parts *);
} words[] = {{"NAME", put_name}, {"DAY", put_day}, {"SCOPE", put_scope}, {"TABLE", put_table}};

size_t fls_key_format(char *out, size_t out_max, enum fls_redis_key key,
                      const struct fls_key_parts *parts)
{
    struct output to = {out, out_max, 0};
    const char *at;

    fls_assert(key < FLS_REDIS_KEY_CNT);
    for (at = patterns[key]; *at;) {
        const struct word *word = NULL;

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (strncmp(at, words[i].text, strlen(words[i].text)) == 0)
                word = &words[i];
        if (word) {
            word->put(&to, parts);
            at += strlen(word->text);
        } else {
            put(&to, at++, 1);
        }
    }
    if (out_max)
        out[to.sz < out_max ? to.sz : out_max - 1] = '\0';
    return to.sz;
}

char *fls_key_make(enum fls_redis_key key, const struct fls_key_parts *parts)
{
    size_t sz = fls_key_format(NULL, 0, key, parts);
    char *text = malloc(sz + 1);

    fls_assert(text);
    fls_key_format(text, sz + 1, key, parts);
    return text;
}

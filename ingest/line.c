#include "ingest/line.h"

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

bool fls_line_token(struct fls_span *rest, struct fls_span *token)
{
    const uint8_t *at = rest->at, *end = rest->at + rest->sz;

    while (at < end && is_blank(*at))
        at++;
    token->at = at;
    while (at < end && !is_blank(*at))
        at++;
    token->sz = (size_t)(at - token->at);
    *rest = (struct fls_span){at, (size_t)(end - at)};
    return token->sz > 0;
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Takes what follows the pattern off the front; in the pattern, `d` is a digit. */
static bool take(struct fls_span *rest, const char *pattern)
{
    size_t sz = strlen(pattern);

    if (rest->sz < sz)
        return false;
    for (size_t i = 0; i < sz; i++)
        if (pattern[i] == 'd' ? !is_digit(rest->at[i]) : rest->at[i] != (uint8_t)pattern[i])
            return false;
    *rest = (struct fls_span){rest->at + sz, rest->sz - sz};
    return true;
}

bool fls_line_is_timestamp(struct fls_span token)
{
    if (!take(&token, "dddd-dd-ddTdd:dd:dd"))
        return false;
    if (take(&token, ".d"))
        while (take(&token, "d"))
            ;
    if (!take(&token, "Z") && !take(&token, "+dd:dd") && !take(&token, "-dd:dd") &&
        !take(&token, "+dddd"))
        take(&token, "-dddd");
    return token.sz == 0;
}

struct fls_span fls_line_strip(struct fls_span line, bool *had_tokens)
{
    static const uint8_t mark[3] = {0xef, 0xbb, 0xbf};
    struct fls_span rest, token;

    if (line.sz > 0 && line.at[line.sz - 1] == '\r')
        line.sz--;
    if (line.sz >= sizeof(mark) && memcmp(line.at, mark, sizeof(mark)) == 0)
        line = (struct fls_span){line.at + sizeof(mark), line.sz - sizeof(mark)};
    rest = line;
    *had_tokens = fls_line_token(&rest, &token);
    return *had_tokens && fls_line_is_timestamp(token) ? rest : line;
}

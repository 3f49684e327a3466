#include "supervise/object_name.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Takes one or more bytes of the kinds given off the text: d digits, a lower-case letters, A
 * upper-case letters, or the byte itself. Answers how many. */
static size_t take(const char **text, const char *kinds)
{
    const char *at = *text;
    size_t sz;

    for (;; at++) {
        bool digit = *at >= '0' && *at <= '9', lower = *at >= 'a' && *at <= 'z';
        bool upper = *at >= 'A' && *at <= 'Z';

        if (!((digit && strchr(kinds, 'd')) || (lower && strchr(kinds, 'a')) ||
              (upper && strchr(kinds, 'A')) || (*at == '-' && strchr(kinds, '-'))))
            break;
    }
    sz = (size_t)(at - *text);
    *text = at;
    return sz;
}

static bool take_word(const char **text, const char *word)
{
    size_t sz = strlen(word);

    if (strncmp(*text, word, sz) != 0)
        return false;
    *text += sz;
    return true;
}

/* Two digits of a number in first..last. */
static bool take_two(const char **text, int first, int last)
{
    const char *at = *text;
    int number;

    if (at[0] < '0' || at[0] > '9' || at[1] < '0' || at[1] > '9')
        return false;
    number = (at[0] - '0') * 10 + at[1] - '0';
    *text += 2;
    return number >= first && number <= last;
}

/* Bytes of the file name that are AWS's name of the object: ACCOUNT (12 digits) _vpcflowlogs_
 * REGION _ FLOWLOGID (fl- and digits or letters) _ YYYYMMDDTHHMMZ _ HASH, before .log, .log.gz or
 * .log.zst; 0 if the file name has another form. */
size_t fls_object_aws_name_sz(const char *file)
{
    const char *at = file;
    size_t sz;

    if (take(&at, "d") != 12 || !take_word(&at, "_vpcflowlogs_") || take(&at, "ad-") == 0 ||
        !take_word(&at, "_fl-") || take(&at, "ad") == 0 || !take_word(&at, "_") ||
        !take_two(&at, 0, 99) || !take_two(&at, 0, 99) || !take_two(&at, 1, 12) ||
        !take_two(&at, 1, 31) || !take_word(&at, "T") || !take_two(&at, 0, 23) ||
        !take_two(&at, 0, 59) || !take_word(&at, "Z_") || take(&at, "adA") == 0)
        return 0;
    sz = (size_t)(at - file);
    if (strcmp(at, ".log") == 0 || strcmp(at, ".log.gz") == 0 || strcmp(at, ".log.zst") == 0)
        return sz;
    return 0;
}

bool fls_object_has_suffix(const char *file)
{
    static const char *const suffixes[] = {".log", ".gz", ".zst", ".parquet"};
    size_t sz = strlen(file);

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        size_t suffix_sz = strlen(suffixes[i]);

        if (sz >= suffix_sz && strcmp(file + sz - suffix_sz, suffixes[i]) == 0)
            return true;
    }
    return false;
}

const char *fls_object_file(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

/* AWS's name of the file, NULL-terminated, if it has one (which is shorter than a path). */
static bool aws_name(const char *path, char name[static FLS_PATH_MAX])
{
    const char *file = fls_object_file(path);
    size_t sz = fls_object_aws_name_sz(file);

    if (sz == 0 || sz >= FLS_PATH_MAX)
        return false;
    memmove(name, file, sz);
    name[sz] = '\0';
    return true;
}

bool fls_object_name(const char *path, char name[static FLS_PATH_MAX])
{
    _Static_assert(FLS_PATH_MAX >= PATH_MAX, "realpath writes up to PATH_MAX bytes");
    if (aws_name(path, name))
        return true;
    if (realpath(path, name) == NULL)
        return false;
    aws_name(name, name); /* a link to an object of AWS is that object */
    return true;
}

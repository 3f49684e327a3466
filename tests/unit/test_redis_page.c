/* docs/REDIS.md is made from keys.def, tables.def and redis_answers.def: with --print this program
 * prints it, else it compares it with the file (in the current folder, the tree's root). */
#include "base/keys.h"
#include "base/tables.h"

#include <stdio.h>
#include <stdlib.h>

#define PAGE "docs/REDIS.md"

static const struct key {
    const char *pattern, *type, *value, *meaning;
} keys[] = {
#define KEY(name, pattern, type, value, meaning) {pattern, type, value, meaning},
#include "base/keys.def"
#undef KEY
};

static const struct answer {
    const char *begins, *means;
} answers[] = {
#define ANSWER(begins, error, means) {begins, means},
#include "base/redis_answers.def"
#undef ANSWER
};

/* How the keys of a table's rows look, and an example. */
static const struct {
    const char *parts, *example;
} row_keys[] = {
    [FLS_KEY_NONE] = {"nothing: one row", ""},
    [FLS_KEY_MINUTE] = {"minute of `start`", "2026-01-01T12:34:00Z"},
    [FLS_KEY_PROTOCOL] = {"protocol number", "6"},
    [FLS_KEY_ADDRESS] = {"address", "2001:db8::1"},
    [FLS_KEY_PORT] = {"protocol, port", "6\\|443"},
    [FLS_KEY_CONVERSATION] = {"source, destination, protocol, port of the service",
                              "10.0.0.1\\|10.0.0.2\\|6\\|443"},
    [FLS_KEY_ATTRIBUTE] = {"text of the field", "..."},
};

/* Text of a table's cell: `|` would end it. */
static void print_cell(FILE *out, const char *text)
{
    for (; *text; text++)
        fprintf(out, *text == '|' ? "\\|" : "%c", *text);
}

static void print_keys(FILE *out)
{
    fputs("| key | type | holds | meaning |\n|---|---|---|---|\n", out);
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        fprintf(out, "| `%s` | %s | ", keys[i].pattern, keys[i].type);
        print_cell(out, keys[i].value);
        fputs(" | ", out);
        print_cell(out, keys[i].meaning);
        fputs(" |\n", out);
    }
}

static void print_tables(FILE *out)
{
    fputs("| TABLE | published in | key of a row | for example |\n|---|---|---|---|\n", out);
    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        const struct fls_table_info *table = &fls_tables[i];
        const char *example = row_keys[table->key].example;

        fprintf(out, "| `%s` | %s | %s | ", table->name,
                table->size == FLS_SIZE_FEW ? "`few`" : "`top:TABLE`", row_keys[table->key].parts);
        fprintf(out, example[0] ? "`%s` |\n" : "%s|\n", example);
    }
}

static void print_answers(FILE *out)
{
    fputs(
        "\n## What Redis may answer\n\n"
        "Nothing that is counted waits for Redis: the answer is told once, and the next epoch "
        "tries "
        "again. What the\nlast epoch of a run meets is tried again, too; then the run ends with "
        "\"everything is committed, but it is\nnot published\", and the next one publishes it.\n\n"
        "| answer | what it means, and what to do |\n|---|---|\n",
        out);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        fprintf(out, "| `%s` | ", answers[i].begins);
        print_cell(out, answers[i].means);
        fputs(" |\n", out);
    }
}

static void print_page(FILE *out)
{
    fprintf(
        out,
        "# The keys in Redis\n"
        "\n"
        "Made from `base/keys.def`, `base/tables.def` and `base/redis_answers.def` (`make docs`); "
        "layout version %u.\n"
        "Names and types are stable: a change of their meaning changes the version, `schema` in "
        "`meta`.\n"
        "\n"
        "NAME is the deployment (`--name`) and the hash tag of all its keys; DAY is "
        "`YYYY-MM-DD` (UTC) or\n"
        "`unknown`; SCOPE is `organisation` or `account:ID`. FIGURES are `flows packets bytes "
        "accepted rejected`:\n"
        "five decimal numbers with one blank between them, exact up to 9223372036854775807, "
        "where they stay.\n"
        "A key that would hold nothing does not exist. Keys have no TTL: days that are no "
        "longer kept are removed.\n"
        "\n",
        FLS_VIEW_SCHEMA);
    print_keys(out);
    fputs("\n## Tables\n\n"
          "A table is published whole in `few`, or its top rows (the union of the top K by bytes, "
          "by packets, by flows\nand by rejected) in a key of its own. Parts of a key are joined "
          "by `|`.\n\n",
          out);
    print_tables(out);
    fprintf(out,
            "\n## Reading\n"
            "\n"
            "All keys of one epoch change in one transaction. Who reads several of them does so in "
            "one `MULTI`, or reads\n"
            "`epoch` before and after and begins again if it differs. The ten largest sources of a "
            "day, smallest first:\n"
            "\n"
            "    ZRANGE flowlog:{default}:day:2026-01-01:organisation:top:source_address:by_bytes "
            "-10 -1\n"
            "    HGET flowlog:{default}:day:2026-01-01:organisation:top:source_address 10.0.0.1\n"
            "\n"
            "`PFCOUNT` and `PFMERGE` take the unique counts, over any days and accounts. Keys that "
            "begin with\n"
            "`flowlog:{NAME}:stage:` belong to an epoch that is being written: they are not for "
            "readers, and those that an\n"
            "interrupted publisher has left are removed by the next one.\n");
    print_answers(out);
}

/* The whole of it with its NUL, to be freed; NULL if it cannot be read. */
static char *read_page(void)
{
    static const size_t max = 1 << 20;
    char *text = malloc(max);
    FILE *file = fopen(PAGE, "r");
    size_t sz;

    if (!file) {
        perror(PAGE);
        free(text);
        return NULL;
    }
    sz = fread(text, 1, max - 1, file);
    text[sz] = '\0';
    fclose(file);
    return text;
}

int main(int argc, char **argv)
{
    char *made = NULL, *found;
    size_t made_sz;
    FILE *out;
    int is_equal;

    if (argc == 2 && strcmp(argv[1], "--print") == 0) {
        print_page(stdout);
        return fflush(stdout) != 0;
    }
    out = open_memstream(&made, &made_sz);
    if (!out)
        return 1;
    print_page(out);
    fclose(out);
    found = read_page();
    is_equal = found && strcmp(made, found) == 0;
    if (!is_equal)
        fprintf(stderr, "%s is not what its .def files say: run `make docs`\n", PAGE);
    printf("1..1\n%sok 1 - redis_page_is_what_the_tables_say\n", is_equal ? "" : "not ");
    free(made);
    free(found);
    return !is_equal;
}

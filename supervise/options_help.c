#include "supervise/options_table.h"

#include "base/assert.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WIDTH 80
#define INDENT 6 /* of what is said of an option */

/* Words of the text from the given column on; lines that follow begin at `indent`. */
static void print_wrapped(const char *text, int column, int indent)
{
    bool is_first = true;

    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        int sz = (int)strcspn(text, " ");

        if (!is_first && column + 1 + sz > WIDTH) {
            printf("\n%*s", indent, "");
            column = indent;
        } else if (!is_first) {
            putchar(' ');
            column++;
        }
        printf("%.*s", sz, text);
        column += sz;
        text += sz;
        is_first = false;
    }
    putchar('\n');
}

/* One piece of a usage line, never broken. */
static int print_usage_piece(const char *piece, int column)
{
    int sz = (int)strlen(piece);

    if (column + 1 + sz > WIDTH) {
        printf("\n%*s", 11, "");
        column = 11;
    }
    printf(" %s", piece);
    return column + 1 + sz;
}

static void print_usage(enum fls_command command)
{
    const struct fls_command_info *info = &fls_commands[command];
    int column = printf("Usage: flowlog-stats %s", info->name);
    char piece[128];

    for (uint32_t i = 0; i < fls_option_info_cnt; i++) {
        const struct fls_option_info *option = &fls_option_infos[i];
        bool is_required = !option->initial.value && !option->initial.words;

        if (!(option->commands & 1U << command))
            continue;
        snprintf(piece, sizeof(piece), is_required ? "%s%s%s" : "[%s%s%s]", option->flag,
                 *option->argument ? " " : "", option->argument);
        column = print_usage_piece(piece, column);
    }
    if (*info->operands)
        print_usage_piece(info->operands, column);
    putchar('\n');
}

static void print_option(const struct fls_option_info *option)
{
    const char *initial = option->initial.value ? option->initial.value : option->initial.words;

    printf("  %s%s%s\n%*s", option->flag, *option->argument ? " " : "", option->argument, INDENT,
           "");
    print_wrapped(option->help, INDENT, INDENT);
    printf("%*s%s%s", INDENT, "", initial ? "default: " : "must be given", initial ? initial : "");
    if (option->high > 0)
        printf("; %" PRIu64 " to %" PRIu64, option->low, option->high);
    putchar('\n');
}

static void print_passwords(void)
{
    printf("\nPasswords:\n  ");
    print_wrapped(
        "A password that --redis lacks is read from the file named by "
        "$FLOWLOG_REDIS_PASSWORD_FILE, else taken from $FLOWLOG_REDIS_PASSWORD. One given "
        "in --redis works too; it is removed from the process list at once, but may stay "
        "in your shell's history.",
        2, 2);
}

static void print_tables(void)
{
    char names[FLS_TABLE_CNT * 32];
    size_t at = 0;

    for (int i = 0; i < FLS_TABLE_CNT; i++) {
        at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s", i ? ", " : "",
                               fls_tables[i].name);
        fls_assert(at < sizeof(names));
    }
    printf("\nTables:\n  ");
    print_wrapped(names, 2, 2);
}

static void print_exit_status(bool runs)
{
    printf("\nExit status:\n"
           "   0  all is well%s\n"
           "   1  something failed; stderr says what to do\n",
           runs ? " (malformed lines are told, and are no failure)" : "");
    if (runs)
        printf("   2  `run`: some objects did not count; their names and reasons are told\n");
    printf("  64  the command line is wrong\n");
}

void fls_options_command_help(enum fls_command command)
{
    bool has_redis = false;

    print_usage(command);
    putchar('\n');
    print_wrapped(fls_commands[command].help, 0, 0);
    printf("\nOptions:\n");
    for (uint32_t i = 0; i < fls_option_info_cnt; i++) {
        const struct fls_option_info *option = &fls_option_infos[i];

        if (!(option->commands & 1U << command))
            continue;
        print_option(option);
        has_redis = has_redis || strcmp(option->flag, "--redis") == 0;
    }
    printf("  --help\n      this text\n");
    if (command == FLS_COMMAND_REPORT)
        print_tables();
    if (has_redis)
        print_passwords();
    print_exit_status(command == FLS_COMMAND_RUN || command == FLS_COMMAND_DEMO);
}

void fls_options_help(void)
{
    printf("Usage: flowlog-stats COMMAND [OPTION]... [PATH]...\n\n"
           "AWS VPC Flow Logs of a whole organisation in, exact tables in Redis and a report\n"
           "out.\n\nCommands:\n");
    for (int i = 0; i < FLS_COMMAND_CNT; i++) {
        printf("  %-10s", fls_commands[i].name);
        print_wrapped(fls_commands[i].help, 12, 12);
    }
    printf("\n`flowlog-stats COMMAND --help` tells the options of a command,\n"
           "`flowlog-stats --version` the version.\n");
    print_exit_status(true);
}

#include "supervise/options.h"

#include "base/assert.h"
#include "base/calendar.h"
#include "base/cores.h"
#include "base/counters.h"
#include "base/keys.h"
#include "base/nearest.h"
#include "base/redis.h"
#include "bench/lines.h"
#include "state/folder.h"
#include "supervise/memory.h"
#include "supervise/options_table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MISTAKE_MAX 2048U /* bytes of a message about an option's value */

static int read_NUMBER(const struct fls_option_reading *reading, const char *value);
static int read_SIZE(const struct fls_option_reading *reading, const char *value);
static int read_CHOICE(const struct fls_option_reading *reading, const char *value);
static int read_TEXT(const struct fls_option_reading *reading, const char *value);
static int read_URL(const struct fls_option_reading *reading, const char *value);
static int read_NAME(const struct fls_option_reading *reading, const char *value);
static int read_LAYOUT(const struct fls_option_reading *reading, const char *value);
static int read_INFLATE(const struct fls_option_reading *reading, const char *value);
static int read_DAY(const struct fls_option_reading *reading, const char *value);
static int read_TABLE(const struct fls_option_reading *reading, const char *value);
static int read_ORDER(const struct fls_option_reading *reading, const char *value);
static int read_FIELDS(const struct fls_option_reading *reading, const char *value);
static int read_FLAG(const struct fls_option_reading *reading, const char *value);

const struct fls_command_info fls_commands[FLS_COMMAND_CNT] = {
#define COMMAND(code, name, operands, help) [FLS_COMMAND_##code] = {name, operands, help},
#include "supervise/options.def"
};

enum {
#define COMMAND(code, name, operands, help) code = 1 << FLS_COMMAND_##code,
#include "supervise/options.def"
};

#define DEFAULT(text)                                                                              \
    {                                                                                              \
        text, NULL                                                                                 \
    }
#define DERIVED(text)                                                                              \
    {                                                                                              \
        NULL, text                                                                                 \
    }
#define REQUIRED                                                                                   \
    {                                                                                              \
        NULL, NULL                                                                                 \
    }

const struct fls_option_info fls_option_infos[] = {
#define OPTION(commands, name, argument, reader, member, low, high, initial, help)                 \
    {commands,                                                                                     \
     "--" name,                                                                                    \
     argument,                                                                                     \
     read_##reader,                                                                                \
     offsetof(struct fls_options, member),                                                         \
     sizeof(((struct fls_options *)0)->member),                                                    \
     low,                                                                                          \
     high,                                                                                         \
     initial,                                                                                      \
     help},
#include "supervise/options.def"
};

const uint32_t fls_option_info_cnt = sizeof(fls_option_infos) / sizeof(fls_option_infos[0]);
_Static_assert(sizeof(fls_option_infos) / sizeof(fls_option_infos[0]) <= FLS_OPTIONS_MAX,
               "one bit for each option");

/* What is being read: the command line and how far. */
struct parsing {
    struct fls_options *options;
    int argc;
    char **argv;
    int at;
    uint64_t given; /* bit of each option's row */
};

static int __attribute__((format(printf, 1, 2))) mistake(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fputs("flowlog-stats: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return -1;
}

static void *member_of(const struct fls_option_reading *reading)
{
    return (char *)reading->options + reading->option->offset;
}

static int not_known(const struct fls_option_reading *reading, const char *value,
                     const char *const *names, size_t cnt)
{
    char text[MISTAKE_MAX];

    fls_nearest_text(value, strlen(value), names, cnt, text, sizeof(text));
    return mistake("%s: %s", reading->option->flag, text);
}

/* Reads plain digits, at least one; returns what stands behind them, NULL if they are no number of
 * 64 bits. */
static const char *read_digits(const char *value, uint64_t *number)
{
    const char *digit = value;

    *number = 0;
    for (; *digit >= '0' && *digit <= '9'; digit++)
        if (__builtin_mul_overflow(*number, 10, number) ||
            __builtin_add_overflow(*number, (uint64_t)(*digit - '0'), number))
            return NULL;
    return digit == value ? NULL : digit;
}

static int read_NUMBER(const struct fls_option_reading *reading, const char *value)
{
    const struct fls_option_info *option = reading->option;
    uint64_t number;
    const char *end = read_digits(value, &number);

    if (end == NULL || *end != '\0' || number < option->low || number > option->high)
        return mistake("%s: '%s' is not a whole number from %" PRIu64 " to %" PRIu64, option->flag,
                       value, option->low, option->high);
    if (option->sz == sizeof(uint64_t)) {
        memcpy(member_of(reading), &number, sizeof(number));
    } else {
        uint32_t small = (uint32_t)number;

        fls_assert(option->sz == sizeof(small) && small == number);
        memcpy(member_of(reading), &small, sizeof(small));
    }
    return 0;
}

/* Whether the size is enough shows when all options are read: settle_memory. */
static int read_SIZE(const struct fls_option_reading *reading, const char *value)
{
    static const char units[] = "KMGT"; /* times 1024 each */
    uint64_t size;
    const char *end = read_digits(value, &size), *unit = end && *end ? strchr(units, *end) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;

    if (end == NULL || end[unit != NULL] != '\0' || size > UINT64_MAX >> shift)
        return mistake("%s: '%s' is no size; give bytes, or a number with K, M, G or T, such as 2G",
                       reading->option->flag, value);
    size <<= shift;
    memcpy(member_of(reading), &size, sizeof(size));
    return 0;
}

uint32_t fls_option_choices(const char *argument, char text[static FLS_CHOICE_TEXT_MAX],
                            const char *words[static FLS_CHOICES_MAX])
{
    uint32_t cnt = 0;

    fls_assert(strlen(argument) < FLS_CHOICE_TEXT_MAX);
    strcpy(text, argument);
    for (char *word = strtok(text, "|"); word; word = strtok(NULL, "|")) {
        fls_assert(cnt < FLS_CHOICES_MAX);
        words[cnt++] = word;
    }
    return cnt;
}

/* The position of the value among the words of the option's argument, or -1 after it was said. */
static int choice_of(const struct fls_option_reading *reading, const char *value)
{
    char text[FLS_CHOICE_TEXT_MAX];
    const char *words[FLS_CHOICES_MAX];
    uint32_t cnt = fls_option_choices(reading->option->argument, text, words);

    for (uint32_t i = 0; i < cnt; i++)
        if (strcmp(words[i], value) == 0)
            return (int)i;
    return not_known(reading, value, words, cnt);
}

static int read_CHOICE(const struct fls_option_reading *reading, const char *value)
{
    int choice = choice_of(reading, value);

    if (choice < 0)
        return -1;
    fls_assert(reading->option->sz == sizeof(choice)); /* an enum of few values is an int */
    memcpy(member_of(reading), &choice, sizeof(choice));
    return 0;
}

static int read_INFLATE(const struct fls_option_reading *reading, const char *value)
{
    static const enum fls_inflate inflate[] = {FLS_INFLATE_ISAL, FLS_INFLATE_ISAL,
                                               FLS_INFLATE_ZLIB};
    int choice = choice_of(reading, value);

    if (choice >= 0)
        reading->options->inflate = inflate[choice];
    return choice < 0 ? -1 : 0;
}

static int read_ORDER(const struct fls_option_reading *reading, const char *value)
{
    if (choice_of(reading, value) < 0)
        return -1;
    for (int i = 0; i < FLS_COUNTER_CNT; i++)
        if (strcmp(fls_counter_name[i], value) == 0)
            reading->options->order = i;
    return 0;
}

static int read_FLAG(const struct fls_option_reading *reading, const char *value)
{
    fls_assert(value == NULL && reading->option->sz == sizeof(bool));
    *(bool *)member_of(reading) = true;
    return 0;
}

static int read_TEXT(const struct fls_option_reading *reading, const char *value)
{
    if (*value == '\0')
        return mistake("%s needs a %s that is not empty", reading->option->flag,
                       reading->option->argument);
    memcpy(member_of(reading), &value, sizeof(value));
    return 0;
}

static int read_NAME(const struct fls_option_reading *reading, const char *value)
{
    size_t sz = strlen(value);

    if (sz == 0 || sz > FLS_NAME_MAX ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != sz)
        return mistake("%s: '%s' is not a name of 1 to %u letters, digits, '.', '_' or '-'",
                       reading->option->flag, value, FLS_NAME_MAX);
    reading->options->name = value;
    return 0;
}

/* Overwrites the password of a URL in the program's arguments, which every process list shows. What
 * stands before the last `@` may be secret, whether the URL is right or not. */
static void blank_password(char *url)
{
    char *start = strstr(url, "://"), *end = strrchr(url, '@'), *colon;
    size_t sz, tail_sz;

    if (!end || strncmp(url, "unix://", 7) == 0)
        return;
    start = start && start < end ? start + 3 : url;
    colon = memchr(start, ':', (size_t)(end - start));
    start = colon ? colon + 1 : start;
    sz = (size_t)(end - start);
    tail_sz = strlen(end);
    if (sz > 3) { /* nor does its length show */
        memmove(start + 3, end, tail_sz);
        memset(start + 3 + tail_sz, 0, sz - 3);
        sz = 3;
    }
    memset(start, '*', sz);
}

static int read_URL(const struct fls_option_reading *reading, const char *value)
{
    struct fls_options *options = reading->options;
    struct fls_redis_address address;
    char *copy = strdup(value), error[512];

    fls_assert(copy);
    free((char *)options->redis);
    options->redis = copy;
    if (reading->original)
        blank_password(reading->original);
    if (strncmp(copy, "unix:///", 8) != 0 && strncmp(copy, "redis://", 8) != 0)
        return mistake("--redis: give unix:///path or redis://[user:password@]host:port/db");
    if (fls_redis_address_parse(copy, &address, error, sizeof(error)))
        return mistake("--redis: %s", error);
    fls_redis_address_fini(&address);
    return 0;
}

static int read_LAYOUT(const struct fls_option_reading *reading, const char *value)
{
    char error[MISTAKE_MAX];

    if (fls_layout_from_option(value, &reading->options->headerless, error, sizeof(error)) == 0)
        return 0;
    return mistake("%s: %s", reading->option->flag, error);
}

static int read_FIELDS(const struct fls_option_reading *reading, const char *value)
{
    struct fls_lines_layout layout;
    char error[MISTAKE_MAX];

    if (fls_lines_layout(value, &layout, error, sizeof(error)) != 0)
        return mistake("%s: %s", reading->option->flag, error);
    reading->options->fields = value;
    return 0;
}

static int read_DAY(const struct fls_option_reading *reading, const char *value)
{
    struct fls_options *options = reading->options;
    const char *dots = strstr(value, "..");
    char first[FLS_DAY_TEXT_MAX];
    size_t sz = dots ? (size_t)(dots - value) : strlen(value);
    bool is_right = sz < sizeof(first);

    if (is_right) {
        memcpy(first, value, sz);
        first[sz] = '\0';
        is_right = fls_day_parse(first, &options->day_first) &&
                   fls_day_parse(dots ? dots + 2 : first, &options->day_last);
    }
    if (dots && is_right)
        is_right = options->day_first != FLS_DAY_UNKNOWN && options->day_last != FLS_DAY_UNKNOWN;
    if (!is_right)
        return mistake("%s: '%s' is no day; give YYYY-MM-DD, YYYY-MM-DD..YYYY-MM-DD or unknown",
                       reading->option->flag, value);
    if (options->day_first > options->day_last)
        return mistake("%s: '%s' ends before it begins", reading->option->flag, value);
    options->day_given = true;
    return 0;
}

static int read_TABLE(const struct fls_option_reading *reading, const char *value)
{
    const char *names[FLS_TABLE_CNT];

    for (int i = 0; i < FLS_TABLE_CNT; i++)
        names[i] = fls_tables[i].name;
    reading->options->table = fls_table_by_name(value);
    return reading->options->table < 0 ? not_known(reading, value, names, FLS_TABLE_CNT) : 0;
}

static uint32_t limit(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void set_initial(struct fls_options *options)
{
    memset(options, 0, sizeof(*options));
    options->table = -1;
    options->ingest_cnt = limit(fls_core_cnt() + 1, 1, FLS_INGEST_MAX);
    options->aggregate_cnt = limit(fls_core_cnt() / 2 + 1, 1, FLS_AGGREGATE_MAX);
    fls_layout_default(&options->headerless);
    for (uint32_t i = 0; i < fls_option_info_cnt; i++) {
        const struct fls_option_info *option = &fls_option_infos[i];
        struct fls_option_reading reading = {options, option, NULL};

        if (option->initial.value)
            fls_assert(option->read(&reading, option->initial.value) == 0);
    }
}

/* The row of the command's option that the argument names, up to a `=`; -1 if there is none. */
static int find_option(enum fls_command command, const char *argument)
{
    size_t sz = strcspn(argument, "=");

    for (uint32_t i = 0; i < fls_option_info_cnt; i++) {
        const struct fls_option_info *option = &fls_option_infos[i];

        if (option->commands & 1U << command && strlen(option->flag) == sz &&
            memcmp(option->flag, argument, sz) == 0)
            return (int)i;
    }
    return -1;
}

static int unknown_option(enum fls_command command, const char *argument)
{
    const char *flags[FLS_OPTIONS_MAX + 1];
    char text[MISTAKE_MAX];
    size_t cnt = 0;

    for (uint32_t i = 0; i < fls_option_info_cnt; i++)
        if (fls_option_infos[i].commands & 1U << command)
            flags[cnt++] = fls_option_infos[i].flag;
    flags[cnt++] = "--help";
    fls_nearest_text(argument, strcspn(argument, "="), flags, cnt, text, sizeof(text));
    return mistake("%s: %s", fls_commands[command].name, text);
}

/* Reads the option at parsing->at and steps over it. */
static int parse_option(struct parsing *parsing)
{
    enum fls_command command = parsing->options->command;
    char *argument = parsing->argv[parsing->at++], *value = strchr(argument, '=');
    int row = find_option(command, argument);
    struct fls_option_reading reading = {parsing->options, NULL, NULL};

    if (row < 0)
        return unknown_option(command, argument);
    reading.option = &fls_option_infos[row];
    parsing->given |= 1ULL << row;
    if (*reading.option->argument == '\0')
        return value ? mistake("%s: %s takes no value", fls_commands[command].name,
                               reading.option->flag)
                     : reading.option->read(&reading, NULL);
    if (value)
        value++;
    else if (parsing->at < parsing->argc)
        value = parsing->argv[parsing->at++];
    else
        return mistake("%s: %s needs its %s", fls_commands[command].name, argument,
                       reading.option->argument);
    reading.original = value;
    return reading.option->read(&reading, value);
}

static int parse_operand(struct parsing *parsing, char **paths)
{
    struct fls_options *options = parsing->options;
    char *argument = parsing->argv[parsing->at++];

    if (*fls_commands[options->command].operands == '\0')
        return mistake("%s takes options only, not '%s'", fls_commands[options->command].name,
                       argument);
    if (*argument == '\0')
        return mistake("%s: a path is empty", fls_commands[options->command].name);
    paths[options->path_cnt++] = argument;
    return 0;
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* Everything after the command. */
static int parse_arguments(struct parsing *parsing)
{
    struct fls_options *options = parsing->options;
    char **paths = calloc((size_t)parsing->argc, sizeof(*paths));
    bool only_paths = false;
    int status = 0;

    fls_assert(paths);
    options->paths = paths;
    while (parsing->at < parsing->argc && status == 0) {
        const char *argument = parsing->argv[parsing->at];

        if (only_paths || argument[0] != '-' || argument[1] == '\0') {
            status = parse_operand(parsing, paths);
        } else if (strcmp(argument, "--") == 0) {
            only_paths = true;
            parsing->at++;
        } else if (is_help(argument)) {
            fls_options_command_help(options->command);
            status = 1;
        } else {
            status = parse_option(parsing);
        }
    }
    return status;
}

static bool was_given(const struct parsing *parsing, const char *flag)
{
    int row = find_option(parsing->options->command, flag);

    return row >= 0 && parsing->given >> row & 1;
}

/* The state folder: the copy of what was given, or the default one. Returns the status so far, or
 * that of its own mistake. */
static int settle_state(const struct parsing *parsing, int status)
{
    struct fls_options *options = parsing->options;
    bool is_needed = options->command == FLS_COMMAND_RUN ||
                     options->command == FLS_COMMAND_STATUS ||
                     options->command == FLS_COMMAND_QUARANTINE ||
                     (options->command == FLS_COMMAND_REPORT && !options->redis);

    if (options->state) {
        options->state = strdup(options->state);
        fls_assert(options->state);
    } else if (options->command != FLS_COMMAND_REPORT || is_needed) {
        options->state = fls_folder_default();
    }
    if (is_needed && !options->state && status == 0)
        return mistake("neither XDG_STATE_HOME nor HOME is set: say where the state is with "
                       "--state DIR");
    return status;
}

/* The memory's least size follows from the numbers of processes. Of a machine that has so little,
 * or of so many processes, half may be less. */
static int settle_memory(const struct parsing *parsing)
{
    struct fls_options *options = parsing->options;
    uint64_t minimum = fls_memory_minimum(options->ingest_cnt, options->aggregate_cnt);

    if (was_given(parsing, "--memory") && options->memory < minimum)
        return mistake("--memory: %" PRIu64 "M is the least for --ingest %u --aggregate %u; give "
                       "more, or fewer processes",
                       fls_memory_in_mib(minimum), options->ingest_cnt, options->aggregate_cnt);
    if (!was_given(parsing, "--memory"))
        options->memory = fls_memory_available() / 2;
    if (options->memory < minimum)
        options->memory = minimum;
    return 0;
}

/* What only the whole line shows. */
static int check_together(const struct parsing *parsing)
{
    const struct fls_options *options = parsing->options;

    for (uint32_t i = 0; i < fls_option_info_cnt; i++) {
        const struct fls_option_info *option = &fls_option_infos[i];

        if (option->commands & 1U << options->command && !option->initial.value &&
            !option->initial.words && !(parsing->given >> i & 1))
            return mistake("%s needs %s %s: the %s", fls_commands[options->command].name,
                           option->flag, option->argument, option->help);
    }
    if (options->command == FLS_COMMAND_RUN && options->path_cnt == 0)
        return mistake("run needs PATH...: the folders or files of flow logs to count, such as "
                       "/data/AWSLogs, or - for standard input");
    if (options->command == FLS_COMMAND_REPORT && was_given(parsing, "--state") &&
        was_given(parsing, "--redis"))
        return mistake("report reads either --state DIR or --redis URL: give one of them");
    return options->command == FLS_COMMAND_RUN ? settle_memory(parsing) : 0;
}

static int parse_command(struct fls_options *options, const char *argument)
{
    const char *names[FLS_COMMAND_CNT + 2];
    char text[MISTAKE_MAX];

    for (int i = 0; i < FLS_COMMAND_CNT; i++) {
        names[i] = fls_commands[i].name;
        options->command = (enum fls_command)i;
        if (strcmp(argument, names[i]) == 0)
            return 0;
    }
    names[FLS_COMMAND_CNT] = "--help";
    names[FLS_COMMAND_CNT + 1] = "--version";
    fls_nearest_text(argument, strlen(argument), names, FLS_COMMAND_CNT + 2, text, sizeof(text));
    return mistake("the first word is a command: %s", text);
}

static int parse_line(struct fls_options *options, int argc, char **argv)
{
    struct parsing parsing = {options, argc, argv, 2, 0};
    int status;

    if (argc < 2)
        return mistake("give a command: run, quarantine, report, status, generate or demo");
    if (is_help(argv[1])) {
        fls_options_help();
        return 1;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("flowlog-stats %s\n", FLS_VERSION);
        return 1;
    }
    if (parse_command(options, argv[1]) != 0)
        return -1;
    status = parse_arguments(&parsing);
    /* Also after a mistake: from here on the folder is the options' own. */
    status = settle_state(&parsing, status);
    return status ? status : check_together(&parsing);
}

int fls_options_parse(struct fls_options *options, int argc, char **argv)
{
    int status;

    set_initial(options);
    status = parse_line(options, argc, argv);
    if (status < 0)
        fprintf(stderr, "`flowlog-stats%s%s --help` says what is possible\n",
                options->paths ? " " : "",
                options->paths ? fls_commands[options->command].name : "");
    return status;
}

void fls_options_fini(struct fls_options *options)
{
    free(options->state);
    free((char *)options->redis);
    free((char **)options->paths);
    memset(options, 0, sizeof(*options));
}

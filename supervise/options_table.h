/* options.def as tables, for options.c and options_help.c. */
#pragma once

#include "supervise/options.h"

#include <stddef.h>

#define FLS_OPTIONS_MAX 64U     /* rows of the table: one bit each in a word */
#define FLS_CHOICES_MAX 8U      /* words of a choice */
#define FLS_CHOICE_TEXT_MAX 64U /* bytes of a choice's argument with its NUL */

struct fls_command_info {
    const char *name, *operands, *help;
};

struct fls_option_reading;

struct fls_option_info {
    uint32_t commands; /* bit 1 << enum fls_command */
    const char *flag;  /* with its two dashes */
    const char *argument;
    /* Reads a value into the options: 0, or -1 after it was said what is wrong. */
    int (*read)(const struct fls_option_reading *reading, const char *value);
    size_t offset, sz;  /* of the member */
    uint64_t low, high; /* of a number; high is 0 for all else */
    struct {
        const char *value, *words; /* a default as it would be given, or told in words; or neither:
                                      the option must be given */
    } initial;
    const char *help;
};

/* Where a value goes. */
struct fls_option_reading {
    struct fls_options *options;
    const struct fls_option_info *option;
    char *original; /* the value in argv, or NULL for a default */
};

/* Splits the words of a choice's argument, at `|`, into `words`, which point into `text`. */
uint32_t fls_option_choices(const char *argument, char text[static FLS_CHOICE_TEXT_MAX],
                            const char *words[static FLS_CHOICES_MAX]);

extern const struct fls_command_info fls_commands[FLS_COMMAND_CNT];
extern const struct fls_option_info fls_option_infos[];
extern const uint32_t fls_option_info_cnt;

/* What --help prints: of the program, of a command. */
void fls_options_help(void);
void fls_options_command_help(enum fls_command command);

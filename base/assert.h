/* Assertions that stay on in production: a broken invariant ends the process with its place and
 * text. They are for programming errors only; bad input and operating errors have values of their
 * own. */
#pragma once

#define fls_assert(condition)                                                                      \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            fls_assert_failed(#condition, __FILE__, __LINE__);                                     \
    } while (0)

_Noreturn void fls_assert_failed(const char *condition, const char *file, int line);

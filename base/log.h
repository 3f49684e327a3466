/* Messages to people, one line each on stderr: "flowlog-stats: ROLE: text". Never data of a record
 * a line each: bad input is counted, not logged. */
#pragma once

/* Names this process in front of its messages; NULL (at start) for none. Kept, not copied. */
void fls_log_role(const char *role);
void fls_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fls_log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void fls_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The form of a line: what may stand around it and between its values.
 *
 *   [byte order mark] [blanks] [time stamp blanks] token (blanks token)* [blanks] [CR]
 *
 * A blank is a space or a tab. Every other byte, NUL too, belongs to a token. */
#pragma once

#include "base/span.h"

#include <stdbool.h>

/* The line without what stands around its tokens: byte order mark, time stamp, carriage return (one
 * at the end). What was a time stamp and nothing else is empty afterwards: had_tokens tells it from
 * a line of blanks. */
struct fls_span fls_line_strip(struct fls_span line, bool *had_tokens);
/* Takes the next token off the front of the rest; false if none is left. */
bool fls_line_token(struct fls_span *rest, struct fls_span *token);
/* True for an ISO 8601 time as CloudWatch exports put it before a line:
 * dddd-dd-ddTdd:dd:dd[.d+][Z|(+|-)dd[:]dd], where d is any digit. */
bool fls_line_is_timestamp(struct fls_span token);

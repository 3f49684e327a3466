/* What Redis holds, as text of lines, published to a report: read and printed, or refused.
 *
 *   input   0      1
 *           ├ how ─┼ lines: LETTER field TAB value NEWLINE ... ┤
 *
 * LETTER says which reply the field and its value belong to: see below; `t` is followed by the
 * number of a table, 'A' for the first. With the highest bit of `how` the input is what stands on
 * the connection, as it is. */
#include "dashboard/report.h"

#include "fuzz.h"

#include <hiredis/hiredis.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOW_RAW 0x80U
#define LINES_MAX 512U
#define DAYS_MAX 3U
#define OUT_SZ_MAX (1U << 17)

enum { PAIR = 2, ONE = 1 };

/* After the epoch, in the order in which they are asked for. */
static const struct {
    char letter;
    int fields; /* a hash's pair, or one element */
} whole_replies[] = {{'m', PAIR}, {'i', PAIR}, {'f', PAIR}, {'l', PAIR},
                     {'s', PAIR}, {'d', ONE},  {'a', ONE}},
  day_replies[] = {{'F', PAIR}, {'w', PAIR}};

struct line {
    char letter, table;
    struct fls_span field, value;
};

static struct line lines[LINES_MAX];
static uint32_t line_cnt;
static char out[OUT_SZ_MAX + 256];
static size_t out_sz;

/* ---- what Redis says ---- */

static void put_text(const char *text)
{
    size_t sz = strlen(text);

    if (out_sz + sz <= OUT_SZ_MAX) {
        memcpy(out + out_sz, text, sz);
        out_sz += sz;
    }
}

static void put_string(struct fls_span text)
{
    char size[32];

    snprintf(size, sizeof(size), "$%zu\r\n", text.sz);
    put_text(size);
    if (out_sz + text.sz <= OUT_SZ_MAX && text.sz > 0) {
        memcpy(out + out_sz, text.at, text.sz);
        out_sz += text.sz;
    }
    put_text("\r\n");
}

static void put_array(size_t cnt)
{
    char size[32];

    snprintf(size, sizeof(size), "*%zu\r\n", cnt);
    put_text(size);
}

static bool belongs(const struct line *line, char letter, char table)
{
    return line->letter == letter && (letter != 't' || line->table == table);
}

static void put_reply(char letter, char table, int fields)
{
    uint32_t cnt = 0, cnt_max = letter == 'd' ? DAYS_MAX : LINES_MAX;

    for (uint32_t i = 0; i < line_cnt; i++)
        cnt += belongs(&lines[i], letter, table);
    cnt = cnt < cnt_max ? cnt : cnt_max;
    put_array(cnt * (size_t)fields);
    for (uint32_t i = 0, done = 0; done < cnt; i++) {
        if (!belongs(&lines[i], letter, table))
            continue;
        put_string(lines[i].field);
        if (fields == PAIR)
            put_string(lines[i].value);
        done++;
    }
}

static void put_epoch(void)
{
    for (uint32_t i = 0; i < line_cnt; i++)
        if (lines[i].letter == 'e') {
            put_string(lines[i].field);
            return;
        }
    put_text("$-1\r\n");
}

/* What stands before the reply to EXEC. */
static void put_queued(uint32_t cnt)
{
    put_text("+OK\r\n");
    for (uint32_t i = 0; i < cnt; i++)
        put_text("+QUEUED\r\n");
    put_array(cnt);
}

static void put_whole(void)
{
    put_queued(1 + sizeof(whole_replies) / sizeof(whole_replies[0]));
    put_epoch();
    for (size_t i = 0; i < sizeof(whole_replies) / sizeof(whole_replies[0]); i++)
        put_reply(whole_replies[i].letter, 0, whole_replies[i].fields);
}

static void put_days(uint32_t day_cnt)
{
    put_queued(3 + day_cnt * (2 + FLS_TABLE_CNT));
    put_epoch();
    put_text(":12345678901\r\n:7\r\n");
    for (uint32_t day = 0; day < day_cnt; day++) {
        for (size_t i = 0; i < sizeof(day_replies) / sizeof(day_replies[0]); i++)
            put_reply(day_replies[i].letter, 0, day_replies[i].fields);
        for (int i = 0; i < FLS_TABLE_CNT; i++)
            put_reply('t', (char)('A' + i), PAIR);
    }
}

/* ---- the input ---- */

static struct fls_span cut(struct fls_span *text, char separator)
{
    const uint8_t *end = text->sz ? memchr(text->at, separator, text->sz) : NULL;
    struct fls_span part = {text->at, end ? (size_t)(end - text->at) : text->sz};

    text->at += part.sz + (end != NULL);
    text->sz -= part.sz + (end != NULL);
    return part;
}

static void take_lines(struct fls_span input)
{
    line_cnt = 0;
    while (input.sz > 0 && line_cnt < LINES_MAX) {
        struct fls_span text = cut(&input, '\n');
        struct line *line = &lines[line_cnt++];

        *line = (struct line){.letter = (char)fuzz_take(&text, 1)};
        if (line->letter == 't')
            line->table = (char)fuzz_take(&text, 1);
        line->field = cut(&text, '\t');
        line->value = text;
    }
}

static uint32_t day_lines(void)
{
    uint32_t cnt = 0;

    for (uint32_t i = 0; i < line_cnt; i++)
        cnt += lines[i].letter == 'd';
    return cnt < DAYS_MAX ? cnt : DAYS_MAX;
}

static void check_report(uint8_t how)
{
    struct fls_report_query query = {.account = how & 8 ? "123456789012" : NULL,
                                     .day_given = how & 16,
                                     .day_first = 19000,
                                     .day_last = 21000,
                                     .table = -1,
                                     .order = how & 32 ? FLS_BYTES : FLS_FLOWS,
                                     .top_n = how & 64 ? 2 : 0,
                                     .format = (enum fls_report_format)((how & 7) % 3)};
    static FILE *nowhere;
    char error[FLS_REPORT_ERROR_MAX];
    int ends[2], status;
    struct fls_wire wire = {.timeout_ns = UINT64_MAX};

    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    fuzz_check(nowhere != NULL && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    fuzz_check(write(ends[0], out, out_sz) == (ssize_t)out_sz && shutdown(ends[0], SHUT_WR) == 0);
    wire.context = redisConnectFd(ends[1]);
    fuzz_check(wire.context != NULL);
    error[0] = '\0';
    status = fls_report_print(&wire, "fuzz", &query, nowhere, error, sizeof(error));
    fuzz_check(status <= 0 && strlen(error) < sizeof(error) && (status == 0) == (error[0] == '\0'));
    fls_wire_close(&wire);
    close(ends[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    uint8_t how = (uint8_t)fuzz_take(&input, 1);
    uint32_t day_cnt;

    out_sz = 0;
    if (how & HOW_RAW) {
        out_sz = input.sz < OUT_SZ_MAX ? input.sz : OUT_SZ_MAX;
        if (out_sz > 0)
            memcpy(out, input.at, out_sz);
    } else {
        take_lines(input);
        day_cnt = day_lines();
        put_whole();
        if (day_cnt > 0)
            put_days(how & 16 ? day_cnt : 1);
    }
    check_report(how);
    return 0;
}

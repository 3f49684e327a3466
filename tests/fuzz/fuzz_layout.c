/* Header lines and the text of --log-format: what a layout says, and there and back. */
#include "ingest/layout.h"

#include "base/tables.h"

#include "fuzz.h"

#include <errno.h>

static uint32_t attribute_of(uint32_t field)
{
    static const uint8_t attributes[FLS_FIELD_CNT] = {
#define ATTRIBUTE(name, text) [FLS_FIELD_##name] = FLS_ATTRIBUTE_##name,
#include "base/attributes.def"
#undef ATTRIBUTE
    };

    return attributes[field];
}

static void check_attributes(const struct fls_layout *layout)
{
    const struct fls_text_runs *runs = &layout->runs;
    bool is_seen[FLS_ATTRIBUTE_CNT] = {false};
    uint32_t text_cnt = 0;

    fuzz_check(runs->cnt <= FLS_ATTRIBUTE_CNT && runs->text_cnt <= FLS_RUN_TEXTS_MAX);
    for (uint32_t i = 0; i < runs->cnt; i++) {
        fuzz_check(runs->first[i] <= runs->last[i] && runs->last[i] < layout->cnt);
        fuzz_check(i == 0 || runs->last[i - 1] < runs->first[i]);
        for (uint32_t at = runs->first[i]; at <= runs->last[i]; at++, text_cnt++) {
            uint8_t attribute = runs->attribute[text_cnt];

            if (attribute == FLS_NO_ATTRIBUTE)
                continue;
            fuzz_check(attribute < FLS_ATTRIBUTE_CNT && !is_seen[attribute]);
            fuzz_check(fls_fields[layout->field[at]].kind == FLS_FIELD_IS_ATTRIBUTE);
            is_seen[attribute] = true;
        }
    }
    fuzz_check(text_cnt == runs->text_cnt);
    for (uint32_t i = 0; i < layout->cnt; i++)
        if (fls_fields[layout->field[i]].kind == FLS_FIELD_IS_ATTRIBUTE)
            fuzz_check(is_seen[attribute_of(layout->field[i])]);
}

static void check_plan(const struct fls_layout *layout)
{
    uint32_t typed_cnt = 0;

    fuzz_check(layout->cnt > 0 && layout->cnt <= FLS_LAYOUT_FIELDS_MAX);
    fuzz_check(fls_layout_equal(layout, layout));
    for (uint32_t i = 0; i < layout->cnt; i++) {
        enum fls_field_kind kind;

        fuzz_check(layout->field[i] <= FLS_FIELD_UNKNOWN && layout->op[i] <= FLS_OP_START);
        kind = fls_fields[layout->field[i]].kind;
        typed_cnt += kind == FLS_FIELD_IS_NUMBER || kind == FLS_FIELD_IS_ADDRESS;
    }
    fuzz_check((layout->not_names_min == 0) == (2 * typed_cnt >= layout->cnt));
    check_attributes(layout);
}

/* The layout as a header, or as an option if it has no unknown fields, is the same layout. */
static void check_again(const struct fls_layout *layout)
{
    char text[FLS_LAYOUT_FIELDS_MAX * 34], error[256];
    struct fls_layout again;
    uint32_t known_cnt = 0;
    size_t sz = 0;

    for (uint32_t i = 0; i < layout->cnt; i++) {
        const char *name = fls_fields[layout->field[i]].name;

        known_cnt += name[0] != '\0';
        sz += (size_t)sprintf(text + sz, i % 2 ? " ${%s}" : " %s", name[0] ? name : "?");
    }
    if (2 * known_cnt > layout->cnt && layout->cnt >= 2) {
        fuzz_check(fls_layout_from_header((struct fls_span){(uint8_t *)text, sz}, &again));
        fuzz_check(fls_layout_equal(layout, &again));
    }
    if (known_cnt == layout->cnt) {
        fuzz_check(fls_layout_from_option(text, &again, error, sizeof(error)) == 0);
        fuzz_check(memcmp(layout, &again, sizeof(again)) == 0);
    }
}

static void try_header(struct fls_span line)
{
    uint8_t *copy = fuzz_copy(line, 0);
    struct fls_layout layout;

    if (fls_layout_from_header((struct fls_span){copy, line.sz}, &layout)) {
        check_plan(&layout);
        check_again(&layout);
    }
    free(copy);
}

static void try_option(struct fls_span input, size_t error_max)
{
    char *text = (char *)fuzz_copy(input, 1), *error = malloc(error_max);
    struct fls_layout layout;
    int status;

    fuzz_check(error != NULL);
    error[error_max - 1] = '\0';
    status = fls_layout_from_option(text, &layout, error, error_max);
    fuzz_check(status == 0 || status == -EINVAL);
    if (status == 0) {
        check_plan(&layout);
        check_again(&layout);
    } else {
        fuzz_check(strlen(error) < error_max && (error_max == 1 || error[0] != '\0'));
    }
    free(text);
    free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t sz)
{
    struct fls_span input = {data, sz};
    size_t error_max = 1 + fuzz_take(&input, 1);

    try_header(input);
    try_option(input, error_max);
    return 0;
}

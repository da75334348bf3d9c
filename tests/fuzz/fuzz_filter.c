/* px-test: layers=model label=fuzz */
/*
 * fuzz_filter: any text as a filter. Input: a line with a row as JSON, a line with parameters as JSON,
 * the filter. What parses must have the truths that logic demands of it when it is joined with itself;
 * what does not must give a message in UTF-8.
 */
#include "codec/utf8.h"
#include "model/filter.h"
#include "model/metadata.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void demand(bool holds)
{
    if (!holds)
        abort();
}

/* Cuts the first line off; what is no metadata counts as none. */
static struct px_buffer next_metadata(struct px_slice *input)
{
    struct px_buffer metadata = {0};
    const uint8_t *newline =
        input->size_bytes > 0 ? memchr(input->data, '\n', input->size_bytes) : NULL;
    size_t line_size = newline != NULL ? (size_t)(newline - input->data) : input->size_bytes;
    if (px_metadata_from_json(px_slice_of(input->data, line_size), &metadata, NULL) != PROXIMADB_OK)
        px_buffer_append_slice(&metadata, px_metadata_empty);
    size_t skip = line_size + (newline != NULL);
    *input = px_slice_of(skip > 0 ? input->data + skip : input->data, input->size_bytes - skip);
    return metadata;
}

/* The truth of before + text + between + text + after, or -1 if it does not parse. */
static int truth_of(const char *before, const char *between, const char *after,
                    struct px_slice text, struct px_slice params, struct px_slice row)
{
    struct px_buffer whole = {0};
    struct px_arena arena = {0};
    struct proximadb_error error;
    const struct px_filter *filter;
    px_buffer_append_format(&whole, "%s", before);
    px_buffer_append_slice(&whole, text);
    if (between[0] != '\0') {
        px_buffer_append_format(&whole, "%s", between);
        px_buffer_append_slice(&whole, text);
    }
    px_buffer_append_format(&whole, "%s", after);
    int truth = -1;
    if (px_filter_parse(px_buffer_slice(&whole), params, NULL, &arena, &filter, &error) ==
        PROXIMADB_OK)
        truth = (int)px_filter_evaluate(filter, row);
    else
        demand(px_utf8_validate(px_slice_of_string(error.message)) && error.message[0] != '\0');
    px_arena_release(&arena);
    px_buffer_release(&whole);
    return truth;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct px_slice text = px_slice_of(data, size);
    struct px_buffer row = next_metadata(&text), params = next_metadata(&text);
    struct px_slice params_slice = px_buffer_slice(&params), row_slice = px_buffer_slice(&row);
    int truth = truth_of("", "", "", text, params_slice, row_slice);
    int negated = truth_of("NOT (", "", "\n)", text, params_slice, row_slice);
    int excluded_middle = truth_of("(", ") OR NOT (", ")", text, params_slice, row_slice);
    if (truth >= 0 && negated >= 0) { /* a level more may be one too many */
        static const int opposite[] = {
            [PX_FALSE] = PX_TRUE, [PX_TRUE] = PX_FALSE, [PX_UNKNOWN] = PX_UNKNOWN};
        demand(negated == opposite[truth]);
        demand(excluded_middle < 0 ||
               excluded_middle == (truth == PX_UNKNOWN ? PX_UNKNOWN : PX_TRUE));
    }
    px_buffer_release(&row);
    px_buffer_release(&params);
    return 0;
}

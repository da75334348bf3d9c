#include "viper/part_lists.h"

#include "parquet/parquet_reader.h"

#include <inttypes.h>
#include <stdlib.h>

const char px_part_lists_key[] = "proximadb.lists";

void px_part_lists_append(struct px_buffer *text, uint32_t id, uint32_t row_count)
{
    px_buffer_append_format(text, "%s%" PRIu32 ":%" PRIu32, text->size_bytes > 0 ? "," : "", id,
                            row_count);
}

/* Reads a number from 1 to 2^32 - 1 off the front of the text. */
static bool take_number(struct px_slice *text, uint32_t *ret_number)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; i < text->size_bytes && text->data[i] >= '0' && text->data[i] <= '9'; i++) {
        number = 10 * number + (uint64_t)(text->data[i] - '0');
        if (number > UINT32_MAX)
            return false;
    }
    *ret_number = (uint32_t)number;
    *text = px_slice_of(text->data + i, text->size_bytes - i);
    return number > 0;
}

static bool take_byte(struct px_slice *text, uint8_t byte)
{
    if (text->size_bytes == 0 || text->data[0] != byte)
        return false;
    *text = px_slice_of(text->data + 1, text->size_bytes - 1);
    return true;
}

/* Whether the text is one of lists that have row_count rows together. */
static bool parse(struct px_slice text, uint32_t row_count, struct px_part_lists *lists)
{
    uint64_t next_row = 0;
    do {
        struct px_part_list *list = &lists->items[lists->count++];
        if (!take_number(&text, &list->id) || !take_byte(&text, ':') ||
            !take_number(&text, &list->row_count) || list->row_count > row_count - next_row)
            return false;
        list->first_row = (uint32_t)next_row;
        next_row += list->row_count;
    } while (take_byte(&text, ','));
    return text.size_bytes == 0 && next_row == row_count;
}

int px_part_lists_parse(struct px_slice text, uint32_t row_count, struct px_part_lists *ret_lists,
                        struct proximadb_error *reterr)
{
    struct px_part_lists lists = {0};
    size_t most = 1;
    for (size_t i = 0; i < text.size_bytes; i++)
        most += text.data[i] == ',';
    lists.items = malloc(most * sizeof *lists.items);
    if (lists.items == NULL)
        return px_fail_no_memory(reterr);
    if (!parse(text, row_count, &lists)) {
        px_part_lists_release(&lists);
        return px_fail(reterr, PROXIMADB_CORRUPT, "its '%s' makes no sense", px_part_lists_key);
    }
    *ret_lists = lists;
    return PROXIMADB_OK;
}

int px_part_lists_read(struct px_part *part, struct px_part_lists *ret_lists,
                       struct proximadb_error *reterr)
{
    struct px_slice text;
    *ret_lists = (struct px_part_lists){0};
    if (!px_parquet_reader_find_value(px_part_parquet(part), px_part_lists_key, &text))
        return PROXIMADB_OK;
    int rc = px_part_lists_parse(text, px_part_row_count(part), ret_lists, reterr);
    if (rc != PROXIMADB_OK)
        px_error_context(reterr, "'%s' cannot be used", px_part_file(part)->path);
    return rc;
}

void px_part_lists_release(struct px_part_lists *lists)
{
    free(lists->items);
    *lists = (struct px_part_lists){0};
}

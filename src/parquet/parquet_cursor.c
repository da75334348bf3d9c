#include "parquet/parquet_cursor.h"

#include "base/bits.h"
#include "codec/zstd.h"
#include "parquet/page_cache_internal.h"
#include "parquet/parquet_reader_internal.h"
#include "parquet/rle_internal.h"

#include <assert.h>
#include <stdlib.h>

enum { LENGTH_BYTES = 4 /* in front of each BYTE_ARRAY */ };

void px_parquet_cursor_init(struct px_parquet_cursor *cursor,
                            const struct px_parquet_reader *reader, size_t column)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    assert(column < layout->column_count);
    assert(layout->columns[column].shape != PX_PARQUET_VECTOR);
    *cursor = (struct px_parquet_cursor){.reader = reader, .column = column};
    px_buffer_init(&cursor->body, PX_PARQUET_MOST_PAGE_BYTES);
}

void px_parquet_cursor_release(struct px_parquet_cursor *cursor)
{
    px_page_cache__unref(cursor->shared);
    px_buffer_release(&cursor->body);
    px_buffer_release(&cursor->levels);
    px_buffer_release(&cursor->present);
    px_buffer_release(&cursor->values);
    px_buffer_release(&cursor->items);
    *cursor = (struct px_parquet_cursor){0};
}

/* ---- decoding ------------------------------------------------------------------------------ */

/* A page while it is decoded. */
struct decoding {
    struct px_parquet_cursor *cursor;
    const struct px_parquet_column *column;
    uint32_t row_count;
    uint32_t value_count; /* with nulls and empty lists */
    struct px_page_parts parts;
    struct px_parquet_rows rows;
};

/* Room for `count` things in one of the cursor's buffers; NULL without memory. */
static void *take_room(struct px_buffer *buffer, size_t count, size_t size_bytes)
{
    px_buffer_clear(buffer);
    return px_buffer_reserve(buffer, count * size_bytes);
}

static int fail_damaged(struct proximadb_error *reterr, const char *what)
{
    return px_fail(reterr, PROXIMADB_CORRUPT, "the page is damaged: %s", what);
}

static size_t count_present(const uint8_t *is_present, size_t count)
{
    size_t present = 0;
    for (size_t i = 0; i < count; i++)
        present += is_present[i];
    return present;
}

/* Sets is_present by the definition levels, which of a scalar are just that. */
static int decode_presence(struct decoding *decoding, struct proximadb_error *reterr)
{
    size_t count = decoding->row_count;
    uint8_t *is_present = take_room(&decoding->cursor->present, count, 1);
    if (is_present == NULL)
        return px_fail_no_memory(reterr);
    decoding->rows.is_present = is_present;
    if (decoding->value_count != count)
        return fail_damaged(reterr, "it does not have a value for each row");
    if (decoding->column->shape == PX_PARQUET_REQUIRED)
        memset(is_present, 1, count);
    else if (!px_rle__decode(decoding->parts.definition, 1, is_present, count))
        return fail_damaged(reterr, "its definition levels are wrong");
    return PROXIMADB_OK;
}

/* Copies the values of a fixed type to their rows. */
static void spread(const struct decoding *decoding, size_t size_bytes, uint8_t *values)
{
    const uint8_t *next = decoding->parts.values.data;
    for (size_t i = 0; i < decoding->row_count; i++, values += size_bytes) {
        if (decoding->rows.is_present[i] == 0) {
            memset(values, 0, size_bytes);
        } else {
            memcpy(values, next, size_bytes);
            next += size_bytes;
        }
    }
}

static int decode_fixed(struct decoding *decoding, struct proximadb_error *reterr)
{
    size_t size = px_parquet_type_bytes(decoding->column->type);
    size_t present = count_present(decoding->rows.is_present, decoding->row_count);
    if (decoding->parts.values.size_bytes != present * size)
        return fail_damaged(reterr, "its values do not fill it");
    uint8_t *values = take_room(&decoding->cursor->values, decoding->row_count, size);
    if (values == NULL)
        return px_fail_no_memory(reterr);
    if (present == decoding->row_count)
        memcpy(values, decoding->parts.values.data, present * size);
    else if (size == 4)
        spread(decoding, 4, values); /* sizes that the compiler knows make single moves */
    else
        spread(decoding, 8, values);
    decoding->rows.as.booleans = values;
    return PROXIMADB_OK;
}

static int decode_booleans(struct decoding *decoding, struct proximadb_error *reterr)
{
    const uint8_t *bits = decoding->parts.values.data;
    size_t present = count_present(decoding->rows.is_present, decoding->row_count);
    if (decoding->parts.values.size_bytes != (present + 7) / 8)
        return fail_damaged(reterr, "its values do not fill it");
    uint8_t *values = take_room(&decoding->cursor->values, decoding->row_count, 1);
    if (values == NULL)
        return px_fail_no_memory(reterr);
    size_t next = 0;
    for (size_t i = 0; i < decoding->row_count; i++) {
        values[i] = 0;
        if (decoding->rows.is_present[i] != 0) {
            values[i] = bits[next / 8] >> next % 8 & 1;
            next++;
        }
    }
    decoding->rows.as.booleans = values;
    return PROXIMADB_OK;
}

/* Takes the next BYTE_ARRAY off the front. */
static bool take_bytes(struct px_slice *values, struct px_slice *ret_value)
{
    if (values->size_bytes < LENGTH_BYTES)
        return false;
    size_t size = px_load_u32(values->data);
    if (size > values->size_bytes - LENGTH_BYTES)
        return false;
    *ret_value = px_slice_of(values->data + LENGTH_BYTES, size);
    values->data += LENGTH_BYTES + size;
    values->size_bytes -= LENGTH_BYTES + size;
    return true;
}

/* Finds `count` values, of which those with is_present[i] are there (NULL: all); they must be all
 * that is in the page. */
static int decode_bytes(struct decoding *decoding, const uint8_t *is_present, size_t count,
                        struct proximadb_error *reterr)
{
    struct px_slice left = decoding->parts.values;
    struct px_slice *values = take_room(&decoding->cursor->values, count, sizeof *values);
    if (values == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < count; i++) {
        values[i] = px_slice_of(NULL, 0);
        if ((is_present == NULL || is_present[i] != 0) && !take_bytes(&left, &values[i]))
            return fail_damaged(reterr, "a value is longer than the page");
    }
    if (left.size_bytes != 0)
        return fail_damaged(reterr, "its values do not fill it");
    decoding->rows.as.bytes = values;
    return PROXIMADB_OK;
}

/* Makes rows of levels: sets is_present and first_item. False where the levels make no rows. */
static bool build_lists(const struct decoding *decoding, const uint8_t *repetition,
                        const uint8_t *definition, uint8_t *is_present, uint32_t *first_item)
{
    uint32_t row = 0, item_count = 0;
    for (uint32_t i = 0; i < decoding->value_count; i++) {
        if (repetition[i] == 0) {
            if (row == decoding->row_count)
                return false;
            is_present[row] = definition[i] > 0;
            first_item[row++] = item_count;
        } else if (i == 0 || definition[i] != 2 || definition[i - 1] != 2) {
            return false; /* only an item follows in a list, and only an item */
        }
        if (definition[i] > 2)
            return false;
        item_count += definition[i] == 2;
    }
    first_item[row] = item_count;
    return row == decoding->row_count;
}

static int decode_lists(struct decoding *decoding, struct proximadb_error *reterr)
{
    struct px_parquet_cursor *cursor = decoding->cursor;
    size_t count = decoding->value_count;
    /* An item takes 4 bytes; a row without items has one level. So memory is bounded by the page.
     * */
    if (count > decoding->row_count + decoding->parts.values.size_bytes / LENGTH_BYTES)
        return fail_damaged(reterr, "it has more levels than values");
    uint8_t *levels = take_room(&cursor->levels, 2 * count, 1);
    uint8_t *is_present = take_room(&cursor->present, decoding->row_count, 1);
    uint32_t *first_item = take_room(&cursor->items, decoding->row_count + 1, sizeof *first_item);
    if (levels == NULL || is_present == NULL || first_item == NULL)
        return px_fail_no_memory(reterr);
    if (!px_rle__decode(decoding->parts.repetition, 1, levels, count) ||
        !px_rle__decode(decoding->parts.definition, 2, levels + count, count) ||
        !build_lists(decoding, levels, levels + count, is_present, first_item))
        return fail_damaged(reterr, "its levels are wrong");
    decoding->rows.is_present = is_present;
    decoding->rows.first_item = first_item;
    return decode_bytes(decoding, NULL, first_item[decoding->row_count], reterr);
}

static int decode(struct decoding *decoding, struct proximadb_error *reterr)
{
    if (decoding->column->shape == PX_PARQUET_STRINGS)
        return decode_lists(decoding, reterr);
    int rc = decode_presence(decoding, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (decoding->column->type == PX_PARQUET_BYTE_ARRAY)
        return decode_bytes(decoding, decoding->rows.is_present, decoding->row_count, reterr);
    if (decoding->column->type == PX_PARQUET_BOOLEAN)
        return decode_booleans(decoding, reterr);
    return decode_fixed(decoding, reterr);
}

/* ---- pages --------------------------------------------------------------------------------- */

/* The body of a page as it was before compression: a view into the file or the cursor. */
static int open_body(struct px_parquet_cursor *cursor, const struct px_data_page *page,
                     enum px_parquet_codec codec, struct px_slice *ret_body,
                     struct proximadb_error *reterr)
{
    *ret_body = page->body;
    if (codec == PX_PARQUET_UNCOMPRESSED)
        return PROXIMADB_OK;
    /* For this page only: a request has a cursor for each column of each part, and there are not so
     * many decompressors to be had that it could keep them. */
    struct px_zstd_decompressor *decompressor = px_zstd_decompressor_new();
    if (decompressor == NULL)
        return px_fail_no_memory(reterr);
    px_buffer_clear(&cursor->body);
    int rc = px_zstd_decompress(decompressor, page->body, page->uncompressed_bytes, &cursor->body,
                                reterr);
    px_zstd_decompressor_free(decompressor);
    *ret_body = px_buffer_slice(&cursor->body);
    return rc;
}

static int load_page(struct px_parquet_cursor *cursor, size_t page, struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(cursor->reader);
    const struct px_parquet_page *where = &layout->page_lists[cursor->column].pages[page];
    struct px_data_page parsed;
    struct px_slice body;
    int rc = px_parquet_reader__page(cursor->reader, cursor->column, page, &parsed, reterr);
    if (rc == PROXIMADB_OK)
        rc = open_body(cursor, &parsed,
                       px_parquet_reader__chunk(cursor->reader, cursor->column, page)->codec, &body,
                       reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct decoding decoding = {
        .cursor = cursor,
        .column = &layout->columns[cursor->column],
        .row_count = where->row_count,
        .value_count = parsed.value_count,
        .rows = {.first_row = where->first_row, .row_count = where->row_count},
    };
    rc = px_data_page__split(decoding.column, body, &decoding.parts, reterr);
    if (rc == PROXIMADB_OK)
        rc = decode(&decoding, reterr);
    if (rc == PROXIMADB_OK)
        cursor->rows = decoding.rows;
    return rc;
}

/* ---- shared pages -------------------------------------------------------------------------- */

void px_parquet_cursor_share_pages(struct px_parquet_cursor *cursor)
{
    cursor->shares_pages = true;
}

size_t px_parquet_shared_bytes(void)
{
    return px_page_cache__bytes();
}

static void forget_page(struct px_parquet_cursor *cursor)
{
    px_page_cache__unref(cursor->shared);
    cursor->shared = NULL;
    cursor->rows = (struct px_parquet_rows){0};
}

static struct px_page_name name_of(const struct px_parquet_cursor *cursor, size_t page)
{
    return (struct px_page_name){.reader_number = px_parquet_reader__number(cursor->reader),
                                 .column = (uint32_t)cursor->column,
                                 .page = (uint32_t)page};
}

/* False if the page is not there. */
static bool take_shared(struct px_parquet_cursor *cursor, size_t page)
{
    struct px_page_name name = name_of(cursor, page);
    cursor->shared = px_page_cache__get(&name);
    if (cursor->shared == NULL)
        return false;
    cursor->rows = cursor->shared->rows;
    return true;
}

/* Gives the memory of the cursor's page away; the cursor then holds the page like anybody else. A
 * page that cannot be shared, for want of memory, stays the cursor's own. */
static void leave_shared(struct px_parquet_cursor *cursor, size_t page)
{
    struct px_page_name name = name_of(cursor, page);
    struct px_cached_page *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return;
    *shared = (struct px_cached_page){.reference_count = 1,
                                      .rows = cursor->rows,
                                      .body = cursor->body,
                                      .present = cursor->present,
                                      .values = cursor->values,
                                      .items = cursor->items};
    shared->size_bytes = sizeof *shared + shared->body.capacity_bytes +
                         shared->present.capacity_bytes + shared->values.capacity_bytes +
                         shared->items.capacity_bytes;
    px_buffer_init(&cursor->body, PX_PARQUET_MOST_PAGE_BYTES);
    cursor->present = cursor->values = cursor->items = (struct px_buffer){0};
    cursor->shared = shared;
    px_page_cache__put(&name, shared);
}

int px_parquet_cursor_seek(struct px_parquet_cursor *cursor, uint64_t row,
                           struct proximadb_error *reterr)
{
    if (row >= cursor->rows.first_row && row - cursor->rows.first_row < cursor->rows.row_count)
        return PROXIMADB_OK;
    size_t page = px_parquet_reader_find_page(cursor->reader, cursor->column, row);
    forget_page(cursor);
    if (cursor->shares_pages && take_shared(cursor, page))
        return PROXIMADB_OK;
    int rc = load_page(cursor, page, reterr);
    if (rc == PROXIMADB_OK && cursor->shares_pages)
        leave_shared(cursor, page);
    return px_parquet_reader__context(cursor->reader, cursor->column, page, rc, reterr);
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Seeks, checks the type that the caller expects, and gives the row's place in the page. */
static int find_row(struct px_parquet_cursor *cursor, uint64_t row, enum px_parquet_type type,
                    bool *ret_is_present, size_t *ret_index, struct proximadb_error *reterr)
{
    assert(px_parquet_reader_layout(cursor->reader)->columns[cursor->column].type == type);
    (void)type;
    int rc = px_parquet_cursor_seek(cursor, row, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_index = (size_t)(row - cursor->rows.first_row);
    if (ret_is_present != NULL)
        *ret_is_present = cursor->rows.is_present[*ret_index] != 0;
    return PROXIMADB_OK;
}

int px_parquet_cursor_get_bool(struct px_parquet_cursor *cursor, uint64_t row, bool *ret_is_present,
                               bool *ret_value, struct proximadb_error *reterr)
{
    size_t index;
    int rc = find_row(cursor, row, PX_PARQUET_BOOLEAN, ret_is_present, &index, reterr);
    if (rc == PROXIMADB_OK)
        *ret_value = cursor->rows.as.booleans[index] != 0;
    return rc;
}

int px_parquet_cursor_get_i32(struct px_parquet_cursor *cursor, uint64_t row, bool *ret_is_present,
                              int32_t *ret_value, struct proximadb_error *reterr)
{
    size_t index;
    int rc = find_row(cursor, row, PX_PARQUET_INT32, ret_is_present, &index, reterr);
    if (rc == PROXIMADB_OK)
        *ret_value = cursor->rows.as.i32[index];
    return rc;
}

int px_parquet_cursor_get_i64(struct px_parquet_cursor *cursor, uint64_t row, bool *ret_is_present,
                              int64_t *ret_value, struct proximadb_error *reterr)
{
    size_t index;
    int rc = find_row(cursor, row, PX_PARQUET_INT64, ret_is_present, &index, reterr);
    if (rc == PROXIMADB_OK)
        *ret_value = cursor->rows.as.i64[index];
    return rc;
}

int px_parquet_cursor_get_float(struct px_parquet_cursor *cursor, uint64_t row,
                                bool *ret_is_present, float *ret_value,
                                struct proximadb_error *reterr)
{
    size_t index;
    int rc = find_row(cursor, row, PX_PARQUET_FLOAT, ret_is_present, &index, reterr);
    if (rc == PROXIMADB_OK)
        *ret_value = cursor->rows.as.f32[index];
    return rc;
}

int px_parquet_cursor_get_double(struct px_parquet_cursor *cursor, uint64_t row,
                                 bool *ret_is_present, double *ret_value,
                                 struct proximadb_error *reterr)
{
    size_t index;
    int rc = find_row(cursor, row, PX_PARQUET_DOUBLE, ret_is_present, &index, reterr);
    if (rc == PROXIMADB_OK)
        *ret_value = cursor->rows.as.f64[index];
    return rc;
}

int px_parquet_cursor_get_bytes(struct px_parquet_cursor *cursor, uint64_t row,
                                bool *ret_is_present, struct px_slice *ret_value,
                                struct proximadb_error *reterr)
{
    size_t index;
    int rc = find_row(cursor, row, PX_PARQUET_BYTE_ARRAY, ret_is_present, &index, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    assert(cursor->rows.first_item == NULL);
    *ret_value = cursor->rows.as.bytes[index];
    return PROXIMADB_OK;
}

int px_parquet_cursor_get_strings(struct px_parquet_cursor *cursor, uint64_t row,
                                  struct px_parquet_strings *ret_strings,
                                  struct proximadb_error *reterr)
{
    size_t index;
    bool is_present;
    int rc = find_row(cursor, row, PX_PARQUET_BYTE_ARRAY, &is_present, &index, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    const uint32_t *first_item = cursor->rows.first_item;
    assert(first_item != NULL);
    *ret_strings = (struct px_parquet_strings){
        .items = cursor->rows.as.bytes + first_item[index],
        .count = first_item[index + 1] - first_item[index],
        .is_present = is_present,
    };
    return PROXIMADB_OK;
}

/* ---- one value ----------------------------------------------------------------------------- */

bool px_parquet_can_look_up(const struct px_parquet_reader *reader, size_t column)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    if (layout->columns[column].shape != PX_PARQUET_REQUIRED)
        return false;
    for (size_t i = 0; i < layout->row_group_count; i++)
        if (layout->row_groups[i].chunks[column].codec != PX_PARQUET_UNCOMPRESSED)
            return false;
    return true;
}

/* The values of the page that holds the row, and its place among them. */
static int find_values(const struct px_parquet_reader *reader, size_t column, uint64_t row,
                       size_t *ret_page, uint32_t *ret_index, struct px_slice *ret_values,
                       struct proximadb_error *reterr)
{
    size_t page = px_parquet_reader_find_page(reader, column, row);
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    *ret_page = page;
    *ret_index = (uint32_t)(row - layout->page_lists[column].pages[page].first_row);
    return px_parquet_reader__context(
        reader, column, page,
        px_parquet_reader__plain_values(reader, column, page, ret_values, reterr), reterr);
}

int px_parquet_lookup_i64(const struct px_parquet_reader *reader, size_t column, uint64_t row,
                          int64_t *ret_value, struct proximadb_error *reterr)
{
    size_t page;
    uint32_t index;
    struct px_slice values;
    assert(px_parquet_reader_layout(reader)->columns[column].type == PX_PARQUET_INT64);
    int rc = find_values(reader, column, row, &page, &index, &values, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (values.size_bytes / sizeof *ret_value <= index)
        return px_parquet_reader__context(
            reader, column, page, fail_damaged(reterr, "its values do not fill it"), reterr);
    *ret_value = (int64_t)px_load_u64(values.data + index * sizeof *ret_value);
    return PROXIMADB_OK;
}

int px_parquet_lookup_bytes(const struct px_parquet_reader *reader, size_t column, uint64_t row,
                            struct px_slice *ret_value, struct proximadb_error *reterr)
{
    size_t page;
    uint32_t index;
    struct px_slice values, value = {0};
    assert(px_parquet_reader_layout(reader)->columns[column].type == PX_PARQUET_BYTE_ARRAY);
    int rc = find_values(reader, column, row, &page, &index, &values, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint32_t skipped = px_parquet_reader__skip_values(reader, column, page, index, &values);
    for (uint32_t i = skipped; i <= index; i++)
        if (!take_bytes(&values, &value))
            return px_parquet_reader__context(
                reader, column, page, fail_damaged(reterr, "a value is longer than the page"),
                reterr);
    *ret_value = value;
    return PROXIMADB_OK;
}

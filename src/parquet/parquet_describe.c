#include "parquet/parquet_describe.h"

#include "base/bits.h"
#include "codec/base64.h"
#include "codec/json.h"
#include "codec/utf8.h"
#include "parquet/parquet_reader_internal.h"
#include "parquet/parquet_vectors.h"

/* ---- members ------------------------------------------------------------------------------- */

static void begin_line(struct px_buffer *buffer, const char *kind)
{
    px_buffer_append_format(buffer, "{\"kind\":\"%s\"", kind);
}

static void end_line(struct px_buffer *buffer)
{
    px_buffer_append(buffer, "}\n", 2);
}

static void put_number(struct px_buffer *buffer, const char *key, uint64_t value)
{
    px_buffer_append_format(buffer, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void put_signed(struct px_buffer *buffer, const char *key, int64_t value)
{
    px_buffer_append_format(buffer, ",\"%s\":%lld", key, (long long)value);
}

static void put_count(struct px_buffer *buffer, const char *key, int64_t count)
{
    if (count >= 0)
        put_signed(buffer, key, count);
    else
        px_buffer_append_format(buffer, ",\"%s\":null", key);
}

static void put_bool(struct px_buffer *buffer, const char *key, bool value)
{
    px_buffer_append_format(buffer, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_text(struct px_buffer *buffer, const char *key, struct px_slice text)
{
    px_buffer_append_format(buffer, ",\"%s\":", key);
    px_json_append_string(buffer, text);
}

static void put_string(struct px_buffer *buffer, const char *key, const char *string)
{
    put_text(buffer, key, px_slice_of_string(string));
}

/* ---- bounds -------------------------------------------------------------------------------- */

static void append_bytes(struct px_buffer *buffer, bool is_text, struct px_slice value)
{
    if (is_text && px_utf8_validate(value)) {
        px_json_append_string(buffer, value);
    } else if (is_text) {
        px_buffer_append_format(buffer, "null"); /* not what the column promises */
    } else {
        px_buffer_append_byte(buffer, '"');
        px_base64_append(buffer, value);
        px_buffer_append_byte(buffer, '"');
    }
}

/* A value in PLAIN encoding, of the size of its type. */
static void append_value(struct px_buffer *buffer, const struct px_parquet_column *column,
                         struct px_slice value)
{
    switch (column->type) {
    case PX_PARQUET_BOOLEAN:
        px_buffer_append_format(buffer, "%s", value.data[0] != 0 ? "true" : "false");
        break;
    case PX_PARQUET_INT32:
        px_buffer_append_format(buffer, "%d", (int)px_load_u32(value.data));
        break;
    case PX_PARQUET_INT64:
        px_buffer_append_format(buffer, "%lld", (long long)px_load_u64(value.data));
        break;
    case PX_PARQUET_FLOAT:
        px_json_append_double(buffer, (double)px_load_f32(value.data));
        break;
    case PX_PARQUET_DOUBLE:
        px_json_append_double(buffer, px_load_f64(value.data));
        break;
    case PX_PARQUET_BYTE_ARRAY:
        append_bytes(buffer, px_parquet_is_text(column), value);
        break;
    }
}

static void put_bounds(struct px_buffer *buffer, const struct px_parquet_column *column,
                       const struct px_parquet_statistics *statistics)
{
    if (!statistics->has_bounds)
        return;
    px_buffer_append_format(buffer, ",\"min\":");
    append_value(buffer, column, statistics->min);
    px_buffer_append_format(buffer, ",\"max\":");
    append_value(buffer, column, statistics->max);
}

/* ---- lines --------------------------------------------------------------------------------- */

static void describe_file(const struct px_parquet_layout *layout, struct px_buffer *buffer)
{
    begin_line(buffer, "file");
    put_number(buffer, "size_bytes", layout->size_bytes);
    put_number(buffer, "row_count", layout->row_count);
    put_number(buffer, "row_group_count", layout->row_group_count);
    put_number(buffer, "column_count", layout->column_count);
    put_text(buffer, "created_by", layout->created_by);
    end_line(buffer);
    for (size_t i = 0; i < layout->key_value_count; i++) {
        begin_line(buffer, "key_value");
        put_text(buffer, "key", layout->key_values[i].key);
        put_text(buffer, "value", layout->key_values[i].value);
        end_line(buffer);
    }
}

static void describe_column(const struct px_parquet_layout *layout, size_t index,
                            struct px_buffer *buffer)
{
    const struct px_parquet_column *column = &layout->columns[index];
    begin_line(buffer, "column");
    put_number(buffer, "column", index);
    put_string(buffer, "name", column->name);
    put_string(buffer, "shape", px_parquet_shape_name(column->shape));
    put_string(buffer, "type", px_parquet_type_name(column->type));
    put_string(buffer, "logical", px_parquet_logical_name(column->logical));
    put_signed(buffer, "field_id", column->field_id);
    if (px_parquet_is_list(column))
        put_signed(buffer, "element_field_id", column->element_field_id);
    if (column->shape == PX_PARQUET_VECTOR)
        put_number(buffer, "dim_count", column->dim_count);
    end_line(buffer);
}

/* The values of a chunk's dictionary: 0 without one, -1 where it is damaged. */
static int64_t count_dictionary(const struct px_parquet_reader *reader, size_t row_group,
                                size_t column)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    const struct px_vector_dictionary *dictionary;
    if (layout->row_groups[row_group].chunks[column].encoding != PX_PARQUET_VECTOR_DICTIONARY)
        return 0;
    int rc = px_parquet_reader__dictionary(reader, column, row_group, &dictionary, NULL);
    return rc == PROXIMADB_OK ? (int64_t)dictionary->count : -1;
}

/* The bits of a page's codes, -1 where it is damaged. */
static int64_t get_width(const struct px_parquet_reader *reader, size_t column, uint64_t row)
{
    struct px_parquet_vector_cursor cursor;
    unsigned bit_width;
    px_parquet_vector_cursor_init(&cursor, reader, column);
    int rc = px_parquet_vector_cursor_get_width(&cursor, row, &bit_width, NULL);
    px_parquet_vector_cursor_release(&cursor);
    return rc == PROXIMADB_OK ? (int64_t)bit_width : -1;
}

static void describe_page(const struct px_parquet_reader *reader, size_t row_group, size_t column,
                          size_t page, struct px_buffer *buffer)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    const struct px_parquet_page_list *list = &layout->page_lists[column];
    const struct px_parquet_page *where = &list->pages[page];
    begin_line(buffer, "page");
    put_number(buffer, "row_group", row_group);
    put_string(buffer, "column", layout->columns[column].name);
    put_number(buffer, "page", page);
    put_number(buffer, "offset", where->offset);
    put_number(buffer, "size_bytes", where->size_bytes);
    put_number(buffer, "first_row", where->first_row);
    put_number(buffer, "row_count", where->row_count);
    if (list->statistics != NULL) {
        put_count(buffer, "null_count", list->statistics[page].null_count);
        put_bounds(buffer, &layout->columns[column], &list->statistics[page]);
    }
    if (layout->row_groups[row_group].chunks[column].encoding == PX_PARQUET_VECTOR_DICTIONARY)
        put_count(buffer, "bit_width", get_width(reader, column, where->first_row));
    end_line(buffer);
}

static void describe_chunk(const struct px_parquet_reader *reader, size_t row_group, size_t column,
                           struct px_buffer *buffer)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    const struct px_parquet_chunk *chunk = &layout->row_groups[row_group].chunks[column];
    begin_line(buffer, "chunk");
    put_number(buffer, "row_group", row_group);
    put_string(buffer, "column", layout->columns[column].name);
    put_string(buffer, "codec", chunk->codec == PX_PARQUET_ZSTD ? "ZSTD" : "UNCOMPRESSED");
    put_number(buffer, "offset", chunk->pages.offset);
    put_number(buffer, "size_bytes", chunk->pages.size_bytes);
    put_number(buffer, "uncompressed_bytes", chunk->uncompressed_bytes);
    put_number(buffer, "value_count", chunk->value_count);
    put_count(buffer, "null_count", chunk->statistics.null_count);
    put_number(buffer, "page_count", chunk->page_count);
    put_number(buffer, "bloom_filter_bytes", chunk->bloom_filter.size_bytes);
    put_bounds(buffer, &layout->columns[column], &chunk->statistics);
    if (chunk->statistics.has_bounds) {
        put_bool(buffer, "min_is_exact", chunk->statistics.min_is_exact);
        put_bool(buffer, "max_is_exact", chunk->statistics.max_is_exact);
    }
    if (layout->columns[column].shape == PX_PARQUET_VECTOR) {
        put_string(buffer, "encoding", px_parquet_vector_encoding_name(chunk->encoding));
        put_count(buffer, "dictionary_count", count_dictionary(reader, row_group, column));
    }
    end_line(buffer);
}

static void describe_row_group(const struct px_parquet_reader *reader, size_t index,
                               bool with_pages, struct px_buffer *buffer)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    const struct px_parquet_row_group *group = &layout->row_groups[index];
    begin_line(buffer, "row_group");
    put_number(buffer, "row_group", index);
    put_number(buffer, "first_row", group->first_row);
    put_number(buffer, "row_count", group->row_count);
    end_line(buffer);
    for (size_t i = 0; i < layout->column_count; i++) {
        const struct px_parquet_chunk *chunk = &group->chunks[i];
        describe_chunk(reader, index, i, buffer);
        for (size_t j = 0; with_pages && j < chunk->page_count; j++)
            describe_page(reader, index, i, chunk->first_page + j, buffer);
    }
}

void px_parquet_describe(const struct px_parquet_reader *reader, bool with_pages,
                         struct px_buffer *buffer)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    describe_file(layout, buffer);
    for (size_t i = 0; i < layout->column_count; i++)
        describe_column(layout, i, buffer);
    for (size_t i = 0; i < layout->row_group_count; i++)
        describe_row_group(reader, i, with_pages, buffer);
}

#include "parquet/footer_internal.h"

#include "base/bits.h"
#include "base/crc32c.h"
#include "codec/thrift.h"
#include "parquet/data_page_internal.h"
#include "parquet/footer_fields_internal.h"
#include "parquet/schema_element_internal.h"

#include <assert.h>

/* "There is no agreed upon consensus of what constitutes version 2" (parquet.thrift). */
enum { FORMAT_VERSION = 1 };

/* PLAIN is the values' encoding, or the dictionary's; RLE that of levels. */
static void put_encodings(struct px_thrift_writer *writer, const struct px_parquet_column *column,
                          const struct px_parquet_chunk *chunk)
{
    enum px_parquet_encoding encodings[3];
    uint32_t count = 0;
    if (chunk->encoding != PX_PARQUET_VECTOR_SPLIT)
        encodings[count++] = PX_PARQUET_PLAIN;
    if (px_parquet_most_definition(column) > 0)
        encodings[count++] = PX_PARQUET_RLE;
    if (chunk->encoding != PX_PARQUET_VECTOR_PLAIN)
        encodings[count++] = px_data_page__encoding_of(chunk->encoding);
    px_thrift_begin_list(writer, META_ENCODINGS, PX_THRIFT_I32, count);
    for (uint32_t i = 0; i < count; i++)
        px_thrift_add_integer(writer, encodings[i]);
}

static void put_path(struct px_thrift_writer *writer, const struct px_parquet_column *column)
{
    bool is_list = px_parquet_is_list(column);
    px_thrift_begin_list(writer, META_PATH, PX_THRIFT_BINARY, is_list ? 3 : 1);
    px_thrift_add_binary(writer, px_slice_of_string(column->name));
    if (is_list) {
        px_thrift_add_binary(writer, px_slice_of_string(PX_PARQUET_LIST_NAME));
        px_thrift_add_binary(writer, px_slice_of_string(PX_PARQUET_ELEMENT_NAME));
    }
}

static void put_statistics(struct px_thrift_writer *writer,
                           const struct px_parquet_statistics *statistics)
{
    px_thrift_begin_struct(writer, META_STATISTICS);
    px_thrift_put_i64(writer, STATISTICS_NULL_COUNT, statistics->null_count);
    if (statistics->has_bounds) {
        px_thrift_put_binary(writer, STATISTICS_MAX, statistics->max);
        px_thrift_put_binary(writer, STATISTICS_MIN, statistics->min);
        px_thrift_put_bool(writer, STATISTICS_MAX_IS_EXACT, statistics->max_is_exact);
        px_thrift_put_bool(writer, STATISTICS_MIN_IS_EXACT, statistics->min_is_exact);
    }
    px_thrift_end_struct(writer);
}

static void put_page_stats(struct px_thrift_writer *writer, enum px_parquet_page_type type,
                           enum px_parquet_encoding encoding, size_t page_count)
{
    px_thrift_add_struct(writer);
    px_thrift_put_i32(writer, STATS_PAGE_TYPE, (int32_t)type);
    px_thrift_put_i32(writer, STATS_ENCODING, (int32_t)encoding);
    px_thrift_put_i32(writer, STATS_COUNT, (int32_t)page_count);
    px_thrift_end_struct(writer);
}

static void put_encoding_stats(struct px_thrift_writer *writer,
                               const struct px_parquet_chunk *chunk)
{
    bool has_dictionary = chunk->dictionary_bytes > 0;
    px_thrift_begin_list(writer, META_ENCODING_STATS, PX_THRIFT_STRUCT, has_dictionary ? 2 : 1);
    if (has_dictionary)
        put_page_stats(writer, PX_PARQUET_DICTIONARY_PAGE, PX_PARQUET_PLAIN, 1);
    put_page_stats(writer, PX_PARQUET_DATA_PAGE, px_data_page__encoding_of(chunk->encoding),
                   chunk->page_count);
}

static void put_meta_data(struct px_thrift_writer *writer, const struct px_parquet_column *column,
                          const struct px_parquet_chunk *chunk)
{
    px_thrift_begin_struct(writer, CHUNK_META_DATA);
    px_thrift_put_i32(writer, META_TYPE, (int32_t)column->type);
    put_encodings(writer, column, chunk);
    put_path(writer, column);
    px_thrift_put_i32(writer, META_CODEC, (int32_t)chunk->codec);
    px_thrift_put_i64(writer, META_VALUE_COUNT, (int64_t)chunk->value_count);
    px_thrift_put_i64(writer, META_UNCOMPRESSED_SIZE, (int64_t)chunk->uncompressed_bytes);
    px_thrift_put_i64(writer, META_SIZE, (int64_t)chunk->pages.size_bytes);
    px_thrift_put_i64(writer, META_PAGES_OFFSET,
                      (int64_t)(chunk->pages.offset + chunk->dictionary_bytes));
    if (chunk->dictionary_bytes > 0)
        px_thrift_put_i64(writer, META_DICTIONARY_OFFSET, (int64_t)chunk->pages.offset);
    put_statistics(writer, &chunk->statistics);
    put_encoding_stats(writer, chunk);
    if (chunk->bloom_filter.size_bytes > 0) {
        px_thrift_put_i64(writer, META_BLOOM_OFFSET, (int64_t)chunk->bloom_filter.offset);
        px_thrift_put_i32(writer, META_BLOOM_SIZE, (int32_t)chunk->bloom_filter.size_bytes);
    }
    px_thrift_end_struct(writer);
}

static void put_chunk(struct px_thrift_writer *writer, const struct px_parquet_column *column,
                      const struct px_parquet_chunk *chunk)
{
    px_thrift_add_struct(writer);
    px_thrift_put_i64(writer, CHUNK_FILE_OFFSET, 0); /* deprecated, required, and to be 0 */
    put_meta_data(writer, column, chunk);
    px_thrift_put_i64(writer, CHUNK_OFFSET_INDEX_OFFSET, (int64_t)chunk->offset_index.offset);
    px_thrift_put_i32(writer, CHUNK_OFFSET_INDEX_SIZE, (int32_t)chunk->offset_index.size_bytes);
    if (chunk->column_index.size_bytes > 0) {
        px_thrift_put_i64(writer, CHUNK_COLUMN_INDEX_OFFSET, (int64_t)chunk->column_index.offset);
        px_thrift_put_i32(writer, CHUNK_COLUMN_INDEX_SIZE, (int32_t)chunk->column_index.size_bytes);
    }
    px_thrift_end_struct(writer);
}

static void put_row_group(struct px_thrift_writer *writer, const struct px_parquet_layout *layout,
                          size_t index)
{
    const struct px_parquet_row_group *group = &layout->row_groups[index];
    uint64_t uncompressed = 0, compressed = 0, offset = UINT64_MAX;
    px_thrift_add_struct(writer);
    px_thrift_begin_list(writer, GROUP_COLUMNS, PX_THRIFT_STRUCT, (uint32_t)layout->column_count);
    for (size_t i = 0; i < layout->column_count; i++) {
        const struct px_parquet_chunk *chunk = &group->chunks[i];
        put_chunk(writer, &layout->columns[i], chunk);
        uncompressed += chunk->uncompressed_bytes;
        compressed += chunk->pages.size_bytes;
        offset = chunk->pages.offset < offset ? chunk->pages.offset : offset;
    }
    px_thrift_put_i64(writer, GROUP_UNCOMPRESSED_SIZE, (int64_t)uncompressed);
    px_thrift_put_i64(writer, GROUP_ROW_COUNT, (int64_t)group->row_count);
    px_thrift_put_i64(writer, GROUP_OFFSET, (int64_t)offset);
    px_thrift_put_i64(writer, GROUP_SIZE, (int64_t)compressed);
    px_thrift_put_i16(writer, GROUP_ORDINAL, (int16_t)index);
    px_thrift_end_struct(writer);
}

static void put_key_values(struct px_thrift_writer *writer, const struct px_parquet_layout *layout)
{
    if (layout->key_value_count == 0)
        return;
    px_thrift_begin_list(writer, FILE_KEY_VALUES, PX_THRIFT_STRUCT,
                         (uint32_t)layout->key_value_count);
    for (size_t i = 0; i < layout->key_value_count; i++) {
        px_thrift_add_struct(writer);
        px_thrift_put_binary(writer, KEY, layout->key_values[i].key);
        px_thrift_put_binary(writer, VALUE, layout->key_values[i].value);
        px_thrift_end_struct(writer);
    }
}

/* Every bound is in the order of the column's type: without this readers must not use them. */
static void put_column_orders(struct px_thrift_writer *writer, size_t column_count)
{
    px_thrift_begin_list(writer, FILE_COLUMN_ORDERS, PX_THRIFT_STRUCT, (uint32_t)column_count);
    for (size_t i = 0; i < column_count; i++) {
        px_thrift_add_struct(writer);
        px_thrift_put_empty_struct(writer, ORDER_OF_TYPE);
        px_thrift_end_struct(writer);
    }
}

static void put_checksum(struct px_thrift_writer *writer, uint64_t tail_offset)
{
    uint8_t extension[PX_FOOTER_EXTENSION_BYTES] = PX_FOOTER_MARK;
    const struct px_buffer *buffer = writer->buffer;
    px_store_u64(extension + PX_FOOTER_MARK_BYTES, tail_offset);
    px_store_u32(extension + PX_FOOTER_MARK_BYTES + 8,
                 px_crc32c(0, buffer->data, buffer->size_bytes));
    px_thrift_put_binary(writer, PX_PARQUET_EXTENSION_ID, px_slice_of(extension, sizeof extension));
}

void px_footer__encode(const struct px_parquet_layout *layout, uint64_t tail_offset,
                       struct px_buffer *buffer)
{
    size_t begin = buffer->size_bytes;
    struct px_thrift_writer writer = px_thrift_writer_of(buffer);
    assert(layout->row_group_count <= INT16_MAX);
    px_thrift_put_i32(&writer, FILE_VERSION, FORMAT_VERSION);
    px_schema_element__put(&writer, FILE_SCHEMA, layout->columns, layout->column_count);
    px_thrift_put_i64(&writer, FILE_ROW_COUNT, (int64_t)layout->row_count);
    px_thrift_begin_list(&writer, FILE_ROW_GROUPS, PX_THRIFT_STRUCT,
                         (uint32_t)layout->row_group_count);
    for (size_t i = 0; i < layout->row_group_count; i++)
        put_row_group(&writer, layout, i);
    put_key_values(&writer, layout);
    px_thrift_put_binary(&writer, FILE_CREATED_BY, layout->created_by);
    put_column_orders(&writer, layout->column_count);
    put_checksum(&writer, tail_offset);
    px_thrift_end_struct(&writer);

    uint8_t size[4];
    px_store_u32(size, (uint32_t)(buffer->size_bytes - begin));
    px_buffer_append(buffer, size, sizeof size);
    px_buffer_append(buffer, PX_PARQUET_MAGIC, PX_PARQUET_MAGIC_BYTES);
}

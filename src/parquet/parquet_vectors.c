#include "parquet/parquet_vectors.h"

#include "codec/zstd.h"
#include "parquet/parquet_reader_internal.h"

#include <assert.h>

void px_parquet_vector_cursor_init(struct px_parquet_vector_cursor *cursor,
                                   const struct px_parquet_reader *reader, size_t column)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(reader);
    assert(column < layout->column_count);
    assert(layout->columns[column].shape == PX_PARQUET_VECTOR);
    *cursor = (struct px_parquet_vector_cursor){
        .reader = reader, .column = column, .kept_page = SIZE_MAX};
    px_buffer_init(&cursor->body, PX_PARQUET_MOST_PAGE_BYTES);
}

void px_parquet_vector_cursor_release(struct px_parquet_vector_cursor *cursor)
{
    px_buffer_release(&cursor->body);
    *cursor = (struct px_parquet_vector_cursor){0};
}

/* A page that is read from. */
struct reading {
    struct px_parquet_vector_cursor *cursor;
    const struct px_parquet_column *column;
    size_t page;
    const struct px_parquet_page *where;
    const struct px_parquet_chunk *chunk;
    const struct px_vector_dictionary *dictionary; /* NULL: the chunk has none */
};

/* ---- compressed pages ---------------------------------------------------------------------- */

static int decompress(struct px_parquet_vector_cursor *cursor, const struct px_data_page *page,
                      struct proximadb_error *reterr)
{
    struct px_zstd_decompressor *decompressor = px_zstd_decompressor_new();
    if (decompressor == NULL)
        return px_fail_no_memory(reterr);
    px_buffer_clear(&cursor->body);
    int rc = px_zstd_decompress(decompressor, page->body, page->uncompressed_bytes, &cursor->body,
                                reterr);
    px_zstd_decompressor_free(decompressor);
    return rc;
}

/* Makes the cursor's body that of the page, and checks it. */
static int load_page(const struct reading *reading, struct px_vector_page *ret_page,
                     struct proximadb_error *reterr)
{
    struct px_parquet_vector_cursor *cursor = reading->cursor;
    struct px_data_page parsed;
    cursor->kept_page = SIZE_MAX;
    int rc =
        px_parquet_reader__page(cursor->reader, cursor->column, reading->page, &parsed, reterr);
    if (rc == PROXIMADB_OK)
        rc = decompress(cursor, &parsed, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_vector_page__check(reading->column, reading->where->row_count, &parsed,
                                   px_buffer_slice(&cursor->body), reading->dictionary, ret_page,
                                   reterr);
    if (rc != PROXIMADB_OK)
        return px_parquet_reader__context(cursor->reader, cursor->column, reading->page, rc,
                                          reterr);
    cursor->kept_page = reading->page;
    cursor->kept_values_at = (uint32_t)(ret_page->values.data - cursor->body.data);
    return PROXIMADB_OK;
}

static struct px_vector_page kept_page(const struct reading *reading)
{
    const struct px_parquet_vector_cursor *cursor = reading->cursor;
    return (struct px_vector_page){
        .encoding = px_data_page__encoding_of(reading->chunk->encoding),
        .row_count = reading->where->row_count,
        .dim_count = reading->column->dim_count,
        .values = px_slice_of(cursor->body.data + cursor->kept_values_at,
                              cursor->body.size_bytes - cursor->kept_values_at),
    };
}

/* ---- reading ------------------------------------------------------------------------------- */

static int begin_reading(struct px_parquet_vector_cursor *cursor, uint64_t row,
                         struct reading *ret_reading, struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(cursor->reader);
    size_t row_group = px_parquet_reader_find_row_group(cursor->reader, row);
    size_t page = px_parquet_reader_find_page(cursor->reader, cursor->column, row);
    struct reading reading = {
        .cursor = cursor,
        .column = &layout->columns[cursor->column],
        .page = page,
        .where = &layout->page_lists[cursor->column].pages[page],
        .chunk = &layout->row_groups[row_group].chunks[cursor->column],
    };
    if (reading.chunk->encoding == PX_PARQUET_VECTOR_DICTIONARY) {
        int rc = px_parquet_reader__dictionary(cursor->reader, cursor->column, row_group,
                                               &reading.dictionary, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    *ret_reading = reading;
    return PROXIMADB_OK;
}

static int open_page(const struct reading *reading, struct px_vector_page *ret_page,
                     struct proximadb_error *reterr)
{
    struct px_parquet_vector_cursor *cursor = reading->cursor;
    if (reading->chunk->codec == PX_PARQUET_UNCOMPRESSED)
        return px_parquet_reader__vector_page(cursor->reader, cursor->column, reading->page,
                                              reading->dictionary, ret_page, reterr);
    if (cursor->kept_page != reading->page)
        return load_page(reading, ret_page, reterr);
    *ret_page = kept_page(reading);
    return PROXIMADB_OK;
}

int px_parquet_vector_cursor_read(struct px_parquet_vector_cursor *cursor, uint64_t first_row,
                                  uint32_t row_count, float *ret_vectors,
                                  struct proximadb_error *reterr)
{
    assert(first_row <= px_parquet_reader_layout(cursor->reader)->row_count &&
           row_count <= px_parquet_reader_layout(cursor->reader)->row_count - first_row);
    while (row_count > 0) {
        struct reading reading;
        struct px_vector_page page;
        int rc = begin_reading(cursor, first_row, &reading, reterr);
        if (rc == PROXIMADB_OK)
            rc = open_page(&reading, &page, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        uint32_t first = (uint32_t)(first_row - reading.where->first_row);
        uint32_t left = page.row_count - first;
        uint32_t taken = row_count < left ? row_count : left;
        px_vector_page__decode(&page, reading.dictionary, first, taken, ret_vectors);
        ret_vectors += (size_t)taken * page.dim_count;
        first_row += taken;
        row_count -= taken;
    }
    return PROXIMADB_OK;
}

int px_parquet_vector_cursor_get_width(struct px_parquet_vector_cursor *cursor, uint64_t row,
                                       unsigned *ret_bit_width, struct proximadb_error *reterr)
{
    struct reading reading;
    struct px_vector_page page;
    int rc = begin_reading(cursor, row, &reading, reterr);
    if (rc == PROXIMADB_OK)
        rc = open_page(&reading, &page, reterr);
    if (rc == PROXIMADB_OK)
        *ret_bit_width = px_vector_page__bit_width(&page);
    return rc;
}

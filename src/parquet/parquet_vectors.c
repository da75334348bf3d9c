#include "parquet/parquet_vectors.h"

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
    px_zstd_decompressor_free(cursor->decompressor);
    px_buffer_release(&cursor->body);
    *cursor = (struct px_parquet_vector_cursor){0};
}

int px_parquet_vector_cursor_read(struct px_parquet_vector_cursor *cursor, uint64_t first_row,
                                  uint32_t row_count, float *ret_vectors,
                                  struct proximadb_error *reterr)
{
    for (uint32_t i = 0; i < row_count; i++) {
        struct px_parquet_vectors page;
        int rc =
            px_parquet_reader_vectors(cursor->reader, cursor->column, first_row + i, &page, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        memcpy(ret_vectors + (size_t)i * page.dim_count,
               page.values + (first_row + i - page.first_row) * page.dim_count,
               page.dim_count * sizeof *ret_vectors);
    }
    return PROXIMADB_OK;
}

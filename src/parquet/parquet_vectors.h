/*
 * parquet_vectors: the rows of a vector column as floats, however they are written.
 *
 *      px_parquet_vector_cursor_init(&cursor, reader, column);
 *      px_parquet_vector_cursor_read(&cursor, first_row, row_count, vectors, reterr);
 *      ...
 *      px_parquet_vector_cursor_release(&cursor);
 *
 * What a row costs depends on how its row group is written (enum px_parquet_vector_encoding):
 * PLAIN a copy; DICTIONARY the unpacking of that row and no other; what is compressed the
 * decompression of its page, which the cursor then keeps, so that reading rows in order
 * decompresses every page once. Plain row groups can be had in place, too:
 * px_parquet_reader_vectors().
 *
 * The first one to touch a page of a file that is not compressed checks all of it, its checksum
 * first; a page that is compressed is checked each time it is decompressed, its checksum once.
 *
 * Threads: externally serialised; any number of cursors on one reader.
 */
#ifndef PX_PARQUET_PARQUET_VECTORS_H
#define PX_PARQUET_PARQUET_VECTORS_H

#include "base/buffer.h"
#include "parquet/parquet_reader.h"

struct px_parquet_vector_cursor {
    const struct px_parquet_reader *reader; /* kept */
    size_t column;
    struct px_buffer body;   /* of page kept_page, decompressed */
    size_t kept_page;        /* SIZE_MAX: none */
    uint32_t kept_values_at; /* in body */
};

/* The column must be a VECTOR. Takes no memory yet. */
void px_parquet_vector_cursor_init(struct px_parquet_vector_cursor *cursor,
                                   const struct px_parquet_reader *reader, size_t column);

/* A zeroed struct is fine, too. */
void px_parquet_vector_cursor_release(struct px_parquet_vector_cursor *cursor);

/*
 * Rows first_row to first_row + row_count - 1 (all < the file's row_count), one behind the other,
 * to ret_vectors: row_count * dim_count floats. After an error what is there is of no use.
 *
 * PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (both name column, page and offset),
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_parquet_vector_cursor_read(struct px_parquet_vector_cursor *cursor,
                                                uint64_t first_row, uint32_t row_count,
                                                float *ret_vectors, struct proximadb_error *reterr);

/* The bits that a code takes in the page of a row, 0 where it has no codes; checks the page. Fails
 * likewise. */
PX_MUST_CHECK int px_parquet_vector_cursor_get_width(struct px_parquet_vector_cursor *cursor,
                                                     uint64_t row, unsigned *ret_bit_width,
                                                     struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_VECTORS_H */

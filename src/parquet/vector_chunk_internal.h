/*
 * vector_chunk_internal: the vector column of a row group, on its way to the file: straight, where
 * vectors are plain. Other encodings are left to coded_chunk_internal.h.
 *
 * A column chunk must be contiguous, so one column can be written while its rows come in, and it is
 * the one that makes up the file: of the others little is held in memory. Rows are copied into one
 * page; a caller that has a whole page of rows side by side is written from where it stands.
 *
 * Every row has the same length, so the levels of a page depend on its number of rows only. They
 * are made once for full pages and once for the last one, and a page costs a copy and two
 * checksums.
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_VECTOR_CHUNK_INTERNAL_H
#define PX_PARQUET_VECTOR_CHUNK_INTERNAL_H

#include "base/buffer.h"
#include "parquet/coded_chunk_internal.h"
#include "parquet/output_internal.h"
#include "parquet/page_index_internal.h"

struct px_vector_chunk {
    struct px_coded_chunk *coded;           /* owned; NULL: vectors are plain, and only then: */
    const struct px_parquet_column *column; /* kept */
    struct px_output *output;               /* kept */
    size_t row_bytes;
    uint32_t page_row_limit;
    uint8_t *rows; /* owned; those of the page under construction */
    uint32_t page_row_count;
    uint64_t row_count;      /* finished pages */
    uint64_t offset;         /* of the chunk in the file; set with its first page */
    struct px_buffer head;   /* scratch: a header and levels */
    struct px_buffer levels; /* of a page with levels_row_count rows */
    uint32_t levels_row_count;
    struct px_buffer records; /* struct px_page_record */
};

/* PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_vector_chunk__init(struct px_vector_chunk *chunk,
                                        const struct px_parquet_column *column,
                                        struct px_output *output, struct proximadb_error *reterr);
void px_vector_chunk__release(struct px_vector_chunk *chunk);

/* Forgets everything but the memory, for the next row group. */
void px_vector_chunk__clear(struct px_vector_chunk *chunk);

/* row_count times dim_count floats, any alignment. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED,
 * PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_vector_chunk__append(struct px_vector_chunk *chunk, const void *vectors,
                                          size_t row_count, struct proximadb_error *reterr);

/* Writes the last page. */
PX_MUST_CHECK int px_vector_chunk__finish(struct px_vector_chunk *chunk,
                                          struct proximadb_error *reterr);

/* After it: the rows of the row group, the pages (views, valid until the chunk is cleared), and
 * what the footer says. */
uint64_t px_vector_chunk__row_count(const struct px_vector_chunk *chunk);
const struct px_buffer *px_vector_chunk__records(const struct px_vector_chunk *chunk);
void px_vector_chunk__describe(const struct px_vector_chunk *chunk,
                               struct px_parquet_chunk *described);

/* The memory that grows with the rows. */
size_t px_vector_chunk__held_bytes(const struct px_vector_chunk *chunk);

#endif /* PX_PARQUET_VECTOR_CHUNK_INTERNAL_H */

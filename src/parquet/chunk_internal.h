/*
 * chunk_internal: one column of a row group while it is written: values come in row by row,
 * finished pages pile up in memory until the row group ends.
 *
 * A page ends before it would have more rows or bytes than its column allows; only a value that is
 * larger than that by itself makes a larger page. Pages begin with a row, as an offset index
 * demands. Memory is the finished pages (compressed, where the column is), one page under
 * construction, and for a bloom filter 8 bytes a row.
 *
 * Vectors have their own way to the file (vector_chunk_internal.h).
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_CHUNK_INTERNAL_H
#define PX_PARQUET_CHUNK_INTERNAL_H

#include "base/buffer.h"
#include "codec/zstd.h"
#include "parquet/page_index_internal.h"

struct px_chunk {
    const struct px_parquet_column *column; /* kept */
    struct px_zstd_compressor *compressor;  /* kept; NULL where the column is not compressed */
    uint32_t page_row_limit;
    uint32_t page_byte_limit;

    /* The page under construction. */
    struct px_buffer values;     /* PLAIN, but a BOOLEAN is one byte */
    struct px_buffer definition; /* a level a byte; empty where the column has no such levels */
    struct px_buffer repetition;
    uint32_t page_row_count;
    uint32_t page_value_count; /* with nulls and empty lists */
    uint32_t page_null_count;  /* nulls and empty lists */

    /* Those that are finished. */
    struct px_buffer pages;
    struct px_buffer records; /* struct px_page_record */
    struct px_buffer hashes;  /* uint64_t of each value, for the bloom filter */
    struct px_bounds bounds;  /* of all pages that have some */
    bool has_all_bounds;      /* no page has values without bounds */
    uint64_t row_count;
    uint64_t value_count;
    uint64_t null_count;
    uint64_t uncompressed_bytes;

    struct px_buffer body; /* scratch */
    struct px_buffer compressed;
};

/* An empty chunk. compressor: NULL if the column has no zstd_level. */
void px_chunk__init(struct px_chunk *chunk, const struct px_parquet_column *column,
                    struct px_zstd_compressor *compressor);
void px_chunk__release(struct px_chunk *chunk);

/* Forgets everything but the memory, for the next row group. */
void px_chunk__clear(struct px_chunk *chunk);

/* One row. value: of a fixed type, in PLAIN encoding, a BOOLEAN as one byte 0 or 1.
 * PROXIMADB_NO_MEMORY; PROXIMADB_INVALID: a value that is too large for any page. */
PX_MUST_CHECK int px_chunk__append_fixed(struct px_chunk *chunk, const void *value,
                                         struct proximadb_error *reterr);
PX_MUST_CHECK int px_chunk__append_bytes(struct px_chunk *chunk, struct px_slice value,
                                         struct proximadb_error *reterr);
PX_MUST_CHECK int px_chunk__append_null(struct px_chunk *chunk, struct proximadb_error *reterr);
PX_MUST_CHECK int px_chunk__append_list(struct px_chunk *chunk, const struct px_slice *items,
                                        size_t count, struct proximadb_error *reterr);

/* Ends the last page. */
PX_MUST_CHECK int px_chunk__finish(struct px_chunk *chunk, struct proximadb_error *reterr);

/* The memory that grows with the rows. */
size_t px_chunk__held_bytes(const struct px_chunk *chunk);

static inline const struct px_page_record *px_chunk__records(const struct px_buffer *records,
                                                             size_t *ret_count)
{
    *ret_count = records->size_bytes / sizeof(struct px_page_record);
    return (const void *)records->data;
}

#endif /* PX_PARQUET_CHUNK_INTERNAL_H */

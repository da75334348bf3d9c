/*
 * coded_chunk_internal: a row group's vectors on their way to the file as codes of a dictionary, or
 * split by bytes.
 *
 * The dictionary comes first in the chunk and is known last. So rows wait in memory, two bytes a
 * value, until the row group ends; then the codes become ranks (distinct_internal.h), pages are cut
 * (page_cuts_internal.h), and all is written. A row group whose values turn out to be more than a
 * dictionary may have is written as SPLIT: what waits is made floats again, and from then on each
 * page goes to the file when it is full.
 *
 * What is decided at the end of a row group (whether SPLIT is smaller, whether to compress) is
 * decided by a sample of its pages, 16 spread over it; of a row group with no more than these, by
 * all.
 *
 * Pages hold about 24,576 values, 64 rows of 384 dimensions; of SPLIT, where reading a row means to
 * decompress a page, half as many. Codes of a compressed page that have up to 8 bits get 8, since
 * zstd looks at bytes (measured, vectors of 5 significant bits: 4.84 times smaller than floats
 * instead of 4.69; not compressed they are 4.48).
 *
 * Threads: externally serialised.
 */
#ifndef PX_PARQUET_CODED_CHUNK_INTERNAL_H
#define PX_PARQUET_CODED_CHUNK_INTERNAL_H

#include "base/buffer.h"
#include "codec/zstd.h"
#include "parquet/distinct_internal.h"
#include "parquet/output_internal.h"
#include "parquet/page_index_internal.h"

struct px_coded_chunk {
    const struct px_parquet_column *column; /* kept */
    struct px_output *output;               /* kept */
    struct px_zstd_compressor *compressor;  /* owned; made when it is needed */
    struct px_distinct distinct;
    struct px_buffer codes; /* uint16_t of every value that waits */
    bool is_split;          /* nothing waits any more but the rows of a page */
    uint8_t *rows;          /* owned; floats of the SPLIT page under construction */
    uint32_t page_row_count;

    /* What the footer says. */
    uint64_t row_count; /* of finished pages */
    uint64_t offset;    /* of the chunk in the file; set with its first page */
    uint64_t size_bytes;
    uint64_t uncompressed_bytes;
    uint32_t dictionary_bytes;
    enum px_parquet_vector_encoding encoding;
    enum px_parquet_codec codec;
    struct px_buffer records; /* struct px_page_record */

    struct px_buffer row_widths; /* bits of each row's ranks; behind ranking */
    struct px_buffer cuts, widths, body, compressed, pending; /* scratch */
    unsigned body_width;                                      /* of the codes in body */
};

/* The column's vector_encoding is not PLAIN. PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_coded_chunk__init(struct px_coded_chunk *chunk,
                                       const struct px_parquet_column *column,
                                       struct px_output *output, struct proximadb_error *reterr);
void px_coded_chunk__release(struct px_coded_chunk *chunk);

/* Forgets everything but the memory, for the next row group. */
void px_coded_chunk__clear(struct px_coded_chunk *chunk);

/* row_count times dim_count floats, any alignment. PROXIMADB_IO, PROXIMADB_RESOURCE_EXHAUSTED (the
 * disk is full, or over 1 GiB waits), PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_coded_chunk__append(struct px_coded_chunk *chunk, const void *vectors,
                                         size_t row_count, struct proximadb_error *reterr);

/* Writes what waits. Fails likewise. */
PX_MUST_CHECK int px_coded_chunk__finish(struct px_coded_chunk *chunk,
                                         struct proximadb_error *reterr);

/* The memory that grows with the rows. */
size_t px_coded_chunk__held_bytes(const struct px_coded_chunk *chunk);

#endif /* PX_PARQUET_CODED_CHUNK_INTERNAL_H */

/*
 * parquet_reader: reads a Parquet file that lies in memory, as a rule mapped.
 *
 * Opening checks the footer and the page indexes: every offset against the file, every count
 * against what holds it, and the checksum that our own files carry. No page is touched. From then
 * on row -> page -> bytes is arithmetic; px_parquet_cursor decodes columns and
 * px_parquet_vector_cursor vectors; those that are plain are read here, in place.
 *
 * The first one to touch a page verifies its checksum and its levels and notes in an array where
 * its values begin. Two threads that come at once both verify and note the same; so no lock is
 * needed. Of the dictionary of a chunk, which is loaded when it is first needed, the first one
 * stays. What is mapped must not change: a page is not looked at twice.
 *
 * Files of others are read as far as they use what ours use: PLAIN values (of vectors also a
 * dictionary's codes and split bytes), data pages of version 1, ZSTD or no compression, an offset
 * index, the shapes of parquet_schema.h. Anything else is refused as PROXIMADB_UNIMPLEMENTED,
 * naming the column and what it is.
 *
 * Threads: a reader does not change once it is open; any thread.
 */
#ifndef PX_PARQUET_PARQUET_READER_H
#define PX_PARQUET_PARQUET_READER_H

#include "parquet/parquet_layout.h"

struct px_parquet_reader;

/* Opens the file that is all of `file` (kept until px_parquet_reader_close()). *ret_reader:
 * returned. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED, PROXIMADB_NO_MEMORY */
PX_MUST_CHECK int px_parquet_reader_open(struct px_slice file,
                                         struct px_parquet_reader **ret_reader,
                                         struct proximadb_error *reterr);

/* Frees the reader, not the file; NULL is fine. */
void px_parquet_reader_close(struct px_parquet_reader *reader);

/* What is in the file: a view, valid until the reader is closed. */
const struct px_parquet_layout *px_parquet_reader_layout(const struct px_parquet_reader *reader);

/* False, and *ret_column untouched, where there is no column of that name. */
bool px_parquet_reader_find_column(const struct px_parquet_reader *reader, const char *name,
                                   size_t *ret_column);

/* The value of a key of the footer, a view into the file; false where it is missing. */
bool px_parquet_reader_find_value(const struct px_parquet_reader *reader, const char *key,
                                  struct px_slice *ret_value);

/* The page of a column that holds a row, by its place in the column's page list. row < row_count.
 * */
size_t px_parquet_reader_find_page(const struct px_parquet_reader *reader, size_t column,
                                   uint64_t row);

/* The row group that holds a row. row < row_count. */
size_t px_parquet_reader_find_row_group(const struct px_parquet_reader *reader, uint64_t row);

/* Whether the vectors of a row group stand in the file as they are. Those of others are read with
 * parquet_vectors.h, which reads all. */
bool px_parquet_reader_is_plain(const struct px_parquet_reader *reader, size_t column,
                                size_t row_group);

/* The rows of one page of a vector column, side by side in the file. */
struct px_parquet_vectors {
    const float *values; /* row_count * dim_count; aligned to 64 bytes where the file is */
    uint64_t first_row;
    uint32_t row_count;
    uint32_t dim_count;
};

/* The page that holds `row` (< row_count) of a VECTOR column, in a plain row group; views into the
 * file. PROXIMADB_CORRUPT, naming column, page and offset; PROXIMADB_UNIMPLEMENTED, likewise (a row
 * group that is not plain is one of the reasons). */
PX_MUST_CHECK int px_parquet_reader_vectors(const struct px_parquet_reader *reader, size_t column,
                                            uint64_t row, struct px_parquet_vectors *ret_vectors,
                                            struct proximadb_error *reterr);

/* One row of it. */
PX_MUST_CHECK int px_parquet_reader_vector(const struct px_parquet_reader *reader, size_t column,
                                           uint64_t row, const float **ret_vector,
                                           struct proximadb_error *reterr);

/*
 * Whether a value may be in a chunk: false is certain, by its bloom filter; true without one.
 * `value` is in PLAIN encoding, a BYTE_ARRAY without its length. PROXIMADB_CORRUPT,
 * PROXIMADB_UNIMPLEMENTED
 */
PX_MUST_CHECK int px_parquet_reader_may_contain(const struct px_parquet_reader *reader,
                                                size_t column, size_t row_group,
                                                struct px_slice value, bool *ret_may_contain,
                                                struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_READER_H */

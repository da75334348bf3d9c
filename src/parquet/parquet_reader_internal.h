/* parquet_reader_internal: pages, for the cursor and the verification. */
#ifndef PX_PARQUET_PARQUET_READER_INTERNAL_H
#define PX_PARQUET_PARQUET_READER_INTERNAL_H

#include "parquet/data_page_internal.h"
#include "parquet/parquet_reader.h"
#include "parquet/vector_page_internal.h"

/* The chunk that a page is in. */
const struct px_parquet_chunk *px_parquet_reader__chunk(const struct px_parquet_reader *reader,
                                                        size_t column, size_t page);

/* Parses a page, which must be encoded as its chunk is, and verifies its checksum, unless that was
 * done since the file was opened. */
PX_MUST_CHECK int px_parquet_reader__page(const struct px_parquet_reader *reader, size_t column,
                                          size_t page, struct px_data_page *ret_page,
                                          struct proximadb_error *reterr);

/* The values of a page of a REQUIRED column that is not compressed, whose checksum was verified
 * since the file was opened: a view into the file. Errors as px_parquet_reader__page(). */
PX_MUST_CHECK int px_parquet_reader__plain_values(const struct px_parquet_reader *reader,
                                                  size_t column, size_t page,
                                                  struct px_slice *ret_values,
                                                  struct proximadb_error *reterr);

/* Moves the front of the values of such a page of BYTE_ARRAY nearer to the one at `index` (below
 * the page's row count), and returns the place of the value that is then in front. */
uint32_t px_parquet_reader__skip_values(const struct px_parquet_reader *reader, size_t column,
                                        size_t page, uint32_t index, struct px_slice *values);

/* What names its pages among those that are shared (page_cache_internal.h). */
uint64_t px_parquet_reader__number(const struct px_parquet_reader *reader);

/* The dictionary of a chunk of vectors that has one; valid until the reader is closed. Its errors
 * name column, row group and offset. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED,
 * PROXIMADB_NO_MEMORY
 */
PX_MUST_CHECK int px_parquet_reader__dictionary(const struct px_parquet_reader *reader,
                                                size_t column, size_t row_group,
                                                const struct px_vector_dictionary **ret_dictionary,
                                                struct proximadb_error *reterr);

/* A page of vectors that is not compressed, checked since the file was opened: views into the file.
 * dictionary: NULL where the chunk has none. Its errors name column, page and offset. */
PX_MUST_CHECK int px_parquet_reader__vector_page(const struct px_parquet_reader *reader,
                                                 size_t column, size_t page,
                                                 const struct px_vector_dictionary *dictionary,
                                                 struct px_vector_page *ret_page,
                                                 struct proximadb_error *reterr);

/* The bits of a chunk's bloom filter, a view; empty where it has none. PROXIMADB_CORRUPT,
 * PROXIMADB_UNIMPLEMENTED */
PX_MUST_CHECK int px_parquet_reader__bloom_filter(const struct px_parquet_reader *reader,
                                                  size_t column, size_t row_group,
                                                  struct px_slice *ret_bits,
                                                  struct proximadb_error *reterr);

/* Forgets that pages were verified, so that they are verified again. */
void px_parquet_reader__forget(struct px_parquet_reader *reader);

/* Puts column, page and offset in front of an error. Returns rc. */
int px_parquet_reader__context(const struct px_parquet_reader *reader, size_t column, size_t page,
                               int rc, struct proximadb_error *reterr);

#endif /* PX_PARQUET_PARQUET_READER_INTERNAL_H */

/* parquet_reader_internal: pages, for the cursor and the verification. */
#ifndef PX_PARQUET_PARQUET_READER_INTERNAL_H
#define PX_PARQUET_PARQUET_READER_INTERNAL_H

#include "parquet/data_page_internal.h"
#include "parquet/parquet_reader.h"

/* The codec of a page's chunk. */
enum px_parquet_codec px_parquet_reader__codec(const struct px_parquet_reader *reader,
                                               size_t column, size_t page);

/* Parses a page and verifies its checksum, unless that was done since the file was opened. The page
 * has at least as many values as rows. */
PX_MUST_CHECK int px_parquet_reader__page(const struct px_parquet_reader *reader, size_t column,
                                          size_t page, struct px_data_page *ret_page,
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

/*
 * page_index_internal: the two indexes of a chunk's pages: where they are, and what they hold.
 *
 *      struct OffsetIndex (Thrift)   of each page: offset in the file, size, first row in its group
 *      struct ColumnIndex (Thrift)   of each page: whether it is all nulls, min, max, null count
 *
 * Every chunk has an offset index, which is what makes row -> page a search in memory. A column
 * index is there for columns with statistics, unless a page has values but no bounds (all NaN, or a
 * text that cannot be cut): the format has no way to say that of one page.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_PAGE_INDEX_INTERNAL_H
#define PX_PARQUET_PAGE_INDEX_INTERNAL_H

#include "base/buffer.h"
#include "parquet/bounds_internal.h"

/* A page that was written. */
struct px_page_record {
    uint64_t offset;     /* of its header, in its chunk */
    uint64_t first_row;  /* in its row group */
    uint32_t size_bytes; /* with its header */
    uint32_t row_count;
    uint32_t null_count;
    struct px_bounds bounds;
};

/* Appends the offset index of a chunk whose pages begin at `chunk_offset` of the file. Failures
 * mark the buffer. */
void px_page_index__put_offsets(const struct px_page_record *records, size_t count,
                                uint64_t chunk_offset, struct px_buffer *buffer);

/* Whether a column index can be written: whether every page with values has bounds. */
bool px_page_index__has_bounds(const struct px_page_record *records, size_t count);

/* Appends the column index. Failures mark the buffer. */
void px_page_index__put_bounds(enum px_parquet_type type, const struct px_page_record *records,
                               size_t count, struct px_buffer *buffer);

/* The number of pages in an offset index; PROXIMADB_CORRUPT. */
PX_MUST_CHECK int px_page_index__count(struct px_slice index, size_t *ret_count,
                                       struct proximadb_error *reterr);

/* Fills in chunk->page_count pages: they must lie in the chunk, one behind the other, and cover the
 * rows of the group. PROXIMADB_CORRUPT, PROXIMADB_UNIMPLEMENTED (more rows in a page than we read).
 * */
PX_MUST_CHECK int px_page_index__parse_offsets(struct px_slice index,
                                               const struct px_parquet_row_group *group,
                                               const struct px_parquet_chunk *chunk,
                                               struct px_parquet_page *pages,
                                               struct proximadb_error *reterr);

/* Fills in the statistics of `count` pages, views into `index`. PROXIMADB_CORRUPT */
PX_MUST_CHECK int px_page_index__parse_bounds(struct px_slice index, enum px_parquet_type type,
                                              struct px_parquet_statistics *statistics,
                                              size_t count, struct proximadb_error *reterr);

#endif /* PX_PARQUET_PAGE_INDEX_INTERNAL_H */

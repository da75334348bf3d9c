/*
 * parquet_describe: a file's structure as text, for people and scripts: what `proximadb inspect
 * parquet` prints.
 *
 * One JSON object a line, each with "kind", in this order; numbers are null where unknown:
 *
 *      KIND       MEMBERS BESIDE kind
 *      file       size_bytes, row_count, row_group_count, column_count, created_by
 *      key_value  key, value
 *      column     column, name, shape, type, logical, field_id; element_field_id of lists;
 *                 dim_count of vectors
 *      row_group  row_group, first_row, row_count
 *      chunk      row_group, column (its name), codec, offset, size_bytes, uncompressed_bytes,
 *                 value_count, null_count, page_count, bloom_filter_bytes; min, max, min_is_exact,
 *                 max_is_exact where there are bounds; encoding, dictionary_count of vectors
 *      page       row_group, column (its name), page, offset, size_bytes, first_row, row_count;
 *                 null_count, min, max where there is a column index; bit_width of vectors in codes
 *
 * dictionary_count and bit_width stand in the pages, which are read and checked for them; null
 * where one is damaged. Bounds are JSON values of the column's type; those of a BYTE_ARRAY that is
 * not text are base64.
 *
 * Threads: any thread.
 */
#ifndef PX_PARQUET_PARQUET_DESCRIBE_H
#define PX_PARQUET_PARQUET_DESCRIBE_H

#include "base/buffer.h"
#include "parquet/parquet_reader.h"

/* Appends the lines; pages only where they are asked for. Failures mark the buffer. */
void px_parquet_describe(const struct px_parquet_reader *reader, bool with_pages,
                         struct px_buffer *buffer);

#endif /* PX_PARQUET_PARQUET_DESCRIBE_H */

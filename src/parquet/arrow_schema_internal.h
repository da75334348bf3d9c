/*
 * arrow_schema_internal: the columns as Apache Arrow would describe them, for the key
 * "ARROW:schema".
 *
 * Parquet has no list of fixed length. Readers that build on Arrow look for this key, and give a
 * vector column the type fixed_size_list<float>[d] (pyarrow) or Array(Float32, d) (polars) instead
 * of a list.
 *
 * The value is base64 of an encapsulated Arrow IPC message: 0xffffffff, the size of what follows,
 * and a flatbuffer with Message { version V5, header Schema { fields } }, padded to 8 bytes.
 *
 *      A flatbuffer table is an i32 (position of the table minus position of its vtable) and
 *      values, each aligned to its size. Its vtable is u16 size of the vtable, u16 size of the
 *      table, and a u16 for each field: where it is in the table, or 0. What is not fixed in
 *      size (tables, vectors, strings) stands elsewhere; the table has a u32, the distance to it.
 *
 * Builders usually write back to front. This one writes front to back, children behind their
 * parents, and fills in the distances when it comes to them.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_ARROW_SCHEMA_INTERNAL_H
#define PX_PARQUET_ARROW_SCHEMA_INTERNAL_H

#include "base/buffer.h"
#include "parquet/parquet_schema.h"

#define PX_ARROW_SCHEMA_KEY "ARROW:schema"

/* Appends the value of the key, text. Failures mark the buffer. */
void px_arrow_schema__encode(const struct px_parquet_column *columns, size_t column_count,
                             struct px_buffer *buffer);

#endif /* PX_PARQUET_ARROW_SCHEMA_INTERNAL_H */

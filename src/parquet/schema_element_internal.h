/*
 * schema_element_internal: the columns as the footer tells them: a tree of struct SchemaElement
 * (Thrift), flattened depth first, with a root that only counts its children.
 *
 * Threads: any thread; nothing here has state.
 */
#ifndef PX_PARQUET_SCHEMA_ELEMENT_INTERNAL_H
#define PX_PARQUET_SCHEMA_ELEMENT_INTERNAL_H

#include "base/arena.h"
#include "codec/thrift.h"
#include "parquet/parquet_schema.h"

/* The names of the groups of a list, which the format recommends. */
#define PX_PARQUET_LIST_NAME    "list"
#define PX_PARQUET_ELEMENT_NAME "element"

/* Writes the list of elements as field `id`. */
void px_schema_element__put(struct px_thrift_writer *writer, int16_t id,
                            const struct px_parquet_column *columns, size_t column_count);

/* Elements as they were read, before they are understood. */
struct px_schema_elements;

/* Reads the list that is the value of `field` into `arena`; *ret_elements is NULL, and *reader has
 * a fault, where it is damaged. Returns false where memory ran out. */
bool px_schema_element__read(struct px_thrift_reader *reader, struct px_thrift_field field,
                             struct px_arena *arena, struct px_schema_elements **ret_elements);

/* Makes columns of them, in `arena`. PROXIMADB_CORRUPT; PROXIMADB_UNIMPLEMENTED, naming a column of
 * another shape or type than ours; PROXIMADB_NO_MEMORY. */
PX_MUST_CHECK int px_schema_element__columns(const struct px_schema_elements *elements,
                                             struct px_arena *arena,
                                             struct px_parquet_column **ret_columns,
                                             size_t *ret_count, struct proximadb_error *reterr);

#endif /* PX_PARQUET_SCHEMA_ELEMENT_INTERNAL_H */

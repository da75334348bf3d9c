/*
 * part_columns: the columns of a part, the Parquet file that rows live in.
 *
 *      COLUMN      PARQUET                       FIELD ID   MEANING
 *      id          required BYTE_ARRAY STRING    1          the row's id
 *      version     required INT64                2          LSN of the write that made the row
 *      vector      LIST of required FLOAT        3 (4)      as given
 *      timestamp   required INT64 TIMESTAMP      5          milliseconds, UTC
 *      expires_at  optional INT64 TIMESTAMP      6          null: never
 *      document    optional BYTE_ARRAY STRING    7
 *      metadata    optional BYTE_ARRAY JSON      8          what has no column of its own
 *      m_NAME      optional, by the field's type 100 and up one for each filterable field (the
 *                                                           element of a list: 2^30 more)
 *
 * A value that does not fit its field's column, such as one written before the field was made
 * filterable, and an explicit null, stay in the JSON; so nothing is lost whatever the fields are.
 *
 * Texts are compressed, in pages of 128 rows, so that reading one row decompresses little.
 *
 * Threads: any thread.
 */
#ifndef PX_VIPER_PART_COLUMNS_H
#define PX_VIPER_PART_COLUMNS_H

#include "model/collection.h"
#include "parquet/parquet_schema.h"

enum px_part_column {
    PX_PART_ID,
    PX_PART_VERSION,
    PX_PART_VECTOR,
    PX_PART_TIMESTAMP,
    PX_PART_EXPIRES_AT,
    PX_PART_DOCUMENT,
    PX_PART_METADATA,
    PX_PART_FIRST_FIELD,
};

enum {
    PX_PART_FORMAT_VERSION = 1,
    PX_PART_FIELD_PREFIX_BYTES = 2, /* "m_" */
    PX_PART_FIELD_NAME_BYTES = PX_PART_FIELD_PREFIX_BYTES + PX_FIELD_NAME_BYTES,
};

struct px_part_columns {
    size_t count;
    struct px_parquet_column items[PX_PART_FIRST_FIELD + PX_MOST_FIELDS];
    char names[PX_MOST_FIELDS][PX_PART_FIELD_NAME_BYTES]; /* of the fields' columns */
};

/* Fills in the columns of a collection's parts. The struct must not move while they are used. */
void px_part_columns_init(struct px_part_columns *columns, const struct px_collection *collection);

/* The field that a column of a part belongs to: its type, and its name, a view into the column's;
 * false where the column is none of a field. */
bool px_part_column_field(const struct px_parquet_column *column,
                          enum proximadb_field_type *ret_type, struct px_slice *ret_name);

/* The keys of a part's footer. */
extern const char px_part_key_format_version[]; /* "proximadb.format_version" */
extern const char px_part_key_collection[];     /* "proximadb.collection" */
extern const char px_part_key_collection_id[];  /* "proximadb.collection_id" */
extern const char px_part_key_metric[];         /* "proximadb.metric" */
extern const char px_part_key_cluster[];        /* "proximadb.cluster" */

#endif /* PX_VIPER_PART_COLUMNS_H */

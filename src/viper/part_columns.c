#include "viper/part_columns.h"

#include <assert.h>
#include <stdio.h>

enum {
    TEXT_PAGE_ROWS = 128,
    ID_PAGE_ROWS = 256, /* finding one id decodes a page: about 1 us */
    TEXT_ZSTD_LEVEL = 1,
    /* Of floats, in a page of vectors that are not plain. A page of codes has a bit width of its
     * own, so small ones take fewer bits; a compressed one is decompressed for a single row, in
     * 100 us at most. 64 and 32 rows of 384 dimensions. */
    CODED_PAGE_BYTES = 96 << 10,
    SPLIT_PAGE_BYTES = 48 << 10,
    ELEMENT_ID_OFFSET = PX_END_OF_FIELD_IDS, /* from a list's field id to that of its element */
};

static const char field_prefix[] = "m_";
static_assert(sizeof field_prefix - 1 == PX_PART_FIELD_PREFIX_BYTES, "the prefix has its size");

const char px_part_key_format_version[] = "proximadb.format_version";
const char px_part_key_collection[] = "proximadb.collection";
const char px_part_key_collection_id[] = "proximadb.collection_id";
const char px_part_key_metric[] = "proximadb.metric";
const char px_part_key_cluster[] = "proximadb.cluster";

static const struct px_parquet_column fixed_columns[PX_PART_FIRST_FIELD] = {
    [PX_PART_ID] = {.name = "id",
                    .shape = PX_PARQUET_REQUIRED,
                    .type = PX_PARQUET_BYTE_ARRAY,
                    .logical = PX_PARQUET_STRING,
                    .field_id = PX_COLUMN_ID,
                    .page_row_limit = ID_PAGE_ROWS,
                    .has_statistics = true,
                    .has_bloom_filter = true},
    [PX_PART_VERSION] = {.name = "version",
                         .shape = PX_PARQUET_REQUIRED,
                         .type = PX_PARQUET_INT64,
                         .field_id = PX_COLUMN_VERSION,
                         .has_statistics = true},
    [PX_PART_VECTOR] = {.name = "vector",
                        .shape = PX_PARQUET_VECTOR,
                        .type = PX_PARQUET_FLOAT,
                        .field_id = PX_COLUMN_VECTOR,
                        .element_field_id = PX_COLUMN_VECTOR_ELEMENT},
    [PX_PART_TIMESTAMP] = {.name = "timestamp",
                           .shape = PX_PARQUET_REQUIRED,
                           .type = PX_PARQUET_INT64,
                           .logical = PX_PARQUET_TIMESTAMP_MILLIS,
                           .field_id = PX_COLUMN_TIMESTAMP,
                           .has_statistics = true},
    [PX_PART_EXPIRES_AT] = {.name = "expires_at",
                            .shape = PX_PARQUET_OPTIONAL,
                            .type = PX_PARQUET_INT64,
                            .logical = PX_PARQUET_TIMESTAMP_MILLIS,
                            .field_id = PX_COLUMN_EXPIRES_AT,
                            .has_statistics = true},
    [PX_PART_DOCUMENT] = {.name = "document",
                          .shape = PX_PARQUET_OPTIONAL,
                          .type = PX_PARQUET_BYTE_ARRAY,
                          .logical = PX_PARQUET_STRING,
                          .field_id = PX_COLUMN_DOCUMENT,
                          .page_row_limit = TEXT_PAGE_ROWS,
                          .zstd_level = TEXT_ZSTD_LEVEL},
    [PX_PART_METADATA] = {.name = "metadata",
                          .shape = PX_PARQUET_OPTIONAL,
                          .type = PX_PARQUET_BYTE_ARRAY,
                          .logical = PX_PARQUET_JSON,
                          .field_id = PX_COLUMN_METADATA,
                          .page_row_limit = TEXT_PAGE_ROWS,
                          .zstd_level = TEXT_ZSTD_LEVEL},
};

/* The columns of the five field types; all are optional. */
static const struct px_parquet_column field_columns[] = {
    [PROXIMADB_FIELD_STRING] = {.shape = PX_PARQUET_OPTIONAL,
                                .type = PX_PARQUET_BYTE_ARRAY,
                                .logical = PX_PARQUET_STRING,
                                .page_row_limit = TEXT_PAGE_ROWS,
                                .zstd_level = TEXT_ZSTD_LEVEL,
                                .has_statistics = true},
    [PROXIMADB_FIELD_LONG] = {.shape = PX_PARQUET_OPTIONAL,
                              .type = PX_PARQUET_INT64,
                              .has_statistics = true},
    [PROXIMADB_FIELD_DOUBLE] = {.shape = PX_PARQUET_OPTIONAL,
                                .type = PX_PARQUET_DOUBLE,
                                .has_statistics = true},
    [PROXIMADB_FIELD_BOOLEAN] = {.shape = PX_PARQUET_OPTIONAL,
                                 .type = PX_PARQUET_BOOLEAN,
                                 .has_statistics = true},
    [PROXIMADB_FIELD_STRING_ARRAY] = {.shape = PX_PARQUET_STRINGS,
                                      .type = PX_PARQUET_BYTE_ARRAY,
                                      .logical = PX_PARQUET_STRING,
                                      .page_row_limit = TEXT_PAGE_ROWS,
                                      .zstd_level = TEXT_ZSTD_LEVEL},
};
enum { FIELD_TYPE_COUNT = sizeof field_columns / sizeof field_columns[0] };

static uint32_t page_rows(uint32_t dim_count, uint32_t page_bytes)
{
    uint32_t rows = page_bytes / (dim_count * (uint32_t)sizeof(float));
    return rows == 0 ? 1 : rows < PX_PARQUET_PAGE_ROWS ? rows : PX_PARQUET_PAGE_ROWS;
}

/* How the vectors of a storage profile are written. None of it loses a bit: what a profile rounds
 * is rounded when a row is accepted. */
static void set_vector_encoding(struct px_parquet_column *column,
                                const struct px_collection *collection)
{
    column->dim_count = collection->dim_count;
    if (collection->layout == PROXIMADB_LAYOUT_PLAIN)
        return;
    column->page_row_limit = page_rows(collection->dim_count, CODED_PAGE_BYTES);
    switch (collection->storage) {
    case PROXIMADB_EXACT:
        column->vector_encoding = PX_PARQUET_VECTOR_SMALLEST;
        column->page_row_limit = page_rows(collection->dim_count, SPLIT_PAGE_BYTES);
        break;
    case PROXIMADB_BALANCED:
        column->vector_encoding = PX_PARQUET_VECTOR_DICTIONARY;
        break;
    case PROXIMADB_COMPACT_STORAGE:
        column->vector_encoding = PX_PARQUET_VECTOR_DICTIONARY;
        column->most_row_bytes = collection->dim_count; /* a quarter of float32 */
        break;
    }
}

void px_part_columns_init(struct px_part_columns *columns, const struct px_collection *collection)
{
    memcpy(columns->items, fixed_columns, sizeof fixed_columns);
    set_vector_encoding(&columns->items[PX_PART_VECTOR], collection);
    columns->count = PX_PART_FIRST_FIELD;
    for (uint32_t i = 0; i < collection->field_count; i++) {
        const struct px_field *field = &collection->fields[i];
        struct px_parquet_column *column = &columns->items[columns->count++];
        snprintf(columns->names[i], sizeof columns->names[i], "%s%s", field_prefix, field->name);
        *column = field_columns[field->type];
        column->name = columns->names[i];
        column->field_id = field->parquet_id;
        column->element_field_id = field->parquet_id + ELEMENT_ID_OFFSET;
    }
}

bool px_part_column_field(const struct px_parquet_column *column,
                          enum proximadb_field_type *ret_type, struct px_slice *ret_name)
{
    if (strncmp(column->name, field_prefix, PX_PART_FIELD_PREFIX_BYTES) != 0)
        return false;
    for (int type = 0; type < FIELD_TYPE_COUNT; type++) {
        const struct px_parquet_column *expected = &field_columns[type];
        if (column->shape == expected->shape && column->type == expected->type &&
            column->logical == expected->logical) {
            *ret_type = (enum proximadb_field_type)type;
            *ret_name = px_slice_of_string(column->name + PX_PART_FIELD_PREFIX_BYTES);
            return true;
        }
    }
    return false;
}

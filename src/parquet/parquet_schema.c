#include "parquet/parquet_schema.h"

#include "codec/utf8.h"

unsigned px_parquet_most_definition(const struct px_parquet_column *column)
{
    static const uint8_t most[] = {
        [PX_PARQUET_REQUIRED] = 0,
        [PX_PARQUET_OPTIONAL] = 1,
        [PX_PARQUET_VECTOR] = 1,
        [PX_PARQUET_STRINGS] = 2,
    };
    return most[column->shape];
}

unsigned px_parquet_most_repetition(const struct px_parquet_column *column)
{
    return px_parquet_is_list(column) ? 1 : 0;
}

size_t px_parquet_type_bytes(enum px_parquet_type type)
{
    static const uint8_t sizes[] = {
        [PX_PARQUET_BOOLEAN] = 1, [PX_PARQUET_INT32] = 4,  [PX_PARQUET_INT64] = 8,
        [PX_PARQUET_FLOAT] = 4,   [PX_PARQUET_DOUBLE] = 8, [PX_PARQUET_BYTE_ARRAY] = 0,
    };
    return sizes[type];
}

const char *px_parquet_type_name(enum px_parquet_type type)
{
    static const char *const names[] = {
        [PX_PARQUET_BOOLEAN] = "BOOLEAN", [PX_PARQUET_INT32] = "INT32",
        [PX_PARQUET_INT64] = "INT64",     [PX_PARQUET_FLOAT] = "FLOAT",
        [PX_PARQUET_DOUBLE] = "DOUBLE",   [PX_PARQUET_BYTE_ARRAY] = "BYTE_ARRAY",
    };
    return names[type];
}

const char *px_parquet_logical_name(enum px_parquet_logical logical)
{
    static const char *const names[] = {
        [PX_PARQUET_NONE] = "",
        [PX_PARQUET_STRING] = "STRING",
        [PX_PARQUET_JSON] = "JSON",
        [PX_PARQUET_TIMESTAMP_MILLIS] = "TIMESTAMP_MILLIS",
    };
    return names[logical];
}

const char *px_parquet_shape_name(enum px_parquet_shape shape)
{
    static const char *const names[] = {
        [PX_PARQUET_REQUIRED] = "required",
        [PX_PARQUET_OPTIONAL] = "optional",
        [PX_PARQUET_VECTOR] = "vector",
        [PX_PARQUET_STRINGS] = "strings",
    };
    return names[shape];
}

const char *px_parquet_vector_encoding_name(enum px_parquet_vector_encoding encoding)
{
    static const char *const names[] = {
        [PX_PARQUET_VECTOR_PLAIN] = "PLAIN",
        [PX_PARQUET_VECTOR_DICTIONARY] = "DICTIONARY",
        [PX_PARQUET_VECTOR_SPLIT] = "SPLIT",
        [PX_PARQUET_VECTOR_SMALLEST] = "SMALLEST",
    };
    return names[encoding];
}

/* What is wrong with a column, or NULL. */
static const char *fault_of_type(const struct px_parquet_column *column)
{
    if (px_parquet_is_text(column) && column->type != PX_PARQUET_BYTE_ARRAY)
        return "text must be a BYTE_ARRAY";
    if (column->logical == PX_PARQUET_TIMESTAMP_MILLIS && column->type != PX_PARQUET_INT64)
        return "a timestamp must be an INT64";
    if (column->shape == PX_PARQUET_STRINGS && column->type != PX_PARQUET_BYTE_ARRAY)
        return "a list of strings must have the type BYTE_ARRAY";
    if (column->shape != PX_PARQUET_VECTOR)
        return column->dim_count == 0 ? NULL : "only a vector has dimensions";
    if (column->type != PX_PARQUET_FLOAT || column->logical != PX_PARQUET_NONE)
        return "a vector must have the type FLOAT";
    if (column->dim_count < 1 || column->dim_count > PX_PARQUET_MOST_DIMS)
        return "a vector has 1 to 65,536 dimensions";
    return NULL;
}

static const char *fault_of_storage(const struct px_parquet_column *column)
{
    bool is_vector = column->shape == PX_PARQUET_VECTOR;
    bool is_plain = column->vector_encoding == PX_PARQUET_VECTOR_PLAIN;
    if (is_vector && is_plain && column->zstd_level != 0)
        return "a plain vector is read in place and cannot be compressed";
    if (!is_vector && !is_plain)
        return "only a vector has a vector's encoding";
    if (column->most_row_bytes != 0 && column->vector_encoding != PX_PARQUET_VECTOR_DICTIONARY)
        return "only a dictionary is compressed by its size";
    if (px_parquet_is_list(column) && (column->has_statistics || column->has_bloom_filter))
        return "a list has neither statistics nor a bloom filter";
    if (column->type == PX_PARQUET_BOOLEAN && column->has_bloom_filter)
        return "a BOOLEAN has no bloom filter";
    if (column->page_row_limit > PX_PARQUET_MOST_PAGE_ROWS)
        return "a page has at most 1,048,576 rows";
    if (column->page_byte_limit > PX_PARQUET_MOST_PAGE_BYTES / 2)
        return "a page of several rows has at most 64 MiB";
    return NULL;
}

static const char *fault_of_name(const struct px_parquet_column *columns, size_t index)
{
    struct px_slice name = px_slice_of_string(columns[index].name);
    if (name.size_bytes < 1 || name.size_bytes > PX_PARQUET_NAME_LIMIT_BYTES)
        return "a name has 1 to 256 bytes";
    if (!px_utf8_validate(name))
        return "a name must be UTF-8";
    for (size_t i = 0; i < index; i++)
        if (px_slice_equal(name, px_slice_of_string(columns[i].name)))
            return "another column has the same name";
    return NULL;
}

int px_parquet_schema_validate(const struct px_parquet_column *columns, size_t column_count,
                               struct proximadb_error *reterr)
{
    size_t vector_count = 0;
    if (column_count < 1 || column_count > PX_PARQUET_MOST_COLUMNS)
        return px_fail(reterr, PROXIMADB_INVALID, "a Parquet file has 1 to 1,024 columns, not %zu",
                       column_count);
    for (size_t i = 0; i < column_count; i++) {
        const char *fault = fault_of_name(columns, i);
        if (fault == NULL)
            fault = fault_of_type(&columns[i]);
        if (fault == NULL)
            fault = fault_of_storage(&columns[i]);
        vector_count += columns[i].shape == PX_PARQUET_VECTOR;
        if (fault == NULL && vector_count > 1)
            fault = "a file has one vector column at most";
        if (fault != NULL)
            return px_fail(reterr, PROXIMADB_INVALID, "column '%s' cannot be written: %s",
                           columns[i].name, fault);
    }
    return PROXIMADB_OK;
}

#include "cli/export_file.h"
#include "cli/export_writer.h"
#include "os/fs.h"
#include "parquet/parquet_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* The vector comes first in the schema, too: readers that go by ranges of bytes take the place of
 * the first column for the begin of a row group. */
enum column { VECTOR, ID, TIMESTAMP, EXPIRES_AT, DOCUMENT, METADATA, FIRST_FIELD };

enum {
    MOST_FIELDS = 64,
    MOST_COLUMNS = FIRST_FIELD + MOST_FIELDS,
    MOST_ENTRIES = 1024,
    GROUP_BYTES = 64 << 20, /* of what is not vectors */
    ZSTD_LEVEL = 1,
};

struct writer {
    struct px_export_writer base;
    struct px_export_file file;
    struct px_parquet_writer *parquet;
    struct px_parquet_column columns[MOST_COLUMNS];
    size_t column_count;
    struct px_buffer json;
    bool has_column[MOST_ENTRIES]; /* of the row's fields */
};

static const struct px_parquet_column fixed_columns[FIRST_FIELD] = {
    [VECTOR] = {.name = "vector",
                .shape = PX_PARQUET_VECTOR,
                .type = PX_PARQUET_FLOAT,
                .field_id = 3,
                .element_field_id = 4},
    [ID] = {.name = "id",
            .shape = PX_PARQUET_REQUIRED,
            .type = PX_PARQUET_BYTE_ARRAY,
            .logical = PX_PARQUET_STRING,
            .field_id = 1,
            .zstd_level = ZSTD_LEVEL,
            .has_statistics = true},
    [TIMESTAMP] = {.name = "timestamp",
                   .shape = PX_PARQUET_REQUIRED,
                   .type = PX_PARQUET_INT64,
                   .logical = PX_PARQUET_TIMESTAMP_MILLIS,
                   .field_id = 5,
                   .zstd_level = ZSTD_LEVEL,
                   .has_statistics = true},
    [EXPIRES_AT] = {.name = "expires_at",
                    .shape = PX_PARQUET_OPTIONAL,
                    .type = PX_PARQUET_INT64,
                    .logical = PX_PARQUET_TIMESTAMP_MILLIS,
                    .field_id = 6,
                    .zstd_level = ZSTD_LEVEL,
                    .has_statistics = true},
    [DOCUMENT] = {.name = "document",
                  .shape = PX_PARQUET_OPTIONAL,
                  .type = PX_PARQUET_BYTE_ARRAY,
                  .logical = PX_PARQUET_STRING,
                  .field_id = 7,
                  .zstd_level = ZSTD_LEVEL},
    [METADATA] = {.name = "metadata",
                  .shape = PX_PARQUET_OPTIONAL,
                  .type = PX_PARQUET_BYTE_ARRAY,
                  .logical = PX_PARQUET_JSON,
                  .field_id = 8,
                  .zstd_level = ZSTD_LEVEL},
};

static const struct px_parquet_column field_columns[] = {
    [PROXIMADB_FIELD_STRING] = {.shape = PX_PARQUET_OPTIONAL,
                                .type = PX_PARQUET_BYTE_ARRAY,
                                .logical = PX_PARQUET_STRING,
                                .zstd_level = ZSTD_LEVEL,
                                .has_statistics = true},
    [PROXIMADB_FIELD_LONG] = {.shape = PX_PARQUET_OPTIONAL,
                              .type = PX_PARQUET_INT64,
                              .zstd_level = ZSTD_LEVEL,
                              .has_statistics = true},
    [PROXIMADB_FIELD_DOUBLE] = {.shape = PX_PARQUET_OPTIONAL,
                                .type = PX_PARQUET_DOUBLE,
                                .zstd_level = ZSTD_LEVEL,
                                .has_statistics = true},
    [PROXIMADB_FIELD_BOOLEAN] = {.shape = PX_PARQUET_OPTIONAL,
                                 .type = PX_PARQUET_BOOLEAN,
                                 .has_statistics = true},
    [PROXIMADB_FIELD_STRING_ARRAY] = {.shape = PX_PARQUET_STRINGS,
                                      .type = PX_PARQUET_BYTE_ARRAY,
                                      .logical = PX_PARQUET_STRING,
                                      .zstd_level = ZSTD_LEVEL},
};

/* Fields that are called like a column of ours stay in the metadata. */
static bool is_taken(const char *name)
{
    for (size_t i = 0; i < FIRST_FIELD; i++)
        if (strcasecmp(name, fixed_columns[i].name) == 0)
            return true;
    return false;
}

static void set_columns(struct writer *writer, const struct proximadb_collection_spec *spec)
{
    enum { FIRST_FIELD_ID = 100, ELEMENT_ID_OFFSET = 1 << 20 };
    memcpy(writer->columns, fixed_columns, sizeof fixed_columns);
    writer->columns[VECTOR].dim_count = spec->dim_count;
    writer->column_count = FIRST_FIELD;
    for (size_t i = 0; i < spec->filterable_count && writer->column_count < MOST_COLUMNS; i++) {
        if (is_taken(spec->filterable[i].name))
            continue;
        struct px_parquet_column *column = &writer->columns[writer->column_count];
        *column = field_columns[spec->filterable[i].type];
        column->name = spec->filterable[i].name;
        column->field_id = FIRST_FIELD_ID + (int32_t)writer->column_count;
        column->element_field_id = column->field_id + ELEMENT_ID_OFFSET;
        writer->column_count++;
    }
}

/* ---- rows ---------------------------------------------------------------------------------- */

/* Appends a field's value if the column can have it. */
static bool append_value(struct writer *writer, size_t index, const struct proximadb_value *value)
{
    const struct px_parquet_column *column = &writer->columns[index];
    if (value->kind == PROXIMADB_VALUE_STRING_ARRAY && column->shape == PX_PARQUET_STRINGS) {
        const struct proximadb_text *items = value->as.strings.items;
        struct px_slice *slices = calloc(value->as.strings.count + 1, sizeof *slices);
        if (slices == NULL)
            return false;
        for (size_t i = 0; i < value->as.strings.count; i++)
            slices[i] = px_slice_of(items[i].data, items[i].size_bytes);
        px_parquet_append_strings(writer->parquet, index, slices, value->as.strings.count);
        free(slices);
        return true;
    }
    if (column->shape == PX_PARQUET_STRINGS)
        return false;
    if (value->kind == PROXIMADB_VALUE_STRING && column->type == PX_PARQUET_BYTE_ARRAY)
        px_parquet_append_bytes(writer->parquet, index,
                                px_slice_of(value->as.string.data, value->as.string.size_bytes));
    else if (value->kind == PROXIMADB_VALUE_LONG && column->type == PX_PARQUET_INT64)
        px_parquet_append_i64(writer->parquet, index, value->as.integer);
    else if (value->kind == PROXIMADB_VALUE_DOUBLE && column->type == PX_PARQUET_DOUBLE)
        px_parquet_append_double(writer->parquet, index, value->as.number);
    else if (value->kind == PROXIMADB_VALUE_BOOLEAN && column->type == PX_PARQUET_BOOLEAN)
        px_parquet_append_bool(writer->parquet, index, value->as.boolean);
    else
        return false;
    return true;
}

static size_t find_field(const struct proximadb_hit *row, const char *name)
{
    struct px_slice wanted = px_slice_of_string(name);
    for (size_t i = 0; i < row->field_count; i++)
        if (px_slice_equal(wanted,
                           px_slice_of(row->fields[i].name.data, row->fields[i].name.size_bytes)))
            return i;
    return row->field_count;
}

/* What has a column goes there, and the rest into the metadata. */
static void append_fields(struct writer *writer, const struct proximadb_hit *row)
{
    size_t left = row->field_count;
    memset(writer->has_column, 0, sizeof writer->has_column);
    for (size_t i = FIRST_FIELD; i < writer->column_count; i++) {
        size_t found = find_field(row, writer->columns[i].name);
        bool fits = found < row->field_count && append_value(writer, i, &row->fields[found].value);
        if (!fits)
            px_parquet_append_null(writer->parquet, i);
        else
            writer->has_column[found] = true;
        left -= fits;
    }
    if (left == 0) {
        px_parquet_append_null(writer->parquet, METADATA);
        return;
    }
    px_buffer_clear(&writer->json);
    px_export_metadata(row->fields, row->field_count, writer->has_column, &writer->json);
    px_parquet_append_bytes(writer->parquet, METADATA, px_buffer_slice(&writer->json));
}

static int write_row(struct px_export_writer *base, const struct proximadb_hit *row,
                     struct proximadb_error *reterr)
{
    struct writer *writer = (struct writer *)base;
    struct px_parquet_writer *parquet = writer->parquet;
    if (row->field_count > MOST_ENTRIES)
        return px_fail(reterr, PROXIMADB_INTERNAL, "a row has more metadata than there can be");
    px_parquet_append_vectors(parquet, VECTOR, row->vector, 1);
    px_parquet_append_bytes(parquet, ID, px_slice_of(row->id.data, row->id.size_bytes));
    px_parquet_append_i64(parquet, TIMESTAMP, row->timestamp_ms);
    if (row->expires_at_ms != NULL)
        px_parquet_append_i64(parquet, EXPIRES_AT, *row->expires_at_ms);
    else
        px_parquet_append_null(parquet, EXPIRES_AT);
    if (row->document != NULL)
        px_parquet_append_bytes(parquet, DOCUMENT,
                                px_slice_of(row->document, row->document_size_bytes));
    else
        px_parquet_append_null(parquet, DOCUMENT);
    append_fields(writer, row);
    int rc = px_buffer_status(&writer->json, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_writer_status(parquet, reterr);
    if (rc == PROXIMADB_OK && px_parquet_writer_held_bytes(parquet) > GROUP_BYTES)
        rc = px_parquet_writer_end_row_group(parquet, reterr);
    return rc;
}

static int finish(struct px_export_writer *base, struct proximadb_error *reterr)
{
    struct writer *writer = (struct writer *)base;
    struct px_parquet_written written;
    char text[24];
    snprintf(text, sizeof text, "%u", writer->columns[VECTOR].dim_count);
    const struct px_parquet_key_value dimension = {.key = px_slice_of_string(PX_EXPORT_DIMENSION),
                                                   .value = px_slice_of_string(text)};
    int rc = px_parquet_writer_finish(writer->parquet, &dimension, 1, &written, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_export_file_finish(&writer->file, (struct px_slice){0}, reterr);
    return rc;
}

static void writer_free(struct px_export_writer *base)
{
    struct writer *writer = (struct writer *)base;
    px_parquet_writer_free(writer->parquet);
    px_export_file_release(&writer->file);
    px_buffer_release(&writer->json);
    free(writer);
}

int px_export_parquet(const char *path, const struct proximadb_collection_info *info,
                      struct px_export_writer **ret_writer, struct proximadb_error *reterr)
{
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return px_fail_no_memory(reterr);
    writer->base =
        (struct px_export_writer){.write = write_row, .finish = finish, .free = writer_free};
    set_columns(writer, &info->spec);
    int rc = px_export_file_open(&writer->file, path, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_writer_open(&px_fs_posix, writer->file.fd, writer->columns,
                                    writer->column_count, &writer->parquet, reterr);
    if (rc != PROXIMADB_OK) {
        writer_free(&writer->base);
        return rc;
    }
    *ret_writer = &writer->base;
    return PROXIMADB_OK;
}

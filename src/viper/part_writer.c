#include "viper/part_writer.h"

#include "model/metadata.h"
#include "os/file.h"
#include "os/path.h"
#include "parquet/parquet_writer.h"
#include "viper/part_columns.h"
#include "viper/part_lists.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Encoded columns held in memory before a row group ends: with documents of 16 MiB a part would
 * otherwise hold all of them. */
#define ROW_GROUP_BYTES ((size_t)64 << 20)

enum { STRINGS_PER_GROW = 64 };

struct px_part_writer {
    struct px_fs *fs;
    int fd;
    struct px_path path;
    const struct px_collection *collection;
    struct px_part_columns columns;
    struct px_parquet_writer *parquet;
    struct px_manifest_file file;
    struct px_buffer lists;   /* of lists that are over: viper/part_lists.h */
    uint32_t list_id;         /* of the present one; 0: none was begun */
    uint64_t list_first_row;  /* where it began */
    struct px_buffer json;    /* scratch: one row's metadata */
    struct px_slice *strings; /* scratch: one array */
    size_t string_capacity;
    int status; /* a failure that is not the Parquet writer's */
};

static void release(struct px_part_writer *writer, bool remove_file)
{
    px_parquet_writer_free(writer->parquet);
    if (writer->fd >= 0)
        (void)writer->fs->close(writer->fs, writer->fd);
    if (writer->fd >= 0 && remove_file)
        (void)writer->fs->unlink(writer->fs, writer->path.text);
    px_buffer_release(&writer->lists);
    px_buffer_release(&writer->json);
    free(writer->strings);
    free(writer);
}

void px_part_writer_abort(struct px_part_writer *writer)
{
    if (writer != NULL)
        release(writer, true);
}

int px_part_writer_open(const struct px_part_target *target, const struct px_collection *collection,
                        struct px_part_writer **ret_writer, struct proximadb_error *reterr)
{
    struct px_part_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return px_fail_no_memory(reterr);
    writer->fs = target->fs;
    writer->fd = -1;
    writer->collection = collection;
    writer->file.cluster = target->cluster;
    assert(strlen(target->path) < sizeof writer->file.path);
    snprintf(writer->file.path, sizeof writer->file.path, "%s", target->path);
    px_part_columns_init(&writer->columns, collection);
    int rc = px_path_format(&writer->path, reterr, "%s/%s", target->store_folder, target->path);
    if (rc == PROXIMADB_OK) {
        writer->fd = target->fs->open(target->fs, writer->path.text, PX_FS_CREATE);
        if (writer->fd < 0)
            rc = px_fail_file(reterr, "cannot create '%s'", writer->path.text);
    }
    if (rc == PROXIMADB_OK) {
        rc = px_parquet_writer_open(writer->fs, writer->fd, writer->columns.items,
                                    writer->columns.count, &writer->parquet, reterr);
        if (rc != PROXIMADB_OK)
            px_error_context(reterr, "while '%s' was written", writer->file.path);
    }
    if (rc != PROXIMADB_OK) {
        release(writer, true);
        return rc;
    }
    *ret_writer = writer;
    return PROXIMADB_OK;
}

static void append_array(struct px_part_writer *writer, size_t column, struct px_slice array)
{
    struct px_strings walk = px_strings_first(array);
    struct px_slice string;
    size_t count = 0;
    while (px_strings_next(&walk, &string)) {
        if (count == writer->string_capacity) {
            size_t capacity = writer->string_capacity + STRINGS_PER_GROW + count / 2;
            struct px_slice *strings = realloc(writer->strings, capacity * sizeof *strings);
            if (strings == NULL) {
                writer->status = PROXIMADB_NO_MEMORY;
                return;
            }
            writer->strings = strings;
            writer->string_capacity = capacity;
        }
        writer->strings[count++] = string;
    }
    px_parquet_append_strings(writer->parquet, column, writer->strings, count);
}

/* Writes the value of a field into its column, or a null. Whether the column has it now. */
static bool append_field(struct px_part_writer *writer, uint32_t field_index,
                         struct px_slice metadata)
{
    const struct px_field *field = &writer->collection->fields[field_index];
    size_t column = PX_PART_FIRST_FIELD + field_index;
    struct px_parquet_writer *parquet = writer->parquet;
    struct px_value value;
    bool present = px_metadata_find(metadata, px_slice_of_string(field->name), &value);
    if (!present || value.kind == PROXIMADB_VALUE_NULL ||
        px_field_fit(field, &value, NULL) != PROXIMADB_OK) {
        px_parquet_append_null(parquet, column);
        return false;
    }
    switch (field->type) {
    case PROXIMADB_FIELD_STRING:
        px_parquet_append_bytes(parquet, column, value.as.string);
        break;
    case PROXIMADB_FIELD_LONG:
        px_parquet_append_i64(parquet, column, value.as.integer);
        break;
    case PROXIMADB_FIELD_DOUBLE:
        px_parquet_append_double(parquet, column, value.as.number);
        break;
    case PROXIMADB_FIELD_BOOLEAN:
        px_parquet_append_bool(parquet, column, value.as.boolean);
        break;
    case PROXIMADB_FIELD_STRING_ARRAY:
        append_array(writer, column, value.as.array);
        break;
    }
    return true;
}

/* Which of a row's fields have gone into columns. */
struct in_columns {
    const struct px_collection *collection;
    bool fields[PX_MOST_FIELDS];
    uint32_t count;
};

static bool is_in_column(void *context, struct px_slice key)
{
    const struct in_columns *in_columns = context;
    const struct px_field *field = px_collection_find_field(in_columns->collection, key);
    return field != NULL && in_columns->fields[field - in_columns->collection->fields];
}

static void append_metadata(struct px_part_writer *writer, struct px_slice metadata)
{
    struct in_columns in_columns = {.collection = writer->collection};
    for (uint32_t i = 0; i < writer->collection->field_count; i++) {
        in_columns.fields[i] = append_field(writer, i, metadata);
        in_columns.count += in_columns.fields[i];
    }
    if ((uint64_t)px_metadata_first(metadata).left == in_columns.count) {
        px_parquet_append_null(writer->parquet, PX_PART_METADATA);
        return;
    }
    px_buffer_clear(&writer->json);
    px_metadata_to_json(metadata, is_in_column, &in_columns, &writer->json);
    if (writer->json.status != PROXIMADB_OK)
        writer->status = PROXIMADB_NO_MEMORY;
    else
        px_parquet_append_bytes(writer->parquet, PX_PART_METADATA, px_buffer_slice(&writer->json));
}

static void count_row(struct px_manifest_file *file, int64_t version)
{
    if (file->row_count == 0 || version < file->min_lsn)
        file->min_lsn = version;
    if (file->row_count == 0 || version > file->max_lsn)
        file->max_lsn = version;
    file->row_count++;
}

void px_part_writer_add(struct px_part_writer *writer, const struct px_record *record)
{
    struct px_parquet_writer *parquet = writer->parquet;
    assert(record->vector != NULL && record->version > 0);
    assert(record->dim_count == writer->collection->dim_count);
    px_parquet_append_bytes(parquet, PX_PART_ID, record->id);
    px_parquet_append_i64(parquet, PX_PART_VERSION, record->version);
    px_parquet_append_vectors(parquet, PX_PART_VECTOR, record->vector, 1);
    px_parquet_append_i64(parquet, PX_PART_TIMESTAMP, record->timestamp_ms);
    if (record->expires_at_ms != PX_NEVER)
        px_parquet_append_i64(parquet, PX_PART_EXPIRES_AT, record->expires_at_ms);
    else
        px_parquet_append_null(parquet, PX_PART_EXPIRES_AT);
    if (record->has_document)
        px_parquet_append_bytes(parquet, PX_PART_DOCUMENT, record->document);
    else
        px_parquet_append_null(parquet, PX_PART_DOCUMENT);
    append_metadata(writer, record->metadata);
    count_row(&writer->file, record->version);
    if (px_parquet_writer_held_bytes(parquet) > ROW_GROUP_BYTES) {
        int rc = px_parquet_writer_end_row_group(parquet, NULL);
        (void)rc; /* a failure sticks, and shows when the file is finished */
    }
}

static void end_list(struct px_part_writer *writer)
{
    uint64_t row_count = writer->file.row_count - writer->list_first_row;
    if (writer->list_id != 0 && row_count > 0)
        px_part_lists_append(&writer->lists, writer->list_id, (uint32_t)row_count);
}

void px_part_writer_begin_list(struct px_part_writer *writer, uint32_t list_id)
{
    assert(list_id != 0 && (writer->list_id != 0 || writer->file.row_count == 0));
    end_list(writer);
    writer->list_id = list_id;
    writer->list_first_row = writer->file.row_count;
}

uint32_t px_part_writer_row_count(const struct px_part_writer *writer)
{
    return (uint32_t)writer->file.row_count;
}

static struct px_parquet_key_value key_value(const char *key, const char *value)
{
    return (struct px_parquet_key_value){.key = px_slice_of_string(key),
                                         .value = px_slice_of_string(value)};
}

static int write_footer(struct px_part_writer *writer, struct proximadb_error *reterr)
{
    char version[16], cluster[16], id[PX_UUID_TEXT_BYTES];
    struct px_parquet_written written;
    snprintf(version, sizeof version, "%d", PX_PART_FORMAT_VERSION);
    snprintf(cluster, sizeof cluster, "%u", writer->file.cluster);
    px_uuid_format(writer->collection->id, id);
    const struct px_parquet_key_value key_values[] = {
        key_value(px_part_key_format_version, version),
        key_value(px_part_key_collection, writer->collection->name),
        key_value(px_part_key_collection_id, id),
        key_value(px_part_key_metric, px_metric_name(writer->collection->metric)),
        key_value(px_part_key_cluster, cluster),
        {px_slice_of_string(px_part_lists_key), px_buffer_slice(&writer->lists)},
    };
    size_t count = sizeof key_values / sizeof key_values[0] - (writer->lists.size_bytes == 0);
    int rc = px_parquet_writer_finish(writer->parquet, key_values, count, &written, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    writer->file.size_bytes = written.size_bytes;
    writer->file.crc32c = written.crc32c;
    return PROXIMADB_OK;
}

int px_part_writer_finish(struct px_part_writer *writer, struct px_manifest_file *ret_file,
                          struct proximadb_error *reterr)
{
    end_list(writer);
    int rc = px_buffer_status(&writer->lists, reterr);
    if (rc == PROXIMADB_OK)
        rc = writer->status == PROXIMADB_OK ? write_footer(writer, reterr)
                                            : px_fail_no_memory(reterr);
    if (rc == PROXIMADB_OK && writer->fs->sync_data(writer->fs, writer->fd) < 0)
        rc = px_fail_file(reterr, "cannot sync '%s'", writer->path.text);
    if (rc == PROXIMADB_OK)
        *ret_file = writer->file;
    else
        px_error_context(reterr, "while '%s' was written", writer->file.path);
    release(writer, rc != PROXIMADB_OK);
    return rc;
}

#include "viper/part.h"

#include "base/bits.h"
#include "model/metadata.h"
#include "os/file.h"
#include "os/path.h"
#include "parquet/parquet_cursor.h"
#include "viper/part_columns.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    SCRATCH_ALIGN = 64,
    /* Of decoded vectors: a chunk of axis/exact.c, whose shares are whole numbers of these. */
    BLOCK_BYTES = 128 << 10,
    MOST_BLOCK_ROWS = 1024,
};

/* A column of the file that belongs to a filterable field. */
struct part_field {
    size_t column;
    enum proximadb_field_type type;
    struct px_slice name; /* view into the column's name */
};

struct px_part {
    struct px_fs *fs;
    struct px_path path;
    struct px_manifest_file file;
    struct px_slice mapping;
    struct px_parquet_reader *parquet;
    uint32_t dim_count;
    bool has_expiry;
    bool is_plain;
    bool can_look_up;
    uint32_t field_count;
    struct part_field fields[PX_MOST_FIELDS];
    struct px_dead_rows dead;
    struct px_removal_gate *_Atomic gate; /* a reference, once the part is obsolete */
};

/* ---- opening ------------------------------------------------------------------------------- */

static int map_file(struct px_part *part, struct proximadb_error *reterr)
{
    struct px_fs *fs = part->fs;
    struct px_fs_info info;
    const void *data;
    if (fs->info(fs, part->path.text, &info) < 0)
        return errno == ENOENT
                   ? px_fail(reterr, PROXIMADB_CORRUPT,
                             "the file is missing; put it back, or replace the collection by "
                             "its backup (docs/BACKUP.md)")
                   : px_fail(reterr, PROXIMADB_IO, "cannot look at the file");
    if (info.size_bytes != part->file.size_bytes)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the file has %llu bytes, the manifest says %llu",
                       (unsigned long long)info.size_bytes,
                       (unsigned long long)part->file.size_bytes);
    int fd = fs->open(fs, part->path.text, PX_FS_READ);
    if (fd < 0)
        return px_fail(reterr, PROXIMADB_IO, "cannot open the file");
    int rc = PROXIMADB_OK;
    if (fs->map(fs, fd, (size_t)info.size_bytes, &data) < 0)
        rc = px_fail(reterr, PROXIMADB_IO, "cannot map the file");
    else
        part->mapping = px_slice_of(data, (size_t)info.size_bytes);
    (void)fs->close(fs, fd);
    return rc;
}

static bool value_is(const struct px_parquet_reader *parquet, const char *key, const char *expected)
{
    struct px_slice value;
    return px_parquet_reader_find_value(parquet, key, &value) &&
           px_slice_equal(value, px_slice_of_string(expected));
}

static int check_key_values(const struct px_part *part, const struct px_collection *collection,
                            struct proximadb_error *reterr)
{
    char id[PX_UUID_TEXT_BYTES], version[16];
    px_uuid_format(collection->id, id);
    snprintf(version, sizeof version, "%d", PX_PART_FORMAT_VERSION);
    if (!value_is(part->parquet, px_part_key_collection_id, id))
        return px_fail(reterr, PROXIMADB_CORRUPT, "the file belongs to another collection");
    if (!value_is(part->parquet, px_part_key_format_version, version))
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "the file is of another format than %s; upgrade", version);
    return PROXIMADB_OK;
}

/* Whether a column of the file is what we would write. */
static bool is_expected(const struct px_parquet_column *column,
                        const struct px_parquet_column *expected)
{
    return strcmp(column->name, expected->name) == 0 && column->shape == expected->shape &&
           column->type == expected->type &&
           (column->shape != PX_PARQUET_VECTOR || column->dim_count == expected->dim_count);
}

static int check_columns(struct px_part *part, const struct px_collection *collection,
                         struct proximadb_error *reterr)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(part->parquet);
    struct px_part_columns expected;
    px_part_columns_init(&expected, collection);
    if (layout->row_count != part->file.row_count || layout->row_count == 0)
        return px_fail(reterr, PROXIMADB_CORRUPT, "the file has %llu rows, the manifest says %llu",
                       (unsigned long long)layout->row_count,
                       (unsigned long long)part->file.row_count);
    for (size_t i = 0; i < PX_PART_FIRST_FIELD; i++)
        if (i >= layout->column_count || !is_expected(&layout->columns[i], &expected.items[i]))
            return px_fail(reterr, PROXIMADB_CORRUPT, "column %zu is not '%s' as it should be", i,
                           expected.items[i].name);
    for (size_t i = PX_PART_FIRST_FIELD; i < layout->column_count; i++) {
        struct part_field field = {.column = i};
        if (part->field_count < PX_MOST_FIELDS &&
            px_part_column_field(&layout->columns[i], &field.type, &field.name))
            part->fields[part->field_count++] = field;
    }
    return PROXIMADB_OK;
}

static bool any_expiry(const struct px_parquet_layout *layout)
{
    for (size_t i = 0; i < layout->row_group_count; i++) {
        const struct px_parquet_row_group *group = &layout->row_groups[i];
        int64_t nulls = group->chunks[PX_PART_EXPIRES_AT].statistics.null_count;
        if (nulls < 0 || (uint64_t)nulls != group->row_count)
            return true;
    }
    return false;
}

static bool has_plain_vectors(const struct px_parquet_reader *parquet)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(parquet);
    for (size_t i = 0; i < layout->row_group_count; i++)
        if (!px_parquet_reader_is_plain(parquet, PX_PART_VECTOR, i))
            return false;
    return true;
}

static int open_checked(struct px_part *part, const struct px_collection *collection,
                        struct proximadb_error *reterr)
{
    int rc = map_file(part, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_reader_open(part->mapping, &part->parquet, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_key_values(part, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = check_columns(part, collection, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_dead_rows_init(&part->dead, (uint32_t)part->file.row_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    part->has_expiry = any_expiry(px_parquet_reader_layout(part->parquet));
    part->is_plain = has_plain_vectors(part->parquet);
    part->can_look_up = px_parquet_can_look_up(part->parquet, PX_PART_ID) &&
                        px_parquet_can_look_up(part->parquet, PX_PART_VERSION);
    return PROXIMADB_OK;
}

int px_part_open(struct px_fs *fs, const char *store_folder, const struct px_manifest_file *file,
                 const struct px_collection *collection, struct px_part **ret_part,
                 struct proximadb_error *reterr)
{
    struct px_part *part = calloc(1, sizeof *part);
    if (part == NULL)
        return px_fail_no_memory(reterr);
    part->fs = fs;
    part->file = *file;
    part->dim_count = collection->dim_count;
    int rc = px_path_format(&part->path, reterr, "%s/%s", store_folder, file->path);
    if (rc == PROXIMADB_OK) {
        rc = open_checked(part, collection, reterr);
        if (rc != PROXIMADB_OK)
            px_error_context(reterr, "the part '%s'", part->path.text);
    }
    if (rc != PROXIMADB_OK) {
        px_part_close(part);
        return rc;
    }
    *ret_part = part;
    return PROXIMADB_OK;
}

void px_part_close(struct px_part *part)
{
    if (part == NULL)
        return;
    px_parquet_reader_close(part->parquet);
    px_dead_rows_release(&part->dead);
    if (part->mapping.size_bytes > 0)
        (void)part->fs->unmap(part->fs, part->mapping.data, part->mapping.size_bytes);
    struct px_removal_gate *gate = atomic_load(&part->gate);
    if (gate != NULL)
        px_removal_gate_remove(gate, part->fs, part->path.text);
    px_removal_gate_unref(gate);
    free(part);
}

void px_part_set_obsolete(struct px_part *part, struct px_removal_gate *gate)
{
    assert(atomic_load(&part->gate) == NULL);
    atomic_store(&part->gate, px_removal_gate_ref(gate));
}

const struct px_manifest_file *px_part_file(const struct px_part *part)
{
    return &part->file;
}

struct px_parquet_reader *px_part_parquet(struct px_part *part)
{
    return part->parquet;
}

uint32_t px_part_row_count(const struct px_part *part)
{
    return (uint32_t)part->file.row_count;
}

uint64_t px_part_memory_bytes(const struct px_part *part)
{
    const struct px_parquet_layout *layout = px_parquet_reader_layout(part->parquet);
    uint64_t row_bytes = part->is_plain ? 0 : part->dim_count * sizeof(float);
    uint64_t total = px_part_row_count(part) * row_bytes;
    for (size_t i = 0; i < layout->row_group_count; i++)
        for (size_t column = 0; column < layout->column_count; column++)
            if (column != PX_PART_VECTOR)
                total += layout->row_groups[i].chunks[column].uncompressed_bytes;
    return total;
}

struct px_dead_rows *px_part_dead_rows(struct px_part *part)
{
    return &part->dead;
}

bool px_part_has_expiry(const struct px_part *part)
{
    return part->has_expiry;
}

/* ---- vectors ------------------------------------------------------------------------------- */

/* The outcome of a read, with the file's name. What we wrote has nothing in it that we cannot
 * read. */
static int in_file(int rc, const struct px_part *part, struct proximadb_error *reterr)
{
    if (rc == PROXIMADB_OK || rc == PROXIMADB_NO_MEMORY)
        return rc;
    px_error_context(reterr, "the part '%s'", part->path.text);
    if (rc != PROXIMADB_UNIMPLEMENTED)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_CORRUPT;
    return PROXIMADB_CORRUPT;
}

bool px_part_is_plain(const struct px_part *part)
{
    return part->is_plain;
}

void px_part_scratch_release(struct px_part_scratch *scratch)
{
    if (scratch->part != NULL)
        px_parquet_vector_cursor_release(&scratch->cursor);
    free(scratch->vectors);
    *scratch = (struct px_part_scratch){0};
}

/* Room for that many rows of the part. */
static int prepare_scratch(struct px_part_scratch *scratch, const struct px_part *part,
                           size_t row_count, struct proximadb_error *reterr)
{
    size_t floats = row_count * part->dim_count;
    if (floats > scratch->capacity_floats) {
        free(scratch->vectors);
        scratch->capacity_floats = 0;
        scratch->vectors =
            aligned_alloc(SCRATCH_ALIGN, px_round_up(floats * sizeof(float), SCRATCH_ALIGN));
        if (scratch->vectors == NULL)
            return px_fail_no_memory(reterr);
        scratch->capacity_floats = floats;
    }
    if (scratch->part == part)
        return PROXIMADB_OK;
    if (scratch->part != NULL)
        px_parquet_vector_cursor_release(&scratch->cursor);
    px_parquet_vector_cursor_init(&scratch->cursor, part->parquet, PX_PART_VECTOR);
    scratch->part = part;
    return PROXIMADB_OK;
}

static int decode(const struct px_part *part, struct px_part_scratch *scratch, uint32_t row,
                  uint32_t row_count, struct proximadb_error *reterr)
{
    int rc = prepare_scratch(scratch, part, row_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_parquet_vector_cursor_read(&scratch->cursor, row, row_count, scratch->vectors,
                                           reterr);
    return in_file(rc, part, reterr);
}

static int get_block_in_place(const struct px_part *part, uint32_t row,
                              struct px_part_block *ret_block, struct proximadb_error *reterr)
{
    struct px_parquet_vectors vectors;
    int rc = px_parquet_reader_vectors(part->parquet, PX_PART_VECTOR, row, &vectors, reterr);
    if (rc != PROXIMADB_OK)
        return in_file(rc, part, reterr);
    *ret_block = (struct px_part_block){
        .vectors = vectors.values,
        .stride_bytes = part->dim_count * sizeof(float),
        .first_row = (uint32_t)vectors.first_row,
        .row_count = vectors.row_count,
    };
    return PROXIMADB_OK;
}

int px_part_get_block(const struct px_part *part, struct px_part_scratch *scratch, uint32_t row,
                      struct px_part_block *ret_block, struct proximadb_error *reterr)
{
    size_t row_bytes = part->dim_count * sizeof(float);
    uint32_t left = px_part_row_count(part) - row, most = (uint32_t)(BLOCK_BYTES / row_bytes);
    if (part->is_plain)
        return get_block_in_place(part, row, ret_block, reterr);
    most = most == 0 ? 1 : most < MOST_BLOCK_ROWS ? most : MOST_BLOCK_ROWS;
    uint32_t row_count = left < most ? left : most;
    int rc = decode(part, scratch, row, row_count, reterr);
    if (rc == PROXIMADB_OK)
        *ret_block = (struct px_part_block){.vectors = scratch->vectors,
                                            .stride_bytes = row_bytes,
                                            .first_row = row,
                                            .row_count = row_count};
    return rc;
}

int px_part_get_vector(const struct px_part *part, struct px_part_scratch *scratch, uint32_t row,
                       const float **ret_vector, struct proximadb_error *reterr)
{
    if (part->is_plain)
        return in_file(
            px_parquet_reader_vector(part->parquet, PX_PART_VECTOR, row, ret_vector, reterr), part,
            reterr);
    int rc = decode(part, scratch, row, 1, reterr);
    if (rc == PROXIMADB_OK)
        *ret_vector = scratch->vectors;
    return rc;
}

/* ---- reading single rows ------------------------------------------------------------------- */

bool px_part_can_look_up(const struct px_part *part)
{
    return part->can_look_up;
}

int px_part_get_id(const struct px_part *part, uint32_t row, struct px_slice *ret_id,
                   struct proximadb_error *reterr)
{
    return in_file(px_parquet_lookup_bytes(part->parquet, PX_PART_ID, row, ret_id, reterr), part,
                   reterr);
}

int px_part_get_version(const struct px_part *part, uint32_t row, int64_t *ret_version,
                        struct proximadb_error *reterr)
{
    return in_file(px_parquet_lookup_i64(part->parquet, PX_PART_VERSION, row, ret_version, reterr),
                   part, reterr);
}

struct px_part_reader {
    const struct px_part *part;
    struct px_parquet_cursor fixed[PX_PART_FIRST_FIELD]; /* PX_PART_VECTOR is not used */
    struct px_parquet_cursor *fields;                    /* one for each of part->fields */
    struct px_part_scratch scratch;
    struct px_buffer from_json; /* scratch: the metadata of the JSON column, canonical */
    struct px_buffer metadata;  /* the whole metadata of the last row */
};

int px_part_reader_new(const struct px_part *part, struct px_part_reader **ret_reader,
                       struct proximadb_error *reterr)
{
    struct px_part_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return px_fail_no_memory(reterr);
    reader->part = part;
    reader->fields = calloc(part->field_count + 1, sizeof *reader->fields);
    if (reader->fields == NULL) {
        free(reader);
        return px_fail_no_memory(reterr);
    }
    for (size_t i = 0; i < PX_PART_FIRST_FIELD; i++)
        if (i != PX_PART_VECTOR)
            px_parquet_cursor_init(&reader->fixed[i], part->parquet, i);
    for (uint32_t i = 0; i < part->field_count; i++)
        px_parquet_cursor_init(&reader->fields[i], part->parquet, part->fields[i].column);
    *ret_reader = reader;
    return PROXIMADB_OK;
}

void px_part_reader_share_pages(struct px_part_reader *reader)
{
    for (size_t i = 0; i < PX_PART_FIRST_FIELD; i++)
        if (i != PX_PART_VECTOR)
            px_parquet_cursor_share_pages(&reader->fixed[i]);
    for (uint32_t i = 0; i < reader->part->field_count; i++)
        px_parquet_cursor_share_pages(&reader->fields[i]);
}

uint64_t px_part_shared_bytes(void)
{
    return px_parquet_shared_bytes();
}

void px_part_reader_free(struct px_part_reader *reader)
{
    if (reader == NULL)
        return;
    for (size_t i = 0; i < PX_PART_FIRST_FIELD; i++)
        px_parquet_cursor_release(&reader->fixed[i]);
    for (uint32_t i = 0; i < reader->part->field_count; i++)
        px_parquet_cursor_release(&reader->fields[i]);
    free(reader->fields);
    px_part_scratch_release(&reader->scratch);
    px_buffer_release(&reader->from_json);
    px_buffer_release(&reader->metadata);
    free(reader);
}

int px_part_read_id(struct px_part_reader *reader, uint32_t row, struct px_slice *ret_id,
                    struct proximadb_error *reterr)
{
    return in_file(
        px_parquet_cursor_get_bytes(&reader->fixed[PX_PART_ID], row, NULL, ret_id, reterr),
        reader->part, reterr);
}

int px_part_read_version(struct px_part_reader *reader, uint32_t row, int64_t *ret_version,
                         struct proximadb_error *reterr)
{
    return in_file(
        px_parquet_cursor_get_i64(&reader->fixed[PX_PART_VERSION], row, NULL, ret_version, reterr),
        reader->part, reterr);
}

int px_part_read_expiry(struct px_part_reader *reader, uint32_t row, int64_t *ret_expires_at_ms,
                        struct proximadb_error *reterr)
{
    bool is_present = false;
    int64_t expires_at_ms = PX_NEVER;
    if (reader->part->has_expiry) {
        int rc = px_parquet_cursor_get_i64(&reader->fixed[PX_PART_EXPIRES_AT], row, &is_present,
                                           &expires_at_ms, reterr);
        if (rc != PROXIMADB_OK)
            return in_file(rc, reader->part, reterr);
    }
    *ret_expires_at_ms = is_present ? expires_at_ms : PX_NEVER;
    return PROXIMADB_OK;
}

/* The value of a field's column; *ret_present false for a null. Arrays are encoded into `array`. */
static int read_field(struct px_part_reader *reader, uint32_t index, uint32_t row,
                      struct px_buffer *array, bool *ret_present, struct px_value *ret_value,
                      struct proximadb_error *reterr)
{
    struct px_parquet_cursor *cursor = &reader->fields[index];
    struct px_parquet_strings strings;
    int rc = PROXIMADB_OK;
    switch (reader->part->fields[index].type) {
    case PROXIMADB_FIELD_STRING:
        ret_value->kind = PROXIMADB_VALUE_STRING;
        return px_parquet_cursor_get_bytes(cursor, row, ret_present, &ret_value->as.string, reterr);
    case PROXIMADB_FIELD_LONG:
        ret_value->kind = PROXIMADB_VALUE_LONG;
        return px_parquet_cursor_get_i64(cursor, row, ret_present, &ret_value->as.integer, reterr);
    case PROXIMADB_FIELD_DOUBLE:
        ret_value->kind = PROXIMADB_VALUE_DOUBLE;
        return px_parquet_cursor_get_double(cursor, row, ret_present, &ret_value->as.number,
                                            reterr);
    case PROXIMADB_FIELD_BOOLEAN:
        ret_value->kind = PROXIMADB_VALUE_BOOLEAN;
        return px_parquet_cursor_get_bool(cursor, row, ret_present, &ret_value->as.boolean, reterr);
    case PROXIMADB_FIELD_STRING_ARRAY:
        rc = px_parquet_cursor_get_strings(cursor, row, &strings, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        *ret_present = strings.is_present;
        ret_value->kind = PROXIMADB_VALUE_STRING_ARRAY;
        px_buffer_clear(array);
        px_strings_write(array, strings.items, strings.count);
        ret_value->as.array = px_buffer_slice(array);
        return px_buffer_status(array, reterr);
    }
    return px_fail(reterr, PROXIMADB_INTERNAL, "a field has an unknown type");
}

/* Appends the entries of the fields' columns, without count or end; adds to *entry_count. */
static int append_fields(struct px_part_reader *reader, uint32_t row, size_t *entry_count,
                         struct proximadb_error *reterr)
{
    struct px_buffer array = {0};
    int rc = PROXIMADB_OK;
    for (uint32_t i = 0; i < reader->part->field_count && rc == PROXIMADB_OK; i++) {
        struct px_value value = {0};
        bool is_present = false;
        rc = read_field(reader, i, row, &array, &is_present, &value, reterr);
        if (rc == PROXIMADB_OK && is_present) {
            px_metadata_put(&reader->metadata, reader->part->fields[i].name, &value);
            (*entry_count)++;
        }
    }
    px_buffer_release(&array);
    return rc;
}

/* Reads the JSON column into reader->from_json. */
static int read_json(struct px_part_reader *reader, uint32_t row, struct px_slice *ret_metadata,
                     struct proximadb_error *reterr)
{
    struct px_slice json;
    bool is_present;
    *ret_metadata = px_metadata_empty;
    int rc = px_parquet_cursor_get_bytes(&reader->fixed[PX_PART_METADATA], row, &is_present, &json,
                                         reterr);
    if (rc != PROXIMADB_OK || !is_present)
        return rc;
    px_buffer_clear(&reader->from_json);
    rc = px_metadata_from_json(json, &reader->from_json, reterr);
    if (rc == PROXIMADB_INVALID) /* we wrote it */
        return px_fail(reterr, PROXIMADB_CORRUPT, "the metadata of row %u is no JSON object", row);
    if (rc != PROXIMADB_OK)
        return rc;
    *ret_metadata = px_buffer_slice(&reader->from_json);
    return rc;
}

static int count_columns_present(struct px_part_reader *reader, uint32_t row, size_t *ret_count,
                                 struct proximadb_error *reterr)
{
    size_t count = 0;
    for (uint32_t i = 0; i < reader->part->field_count; i++) {
        struct px_parquet_cursor *cursor = &reader->fields[i];
        int rc = px_parquet_cursor_seek(cursor, row, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        count += cursor->rows.is_present[row - cursor->rows.first_row];
    }
    *ret_count = count;
    return PROXIMADB_OK;
}

int px_part_read_metadata(struct px_part_reader *reader, uint32_t row,
                          struct px_slice *ret_metadata, struct proximadb_error *reterr)
{
    struct px_slice rest;
    size_t in_columns;
    int rc = read_json(reader, row, &rest, reterr);
    if (rc == PROXIMADB_OK)
        rc = count_columns_present(reader, row, &in_columns, reterr);
    if (rc != PROXIMADB_OK)
        return in_file(rc, reader->part, reterr);
    if (in_columns == 0) {
        *ret_metadata = rest;
        return PROXIMADB_OK;
    }
    struct px_metadata_walk walk = px_metadata_first(rest);
    size_t total = in_columns + (size_t)walk.left, written = 0;
    struct px_slice key;
    struct px_value value;
    px_buffer_clear(&reader->metadata);
    px_metadata_begin(&reader->metadata, total);
    rc = append_fields(reader, row, &written, reterr);
    if (rc != PROXIMADB_OK)
        return in_file(rc, reader->part, reterr);
    assert(written == in_columns);
    while (px_metadata_next(&walk, &key, &value))
        px_metadata_put(&reader->metadata, key, &value);
    px_metadata_finish(&reader->metadata, total);
    *ret_metadata = px_buffer_slice(&reader->metadata);
    return px_buffer_status(&reader->metadata, reterr);
}

int px_part_read_vector(struct px_part_reader *reader, uint32_t row, const float **ret_vector,
                        struct proximadb_error *reterr)
{
    return px_part_get_vector(reader->part, &reader->scratch, row, ret_vector, reterr);
}

int px_part_read_texts(struct px_part_reader *reader, uint32_t row, struct px_record *record,
                       struct proximadb_error *reterr)
{
    int rc = px_parquet_cursor_get_bytes(&reader->fixed[PX_PART_DOCUMENT], row,
                                         &record->has_document, &record->document, reterr);
    if (rc != PROXIMADB_OK)
        return in_file(rc, reader->part, reterr);
    return px_part_read_metadata(reader, row, &record->metadata, reterr);
}

int px_part_read_record(struct px_part_reader *reader, uint32_t row, bool with_vector,
                        struct px_record *ret_record, struct proximadb_error *reterr)
{
    const struct px_part *part = reader->part;
    struct px_record record = {.dim_count = part->dim_count};
    const float *vector = NULL;
    int rc = px_part_read_id(reader, row, &record.id, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_part_read_version(reader, row, &record.version, reterr);
    if (rc == PROXIMADB_OK && with_vector)
        rc = px_part_read_vector(reader, row, &vector, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_part_read_expiry(reader, row, &record.expires_at_ms, reterr);
    if (rc == PROXIMADB_OK)
        rc = in_file(px_parquet_cursor_get_i64(&reader->fixed[PX_PART_TIMESTAMP], row, NULL,
                                               &record.timestamp_ms, reterr),
                     part, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_part_read_texts(reader, row, &record, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    record.vector = vector;
    *ret_record = record;
    return PROXIMADB_OK;
}

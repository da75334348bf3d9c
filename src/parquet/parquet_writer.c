#include "parquet/parquet_writer.h"

#include "base/arena.h"
#include "parquet/arrow_schema_internal.h"
#include "parquet/bloom_internal.h"
#include "parquet/chunk_internal.h"
#include "parquet/footer_internal.h"
#include "parquet/output_internal.h"
#include "parquet/parquet_format_internal.h"
#include "parquet/vector_chunk_internal.h"

#include <assert.h>
#include <stdlib.h>

enum { MOST_ROW_GROUPS = INT16_MAX };

struct px_parquet_writer {
    struct px_output output;
    const struct px_parquet_column *columns; /* kept */
    size_t column_count;
    size_t vector_column; /* column_count: there is none */
    struct px_vector_chunk vector;
    struct px_chunk *chunks; /* by column; that of the vector is not used */
    struct px_zstd_compressor *compressor;
    struct px_arena arena;       /* what the footer says of row groups */
    struct px_buffer row_groups; /* struct px_parquet_row_group */
    struct px_buffer column_indexes;
    struct px_buffer offset_indexes;
    uint64_t row_count; /* in ended row groups */
    bool is_finished;
    struct proximadb_error failure; /* its status is PROXIMADB_OK while all is well */
};

/* ---- opening ------------------------------------------------------------------------------- */

static bool needs_compressor(const struct px_parquet_writer *writer)
{
    for (size_t i = 0; i < writer->column_count; i++)
        if (writer->columns[i].zstd_level != 0 && writer->columns[i].shape != PX_PARQUET_VECTOR)
            return true;
    return false;
}

static int init_chunks(struct px_parquet_writer *writer, struct proximadb_error *reterr)
{
    if (needs_compressor(writer)) {
        writer->compressor = px_zstd_compressor_new();
        if (writer->compressor == NULL)
            return px_fail_no_memory(reterr);
    }
    writer->chunks = calloc(writer->column_count, sizeof *writer->chunks);
    if (writer->chunks == NULL)
        return px_fail_no_memory(reterr);
    for (size_t i = 0; i < writer->column_count; i++) {
        const struct px_parquet_column *column = &writer->columns[i];
        if (column->shape != PX_PARQUET_VECTOR) {
            px_chunk__init(&writer->chunks[i], column, writer->compressor);
            continue;
        }
        writer->vector_column = i;
        int rc = px_vector_chunk__init(&writer->vector, column, &writer->output, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

int px_parquet_writer_open(struct px_fs *fs, int fd, const struct px_parquet_column *columns,
                           size_t column_count, struct px_parquet_writer **ret_writer,
                           struct proximadb_error *reterr)
{
    int rc = px_parquet_schema_validate(columns, column_count, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_parquet_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return px_fail_no_memory(reterr);
    writer->output = (struct px_output){.fs = fs, .fd = fd};
    writer->columns = columns;
    writer->column_count = column_count;
    writer->vector_column = column_count;
    rc = init_chunks(writer, reterr);
    struct px_slice magic = px_slice_of(PX_PARQUET_MAGIC, PX_PARQUET_MAGIC_BYTES);
    if (rc == PROXIMADB_OK)
        rc = px_output__write(&writer->output, &magic, 1, reterr);
    if (rc == PROXIMADB_OK)
        *ret_writer = writer;
    else
        px_parquet_writer_free(writer);
    return rc;
}

void px_parquet_writer_free(struct px_parquet_writer *writer)
{
    if (writer == NULL)
        return;
    for (size_t i = 0; writer->chunks != NULL && i < writer->column_count; i++)
        px_chunk__release(&writer->chunks[i]);
    free(writer->chunks);
    px_vector_chunk__release(&writer->vector);
    px_zstd_compressor_free(writer->compressor);
    px_arena_release(&writer->arena);
    px_buffer_release(&writer->row_groups);
    px_buffer_release(&writer->column_indexes);
    px_buffer_release(&writer->offset_indexes);
    free(writer);
}

int px_parquet_writer_status(const struct px_parquet_writer *writer, struct proximadb_error *reterr)
{
    if (writer->failure.status != PROXIMADB_OK && reterr != NULL)
        *reterr = writer->failure;
    return writer->failure.status;
}

/* ---- appending ----------------------------------------------------------------------------- */

/* The chunk to append to, or NULL after a failure. */
static struct px_chunk *chunk_of(struct px_parquet_writer *writer, size_t column)
{
    assert(column < writer->column_count && column != writer->vector_column);
    assert(!writer->is_finished);
    return writer->failure.status == PROXIMADB_OK ? &writer->chunks[column] : NULL;
}

/* Keeps a failure; what it says is in writer->failure already, but for its status. */
static void note(struct px_parquet_writer *writer, int rc)
{
    writer->failure.status = rc;
}

static void append_fixed(struct px_parquet_writer *writer, size_t column, enum px_parquet_type type,
                         const void *value)
{
    struct px_chunk *chunk = chunk_of(writer, column);
    assert(writer->columns[column].type == type);
    (void)type;
    if (chunk != NULL)
        note(writer, px_chunk__append_fixed(chunk, value, &writer->failure));
}

void px_parquet_append_bool(struct px_parquet_writer *writer, size_t column, bool value)
{
    uint8_t byte = value;
    append_fixed(writer, column, PX_PARQUET_BOOLEAN, &byte);
}

void px_parquet_append_i32(struct px_parquet_writer *writer, size_t column, int32_t value)
{
    append_fixed(writer, column, PX_PARQUET_INT32, &value);
}

void px_parquet_append_i64(struct px_parquet_writer *writer, size_t column, int64_t value)
{
    append_fixed(writer, column, PX_PARQUET_INT64, &value);
}

void px_parquet_append_float(struct px_parquet_writer *writer, size_t column, float value)
{
    append_fixed(writer, column, PX_PARQUET_FLOAT, &value);
}

void px_parquet_append_double(struct px_parquet_writer *writer, size_t column, double value)
{
    append_fixed(writer, column, PX_PARQUET_DOUBLE, &value);
}

void px_parquet_append_bytes(struct px_parquet_writer *writer, size_t column, struct px_slice value)
{
    struct px_chunk *chunk = chunk_of(writer, column);
    if (chunk != NULL)
        note(writer, px_chunk__append_bytes(chunk, value, &writer->failure));
}

void px_parquet_append_null(struct px_parquet_writer *writer, size_t column)
{
    struct px_chunk *chunk = chunk_of(writer, column);
    if (chunk != NULL)
        note(writer, px_chunk__append_null(chunk, &writer->failure));
}

void px_parquet_append_strings(struct px_parquet_writer *writer, size_t column,
                               const struct px_slice *strings, size_t count)
{
    struct px_chunk *chunk = chunk_of(writer, column);
    if (chunk != NULL)
        note(writer, px_chunk__append_list(chunk, strings, count, &writer->failure));
}

void px_parquet_append_vectors(struct px_parquet_writer *writer, size_t column, const void *vectors,
                               size_t row_count)
{
    assert(column < writer->column_count && column == writer->vector_column);
    assert(!writer->is_finished);
    (void)column;
    if (writer->failure.status == PROXIMADB_OK)
        note(writer,
             px_vector_chunk__append(&writer->vector, vectors, row_count, &writer->failure));
}

size_t px_parquet_writer_held_bytes(const struct px_parquet_writer *writer)
{
    size_t held = 0;
    for (size_t i = 0; i < writer->column_count; i++)
        held += i == writer->vector_column ? px_vector_chunk__held_bytes(&writer->vector)
                                           : px_chunk__held_bytes(&writer->chunks[i]);
    return held;
}

/* ---- row groups ---------------------------------------------------------------------------- */

/* Ends the pages of all columns, which must then have the same number of rows. */
static int finish_chunks(struct px_parquet_writer *writer, uint64_t *ret_row_count,
                         struct proximadb_error *reterr)
{
    uint64_t row_count = 0;
    for (size_t i = 0; i < writer->column_count; i++) {
        bool is_vector = i == writer->vector_column;
        int rc = is_vector ? px_vector_chunk__finish(&writer->vector, reterr)
                           : px_chunk__finish(&writer->chunks[i], reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        uint64_t rows =
            is_vector ? px_vector_chunk__row_count(&writer->vector) : writer->chunks[i].row_count;
        assert(i == 0 || rows == row_count);
        row_count = rows;
    }
    *ret_row_count = row_count;
    return PROXIMADB_OK;
}

/* Writes bytes that belong together; *ret_range is where they are. */
static int write_range(struct px_parquet_writer *writer, const struct px_buffer *bytes,
                       struct px_parquet_range *ret_range, struct proximadb_error *reterr)
{
    struct px_slice piece = px_buffer_slice(bytes);
    uint64_t offset = writer->output.size_bytes;
    int rc = px_output__write(&writer->output, &piece, 1, reterr);
    if (rc == PROXIMADB_OK)
        *ret_range = (struct px_parquet_range){.offset = offset, .size_bytes = piece.size_bytes};
    return rc;
}

static int copy_bound(struct px_arena *arena, const struct px_bound *bound,
                      struct px_slice *ret_bytes, struct proximadb_error *reterr)
{
    char *bytes = px_arena_copy(arena, bound->bytes, bound->size_bytes);
    if (bytes == NULL)
        return px_fail_no_memory(reterr);
    *ret_bytes = px_slice_of(bytes, bound->size_bytes);
    return PROXIMADB_OK;
}

static int describe_statistics(struct px_parquet_writer *writer, const struct px_chunk *chunk,
                               struct px_parquet_statistics *ret_statistics,
                               struct proximadb_error *reterr)
{
    struct px_parquet_statistics statistics = {
        .null_count = (int64_t)chunk->null_count,
        .has_bounds = chunk->bounds.is_set && chunk->has_all_bounds,
        .min_is_exact = chunk->bounds.min.is_exact,
        .max_is_exact = chunk->bounds.max.is_exact,
    };
    int rc = copy_bound(&writer->arena, &chunk->bounds.min, &statistics.min, reterr);
    if (rc == PROXIMADB_OK)
        rc = copy_bound(&writer->arena, &chunk->bounds.max, &statistics.max, reterr);
    if (rc == PROXIMADB_OK)
        *ret_statistics = statistics;
    return rc;
}

/* Writes the pages of a column other than the vector. */
static int write_chunk(struct px_parquet_writer *writer, size_t column,
                       struct px_parquet_chunk *described, struct proximadb_error *reterr)
{
    const struct px_chunk *chunk = &writer->chunks[column];
    described->codec =
        writer->columns[column].zstd_level != 0 ? PX_PARQUET_ZSTD : PX_PARQUET_UNCOMPRESSED;
    described->value_count = chunk->value_count;
    described->uncompressed_bytes = chunk->uncompressed_bytes;
    int rc = describe_statistics(writer, chunk, &described->statistics, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return write_range(writer, &chunk->pages, &described->pages, reterr);
}

static int write_bloom_filter(struct px_parquet_writer *writer, size_t column,
                              struct px_parquet_chunk *described, struct proximadb_error *reterr)
{
    struct px_buffer *hashes = &writer->chunks[column].hashes;
    struct px_buffer filter = {0};
    px_bloom__encode((uint64_t *)(void *)hashes->data, hashes->size_bytes / sizeof(uint64_t),
                     &filter);
    int rc = px_buffer_status(&filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = write_range(writer, &filter, &described->bloom_filter, reterr);
    px_buffer_release(&filter);
    return rc;
}

/* Encodes the page indexes of a column; where they are is counted from the first one of their kind
 * until the file is finished. */
static void add_indexes(struct px_parquet_writer *writer, size_t column,
                        struct px_parquet_chunk *described)
{
    const struct px_parquet_column *type = &writer->columns[column];
    bool is_vector = column == writer->vector_column;
    size_t count;
    const struct px_page_record *records = px_chunk__records(
        is_vector ? px_vector_chunk__records(&writer->vector) : &writer->chunks[column].records,
        &count);
    described->page_count = count;
    size_t begin = writer->offset_indexes.size_bytes;
    px_page_index__put_offsets(records, count, described->pages.offset, &writer->offset_indexes);
    described->offset_index = (struct px_parquet_range){
        .offset = begin, .size_bytes = writer->offset_indexes.size_bytes - begin};
    if (!type->has_statistics || !px_page_index__has_bounds(records, count))
        return;
    begin = writer->column_indexes.size_bytes;
    px_page_index__put_bounds(type->type, records, count, &writer->column_indexes);
    described->column_index = (struct px_parquet_range){
        .offset = begin, .size_bytes = writer->column_indexes.size_bytes - begin};
}

static int write_group(struct px_parquet_writer *writer, struct px_parquet_row_group *group,
                       struct proximadb_error *reterr)
{
    int rc = PROXIMADB_OK;
    if (writer->vector_column < writer->column_count)
        px_vector_chunk__describe(&writer->vector, &group->chunks[writer->vector_column]);
    for (size_t i = 0; rc == PROXIMADB_OK && i < writer->column_count; i++)
        if (i != writer->vector_column)
            rc = write_chunk(writer, i, &group->chunks[i], reterr);
    for (size_t i = 0; rc == PROXIMADB_OK && i < writer->column_count; i++) {
        if (writer->columns[i].has_bloom_filter)
            rc = write_bloom_filter(writer, i, &group->chunks[i], reterr);
        add_indexes(writer, i, &group->chunks[i]);
    }
    return rc;
}

static void clear_chunks(struct px_parquet_writer *writer)
{
    for (size_t i = 0; i < writer->column_count; i++)
        if (i != writer->vector_column)
            px_chunk__clear(&writer->chunks[i]);
    px_vector_chunk__clear(&writer->vector);
}

static int end_row_group(struct px_parquet_writer *writer, struct proximadb_error *reterr)
{
    struct px_parquet_row_group group = {.first_row = writer->row_count};
    int rc = finish_chunks(writer, &group.row_count, reterr);
    if (rc != PROXIMADB_OK || group.row_count == 0)
        return rc;
    if (writer->row_groups.size_bytes / sizeof group >= MOST_ROW_GROUPS)
        return px_fail(reterr, PROXIMADB_RESOURCE_EXHAUSTED,
                       "a Parquet file has at most %d row groups; begin another file",
                       MOST_ROW_GROUPS);
    group.chunks = px_arena_calloc(&writer->arena, writer->column_count, sizeof *group.chunks);
    if (group.chunks == NULL)
        return px_fail_no_memory(reterr);
    rc = write_group(writer, &group, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    px_buffer_append(&writer->row_groups, &group, sizeof group);
    writer->row_count += group.row_count;
    clear_chunks(writer);
    return px_buffer_status(&writer->row_groups, reterr);
}

int px_parquet_writer_end_row_group(struct px_parquet_writer *writer,
                                    struct proximadb_error *reterr)
{
    assert(!writer->is_finished);
    if (writer->failure.status == PROXIMADB_OK)
        note(writer, end_row_group(writer, &writer->failure));
    return px_parquet_writer_status(writer, reterr);
}

/* ---- the end of the file ------------------------------------------------------------------- */

/* Now it is known where the page indexes come to stand: behind all else, column indexes first. */
static void place_indexes(struct px_parquet_writer *writer, struct px_parquet_row_group *groups,
                          size_t group_count)
{
    uint64_t column_indexes_at = writer->output.size_bytes;
    uint64_t offset_indexes_at = column_indexes_at + writer->column_indexes.size_bytes;
    for (size_t i = 0; i < group_count; i++)
        for (size_t j = 0; j < writer->column_count; j++) {
            groups[i].chunks[j].column_index.offset += column_indexes_at;
            groups[i].chunks[j].offset_index.offset += offset_indexes_at;
        }
}

/* The caller's key-values behind the schema for Arrow; NULL without memory. */
static struct px_parquet_key_value *join_key_values(const struct px_parquet_key_value *key_values,
                                                    size_t count, struct px_slice arrow_schema)
{
    struct px_parquet_key_value *all = calloc(count + 1, sizeof *all);
    if (all == NULL)
        return NULL;
    all[0] = (struct px_parquet_key_value){.key = px_slice_of_string(PX_ARROW_SCHEMA_KEY),
                                           .value = arrow_schema};
    if (count > 0)
        memcpy(all + 1, key_values, count * sizeof *all);
    return all;
}

/* Whether a reader can tell by field ids where the vector column belongs. */
static bool is_in_order(const struct px_parquet_writer *writer)
{
    size_t at = writer->vector_column;
    const struct px_parquet_column *columns = writer->columns;
    for (size_t i = 0; i < at; i++)
        if (columns[i].field_id >= columns[at].field_id)
            return false;
    return at + 1 == writer->column_count || columns[at + 1].field_id > columns[at].field_id;
}

/* In the file the vector column is the first of the schema, too: readers that go by ranges of bytes
 * (Spark, Hadoop) take the place of the first column for the begin of a row group. The footer's
 * parser puts it back to where its field id belongs. */
static void move_vector_first(struct px_parquet_writer *writer, struct px_parquet_column *columns,
                              struct px_parquet_row_group *groups, size_t group_count)
{
    size_t at = writer->vector_column;
    if (at >= writer->column_count || !is_in_order(writer))
        return;
    struct px_parquet_column column = columns[at];
    memmove(columns + 1, columns, at * sizeof *columns);
    columns[0] = column;
    for (size_t i = 0; i < group_count; i++) {
        struct px_parquet_chunk chunk = groups[i].chunks[at];
        memmove(groups[i].chunks + 1, groups[i].chunks, at * sizeof chunk);
        groups[i].chunks[0] = chunk;
    }
}

/* Writes page indexes and footer; the tail buffer is the column indexes' own. */
static int write_tail(struct px_parquet_writer *writer, const struct px_parquet_column *columns,
                      struct px_parquet_key_value *key_values, size_t key_value_count,
                      struct proximadb_error *reterr)
{
    struct px_buffer *tail = &writer->column_indexes;
    struct px_parquet_layout layout = {
        .row_count = writer->row_count,
        .created_by = px_slice_of_string(PX_PARQUET_APPLICATION PROXIMADB_VERSION),
        .columns = columns,
        .column_count = writer->column_count,
        .row_groups = (void *)writer->row_groups.data,
        .row_group_count = writer->row_groups.size_bytes / sizeof(struct px_parquet_row_group),
        .key_values = key_values,
        .key_value_count = key_value_count,
    };
    struct px_parquet_range range;
    place_indexes(writer, layout.row_groups, layout.row_group_count);
    px_buffer_append_slice(tail, px_buffer_slice(&writer->offset_indexes));
    px_footer__encode(&layout, writer->output.size_bytes, tail);
    int rc = px_buffer_status(tail, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(&writer->offset_indexes, reterr);
    return rc != PROXIMADB_OK ? rc : write_range(writer, tail, &range, reterr);
}

static int finish(struct px_parquet_writer *writer, const struct px_parquet_key_value *key_values,
                  size_t key_value_count, struct proximadb_error *reterr)
{
    struct px_buffer arrow_schema = {0};
    int rc = end_row_group(writer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_parquet_column *columns =
        px_arena_calloc(&writer->arena, writer->column_count, sizeof *columns);
    if (columns == NULL)
        return px_fail_no_memory(reterr);
    memcpy(columns, writer->columns, writer->column_count * sizeof *columns);
    move_vector_first(writer, columns, (void *)writer->row_groups.data,
                      writer->row_groups.size_bytes / sizeof(struct px_parquet_row_group));
    px_arrow_schema__encode(columns, writer->column_count, &arrow_schema);
    rc = px_buffer_status(&arrow_schema, reterr);
    if (rc == PROXIMADB_OK) {
        struct px_parquet_key_value *all =
            join_key_values(key_values, key_value_count, px_buffer_slice(&arrow_schema));
        rc = all != NULL ? write_tail(writer, columns, all, key_value_count + 1, reterr)
                         : px_fail_no_memory(reterr);
        free(all);
    }
    px_buffer_release(&arrow_schema);
    return rc;
}

int px_parquet_writer_finish(struct px_parquet_writer *writer,
                             const struct px_parquet_key_value *key_values, size_t key_value_count,
                             struct px_parquet_written *ret_written, struct proximadb_error *reterr)
{
    assert(!writer->is_finished);
    if (writer->failure.status == PROXIMADB_OK)
        note(writer, finish(writer, key_values, key_value_count, &writer->failure));
    writer->is_finished = true;
    if (writer->failure.status == PROXIMADB_OK)
        *ret_written = (struct px_parquet_written){
            .size_bytes = writer->output.size_bytes,
            .row_count = writer->row_count,
            .crc32c = writer->output.crc32c,
        };
    return px_parquet_writer_status(writer, reterr);
}

#include "parquet/footer_raw_internal.h"

#include "codec/thrift.h"
#include "parquet/footer_fields_internal.h"
#include "parquet/parquet_format_internal.h"
#include "parquet/schema_element_internal.h"

enum {
    MOST_ROW_GROUPS = INT16_MAX,
    MOST_KEY_VALUES = 4096,
    MOST_ENCODINGS = 64,
    LEAST_CHUNK_BYTES = 16, /* what the required fields of a column chunk take at least */
};

struct reading {
    struct px_thrift_reader reader;
    struct px_arena *arena; /* borrowed */
    bool no_memory;
    struct px_raw_footer footer;
};

/* Ends the reading, since there is no memory for the rest. */
static void fail_no_memory(struct reading *reading)
{
    reading->no_memory = true;
    px_thrift_fail(&reading->reader, "it needs more memory than there is");
}

static void *take_memory(struct reading *reading, size_t count, size_t size_bytes)
{
    void *memory = px_arena_calloc(reading->arena, count, size_bytes);
    if (memory == NULL)
        fail_no_memory(reading);
    return memory;
}

static uint64_t get_u64(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    return (uint64_t)px_thrift_get_integer(reader, field, 0, INT64_MAX);
}

static int32_t get_i32(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    return (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
}

static void read_statistics(struct px_thrift_reader *reader,
                            struct px_parquet_statistics *statistics)
{
    bool has_min = false, has_max = false;
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case STATISTICS_NULL_COUNT:
            statistics->null_count = px_thrift_get_integer(reader, field, 0, INT64_MAX);
            break;
        case STATISTICS_MAX:
            statistics->max = px_thrift_get_binary(reader, field);
            has_max = true;
            break;
        case STATISTICS_MIN:
            statistics->min = px_thrift_get_binary(reader, field);
            has_min = true;
            break;
        case STATISTICS_MAX_IS_EXACT:
            statistics->max_is_exact = px_thrift_get_bool(reader, field);
            break;
        case STATISTICS_MIN_IS_EXACT:
            statistics->min_is_exact = px_thrift_get_bool(reader, field);
            break;
        default:
            px_thrift_skip(reader, field);
        }
    }
    statistics->has_bounds = has_min && has_max;
}

static uint64_t read_encodings(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    uint64_t encodings = 0;
    uint32_t count = px_thrift_get_list(reader, field, PX_THRIFT_I32, MOST_ENCODINGS).count;
    for (uint32_t i = 0; i < count; i++)
        encodings |= UINT64_C(1) << px_thrift_read_integer(reader, 0, MOST_ENCODINGS - 1);
    return encodings;
}

static void read_meta_data(struct px_thrift_reader *reader, struct px_raw_chunk *raw)
{
    struct px_parquet_chunk *chunk = &raw->chunk;
    struct px_thrift_field field = {0};
    raw->has_meta_data = true;
    chunk->statistics.null_count = -1;
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case META_TYPE:
            raw->type = get_i32(reader, field);
            break;
        case META_ENCODINGS:
            raw->encodings = read_encodings(reader, field);
            break;
        case META_CODEC:
            raw->codec = get_i32(reader, field);
            break;
        case META_VALUE_COUNT:
            chunk->value_count = get_u64(reader, field);
            break;
        case META_UNCOMPRESSED_SIZE:
            chunk->uncompressed_bytes = get_u64(reader, field);
            break;
        case META_SIZE:
            chunk->pages.size_bytes = get_u64(reader, field);
            break;
        case META_PAGES_OFFSET:
            chunk->pages.offset = get_u64(reader, field);
            break;
        case META_DICTIONARY_OFFSET:
            raw->dictionary_offset = get_u64(reader, field);
            break;
        case META_STATISTICS:
            px_thrift_get_struct(reader, field);
            read_statistics(reader, &chunk->statistics);
            break;
        case META_BLOOM_OFFSET:
            chunk->bloom_filter.offset = get_u64(reader, field);
            break;
        case META_BLOOM_SIZE:
            chunk->bloom_filter.size_bytes = get_u64(reader, field);
            break;
        default:
            px_thrift_skip(reader, field);
        }
    }
}

static void read_chunk(struct px_thrift_reader *reader, struct px_raw_chunk *raw)
{
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case CHUNK_FILE_PATH:
            raw->is_elsewhere = px_thrift_get_binary(reader, field).size_bytes > 0;
            break;
        case CHUNK_META_DATA:
            px_thrift_get_struct(reader, field);
            read_meta_data(reader, raw);
            break;
        case CHUNK_OFFSET_INDEX_OFFSET:
            raw->chunk.offset_index.offset = get_u64(reader, field);
            break;
        case CHUNK_OFFSET_INDEX_SIZE:
            raw->chunk.offset_index.size_bytes = get_u64(reader, field);
            break;
        case CHUNK_COLUMN_INDEX_OFFSET:
            raw->chunk.column_index.offset = get_u64(reader, field);
            break;
        case CHUNK_COLUMN_INDEX_SIZE:
            raw->chunk.column_index.size_bytes = get_u64(reader, field);
            break;
        case CHUNK_ENCRYPTION:
            raw->is_encrypted = true;
            px_thrift_skip(reader, field);
            break;
        default:
            px_thrift_skip(reader, field);
        }
    }
}

static void read_chunks(struct reading *reading, struct px_thrift_field field,
                        struct px_raw_group *group)
{
    struct px_thrift_reader *reader = &reading->reader;
    uint32_t count =
        px_thrift_get_list(reader, field, PX_THRIFT_STRUCT, PX_PARQUET_MOST_COLUMNS).count;
    /* What is allocated stays in proportion to what was read. */
    if (count > (size_t)(reader->end - reader->at) / LEAST_CHUNK_BYTES) {
        px_thrift_fail(reader, "a row group has more columns than it can hold");
        return;
    }
    group->chunks = take_memory(reading, count, sizeof *group->chunks);
    group->chunk_count = group->chunks != NULL ? count : 0;
    for (uint32_t i = 0; i < group->chunk_count; i++)
        read_chunk(reader, &group->chunks[i]);
}

static void read_group(struct reading *reading, struct px_raw_group *group)
{
    struct px_thrift_reader *reader = &reading->reader;
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == GROUP_ROW_COUNT) {
            group->row_count = get_u64(reader, field);
        } else if (field.id == GROUP_COLUMNS) {
            read_chunks(reading, field, group);
        } else {
            px_thrift_skip(reader, field);
        }
    }
}

static void read_groups(struct reading *reading, struct px_thrift_field field)
{
    uint32_t count =
        px_thrift_get_list(&reading->reader, field, PX_THRIFT_STRUCT, MOST_ROW_GROUPS).count;
    reading->footer.groups = take_memory(reading, count, sizeof *reading->footer.groups);
    reading->footer.group_count = reading->footer.groups != NULL ? count : 0;
    for (uint32_t i = 0; i < reading->footer.group_count; i++)
        read_group(reading, &reading->footer.groups[i]);
}

static void read_key_values(struct reading *reading, struct px_thrift_field list)
{
    struct px_thrift_reader *reader = &reading->reader;
    uint32_t count = px_thrift_get_list(reader, list, PX_THRIFT_STRUCT, MOST_KEY_VALUES).count;
    reading->footer.key_values = take_memory(reading, count, sizeof *reading->footer.key_values);
    reading->footer.key_value_count = reading->footer.key_values != NULL ? count : 0;
    for (uint32_t i = 0; i < reading->footer.key_value_count; i++) {
        struct px_thrift_field field = {0};
        while (px_thrift_next(reader, &field)) {
            if (field.id == KEY)
                reading->footer.key_values[i].key = px_thrift_get_binary(reader, field);
            else if (field.id == VALUE)
                reading->footer.key_values[i].value = px_thrift_get_binary(reader, field);
            else
                px_thrift_skip(reader, field);
        }
    }
}

static void read_file_field(struct reading *reading, struct px_thrift_field field)
{
    struct px_thrift_reader *reader = &reading->reader;
    switch (field.id) {
    case FILE_SCHEMA:
        if (!px_schema_element__read(reader, field, reading->arena, &reading->footer.elements))
            fail_no_memory(reading);
        break;
    case FILE_ROW_COUNT:
        reading->footer.row_count = get_u64(reader, field);
        break;
    case FILE_ROW_GROUPS:
        read_groups(reading, field);
        break;
    case FILE_KEY_VALUES:
        read_key_values(reading, field);
        break;
    case FILE_CREATED_BY:
        reading->footer.created_by = px_thrift_get_binary(reader, field);
        break;
    case FILE_ENCRYPTION:
        reading->footer.is_encrypted = true;
        px_thrift_skip(reader, field);
        break;
    case PX_PARQUET_EXTENSION_ID:
        reading->footer.extension = px_thrift_get_binary(reader, field);
        break;
    default:
        px_thrift_skip(reader, field);
    }
}

int px_footer_raw__read(struct px_slice bytes, struct px_arena *arena,
                        struct px_raw_footer *ret_footer, struct proximadb_error *reterr)
{
    struct reading reading = {.reader = px_thrift_reader_of(bytes), .arena = arena};
    struct px_thrift_reader *reader = &reading.reader;
    struct px_thrift_field field = {0};
    const uint8_t *at = reader->at;
    while (px_thrift_next(reader, &field)) {
        if (field.id == PX_PARQUET_EXTENSION_ID)
            reading.footer.extension_at = at;
        read_file_field(&reading, field);
        at = reader->at;
    }
    if (reading.no_memory)
        return px_fail_no_memory(reterr);
    if (reader->fault == NULL && reader->at != reader->end)
        px_thrift_fail(reader, "something stands behind its end");
    int rc = px_thrift_check(reader, "the footer", reterr);
    if (rc == PROXIMADB_OK)
        *ret_footer = reading.footer;
    return rc;
}

#include "base/bits.h"
#include "table/table_internal.h"

#define MAGIC "PAR1"

enum {
    MAGIC_BYTES = 4,
    TRAILER_BYTES = 8,
    MOST_GROUPS = 1 << 20,
    LEAST_CHUNK_BYTES = 16, /* what the required fields of a column chunk take at least */
};

enum file_field {
    FILE_SCHEMA = 2,
    FILE_ROW_COUNT = 3,
    FILE_GROUPS = 4,
    FILE_KEY_VALUES = 5,
    FILE_ENCRYPTION = 8
};
enum key_value_field { KEY = 1, VALUE = 2 };
enum group_field { GROUP_COLUMNS = 1, GROUP_ROW_COUNT = 3 };
enum chunk_field { CHUNK_PATH = 1, CHUNK_META = 3, CHUNK_ENCRYPTION = 8 };
enum meta_field {
    META_TYPE = 1,
    META_CODEC = 4,
    META_VALUE_COUNT = 5,
    META_SIZE = 7,
    META_DATA_OFFSET = 9,
    META_DICTIONARY_OFFSET = 11,
};

struct reading {
    struct px_thrift_reader reader;
    struct px_arena *arena; /* borrowed */
    uint64_t footer_offset;
    bool no_memory;
    bool is_encrypted;
    bool is_elsewhere;
    struct px_table_footer footer;
};

static void *take_memory(struct reading *reading, size_t count, size_t size_bytes)
{
    void *memory = px_arena_calloc(reading->arena, count, size_bytes);
    if (memory == NULL) {
        reading->no_memory = true;
        px_thrift_fail(&reading->reader, "it needs more memory than there is");
    }
    return memory;
}

static uint64_t get_u64(struct px_thrift_reader *reader, struct px_thrift_field field)
{
    return (uint64_t)px_thrift_get_integer(reader, field, 0, INT64_MAX);
}

static void read_meta(struct reading *reading, struct px_table_chunk *chunk)
{
    struct px_thrift_reader *reader = &reading->reader;
    struct px_thrift_field field = {0};
    uint64_t data = 0, dictionary = 0;
    while (px_thrift_next(reader, &field)) {
        switch (field.id) {
        case META_TYPE:
            chunk->type = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case META_CODEC:
            chunk->codec = (int32_t)px_thrift_get_integer(reader, field, 0, INT32_MAX);
            break;
        case META_VALUE_COUNT:
            chunk->value_count = get_u64(reader, field);
            break;
        case META_SIZE:
            chunk->size_bytes = get_u64(reader, field);
            break;
        case META_DATA_OFFSET:
            data = get_u64(reader, field);
            break;
        case META_DICTIONARY_OFFSET:
            dictionary = get_u64(reader, field);
            break;
        default:
            px_thrift_skip(reader, field);
        }
    }
    /* Some writers leave the dictionary's offset at 0 where there is none. */
    chunk->begin = dictionary > 0 && dictionary < data ? dictionary : data;
    if (chunk->begin > reading->footer_offset ||
        chunk->size_bytes > reading->footer_offset - chunk->begin)
        px_thrift_fail(reader, "a column lies outside of the file");
}

static void read_chunk(struct reading *reading, struct px_table_chunk *chunk)
{
    struct px_thrift_reader *reader = &reading->reader;
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == CHUNK_META) {
            px_thrift_get_struct(reader, field);
            read_meta(reading, chunk);
        } else if (field.id == CHUNK_PATH) {
            reading->is_elsewhere |= px_thrift_get_binary(reader, field).size_bytes > 0;
        } else {
            reading->is_encrypted |= field.id == CHUNK_ENCRYPTION;
            px_thrift_skip(reader, field);
        }
    }
}

static void read_chunks(struct reading *reading, struct px_thrift_field field,
                        struct px_table_group *group)
{
    struct px_thrift_reader *reader = &reading->reader;
    uint32_t count =
        px_thrift_get_list(reader, field, PX_THRIFT_STRUCT, PX_TABLE_MOST_ELEMENTS).count;
    if (count != reading->footer.schema.leaf_count ||
        count > (size_t)(reader->end - reader->at) / LEAST_CHUNK_BYTES) {
        px_thrift_fail(reader, "a row group does not have the columns of the schema");
        return;
    }
    group->chunks = take_memory(reading, count, sizeof *group->chunks);
    group->chunk_count = group->chunks != NULL ? count : 0;
    for (uint32_t i = 0; group->chunks != NULL && i < count; i++)
        read_chunk(reading, &group->chunks[i]);
}

static void read_group(struct reading *reading, struct px_table_group *group)
{
    struct px_thrift_reader *reader = &reading->reader;
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == GROUP_ROW_COUNT)
            group->row_count = get_u64(reader, field);
        else if (field.id == GROUP_COLUMNS)
            read_chunks(reading, field, group);
        else
            px_thrift_skip(reader, field);
    }
    if (group->chunks == NULL)
        px_thrift_fail(reader, "a row group has no columns");
}

static void read_schema(struct reading *reading, struct px_thrift_field field)
{
    if (reading->footer.schema.count > 0) {
        px_thrift_fail(&reading->reader, "it has two schemas");
        return;
    }
    reading->no_memory |=
        !px_table__read_schema(&reading->reader, field, reading->arena, &reading->footer.schema);
}

static void read_groups(struct reading *reading, struct px_thrift_field field)
{
    struct px_table_footer *footer = &reading->footer;
    if (footer->groups != NULL) {
        px_thrift_fail(&reading->reader, "it has two lists of row groups");
        return;
    }
    uint32_t count =
        px_thrift_get_list(&reading->reader, field, PX_THRIFT_STRUCT, MOST_GROUPS).count;
    uint64_t row_count = 0;
    footer->groups = take_memory(reading, count, sizeof *footer->groups);
    footer->group_count = footer->groups != NULL ? count : 0;
    for (uint32_t i = 0; i < footer->group_count && reading->reader.fault == NULL; i++) {
        read_group(reading, &footer->groups[i]);
        if (__builtin_add_overflow(row_count, footer->groups[i].row_count, &row_count))
            px_thrift_fail(&reading->reader, "it has too many rows");
    }
    if (row_count != footer->row_count)
        px_thrift_fail(&reading->reader, "it has another number of rows than its row groups");
}

static struct px_table_key_value read_key_value(struct px_thrift_reader *reader)
{
    struct px_table_key_value item = {0};
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == KEY)
            item.key = px_thrift_get_binary(reader, field);
        else if (field.id == VALUE)
            item.value = px_thrift_get_binary(reader, field);
        else
            px_thrift_skip(reader, field);
    }
    return item;
}

static void read_key_values(struct reading *reading, struct px_thrift_field field)
{
    struct px_table_footer *footer = &reading->footer;
    uint32_t count =
        px_thrift_get_list(&reading->reader, field, PX_THRIFT_STRUCT, PX_TABLE_MOST_ELEMENTS).count;
    footer->key_values = take_memory(reading, count, sizeof *footer->key_values);
    footer->key_value_count = footer->key_values != NULL ? count : 0;
    for (uint32_t i = 0; i < footer->key_value_count && reading->reader.fault == NULL; i++)
        footer->key_values[i] = read_key_value(&reading->reader);
}

/* Thrift gives the fields in any order, and twice if the file says so: only at the end it is known
 * that a column's leaf_index is one of the chunks of every group. */
static void check_groups(struct reading *reading)
{
    const struct px_table_footer *footer = &reading->footer;
    for (uint32_t i = 0; i < footer->group_count; i++)
        if (footer->groups[i].chunk_count != footer->schema.leaf_count)
            px_thrift_fail(&reading->reader, "a row group does not have the columns of the schema");
}

static void read_file(struct reading *reading)
{
    struct px_thrift_reader *reader = &reading->reader;
    struct px_table_footer *footer = &reading->footer;
    struct px_thrift_field field = {0};
    while (px_thrift_next(reader, &field)) {
        if (field.id == FILE_SCHEMA) {
            read_schema(reading, field);
        } else if (field.id == FILE_ROW_COUNT) {
            footer->row_count = get_u64(reader, field);
        } else if (field.id == FILE_GROUPS) {
            read_groups(reading, field);
        } else if (field.id == FILE_KEY_VALUES) {
            read_key_values(reading, field);
        } else {
            reading->is_encrypted |= field.id == FILE_ENCRYPTION;
            px_thrift_skip(reader, field);
        }
        if (reading->no_memory)
            px_thrift_fail(reader, "it needs more memory than there is");
    }
    if (footer->schema.count == 0)
        px_thrift_fail(reader, "it has no schema");
    check_groups(reading);
}

static int find_footer(struct px_slice file, struct px_slice *ret_footer,
                       struct proximadb_error *reterr)
{
    size_t least = MAGIC_BYTES + TRAILER_BYTES;
    if (file.size_bytes < MAGIC_BYTES ||
        (memcmp(file.data, MAGIC, MAGIC_BYTES) != 0 && memcmp(file.data, "PARE", MAGIC_BYTES) != 0))
        return px_fail(reterr, PROXIMADB_CORRUPT, "it is not a Parquet file");
    if (memcmp(file.data, MAGIC, MAGIC_BYTES) != 0)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "it is encrypted, which ProximaDB does not read; write it without");
    const uint8_t *trailer = file.data + file.size_bytes - TRAILER_BYTES;
    if (file.size_bytes < least || memcmp(trailer + 4, MAGIC, MAGIC_BYTES) != 0)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the Parquet file is cut off: it does not end as it should");
    size_t size = px_load_u32(trailer);
    if (size > file.size_bytes - least)
        return px_fail(reterr, PROXIMADB_CORRUPT,
                       "the footer is damaged: its length, %zu, is more than the file holds", size);
    *ret_footer = px_slice_of(trailer - size, size);
    return PROXIMADB_OK;
}

int px_table__read_footer(struct px_slice file, struct px_arena *arena,
                          struct px_table_footer *ret_footer, struct proximadb_error *reterr)
{
    struct px_slice bytes = {0};
    int rc = find_footer(file, &bytes, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct reading reading = {.reader = px_thrift_reader_of(bytes),
                              .arena = arena,
                              .footer_offset = (uint64_t)(bytes.data - file.data)};
    read_file(&reading);
    if (reading.no_memory)
        return px_fail_no_memory(reterr);
    rc = px_thrift_check(&reading.reader, "the footer", reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (reading.is_encrypted || reading.is_elsewhere)
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED, "%s; write it as one plain file",
                       reading.is_encrypted ? "it is encrypted" : "its columns are in other files");
    *ret_footer = reading.footer;
    return PROXIMADB_OK;
}

/* The methods on collections: protobuf to the builders and from the readers of <proximadb.h>. */
#include "base/arena.h"
#include "base/buffer.h"
#include "bridge/words.h"
#include "codec/protobuf.h"
#include "rpc/methods_internal.h"

#include <assert.h>

enum { MOST_FIELDS = 64, ARENA_LIMIT_BYTES = 1 << 20 };

enum { /* field numbers */
       NAME = 1,
       CREATE_DIMENSION = 2,
       CREATE_METRIC = 3,
       CREATE_INDEX_TYPE = 4,
       CREATE_STORAGE = 5,
       CREATE_FILTERABLE = 6,
       CREATE_EXIST_OK = 7,
       CREATE_LAYOUT = 8,
       CREATE_INDEX_MEMORY = 9,
       UPDATE_FILTERABLE = 2,
       FILTERABLE_NAME = 1,
       FILTERABLE_TYPE = 2,
       LIST_COLLECTIONS = 1,
};

/* ---- requests ------------------------------------------------------------------------------ */

/* Filterable fields as they are read; names are copied to the arena, since the builders want a NUL
 * behind them. */
struct fields {
    struct px_arena arena;
    struct proximadb_filterable items[MOST_FIELDS];
    size_t count;
};

static int copy_text(struct px_arena *arena, struct px_slice text, const char **ret_text,
                     struct proximadb_error *reterr)
{
    if (text.size_bytes > 0 && memchr(text.data, 0, text.size_bytes) != NULL)
        return px_fail(reterr, PROXIMADB_INVALID, "a name has a NUL in it");
    *ret_text = px_arena_copy(arena, text.data, text.size_bytes);
    return *ret_text != NULL ? PROXIMADB_OK : px_fail_no_memory(reterr);
}

static int add_field(struct fields *fields, struct px_slice message, struct proximadb_error *reterr)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    struct px_slice name = {0};
    struct px_slice type = {0};
    while (px_proto_next(&reader, &field)) {
        if (px_proto_is(&field, FILTERABLE_NAME, PX_PROTO_BYTES))
            name = field.bytes;
        else if (px_proto_is(&field, FILTERABLE_TYPE, PX_PROTO_BYTES))
            type = field.bytes;
    }
    if (reader.damaged)
        return px_rpc__fail_damaged("FilterableField", reterr);
    if (fields->count == MOST_FIELDS)
        return px_fail(reterr, PROXIMADB_INVALID, "more than %d filterable fields", MOST_FIELDS);
    struct proximadb_filterable *item = &fields->items[fields->count++];
    int rc = px_word_parse(PX_WORD_FIELD_TYPE, type, &item->type, reterr);
    return rc == PROXIMADB_OK ? copy_text(&fields->arena, name, &item->name, reterr) : rc;
}

/* A word that may be left out. */
static int take_word(enum px_vocabulary vocabulary, struct px_slice word, int *ret_value,
                     struct proximadb_error *reterr)
{
    if (word.size_bytes == 0)
        return PROXIMADB_OK;
    return px_word_parse(vocabulary, word, ret_value, reterr);
}

static int take_create_field(const struct px_proto_field *field, struct fields *fields,
                             struct proximadb_collection_spec *spec, struct proximadb_error *reterr)
{
    if (px_proto_is(field, NAME, PX_PROTO_BYTES))
        return copy_text(&fields->arena, field->bytes, &spec->name, reterr);
    if (px_proto_is(field, CREATE_DIMENSION, PX_PROTO_VARINT)) {
        spec->dim_count = (uint32_t)field->value;
        if (field->value > UINT32_MAX)
            return px_fail(reterr, PROXIMADB_INVALID, "dimension is %llu",
                           (unsigned long long)field->value);
        return PROXIMADB_OK;
    }
    if (px_proto_is(field, CREATE_METRIC, PX_PROTO_BYTES))
        return take_word(PX_WORD_METRIC, field->bytes, &spec->metric, reterr);
    if (px_proto_is(field, CREATE_INDEX_TYPE, PX_PROTO_BYTES))
        return take_word(PX_WORD_INDEX_TYPE, field->bytes, &spec->index_type, reterr);
    if (px_proto_is(field, CREATE_STORAGE, PX_PROTO_BYTES))
        return take_word(PX_WORD_STORAGE, field->bytes, &spec->storage, reterr);
    if (px_proto_is(field, CREATE_LAYOUT, PX_PROTO_BYTES))
        return take_word(PX_WORD_LAYOUT, field->bytes, &spec->layout, reterr);
    if (px_proto_is(field, CREATE_INDEX_MEMORY, PX_PROTO_BYTES))
        return take_word(PX_WORD_INDEX_MEMORY, field->bytes, &spec->index_memory, reterr);
    if (px_proto_is(field, CREATE_FILTERABLE, PX_PROTO_BYTES))
        return add_field(fields, field->bytes, reterr);
    if (px_proto_is(field, CREATE_EXIST_OK, PX_PROTO_VARINT))
        spec->exist_ok = field->value != 0;
    return PROXIMADB_OK;
}

int px_rpc__decode_create(struct px_slice message, struct px_rpc_request *request,
                          struct proximadb_error *reterr)
{
    struct fields fields = {.arena.limit_bytes = ARENA_LIMIT_BYTES};
    struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = "",
        .metric = PROXIMADB_COSINE,
        .index_type = PROXIMADB_HNSW,
        .storage = PROXIMADB_BALANCED,
    };
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && px_proto_next(&reader, &field))
        rc = take_create_field(&field, &fields, &spec, reterr);
    if (reader.damaged)
        rc = px_rpc__fail_damaged("CreateCollectionRequest", reterr);
    spec.filterable = fields.items;
    spec.filterable_count = fields.count;
    request->operation = PROXIMADB_CREATE_COLLECTION;
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_collection(&spec, &request->built, reterr);
    px_arena_release(&fields.arena);
    return rc;
}

int px_rpc__decode_update(struct px_slice message, struct px_rpc_request *request,
                          struct proximadb_error *reterr)
{
    struct fields fields = {.arena.limit_bytes = ARENA_LIMIT_BYTES};
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    int rc = PROXIMADB_OK;
    while (rc == PROXIMADB_OK && px_proto_next(&reader, &field)) {
        if (px_proto_is(&field, NAME, PX_PROTO_BYTES))
            request->collection = field.bytes;
        else if (px_proto_is(&field, UPDATE_FILTERABLE, PX_PROTO_BYTES))
            rc = add_field(&fields, field.bytes, reterr);
    }
    if (reader.damaged)
        rc = px_rpc__fail_damaged("UpdateCollectionRequest", reterr);
    request->operation = PROXIMADB_UPDATE_COLLECTION;
    if (rc == PROXIMADB_OK)
        rc =
            proximadb_encode_collection_change(fields.items, fields.count, &request->built, reterr);
    px_arena_release(&fields.arena);
    return rc;
}

static int decode_name(struct px_slice message, const char *message_name, int operation,
                       struct px_rpc_request *request, struct proximadb_error *reterr)
{
    struct px_proto_reader reader = px_proto_reader_of(message);
    struct px_proto_field field;
    request->operation = operation;
    while (px_proto_next(&reader, &field))
        if (px_proto_is(&field, NAME, PX_PROTO_BYTES))
            request->collection = field.bytes;
    return reader.damaged ? px_rpc__fail_damaged(message_name, reterr) : PROXIMADB_OK;
}

int px_rpc__decode_get_collection(struct px_slice message, struct px_rpc_request *request,
                                  struct proximadb_error *reterr)
{
    return decode_name(message, "GetCollectionRequest", PROXIMADB_GET_COLLECTION, request, reterr);
}

int px_rpc__decode_delete_collection(struct px_slice message, struct px_rpc_request *request,
                                     struct proximadb_error *reterr)
{
    return decode_name(message, "DeleteCollectionRequest", PROXIMADB_DELETE_COLLECTION, request,
                       reterr);
}

int px_rpc__decode_list(struct px_slice message, struct px_rpc_request *request,
                        struct proximadb_error *reterr)
{
    int rc =
        decode_name(message, "ListCollectionsRequest", PROXIMADB_LIST_COLLECTIONS, request, reterr);
    request->collection = (struct px_slice){0};
    return rc;
}

/* ---- answers ------------------------------------------------------------------------------- */

enum { /* field numbers of Collection */
       INFO_NAME = 1,
       INFO_ID = 2,
       INFO_DIMENSION = 3,
       INFO_METRIC = 4,
       INFO_INDEX_TYPE = 5,
       INFO_STORAGE = 6,
       INFO_FILTERABLE = 7,
       INFO_CREATED_AT_MS = 8,
       INFO_VECTOR_COUNT = 9,
       INFO_PART_COUNT = 10,
       INFO_DISK_BYTES = 11,
       INFO_MEMTABLE_BYTES = 12,
       INFO_WAL_BYTES = 13,
       INFO_LAST_VERSION = 14,
       INFO_READ_ONLY_REASON = 15,
       INFO_LAYOUT = 16,
       INFO_MANTISSA_BITS = 17,
       INFO_RELATIVE_ERROR = 18,
       INFO_FRESH_PART_COUNT = 19,
       INFO_DEAD_ROW_COUNT = 20,
       INFO_BYTES_ACCEPTED = 21,
       INFO_BYTES_WRITTEN = 22,
       INFO_COMPACTION_STATE = 23,
       INFO_COMPACTION_ROWS_DONE = 24,
       INFO_COMPACTION_ROW_COUNT = 25,
       INFO_INDEX_MEMORY = 26,
       INFO_INDEX_STATE = 27,
       INFO_INDEX_ROW_COUNT = 28,
       INFO_INDEX_LAG = 29,
       INFO_INDEX_FILE_BYTES = 30,
       INFO_INDEX_MEMORY_BYTES = 31,
       INFO_INDEX_ROWS_DONE = 32,
       INFO_INDEX_REBUILD_COUNT = 33,
       INFO_INDEX_REBUILD_REASON = 34,
};

static void put_filterable(struct px_proto_writer *writer,
                           const struct proximadb_collection_spec *spec)
{
    for (size_t i = 0; i < spec->filterable_count; i++) {
        const struct proximadb_filterable *item = &spec->filterable[i];
        size_t mark = px_proto_begin(writer, INFO_FILTERABLE);
        px_proto_set_text(writer, FILTERABLE_NAME, item->name);
        px_proto_set_text(writer, FILTERABLE_TYPE, px_word_of(PX_WORD_FIELD_TYPE, item->type));
        px_proto_end(writer, mark);
    }
}

static void put_index(struct px_proto_writer *writer, const struct proximadb_collection_info *info)
{
    px_proto_set_text(writer, INFO_INDEX_MEMORY,
                      px_word_of(PX_WORD_INDEX_MEMORY, info->spec.index_memory));
    px_proto_set_text(writer, INFO_INDEX_STATE, info->index_state);
    px_proto_set_varint(writer, INFO_INDEX_ROW_COUNT, info->index_row_count);
    px_proto_set_varint(writer, INFO_INDEX_LAG, info->index_lag);
    px_proto_set_varint(writer, INFO_INDEX_FILE_BYTES, info->index_file_bytes);
    px_proto_set_varint(writer, INFO_INDEX_MEMORY_BYTES, info->index_memory_bytes);
    px_proto_set_varint(writer, INFO_INDEX_ROWS_DONE, info->index_rows_done);
    px_proto_set_varint(writer, INFO_INDEX_REBUILD_COUNT, info->index_rebuild_count);
    px_proto_set_text(writer, INFO_INDEX_REBUILD_REASON, info->index_rebuild_reason);
}

static void put_info(struct px_proto_writer *writer, const struct proximadb_collection_info *info)
{
    const struct proximadb_collection_spec *spec = &info->spec;
    px_proto_set_text(writer, INFO_NAME, spec->name);
    px_proto_set_text(writer, INFO_ID, info->id);
    px_proto_set_varint(writer, INFO_DIMENSION, spec->dim_count);
    px_proto_set_text(writer, INFO_METRIC, px_word_of(PX_WORD_METRIC, spec->metric));
    px_proto_set_text(writer, INFO_INDEX_TYPE, px_word_of(PX_WORD_INDEX_TYPE, spec->index_type));
    px_proto_set_text(writer, INFO_STORAGE, px_word_of(PX_WORD_STORAGE, spec->storage));
    put_filterable(writer, spec);
    px_proto_set_varint(writer, INFO_CREATED_AT_MS, (uint64_t)info->created_at_ms);
    px_proto_set_varint(writer, INFO_VECTOR_COUNT, info->vector_count);
    px_proto_set_varint(writer, INFO_PART_COUNT, info->part_count);
    px_proto_set_varint(writer, INFO_DISK_BYTES, info->disk_bytes);
    px_proto_set_varint(writer, INFO_MEMTABLE_BYTES, info->memtable_bytes);
    px_proto_set_varint(writer, INFO_WAL_BYTES, info->wal_bytes);
    px_proto_set_varint(writer, INFO_LAST_VERSION, (uint64_t)info->last_version);
    if (info->read_only && info->read_only_reason != NULL)
        px_proto_set_text(writer, INFO_READ_ONLY_REASON, info->read_only_reason);
    px_proto_set_text(writer, INFO_LAYOUT, px_word_of(PX_WORD_LAYOUT, spec->layout));
    px_proto_set_varint(writer, INFO_MANTISSA_BITS, info->mantissa_bits);
    px_proto_set_double(writer, INFO_RELATIVE_ERROR, info->relative_error);
    px_proto_set_varint(writer, INFO_FRESH_PART_COUNT, info->fresh_part_count);
    px_proto_set_varint(writer, INFO_DEAD_ROW_COUNT, info->dead_row_count);
    px_proto_set_varint(writer, INFO_BYTES_ACCEPTED, info->bytes_accepted);
    px_proto_set_varint(writer, INFO_BYTES_WRITTEN, info->bytes_written);
    px_proto_set_text(writer, INFO_COMPACTION_STATE, info->compaction_state);
    px_proto_set_varint(writer, INFO_COMPACTION_ROWS_DONE, info->compaction_rows_done);
    px_proto_set_varint(writer, INFO_COMPACTION_ROW_COUNT, info->compaction_row_count);
    put_index(writer, info);
}

static void put_listed(struct px_proto_writer *writer, const struct proximadb_collection_info *info)
{
    size_t mark = px_proto_begin(writer, LIST_COLLECTIONS);
    put_info(writer, info);
    px_proto_end(writer, mark);
}

/* Appends to a growing buffer what `put` writes: measured first, then written. */
static void append(struct px_buffer *buffer, const struct proximadb_collection_info *info,
                   void (*put)(struct px_proto_writer *writer,
                               const struct proximadb_collection_info *info))
{
    struct px_proto_writer measure = {0};
    put(&measure, info);
    uint8_t *room = px_buffer_reserve(buffer, measure.size_bytes);
    if (room == NULL)
        return;
    struct px_proto_writer writer = {.data = room, .capacity_bytes = measure.size_bytes};
    put(&writer, info);
    assert(px_proto_fits(&writer));
    buffer->size_bytes += writer.size_bytes;
}

static int encode_infos(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                        void (*put)(struct px_proto_writer *writer,
                                    const struct proximadb_collection_info *info),
                        struct proximadb_error *reterr)
{
    proximadb_reader *reader;
    struct proximadb_collection_info info;
    struct proximadb_error error = {0};
    struct px_buffer buffer = {0};
    int rc = proximadb_reader_new(response, &reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    while (proximadb_reader_next_collection(reader, &info, &error))
        append(&buffer, &info, put);
    proximadb_reader_free(reader);
    if (error.status != PROXIMADB_OK) {
        px_buffer_release(&buffer);
        if (reterr != NULL)
            *reterr = error;
        return error.status;
    }
    return px_buffer_take(&buffer, &reply->body, reterr);
}

int px_rpc__encode_collection(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                              struct proximadb_error *reterr)
{
    return encode_infos(response, reply, put_info, reterr);
}

int px_rpc__encode_list(struct proximadb_buffer *response, struct px_rpc_reply *reply,
                        struct proximadb_error *reterr)
{
    return encode_infos(response, reply, put_listed, reterr);
}

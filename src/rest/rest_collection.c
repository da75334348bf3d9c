#include "rest/rest_collection.h"

#include "bridge/words.h"
#include "rest/rest_members.h"
#include "rest/rest_request.h"

#include <inttypes.h>

enum { MOST_FIELDS = 64 };

/* ---- from JSON ----------------------------------------------------------------------------- */

struct fields {
    struct proximadb_filterable items[MOST_FIELDS]; /* names are views into the document */
    size_t count;
};

static int read_word(const struct px_rest_member *member, enum px_vocabulary vocabulary,
                     int *ret_value, struct proximadb_error *reterr)
{
    struct proximadb_text word = {0};
    int rc = px_rest_member_text(member, &word, reterr);
    if (rc != PROXIMADB_OK || word.data == NULL)
        return rc;
    return px_word_parse(vocabulary, px_slice_of(word.data, word.size_bytes), ret_value, reterr);
}

static int read_field(yyjson_val *key, struct fields *fields, struct proximadb_error *reterr)
{
    const struct px_rest_member name = {.name = "the name of a filterable field", .value = key};
    const struct px_rest_member type = {.name = "the type of a filterable field",
                                        .value = yyjson_obj_iter_get_val(key)};
    struct proximadb_filterable *item = &fields->items[fields->count++];
    int rc = px_rest_member_string(&name, &item->name, reterr);
    if (rc == PROXIMADB_OK && !yyjson_is_str(type.value))
        rc = px_rest_member_fail(&type, "a string", reterr);
    return rc == PROXIMADB_OK ? read_word(&type, PX_WORD_FIELD_TYPE, &item->type, reterr) : rc;
}

static int read_fields(const struct px_rest_member *member, struct fields *fields,
                       struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(member))
        return PROXIMADB_OK;
    if (!yyjson_is_obj(member->value))
        return px_rest_member_fail(member, "an object of names and types", reterr);
    if (yyjson_obj_size(member->value) > MOST_FIELDS)
        return px_fail(reterr, PROXIMADB_INVALID, "more than %d filterable fields", MOST_FIELDS);
    yyjson_obj_iter entries = yyjson_obj_iter_with(member->value);
    for (yyjson_val *key; (key = yyjson_obj_iter_next(&entries)) != NULL;) {
        int rc = read_field(key, fields, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    return PROXIMADB_OK;
}

enum {
    NAME,
    DIMENSION,
    METRIC,
    INDEX_TYPE,
    STORAGE,
    LAYOUT,
    FILTERABLE,
    EXIST_OK,
    INDEX_MEMORY,
    MEMBERS
};

/* What is larger than 32 bits is told as it was given. */
static int read_dimension(const struct px_rest_member *member, uint32_t *ret_value,
                          struct proximadb_error *reterr)
{
    uint64_t dimension = 0;
    if (px_rest_member_is_absent(member))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "dimension is missing: how many numbers does a vector have?");
    int rc = px_rest_member_u64(member, &dimension, reterr);
    if (rc == PROXIMADB_OK && dimension > UINT32_MAX)
        rc = px_fail(reterr, PROXIMADB_INVALID, "dimension is %" PRIu64 "; it may be 1 to 65536",
                     dimension);
    *ret_value = (uint32_t)dimension;
    return rc;
}

static int read_spec(const struct px_rest_member *members, struct fields *fields,
                     struct proximadb_collection_spec *spec, struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(&members[NAME]))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "name is missing: what is the collection to be called?");
    int rc = px_rest_member_string(&members[NAME], &spec->name, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_dimension(&members[DIMENSION], &spec->dim_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_word(&members[METRIC], PX_WORD_METRIC, &spec->metric, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_word(&members[INDEX_TYPE], PX_WORD_INDEX_TYPE, &spec->index_type, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_word(&members[STORAGE], PX_WORD_STORAGE, &spec->storage, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_word(&members[LAYOUT], PX_WORD_LAYOUT, &spec->layout, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_fields(&members[FILTERABLE], fields, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_bool(&members[EXIST_OK], &spec->exist_ok, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_word(&members[INDEX_MEMORY], PX_WORD_INDEX_MEMORY, &spec->index_memory, reterr);
    spec->filterable = fields->items;
    spec->filterable_count = fields->count;
    return rc;
}

/* For the answer's "location". A name that is too long is none that is created. */
static void keep_name(struct px_rest_request *request, const struct proximadb_collection_spec *spec)
{
    size_t size = strlen(spec->name);
    request->shape.may_exist = spec->exist_ok;
    request->name_bytes = size <= sizeof request->name ? size : 0;
    memcpy(request->name, spec->name, request->name_bytes);
}

int px_rest_decode_create(struct px_rest_request *request, struct proximadb_error *reterr)
{
    struct px_rest_member members[MEMBERS] = {
        [NAME] = {.name = "name"},
        [DIMENSION] = {.name = "dimension"},
        [METRIC] = {.name = "metric"},
        [INDEX_TYPE] = {.name = "index_type"},
        [STORAGE] = {.name = "storage"},
        [LAYOUT] = {.name = "layout"},
        [FILTERABLE] = {.name = "filterable"},
        [EXIST_OK] = {.name = "exist_ok"},
        [INDEX_MEMORY] = {.name = "index_memory"},
    };
    struct fields fields = {0};
    struct proximadb_collection_spec spec = {
        .struct_size = sizeof spec,
        .name = "",
        .metric = PROXIMADB_COSINE,
        .index_type = PROXIMADB_HNSW,
        .storage = PROXIMADB_BALANCED,
    };
    yyjson_doc *doc;
    int rc = px_rest_body_parse(request->body, &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_rest_members_read(yyjson_doc_get_root(doc), "the body", members, MEMBERS, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_spec(members, &fields, &spec, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_collection(&spec, &request->payload, reterr);
    if (rc == PROXIMADB_OK)
        keep_name(request, &spec);
    yyjson_doc_free(doc);
    return rc;
}

int px_rest_decode_change(struct px_rest_request *request, struct proximadb_error *reterr)
{
    struct px_rest_member member = {.name = "filterable"};
    struct fields fields = {0};
    yyjson_doc *doc;
    int rc = px_rest_body_parse(request->body, &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_rest_members_read(yyjson_doc_get_root(doc), "the body", &member, 1, reterr);
    if (rc == PROXIMADB_OK && !yyjson_is_obj(member.value))
        rc = px_rest_member_fail(&member, "an object of names and types", reterr);
    if (rc == PROXIMADB_OK)
        rc = read_fields(&member, &fields, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_collection_change(fields.items, fields.count, &request->payload,
                                                reterr);
    yyjson_doc_free(doc);
    return rc;
}

int px_rest_decode_rebuild_index(struct px_rest_request *request, struct proximadb_error *reterr)
{
    struct px_rest_member member = {.name = "index_memory"};
    int index_memory = -1;
    yyjson_doc *doc;
    if (request->body.size_bytes == 0)
        return proximadb_encode_rebuild_index(-1, &request->payload, reterr);
    int rc = px_rest_body_parse(request->body, &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = px_rest_members_read(yyjson_doc_get_root(doc), "the body", &member, 1, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_word(&member, PX_WORD_INDEX_MEMORY, &index_memory, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_rebuild_index(index_memory, &request->payload, reterr);
    yyjson_doc_free(doc);
    return rc;
}

/* ---- to JSON ------------------------------------------------------------------------------- */

static void write_text(struct px_buffer *buffer, const char *name, const char *text)
{
    px_buffer_append_format(buffer, "\"%s\":", name);
    if (text != NULL)
        px_json_append_string(buffer, px_slice_of_string(text));
    else
        px_buffer_append(buffer, "null", 4);
    px_buffer_append_byte(buffer, ',');
}

static void write_filterable(struct px_buffer *buffer, const struct proximadb_collection_spec *spec)
{
    px_buffer_append_format(buffer, "\"filterable\":{");
    for (size_t i = 0; i < spec->filterable_count; i++)
        px_buffer_append_format(buffer, "%s\"%s\":\"%s\"", i > 0 ? "," : "",
                                spec->filterable[i].name,
                                px_word_of(PX_WORD_FIELD_TYPE, spec->filterable[i].type));
    px_buffer_append_format(buffer, "},");
}

static void write_index(struct px_buffer *buffer, const struct proximadb_collection_info *info)
{
    write_text(buffer, "index_memory", px_word_of(PX_WORD_INDEX_MEMORY, info->spec.index_memory));
    write_text(buffer, "index_state", info->index_state);
    px_buffer_append_format(buffer,
                            "\"index_row_count\":%" PRIu64 ",\"index_lag\":%" PRIu64
                            ",\"index_file_bytes\":%" PRIu64 ",\"index_memory_bytes\":%" PRIu64
                            ",\"index_rows_done\":%" PRIu64 ",\"index_rebuild_count\":%" PRIu64 ",",
                            info->index_row_count, info->index_lag, info->index_file_bytes,
                            info->index_memory_bytes, info->index_rows_done,
                            info->index_rebuild_count);
    write_text(buffer, "index_rebuild_reason", info->index_rebuild_reason);
}

void px_rest_collection_write(struct px_buffer *buffer,
                              const struct proximadb_collection_info *info)
{
    const struct proximadb_collection_spec *spec = &info->spec;
    px_buffer_append_byte(buffer, '{');
    write_text(buffer, "name", spec->name);
    write_text(buffer, "id", info->id);
    px_buffer_append_format(buffer, "\"dimension\":%" PRIu32 ",", spec->dim_count);
    write_text(buffer, "metric", px_word_of(PX_WORD_METRIC, spec->metric));
    write_text(buffer, "index_type", px_word_of(PX_WORD_INDEX_TYPE, spec->index_type));
    write_text(buffer, "storage", px_word_of(PX_WORD_STORAGE, spec->storage));
    write_text(buffer, "layout", px_word_of(PX_WORD_LAYOUT, spec->layout));
    px_buffer_append_format(buffer, "\"mantissa_bits\":%" PRIu32 ",\"relative_error\":%.17g,",
                            info->mantissa_bits, info->relative_error);
    write_filterable(buffer, spec);
    write_text(buffer, "read_only_reason", info->read_only ? info->read_only_reason : NULL);
    px_buffer_append_format(
        buffer,
        "\"created_at\":%" PRId64 ",\"vector_count\":%" PRIu64 ",\"part_count\":%" PRIu64
        ",\"disk_bytes\":%" PRIu64 ",\"memtable_bytes\":%" PRIu64 ",\"wal_bytes\":%" PRIu64
        ",\"last_version\":%" PRId64 ",",
        info->created_at_ms, info->vector_count, info->part_count, info->disk_bytes,
        info->memtable_bytes, info->wal_bytes, info->last_version);
    write_index(buffer, info);
    write_text(buffer, "compaction_state", info->compaction_state);
    px_buffer_append_format(buffer,
                            "\"compaction_rows_done\":%" PRIu64 ",\"compaction_row_count\":%" PRIu64
                            ",\"fresh_part_count\":%" PRIu64 ",\"dead_row_count\":%" PRIu64
                            ",\"bytes_accepted\":%" PRIu64 ",\"bytes_written\":%" PRIu64 "}",
                            info->compaction_rows_done, info->compaction_row_count,
                            info->fresh_part_count, info->dead_row_count, info->bytes_accepted,
                            info->bytes_written);
}

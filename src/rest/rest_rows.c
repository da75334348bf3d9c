#include "rest/rest_rows.h"

#include "base/arena.h"
#include "rest/rest_floats.h"
#include "rest/rest_members.h"
#include "rest/rest_split.h"
#include "rest/rest_values.h"

enum { ARENA_BYTES = 256 << 20 };

enum {
    ID,
    VECTOR,
    VECTOR_BASE64,
    METADATA,
    DOCUMENT,
    TIMESTAMP,
    EXPIRES_AT,
    EXPECTED_VERSION,
    MEMBERS
};

static const struct px_rest_member all_members[MEMBERS] = {
    [ID] = {.name = "id"},
    [VECTOR] = {.name = "vector"},
    [VECTOR_BASE64] = {.name = "vector_base64"},
    [METADATA] = {.name = "metadata"},
    [DOCUMENT] = {.name = "document"},
    [TIMESTAMP] = {.name = "timestamp"},
    [EXPIRES_AT] = {.name = "expires_at"},
    [EXPECTED_VERSION] = {.name = "expected_version"},
};

/* What one record is read into; used again for the next. */
struct record {
    struct proximadb_row row;
    struct px_buffer floats;
    struct px_arena arena;
    int64_t timestamp_ms;
    int64_t expires_at_ms;
    int64_t expected_version;
};

static int read_vector(struct record *record, const struct px_rest_member *members,
                       struct proximadb_error *reterr)
{
    const struct px_rest_member *array = &members[VECTOR];
    const struct px_rest_member *base64 = &members[VECTOR_BASE64];
    int rc = PROXIMADB_OK;
    px_buffer_clear(&record->floats);
    if (px_rest_member_is_absent(array) && px_rest_member_is_absent(base64))
        return PROXIMADB_OK;
    if (!px_rest_member_is_absent(array) && !px_rest_member_is_absent(base64))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "there are vector and vector_base64; give one of them");
    if (!px_rest_member_is_absent(array))
        rc = px_rest_floats_read(array->value, array->name, &record->floats, reterr);
    else
        rc = px_rest_floats_read_base64(base64->value, base64->name, &record->floats, reterr);
    record->row.dim_count = record->floats.size_bytes / sizeof(float);
    record->row.vector = (const float *)(const void *)record->floats.data;
    return rc;
}

static int read_document(struct record *record, const struct px_rest_member *member, bool is_update,
                         struct proximadb_error *reterr)
{
    struct proximadb_text text = {0};
    int rc = px_rest_member_text(member, &text, reterr);
    record->row.document = text.data;
    record->row.document_size_bytes = text.size_bytes;
    record->row.clear_document = is_update && yyjson_is_null(member->value);
    return rc;
}

/* Keeps an integer in `place`, and gives its address to the row, if there is one. */
static int read_integer(const struct px_rest_member *member, int64_t *place,
                        const int64_t **ret_given, struct proximadb_error *reterr)
{
    int rc = px_rest_member_i64(member, place, reterr);
    *ret_given = px_rest_member_is_absent(member) ? NULL : place;
    return rc;
}

static int read_times(struct record *record, const struct px_rest_member *members, bool is_update,
                      struct proximadb_error *reterr)
{
    struct proximadb_row *row = &record->row;
    int rc = read_integer(&members[TIMESTAMP], &record->timestamp_ms, &row->timestamp_ms, reterr);
    if (rc == PROXIMADB_OK)
        rc =
            read_integer(&members[EXPIRES_AT], &record->expires_at_ms, &row->expires_at_ms, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_integer(&members[EXPECTED_VERSION], &record->expected_version,
                          &row->expected_version, reterr);
    row->clear_expires_at = is_update && yyjson_is_null(members[EXPIRES_AT].value);
    return rc;
}

static int read_record(struct record *record, yyjson_val *json, bool is_update,
                       struct proximadb_error *reterr)
{
    struct px_rest_member members[MEMBERS];
    struct proximadb_row *row = &record->row;
    memcpy(members, all_members, sizeof members);
    *row = (struct proximadb_row){.struct_size = sizeof *row};
    int rc = px_rest_members_read(json, "the record", members, MEMBERS, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_text(&members[ID], &row->id, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_vector(record, members, reterr);
    if (rc == PROXIMADB_OK && !px_rest_member_is_absent(&members[METADATA]))
        rc = px_rest_fields_read(members[METADATA].value, "metadata", &record->arena, &row->fields,
                                 &row->field_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_document(record, &members[DOCUMENT], is_update, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_times(record, members, is_update, reterr);
    return rc;
}

static int add_record(proximadb_batch *batch, struct record *record, struct px_slice text,
                      bool is_update, struct proximadb_error *reterr)
{
    yyjson_doc *doc;
    int rc = px_rest_json_parse(text, "the record", &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_arena_mark mark = px_arena_mark(&record->arena);
    rc = read_record(record, yyjson_doc_get_root(doc), is_update, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_batch_add(batch, &record->row, reterr);
    px_arena_rewind(&record->arena, mark);
    yyjson_doc_free(doc);
    return rc;
}

static int add_records(proximadb_batch *batch, struct record *record, struct px_slice body,
                       bool is_update, struct proximadb_error *reterr)
{
    struct px_rest_split split;
    struct px_slice text;
    bool found = true;
    int rc = px_rest_split_open(&split, body, "records", reterr);
    while (rc == PROXIMADB_OK && found) {
        rc = px_rest_split_next(&split, &found, &text, reterr);
        if (rc != PROXIMADB_OK || !found)
            break;
        rc = add_record(batch, record, text, is_update, reterr);
        if (rc != PROXIMADB_OK)
            px_error_set_row(reterr, (int64_t)split.count - 1);
    }
    return rc;
}

int px_rest_rows_read(struct px_slice body, int operation, const uint8_t *request_id,
                      struct proximadb_buffer *ret_payload, struct proximadb_error *reterr)
{
    struct record record = {.arena.limit_bytes = ARENA_BYTES};
    proximadb_batch *batch = proximadb_batch_new(operation, request_id);
    if (batch == NULL)
        return px_fail_no_memory(reterr);
    int rc = add_records(batch, &record, body, operation == PROXIMADB_UPDATE, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_batch_take(batch, ret_payload, reterr);
    proximadb_batch_free(batch);
    px_buffer_release(&record.floats);
    px_arena_release(&record.arena);
    return rc;
}

#include "payload/answer.h"

#include "model/collection.h"
#include "model/metadata.h"
#include "payload/map_reader.h"

#include <assert.h>

enum {
    SMALLEST_ROW_BYTES = 7,         /* of a record or a hit */
    SMALLEST_COLLECTION_BYTES = 25, /* its fields have a byte each, one has 8 */
};

/* ---- small answers ------------------------------------------------------------------------- */

static int open_small(struct px_slice payload, enum px_schema schema, struct px_cursor *ret_cursor,
                      struct proximadb_error *reterr)
{
    struct px_slice datum;
    int rc = px_payload_expect(payload, schema, &datum, reterr);
    if (rc == PROXIMADB_OK)
        *ret_cursor = px_cursor_of(datum);
    return rc;
}

/* Counts and sizes, which the engine never makes negative. */
static uint64_t read_u64(struct px_cursor *cursor)
{
    int64_t value = px_cursor_long(cursor);
    if (value < 0) {
        px_cursor_fail(cursor, "a number is negative");
        return 0;
    }
    return (uint64_t)value;
}

int px_answer_write_result(struct px_slice payload, struct proximadb_write_result *ret_result,
                           struct proximadb_error *reterr)
{
    struct px_cursor cursor;
    int rc = open_small(payload, PX_SCHEMA_WRITE_RESULT, &cursor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct proximadb_write_result result;
    result.row_count = read_u64(&cursor);
    result.first_version = px_cursor_long(&cursor);
    result.affected = read_u64(&cursor);
    result.repeated = px_cursor_boolean(&cursor);
    rc = px_cursor_finish(&cursor, PROXIMADB_CORRUPT, "WriteResult", reterr);
    if (rc == PROXIMADB_OK)
        *ret_result = result;
    return rc;
}

int px_answer_count(struct px_slice payload, uint64_t *ret_count, struct proximadb_error *reterr)
{
    struct px_cursor cursor;
    int rc = open_small(payload, PX_SCHEMA_COUNT_RESULT, &cursor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    uint64_t count = read_u64(&cursor);
    rc = px_cursor_finish(&cursor, PROXIMADB_CORRUPT, "CountResult", reterr);
    if (rc == PROXIMADB_OK)
        *ret_count = count;
    return rc;
}

int px_answer_compact_result(struct px_slice payload, struct proximadb_compact_result *ret_result,
                             struct proximadb_error *reterr)
{
    struct px_cursor cursor;
    int rc = open_small(payload, PX_SCHEMA_COMPACT_RESULT, &cursor, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct proximadb_compact_result result;
    result.row_count = read_u64(&cursor);
    result.cluster_count = read_u64(&cursor);
    result.bytes_read = read_u64(&cursor);
    result.bytes_written = read_u64(&cursor);
    rc = px_cursor_finish(&cursor, PROXIMADB_CORRUPT, "CompactResult", reterr);
    if (rc == PROXIMADB_OK)
        *ret_result = result;
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static const char *what(const struct px_answer *answer)
{
    return px_schema_name(answer->schema);
}

static bool has_rows(const struct px_answer *answer)
{
    return answer->schema == PX_SCHEMA_SEARCH_RESULT || answer->schema == PX_SCHEMA_RECORD_BATCH;
}

static bool has_collections(const struct px_answer *answer)
{
    return answer->schema == PX_SCHEMA_COLLECTION_INFO ||
           answer->schema == PX_SCHEMA_COLLECTION_LIST;
}

/* Whatever is wrong with an answer is damage, also where it would be a client's mistake in a
 * request. */
static int as_corrupt(int rc, struct proximadb_error *reterr)
{
    if (rc != PROXIMADB_INVALID)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_CORRUPT;
    return PROXIMADB_CORRUPT;
}

static void read_vector(struct px_answer *answer, struct proximadb_hit *hit)
{
    hit->vector = NULL;
    hit->dim_count = 0;
    if (px_cursor_branch(&answer->cursor, 2) == 1)
        hit->vector = px_cursor_floats(&answer->cursor, &hit->dim_count);
}

static int read_metadata(struct px_answer *answer, struct px_slice *ret_metadata,
                         struct proximadb_error *reterr)
{
    struct px_map_reader reader;
    bool present = true;
    *ret_metadata = px_metadata_empty;
    if (answer->schema == PX_SCHEMA_SEARCH_RESULT)
        present = px_cursor_branch(&answer->cursor, 2) == 1;
    if (!present || answer->cursor.fault != NULL)
        return PROXIMADB_OK;
    px_map_reader_init(&reader, NULL, &answer->arena);
    int rc = px_map_reader_read(&reader, &answer->cursor, ret_metadata, reterr);
    px_map_reader_release(&reader);
    return as_corrupt(rc, reterr);
}

static void read_document(struct px_answer *answer, struct proximadb_hit *hit)
{
    struct px_slice document = {0};
    if (px_cursor_branch(&answer->cursor, 2) == 1)
        document = px_cursor_string(&answer->cursor);
    hit->document = (const char *)document.data;
    hit->document_size_bytes = document.size_bytes;
}

static void read_times(struct px_answer *answer, struct proximadb_hit *hit)
{
    hit->timestamp_ms = px_cursor_long(&answer->cursor);
    hit->expires_at_ms = NULL;
    if (px_cursor_branch(&answer->cursor, 2) == 1) {
        answer->expires_at_ms = px_cursor_long(&answer->cursor);
        hit->expires_at_ms = &answer->expires_at_ms;
    }
}

/* A Record or a Hit; all of it but the fields, which are made from *ret_metadata. */
static int read_row(struct px_answer *answer, struct proximadb_hit *hit,
                    struct px_slice *ret_metadata, struct proximadb_error *reterr)
{
    struct px_cursor *cursor = &answer->cursor;
    bool is_hit = answer->schema == PX_SCHEMA_SEARCH_RESULT;
    struct px_slice id = px_cursor_string(cursor);
    *hit = (struct proximadb_hit){.id = {(const char *)id.data, id.size_bytes}};
    hit->query_index = is_hit ? (uint32_t)(answer->outer_index - 1) : 0;
    hit->version = px_cursor_long(cursor);
    hit->score = is_hit ? px_cursor_double(cursor) : 0.0;
    hit->distance = is_hit ? px_cursor_double(cursor) : 0.0;
    read_vector(answer, hit);
    int rc = read_metadata(answer, ret_metadata, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    read_document(answer, hit);
    if (!is_hit)
        read_times(answer, hit);
    return px_cursor_check(cursor, PROXIMADB_CORRUPT, what(answer), reterr);
}

static bool next_outer(struct px_answer *answer)
{
    if (answer->outer_index == answer->outer.count)
        return false;
    answer->outer_index++;
    return true;
}

/* Moves to the next hit, through queries that have none. */
static bool next_hit(struct px_answer *answer)
{
    while (answer->inner_index == answer->inner.count) {
        px_cursor_array_end(&answer->cursor, &answer->inner);
        answer->inner = (struct px_cursor_block){0};
        answer->inner_index = 0;
        if (!next_outer(answer))
            return false;
        answer->inner = px_cursor_array_begin(&answer->cursor, SMALLEST_ROW_BYTES);
    }
    answer->inner_index++;
    return true;
}

static bool next_row(struct px_answer *answer)
{
    return answer->schema == PX_SCHEMA_SEARCH_RESULT ? next_hit(answer) : next_outer(answer);
}

bool px_answer_next_row(struct px_answer *answer, struct proximadb_hit *ret_hit,
                        struct proximadb_error *reterr)
{
    struct proximadb_hit hit;
    struct px_slice metadata;
    if (reterr != NULL)
        *reterr = (struct proximadb_error){.row_index = -1};
    if (!has_rows(answer) || !next_row(answer))
        return false;
    px_arena_release(&answer->arena);
    int rc = read_row(answer, &hit, &metadata, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_fields_read(&answer->fields, metadata, reterr);
    if (rc != PROXIMADB_OK)
        return false;
    hit.fields = answer->fields.items;
    hit.field_count = answer->fields.count;
    *ret_hit = hit;
    return true;
}

/* ---- collections --------------------------------------------------------------------------- */

static const char *read_string(struct px_answer *answer)
{
    struct px_slice string = px_cursor_string(&answer->cursor);
    return px_arena_copy(&answer->arena, string.data, string.size_bytes);
}

static int read_word(struct px_answer *answer, bool (*parse)(struct px_slice word, int *ret_value))
{
    int value = 0;
    if (!parse(px_cursor_string(&answer->cursor), &value))
        px_cursor_fail(&answer->cursor, "a word is none of its enum's");
    return value;
}

static bool read_filterable(struct px_answer *answer, struct proximadb_collection_spec *spec)
{
    struct proximadb_filterable *fields =
        px_arena_calloc(&answer->arena, PX_MOST_FIELDS, sizeof *fields);
    struct px_cursor_items items = {0};
    size_t count = 0;
    bool copied = fields != NULL;
    while (copied && px_cursor_next_item(&answer->cursor, &items)) {
        if (count == PX_MOST_FIELDS) {
            px_cursor_fail(&answer->cursor, "it has too many filterable fields");
            break;
        }
        fields[count].name = read_string(answer);
        fields[count].type = read_word(answer, px_field_type_parse);
        copied = fields[count++].name != NULL;
    }
    spec->filterable = fields;
    spec->filterable_count = count;
    return copied;
}

static bool read_spec(struct px_answer *answer, struct proximadb_collection_info *info)
{
    struct proximadb_collection_spec *spec = &info->spec;
    spec->struct_size = sizeof *spec;
    spec->name = read_string(answer);
    info->id = read_string(answer);
    int32_t dimension = px_cursor_int(&answer->cursor);
    if (dimension < 0) /* 0: of a collection whose description is damaged */
        px_cursor_fail(&answer->cursor, "the dimension is negative");
    spec->dim_count = dimension > 0 ? (uint32_t)dimension : 0;
    spec->metric = read_word(answer, px_metric_parse);
    spec->index_type = read_word(answer, px_index_type_parse);
    spec->storage = read_word(answer, px_storage_parse);
    spec->layout = read_word(answer, px_layout_parse);
    int32_t mantissa_bits = px_cursor_int(&answer->cursor);
    if (mantissa_bits < 0)
        px_cursor_fail(&answer->cursor, "the bits of mantissa are negative");
    info->mantissa_bits = mantissa_bits > 0 ? (uint32_t)mantissa_bits : 0;
    info->relative_error = px_cursor_double(&answer->cursor);
    return read_filterable(answer, spec) && spec->name != NULL && info->id != NULL;
}

static bool read_index(struct px_answer *answer, struct proximadb_collection_info *info)
{
    struct px_cursor *cursor = &answer->cursor;
    info->index_state = read_string(answer);
    info->index_row_count = read_u64(cursor);
    info->index_lag = read_u64(cursor);
    info->index_file_bytes = read_u64(cursor);
    info->index_memory_bytes = read_u64(cursor);
    info->index_rows_done = read_u64(cursor);
    info->index_rebuild_count = read_u64(cursor);
    info->index_rebuild_reason = read_string(answer);
    return info->index_state != NULL && info->index_rebuild_reason != NULL;
}

static int read_collection(struct px_answer *answer, struct proximadb_collection_info *info,
                           struct proximadb_error *reterr)
{
    struct px_cursor *cursor = &answer->cursor;
    *info = (struct proximadb_collection_info){0};
    bool copied = read_spec(answer, info);
    info->created_at_ms = px_cursor_long(cursor);
    info->vector_count = read_u64(cursor);
    info->part_count = read_u64(cursor);
    info->disk_bytes = read_u64(cursor);
    info->memtable_bytes = read_u64(cursor);
    info->wal_bytes = read_u64(cursor);
    info->last_version = px_cursor_long(cursor);
    info->fresh_part_count = read_u64(cursor);
    info->dead_row_count = read_u64(cursor);
    info->bytes_accepted = read_u64(cursor);
    info->bytes_written = read_u64(cursor);
    info->compaction_state = read_string(answer);
    copied = copied && info->compaction_state != NULL;
    info->compaction_rows_done = read_u64(cursor);
    info->compaction_row_count = read_u64(cursor);
    info->spec.index_memory = read_word(answer, px_index_memory_parse);
    copied = read_index(answer, info) && copied;
    info->read_only = px_cursor_branch(cursor, 2) == 1;
    if (info->read_only) {
        info->read_only_reason = read_string(answer);
        copied = copied && info->read_only_reason != NULL;
    }
    int rc = px_cursor_check(cursor, PROXIMADB_CORRUPT, what(answer), reterr);
    return rc == PROXIMADB_OK && !copied ? px_fail_no_memory(reterr) : rc;
}

bool px_answer_next_collection(struct px_answer *answer, struct proximadb_collection_info *ret_info,
                               struct proximadb_error *reterr)
{
    struct proximadb_collection_info info;
    if (reterr != NULL)
        *reterr = (struct proximadb_error){.row_index = -1};
    if (!has_collections(answer) || !next_outer(answer))
        return false;
    px_arena_release(&answer->arena);
    if (read_collection(answer, &info, reterr) != PROXIMADB_OK)
        return false;
    *ret_info = info;
    return true;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* Sets the answer before its first item. */
static void rewind_answer(struct px_answer *answer)
{
    answer->cursor = px_cursor_of(answer->datum);
    answer->inner = (struct px_cursor_block){0};
    answer->outer_index = answer->inner_index = 0;
    if (answer->schema == PX_SCHEMA_COLLECTION_INFO)
        answer->outer = (struct px_cursor_block){.count = 1}; /* read like a list of one */
    else if (answer->schema == PX_SCHEMA_COLLECTION_LIST)
        answer->outer = px_cursor_array_begin(&answer->cursor, SMALLEST_COLLECTION_BYTES);
    else if (answer->schema == PX_SCHEMA_RECORD_BATCH)
        answer->outer = px_cursor_array_begin(&answer->cursor, SMALLEST_ROW_BYTES);
    else
        answer->outer = px_cursor_array_begin(&answer->cursor, 1);
}

static int check_rows(struct px_answer *answer, struct proximadb_error *reterr)
{
    struct proximadb_hit hit;
    struct px_slice metadata;
    while (next_row(answer)) {
        px_arena_release(&answer->arena);
        int rc = read_row(answer, &hit, &metadata, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    px_cursor_array_end(&answer->cursor, &answer->outer);
    if (answer->schema == PX_SCHEMA_RECORD_BATCH && px_cursor_branch(&answer->cursor, 2) == 1)
        answer->scan_cursor = px_cursor_string(&answer->cursor);
    return PROXIMADB_OK;
}

static int check_collections(struct px_answer *answer, struct proximadb_error *reterr)
{
    struct proximadb_collection_info info;
    while (next_outer(answer)) {
        px_arena_release(&answer->arena);
        int rc = read_collection(answer, &info, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
    }
    if (answer->schema == PX_SCHEMA_COLLECTION_LIST)
        px_cursor_array_end(&answer->cursor, &answer->outer);
    return PROXIMADB_OK;
}

static int check_all(struct px_answer *answer, struct proximadb_error *reterr)
{
    int rc;
    rewind_answer(answer);
    if (answer->outer.count > UINT32_MAX)
        return px_fail(reterr, PROXIMADB_CORRUPT, "a %s of so many items is none of ours",
                       what(answer));
    if (has_rows(answer))
        rc = check_rows(answer, reterr);
    else
        rc = check_collections(answer, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_cursor_finish(&answer->cursor, PROXIMADB_CORRUPT, what(answer), reterr);
    return rc;
}

static int open_answer(struct px_answer *answer, struct px_slice payload,
                       struct proximadb_error *reterr)
{
    int rc = px_payload_open(payload, &answer->schema, &answer->datum, reterr);
    if (rc != PROXIMADB_OK)
        return as_corrupt(rc, reterr);
    if (!has_rows(answer) && !has_collections(answer))
        return px_fail(reterr, PROXIMADB_UNIMPLEMENTED,
                       "a %s has no rows and no collections to read", what(answer));
    rc = check_all(answer, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rewind_answer(answer);
    bool is_search = answer->schema == PX_SCHEMA_SEARCH_RESULT;
    answer->query_count = is_search ? (uint32_t)answer->outer.count : 1;
    return PROXIMADB_OK;
}

int px_answer_open(struct px_slice payload, struct px_answer *ret_answer,
                   struct proximadb_error *reterr)
{
    *ret_answer = (struct px_answer){0};
    int rc = open_answer(ret_answer, payload, reterr);
    if (rc != PROXIMADB_OK)
        px_answer_release(ret_answer);
    return rc;
}

void px_answer_release(struct px_answer *answer)
{
    px_arena_release(&answer->arena);
    px_fields_release(&answer->fields);
    *answer = (struct px_answer){0};
}

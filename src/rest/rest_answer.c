#include "rest/rest_answer.h"

#include "rest/rest_collection.h"
#include "rest/rest_values.h"

#include <inttypes.h>

static void put(struct px_buffer *text, const char *literal)
{
    px_buffer_append_slice(text, px_slice_of_string(literal));
}

static void put_text(struct px_buffer *text, const char *data, size_t size_bytes)
{
    px_json_append_string(text, px_slice_of(data, size_bytes));
}

/* An error that a reader made; PROXIMADB_OK where it made none. */
static int pass_on(const struct proximadb_error *error, struct proximadb_error *reterr)
{
    if (error->status != PROXIMADB_OK && reterr != NULL)
        *reterr = *error;
    return error->status;
}

/* ---- answers without rows ------------------------------------------------------------------ */

static int write_result(int operation, const struct proximadb_buffer *response,
                        struct px_buffer *text, struct proximadb_error *reterr)
{
    struct proximadb_write_result result;
    int rc = proximadb_decode_write_result(response, &result, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    if (operation == PROXIMADB_DELETE)
        px_buffer_append_format(text, "{\"deleted\":%" PRIu64, result.affected);
    else
        px_buffer_append_format(
            text, "{\"row_count\":%" PRIu64 ",\"first_version\":%" PRId64 ",\"affected\":%" PRIu64,
            result.row_count, result.first_version, result.affected);
    px_buffer_append_format(text, ",\"repeated\":%s}", result.repeated ? "true" : "false");
    return PROXIMADB_OK;
}

static int write_count(const struct proximadb_buffer *response, struct px_buffer *text,
                       struct proximadb_error *reterr)
{
    uint64_t count;
    int rc = proximadb_decode_count(response, &count, reterr);
    if (rc == PROXIMADB_OK)
        px_buffer_append_format(text, "{\"count\":%" PRIu64 "}", count);
    return rc;
}

static int write_compacted(const struct proximadb_buffer *response, struct px_buffer *text,
                           struct proximadb_error *reterr)
{
    struct proximadb_compact_result result;
    int rc = proximadb_decode_compact_result(response, &result, reterr);
    if (rc == PROXIMADB_OK)
        px_buffer_append_format(text,
                                "{\"row_count\":%" PRIu64 ",\"cluster_count\":%" PRIu64
                                ",\"bytes_read\":%" PRIu64 ",\"bytes_written\":%" PRIu64 "}",
                                result.row_count, result.cluster_count, result.bytes_read,
                                result.bytes_written);
    return rc;
}

/* One collection, or all of them with commas between. */
static int write_collections(struct proximadb_buffer *response, struct px_buffer *text,
                             struct proximadb_error *reterr)
{
    proximadb_reader *reader;
    struct proximadb_collection_info info;
    struct proximadb_error error = {0};
    int rc = proximadb_reader_new(response, &reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    for (size_t i = 0; proximadb_reader_next_collection(reader, &info, &error); i++) {
        if (i > 0)
            px_buffer_append_byte(text, ',');
        px_rest_collection_write(text, &info);
    }
    proximadb_reader_free(reader);
    return pass_on(&error, reterr);
}

static int write_list(struct proximadb_buffer *response, struct px_buffer *text,
                      struct proximadb_error *reterr)
{
    put(text, "{\"collections\":[");
    int rc = write_collections(response, text, reterr);
    put(text, "]}");
    return rc;
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void put_metadata(struct px_buffer *text, const struct proximadb_hit *row)
{
    put(text, ",\"metadata\":");
    px_rest_fields_write(text, row->fields, row->field_count);
    put(text, ",\"document\":");
    if (row->document != NULL)
        put_text(text, row->document, row->document_size_bytes);
    else
        put(text, "null");
}

static void put_vector(struct px_buffer *text, const struct px_rest_answer *answer,
                       const struct proximadb_hit *row)
{
    if (answer->shape.vectors == PX_REST_VECTOR_NONE || row->vector == NULL)
        return;
    px_buffer_append_byte(text, ',');
    px_rest_floats_write(text, answer->shape.vectors, row->vector, row->dim_count);
}

static void put_hit(struct px_buffer *text, const struct px_rest_answer *answer,
                    const struct proximadb_hit *hit)
{
    put(text, "{\"id\":");
    put_text(text, hit->id.data, hit->id.size_bytes);
    put(text, ",\"score\":");
    px_json_append_double(text, hit->score);
    put(text, ",\"distance\":");
    px_json_append_double(text, hit->distance);
    px_buffer_append_format(text, ",\"version\":%" PRId64, hit->version);
    if (answer->shape.include_metadata)
        put_metadata(text, hit);
    put_vector(text, answer, hit);
    px_buffer_append_byte(text, '}');
}

static void put_record(struct px_buffer *text, const struct px_rest_answer *answer,
                       const struct proximadb_hit *record)
{
    put(text, "{\"id\":");
    put_text(text, record->id.data, record->id.size_bytes);
    put_vector(text, answer, record);
    put_metadata(text, record);
    px_buffer_append_format(text, ",\"version\":%" PRId64 ",\"timestamp\":%" PRId64,
                            record->version, record->timestamp_ms);
    if (record->expires_at_ms != NULL)
        px_buffer_append_format(text, ",\"expires_at\":%" PRId64 "}", *record->expires_at_ms);
    else
        put(text, ",\"expires_at\":null}");
}

/* Closes lists and opens the next ones until the query's is open. */
static void go_to_query(struct px_rest_answer *answer, uint32_t query_index, struct px_buffer *text)
{
    for (; answer->query_index < query_index; answer->query_index++) {
        put(text, "],[");
        answer->is_list_begun = false;
    }
}

static void put_row(struct px_rest_answer *answer, const struct proximadb_hit *row,
                    struct px_buffer *text)
{
    go_to_query(answer, row->query_index, text);
    if (answer->is_list_begun)
        px_buffer_append_byte(text, ',');
    answer->is_list_begun = true;
    if (answer->operation == PROXIMADB_SEARCH)
        put_hit(text, answer, row);
    else
        put_record(text, answer, row);
}

static void begin_rows(struct px_rest_answer *answer, struct px_buffer *text)
{
    bool is_search = answer->operation == PROXIMADB_SEARCH;
    put(text, !is_search                ? "{\"records\":["
              : answer->shape.is_single ? "{\"hits\":["
                                        : "{\"results\":[[");
}

static void end_rows(struct px_rest_answer *answer, struct px_buffer *text)
{
    struct proximadb_text cursor = proximadb_reader_cursor(answer->reader);
    if (answer->operation == PROXIMADB_SEARCH)
        go_to_query(answer, answer->query_count - 1, text);
    put(text, answer->operation == PROXIMADB_SEARCH && !answer->shape.is_single ? "]]" : "]");
    if (answer->operation == PROXIMADB_SCAN) {
        put(text, ",\"cursor\":");
        if (cursor.size_bytes > 0)
            put_text(text, cursor.data, cursor.size_bytes);
        else
            put(text, "null");
    }
    px_buffer_append_byte(text, '}');
}

/* ---- the whole ----------------------------------------------------------------------------- */

static int open_rows(struct px_rest_answer *answer, struct proximadb_buffer *response,
                     struct px_buffer *text, struct proximadb_error *reterr)
{
    int rc = proximadb_reader_new(response, &answer->reader, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    answer->query_count = proximadb_reader_query_count(answer->reader);
    if (answer->query_count == 0 || (answer->shape.is_single && answer->query_count > 1))
        return px_fail(reterr, PROXIMADB_INTERNAL, "the engine answered %u queries",
                       answer->query_count);
    begin_rows(answer, text);
    return PROXIMADB_OK;
}

static int open_answer(struct px_rest_answer *answer, struct proximadb_buffer *response,
                       struct px_buffer *text, struct proximadb_error *reterr)
{
    switch (answer->operation) {
    case PROXIMADB_INSERT:
    case PROXIMADB_UPSERT:
    case PROXIMADB_UPDATE:
    case PROXIMADB_DELETE:
        return write_result(answer->operation, response, text, reterr);
    case PROXIMADB_GET:
    case PROXIMADB_SCAN:
    case PROXIMADB_SEARCH:
        return open_rows(answer, response, text, reterr);
    case PROXIMADB_COUNT:
        return write_count(response, text, reterr);
    case PROXIMADB_COMPACT:
        return write_compacted(response, text, reterr);
    case PROXIMADB_CREATE_COLLECTION:
    case PROXIMADB_GET_COLLECTION:
    case PROXIMADB_UPDATE_COLLECTION:
        return write_collections(response, text, reterr);
    case PROXIMADB_LIST_COLLECTIONS:
        return write_list(response, text, reterr);
    default: /* flush, delete_collection, pausing, resuming, rebuilding: nothing to say */
        return PROXIMADB_OK;
    }
}

/* An answer that cannot be read is no fault of the request's, whatever the reader calls it. */
static int fail_ours(int rc, struct proximadb_error *reterr)
{
    if (rc != PROXIMADB_INVALID && rc != PROXIMADB_UNIMPLEMENTED)
        return rc;
    if (reterr != NULL)
        reterr->status = PROXIMADB_INTERNAL;
    px_error_context(reterr, "the engine's answer cannot be read");
    return PROXIMADB_INTERNAL;
}

int px_rest_answer_open(struct px_rest_answer *answer, int operation,
                        const struct px_rest_shape *shape, struct proximadb_buffer *response,
                        struct px_buffer *text, struct proximadb_error *reterr)
{
    *answer = (struct px_rest_answer){.shape = *shape, .operation = operation};
    int rc = open_answer(answer, response, text, reterr);
    proximadb_buffer_release(response);
    return fail_ours(rc, reterr);
}

int px_rest_answer_write(struct px_rest_answer *answer, struct px_buffer *text, size_t enough_bytes,
                         bool *ret_is_done, struct proximadb_error *reterr)
{
    struct proximadb_hit row;
    struct proximadb_error error = {0};
    size_t begin = text->size_bytes;
    *ret_is_done = answer->reader == NULL;
    while (!*ret_is_done && text->size_bytes - begin < enough_bytes &&
           text->status == PROXIMADB_OK) {
        if (proximadb_reader_next(answer->reader, &row, &error)) {
            put_row(answer, &row, text);
        } else if (error.status != PROXIMADB_OK) {
            return pass_on(&error, reterr);
        } else {
            end_rows(answer, text);
            *ret_is_done = true;
        }
    }
    if (*ret_is_done)
        px_rest_answer_release(answer);
    return px_buffer_status(text, reterr);
}

void px_rest_answer_release(struct px_rest_answer *answer)
{
    proximadb_reader_free(answer->reader);
    answer->reader = NULL;
}

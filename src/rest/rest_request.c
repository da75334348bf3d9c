#include "rest/rest_request.h"

#include "base/arena.h"
#include "rest/rest_query.h"
#include "rest/rest_rows.h"
#include "rest/rest_values.h"

#include <stdio.h>

enum { ARENA_BYTES = 256 << 20, DEFAULT_K = 10 };

/* ---- documents ----------------------------------------------------------------------------- */

int px_rest_body_parse(struct px_slice body, yyjson_doc **ret_doc, struct proximadb_error *reterr)
{
    if (body.size_bytes == 0)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "the request has no body; a JSON object is expected");
    return px_rest_json_parse(body, "the body", ret_doc, reterr);
}

/* Parses the body and reads it with `read`, which finds what it needs in the document and keeps
 * what it makes in the arena until the payload is made. */
static int decode_document(struct px_rest_request *request,
                           int (*read)(struct px_rest_request *request, yyjson_val *root,
                                       struct px_arena *arena, struct proximadb_error *reterr),
                           struct proximadb_error *reterr)
{
    struct px_arena arena = {.limit_bytes = ARENA_BYTES};
    yyjson_doc *doc;
    int rc = px_rest_body_parse(request->body, &doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    rc = read(request, yyjson_doc_get_root(doc), &arena, reterr);
    yyjson_doc_free(doc);
    px_arena_release(&arena);
    return rc;
}

/* ---- what several requests have ------------------------------------------------------------ */

static int read_filter(const struct px_rest_member *text, const struct px_rest_member *params,
                       struct px_arena *arena, struct proximadb_filter *ret_filter,
                       struct proximadb_error *reterr)
{
    struct proximadb_text filter = {0};
    int rc = px_rest_member_text(text, &filter, reterr);
    ret_filter->text = filter.data;
    ret_filter->text_size_bytes = filter.size_bytes;
    if (rc == PROXIMADB_OK && !px_rest_member_is_absent(params))
        rc = px_rest_fields_read(params->value, params->name, arena, &ret_filter->params,
                                 &ret_filter->param_count, reterr);
    return rc;
}

static int read_ids(const struct px_rest_member *member, struct px_arena *arena,
                    struct proximadb_text **ret_ids, size_t *ret_count,
                    struct proximadb_error *reterr)
{
    if (!yyjson_is_arr(member->value))
        return px_rest_member_fail(member, "an array of strings", reterr);
    size_t count = yyjson_arr_size(member->value);
    struct proximadb_text *ids = px_arena_calloc(arena, count, sizeof *ids);
    yyjson_val *item;
    if (ids == NULL)
        return px_rest_fail_memory(member->name, reterr);
    yyjson_arr_iter items = yyjson_arr_iter_with(member->value);
    for (size_t i = 0; (item = yyjson_arr_iter_next(&items)) != NULL; i++) {
        if (!yyjson_is_str(item))
            return px_fail_row(reterr, PROXIMADB_INVALID, (int64_t)i,
                               "%s[%zu] is %s; an id is a string", member->name, i,
                               px_rest_kind_of(item));
        ids[i] = (struct proximadb_text){.data = yyjson_get_str(item),
                                         .size_bytes = yyjson_get_len(item)};
    }
    *ret_ids = ids;
    *ret_count = count;
    return PROXIMADB_OK;
}

/* A number that the engine has 32 bits for; what is larger is larger than any limit of it. A 0
 * means "not given" to the functions that make payloads, so it is refused here. */
static int read_u32(const struct px_rest_member *member, uint32_t *ret_value,
                    struct proximadb_error *reterr)
{
    uint64_t value = *ret_value;
    int rc = px_rest_member_u64(member, &value, reterr);
    if (rc == PROXIMADB_OK && value == 0 && !px_rest_member_is_absent(member))
        return px_fail(reterr, PROXIMADB_INVALID,
                       "%s is 0; give 1 or more, or null for the engine's choice", member->name);
    *ret_value = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    return rc;
}

/* include_vectors and vector_format together say how the answer writes vectors. */
static int read_vector_format(const struct px_rest_member *format, bool include_vectors,
                              struct px_rest_shape *shape, struct proximadb_error *reterr)
{
    static const char array_word[] = "array", base64_word[] = "base64";
    struct proximadb_text word = {.data = array_word, .size_bytes = sizeof array_word - 1};
    int rc = px_rest_member_text(format, &word, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    struct px_slice given = px_slice_of(word.data, word.size_bytes);
    bool is_base64 = px_slice_equal(given, px_slice_of_string(base64_word));
    if (!is_base64 && !px_slice_equal(given, px_slice_of_string(array_word)))
        return px_fail(reterr, PROXIMADB_INVALID, "%s must be \"array\" or \"base64\"",
                       format->name);
    shape->vectors = !include_vectors ? PX_REST_VECTOR_NONE
                     : is_base64      ? PX_REST_VECTOR_BASE64
                                      : PX_REST_VECTOR_ARRAY;
    return PROXIMADB_OK;
}

/* ---- rows ---------------------------------------------------------------------------------- */

int px_rest_decode_nothing(struct px_rest_request *request, struct proximadb_error *reterr)
{
    (void)request;
    (void)reterr;
    return PROXIMADB_OK;
}

int px_rest_decode_rows(struct px_rest_request *request, struct proximadb_error *reterr)
{
    return px_rest_rows_read(request->body, request->operation,
                             request->has_request_id ? request->request_id : NULL,
                             &request->payload, reterr);
}

static int read_get(struct px_rest_request *request, yyjson_val *root, struct px_arena *arena,
                    struct proximadb_error *reterr)
{
    enum { IDS, INCLUDE_VECTORS, VECTOR_FORMAT, MEMBERS };
    struct px_rest_member members[MEMBERS] = {[IDS] = {.name = "ids"},
                                              [INCLUDE_VECTORS] = {.name = "include_vectors"},
                                              [VECTOR_FORMAT] = {.name = "vector_format"}};
    struct proximadb_text *ids = NULL;
    size_t id_count = 0;
    bool include_vectors = true;
    int rc = px_rest_members_read(root, "the body", members, MEMBERS, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_ids(&members[IDS], arena, &ids, &id_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_bool(&members[INCLUDE_VECTORS], &include_vectors, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_vector_format(&members[VECTOR_FORMAT], include_vectors, &request->shape, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_get(ids, id_count, include_vectors, &request->payload, reterr);
    return rc;
}

int px_rest_decode_get(struct px_rest_request *request, struct proximadb_error *reterr)
{
    return decode_document(request, read_get, reterr);
}

static int read_delete(struct px_rest_request *request, yyjson_val *root, struct px_arena *arena,
                       struct proximadb_error *reterr)
{
    enum { IDS, FILTER, PARAMS, MEMBERS };
    struct px_rest_member members[MEMBERS] = {
        [IDS] = {.name = "ids"}, [FILTER] = {.name = "filter"}, [PARAMS] = {.name = "params"}};
    struct proximadb_text *ids = NULL;
    size_t id_count = 0;
    struct proximadb_filter filter = {0};
    int rc = px_rest_members_read(root, "the body", members, MEMBERS, reterr);
    if (rc == PROXIMADB_OK && !px_rest_member_is_absent(&members[IDS]))
        rc = read_ids(&members[IDS], arena, &ids, &id_count, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_filter(&members[FILTER], &members[PARAMS], arena, &filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_delete(request->has_request_id ? request->request_id : NULL, ids,
                                     id_count, &filter, &request->payload, reterr);
    return rc;
}

int px_rest_decode_delete(struct px_rest_request *request, struct proximadb_error *reterr)
{
    return decode_document(request, read_delete, reterr);
}

/* ---- search -------------------------------------------------------------------------------- */

enum {
    SEARCH_VECTOR,
    SEARCH_VECTOR_BASE64,
    SEARCH_VECTORS,
    SEARCH_VECTORS_BASE64,
    SEARCH_K,
    SEARCH_FILTER,
    SEARCH_PARAMS,
    SEARCH_INCLUDE_VECTORS,
    SEARCH_VECTOR_FORMAT,
    SEARCH_INCLUDE_METADATA,
    SEARCH_EF,
    SEARCH_NPROBE,
    SEARCH_EXACT,
    SEARCH_TARGET_RECALL,
    SEARCH_MEMBERS
};

/* One vector, whose length is the dimension that all have. */
static int read_query(yyjson_val *json, const char *name, bool is_base64, struct px_buffer *floats,
                      struct proximadb_error *reterr)
{
    return is_base64 ? px_rest_floats_read_base64(json, name, floats, reterr)
                     : px_rest_floats_read(json, name, floats, reterr);
}

static int read_queries(const struct px_rest_member *member, bool is_base64,
                        struct px_buffer *floats, struct proximadb_search_options *options,
                        struct proximadb_error *reterr)
{
    if (!yyjson_is_arr(member->value))
        return px_rest_member_fail(member, "an array of vectors", reterr);
    yyjson_arr_iter items = yyjson_arr_iter_with(member->value);
    yyjson_val *item;
    for (size_t i = 0; (item = yyjson_arr_iter_next(&items)) != NULL; i++) {
        char name[48];
        size_t begin = floats->size_bytes;
        snprintf(name, sizeof name, "%s[%zu]", member->name, i);
        int rc = read_query(item, name, is_base64, floats, reterr);
        if (rc != PROXIMADB_OK)
            return rc;
        size_t dim_count = (floats->size_bytes - begin) / sizeof(float);
        if (i > 0 && dim_count != options->dim_count)
            return px_fail(reterr, PROXIMADB_INVALID,
                           "%s has %zu numbers, but %s[0] has %zu; all must have as many", name,
                           dim_count, member->name, options->dim_count);
        options->dim_count = dim_count;
        options->query_count++;
    }
    return PROXIMADB_OK;
}

static int read_one_query(const struct px_rest_member *member, bool is_base64,
                          struct px_buffer *floats, struct proximadb_search_options *options,
                          struct proximadb_error *reterr)
{
    int rc = read_query(member->value, member->name, is_base64, floats, reterr);
    options->query_count = 1;
    options->dim_count = floats->size_bytes / sizeof(float);
    return rc;
}

/* Reads the one of the four members that is there. */
static int read_vectors(const struct px_rest_member *members, struct px_buffer *floats,
                        struct proximadb_search_options *options, bool *ret_is_single,
                        struct proximadb_error *reterr)
{
    const struct px_rest_member *given = NULL;
    for (int i = SEARCH_VECTOR; i <= SEARCH_VECTORS_BASE64; i++) {
        if (px_rest_member_is_absent(&members[i]))
            continue;
        if (given != NULL)
            return px_fail(reterr, PROXIMADB_INVALID, "there are %s and %s; give one of them",
                           given->name, members[i].name);
        given = &members[i];
    }
    if (given == NULL)
        return px_fail(reterr, PROXIMADB_INVALID,
                       "there is no vector to search for; give vector, vectors, vector_base64 or "
                       "vectors_base64");
    bool is_base64 =
        given == &members[SEARCH_VECTOR_BASE64] || given == &members[SEARCH_VECTORS_BASE64];
    *ret_is_single = given == &members[SEARCH_VECTOR] || given == &members[SEARCH_VECTOR_BASE64];
    int rc = *ret_is_single ? read_one_query(given, is_base64, floats, options, reterr)
                            : read_queries(given, is_base64, floats, options, reterr);
    options->queries = (const float *)(const void *)floats->data;
    return rc;
}

static int read_share(const struct px_rest_member *member, double *ret_value,
                      struct proximadb_error *reterr)
{
    if (px_rest_member_is_absent(member))
        return PROXIMADB_OK;
    if (!yyjson_is_num(member->value) || !(yyjson_get_num(member->value) > 0))
        return px_rest_member_fail(member, "a number above 0 and below 1", reterr);
    *ret_value = yyjson_get_num(member->value);
    return PROXIMADB_OK;
}

static int read_search_options(const struct px_rest_member *members, struct px_arena *arena,
                               struct proximadb_search_options *options,
                               struct px_rest_shape *shape, struct proximadb_error *reterr)
{
    int rc = px_rest_member_u64(&members[SEARCH_K], &options->k, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_filter(&members[SEARCH_FILTER], &members[SEARCH_PARAMS], arena, &options->filter,
                         reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_bool(&members[SEARCH_INCLUDE_VECTORS], &options->include_vectors,
                                 reterr);
    if (rc == PROXIMADB_OK)
        rc = read_vector_format(&members[SEARCH_VECTOR_FORMAT], options->include_vectors, shape,
                                reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_bool(&members[SEARCH_INCLUDE_METADATA], &options->include_metadata,
                                 reterr);
    if (rc == PROXIMADB_OK)
        rc = read_u32(&members[SEARCH_EF], &options->ef, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_u32(&members[SEARCH_NPROBE], &options->nprobe, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_bool(&members[SEARCH_EXACT], &options->exact, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_share(&members[SEARCH_TARGET_RECALL], &options->target_recall, reterr);
    shape->include_metadata = options->include_metadata;
    return rc;
}

static int read_search(struct px_rest_request *request, yyjson_val *root, struct px_arena *arena,
                       struct proximadb_error *reterr)
{
    struct px_rest_member members[SEARCH_MEMBERS] = {
        [SEARCH_VECTOR] = {.name = "vector"},
        [SEARCH_VECTOR_BASE64] = {.name = "vector_base64"},
        [SEARCH_VECTORS] = {.name = "vectors"},
        [SEARCH_VECTORS_BASE64] = {.name = "vectors_base64"},
        [SEARCH_K] = {.name = "k"},
        [SEARCH_FILTER] = {.name = "filter"},
        [SEARCH_PARAMS] = {.name = "params"},
        [SEARCH_INCLUDE_VECTORS] = {.name = "include_vectors"},
        [SEARCH_VECTOR_FORMAT] = {.name = "vector_format"},
        [SEARCH_INCLUDE_METADATA] = {.name = "include_metadata"},
        [SEARCH_EF] = {.name = "ef"},
        [SEARCH_NPROBE] = {.name = "nprobe"},
        [SEARCH_EXACT] = {.name = "exact"},
        [SEARCH_TARGET_RECALL] = {.name = "target_recall"},
    };
    struct px_buffer floats = {0};
    struct proximadb_search_options options = {
        .struct_size = sizeof options, .k = DEFAULT_K, .include_metadata = true};
    int rc = px_rest_members_read(root, "the body", members, SEARCH_MEMBERS, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_vectors(members, &floats, &options, &request->shape.is_single, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_search_options(members, arena, &options, &request->shape, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_search(&options, &request->payload, reterr);
    px_buffer_release(&floats);
    return rc;
}

int px_rest_decode_search(struct px_rest_request *request, struct proximadb_error *reterr)
{
    return decode_document(request, read_search, reterr);
}

/* ---- scan and count ------------------------------------------------------------------------ */

static int read_scan(struct px_rest_request *request, yyjson_val *root, struct px_arena *arena,
                     struct proximadb_error *reterr)
{
    enum { FILTER, PARAMS, BATCH_SIZE, INCLUDE_VECTORS, VECTOR_FORMAT, CURSOR, MEMBERS };
    struct px_rest_member members[MEMBERS] = {[FILTER] = {.name = "filter"},
                                              [PARAMS] = {.name = "params"},
                                              [BATCH_SIZE] = {.name = "batch_size"},
                                              [INCLUDE_VECTORS] = {.name = "include_vectors"},
                                              [VECTOR_FORMAT] = {.name = "vector_format"},
                                              [CURSOR] = {.name = "cursor"}};
    struct proximadb_scan_options options = {.struct_size = sizeof options,
                                             .include_vectors = true};
    struct proximadb_text cursor = {0};
    int rc = px_rest_members_read(root, "the body", members, MEMBERS, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_filter(&members[FILTER], &members[PARAMS], arena, &options.filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_u32(&members[BATCH_SIZE], &options.batch_size, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_bool(&members[INCLUDE_VECTORS], &options.include_vectors, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_vector_format(&members[VECTOR_FORMAT], options.include_vectors, &request->shape,
                                reterr);
    if (rc == PROXIMADB_OK)
        rc = px_rest_member_text(&members[CURSOR], &cursor, reterr);
    options.cursor = cursor.data;
    options.cursor_size_bytes = cursor.size_bytes;
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_scan(&options, &request->payload, reterr);
    return rc;
}

int px_rest_decode_scan(struct px_rest_request *request, struct proximadb_error *reterr)
{
    return decode_document(request, read_scan, reterr);
}

static int read_count(struct px_rest_request *request, yyjson_val *root, struct px_arena *arena,
                      struct proximadb_error *reterr)
{
    enum { FILTER, PARAMS, MEMBERS };
    struct px_rest_member members[MEMBERS] = {
        [FILTER] = {.name = "filter"}, [PARAMS] = {.name = "params"}};
    struct proximadb_filter filter = {0};
    int rc = px_rest_members_read(root, "the body", members, MEMBERS, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_filter(&members[FILTER], &members[PARAMS], arena, &filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_count(&filter, &request->payload, reterr);
    return rc;
}

int px_rest_decode_count(struct px_rest_request *request, struct proximadb_error *reterr)
{
    return decode_document(request, read_count, reterr);
}

/* `params` of a URL: a JSON object. */
static int read_params(struct px_slice text, struct px_arena *arena, yyjson_doc **ret_doc,
                       struct proximadb_filter *filter, struct proximadb_error *reterr)
{
    int rc = px_rest_json_parse(text, "the query parameter 'params'", ret_doc, reterr);
    if (rc != PROXIMADB_OK)
        return rc;
    return px_rest_fields_read(yyjson_doc_get_root(*ret_doc), "params", arena, &filter->params,
                               &filter->param_count, reterr);
}

int px_rest_decode_count_query(struct px_rest_request *request, struct proximadb_error *reterr)
{
    struct px_arena arena = {.limit_bytes = ARENA_BYTES};
    struct px_buffer text = {0};
    struct px_buffer params = {0};
    struct proximadb_filter filter = {0};
    yyjson_doc *doc = NULL;
    bool has_text = px_rest_query_find(request->query, PX_REST_FILTER, &text);
    bool has_params = px_rest_query_find(request->query, PX_REST_PARAMS, &params);
    int rc = px_buffer_status(&text, reterr);
    if (rc == PROXIMADB_OK)
        rc = px_buffer_status(&params, reterr);
    if (rc == PROXIMADB_OK && has_text) {
        filter.text = text.size_bytes > 0 ? (const char *)text.data : "";
        filter.text_size_bytes = text.size_bytes;
    }
    if (rc == PROXIMADB_OK && has_params)
        rc = read_params(px_buffer_slice(&params), &arena, &doc, &filter, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_count(&filter, &request->payload, reterr);
    yyjson_doc_free(doc);
    px_buffer_release(&text);
    px_buffer_release(&params);
    px_arena_release(&arena);
    return rc;
}

/* ---- compact ------------------------------------------------------------------------------- */

static int read_compact(struct px_rest_request *request, yyjson_val *root, struct px_arena *arena,
                        struct proximadb_error *reterr)
{
    struct px_rest_member cluster_count = {.name = "cluster_count"};
    uint32_t count = 0;
    (void)arena;
    int rc = px_rest_members_read(root, "the body", &cluster_count, 1, reterr);
    if (rc == PROXIMADB_OK)
        rc = read_u32(&cluster_count, &count, reterr);
    if (rc == PROXIMADB_OK)
        rc = proximadb_encode_compact(count, &request->payload, reterr);
    return rc;
}

int px_rest_decode_compact(struct px_rest_request *request, struct proximadb_error *reterr)
{
    if (request->body.size_bytes == 0)
        return proximadb_encode_compact(0, &request->payload, reterr);
    return decode_document(request, read_compact, reterr);
}

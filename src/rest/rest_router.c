#include "rest/rest_router.h"

#include "rest/rest_query.h"

#include <stdio.h>

#define MAY(status) PX_REST_MAY(PROXIMADB_##status)

/* How anything may fail. */
#define ANY                                                                                \
    (MAY(INVALID) | MAY(NO_MEMORY) | MAY(IO) | MAY(UNAVAILABLE) | MAY(DEADLINE_EXCEEDED) | \
     MAY(CANCELLED) | MAY(INTERNAL))

/* ... what asks for a collection, what reads its rows, and what writes them. */
#define NAMED (ANY | MAY(COLLECTION_NOT_FOUND))
#define READ  (NAMED | MAY(CORRUPT) | MAY(RESOURCE_EXHAUSTED))
#define WRITE (READ | MAY(READ_ONLY) | MAY(OUTCOME_UNKNOWN))

#define TIMEOUT PX_REST_TAKES(PX_REST_TIMEOUT_MS)

const struct px_rest_endpoint px_rest_endpoints[] = {
    {
        .method = "GET",
        .path = "/v1/collections",
        .operation = PROXIMADB_LIST_COLLECTIONS,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 200,
        .statuses = ANY | MAY(RESOURCE_EXHAUSTED),
    },
    {
        .method = "POST",
        .path = "/v1/collections",
        .operation = PROXIMADB_CREATE_COLLECTION,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_create,
        .success = 201,
        .statuses = ANY | MAY(COLLECTION_EXISTS) | MAY(RESOURCE_EXHAUSTED) | MAY(UNIMPLEMENTED),
    },
    {
        .method = "GET",
        .path = "/v1/collections/{name}",
        .operation = PROXIMADB_GET_COLLECTION,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 200,
        .statuses = NAMED,
    },
    {
        .method = "PATCH",
        .path = "/v1/collections/{name}",
        .operation = PROXIMADB_UPDATE_COLLECTION,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_change,
        .success = 200,
        .statuses = NAMED | MAY(RESOURCE_EXHAUSTED),
    },
    {
        .method = "DELETE",
        .path = "/v1/collections/{name}",
        .operation = PROXIMADB_DELETE_COLLECTION,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 204,
        .statuses = NAMED,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/vectors",
        .operation = PROXIMADB_INSERT,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT | PX_REST_TAKES(PX_REST_MODE),
        .decode = px_rest_decode_rows,
        .success = 200,
        .statuses = WRITE | MAY(DIMENSION) | MAY(VECTOR_EXISTS) | MAY(VECTOR_NOT_FOUND) |
                    MAY(VERSION_MISMATCH),
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/vectors/get",
        .operation = PROXIMADB_GET,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_get,
        .success = 200,
        .statuses = READ | MAY(TOO_LARGE),
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/vectors/delete",
        .operation = PROXIMADB_DELETE,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_delete,
        .success = 200,
        .statuses = WRITE,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/search",
        .operation = PROXIMADB_SEARCH,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_search,
        .success = 200,
        .statuses = READ | MAY(DIMENSION) | MAY(TOO_LARGE),
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/scan",
        .operation = PROXIMADB_SCAN,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_scan,
        .success = 200,
        .statuses = READ | MAY(SNAPSHOT_EXPIRED) | MAY(TOO_LARGE),
    },
    {
        .method = "GET",
        .path = "/v1/collections/{name}/count",
        .operation = PROXIMADB_COUNT,
        .parameters = TIMEOUT | PX_REST_TAKES(PX_REST_FILTER) | PX_REST_TAKES(PX_REST_PARAMS),
        .decode = px_rest_decode_count_query,
        .success = 200,
        .statuses = READ,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/count",
        .operation = PROXIMADB_COUNT,
        .body = PX_REST_BODY_NEEDED,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_count,
        .success = 200,
        .statuses = READ,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/flush",
        .operation = PROXIMADB_FLUSH,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 204,
        .statuses = WRITE,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/compact",
        .operation = PROXIMADB_COMPACT,
        .body = PX_REST_BODY_OPTIONAL,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_compact,
        .success = 200,
        .statuses = WRITE,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/rebuild_index",
        .operation = PROXIMADB_REBUILD_INDEX,
        .body = PX_REST_BODY_OPTIONAL,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_rebuild_index,
        .success = 204,
        .statuses = WRITE,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/pause_compaction",
        .operation = PROXIMADB_PAUSE_COMPACTION,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 204,
        .statuses = NAMED,
    },
    {
        .method = "POST",
        .path = "/v1/collections/{name}/resume_compaction",
        .operation = PROXIMADB_RESUME_COMPACTION,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 204,
        .statuses = NAMED,
    },
    {
        .method = "POST",
        .path = "/v1/pause_compaction",
        .operation = PROXIMADB_PAUSE_COMPACTION,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 204,
        .statuses = ANY,
    },
    {
        .method = "POST",
        .path = "/v1/resume_compaction",
        .operation = PROXIMADB_RESUME_COMPACTION,
        .parameters = TIMEOUT,
        .decode = px_rest_decode_nothing,
        .success = 204,
        .statuses = ANY,
    },
    {
        .method = "GET",
        .path = "/openapi.json",
        .decode = px_rest_decode_nothing,
        .success = 200,
        .statuses = MAY(INVALID),
    },
};
const size_t px_rest_endpoint_count = sizeof px_rest_endpoints / sizeof px_rest_endpoints[0];

/* ---- matching ------------------------------------------------------------------------------ */

/* Cuts a segment off the front: "/a/b" gives "a" and leaves "/b". False at the end. */
static bool next_segment(struct px_slice *path, struct px_slice *ret_segment)
{
    if (path->size_bytes == 0)
        return false;
    const uint8_t *begin = path->data + 1; /* behind the slash */
    size_t left = path->size_bytes - 1;
    const uint8_t *slash = left > 0 ? memchr(begin, '/', left) : NULL;
    *ret_segment = px_slice_of(begin, slash != NULL ? (size_t)(slash - begin) : left);
    *path = px_slice_of(begin + ret_segment->size_bytes, left - ret_segment->size_bytes);
    return true;
}

/* Fills in the name where the path is one of the template's. */
static bool path_fits(const char *template, struct px_slice path, struct px_slice *ret_name)
{
    struct px_slice pattern = px_slice_of_string(template);
    struct px_slice wanted, segment;
    if (path.size_bytes == 0 || path.data[0] != '/')
        return false;
    while (next_segment(&pattern, &wanted)) {
        if (!next_segment(&path, &segment))
            return false;
        if (wanted.data[0] == '{')
            *ret_name = segment;
        else if (!px_slice_equal(wanted, segment))
            return false;
    }
    return path.size_bytes == 0;
}

static void allow(struct px_rest_match *match, const char *method)
{
    size_t used = strlen(match->allow);
    bool is_get = strcmp(method, "GET") == 0;
    snprintf(match->allow + used, sizeof match->allow - used, "%s%s%s", used > 0 ? ", " : "",
             method, is_get ? ", HEAD" : "");
}

void px_rest_route(struct px_slice method, struct px_slice path, struct px_rest_match *ret_match)
{
    *ret_match = (struct px_rest_match){0};
    if (px_slice_equal(method, px_slice_of_string("HEAD")))
        method = px_slice_of_string("GET");
    for (size_t i = 0; i < px_rest_endpoint_count; i++) {
        const struct px_rest_endpoint *endpoint = &px_rest_endpoints[i];
        struct px_slice name = {0};
        if (!path_fits(endpoint->path, path, &name))
            continue;
        allow(ret_match, endpoint->method);
        ret_match->name = name;
        if (px_slice_equal(method, px_slice_of_string(endpoint->method)))
            ret_match->endpoint = endpoint;
    }
}

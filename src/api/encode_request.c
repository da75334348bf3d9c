#include "api/struct_copy.h"
#include "base/uuid.h"
#include "payload/request_writer.h"

enum { REQUEST_ID_BYTES = 16 };

/* Gives out what was written, or frees it. */
static int finish(struct px_buffer *buffer, int rc, struct proximadb_buffer *ret_payload,
                  struct proximadb_error *reterr)
{
    if (rc == PROXIMADB_OK)
        return px_buffer_take(buffer, ret_payload, reterr);
    px_buffer_release(buffer);
    return rc;
}

int proximadb_encode_search(const struct proximadb_search_options *options,
                            struct proximadb_buffer *ret_payload, struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    struct proximadb_search_options copy;
    int rc = px_struct_copy(&copy, sizeof copy, options, "proximadb_search_options", reterr);
    if (rc == PROXIMADB_OK)
        rc = px_request_write_search(&buffer, &copy, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_scan(const struct proximadb_scan_options *options,
                          struct proximadb_buffer *ret_payload, struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    struct proximadb_scan_options copy;
    int rc = px_struct_copy(&copy, sizeof copy, options, "proximadb_scan_options", reterr);
    if (rc == PROXIMADB_OK)
        rc = px_request_write_scan(&buffer, &copy, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_get(const struct proximadb_text *ids, size_t id_count, bool include_vectors,
                         struct proximadb_buffer *ret_payload, struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    int rc = px_request_write_get(&buffer, ids, id_count, include_vectors, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_delete(const uint8_t *request_id, const struct proximadb_text *ids,
                            size_t id_count, const struct proximadb_filter *filter,
                            struct proximadb_buffer *ret_payload, struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    uint8_t random_id[REQUEST_ID_BYTES];
    if (request_id == NULL) {
        px_random_bytes(random_id, sizeof random_id);
        request_id = random_id;
    }
    int rc = px_request_write_delete(&buffer, request_id, ids, ids != NULL ? id_count : 0, filter,
                                     reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_count(const struct proximadb_filter *filter,
                           struct proximadb_buffer *ret_payload, struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    int rc = px_request_write_count(&buffer, filter, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_collection(const struct proximadb_collection_spec *spec,
                                struct proximadb_buffer *ret_payload,
                                struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    struct proximadb_collection_spec copy;
    int rc = px_struct_copy(&copy, sizeof copy, spec, "proximadb_collection_spec", reterr);
    if (rc == PROXIMADB_OK)
        rc = px_request_write_collection(&buffer, &copy, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_collection_change(const struct proximadb_filterable *filterable,
                                       size_t filterable_count,
                                       struct proximadb_buffer *ret_payload,
                                       struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    int rc = px_request_write_change(&buffer, filterable, filterable_count, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_compact(uint32_t cluster_count, struct proximadb_buffer *ret_payload,
                             struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    int rc = px_request_write_compact(&buffer, cluster_count, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}

int proximadb_encode_rebuild_index(int index_memory, struct proximadb_buffer *ret_payload,
                                   struct proximadb_error *reterr)
{
    struct px_buffer buffer = {0};
    int rc = px_request_write_rebuild_index(&buffer, index_memory, reterr);
    return finish(&buffer, rc, ret_payload, reterr);
}
